"""References and voices for the tests that clone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

BASE = Path(__file__).parent / "data" / "oracle" / "base_clone"
EXPECTED = BASE / "expected"
REF_EN = EXPECTED / "ref_en.wav"


def write_reference(path: Path, pcm: np.ndarray, rate: int = 24_000) -> Path:
    """PCM (N,) to a 16-bit wav; returns the path."""
    soundfile.write(path, pcm, rate)
    return path


def tone(samples: int) -> np.ndarray:
    """A quiet sine, (samples,)."""
    return np.asarray(0.3 * np.sin(np.arange(samples) / 20))
