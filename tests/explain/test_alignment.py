"""Two runs' prints are matched by key, whatever their order: against a plain walk."""

from __future__ import annotations

import numpy as np

from ttsctl.core.trace import Prints, no_draws, no_prints
from ttsctl.explain.alignment import align_prints


def test_keys_find_what_a_plain_walk_finds() -> None:
    """The vectorised alignment of shuffled layouts against a dictionary of keys."""
    generator = np.random.default_rng(5)
    for _ in range(40):
        a, b = _random_prints(generator), _random_prints(generator)
        found, plain = align_prints(a, b), _plain(a, b)
        assert (found.compared, found.unequal, found.first) == plain


def _random_prints(generator: np.random.Generator) -> Prints:
    names = list("pqrs")
    generator.shuffle(names)
    rows = int(generator.integers(0, 60))
    return Prints(
        points=tuple(names),
        point=generator.integers(0, 4, rows).astype(np.int32),
        stage=generator.integers(5, 6, rows).astype(np.uint8),
        frame=generator.integers(0, 5, rows).astype(np.int32),
        codebook=np.zeros(rows, np.int16),
        is_input=generator.integers(0, 2, rows).astype(np.bool_),
        value=generator.integers(0, 3, rows).astype(np.uint64),
    )


def _keyed(prints: Prints) -> dict[tuple[object, ...], int]:
    rows: dict[tuple[object, ...], int] = {}
    for row in range(len(prints.value)):
        name = prints.points[prints.point[row]]
        key = (int(prints.frame[row]), name, bool(prints.is_input[row]))
        call = sum(1 for known in rows if known[:3] == key)
        rows[(*key, call)] = row
    return rows


def _plain(a: Prints, b: Prints) -> tuple[int, int, int | None]:
    left, right = _keyed(a), _keyed(b)
    shared = [key for key in left if key in right]
    unequal = [key for key in shared if a.value[left[key]] != b.value[right[key]]]
    first = min(unequal, key=lambda key: (key[0], left[key]), default=None)
    return len(shared), len(unequal), None if first is None else left[first]


def test_empty_prints_are_equal() -> None:
    assert align_prints(no_prints(), no_prints()).first is None
    assert len(no_draws().id) == 0
