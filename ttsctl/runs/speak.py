"""Speaking outside of a suite: one text to audio and codes, or several texts N times each to dumps."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ttsctl.audio.wav import write_wav
from ttsctl.core.audio import PcmArray
from ttsctl.core.capabilities import decoder_of
from ttsctl.core.config import Config
from ttsctl.core.engine import Engine, EngineInfo
from ttsctl.core.errors import CannotJudge
from ttsctl.core.request import Chunk, Event, Request
from ttsctl.core.run import Run
from ttsctl.dumps.meta import DumpMeta, build_meta
from ttsctl.dumps.write import write_dump
from ttsctl.runs.run_decode import reference_of
from ttsctl.runs.run_stream import run_offline, run_stream

# Called once for every step that is done: a packet, or a run.
Advance = Callable[[], None]


@dataclass(frozen=True)
class SpokenRequest:
    """One request, streamed and offline. ``offline`` and ``offline_codes_equal`` are None under the policy ``free``,
    which draws other codes in every run.
    """

    request: Request
    config: Config
    info: EngineInfo
    stream: Run
    offline_pcm: PcmArray
    offline: Run | None
    offline_codes_equal: bool | None
    meta: DumpMeta


@dataclass(frozen=True)
class WrittenDump:
    """A dump that was written: its run, its meta and the names of its files."""

    run: Run
    meta: DumpMeta
    files: tuple[str, ...]


class ProgressEngine:
    """An engine that calls ``advance`` for every packet that it streams, and at its end."""

    def __init__(self, engine: Engine, advance: Advance) -> None:
        self._engine = engine
        self._advance = advance
        self.config = engine.config
        self.info = engine.info
        self.capabilities = engine.capabilities

    def stream(self, request: Request) -> Iterator[Event]:
        for event in self._engine.stream(request):
            if not isinstance(event, Chunk):
                self._advance()
            yield event

    def close(self) -> None:
        self._engine.close()


def speak(engine: Engine, request: Request, advance: Advance) -> SpokenRequest:
    """Stream a request, then speak it offline. CannotJudge if the stream gave no frame."""
    stream = _streamed(ProgressEngine(engine, advance), request)
    offline, equal = None, None
    if "free" in (engine.config.sampling.policy, engine.config.sampling.predictor_policy):
        # A second generation would draw other codes, so the codes of the stream are decoded offline.
        pcm = decoder_of(engine).decode_offline(stream.require_codes(), reference_of(engine, request))
    else:
        offline = run_offline(engine, request)
        pcm, equal = offline.require_pcm(), np.array_equal(offline.require_codes(), stream.require_codes())
    meta = build_meta(stream, request, engine.config, engine.info, "stream")
    return SpokenRequest(request, engine.config, engine.info, stream, pcm, offline, equal, meta)


def write_spoken(spoken: SpokenRequest, folder: Path) -> tuple[str, ...]:
    """Write stream.wav and offline.wav (float32) and the dump of the streamed codes; returns the names of the files.

    ``record`` of the request's config decides whether the dump has a trace and the times of the packets.
    """
    names = ("stream.wav", "offline.wav")
    for name, pcm in zip(names, (spoken.stream.require_pcm(), spoken.offline_pcm), strict=True):
        write_wav(folder / name, pcm, spoken.info.sample_rate)
    return names + _dump(folder, spoken.meta, spoken.stream, spoken.config)


def dump_runs(
    engine: Engine, requests: Sequence[Request], runs: int, folder: Path, advance: Advance
) -> list[list[WrittenDump]]:
    """Stream each request ``runs`` times and dump the codes of every run into ``folder``.

    A dump has the tag ``<text id or number>_run<n>``; the config's ``record`` table says what is written beside it.
    Returns the dumps of each request. CannotJudge if a run gave no frame.
    """
    dumps_by_request = []
    for number, request in enumerate(requests, start=1):
        name = request.text_id or f"text{number:02d}"
        dumps = []
        for run in range(1, runs + 1):
            stream = _streamed(engine, request)
            meta = build_meta(stream, request, engine.config, engine.info, f"{name}_run{run}")
            files = _dump(folder, meta, stream, engine.config)
            # Of the run only its codes and times are asked for later; the audio of a thousand runs need not be kept.
            dumps.append(WrittenDump(replace(stream, pcm=None, trace=None, packets=(), chunks=()), meta, files))
            advance()
        dumps_by_request.append(dumps)
    return dumps_by_request


def _dump(folder: Path, meta: DumpMeta, stream: Run, config: Config) -> tuple[str, ...]:
    packets = stream.packets if config.record.packets else None
    paths = write_dump(folder, meta, stream.require_codes(), stream.trace, packets, stream.chunks)
    return tuple(path.name for path in paths)


def _streamed(engine: Engine, request: Request) -> Run:
    """A streamed run with at least one frame, or CannotJudge."""
    stream = run_stream(engine, request, threading.Event())
    if not len(stream.require_codes()):
        raise CannotJudge("the engine ended the speech before the first frame", "raise sampling.max_new_tokens")
    return stream
