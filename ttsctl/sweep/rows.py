"""From the runs of a condition to its row of the table: counts, hashes, first differences, times, and their power."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ttsctl.audio.metrics import percentile
from ttsctl.core.codes import codes_sha256
from ttsctl.core.metric import Observation
from ttsctl.dumps.diff import diff_codes
from ttsctl.runs.job import JobResult
from ttsctl.runs.power import drift_bound, power_words
from ttsctl.sweep.conditions import Condition, Settings
from ttsctl.sweep.metrics import PERCENTILES, TIMED, percentile_name, unit_of
from ttsctl.sweep.reference_audio import worst_mae
from ttsctl.sweep.topk import draws_apart

ONE_RUN = "one run of a text alone shows no drift"
GIVEN = "no codes are made: these were given"
Group = Sequence[JobResult]


@dataclass(frozen=True)
class Setup:
    """What the runs of a row were: ``packet_tokens`` in the first packets that are compared."""

    name: str
    run: str
    settings: Settings
    packet_tokens: int


@dataclass(frozen=True)
class ConditionRow:
    """A row. ``metrics`` has every name of sweep.metrics.METRICS; one without a value has its reason.

    Hash counts and first differences are those of the text that is worst, ``worst_case``. ``skipped`` says why no run
    was made, ``first_error`` what the first failure said, ``power`` what the clean runs can claim.
    """

    name: str
    run: str
    settings: Settings
    cases: int
    skipped: str | None
    first_error: str | None
    worst_case: str | None
    power: str
    hosts: tuple[str, ...]
    metrics: Mapping[str, Observation]
    notes: tuple[str, ...] = field(default=())

    def value(self, metric: str) -> float | int | None:
        found = self.metrics[metric].value
        return None if isinstance(found, str) else found


def setup_of(condition: Condition, packet_tokens: int) -> Setup:
    return Setup(condition.name, condition.run, condition.settings, packet_tokens)


def row_of(setup: Setup, results: Sequence[JobResult], reference: Sequence[JobResult]) -> ConditionRow:
    """The row of ``results``, in the order of their repeats; ``reference``: the runs of the reference condition.

    Never raises for what a run gave: what cannot be had is a missing figure with its reason.
    """
    clean = [r for r in results if r.clean]
    cases = _by_case(clean)
    firsts = {case: group[0] for case, group in _by_case(r for r in reference if r.clean).items()}
    hashes = {case: _made(group) for case, group in cases.items()}
    found = [
        *_counts(results, clean),
        *_hashes(setup, cases),
        *_drift(hashes, clean),
        *_against_reference(cases, firsts),
        *_topk(cases, firsts),
        *_pops(cases),
        *_times(clean),
    ]
    why_none = _why_none(results)
    metrics = {o.name: o if o.value is not None or clean else _missing(o.name, why_none) for o in found}
    return ConditionRow(
        name=setup.name,
        run=setup.run,
        settings=setup.settings,
        cases=len({r.case for r in results}),
        skipped=why_none if results and all(r.skipped for r in results) else None,
        first_error=next((r.error for r in results if r.error), None),
        worst_case=_worst(hashes),
        power=_power(cases, hashes, why_none),
        hosts=tuple(dict.fromkeys(r.host for r in clean)),
        metrics=metrics,
        notes=tuple(dict.fromkeys(f"{r.case}: {note}" for r in clean for note in (r.run.notes if r.run else ()))),
    )


def _by_case(results: Iterable[JobResult]) -> dict[str, list[JobResult]]:
    return _grouped(results, "case")


def _grouped(results: Iterable[JobResult], name: str) -> dict[str, list[JobResult]]:
    """Results by a field of theirs, in the order in which its values first appear."""
    groups: dict[str, list[JobResult]] = {}
    for result in results:
        groups.setdefault(getattr(result, name), []).append(result)
    return groups


def _made(group: Group) -> list[str]:
    """The hash of what each run made: its codes, or else, where none made any, the audio of codes that were given."""
    codes = [codes_sha256(r.codes) for r in group if r.codes is not None]
    return codes or [r.pcm_sha256 for r in group if r.pcm_sha256 is not None]


def _why_none(results: Sequence[JobResult]) -> str:
    skipped = list(dict.fromkeys(r.skipped for r in results if r.skipped))
    if results and len(skipped) and all(r.skipped for r in results):
        return f"skipped: {'; '.join(skipped)}"
    return "every run failed" if results else "no run"


def _value(name: str, value: float | int | None, why_missing: str = "") -> Observation:
    return Observation(name, value, unit_of(name), None if value is not None else why_missing or "not known")


def _missing(name: str, reason: str) -> Observation:
    return Observation(name, None, unit_of(name), reason)


def _counts(results: Group, clean: Group) -> list[Observation]:
    ended = [r.run.truncated for r in clean if r.run is not None and r.run.truncated is not None]
    skipped = sum(r.skipped is not None for r in results)
    return [
        _value("runs", len(clean) if skipped < len(results) or not results else None),
        _value("errors", sum(r.error is not None for r in results) if skipped < len(results) or not results else None),
        _value("skipped_runs", skipped),
        _value("truncated_runs", sum(ended) if ended else None, "these runs end with the codes they are given"),
    ]


def _hashes(setup: Setup, cases: Mapping[str, Group]) -> list[Observation]:
    """Different hashes among the runs of a text, the most of any text. One run a text has nothing to differ from."""
    if cases and all(len(group) < 2 for group in cases.values()):
        names = ("hash_unique", "first_packet_hash_unique", "pcm_hash_unique")
        return [_missing(name, ONE_RUN) for name in names]
    undecoded = "nothing was decoded"
    n = setup.packet_tokens
    codes = [[r.codes for r in group if r.codes is not None] for group in cases.values()]
    pcm = [{r.pcm_sha256 for r in group if r.pcm_sha256} for group in cases.values()]
    return [
        _value(
            "hash_unique", max((len({codes_sha256(c) for c in group}) for group in codes if group), default=None), GIVEN
        ),
        _value(
            "first_packet_hash_unique",
            max((len({codes_sha256(c[:n]) for c in group}) for group in codes if group), default=None),
            GIVEN,
        ),
        _value("pcm_hash_unique", max((len(group) for group in pcm if group), default=None), undecoded),
    ]


def _drift(hashes: Mapping[str, Sequence[str]], clean: Group) -> list[Observation]:
    """What differs from its text's first run, and what the runs that do not can claim."""
    drifted = sum(h != group[0] for group in hashes.values() for h in group)
    coded = _by_case(r for r in clean if r.codes is not None)
    frames = _first_diffs(coded, {case: group[0] for case, group in coded.items()})
    several = any(len(group) > 1 for group in hashes.values())
    runs = _fewest(hashes)
    why_unbound = "no clean run" if not drifted else "drift was seen" if _drifts(clean) else "its conditions differ"
    return [
        _value("first_diff_frame", min(frames, default=None), _why_no_diff(clean, several)),
        _value("drifted_runs", drifted if several else None, ONE_RUN),
        _value("drift_bound", None if drifted else drift_bound(runs), why_unbound),
    ]


