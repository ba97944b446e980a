"""Where the pops of the runs of a case lie: the strongest of each run, and how many more there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ttsctl.audio.lpc import WINDOW_S
from ttsctl.audio.metrics import why_unmeasurable
from ttsctl.audio.pops.detector import UNCLEAR, detect_pops
from ttsctl.core.audio import PcmArray, pcm_sha256
from ttsctl.core.run import Run

MOST = 20


@dataclass(frozen=True)
class PopPlace:
    """One pop: when, of what kind (None if it has no clear one), and how strong; see audio.pops.detector.Pop."""

    time_s: float
    kind: str | None
    strength_db: float

    def __str__(self) -> str:
        return f"{self.time_s:.3f} s {self.kind or UNCLEAR} {self.strength_db:+.1f} dB"


@dataclass(frozen=True)
class RunPops:
    """The pops of one run. ``strongest``: at most MOST of them, in order of time.

    ``count`` and ``more`` are None, with ``reason``, for audio that cannot be searched.
    """

    count: int | None
    strongest: tuple[PopPlace, ...]
    more: int | None = field(metadata={"description": "pops that are not listed"})
    reason: str | None


def pops_of_runs(runs: Mapping[str, Run], sample_rate: int) -> dict[str, RunPops]:
    """The pops of each run, by its name. Equal audio is searched once."""
    pcm = {name: run.require_pcm() for name, run in runs.items()}
    hashes = {name: pcm_sha256(samples) for name, samples in pcm.items()}
    distinct = {hashes[name]: samples for name, samples in pcm.items()}
    found = {sha256: run_pops(samples, sample_rate) for sha256, samples in distinct.items()}
    return {name: found[sha256] for name, sha256 in hashes.items()}


def run_pops(pcm: PcmArray, sample_rate: int) -> RunPops:
    """The pops of mono PCM (N,), full scale 1.0."""
    why = why_unmeasurable(pcm)
    if why is None and len(pcm) < WINDOW_S * sample_rate:
        why = f"shorter than the {1000 * WINDOW_S:.0f} ms that a search needs"
    if why is not None:
        return RunPops(None, (), None, why)
    pops = detect_pops(pcm, sample_rate).pops
    strongest = sorted(pops, key=lambda pop: -pop.strength_db)[:MOST]
    places = tuple(PopPlace(pop.time_s, pop.kind, pop.strength_db) for pop in sorted(strongest, key=lambda p: p.time_s))
    return RunPops(len(pops), places, len(pops) - len(places), None)
