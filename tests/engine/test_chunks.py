"""Chunks: one length, nothing lost, and no influence on codes or audio."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine_help import make_engine
from ttsctl.core.audio import PcmArray, pcm_sha256
from ttsctl.core.codes import codes_sha256
from ttsctl.core.delivery import chunk_samples, rechunk
from ttsctl.core.request import Request, Voice
from ttsctl.engine.local import LocalEngine
from ttsctl.runs.run_stream import run_stream

REQUEST = Request("Good morning, this is a test.", Voice("vivian", "vivian"))


@given(st.lists(st.integers(0, 40), max_size=12), st.integers(1, 50))
def test_rechunk_keeps_every_sample(lengths: list[int], samples: int) -> None:
    whole = np.arange(sum(lengths), dtype=np.float32)
    pieces = np.split(whole, np.cumsum(lengths)[:-1]) if lengths else []
    chunks = list(rechunk(pieces, samples))
    assert [len(c) for c in chunks[:-1]] == [samples] * (len(chunks) - 1)
    assert all(0 < len(c) <= samples for c in chunks)
    assert np.array_equal(np.concatenate([whole[:0], *chunks]), whole)


def test_a_chunk_leaves_as_soon_as_it_is_full() -> None:
    taken = []

    def pieces() -> Iterator[PcmArray]:
        for number in range(4):
            taken.append(number)
            yield np.zeros(10, np.float32)

    next(rechunk(pieces(), 10))
    assert taken == [0]


def test_length_of_a_chunk() -> None:
    assert (chunk_samples(30.0, 24_000), chunk_samples(0.001, 24_000)) == (720, 1)


@pytest.mark.parametrize(
    "chunk_ms", [pytest.param(10, marks=pytest.mark.slow), 40.7, pytest.param(5000, marks=pytest.mark.slow)]
)
def test_chunk_length_changes_no_bit(chunk_ms: float, builtin: LocalEngine) -> None:
    wanted = run_stream(builtin, REQUEST, threading.Event())
    found = run_stream(make_engine("builtin", f"stream.chunk_ms={chunk_ms}"), REQUEST, threading.Event())
    assert codes_sha256(found.require_codes()) == codes_sha256(wanted.require_codes())
    pcm = found.require_pcm()
    assert pcm_sha256(pcm) == pcm_sha256(wanted.require_pcm())
    samples = chunk_samples(chunk_ms, 24_000)
    assert len(list(rechunk([pcm], samples))) == -(-len(pcm) // samples)
