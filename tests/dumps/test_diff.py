"""The diff against a slow plain loop, and the packet diff against the diff."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dumps.dump_helpers import changed
from ttsctl.ablate.code_jumps import code_jumps
from ttsctl.core.codes import packet_chain_sha256
from ttsctl.core.errors import InputError
from ttsctl.dumps.diff import diff_by_packets, diff_codes, earliest_difference


def plain_diff(a: Any, b: Any, packet_tokens: Any) -> Any:
    """The slow plain version: element by element, in order."""
    first, elements, frames = None, 0, set()
    for frame in range(min(len(a), len(b))):
        for book in range(a.shape[1]):
            if a[frame][book] != b[frame][book]:
                first = first or (frame, book)
                elements += 1
                frames.add(frame)
    kind = "value" if first else None
    where, which = first or (None, None)
    if first is None and len(a) != len(b):
        where, kind = min(len(a), len(b)), "length"
    packet = None if where is None else where // packet_tokens
    time_s = None if where is None else where * 0.08
    return (where is None, where, kind, packet, which, time_s, elements, len(frames), len(a), len(b))


@st.composite
def pairs(draw: Any) -> Any:
    """Two arrays of few ids, so that they are often equal, or one the other's prefix, with a few ids changed."""
    books = draw(st.integers(1, 5))
    length = draw(st.integers(1, 12))
    rows = st.lists(st.integers(0, 2), min_size=books, max_size=books)
    a = np.array(draw(st.lists(rows, min_size=length, max_size=length)), dtype=np.int64)
    if draw(st.booleans()):
        b = a[: draw(st.integers(1, length))].copy()
        for _ in range(draw(st.integers(0, 2))):
            b[draw(st.integers(0, len(b) - 1)), draw(st.integers(0, books - 1))] ^= 1
    else:
        b = np.array(draw(st.lists(rows, min_size=1, max_size=12)), dtype=np.int64)
    return (a, b) if draw(st.booleans()) else (b, a)


@given(pairs(), st.integers(1, 5))
def test_diff_is_what_the_plain_loop_finds(pair: Any, packet_tokens: Any) -> None:
    a, b = pair
    found = diff_codes(a, b, packet_tokens)
    expected = plain_diff(a, b, packet_tokens)
    as_tuple = (
        found.equal,
        found.first_diff_frame,
        found.kind,
        found.packet,
        found.codebook,
        found.time_s,
        found.elements_differ,
        found.frames_differ,
        found.len_a,
        found.len_b,
    )
    assert as_tuple[:5] == expected[:5]
    assert as_tuple[5] == pytest.approx(expected[5]) if expected[5] is not None else as_tuple[5] is None
    assert as_tuple[6:] == expected[6:]


@pytest.mark.parametrize(("frame", "book"), [(0, 0), (0, 15), (7, 0), (12, 9), (20, 15)])
def test_one_changed_id_is_found_where_it_is(codes: Any, frame: Any, book: Any) -> None:
    found = diff_codes(codes, changed(codes, frame, book), 4)
    assert (found.equal, found.kind, found.first_diff_frame, found.codebook) == (False, "value", frame, book)
    assert found.packet == frame // 4 and found.time_s == pytest.approx(frame * 0.08)
    assert (found.elements_differ, found.frames_differ) == (1, 1)


def test_a_prefix_differs_by_length(codes: Any) -> None:
    found = diff_codes(codes, codes[:13], 4)
    assert (found.kind, found.first_diff_frame, found.packet, found.codebook) == ("length", 13, 3, None)
    assert (found.elements_differ, found.len_a, found.len_b) == (0, 21, 13)


def test_other_numbers_of_codebooks_are_an_error(codes: Any) -> None:
    with pytest.raises(InputError, match="16 and 8"):
        diff_codes(codes, codes[:, :8], 4)


@settings(max_examples=200)
@given(pairs(), st.integers(1, 5), st.integers(1, 5))
def test_packet_hashes_never_say_more_than_is_true(pair: Any, hashed: Any, packet_tokens: Any) -> None:
    a, b = pair
    truth = diff_codes(a, b, packet_tokens)
    if truth.equal:
        return
    chains = packet_chain_sha256(a, hashed), packet_chain_sha256(b, hashed)
    found = diff_by_packets(*chains, len(a), len(b), hashed, packet_tokens)
    assert found.kind in (None, truth.kind)
    assert found.packet in (None, truth.packet)
    assert found.first_diff_frame in (None, truth.first_diff_frame)
    if found.first_diff_between is not None:
        first, last = found.first_diff_between
        assert truth.first_diff_frame is not None and first <= truth.first_diff_frame <= last
        assert last - first <= hashed
        assert found.reason
    else:
        assert found.kind == "length" and found.first_diff_frame == truth.first_diff_frame


def test_packets_of_one_frame_are_exact(codes: Any) -> None:
    other = changed(codes, 12, 9)
    found = diff_by_packets(packet_chain_sha256(codes, 1), packet_chain_sha256(other, 1), 21, 21, 1, 4)
    assert (found.first_diff_frame, found.kind, found.packet, found.codebook) == (12, "value", 3, None)


@given(pairs())
def test_jumps_are_what_the_plain_loop_finds(pair: Any) -> None:
    codes = pair[0]
    jumps = code_jumps(codes)
    steps = [
        [abs(int(codes[t][q]) - int(codes[t - 1][q])) for q in range(codes.shape[1])] for t in range(1, len(codes))
    ]
    assert jumps.per_codebook.tolist() == steps
    if not steps:
        assert jumps.overall is None and jumps.by_codebook is None and jumps.reason
        return
    assert jumps.frame_max.tolist() == [max(step) for step in steps]
    assert jumps.frame_mean.tolist() == pytest.approx([sum(step) / len(step) for step in steps])
    flat = sorted(jump for step in steps for jump in step)
    assert jumps.overall is not None and jumps.by_codebook is not None
    assert jumps.overall.max == flat[-1]
    assert jumps.overall.p50 == pytest.approx(linear_percentile(flat, 0.50))
    assert jumps.overall.p99 == pytest.approx(linear_percentile(flat, 0.99))
    assert [d.max for d in jumps.by_codebook] == [max(column) for column in zip(*steps, strict=True)]


def linear_percentile(ordered: Any, share: Any) -> Any:
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def test_no_frames_have_no_jumps() -> None:
    with pytest.raises(InputError):
        code_jumps(np.zeros((0, 16), dtype=np.int64))


def test_the_earliest_difference_of_many(codes: Any) -> None:
    def changed(frame: int) -> Any:
        other = codes.copy()
        other[frame, 3] ^= 1
        return other

    found = earliest_difference(codes, [codes, changed(9), changed(4), codes[:7], changed(4)])
    assert found is not None and (found.first_diff_frame, found.kind, found.codebook) == (4, "value", 3)
    shorter = earliest_difference(codes, [changed(9), codes[:7]])
    assert shorter is not None and (shorter.first_diff_frame, shorter.kind) == (7, "length")
    at_the_start = earliest_difference(codes, [changed(9), changed(0)])
    assert at_the_start is not None and at_the_start.first_diff_frame == 0
    assert earliest_difference(codes, [codes, codes.copy()]) is None and earliest_difference(codes, []) is None
    with pytest.raises(InputError):
        earliest_difference(codes, [codes[:, :8]])
