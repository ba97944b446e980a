"""Comparing dumps: each against the first of its request, and all of them by their hashes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ttsctl.core.codes import NUM_CODEBOOKS
from ttsctl.core.errors import CannotJudge, InputError
from ttsctl.dumps.conditions import condition_differences, request_differences
from ttsctl.dumps.diff import Diff, diff, different_codebooks, equal_diff
from ttsctl.dumps.matching import Matched, match
from ttsctl.dumps.packet_diff import diff_by_packets, diff_without_packets
from ttsctl.dumps.sources import Dump, load_sources

DEFAULT_PACKET_TOKENS = 4  # that of StreamConfig, held equal by a test: importing it costs time


@dataclass(frozen=True, kw_only=True)
class Pair(Diff):
    """Dump ``b`` against ``a``, the reference of its request, with what the diff found.

    ``request_differences`` and ``condition_differences`` say what differs around the codes; null, with
    ``conditions_reason``, where a meta is absent.
    """

    request: str
    a: str
    b: str
    request_differences: list[str] | None
    condition_differences: list[str] | None
    conditions_reason: str | None = None


@dataclass(frozen=True)
class RequestResult:
    """All dumps of one request: ``groups`` are labels of dumps with equal codes, largest first.

    ``first_packet_hash_unique`` is over packets of ``packet_tokens`` frames, null where ``reason`` says that some
    dump's first packet cannot be had at that size.
    """

    request: str
    dumps: list[str]
    packet_tokens: int
    hash_unique: int
    first_packet_hash_unique: int | None
    groups: list[list[str]]
    reason: str | None = None


@dataclass(frozen=True)
class DumpFacts:
    """One compared dump; ``codes_present`` is False where only its meta was there."""

    label: str
    sha256: str
    frames: int
    num_codebooks: int
    codes_present: bool
    meta_present: bool


@dataclass(frozen=True)
class Comparison:
    """The whole comparison. ``unmatched`` are requests that had nothing to be compared with."""

    dumps: list[DumpFacts]
    requests: list[RequestResult]
    pairs: list[Pair]
    unmatched: list[str]
    notes: list[str]


def compare(paths: Sequence[Path], packet_tokens: int | None = None) -> Comparison:
    """Compare the dumps that the paths stand for.

    ``packet_tokens`` cuts the packets; None takes that of the first meta of a request, else the default of 4.
    InputError for fewer than two dumps, for different numbers of codebooks and for whatever cannot be read;
    CannotJudge if no two dumps answer the same request.
    """
    dumps, notes = load_sources(paths)
    if len(dumps) < 2:
        raise InputError(f"compare-hash: expected at least two dumps, got {len(dumps)}", "name a second dump")
    matched, unmatched = match(dumps)
    if not matched:
        raise CannotJudge(
            "no two dumps answer the same request: " + "; ".join(unmatched), "name dumps of the same text and voice"
        )
    tokens = [packet_tokens or _packet_tokens(group.dumps) for group in matched]
    return Comparison(
        dumps=[_facts(dump) for group in matched for dump in group.dumps],
        requests=[_request_result(group, size) for group, size in zip(matched, tokens, strict=True)],
        pairs=[
            _pair(group.request, group.dumps[0], other, size)
            for group, size in zip(matched, tokens, strict=True)
            for other in group.dumps[1:]
        ],
        unmatched=unmatched,
        notes=notes + _notes([dump for group in matched for dump in group.dumps]),
    )


def _packet_tokens(dumps: Sequence[Dump]) -> int:
    sizes = (dump.meta.packet_tokens for dump in dumps if dump.meta is not None)
    return next(sizes, DEFAULT_PACKET_TOKENS)


def _facts(dump: Dump) -> DumpFacts:
    present = dump.codes is not None
    return DumpFacts(dump.label, dump.sha256, dump.frames, dump.num_codebooks, present, dump.meta is not None)


def _request_result(group: Matched, packet_tokens: int) -> RequestResult:
    by_sha: dict[str, list[str]] = {}
    for dump in group.dumps:
        by_sha.setdefault(dump.sha256, []).append(dump.label)
    firsts = [dump.first_packet_sha256(packet_tokens) for dump in group.dumps]
    missing = [dump.label for dump, first in zip(group.dumps, firsts, strict=True) if first is None]
    reason = None
    if missing:
        reason = f"no first packet of {packet_tokens} frames: {', '.join(missing)} has hashes of other packets only"
    return RequestResult(
        request=group.request,
        dumps=[dump.label for dump in group.dumps],
        packet_tokens=packet_tokens,
        hash_unique=len(by_sha),
        first_packet_hash_unique=None if missing else len(set(firsts)),
        groups=sorted(by_sha.values(), key=len, reverse=True),
        reason=reason,
    )


def _pair(request: str, a: Dump, b: Dump, packet_tokens: int) -> Pair:
    asked = around = reason = None
    if a.meta is not None and b.meta is not None:
        asked, around = request_differences(a.meta, b.meta), condition_differences(a.meta, b.meta)
    else:
        reason = f"no meta beside {', '.join(dump.label for dump in (a, b) if dump.meta is None)}"
    return Pair(
        **vars(_diff(a, b, packet_tokens)),
        request=request,
        a=a.label,
        b=b.label,
        request_differences=asked,
        condition_differences=around,
        conditions_reason=reason,
    )


def _diff(a: Dump, b: Dump, packet_tokens: int) -> Diff:
    """By the codes where both are there, else by the whole hash and then the packet hashes."""
    if a.num_codebooks != b.num_codebooks:
        raise different_codebooks(f"{a.label}: {a.num_codebooks}", f"{b.label}: {b.num_codebooks}")
    if a.codes is not None and b.codes is not None:
        return diff(a.codes, b.codes, packet_tokens)
    if a.sha256 == b.sha256:
        return equal_diff(a.frames)
    absent = a if a.codes is None else b
    hashed = absent.meta.packet_tokens if absent.meta is not None else packet_tokens
    chain_a, chain_b = a.chain(hashed), b.chain(hashed)
    if chain_a is None or chain_b is None:
        sizes = [dump.meta.packet_tokens for dump in (a, b) if dump.meta is not None]
        return diff_without_packets(a.frames, b.frames, sizes[0], sizes[-1])
    if chain_a == chain_b:
        raise InputError(
            f"{a.label} and {b.label}: equal packet_sha256 but different sha256", "one of the metas is wrong: re-dump"
        )
    return diff_by_packets(chain_a, chain_b, a.frames, b.frames, hashed, packet_tokens)


def _notes(dumps: Sequence[Dump]) -> list[str]:
    notes = []
    labels = [dump.label for dump in dumps]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        notes.append(f"named more than once, so compared with itself: {', '.join(twice)}")
    books = {dump.num_codebooks for dump in dumps} - {NUM_CODEBOOKS}
    if books:
        notes.append(
            f"codes with {', '.join(map(str, sorted(books)))} codebooks: times assume 12.5 frames a second all the same"
        )
    return notes
