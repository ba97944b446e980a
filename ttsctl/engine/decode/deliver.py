"""From codes to audio: takes packets from a source as they come, decodes them, and yields chunks, then the packet.

On CUDA decoding is queued before its codes have reached the host, and the next packet, if its codes are there already,
before the host waits for the audio of this one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from ttsctl.core.audio import PcmArray
from ttsctl.core.delivery import Chunker
from ttsctl.core.request import Chunk, Packet
from ttsctl.engine.codegen.sources import CodeSource
from ttsctl.engine.codegen.stage import Clock, CodeEnd, CodePacket
from ttsctl.engine.cuda.handover import DeviceCodes
from ttsctl.engine.decode.stage import Decoding, QueuedPcm, TakenCodes


@dataclass(frozen=True, eq=False)
class _UnderWay:
    """A packet that was taken and, where ``queued`` is not None, decoded with those put aside before it.

    ``done_ms``: when its PCM was on the host, None if it still had to come when the packet was queued.
    """

    index: int
    item: CodePacket
    taken: TakenCodes
    taken_ms: float
    started_ms: float
    queued: QueuedPcm | None
    done_ms: float | None
    calls: int


def deliver(
    source: CodeSource, decoding: Decoding, clock: Clock, decode_every: int, num_codebooks: int, samples: int
) -> Iterator[Chunk | Packet | CodeEnd]:
    """The audio of ``source`` in chunks of ``samples`` as it is decoded, every packet after its chunks, then the end.

    Only every ``decode_every``-th packet is decoded, together with those before it, whose PCM is empty and
    ``decode_ms`` None. Audio that the decoder held back until the end comes in a packet without codes.
    """
    chunker, index = Chunker(samples, clock.now_ms), 0
    under_way: _UnderWay | None = None
    while True:
        if under_way is not None and not (decoding.queues and source.has_next()):
            yield from _finish(source, decoding, clock, under_way, chunker)
            under_way = None
        try:
            item = source.next()
        except Exception:
            # What code generation raised comes after the packets that it gave before.
            if under_way is not None:
                yield from _finish(source, decoding, clock, under_way, chunker)
            raise
        if not isinstance(item, CodePacket):
            break
        following = _begin(decoding, clock, decode_every, index, item)
        if under_way is not None:
            yield from _finish(source, decoding, clock, under_way, chunker)
        under_way = following
        index += 1
    if under_way is not None:
        yield from _finish(source, decoding, clock, under_way, chunker)
    yield from _flush(decoding, clock, index, num_codebooks, chunker)
    yield item


def _begin(decoding: Decoding, clock: Clock, decode_every: int, index: int, item: CodePacket) -> _UnderWay:
    """Take one packet; if ``decode_every`` packets are put aside now, decode them all, or on CUDA queue that."""
    taken_ms, calls = clock.now_ms(), decoding.calls
    taken = decoding.take(item.codes)
    started_ms, queued, done_ms = clock.now_ms(), None, None
    if decoding.held == decode_every:
        queued = decoding.decode()
        done_ms = None if decoding.queues else clock.now_ms()
    return _UnderWay(index, item, taken, taken_ms, started_ms, queued, done_ms, decoding.calls - calls)


def _finish(
    source: CodeSource, decoding: Decoding, clock: Clock, packet: _UnderWay, chunker: Chunker
) -> Iterator[Chunk | Packet]:
    """A packet's chunks, then the packet. On CUDA the host waits here for its codes, and then for its audio.

    The first chunk leaves before anything else is done, as it decides when the audio begins.
    """
    item, done_ms, decode_ms = packet.item, packet.done_ms, None
    codes = decoding.read_codes(packet.taken)
    codes_at_ms = clock.now_ms() if isinstance(item.codes, DeviceCodes) else item.ready_ms
    pcm: PcmArray = np.empty(0, np.float32)
    if packet.queued is not None:
        pcm = decoding.read_pcm(packet.queued)
        if done_ms is not None:
            decode_ms = done_ms - packet.started_ms
        else:
            done_ms, decode_ms = clock.now_ms(), packet.queued.time.read_ms()
    chunks = chunker.push(pcm)
    yield from islice(chunks, 1)
    source.decoded()
    yield from chunks
    yield Packet(
        index=packet.index,
        codes=codes,
        pcm=pcm,
        code_ms=item.code_ms,
        queue_wait_ms=max(0.0, packet.taken_ms - item.ready_ms),
        decode_ms=decode_ms,
        codes_at_ms=codes_at_ms,
        pcm_at_ms=done_ms,
        decode_calls=packet.calls,
    )


def _flush(
    decoding: Decoding, clock: Clock, index: int, num_codebooks: int, chunker: Chunker
) -> Iterator[Chunk | Packet]:
    """What the decoder held back until the end."""
    calls, started = decoding.calls, clock.now_ms()
    pcm = decoding.flush()
    now = clock.now_ms()
    yield from chunker.push(pcm)
    yield from chunker.rest()
    if len(pcm):
        none = np.empty((0, num_codebooks), np.int64)
        yield Packet(index, none, pcm, 0.0, 0.0, now - started, started, now, decoding.calls - calls)
