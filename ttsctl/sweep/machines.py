"""Codes by machine: whether runs that differ do so on one machine, or only between machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ttsctl.core.provenance import Provenance, differences
from ttsctl.runs.job import JobResult
from ttsctl.sweep.drift_figures import first_diffs
from ttsctl.sweep.run_table import grouped, in_order_of

if TYPE_CHECKING:
    import pandas as pd

Spread = Literal["one result", "differs within a machine", "differs between machines only"]


@dataclass(frozen=True)
class Machine:
    """A machine that made runs; ``cpu`` and ``gpu`` are those of its provenance.

    ``differs``: how its provenance differs from that of the first machine.
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
    """The codes of one text under one condition on several machines; ``hashes``: the different ones of each host.

    ``first_diff_frame``: the earliest frame in which the first run of another machine differs from that of the first.
    """

    condition: str
    case: str
    spread: Spread
    hashes: Mapping[str, tuple[str, ...]]
    first_diff_frame: int | None


def machines(runs: pd.DataFrame) -> list[Machine]:
    """The machines of all runs that were not skipped, in the order in which they first appear."""
    by_machine = [(name, list(group["result"])) for (name,), group in grouped(runs, "machine")]
    first = next((result.provenance for _, results in by_machine for result in results if result.provenance), None)
    return [_machine(name, results, first) for name, results in by_machine]


def _machine(name: str, results: Sequence[JobResult], first: Provenance | None) -> Machine:
    known = next((result for result in results if result.provenance), None)
    if known is None or known.provenance is None or first is None:
        return Machine(name, results[0].host, None, None, len(results))
    mine = known.provenance
    return Machine(name, known.host, mine.cpu, mine.gpu, len(results), tuple(differences(first, mine)))


def code_groups(runs: pd.DataFrame) -> list[CodeGroup]:
    """Text by text, the different codes that its runs gave, those of most runs first."""
    groups = [_code_group(case, sha256, group) for (case, sha256), group in grouped(runs, "case", "codes")]
    cases = list(dict.fromkeys(group.case for group in groups))
    return sorted(groups, key=lambda group: (cases.index(group.case), -sum(group.conditions.values())))


def _code_group(case: str, sha256: str, runs: pd.DataFrame) -> CodeGroup:
    conditions = {name: len(group) for (name,), group in grouped(runs, "condition")}
    return CodeGroup(case, sha256, conditions, tuple(runs["host"].unique()))


def machine_spreads(runs: pd.DataFrame) -> list[MachineSpread]:
    """One entry for every condition and text that ran on more than one machine."""
    coded = in_order_of("machine", runs)
    coded = coded[coded["codes"].notna()]
    groups = grouped(coded, "condition", "case")
    return [_spread(condition, case, group) for (condition, case), group in groups if group["machine"].nunique() > 1]


def _spread(condition: str, case: str, runs: pd.DataFrame) -> MachineSpread:
    """The spread of the runs with codes of one condition and text, which are ordered by machine."""
    # Host names are for people, and two machines may share one.
    hashes = {
        f"{group['host'].iloc[0]} ({machine[:8]})": tuple(group["codes"].unique())
        for (machine,), group in grouped(runs, "machine")
    }
    within = any(len(found) > 1 for found in hashes.values())
    differs: Spread = "differs within a machine" if within else "differs between machines only"
    first, *others = runs.drop_duplicates("machine")["result"]
    return MachineSpread(
        condition=condition,
        case=case,
        spread="one result" if runs["codes"].nunique() == 1 else differs,
        hashes=hashes,
        first_diff_frame=min(first_diffs((first, other) for other in others), default=None),
    )
