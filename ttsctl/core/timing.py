"""The times of one streamed request, and the real-time factor: the one place where they are computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ttsctl.core.request import Packet


@dataclass(frozen=True)
class RunTiming:
    """Times in ms, counted from the request or added over all packets; None where nothing of the kind happened.

    ttfp_ms: first packet of codes. ttf_ms: that plus decode_first_ms. ttfa_ms: first packet that carries PCM.
    rtf adds up both stages' compute time, so with overlap, where they run at once, it is above the share of wall time.
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


def stream_timing(packets: Sequence[Packet], sample_rate: int) -> RunTiming:
    """Times of the packets of one request, in the order in which they came."""
    ttfp_ms = next((p.codes_at_ms for p in packets if len(p.codes)), None)
    decodes = [p.decode_ms for p in packets if p.decode_ms is not None]
    decode_first_ms = decodes[0] if decodes else None
    code_ms, decode_ms = sum(p.code_ms for p in packets), sum(decodes) if decodes else None
    return RunTiming(
        ttfp_ms=ttfp_ms,
        ttf_ms=None if ttfp_ms is None or decode_first_ms is None else ttfp_ms + decode_first_ms,
        ttfa_ms=next((p.pcm_at_ms for p in packets if len(p.pcm) and p.pcm_at_ms is not None), None),
        rtf=real_time_factor(code_ms + (decode_ms or 0.0), sum(len(p.pcm) for p in packets), sample_rate),
        code_ms=code_ms,
        decode_first_ms=decode_first_ms,
        decode_ms=decode_ms,
        queue_wait_ms=sum(p.queue_wait_ms for p in packets),
        decode_calls=sum(p.decode_calls for p in packets),
    )


def whole_timing(code_ms: float | None, decode_ms: float, samples: int, sample_rate: int) -> RunTiming:
    """Times of a run in one piece: its codes, if it made any, then one decode."""
    rtf = real_time_factor((code_ms or 0.0) + decode_ms, samples, sample_rate)
    return RunTiming(rtf=rtf, code_ms=code_ms, decode_ms=decode_ms)


def codegen_timing(packets: Sequence[Packet]) -> RunTiming:
    """Times of code generation alone."""
    first = packets[0].codes_at_ms if packets else None
    return RunTiming(ttfp_ms=first, code_ms=sum(packet.code_ms for packet in packets))


def decode_timing(packets: Sequence[PacketTiming], calls: int, sample_rate: int) -> RunTiming:
    """Times of given codes that were decoded packet by packet; time to first audio counts decoding alone."""
    times = [packet.decode_ms or 0.0 for packet in packets]
    return RunTiming(
        ttfa_ms=next((p.pcm_at_ms for p in packets if p.samples), None),
        rtf=real_time_factor(sum(times), sum(p.samples for p in packets), sample_rate),
        decode_first_ms=times[0] if times else None,
        decode_ms=sum(times),
        decode_calls=calls,
    )


def real_time_factor(compute_ms: float, samples: int, sample_rate: int) -> float | None:
    """Compute seconds per second of audio: code generation and decoding, without waiting, whether or not they
    overlap. None for no samples.
    """
    return compute_ms / (1000 * samples / sample_rate) if samples else None
