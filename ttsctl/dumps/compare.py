"""Compare dumps, each against the first of its request and all of them by their hashes, and judge the result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ttsctl.core.codes import NUM_CODEBOOKS
from ttsctl.core.errors import CannotJudge, InputError
from ttsctl.core.outcome import ExitStatus, Outcome
from ttsctl.core.plurals import counted, listed
from ttsctl.dumps.diff import (
    CodeDiff,
    diff_by_packets,
    diff_codes,
    diff_without_packets,
    different_codebooks,
    equal_diff,
)
from ttsctl.dumps.distinct import distinct_dumps
from ttsctl.dumps.matching import (
    MatchedDumps,
    condition_differences,
    match_dumps,
    prompt_differences,
    request_differences,
)
from ttsctl.dumps.sources import Dump, load_sources

# Equal to the default of StreamConfig, which a test checks: importing that class would cost time.
DEFAULT_PACKET_TOKENS = 4


@dataclass(frozen=True, kw_only=True)
class DumpPair(CodeDiff):
    """Dump ``b`` against ``a``, the reference of its request: where their codes part, and what differs around them.

    ``prompt_differences``, ``request_differences`` and ``condition_differences`` have one line a difference. All are
    None where a meta is absent; ``conditions_reason`` then says which one.
    """

    request: str
    a: str
    b: str
    request_differences: list[str] | None
    condition_differences: list[str] | None
    conditions_reason: str | None = None
    prompt_differences: list[str] | None = None


@dataclass(frozen=True)
class RequestResult:
    """All dumps of one request. ``groups``: labels of dumps with equal codes, the largest group first.

    ``hash_unique`` and ``first_packet_hash_unique`` count different sha256 of the whole codes and of the first
    ``packet_tokens`` frames. The second is None, with ``reason``, if a dump has only hashes of packets of another size.
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
    """One compared dump of ``frames`` frames; ``codes_present`` is False if only its meta was found."""

    label: str
    sha256: str
    frames: int
    num_codebooks: int
    codes_present: bool
    meta_present: bool


@dataclass(frozen=True)
class DumpComparison:
    """The whole comparison. ``unmatched``: one line for each request that only one source answers.

    ``unknown_requests``: no dump has a meta that says which request it answers.
    """

    dumps: list[DumpFacts]
    requests: list[RequestResult]
    pairs: list[DumpPair]
    unmatched: list[str]
    notes: list[str]
    unknown_requests: bool = False


def compare_dumps(paths: Sequence[Path], packet_tokens: int | None = None) -> DumpComparison:
    """Compare the dumps that the paths stand for, each file once.

    ``packet_tokens``: frames a packet; None takes the value of the first meta of each request, or the default of 4
    if no dump of the request has a meta. InputError for fewer than two dumps, for different numbers of codebooks and
    for a file that cannot be read; CannotJudge as of distinct_dumps, and if no two dumps answer the same request.
    """
    named, notes = load_sources(paths)
    if len(named) < 2:
        raise InputError(f"compare-hash: expected at least two dumps, got {len(named)}", "name a second dump")
    distinct, again = distinct_dumps(named)
    matched, unmatched = match_dumps(distinct)
    if not matched:
        raise CannotJudge(
            f"no two dumps answer the same request: {listed(unmatched, 2)}", "name dumps of the same text and voice"
        )
    tokens = [packet_tokens or _packet_tokens(group.dumps) for group in matched]
    return DumpComparison(
        dumps=[_facts(dump) for group in matched for dump in group.dumps],
        requests=[_request_result(group, size) for group, size in zip(matched, tokens, strict=True)],
        pairs=[
            _pair(group.request, group.dumps[0], other, size)
            for group, size in zip(matched, tokens, strict=True)
            for other in group.dumps[1:]
        ],
        unmatched=unmatched,
        notes=notes + again + _notes([dump for group in matched for dump in group.dumps]),
        unknown_requests=all(dump.meta is None for dump in distinct),
    )


def _packet_tokens(dumps: Sequence[Dump]) -> int:
    sizes = (dump.meta.packet_tokens for dump in dumps if dump.meta is not None)
    return next(sizes, DEFAULT_PACKET_TOKENS)


def _facts(dump: Dump) -> DumpFacts:
    present = dump.codes is not None
    return DumpFacts(dump.label, dump.sha256, dump.frames, dump.num_codebooks, present, dump.meta is not None)


