"""Figures of the runs of a row: how many there were, how long they took, and the pops in their audio."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ttsctl.core.run import SPEAKS
from ttsctl.core.stalls import LEAST_SIBLINGS, StalledRun, stalled_runs
from ttsctl.sweep.drift_figures import ONE_RUN
from ttsctl.sweep.metrics import PERCENTILES, TIMED, TIMED_PERCENTILES, Figure, figure, missing

if TYPE_CHECKING:
    import pandas as pd

_FEW = f"fewer than {LEAST_SIBLINGS} runs of each text, and of packets in each run"
_NOT_TIMED = "a run of this kind has no such time"
_NO_POPS = "pops were not measured (measure), or nothing was decoded"


def count_figures(runs: pd.DataFrame) -> dict[str, Figure]:
    """Runs, errors, skipped and truncated runs. Where all were skipped, runs and errors are missing."""
    skipped = int(runs["skipped"].notna().sum())
    all_skipped = 0 < len(runs) == skipped
    ended = runs.loc[runs["clean"], "truncated"].dropna()
    return {
        "runs": figure("runs", None if all_skipped else int(runs["clean"].sum())),
        "errors": figure("errors", None if all_skipped else int(runs["error"].notna().sum())),
        "skipped_runs": figure("skipped_runs", skipped),
        "truncated_runs": figure(
            "truncated_runs", int(ended.sum()) if len(ended) else None, "these runs end with the codes they are given"
        ),
    }


def time_figures(clean: pd.DataFrame) -> dict[str, Figure]:
    """The median, the 95th percentile and the longest of every time, with linear interpolation between two runs."""
    times = clean[list(TIMED)].quantile([percent / 100 for percent in PERCENTILES]).to_numpy()
    figures = {}
    for name, (timed, percent) in TIMED_PERCENTILES.items():
        value = float(times[PERCENTILES.index(percent), TIMED.index(timed)])
        figures[name] = figure(name, None if math.isnan(value) else value, _NOT_TIMED)
    return figures


def size_figures(runs: pd.DataFrame, clean: pd.DataFrame) -> dict[str, Figure]:
    """Frames, audio and decoder calls of the runs, and the dumps that runs of codes did not leave."""
    frames, seconds, calls = (clean[name].dropna() for name in ("frames", "duration_s", "decode_calls"))
    speaking = runs[runs["kind"].isin(SPEAKS)]
    all_skipped = len(runs) and runs["skipped"].notna().all()
    dumped = int((speaking["clean"] & speaking["codes"].notna()).sum())
    given = "no codes are made: these were given"
    return {
        "frames_least": figure("frames_least", int(frames.min()) if len(frames) else None, given),
        "frames_most": figure("frames_most", int(frames.max()) if len(frames) else None, given),
        "duration_s": figure("duration_s", float(seconds.max()) if len(seconds) else None, "nothing was decoded"),
        "decode_calls_most": figure("decode_calls_most", int(calls.max()) if len(calls) else None, _NOT_TIMED),
        "missing_dumps": figure(
            "missing_dumps", None if all_skipped or speaking.empty else len(speaking) - dumped, given
        ),
    }


def find_stalled(clean: pd.DataFrame) -> tuple[StalledRun, ...] | None:
    """The stalls among the runs of each condition and case; None where no group has enough runs or packets."""
    found: list[StalledRun] = []
    judged = False
    for (condition, case), group in clean.groupby(["condition", "case"], sort=False):
        times = [None if math.isnan(s) else 1000 * s for s in group["total_s"]]
        sizes = [0 if math.isnan(samples) else int(samples) for samples in group["frames"].fillna(group["samples"])]
        packets = [result.run.packet_stalls if result.run else None for result in group["result"]]
        names = [f"{condition}, {case}, run {repeat}" for repeat in group["repeat"]]
        stalls = stalled_runs(times, sizes, packets, names)
        judged |= stalls is not None
        found += stalls or ()
    return tuple(found) if judged else None


def stall_figures(stalled: tuple[StalledRun, ...] | None) -> dict[str, Figure]:
    """How many stalls there were."""
    return {"stalls": figure("stalls", None if stalled is None else len(stalled), _FEW)}


def pop_figures(clean: pd.DataFrame) -> dict[str, Figure]:
    """The most pops of any run, and the most different places of pops among the runs of a case."""
    sought = clean[clean["pops"].notna()]
    if sought.empty:
        return {name: missing(name, _NO_POPS) for name in ("pops", "pops_unique")}
    counts = sought["pops"].map(len)
    by_case = sought["pops"].groupby(sought["case"])
    # Where no run of a case has a pop, nothing can have moved.
    can_move = (by_case.count() > 1) & (counts.groupby(sought["case"]).max() > 0)
    places = by_case.nunique()[can_move]
    fixed = ONE_RUN if counts.any() else "no run has a pop, so none can move"
    return {
        "pops": figure("pops", int(counts.max())),
        "pops_unique": figure("pops_unique", None if places.empty else int(places.max()), fixed),
    }
