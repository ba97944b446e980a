"""Philox against its published vectors and a plain version, and the noise made of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ttsctl.engine.codegen.noise import exponential, philox, uniform

WORD = 2**32 - 1


def plain_philox(counter: tuple[int, ...], key: tuple[int, int]) -> tuple[int, ...]:
    """Philox4x32-10 with Python's integers."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        a, b = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (b >> 32) ^ c1 ^ k0, b & WORD, (a >> 32) ^ c3 ^ k1, a & WORD
        k0, k1 = (k0 + 0x9E3779B9) & WORD, (k1 + 0xBB67AE85) & WORD
    return c0, c1, c2, c3


@pytest.mark.parametrize(
    ("counter", "key", "wanted"),
    [
        ((0,) * 4, (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((WORD,) * 4, (WORD, WORD), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_the_plain_version_gives_the_published_vectors(
    counter: tuple[int, ...], key: tuple[int, int], wanted: tuple[int, ...]
) -> None:
    """Random123 1.14, kat_vectors, philox4x32 10."""
    assert plain_philox(counter, key) == wanted


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=3), st.integers(0, 2**32 - 1), st.integers(0, 15))
def test_philox(seeds: list[int], frame: int, group: int) -> None:
    seed, frames = torch.tensor(seeds), torch.tensor([frame] * len(seeds))
    words = philox(seed, frames, torch.tensor([group, (group + 1) % 16]), 7)
    for row, key in enumerate(seeds):
        for column, book in enumerate((group, (group + 1) % 16)):
            wanted = [plain_philox((i, book, frame, 0), (key & WORD, key >> 32))[0] for i in range(7)]
            assert words[row, column].tolist() == wanted


def test_uniforms_stay_below_one() -> None:
    words = torch.tensor([0, 1, 2**31 - 1, 2**31, WORD - 1, WORD])
    wanted = [0, 1, 2**31 - 1, 2**31 - 1, 1, 0]
    found = uniform(words)
    assert torch.equal(found, torch.tensor(wanted).float() * 4.6566127342e-10)
    assert found.max() < 1 and math.isfinite(float(-found.clamp(min=1e-10).log().max()))


def test_noise_is_exponential_and_its_keys_matter() -> None:
    """The Kolmogorov-Smirnov distance of 20,000 values, which chance takes over 0.0138 once in 1,000 runs."""
    one = torch.tensor([11])
    noise = exponential(one, torch.tensor([3]), torch.tensor([2]), 20_000)[0, 0].double().sort().values.numpy()
    ranks = np.arange(1, 20_001) / 20_000
    assert np.abs((1 - np.exp(-noise)) - ranks).max() < 0.0138
    assert np.abs((1 - np.exp(-noise * 1.05)) - ranks).max() > 0.0138
    kept = [(11, 3, 2), (12, 3, 2), (11, 4, 2), (11, 3, 1), (11 + 2**32, 3, 2)]
    rows = [exponential(torch.tensor([s]), torch.tensor([f]), torch.tensor([g]), 50)[0, 0] for s, f, g in kept]
    assert all(not torch.equal(rows[0], row) for row in rows[1:])
