"""Figures of drift: whether the runs of one text differ among themselves, and what the runs that do not can claim."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ttsctl.core.codes import codes_sha256
from ttsctl.dumps.diff import DiffKind, diff_codes
from ttsctl.runs.job import JobResult
from ttsctl.runs.power import drift_bound, power_words
from ttsctl.sweep.metrics import Figure, figure, missing
from ttsctl.sweep.run_table import first_runs, pairs_with
from ttsctl.sweep.topk import NO_DRAWS, draws_sha256

if TYPE_CHECKING:
    import pandas as pd

ONE_RUN = "one run of a text alone shows no drift"
_GIVEN = "no codes are made: these were given"


def case_table(clean: pd.DataFrame, packet_tokens: int) -> pd.DataFrame:
    """One row for each case, in the order in which they first appear.

    runs: those that made something. drifted: runs whose result is not that of the first. results, codes, packets, pcm,
    draws: how many different ones of each the runs made; packets are the first ``packet_tokens`` frames.
    """
    hashes = clean[["case", "codes", "pcm"]].assign(
        results=_made(clean, ["case"]),
        packets=clean["result"].map(lambda result: _packet_sha256(result, packet_tokens)),
        draws=clean["result"].map(draws_sha256),
    )
    by_case = hashes.groupby("case", sort=False)
    first = by_case["results"].transform("first")
    drifted = hashes["results"].notna() & (hashes["results"] != first)
    return by_case.nunique().assign(
        runs=by_case["results"].count(), drifted=drifted.groupby(clean["case"], sort=False).sum()
    )


def _packet_sha256(result: JobResult, packet_tokens: int) -> str | None:
    return None if result.codes is None else codes_sha256(result.codes[:packet_tokens])


def _made(clean: pd.DataFrame, group: list[str]) -> pd.Series[str]:
    """The sha256 of what each run made: its codes, or its audio where no run of its ``group`` made codes."""
    makes_codes = clean.groupby(group, sort=False)["codes"].transform("count") > 0
    return clean["codes"].where(makes_codes, clean["pcm"])


def _conditions_drift(clean: pd.DataFrame) -> bool:
    """Whether runs of one text under one condition differ. Runs of two conditions may differ without any drift."""
    group = ["condition", "case"]
    return bool(_made(clean, group).groupby([clean[name] for name in group]).nunique().max() > 1)


def worst_case(cases: pd.DataFrame) -> str | None:
    """The case with the most different results; None if each case has one result."""
    return str(cases["results"].idxmax()) if (cases["results"] > 1).any() else None


def power(clean: pd.DataFrame, cases: pd.DataFrame, why_none: str) -> str:
    """What the clean runs can claim, as a sentence; ``why_none`` if there are none.

    Drift depends on the text, so runs of different texts do not add up: the text with the fewest runs counts.
    """
    if cases.empty:
        return why_none
    worst = cases.loc[cases["results"] == cases["results"].max(), "runs"].idxmin()
    found = cases.loc[worst]
    if found["results"] > 1:
        said = f"{found['drifted']} of {found['runs']} runs differ from the first"
        if _conditions_drift(clean[clean["case"] == worst]):
            return f"drift: {said}"
        return f"{said}, but none from its own condition's"
    return power_words(int(cases["runs"].min())) + (" for each text" if len(cases) > 1 else "")


def drift_figures(clean: pd.DataFrame, cases: pd.DataFrame) -> dict[str, Figure]:
    """The runs that differ from the first of their case, where the first of them begins to, and the bound on drift."""
    drifted = int(cases["drifted"].sum())
    several = bool((cases["runs"] > 1).any())
    coded = clean[clean["codes"].notna()]
    frames = first_diffs(pairs_with(first_runs(coded), coded))
    equal = ONE_RUN if not several else _GIVEN if coded.empty else "all runs are equal"
    return {
        "first_diff_frame": figure("first_diff_frame", min(frames, default=None), equal),
        "drifted_runs": figure("drifted_runs", drifted if several else None, ONE_RUN),
        "drift_bound": _bound(clean, cases, drifted),
    }


def _bound(clean: pd.DataFrame, cases: pd.DataFrame, drifted: int) -> Figure:
    """The bound on the drift rate; missing if any run differs from the first of its case."""
    if drifted:
        why = "drift was seen" if _conditions_drift(clean) else "its conditions differ"
        return missing("drift_bound", why)
    fewest = 0 if cases.empty else int(cases["runs"].min())
    return figure("drift_bound", drift_bound(fewest), "no clean run")


def hash_figures(clean: pd.DataFrame, cases: pd.DataFrame) -> dict[str, Figure]:
    """Different hashes among the runs of a case, for the case that has the most: codes, first packets, audio, draws.

    Missing if no case has two runs to compare.
    """
    if len(clean) and clean["case"].is_unique:
        names = ("hash_unique", "first_packet_hash_unique", "pcm_hash_unique", "draws_unique")
        return {name: missing(name, ONE_RUN) for name in names}
    most = {name: int(cases[name].max()) if len(cases) else 0 for name in ("codes", "packets", "pcm", "draws")}
    return {
        "hash_unique": figure("hash_unique", most["codes"] or None, _GIVEN),
        "first_packet_hash_unique": figure("first_packet_hash_unique", most["packets"] or None, _GIVEN),
        "pcm_hash_unique": figure("pcm_hash_unique", most["pcm"] or None, "nothing was decoded"),
        "draws_unique": figure("draws_unique", most["draws"] or None, NO_DRAWS),
    }


def first_diff_kind(clean: pd.DataFrame) -> DiffKind | None:
    """How the pair that parts first parts: by a value, or by length alone; None if all runs of each case are equal."""
    coded = clean[clean["codes"].notna()]
    found = [diff for a, b in pairs_with(first_runs(coded), coded) if (diff := _first_diff(a, b)) is not None]
    return min(found, default=(0, None), key=lambda diff: diff[0])[1]


def first_diffs(pairs: Iterable[tuple[JobResult, JobResult]]) -> list[int]:
    """The first differing frame of every pair whose codes differ."""
    return [diff[0] for a, b in pairs if (diff := _first_diff(a, b)) is not None]


def _first_diff(a: JobResult, b: JobResult) -> tuple[int, DiffKind | None] | None:
    """The first frame that differs, and how; None if none does."""
    if a.codes is None or b.codes is None:
        return None
    if a.codes.shape[1] != b.codes.shape[1]:
        return 0, "value"
    found = diff_codes(a.codes, b.codes, packet_tokens=1)
    return None if found.first_diff_frame is None else (found.first_diff_frame, found.kind)
