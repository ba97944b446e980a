"""From codes to audio: takes packets from a source as they come, decodes them, and yields chunks, then the packet."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np

from ttsctl.core.audio import PcmArray
from ttsctl.core.delivery import Chunker
from ttsctl.core.request import Chunk, Packet
from ttsctl.engine.codegen.sources import CodeSource
from ttsctl.engine.codegen.stage import Clock, CodeEnd, CodePacket
from ttsctl.engine.cuda_handover import DeviceCodes
from ttsctl.engine.decode.stage import Decoding


def deliver(
    source: CodeSource, decoding: Decoding, clock: Clock, decode_every: int, num_codebooks: int, samples: int
) -> Iterator[Chunk | Packet | CodeEnd]:
    """The audio of ``source`` in chunks of ``samples`` as it is decoded, every packet after its chunks, then the end.

    Only every ``decode_every``-th packet is decoded, together with those before it, whose PCM is empty and
    ``decode_ms`` None. Audio that the decoder held back until the end comes in a packet without codes.
    """
    chunker, index = Chunker(samples, clock.now_ms), 0
    while isinstance(item := source.next(), CodePacket):
        yield from _next_packet(source, decoding, clock, decode_every, index, item, chunker)
        index += 1
    calls, started = decoding.calls, clock.now_ms()
    pcm = decoding.flush()
    now = clock.now_ms()
    yield from chunker.push(pcm)
    yield from chunker.rest()
    if len(pcm):
        none = np.empty((0, num_codebooks), np.int64)
        yield Packet(index, none, pcm, 0.0, 0.0, now - started, started, now, decoding.calls - calls)
    yield item


def _next_packet(
    source: CodeSource,
    decoding: Decoding,
    clock: Clock,
    decode_every: int,
    index: int,
    item: CodePacket,
    chunker: Chunker,
) -> Iterator[Chunk | Packet]:
    """Take one packet; if ``decode_every`` packets are put aside now, decode them all.

    The first chunk leaves before anything else is done, as it decides when the audio begins.
    """
    taken_ms, calls = clock.now_ms(), decoding.calls
    codes = decoding.take(item.codes)
    # Codes with an event are complete only now that the host could read them.
    codes_at_ms = clock.now_ms() if isinstance(item.codes, DeviceCodes) else item.ready_ms
    started, done_ms = clock.now_ms(), None
    pcm: PcmArray = np.empty(0, np.float32)
    if decoding.held == decode_every:
        pcm = decoding.decode()
        done_ms = clock.now_ms()
    chunks = chunker.push(pcm)
    yield from islice(chunks, 1)
    source.decoded()
    yield from chunks
    yield Packet(
        index=index,
        codes=codes,
        pcm=pcm,
        code_ms=item.code_ms,
        queue_wait_ms=max(0.0, taken_ms - item.ready_ms),
        decode_ms=None if done_ms is None else done_ms - started,
        codes_at_ms=codes_at_ms,
        pcm_at_ms=done_ms,
        decode_calls=decoding.calls - calls,
    )
