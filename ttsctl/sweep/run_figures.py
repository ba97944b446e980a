"""Figures of the runs of a row: how many there were, how long they took, and the pops in their audio."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ttsctl.sweep.drift_figures import ONE_RUN
from ttsctl.sweep.metrics import PERCENTILES, TIMED, TIMED_PERCENTILES, Figure, figure, missing

if TYPE_CHECKING:
    import pandas as pd

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
    """The median and the 95th percentile of every time, with linear interpolation between two runs."""
    times = clean[list(TIMED)].quantile([percent / 100 for percent in PERCENTILES]).to_numpy()
    figures = {}
    for name, (timed, percent) in TIMED_PERCENTILES.items():
        value = float(times[PERCENTILES.index(percent), TIMED.index(timed)])
        figures[name] = figure(name, None if math.isnan(value) else value, _NOT_TIMED)
    return figures


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
