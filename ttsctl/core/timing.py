"""The times of one streamed request, and the real-time factor: the one place where they are computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ttsctl.core.request import Chunk, Packet
from ttsctl.core.stalls import Stall, find_stalls


@dataclass(frozen=True)
class RunTiming:
    """Times in ms, counted from the request or added over all packets; None where nothing of the kind happened.

    ttfp_ms: first packet of codes. ttf_ms: that plus decode_first_ms. ttfa_ms: first chunk of PCM.
    rtf adds up both stages' compute time, so with overlap, where they run at once, it is above the share of wall time.
    total_s: from the request to its end, in seconds, and wall_rtf that a second of audio: both count waiting too.
    """

    ttfp_ms: float | None = None
    ttf_ms: float | None = None
    ttfa_ms: float | None = None
    rtf: float | None = None
    code_ms: float | None = None
    decode_first_ms: float | None = None
    decode_ms: float | None = None
    queue_wait_ms: float | None = None
    decode_calls: int | None = None
    total_s: float | None = None
    wall_rtf: float | None = None


@dataclass(frozen=True)
class ChunkTiming:
    """One chunk of a stream: its first sample, its samples, and when it left, in ms since the request."""

    index: int
    offset: int
    samples: int
    at_ms: float


@dataclass(frozen=True)
class PacketStats:
    """What the packets of a run hold, and how its decoder's calls came out.

    frames_max: of one packet. samples_total, samples_max, samples_min: of the packets that were decoded. zero_calls:
    decoded packets without a sample. short_calls: those with some, but fewer than their frames have. A packet that was
    put aside counts with the one with which it was decoded. None where no packet was decoded.
    """

    packets: int
    frames_max: int | None
    samples_total: int
    samples_max: int | None
    samples_min: int | None
    zero_calls: int
    short_calls: int


@dataclass(frozen=True)
class PacketTiming:
    """One packet's times in ms, those that end in ``at_ms`` since the request; None where nothing was decoded."""

    index: int
    frames: int
    samples: int
    code_ms: float
    queue_wait_ms: float
    decode_ms: float | None
    codes_at_ms: float
    pcm_at_ms: float | None


def packet_timing(packet: Packet) -> PacketTiming:
    """The times of one packet, without its arrays."""
    return PacketTiming(
        index=packet.index,
        frames=len(packet.codes),
        samples=len(packet.pcm),
        code_ms=packet.code_ms,
        queue_wait_ms=packet.queue_wait_ms,
        decode_ms=packet.decode_ms,
        codes_at_ms=packet.codes_at_ms,
        pcm_at_ms=packet.pcm_at_ms,
    )


def chunk_timing(chunk: Chunk) -> ChunkTiming:
    """The time of one chunk, without its audio."""
    return ChunkTiming(chunk.index, chunk.offset, len(chunk.pcm), chunk.at_ms)


def packet_stats(packets: Sequence[PacketTiming], frame_samples: int) -> PacketStats:
    """The sizes of a run's packets; ``frame_samples``: those that a frame should have."""
    held, calls = 0, []
    for packet in packets:
        held += packet.frames
        if packet.decode_ms is not None:
            calls.append((packet.samples, held * frame_samples))
            held = 0
    samples = [count for count, _ in calls]
    return PacketStats(
        packets=len(packets),
        frames_max=max((packet.frames for packet in packets), default=None),
        samples_total=sum(samples),
        samples_max=max(samples, default=None),
        samples_min=min(samples, default=None),
        zero_calls=samples.count(0),
        short_calls=sum(0 < count < expected for count, expected in calls),
    )


def packet_stalls(packets: Sequence[PacketTiming]) -> tuple[Stall, ...] | None:
    """The packets before which a run stalled, by ``core.stalls.RULE``; ``index`` is the packet's. None: too few.

    Judged is the time between one packet's audio and the next one's, by its samples; without audio, between their
    codes, by their frames. The first packet's has the prompt in it, so it is judged with its run alone.
    """
    heard = [(p.index, p.pcm_at_ms, p.samples) for p in packets if p.samples and p.pcm_at_ms is not None]
    made = [(p.index, p.codes_at_ms, p.frames) for p in packets if p.frames]
    arrived = heard if len(heard) > 1 else made
    waits = [now - before for (_, before, _), (_, now, _) in pairwise(arrived)]
    found = find_stalls(waits, [size for _, _, size in arrived[1:]])
    return None if found is None else tuple(Stall(arrived[s.index + 1][0], s.ms, s.median_ms) for s in found)


