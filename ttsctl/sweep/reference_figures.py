"""Figures against the reference condition: every run is compared with its first run of the same text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ttsctl.audio.metrics import mae_aligned
from ttsctl.runs.job import JobResult
from ttsctl.sweep.drift_figures import first_diffs
from ttsctl.sweep.metrics import Figure, figure
from ttsctl.sweep.run_table import pairs_with
from ttsctl.sweep.topk import NO_DRAWS, draws_apart

if TYPE_CHECKING:
    import pandas as pd

_NONE = "the reference condition has no such run of the same text"


def reference_figures(clean: pd.DataFrame, firsts: Mapping[str, JobResult]) -> dict[str, Figure]:
    """Codes and audio against ``firsts``, the reference condition's first run of each case."""
    pairs = pairs_with(firsts, clean)
    frames = first_diffs(pairs)
    coded = any(a.codes is not None and b.codes is not None for a, b in pairs)
    heard = [(a, b) for a, b in pairs if a.pcm_sha256 and b.pcm_sha256]
    other_pcm = sum(a.pcm_sha256 != b.pcm_sha256 for a, b in heard)
    return {
        "reference_first_diff_frame": figure(
            "reference_first_diff_frame", min(frames, default=None), "all are equal" if coded else _NONE
        ),
        "reference_codes_differ": figure("reference_codes_differ", len(frames) if coded else None, _NONE),
        "reference_pcm_differ": figure("reference_pcm_differ", other_pcm if heard else None, _NONE),
        "reference_mae": figure("reference_mae", *_worst_mae(heard, [*firsts.values(), *clean["result"]])),
    }


def _worst_mae(pairs: Sequence[tuple[JobResult, JobResult]], runs: Sequence[JobResult]) -> tuple[float | None, str]:
    """The largest aligned mean absolute difference (full scale 1) of any pair, or None and why it is not known.

    Only some of the ``runs`` have their audio; it is found by its hash, and each pair of hashes is compared once.
    """
    kept = {r.pcm_sha256: r.pcm for r in runs if r.pcm_sha256 and r.pcm is not None}
    errors: list[float] = []
    for (a, b), rates in {(a.pcm_sha256, b.pcm_sha256): (_rate(a), _rate(b)) for a, b in pairs}.items():
        if a == b:
            errors.append(0.0)
            continue
        ours, theirs = kept.get(a or ""), kept.get(b or "")
        if ours is None or theirs is None:
            return None, "audio is kept of first runs alone, and that of another run differs from theirs"
        found = mae_aligned(ours, theirs, rates[0] or 1) if rates[0] == rates[1] else None
        if found is None:
            return None, "audio that is empty, not finite or of another rate cannot be compared"
        errors.append(found.mae)
    return max(errors, default=None), "no audio of both"


def _rate(result: JobResult) -> int | None:
    return result.info.sample_rate if result.info else None


def topk_figures(clean: pd.DataFrame, firsts: Mapping[str, JobResult]) -> dict[str, Figure]:
    """Recorded draws against those of ``firsts``."""
    diffs = [diff for a, b in pairs_with(firsts, clean) if (diff := draws_apart(a, b)) is not None]
    frames = [diff.first[0] for diff in diffs if diff.first is not None]
    equal = "all draws are equal" if diffs else NO_DRAWS
    ids = max((diff.ids_differ for diff in diffs), default=None)
    logits = max((diff.logits_differ for diff in diffs), default=None)
    return {
        "topk_first_diff_frame": figure("topk_first_diff_frame", min(frames, default=None), equal),
        "topk_ids_differ": figure("topk_ids_differ", ids, NO_DRAWS),
        "topk_logits_differ": figure("topk_logits_differ", logits, NO_DRAWS),
    }
