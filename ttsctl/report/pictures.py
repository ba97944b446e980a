"""Pictures of pops: waveforms one above the other with their pops, and the lag of B against A over time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ttsctl.audio.lpc import Float
from ttsctl.audio.overview import COLUMNS, Outline, OutlineBuilder
from ttsctl.audio.pop_alignment import PopComparison, Recording, TimedLagJump, pops_by_channel
from ttsctl.audio.pops.detector import PERIODIC
from ttsctl.audio.sound import Pcm
from ttsctl.core.files import written_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INCHES = (12.0, 2.2)
PERIODIC_COLOUR, POP_COLOUR = "tab:orange", "tab:red"


def envelope(pcm: Pcm, columns: int = COLUMNS) -> tuple[Float, Float]:
    """pcm (N,), N >= 1 -> smallest and largest sample of each of up to ``columns`` equal stretches, (columns,) each."""
    outline = OutlineBuilder(len(pcm), columns)
    outline.add(0, pcm[:, None])
    return outline.low, outline.high


def draw_pops(path: Path, found: PopComparison, a: Outline, b: Outline | None = None) -> None:
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


def _draw_wave(axes: Axes, outline: Outline, recording: Recording, name: str) -> None:
    times = np.linspace(0, outline.duration_s, len(outline.low), endpoint=False)
    axes.fill_between(times, outline.low, outline.high, color="0.4", linewidth=0)
    for colour, pops in (
        (POP_COLOUR, [pop.time_s for pop in recording.pops if pop.kind != PERIODIC]),
        (PERIODIC_COLOUR, [pop.time_s for pop in recording.pops if pop.kind == PERIODIC]),
    ):
        # One collection of lines: a file may have thousands of pops.
        axes.vlines(pops, 0, 1, transform=axes.get_xaxis_transform(), color=colour, linewidth=0.8, alpha=0.8)
    axes.set_xlim(0, outline.duration_s)
    title = f"{name}: {Path(recording.path).name}, {len(recording.pops)} pops"
    if recording.channels > 1:
        title += f" (by channel: {', '.join(map(str, pops_by_channel(recording)))})"
    axes.set_title(title, fontsize=9, loc="left")
    axes.set_ylabel("amplitude")


def _draw_lag(axes: Axes, jumps: tuple[TimedLagJump, ...], a: Outline) -> None:
    times, lags = [0.0], [0.0]
    for jump in jumps:
        times.append(jump.time_s)
        lags.append(lags[-1] + jump.samples)
    axes.step([*times, a.duration_s], [*lags, lags[-1]], where="post", color="tab:blue")
    axes.set_xlim(0, a.duration_s)
    axes.set_ylabel("lag of B (samples)")