def stream_timing(
    packets: Sequence[Packet], sample_rate: int, chunks: Sequence[ChunkTiming] = (), end_ms: float | None = None
) -> RunTiming:
    """Times of the packets of one request and their chunks, in the order in which they came.

    ``chunks`` empty: the audio left with its packets. ``end_ms``: of the last event; None: the last packet was the end.
    """
    ttfp_ms = next((p.codes_at_ms for p in packets if len(p.codes)), None)
    decodes = [p.decode_ms for p in packets if p.decode_ms is not None]
    decode_first_ms = decodes[0] if decodes else None
    code_ms, decode_ms = sum(p.code_ms for p in packets), sum(decodes) if decodes else None
    first_pcm_ms = next((p.pcm_at_ms for p in packets if len(p.pcm) and p.pcm_at_ms is not None), None)
    samples, total_s = sum(len(p.pcm) for p in packets), _total_s(packets, chunks, end_ms)
    return RunTiming(
        ttfp_ms=ttfp_ms,
        ttf_ms=None if ttfp_ms is None or decode_first_ms is None else ttfp_ms + decode_first_ms,
        ttfa_ms=chunks[0].at_ms if chunks else first_pcm_ms,
        rtf=real_time_factor(code_ms + (decode_ms or 0.0), samples, sample_rate),
        code_ms=code_ms,
        decode_first_ms=decode_first_ms,
        decode_ms=decode_ms,
        queue_wait_ms=sum(p.queue_wait_ms for p in packets),
        decode_calls=sum(p.decode_calls for p in packets),
        total_s=total_s,
        wall_rtf=None if total_s is None else real_time_factor(1000 * total_s, samples, sample_rate),
    )


def _total_s(packets: Sequence[Packet], chunks: Sequence[ChunkTiming], end_ms: float | None) -> float | None:
    """The seconds from the request to the last of its events; None where nothing came."""
    times = [end_ms, *(p.codes_at_ms for p in packets), *(p.pcm_at_ms for p in packets), *(c.at_ms for c in chunks)]
    last_ms = max((ms for ms in times if ms is not None), default=None)
    return None if last_ms is None else last_ms / 1000


def whole_timing(code_ms: float | None, decode_ms: float, samples: int, sample_rate: int) -> RunTiming:
    """Times of a run in one piece: its codes, if it made any, then one decode."""
    total_ms = (code_ms or 0.0) + decode_ms
    rtf = real_time_factor(total_ms, samples, sample_rate)
    return RunTiming(rtf=rtf, code_ms=code_ms, decode_ms=decode_ms, total_s=total_ms / 1000, wall_rtf=rtf)


def codegen_timing(packets: Sequence[Packet], end_ms: float | None = None) -> RunTiming:
    """Times of code generation alone; ``end_ms`` as in ``stream_timing``."""
    first = packets[0].codes_at_ms if packets else None
    code_ms = sum(packet.code_ms for packet in packets)
    return RunTiming(ttfp_ms=first, code_ms=code_ms, total_s=_total_s(packets, (), end_ms))


def decode_timing(packets: Sequence[PacketTiming], calls: int, sample_rate: int) -> RunTiming:
    """Times of given codes that were decoded packet by packet; time to first audio counts decoding alone."""
    times = [packet.decode_ms or 0.0 for packet in packets]
    rtf = real_time_factor(sum(times), sum(p.samples for p in packets), sample_rate)
    return RunTiming(
        ttfa_ms=next((p.pcm_at_ms for p in packets if p.samples), None),
        rtf=rtf,
        decode_first_ms=times[0] if times else None,
        decode_ms=sum(times),
        decode_calls=calls,
        total_s=sum(times) / 1000,
        wall_rtf=rtf,
    )


def real_time_factor(compute_ms: float, samples: int, sample_rate: int) -> float | None:
    """Compute seconds per second of audio: code generation and decoding, without waiting, whether or not they
    overlap. None for no samples.
    """
    return compute_ms / (1000 * samples / sample_rate) if samples else None
