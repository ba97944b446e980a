"""``pop-align`` as plain data: the pops of one recording or of two, and how they align."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ttsctl.audio.match_times import TOLERANCE_S
from ttsctl.audio.metrics import pop_click_score, spike_times
from ttsctl.audio.pop_alignment import align
from ttsctl.audio.pops.detector import THRESHOLD, PopReport, detect_pops
from ttsctl.core.audio import Audio


def describe(path: Path | str, audio: Audio, report: PopReport) -> dict[str, Any]:
    """One recording: the simple measures, its pops and seams, and notes on what reading and searching it changed."""
    return {
        "path": str(path),
        "sample_rate": audio.sample_rate,
        "duration_s": audio.duration_s,
        "pop_click_score": pop_click_score(audio.pcm, audio.sample_rate),
        "pops_per_minute": 60 * len(report.pops) / audio.duration_s if audio.duration_s else None,
        "pops_s": report.times_s,
        "pops": [asdict(pop) for pop in report.pops],
        "seams": [asdict(grid) for grid in report.seams],
        "spikes_s": spike_times(audio.pcm, audio.sample_rate),
        "notes": [*audio.notes, *report.notes],
    }


def pop_align(
    a: tuple[Path | str, Audio],
    b: tuple[Path | str, Audio] | None = None,
    tolerance_s: float = TOLERANCE_S,
    threshold: float = THRESHOLD,
) -> dict[str, Any]:
    """(path, audio) of A and, if there is one, of B -> {"a": ..., "b": ... or None, "alignment": ... or None}."""
    report_a = detect_pops(a[1].pcm, a[1].sample_rate, threshold)
    described_a = describe(a[0], a[1], report_a)
    if b is None:
        return {"a": described_a, "b": None, "alignment": None}
    report_b = detect_pops(b[1].pcm, b[1].sample_rate, threshold)
    alignment = align(a[1], b[1], report_a, report_b, tolerance_s)
    return {"a": described_a, "b": describe(b[0], b[1], report_b), "alignment": alignment.to_dict()}


def label_text(described: dict[str, Any]) -> str:
    """Pops as Audacity labels: one ``start<TAB>end<TAB>label`` a line, times in s; "" for no pops."""
    lines = [
        f"{pop['time_s']:.6f}\t{pop['time_s']:.6f}\t{pop['kind'] or 'pop'} {pop['strength_db']:+.1f} dB"
        for pop in described["pops"]
    ]
    return "".join(line + "\n" for line in lines)
