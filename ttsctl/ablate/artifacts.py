"""The files beside the summary: a wav of each decode, a picture of the waveforms and one of the differences."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ttsctl.ablate.measure import MeasuredDecode
from ttsctl.ablate.pairs import ComparedPair
from ttsctl.ablate.run import Ablation
from ttsctl.audio.overview import COLUMNS
from ttsctl.audio.wav import write_wav
from ttsctl.core.files import written_whole
from ttsctl.report.pictures import envelope

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WAVES_PICTURE, DIFFERENCES_PICTURE = "waves.png", "differences.png"
INCHES = (12.0, 1.6)
# Below the last bit of 24-bit audio; a logarithm needs a floor.
FLOOR = 1e-8
SEAM_COLOUR, POP_COLOUR = "tab:blue", "tab:red"


def wav_name(variant: str) -> str:
    """The file name of a variant's audio."""
    return f"{variant}.wav"


def write_ablation_files(found: Ablation, folder: Path) -> None:
    """Write the wav of each decode that has audio, and both pictures."""
    for one in found.decodes:
        if len(one.side.pcm):
            write_wav(folder / wav_name(one.side.name), one.side.pcm, one.sample_rate)
    draw_waves(folder / WAVES_PICTURE, found.decodes)
    draw_differences(folder / DIFFERENCES_PICTURE, found.decodes, found.pairs)


def draw_waves(path: Path, decodes: Sequence[MeasuredDecode]) -> None:
    """Draw a PNG with one waveform a row, its seams dashed and its pops red, over seconds."""
    figure, rows = _figure(len(decodes))
    longest = max((len(one.side.pcm) / one.sample_rate for one in decodes), default=1.0)
    for axes, one in zip(rows, decodes, strict=True):
        _draw_wave(axes, one)
        axes.set_xlim(0, max(longest, 1e-3))
    _save(figure, rows, path)


def draw_differences(path: Path, decodes: Sequence[MeasuredDecode], pairs: Sequence[ComparedPair]) -> None:
    """Draw a PNG with |difference| of each pair, without lost samples, on a logarithmic scale; seams dashed."""
    drawn = [pair for pair in pairs if pair.residual is not None]
    figure, rows = _figure(max(len(drawn), 1))
    by_name = {one.side.name: one for one in decodes}
    for axes, pair in zip(rows, drawn, strict=False):
        _draw_difference(axes, pair, by_name[pair.figures.b])
    _save(figure, rows, path)


def _figure(count: int) -> tuple[Figure, list[Axes]]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(INCHES[0], INCHES[1] * count + 0.6), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(count, 1, squeeze=False)[:, 0])


def _save(figure: Figure, rows: list[Axes], path: Path) -> None:
    rows[-1].set_xlabel("time (s)")
    with written_whole(path) as temporary:
        figure.savefig(temporary, dpi=100, metadata={"Software": None})


def _draw_wave(axes: Axes, one: MeasuredDecode) -> None:
    pcm, pops = one.side.pcm, one.pops.pops if one.pops else ()
    title = f"{one.side.name}: {len(one.side.seams)} seams (blue), {len(pops)} pops (red)"
    if len(pcm) and np.isfinite(pcm).all():
        low, high = envelope(pcm)
        times = np.linspace(0, len(pcm) / one.sample_rate, len(low), endpoint=False)
        axes.fill_between(times, low, high, color="0.4", linewidth=0)
    else:
        title = f"{one.side.name}: no audio to draw"
    _mark_seams(axes, one)
    for pop in pops:
        axes.axvline(pop.time_s, color=POP_COLOUR, linewidth=0.8, alpha=0.8)
    axes.set_title(title, fontsize=9, loc="left")


def _draw_difference(axes: Axes, pair: ComparedPair, test: MeasuredDecode) -> None:
    assert pair.residual is not None, "only pairs with audio are drawn"
    size = np.abs(np.nan_to_num(pair.residual.values))
    edges = np.linspace(0, len(size), min(COLUMNS, len(size)) + 1).astype(int)[:-1]
    largest = np.maximum(np.maximum.reduceat(size, edges), FLOOR)
    axes.semilogy(edges / test.sample_rate, largest, color="0.2", linewidth=0.8)
    _mark_seams(axes, test)
    axes.set_xlim(0, len(size) / test.sample_rate)
    axes.set_ylim(FLOOR, 2)
    axes.set_title(f"|{pair.figures.b} - {pair.figures.a}|", fontsize=9, loc="left")


def _mark_seams(axes: Axes, one: MeasuredDecode) -> None:
    for seam in one.side.seams.tolist():
        axes.axvline(seam / one.sample_rate, color=SEAM_COLOUR, linewidth=0.5, linestyle="--", alpha=0.6)
