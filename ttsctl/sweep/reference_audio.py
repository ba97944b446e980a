"""How far the audio of runs is from that of the reference condition."""

from __future__ import annotations

from collections.abc import Sequence

from ttsctl.audio.metrics import mae_aligned
from ttsctl.runs.job import JobResult


def worst_mae(pairs: Sequence[tuple[JobResult, JobResult]], runs: Sequence[JobResult]) -> tuple[float | None, str]:
    """The largest aligned mean absolute difference (full scale 1) of any pair, or None and why it is not known.

    Audio is kept of some of the ``runs`` only and known by its hash, so pairs of the same audio are compared once.
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
