"""Codes by machine: whether runs that differ do so on one machine, or only between machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ttsctl.core.codes import codes_sha256
from ttsctl.core.provenance import differences
from ttsctl.dumps.diff import diff_codes
from ttsctl.runs.job import JobResult

Spread = Literal["one result", "differs within a machine", "differs between machines only"]


@dataclass(frozen=True)
class Machine:
    """A machine that runs were made on; ``cpu`` and ``gpu`` as its provenance has them.

    ``differs``: all in which its provenance is not that of the first machine.
    """

    id: str
    host: str
    cpu: str | None
    gpu: str | None
    runs: int
    differs: tuple[str, ...] = ()


@dataclass(frozen=True)
class CodeGroup:
    """Runs of one text that gave the same codes: how many under each condition, and on which hosts."""

    case: str
    sha256: str
    conditions: Mapping[str, int]
    hosts: tuple[str, ...]


@dataclass(frozen=True)
class MachineSpread:
    """The codes of one text under one condition over machines; ``hashes``: by host, the different ones in order.

    ``first_diff_frame``: where the first machine's first run and the first of another that differs part.
    """

    condition: str
    case: str
    spread: Spread
    hashes: Mapping[str, tuple[str, ...]]
    first_diff_frame: int | None


def machines(results: Sequence[JobResult]) -> list[Machine]:
    """The machines of all runs that were made, in the order in which they first appear."""
    by_machine = on_machines(results)
    first = next((r for runs in by_machine.values() for r in runs if r.provenance), None)
    return [_machine(name, runs, first) for name, runs in by_machine.items()]


def on_machines(results: Sequence[JobResult]) -> dict[str, list[JobResult]]:
    """Runs by machine id, without those that were skipped.

    A run that failed before it could tell its machine counts for that of its host, or for the host itself.
    """
    ids = {r.host: r.provenance.machine_id for r in reversed(results) if r.provenance}
    found: dict[str, list[JobResult]] = {}
    for result in results:
        if result.skipped is None:
            told = result.provenance.machine_id if result.provenance else ids.get(result.host, result.host)
            found.setdefault(told, []).append(result)
    return found


def _machine(name: str, runs: Sequence[JobResult], first: JobResult | None) -> Machine:
    known = next((r for r in runs if r.provenance), None)
    if known is None or known.provenance is None or first is None or first.provenance is None:
        return Machine(name, runs[0].host, None, None, len(runs))
    mine = known.provenance
    return Machine(name, known.host, mine.cpu, mine.gpu, len(runs), tuple(differences(first.provenance, mine)))


def code_groups(results: Sequence[JobResult]) -> list[CodeGroup]:
    """Text by text, the different codes that its runs gave, those of most runs first."""
    groups: dict[tuple[str, str], list[JobResult]] = {}
    for result in results:
        if result.clean and result.codes is not None:
            groups.setdefault((result.case, codes_sha256(result.codes)), []).append(result)
    order = list(dict.fromkeys(case for case, _ in groups))
    ranked = sorted(groups.items(), key=lambda item: (order.index(item[0][0]), -len(item[1])))
    return [_code_group(case, sha256, runs) for (case, sha256), runs in ranked]


def _code_group(case: str, sha256: str, runs: Sequence[JobResult]) -> CodeGroup:
    conditions = {name: sum(r.condition == name for r in runs) for name in dict.fromkeys(r.condition for r in runs)}
    return CodeGroup(case, sha256, conditions, tuple(dict.fromkeys(r.host for r in runs)))


def machine_spreads(results: Sequence[JobResult]) -> list[MachineSpread]:
    """One entry for every condition and text that ran on more than one machine."""
    groups: dict[tuple[str, str], dict[str, list[JobResult]]] = {}
    for machine, runs in on_machines(results).items():
        for result in runs:
            if result.clean and result.codes is not None:
                groups.setdefault((result.condition, result.case), {}).setdefault(machine, []).append(result)
    return [_spread(*key, by_machine) for key, by_machine in groups.items() if len(by_machine) > 1]


def _spread(condition: str, case: str, by_machine: Mapping[str, Sequence[JobResult]]) -> MachineSpread:
    hashes = {machine: _hashes(runs) for machine, runs in by_machine.items()}
    every = {sha256 for found in hashes.values() for sha256 in found}
    within = any(len(found) > 1 for found in hashes.values())
    spread: Spread = (
        "one result" if len(every) == 1 else "differs within a machine" if within else "differs between machines only"
    )
    # Host names are for people, and two machines may share one.
    labels = {machine: f"{runs[0].host} ({machine[:8]})" for machine, runs in by_machine.items()}
    return MachineSpread(
        condition, case, spread, {labels[m]: found for m, found in hashes.items()}, _first_diff(by_machine)
    )


def _hashes(runs: Sequence[JobResult]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(codes_sha256(r.codes) for r in runs if r.codes is not None))


def _first_diff(by_machine: Mapping[str, Sequence[JobResult]]) -> int | None:
    first, *others = (runs[0].codes for runs in by_machine.values())
    if first is None:
        return None
    frames = (diff_codes(first, codes, packet_tokens=1).first_diff_frame for codes in others if codes is not None)
    return min((frame for frame in frames if frame is not None), default=None)