def _request_result(group: MatchedDumps, packet_tokens: int) -> RequestResult:
    by_sha: dict[str, list[str]] = {}
    for dump in group.dumps:
        by_sha.setdefault(dump.sha256, []).append(dump.label)
    firsts = [dump.first_packet_sha256(packet_tokens) for dump in group.dumps]
    missing = [dump.label for dump, first in zip(group.dumps, firsts, strict=True) if first is None]
    reason = None
    if missing:
        reason = f"no first packet of {packet_tokens} frames: {listed(missing)} has hashes of other packets only"
    return RequestResult(
        request=group.request,
        dumps=[dump.label for dump in group.dumps],
        packet_tokens=packet_tokens,
        hash_unique=len(by_sha),
        first_packet_hash_unique=None if missing else len(set(firsts)),
        groups=sorted(by_sha.values(), key=len, reverse=True),
        reason=reason,
    )


def _pair(request: str, a: Dump, b: Dump, packet_tokens: int) -> DumpPair:
    asked = around = prompts = reason = None
    if a.meta is not None and b.meta is not None:
        prompts = prompt_differences(a.meta, b.meta)
        asked, around = request_differences(a.meta, b.meta), condition_differences(a.meta, b.meta)
    else:
        reason = f"no meta beside {', '.join(dump.label for dump in (a, b) if dump.meta is None)}"
    found = _diff(a, b, packet_tokens)
    return DumpPair(
        equal=found.equal,
        first_diff_frame=found.first_diff_frame,
        kind=found.kind,
        packet=found.packet,
        codebook=found.codebook,
        time_s=found.time_s,
        elements_differ=found.elements_differ,
        frames_differ=found.frames_differ,
        len_a=found.len_a,
        len_b=found.len_b,
        first_diff_between=found.first_diff_between,
        reason=found.reason,
        request=request,
        a=a.label,
        b=b.label,
        request_differences=asked,
        condition_differences=around,
        conditions_reason=reason,
        prompt_differences=prompts,
    )


def _diff(a: Dump, b: Dump, packet_tokens: int) -> CodeDiff:
    """Compare the codes if both dumps have them; otherwise the hash of all frames, then the packet hashes."""
    if a.num_codebooks != b.num_codebooks:
        raise different_codebooks(f"{a.label}: {a.num_codebooks}", f"{b.label}: {b.num_codebooks}")
    if a.codes is not None and b.codes is not None:
        return diff_codes(a.codes, b.codes, packet_tokens)
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
    books = {dump.num_codebooks for dump in dumps} - {NUM_CODEBOOKS}
    if books:
        notes.append(
            f"codes with {', '.join(map(str, sorted(books)))} codebooks: times assume 12.5 frames a second all the same"
        )
    return notes


def judge_comparison(comparison: DumpComparison) -> Outcome:
    """FAILS if any pair differs; else NOT_JUDGED if a request had nothing to compare with; else HOLDS.

    The headline begins with the prompts where those differ, for nothing after them says anything of the engine.
    """
    differing = [pair for pair in comparison.pairs if not pair.equal]
    over = counted(len(comparison.dumps), "dump")
    if len(comparison.requests) > 1:
        over += f" of {len(comparison.requests)} requests"
    unmatched = f", {counted(len(comparison.unmatched), 'request')} not compared" if comparison.unmatched else ""
    prompts = sum(bool(pair.prompt_differences) for pair in comparison.pairs)
    first = f"PROMPTS DIFFER in {prompts} of {counted(len(comparison.pairs), 'pair')}; " if prompts else ""
    if differing:
        headline = f"{first}DIFFER: {len(differing)} of {counted(len(comparison.pairs), 'pair')} over {over}"
        if any(pair.request_differences or pair.prompt_differences for pair in differing):
            headline += " (not all ask for the same, so this need not be drift)"
        elif comparison.unknown_requests:
            headline += " (without metas: whether they ask for the same is not known)"
        return Outcome(ExitStatus.FAILS, headline + unmatched)
    if comparison.unmatched:
        return Outcome(ExitStatus.NOT_JUDGED, f"{first}NOT JUDGED: {over} equal{unmatched}")
    each = " in each" if len(comparison.requests) > 1 else ""
    return Outcome(ExitStatus.HOLDS, f"{first}EQUAL: {over}, hash_unique = 1{each}")
