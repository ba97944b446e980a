"""Pops of several channels: each channel is searched by itself, and what several have at one place counts once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ttsctl.audio.pops.detector import MERGE_S, PERIODIC, THRESHOLD, PeriodicGrid, Pop, PopReport, detect_pops_of
from ttsctl.audio.sound import Sound


def detect_pops_by_channel(sound: Sound, equal_to: tuple[int, ...], threshold: float = THRESHOLD) -> PopReport:
    """The pops of all channels of a sound that is known to be finite.

    equal_to: for each channel the number of the first one with the same samples, from 1; those are searched once.
    """
    numbers = range(1, sound.channels + 1)
    found = {
        number: detect_pops_of(sound.channel(number), threshold) for number in numbers if equal_to[number - 1] == number
    }
    having = {first: tuple(n for n in numbers if equal_to[n - 1] == first) for first in found}
    return join_channels({having[first]: report for first, report in found.items()}, sound.sample_rate)


def join_channels(found: Mapping[tuple[int, ...], PopReport], sample_rate: int) -> PopReport:
    """One report of several, each with the numbers of its channels.

    Pops of different channels within MERGE_S count once: as a periodic one if one of them is, else as the surest. Equal
    grids count once, too.
    """
    everywhere = [replace(pop, channels=channels) for channels, report in found.items() for pop in report.pops]
    grids = [replace(grid, channels=channels) for channels, report in found.items() for grid in report.grids]
    notes = dict.fromkeys(note for report in found.values() for note in report.notes)
    return PopReport(tuple(_joined_pops(everywhere, round(MERGE_S * sample_rate))), _joined_grids(grids), tuple(notes))


def _joined_pops(pops: list[Pop], reach: int) -> list[Pop]:
    kept: dict[int, list[Pop]] = {}
    for pop in sorted(pops, key=lambda p: (p.kind != PERIODIC, -p.confidence, p.sample)):
        # Cells are as wide as the reach, so only pops of neighbouring cells can be close.
        cell = pop.sample // (reach + 1)
        near = [
            (abs(other.sample - pop.sample), c, i)
            for c in (cell - 1, cell, cell + 1)
            for i, other in enumerate(kept.get(c, []))
            if abs(other.sample - pop.sample) <= reach and not set(other.channels) & set(pop.channels)
        ]
        if near:
            _, c, i = min(near)
            kept[c][i] = replace(kept[c][i], channels=tuple(sorted(kept[c][i].channels + pop.channels)))
        else:
            kept.setdefault(cell, []).append(pop)
    return sorted((pop for some in kept.values() for pop in some), key=lambda p: (p.sample, p.channels))


def _joined_grids(grids: list[PeriodicGrid]) -> tuple[PeriodicGrid, ...]:
    """The grids, strongest first; those of one period and phase as the strongest of them, with all their channels."""
    kept: dict[tuple[int, int], PeriodicGrid] = {}
    for grid in sorted(grids, key=lambda g: g.log10_chance):
        place = (grid.period_samples, grid.phase_samples)
        first = kept.setdefault(place, grid)
        if first is not grid:
            kept[place] = replace(first, channels=tuple(sorted(first.channels + grid.channels)))
    return tuple(kept.values())
