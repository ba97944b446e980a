"""Whether a second thread helps: the same frames of code generation at several thread counts, in interleaved rounds."""

from __future__ import annotations

import os
import time

from ttsctl.core.checkup import ThreadsFound
from ttsctl.core.request import Request, Voice
from ttsctl.engine.codegen.stage import Clock, CodegenStage, CodePacket, NoLimit
from ttsctl.engine.cpu.row_linear import split_linears
from ttsctl.engine.cpu.row_pool import RowPool
from ttsctl.engine.recording.probes import CodegenProbes

FRAMES = 4
ROUNDS = 3
# A released size on a slow CPU takes 2 s a frame: one round of each count still ends.
BUDGET_S = 20.0
TEXT = "One two three four."


def find_threads(stage: CodegenStage, speaker: str | None) -> ThreadsFound:
    """Frames timed with one thread, with two, and with the count that the stage has.

    The fastest round of each counts, because other work on the machine can only add time. Ends early, after one round
    at least, when ``BUDGET_S`` is over.
    """
    chosen = stage.pool.threads
    counts = sorted({1, min(2, os.cpu_count() or 1), chosen})
    pools = {count: RowPool(count) for count in counts}
    request = Request(TEXT, Voice("checkup", speaker))
    fastest: dict[int, float] = {}
    started, rounds = time.monotonic(), 0
    _frame_ms(stage, request, pools[chosen])
    while rounds < ROUNDS and (rounds == 0 or time.monotonic() - started < BUDGET_S):
        for count in counts:
            ms = _frame_ms(stage, request, pools[count])
            fastest[count] = min(ms, fastest.get(count, ms))
        rounds += 1
    for pool in pools.values():
        pool.close()
    split_linears(stage.generator.talker, stage.pool)
    return ThreadsFound(FRAMES, rounds, {str(count): ms for count, ms in fastest.items()}, chosen)


def _frame_ms(stage: CodegenStage, request: Request, pool: RowPool) -> float:
    """Milliseconds a frame of ``FRAMES`` frames, or of as many as the text has, with the prompt."""
    frames, started = 0, time.perf_counter()
    split_linears(stage.generator.talker, pool)
    with stage.in_force:
        for packet in stage.packets(request, Clock.start(), CodegenProbes(), NoLimit()):
            if isinstance(packet, CodePacket):
                frames += len(packet.on_host())
            if frames >= FRAMES:
                break
    return (time.perf_counter() - started) * 1e3 / max(frames, 1)