def _why_no_diff(clean: Group, several: bool) -> str:
    if not several:
        return ONE_RUN
    return "all runs are equal" if any(r.codes is not None for r in clean) else GIVEN


def _drifts(clean: Group) -> bool:
    """Whether runs of one text under one condition differ; those of several conditions may, and are then no drift."""
    groups = (group for runs in _grouped(clean, "condition").values() for group in _by_case(runs).values())
    return any(len(set(_made(group))) > 1 for group in groups)


def _fewest(hashes: Mapping[str, Sequence[str]]) -> int:
    """Runs of the text that has the fewest: drift hangs on the text, so runs of different texts do not add up."""
    return min((len(group) for group in hashes.values()), default=0)


def _power(cases: Mapping[str, Group], hashes: Mapping[str, Sequence[str]], why_none: str) -> str:
    if not hashes:
        return why_none
    case = max(hashes, key=lambda name: (len(set(hashes[name])), -len(hashes[name])))
    worst = hashes[case]
    if len(set(worst)) > 1:
        said = f"{sum(h != worst[0] for h in worst)} of {len(worst)} runs differ from the first"
        return f"drift: {said}" if _drifts(cases[case]) else f"{said}, but none from its own condition's"
    return power_words(_fewest(hashes)) + (" for each text" if len(hashes) > 1 else "")


