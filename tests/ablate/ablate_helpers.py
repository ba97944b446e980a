"""Planted faults: two decodes of which it is known how they differ."""

from __future__ import annotations

from typing import Any

import numpy as np

from ttsctl.ablate.explanation import Explanation, explain_difference
from ttsctl.ablate.findings import Side
from ttsctl.ablate.residual import Residual, residual_on_path
from ttsctl.audio.bench import speech_like
from ttsctl.audio.lag.path import find_lag_path

PACKET = 7680
PACKETS = 10


def source(kind: str) -> np.ndarray:
    """Ten packets of speech-like sound, or of noise as a checkpoint with random weights makes it."""
    if kind == "speech":
        return speech_like(PACKETS * PACKET / 24_000, seed=11)
    noise = np.random.default_rng(5).standard_normal(PACKETS * PACKET)
    return (0.15 * noise).clip(-0.9, 0.9).astype(np.float32)


def packets(pcm: np.ndarray) -> list[np.ndarray]:
    return [pcm[start : start + PACKET].copy() for start in range(0, len(pcm), PACKET)]


def sides(a: np.ndarray, pieces: list[np.ndarray], codes: tuple[str, str | None] = ("c", "c")) -> tuple[Side, Side]:
    whole = Side("A", a, (len(a),), codes[0])
    return whole, Side("B", np.concatenate(pieces).astype(np.float32), tuple(map(len, pieces)), codes[1])


def residual(a: Side, b: Side) -> Residual:
    return residual_on_path(find_lag_path(a.pcm, b.pcm), a, b)


def explained(a: Side, b: Side) -> Explanation:
    return explain_difference(a, b, residual(a, b))


def evidence(found: Explanation, name: str) -> dict[str, Any]:
    return dict(next(f.evidence for f in found.findings if f.name == name))
