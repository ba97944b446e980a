"""Speaking on request, outside a suite: one text to audio and codes, or texts N times to dumps."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ttsctl.core.audio import PcmArray
from ttsctl.core.capabilities import decoder_of
from ttsctl.core.config import Config
from ttsctl.core.engine import Engine, EngineInfo
from ttsctl.core.errors import CannotJudge
from ttsctl.core.request import End, Packet, Request
from ttsctl.core.run import Run
from ttsctl.dumps.meta import DumpMeta, build_meta
from ttsctl.dumps.write import write_dump
from ttsctl.runs.run_stream import run_offline, run_stream

Tell = Callable[[], None]


@dataclass(frozen=True)
class Spoken:
    """One request, streamed and offline. ``offline_codes_equal`` is None where the policy draws anew each time."""

    request: Request
    config: Config
    info: EngineInfo
    stream: Run
    offline_pcm: PcmArray
    offline: Run | None
    offline_codes_equal: bool | None
    meta: DumpMeta


@dataclass(frozen=True)
class Dumped:
    """A dump in its folder: its meta and the names of its files."""

    meta: DumpMeta
    files: tuple[str, ...]


class ProgressEngine:
    """An engine that tells of every packet that it streams."""

    def __init__(self, engine: Engine, tell: Tell) -> None:
        self._engine = engine
        self._tell = tell
        self.config = engine.config
        self.info = engine.info
        self.capabilities = engine.capabilities

    def stream(self, request: Request) -> Iterator[Packet | End]:
        for event in self._engine.stream(request):
            self._tell()
            yield event

    def close(self) -> None:
        self._engine.close()


def speak(engine: Engine, request: Request, tell: Tell) -> Spoken:
    """Stream a request, then speak it offline. CannotJudge if not one frame came."""
    stream = _streamed(ProgressEngine(engine, tell), request)
    offline, equal = None, None
    if "free" in (engine.config.sampling.policy, engine.config.sampling.predictor_policy):
        # A second generation would draw other codes, so the offline audio is that of the stream's codes.
        pcm = decoder_of(engine).decode_offline(stream.require_codes())
    else:
        offline = run_offline(engine, request)
        pcm, equal = offline.require_pcm(), np.array_equal(offline.require_codes(), stream.require_codes())
    meta = build_meta(stream, request, engine.config, engine.info, "stream")
    return Spoken(request, engine.config, engine.info, stream, pcm, offline, equal, meta)


def write_spoken(spoken: Spoken, folder: Path, packets: bool = False) -> tuple[str, ...]:
    """stream.wav, offline.wav (float32) and the dump of the streamed codes, with its trace if there is one and, on
    request, its packets; returns the names of the files.
    """
    from ttsctl.audio.wav import write_wav

    names = ("stream.wav", "offline.wav")
    for name, pcm in zip(names, (spoken.stream.require_pcm(), spoken.offline_pcm), strict=True):
        write_wav(folder / name, pcm, spoken.info.sample_rate)
    return names + _dump(folder, spoken.meta, spoken.stream, packets)


def record_runs(engine: Engine, requests: Sequence[Request], runs: int, folder: Path, tell: Tell) -> list[list[Dumped]]:
    """Stream each request ``runs`` times and dump its codes into ``folder`` as ``<text id or number>_run<n>``, with
    what the config's ``record`` table asks for beside them.

    Returns the dumps, request by request. CannotJudge if a run gave no frame.
    """
    recorded = []
    for number, request in enumerate(requests, start=1):
        name = request.text_id or f"text{number:02d}"
        dumps = []
        for run in range(1, runs + 1):
            stream = _streamed(engine, request)
            meta = build_meta(stream, request, engine.config, engine.info, f"{name}_run{run}")
            dumps.append(Dumped(meta, _dump(folder, meta, stream, engine.config.record.packets)))
            tell()
        recorded.append(dumps)
    return recorded


def _dump(folder: Path, meta: DumpMeta, stream: Run, packets: bool) -> tuple[str, ...]:
    paths = write_dump(folder, meta, stream.require_codes(), stream.trace, stream.packets if packets else None)
    return tuple(path.name for path in paths)


def _streamed(engine: Engine, request: Request) -> Run:
    stream = run_stream(engine, request, threading.Event())
    if not len(stream.require_codes()):
        raise CannotJudge("the engine ended the speech before the first frame", "raise sampling.max_new_tokens")
    return stream
