"""What broken encoders give is told from speech, whatever the size of the codebook."""

from __future__ import annotations

import numpy as np
import pytest

from tests.clone_help import EXPECTED
from ttsctl.dumps.code_usage import LEAST_FRAMES, code_usage, entropy_bits, own_entropy_bits, too_few, usage_warnings

EVEN = np.full((16, 64), 1 / 64)


def warnings_of(codes: np.ndarray, weights: np.ndarray | None = EVEN) -> list[str]:
    return usage_warnings(codes, code_usage(codes, weights))


@pytest.mark.parametrize("name", ["ref_en", "ref_zh"])
def test_speech_is_not_warned_of(name: str) -> None:
    """Negative control: the public package's codes of both references."""
    assert warnings_of(np.load(EXPECTED / f"{name}_codes.npy")) == []


def test_one_id_on_every_frame() -> None:
    (said,) = warnings_of(np.full((30, 16), 7))
    assert said.startswith("one id on every frame, in each of the 16 codebooks")


def test_dead_codebooks_are_named_with_their_id() -> None:
    codes = np.load(EXPECTED / "ref_zh_codes.npy").copy()
    codes[:, 3] = 5
    codes[1:, 9] = 6
    (said,) = warnings_of(codes)
    assert said == "2 of 16 codebooks are dead: 3 (id 5 on 100 % of frames), 9 (id 6 on 97 % of frames)"


def test_entropy_far_below_that_of_training() -> None:
    codes = np.load(EXPECTED / "ref_zh_codes.npy").copy()
    codes[:, 2] = np.arange(len(codes)) % 3
    (said,) = warnings_of(codes)
    assert said.startswith("1 of 16 codebooks have far less entropy than in training: 2 (1.58 of ")
    assert warnings_of(codes, None) == [], "without the shares of training there is nothing to compare with"


def test_a_codebook_that_training_used_little_may_have_little_entropy() -> None:
    """The bound is the checkpoint's own: the same codes are sound where training used three ids."""
    codes = np.load(EXPECTED / "ref_zh_codes.npy").copy()
    codes[:, 2] = np.arange(len(codes)) % 3
    weights = EVEN.copy()
    weights[2] = np.eye(64)[:3].sum(axis=0) / 3
    assert warnings_of(codes, weights) == []


def test_few_frames_are_not_judged() -> None:
    codes = np.zeros((LEAST_FRAMES - 1, 16), int)
    assert warnings_of(codes) == [] and "24 frames" in str(too_few(codes))


def test_entropies() -> None:
    assert entropy_bits(np.array([4, 4, 0, 8])) == 1.5 and entropy_bits(np.array([9])) == 0
    assert own_entropy_bits(EVEN[0], 8) < 3, "at most log2 of the frames"
    assert own_entropy_bits(EVEN[0], 100_000) == pytest.approx(6, abs=1e-2)
