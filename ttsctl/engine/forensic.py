"""``core.forensic.Forensic`` for the in-process engine: traces, captures, grafts and forced codes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch

from ttsctl.core.codes import CodeArray
from ttsctl.core.config import Config
from ttsctl.core.delivery import with_delivered
from ttsctl.core.engine import EngineInfo
from ttsctl.core.errors import CannotJudge, InputError
from ttsctl.core.forensic import Site, Value, Values
from ttsctl.core.request import Chunk, End, Event, Packet, Request
from ttsctl.core.run import Run
from ttsctl.core.timing import chunk_timing, packet_timing, stream_timing
from ttsctl.core.trace import Draws, Trace, TraceLevel
from ttsctl.engine.codegen.stage import CodegenStage
from ttsctl.engine.model.codec import CodecDecoder
from ttsctl.engine.recording.interventions import Alterations, Capture
from ttsctl.engine.recording.probes import CodegenProbes, DecodeProbes
from ttsctl.engine.recording.recorder import Recorder


class RecordableEngine(Protocol):
    """What of the in-process engine is recorded: its stages, and its stream with the caller's probes."""

    @property
    def config(self) -> Config: ...

    @property
    def info(self) -> EngineInfo: ...

    @property
    def codegen_stage(self) -> CodegenStage: ...

    @property
    def decoder(self) -> CodecDecoder: ...

    def stream_with(
        self, request: Request, codegen_probes: CodegenProbes, decode_probes: DecodeProbes, level: TraceLevel
    ) -> Iterator[Event]: ...


class LocalForensics:
    """Records runs of an engine, captures their values and replaces them.

    ``alterations`` change values in every run: planted faults. CannotJudge under ``stream.overlap`` process, where code
    generation cannot be recorded.
    """

    def __init__(self, engine: RecordableEngine, alterations: Alterations | None = None) -> None:
        self._engine = engine
        self._alterations = alterations or {}

    @property
    def config(self) -> Config:
        return self._engine.config

    @property
    def info(self) -> EngineInfo:
        return self._engine.info

    def record(self, request: Request, level: TraceLevel, grafts: Values | None = None) -> Run:
        """One streamed run at a trace level; each value of ``grafts`` takes the place of the one computed there.

        Under ``backend.kernels = triton``, which runs no module by itself, a trace has stages at most. CannotJudge if a
        site was never reached, or a value does not have its place's number of elements.
        """
        if level == "modules" and self.config.backend.kernels == "triton":
            level = "stages"
        recorder = Recorder(level, self._alterations, grafts or {})
        recorded, unreached = self._run(request, recorder)
        if unreached:
            raise CannotJudge(
                f"{len(unreached)} of {len(recorder.grafts)} grafts: the run never came by {unreached[0]}",
                "name a point, frame and codebook that a trace of this run holds",
            )
        return recorded

    def capture(self, request: Request, point: str, first_frame: int = 0) -> dict[Site, Value]:
        """One streamed run; every output of ``point`` from ``first_frame`` on, in the order of execution."""
        capture = Capture(point, first_frame)
        self._run(request, Recorder("none", self._alterations, capture=capture))
        return capture.values

    @torch.inference_mode()
    def force(self, request: Request, codes: CodeArray, jitter_seed: int | None = None) -> Draws:
        """Teacher forcing: what this engine takes at every draw after the codes (T, Q) before it, and at their end.

        ``jitter_seed`` moves the last bit of every module's output up or down at random. InputError if the codes do not
        fit the checkpoint.
        """
        self._check(codes)
        forced = torch.from_numpy(np.ascontiguousarray(codes))
        stage = self._engine.codegen_stage
        probes = Recorder("codes", self._alterations).codegen(stage.generator.talker, forced, jitter_seed)
        with stage.in_force:
            generation, _ = stage.begin(request, probes)
            for _ in stage.generator.frames(generation):
                pass
            return probes.finish()[0]

    def _run(self, request: Request, recorder: Recorder) -> tuple[Run, tuple[Site, ...]]:
        """A streamed run, and the sites of grafts that it did not reach."""
        codegen, decode = (
            recorder.codegen(self._engine.codegen_stage.generator.talker),
            recorder.decode(self._engine.decoder),
        )
        level = recorder.level
        *events, end = self._engine.stream_with(request, codegen, decode, "codes" if level == "none" else level)
        assert isinstance(end, End) and end.trace is not None, "a stream ends with End, which has the trace asked for"
        pieces = [event for event in events if isinstance(event, Packet)]
        chunks = [chunk_timing(event) for event in events if isinstance(event, Chunk)]
        none = np.empty((0, self.info.num_codebooks), np.int64)
        codes = np.concatenate([none, *(packet.codes for packet in pieces)])
        pcm = np.concatenate([np.empty(0, np.float32), *(packet.pcm for packet in pieces)])
        trace = Trace(level, end.trace.draws, end.trace.codegen, end.trace.decode)
        delivered = with_delivered(trace, pcm, self.info.frame_samples)
        run = Run(
            kind="stream",
            codes=codes,
            pcm=pcm,
            truncated=end.truncated,
            seed=end.seed,
            timing=stream_timing(pieces, self.info.sample_rate, chunks, end.at_ms),
            packets=tuple(map(packet_timing, pieces)),
            chunks=tuple(chunks),
            trace=delivered,
            notes=end.notes,
            clamped=end.clamped,
            prompt=end.prompt,
        )
        return run, (*codegen.unreached, *decode.unreached)

    def _check(self, codes: CodeArray) -> None:
        books, size = self.info.num_codebooks, self.info.codebook_size
        if codes.ndim != 2 or codes.shape[1] != books or codes.dtype != np.int64:
            raise InputError(
                f"codes: expected (T, {books}) int64, got {codes.shape} {codes.dtype}", "give this checkpoint's codes"
            )
        if codes.size and (codes.min() < 0 or codes.max() >= size):
            raise InputError(
                f"codes: expected ids in 0..{size - 1}, got {codes.min()} to {codes.max()}",
                "give this checkpoint's codes",
            )
