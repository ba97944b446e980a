"""The same on decodes that the public package made with small random checkpoints: noise, but real."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.ablate.ablate_helpers import evidence, explained, residual
from ttsctl.ablate.findings import Side
from ttsctl.ablate.seam_energy import seam_energies

ORACLE = Path(__file__).parents[1] / "data" / "oracle"
CHECKPOINTS = ("equal_width", "projected")
LEGACY_LOSS = 555


def pair(checkpoint: str, reference: str, test: str, packet: int, lost: int = 0) -> tuple[Side, Side]:
    folder = ORACLE / checkpoint / "expected"
    frames = len(np.load(folder / "codec_codes.npy"))
    a, b = (np.load(folder / f"codec_{name}.npy").astype(np.float32).ravel() for name in (reference, test))
    sizes = tuple(min(packet, frames - first) * 1920 - lost for first in range(0, frames, packet))
    assert sum(sizes) == len(b), "the packets of the fixture"
    return Side("A", a, (len(a),), "c"), Side("B", b, sizes, "c")


@pytest.mark.parametrize("checkpoint", CHECKPOINTS)
@pytest.mark.parametrize("context", [25, 0])
def test_legacy_windows_lose_555_at_every_seam(checkpoint: Any, context: Any) -> None:
    found = explained(*pair(checkpoint, "legacy_oneshot", f"legacy_chunked_p4_c{context}", 4, LEGACY_LOSS))
    assert found.words.startswith("555 samples missing at 7 of 7 seams")
    # 25 frames are all that the projected checkpoint looks back; the other looks back a little farther.
    short = "left_context_too_short" in found.names
    assert short == (context == 0 or checkpoint == "equal_width")


@pytest.mark.parametrize("checkpoint", CHECKPOINTS)
def test_legacy_oneshot_loses_its_start(checkpoint: Any) -> None:
    a, b = pair(checkpoint, "oneshot", "legacy_oneshot", 31, LEGACY_LOSS)
    assert explained(a, b).words.startswith("555 samples missing at the start")


@pytest.mark.parametrize("checkpoint", CHECKPOINTS)
@pytest.mark.parametrize(("packet", "context", "least", "less"), [(4, 0, 0, 4), (8, 12, 8, 16)])
def test_the_context_is_bounded_from_the_audio(
    checkpoint: Any, packet: Any, context: Any, least: Any, less: Any
) -> None:
    found = explained(*pair(checkpoint, "oneshot", f"chunked_p{packet}_c{context}", packet))
    assert found.names == ("left_context_too_short",), found.words
    assert f"at least {least} and fewer than {less} frames" in found.words and least <= context < less
    assert (evidence(found, "left_context_too_short")["late_over_early"] < 0.5) == (context == 12)


def test_enough_context_is_rounding() -> None:
    assert explained(*pair("projected", "oneshot", "chunked_p4_c25", 4)).names == ("rounding_only",)
    assert explained(*pair("projected", "oneshot", "chunked_p300_c25", 300)).names[0] in ("same_bytes", "rounding_only")


def test_seams_show_the_loss_and_where_the_difference_is() -> None:
    a, b = pair("projected", "legacy_oneshot", "legacy_chunked_p4_c25", 4, LEGACY_LOSS)
    assert [seam.samples for seam in seam_energies(residual(a, b), b, 24_000)] == [-LEGACY_LOSS] * 7
    a, b = pair("projected", "oneshot", "chunked_p8_c12", 8)
    rows = seam_energies(residual(a, b), b, 24_000)
    same, other = rows[:2]
    assert same.after_rms is not None and other.after_rms is not None and other.ratio_db is not None
    assert same.after_rms < 1e-4 < other.after_rms and other.ratio_db > 6 and other.samples == 0
