"""The first difference of two code arrays, from their chained packet hashes alone."""

from __future__ import annotations

from collections.abc import Sequence

from ttsctl.dumps.diff import CodeDiff, frame_time_s, prefix_diff

ABSENT = "codes are absent on one side: the packet hashes narrow the first difference to frames {} to {}"
EXACT = "codes are absent on one side: codebook and counts are not known"
NO_CHAIN = (
    "codes are absent and packet_tokens differ ({} and {}): not comparable at packet level, "
    "only that the whole sha256 differ is known"
)


def diff_by_packets(
    chain_a: Sequence[str], chain_b: Sequence[str], len_a: int, len_b: int, hashed_tokens: int, packet_tokens: int
) -> CodeDiff:
    """Compare two chains of packet sha256, one hash for every ``hashed_tokens`` frames; the whole sha256 must differ.

    ``len_a`` and ``len_b`` are frames. The first unequal hash names the packet that holds the first difference. If the
    last packet is shorter on one side, it stays open whether a value differs or only the length. ``packet`` of the
    result counts packets of ``packet_tokens`` frames.
    """
    same = _equal_packets(chain_a, chain_b)
    first = same * hashed_tokens
    if first >= min(len_a, len_b):
        return prefix_diff(len_a, len_b, packet_tokens)
    in_a = min(hashed_tokens, len_a - first)
    in_b = min(hashed_tokens, len_b - first)
    # Packets of equal length can only differ in a value; otherwise the shorter may be a prefix of the longer.
    last = first + in_a - 1 if in_a == in_b else first + min(in_a, in_b)
    one_packet = first // packet_tokens == last // packet_tokens
    exact = first == last
    return CodeDiff(
        equal=False,
        first_diff_frame=first if exact else None,
        kind="value" if in_a == in_b else None,
        packet=first // packet_tokens if one_packet else None,
        codebook=None,
        time_s=frame_time_s(first) if exact else None,
        elements_differ=None,
        frames_differ=None,
        len_a=len_a,
        len_b=len_b,
        first_diff_between=(first, last),
        reason=EXACT if exact else ABSENT.format(first, last),
    )


def diff_without_packets(len_a: int, len_b: int, tokens_a: int, tokens_b: int) -> CodeDiff:
    """The result if the whole sha256 differ and the packets have different sizes: nothing more is known."""
    reason = NO_CHAIN.format(tokens_a, tokens_b)
    return CodeDiff(False, None, None, None, None, None, None, None, len_a, len_b, reason=reason)


def _equal_packets(a: Sequence[str], b: Sequence[str]) -> int:
    """How many packets from the first on are equal."""
    for index, (left, right) in enumerate(zip(a, b, strict=False)):
        if left != right:
            return index
    return min(len(a), len(b))