def _worst(hashes: Mapping[str, Sequence[str]]) -> str | None:
    """The text with the most different hashes; None where all texts have one."""
    case = max(hashes, key=lambda name: len(set(hashes[name])), default=None)
    return case if case is not None and len(set(hashes[case])) > 1 else None


def _first_diffs(cases: Mapping[str, Group], firsts: Mapping[str, JobResult]) -> list[int]:
    """The first differing frame of every run that differs in codes from its text's entry in ``firsts``."""
    return [found for a, b in _pairs(cases, firsts) if (found := _first_diff(a, b)) is not None]


def _pairs(cases: Mapping[str, Group], firsts: Mapping[str, JobResult]) -> Iterator[tuple[JobResult, JobResult]]:
    return ((firsts[case], r) for case, group in cases.items() if case in firsts for r in group)


def _first_diff(a: JobResult, b: JobResult) -> int | None:
    if a.codes is None or b.codes is None:
        return None
    if a.codes.shape[1] != b.codes.shape[1]:
        return 0
    return diff_codes(a.codes, b.codes, packet_tokens=1).first_diff_frame


def _against_reference(cases: Mapping[str, Group], firsts: Mapping[str, JobResult]) -> list[Observation]:
    """Every run against the first run of the reference condition, text by text."""
    none = "the reference condition has no such run of the same text"
    pairs = list(_pairs(cases, firsts))
    frames = _first_diffs(cases, firsts)
    coded = [(a, b) for a, b in pairs if a.codes is not None and b.codes is not None]
    heard = [(a, b) for a, b in pairs if a.pcm_sha256 and b.pcm_sha256]
    return [
        _value("reference_first_diff_frame", min(frames, default=None), "all are equal" if coded else none),
        _value("reference_codes_differ", len(frames) if coded else None, none),
        _value("reference_pcm_differ", sum(a.pcm_sha256 != b.pcm_sha256 for a, b in heard) if heard else None, none),
        _value("reference_mae", *worst_mae(heard, [*firsts.values(), *(r for group in cases.values() for r in group)])),
    ]


def _topk(cases: Mapping[str, Group], firsts: Mapping[str, JobResult]) -> list[Observation]:
    diffs = [found for a, b in _pairs(cases, firsts) if (found := draws_apart(a, b)) is not None]
    none = "no draws were recorded (record.trace)"
    frames = [d.first[0] for d in diffs if d.first is not None]
    return [
        _value("topk_first_diff_frame", min(frames, default=None), "all draws are equal" if diffs else none),
        _value("topk_ids_differ", max((d.ids_differ for d in diffs), default=None), none),
        _value("topk_logits_differ", max((d.logits_differ for d in diffs), default=None), none),
    ]


def _pops(cases: Mapping[str, Group]) -> list[Observation]:
    sought = [[r.pops for r in group if r.pops is not None] for group in cases.values()]
    counts = [len(pops) for group in sought for pops in group]
    # Where no run has a pop there is nothing that could have moved.
    unique = max((len(set(group)) for group in sought if len(group) > 1 and any(group)), default=None)
    none = "pops were not measured (measure), or nothing was decoded"
    why = none if not counts else ONE_RUN if any(counts) else "no run has a pop, so none can move"
    return [_value("pops", max(counts, default=None), none), _value("pops_unique", unique, why)]


def _times(clean: Group) -> list[Observation]:
    out = []
    for name in TIMED:
        values = [
            found
            for r in clean
            if r.run is not None and (found := r.run.times.get(name)) is not None and np.isfinite(found)
        ]
        why = "a run of this kind has no such time"
        out += [_value(percentile_name(name, q), percentile(values, q), why) for q in PERCENTILES]
    return out


def pooled(setups: Sequence[Setup]) -> Setup:
    """The setup of several conditions taken as one: what differs between them differs in its row.

    First packets are compared over the length of the shortest.
    """
    kinds = dict.fromkeys(setup.run for setup in setups)
    return Setup("all", "/".join(kinds), {}, min((setup.packet_tokens for setup in setups), default=1))
