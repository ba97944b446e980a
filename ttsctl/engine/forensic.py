"""The in-process engine, looked into: ``core.forensic.Forensic`` around a LocalEngine."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch

from ttsctl.core.codes import CodeArray
from ttsctl.core.config import Config
from ttsctl.core.delivery import with_delivered
from ttsctl.core.engine import EngineInfo
from ttsctl.core.errors import CannotJudge, InputError
from ttsctl.core.forensic import Site, Value, Values
from ttsctl.core.request import End, Packet, Request
from ttsctl.core.run import Run
from ttsctl.core.timing import packet_timing, stream_timing
from ttsctl.core.trace import Draws, Trace, TraceLevel
from ttsctl.engine.recording.interventions import Edits, Wanted
from ttsctl.engine.recording.recorder import codegen_taps, decode_taps

if TYPE_CHECKING:
    from ttsctl.engine.local import LocalEngine

CODEC_PREFIXES = ("codec.", "decoder.")
V = TypeVar("V")


class LocalForensics:
    """Records, takes values out and puts values in. ``alter`` changes values in every run: planted faults.

    Not for ``stream.overlap`` process, where code generation is out of reach: CannotJudge.
    """

    def __init__(self, engine: LocalEngine, alter: Edits | None = None) -> None:
        self._engine = engine
        self._alter_codegen, self._alter_decode = _split(dict(alter or {}))

    @property
    def config(self) -> Config:
        return self._engine.config

    @property
    def info(self) -> EngineInfo:
        return self._engine.info

    def record(self, request: Request, level: TraceLevel, grafts: Values | None = None) -> Run:
        """One streamed run at a trace level; each value of ``grafts`` takes the place of the one computed there.

        CannotJudge if a site was never reached, or a value does not have its place's number of elements.
        """
        recorded, unmet = self._run(request, level, dict(grafts or {}), None)
        if unmet:
            raise CannotJudge(
                f"{len(unmet)} of {len(grafts or {})} grafts: the run never came by {unmet[0]}",
                "name a point, frame and codebook that a trace of this run holds",
            )
        return recorded

    def capture(self, request: Request, point: str, first_frame: int = 0) -> dict[Site, Value]:
        """One streamed run; every output of ``point`` from ``first_frame`` on, in the order of execution."""
        wanted = Wanted(point, first_frame)
        self._run(request, "none", {}, wanted)
        return wanted.values

    @torch.inference_mode()
    def force(self, request: Request, codes: CodeArray, jitter_seed: int | None = None) -> Draws:
        """At every draw what this engine would take after the codes (T, Q) before it, and their end.

        ``jitter_seed`` moves the last bit of every module's output up or down at random. InputError if the codes do not
        fit the checkpoint.
        """
        self._check(codes)
        forced = torch.from_numpy(np.ascontiguousarray(codes))
        stage = self._engine.codegen_stage
        taps = codegen_taps(
            "codes", stage.generator.talker, alter=self._alter_codegen, forced=forced, jitter_seed=jitter_seed
        )
        with stage.in_force:
            generation, _ = stage.begin(request, taps)
            for _ in stage.generator.frames(generation):
                pass
            return taps.finish()[0]

    def _run(
        self, request: Request, level: TraceLevel, grafts: dict[Site, Value], wanted: Wanted | None
    ) -> tuple[Run, tuple[Site, ...]]:
        """A streamed run, and the sites of grafts that it never came by."""
        codegen_grafts, decode_grafts = _split(grafts)
        in_codec = wanted is not None and _is_codec(wanted.point)
        codegen = codegen_taps(
            level,
            self._engine.generator.talker,
            alter=self._alter_codegen,
            grafts=codegen_grafts,
            wanted=None if in_codec else wanted,
        )
        decode = decode_taps(
            level,
            self._engine.decoder,
            alter=self._alter_decode,
            grafts=decode_grafts,
            wanted=wanted if in_codec else None,
        )
        *packets, end = self._engine.stream_with(request, codegen, decode, "codes" if level == "none" else level)
        assert isinstance(end, End) and end.trace is not None, "a stream ends with End, which has the trace asked for"
        pieces = [packet for packet in packets if isinstance(packet, Packet)]
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
            timing=stream_timing(pieces, self.info.sample_rate),
            packets=tuple(map(packet_timing, pieces)),
            trace=delivered,
            notes=end.notes,
            clamped=end.clamped,
        )
        return run, (*codegen.unmet, *decode.unmet)

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


def _is_codec(point: str) -> bool:
    return point.startswith(CODEC_PREFIXES)


def _split(sites: dict[Site, V]) -> tuple[dict[Site, V], dict[Site, V]]:
    """What is put at sites of code generation, and what at those of the codec."""
    codec = {site: given for site, given in sites.items() if _is_codec(site.point)}
    return {site: given for site, given in sites.items() if site not in codec}, codec
