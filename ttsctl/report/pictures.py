"""Pictures of pops: waveforms one above the other with their pops, and the lag of B against A over time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ttsctl.audio.pop_alignment import PopComparison, Recording, TimedLagJump
from ttsctl.core.audio import Audio
from ttsctl.core.files import written_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = 2000
INCHES = (12.0, 2.2)
COLOURS = {"seam": "tab:orange", None: "tab:red"}


def envelope(pcm: NDArray[np.floating], columns: int = COLUMNS) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """pcm (N,), N >= 1 -> smallest and largest sample of each of up to ``columns`` equal stretches, (columns,) each."""
    edges = np.linspace(0, len(pcm), min(columns, len(pcm)) + 1).astype(int)[:-1]
    low, high = np.minimum.reduceat(pcm, edges), np.maximum.reduceat(pcm, edges)
    return low.astype(np.float64), high.astype(np.float64)


def draw_pops(path: Path, found: PopComparison, a: Audio, b: Audio | None = None) -> None:
    """Write a PNG of A's waveform and pops, those of B below it, and the lag of B below that, all over seconds."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    jumps = found.alignment.lag_jumps if found.alignment is not None and found.alignment.alignable else None
    rows = len(found.recordings) + (jumps is not None)
    figure = Figure(figsize=(INCHES[0], INCHES[1] * rows + 0.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, 1, squeeze=False)[:, 0]
    _draw_wave(axes[0], a, found.a, "A")
    if b is not None and found.b is not None:
        _draw_wave(axes[1], b, found.b, "B")
    if jumps is not None:
        _draw_lag(axes[-1], jumps, a)
    axes[-1].set_xlabel("time (s)")
    with written_whole(path) as temporary:
        figure.savefig(temporary, dpi=100, metadata={"Software": None})


def _draw_wave(axes: Axes, audio: Audio, recording: Recording, name: str) -> None:
    low, high = envelope(audio.pcm)
    times = np.linspace(0, audio.duration_s, len(low), endpoint=False)
    axes.fill_between(times, low, high, color="0.4", linewidth=0)
    for pop in recording.pops:
        axes.axvline(pop.time_s, color=COLOURS.get(pop.kind, COLOURS[None]), linewidth=0.8, alpha=0.8)
    axes.set_xlim(0, audio.duration_s)
    axes.set_title(f"{name}: {Path(recording.path).name}, {len(recording.pops)} pops", fontsize=9, loc="left")
    axes.set_ylabel("amplitude")


def _draw_lag(axes: Axes, jumps: tuple[TimedLagJump, ...], a: Audio) -> None:
    times, lags = [0.0], [0.0]
    for jump in jumps:
        times.append(jump.time_s)
        lags.append(lags[-1] + jump.samples)
    axes.step([*times, a.duration_s], [*lags, lags[-1]], where="post", color="tab:blue")
    axes.set_xlim(0, a.duration_s)
    axes.set_ylabel("lag of B (samples)")
