"""The runs of a sweep as one table, from which the figures of every condition are computed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

from ttsctl.core.codes import SAMPLE_RATE, codes_sha256
from ttsctl.core.run import RunKind
from ttsctl.runs.job import JobResult
from ttsctl.sweep.metrics import TIMED

if TYPE_CHECKING:
    import pandas as pd


def run_table(results: Sequence[JobResult], kinds: Mapping[str, RunKind] | None = None) -> pd.DataFrame:
    """One row for each of one or more runs, in their order. A value that a run does not have is missing (NaN or None).

    ``kinds``: the kind of run of each condition, for the runs that failed.

    condition, case, repeat, host: as in the result. machine: the id of its machine; missing if the run was skipped.
    error, skipped: the text that says why there is no run. clean: there is one.
    truncated: whether it ended at the cap. pops: samples, a tuple.
    codes, pcm: the sha256 of the codes and the audio that it made. frames, samples, duration_s: how much of each;
    decode_calls: by how many calls. kind: of the run, also of one that failed.
    A column for each of ``metrics.TIMED``: ms, or without a unit for ``rtf``.
    result: the JobResult itself, for comparisons of arrays.
    """
    # Only commands that make a table pay for loading it.
    import pandas as pd

    machines = _machine_ids(results)
    rows = [_row(result, machine, kinds or {}) for result, machine in zip(results, machines, strict=True)]
    return pd.DataFrame(rows, dtype=object).astype({"clean": bool} | dict.fromkeys([*TIMED, *_SIZES], float))


_SIZES = ("frames", "samples", "duration_s", "decode_calls")


def _row(result: JobResult, machine: str | None, kinds: Mapping[str, RunKind]) -> dict[str, Any]:
    run = result.run
    times = {} if run is None else run.times
    rate = SAMPLE_RATE if result.info is None else result.info.sample_rate
    return {
        "condition": result.condition,
        "case": result.case,
        "repeat": result.repeat,
        "host": result.host,
        "machine": machine,
        "error": result.error,
        "skipped": result.skipped,
        "clean": result.clean,
        "truncated": None if run is None else run.truncated,
        "pops": result.pops,
        "codes": None if result.codes is None else codes_sha256(result.codes),
        "pcm": result.pcm_sha256,
        "kind": kinds.get(result.condition) if run is None else run.kind,
        "frames": None if result.codes is None else len(result.codes),
        "samples": result.samples,
        "duration_s": None if result.samples is None else result.samples / rate,
        "decode_calls": times.get("decode_calls"),
        "result": result,
        **{name: time if (time := times.get(name)) is not None and isfinite(time) else None for name in TIMED},
    }


def _machine_ids(results: Sequence[JobResult]) -> list[str | None]:
    """The machine of every run; None for one that was skipped.

    A run that failed before its machine was known counts for the machine of its host, or else for the host itself.
    """
    by_host = {r.host: r.provenance.machine_id for r in reversed(results) if r.provenance}
    return [
        None if r.skipped is not None else r.provenance.machine_id if r.provenance else by_host.get(r.host, r.host)
        for r in results
    ]


def in_order_of(column: str, runs: pd.DataFrame) -> pd.DataFrame:
    """Runs with the same value of ``column`` together, the values in the order in which they first appear.

    Runs without a value are left out.
    """
    known = runs[runs[column].notna()]
    return known.iloc[known.groupby(column, sort=False).ngroup().argsort(kind="stable")]


def grouped(runs: pd.DataFrame, *columns: str) -> Iterator[tuple[tuple[str, ...], pd.DataFrame]]:
    """(values of ``columns``, the runs that have them), in the order in which they first appear.

    Runs without one of the values are left out.
    """
    for values, group in runs.groupby(list(columns), sort=False):
        yield tuple(map(str, values)), group


def first_runs(runs: pd.DataFrame) -> dict[str, JobResult]:
    """The first run of each case."""
    firsts = runs.drop_duplicates("case")
    return dict(zip(firsts["case"], firsts["result"], strict=True))


def pairs_with(firsts: Mapping[str, JobResult], runs: pd.DataFrame) -> list[tuple[JobResult, JobResult]]:
    """Each run after the entry of its case in ``firsts``, case by case; cases without an entry are left out."""
    cases = list(runs["case"].unique())
    in_order = sorted(runs["result"], key=lambda run: cases.index(run.case))
    return [(firsts[run.case], run) for run in in_order if run.case in firsts]
