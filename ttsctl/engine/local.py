"""The in-process engine: one checkpoint, loaded once, which serves requests one after another."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ttsctl.core.audio import PcmArray
from ttsctl.core.codes import CodeArray, clamp_notes
from ttsctl.core.config import Config
from ttsctl.core.delivery import chunk_samples
from ttsctl.core.encoded_audio import EncodedAudio
from ttsctl.core.engine import Capabilities
from ttsctl.core.errors import CannotJudge
from ttsctl.core.forensic import Site, Value, Values
from ttsctl.core.request import End, Event, Packet, Request
from ttsctl.core.run import Run
from ttsctl.core.timing import whole_timing
from ttsctl.core.trace import Draws, Trace, TraceLevel, no_prints
from ttsctl.core.voice_prompt import PromptUse
from ttsctl.engine.codegen.generator import CodeGenerator
from ttsctl.engine.codegen.sampling import plan_sampling
from ttsctl.engine.codegen.sources import CodeSource, InlineSource, ThreadSource
from ttsctl.engine.codegen.stage import Clock, CodeEnd, CodegenStage, CodePacket
from ttsctl.engine.codegen.worker import CodegenWorker
from ttsctl.engine.cuda.handover import refuse_sync
from ttsctl.engine.decode.deliver import deliver
from ttsctl.engine.decode.stage import DecodeStage, Decoding
from ttsctl.engine.decode.variants import decode_variant
from ttsctl.engine.description import describe_engine
from ttsctl.engine.forensic import LocalForensics
from ttsctl.engine.loading import Networks, both_in_force, load_codegen, load_decoder
from ttsctl.engine.model.checkpoint import Checkpoint, open_checkpoint
from ttsctl.engine.placement import place, refuse_unavailable
from ttsctl.engine.recording.probes import CodegenProbes, DecodeProbes
from ttsctl.engine.recording.recorder import Recorder
from ttsctl.engine.switches import (
    codegen_switches,
    decoder_switches,
    set_workspace,
    snapshot,
)
from ttsctl.engine.voice.cloned import ClonedVoices
from ttsctl.engine.voice.encode import encode_audio
from ttsctl.engine.voice.voices import Voices


def load_engine(config: Config, networks: Networks | None = None) -> LocalEngine:
    """Open the checkpoint and load both networks where the config places them, or take ``networks`` in their place.

    With ``stream.overlap = "process"`` a worker process loads code generation, and this process does not. Process-wide
    switches stay as they are: the engine puts its own in force only during its calls (see ``switches``). InputError for
    settings that this engine or machine does not have, and for a checkpoint that is incomplete or damaged.
    """
    refuse_unavailable(config)
    set_workspace(config)
    placement = place(config)
    refuse_sync(config, placement)
    checkpoint = open_checkpoint(config.engine.checkpoint)
    found = snapshot()
    codegen_force, decoder_force = both_in_force(codegen_switches(config, found), decoder_switches(config, found))
    if config.stream.overlap == "process":
        worker = CodegenWorker(config, codegen_force.switches)
        try:
            decoder = load_decoder(config, decoder_force, checkpoint)
            return LocalEngine(config, checkpoint, worker, decoder, Voices(checkpoint, placement, codegen_force))
        except BaseException:
            worker.close()
            raise
    codegen = load_codegen(config, codegen_force, checkpoint, networks)
    decoder = load_decoder(config, decoder_force, checkpoint, networks)
    return LocalEngine(config, checkpoint, codegen, decoder, codegen.voices)


class LocalEngine:
    """The engine of kind ``local``, with every capability. It holds weights only; every request has its own state."""

    def __init__(
        self,
        config: Config,
        checkpoint: Checkpoint,
        codegen: CodegenStage | CodegenWorker,
        decode_stage: DecodeStage,
        voices: Voices,
    ) -> None:
        self.config = config
        self.checkpoint = checkpoint
        self.placement = decode_stage.placement
        self.decode_stage = decode_stage
        self.decoder = decode_stage.decoder
        self.plan = plan_sampling(config.sampling, checkpoint.generation)
        self.cloned = ClonedVoices(voices, decode_stage)
        self._codegen = codegen
        self.info = describe_engine(config, checkpoint, self.plan, decode_stage, self._codegen_in_force())

    @property
    def capabilities(self) -> Capabilities:
        """All of them, with one request at a time."""
        return Capabilities(codes=True, decoding=True, offline=True, traces=True, seeds=True, encoding=True)

    @property
    def codegen_stage(self) -> CodegenStage:
        """Code generation in this process. CannotJudge if it is in a worker process."""
        if isinstance(self._codegen, CodegenWorker):
            raise CannotJudge(
                "stream.overlap = 'process': code generation is in a worker process, out of a recorder's reach",
                "use overlap 'none' or 'thread', which give the same codes",
            )
        return self._codegen

    @property
    def generator(self) -> CodeGenerator:
        """Talker, predictor and tokenizer, for use inside ``codegen_stage.in_force``. Raises as ``codegen_stage``."""
        return self.codegen_stage.generator

    @property
    def worker(self) -> CodegenWorker | None:
        """The worker process that generates codes; None if code generation is in this process."""
        return self._codegen if isinstance(self._codegen, CodegenWorker) else None

    @property
    def weight_bytes(self) -> int | None:
        """The size of its weights; None with a worker process, which costs much more than its weights."""
        if isinstance(self._codegen, CodegenWorker):
            return None
        weights = (*self._codegen.generator.talker.parameters(), *self.decoder.parameters())
        return sum(weight.nbytes for weight in weights)

    def close(self) -> None:
        """End the worker process, if there is one, and the pool's helpers. Harmless twice; a later request would start
        them again."""
        if isinstance(self._codegen, CodegenWorker):
            self._codegen.close()
        else:
            self._codegen.pool.close()

    def stream(self, request: Request) -> Iterator[Event]:
        """Packets of ``stream.packet_tokens`` frames, each after its audio in chunks of ``stream.chunk_ms``, then End,
        with the trace that ``record.trace`` asks for.

        Closing the iterator ends code generation, drops the request's state and decodes nothing more. InputError, at
        the first packet, for a request that does not fit the checkpoint.
        """
        level = self.config.record.trace
        return self._stream(request, self._codegen_probes(level), Recorder(level).decode(self.decoder), level)

    def stream_with(
        self, request: Request, codegen_probes: CodegenProbes, decode_probes: DecodeProbes, level: TraceLevel
    ) -> Iterator[Event]:
        """As ``stream``, with the caller's own probes, which serve one request. End's trace is marked with ``level``.

        "none" leaves the trace out. CannotJudge with overlap ``process``.
        """
        # Asked for now, so that the error comes with the call and not with the first packet.
        _ = self.codegen_stage
        return self._stream(request, codegen_probes, decode_probes, level)

    @torch.inference_mode()
    def _stream(
        self, request: Request, codegen_probes: CodegenProbes, decode_probes: DecodeProbes, level: TraceLevel
    ) -> Iterator[Event]:
        clock, stream = Clock.start(), self.config.stream
        samples = chunk_samples(stream.chunk_ms, self.info.sample_rate)
        request, use = self.cloned.prompted(request, clock, codegen_probes)
        with contextlib.ExitStack() as closed:
            closed.enter_context(self._held_switches())
            closed.callback(self.decode_stage.wait)
            source = closed.enter_context(contextlib.closing(self._source(request, clock, codegen_probes)))
            session, use = self.cloned.session(request, use, clock, decode_probes)
            decoding = Decoding(self.decode_stage, decode_probes, session)
            for item in deliver(source, decoding, clock, stream.decode_every, self.info.num_codebooks, samples):
                if isinstance(item, CodeEnd):
                    yield _end(item, decoding, decode_probes, level, clock.now_ms(), use)
                else:
                    yield item

    def generate(self, request: Request) -> Iterator[Packet | End]:
        """As ``stream``, without decoding: packets of codes without audio, then End."""
        level = self.config.record.trace
        return self._generate(request, self._codegen_probes(level), level)

    @torch.inference_mode()
    def _generate(self, request: Request, probes: CodegenProbes, level: TraceLevel) -> Iterator[Packet | End]:
        index, silence = 0, np.empty(0, np.float32)
        clock = Clock.start()
        request, use = self.cloned.prompted(request, clock, probes)
        with contextlib.closing(self._codes_alone(request, clock, probes)) as source:
            while isinstance(item := source.next(), CodePacket):
                codes = item.on_host()
                source.decoded()
                yield Packet(index, codes, silence, item.code_ms, 0.0, None, item.ready_ms, None, 0)
                index += 1
        trace = None if level == "none" else Trace(level, item.draws, item.prints, no_prints())
        yield End(item.frames, item.truncated, item.seed, item.notes, 0, trace, clock.now_ms(), use)

    @torch.inference_mode()
    def offline(self, request: Request) -> Run:
        """All codes (T, Q), then one decode in the mode ``oneshot``: a run of kind ``offline``."""
        clock = Clock.start()
        request, use = self.cloned.prompted(request, clock, CodegenProbes())
        codes, end = self._all_codes(request, clock)
        code_ms = clock.now_ms()
        pcm, clamped = self.decode_stage.offline(codes, None if request.prompt is None else request.prompt.codes)
        notes = (*end.notes, *clamp_notes(clamped))
        timing = whole_timing(code_ms, clock.now_ms() - code_ms, len(pcm), self.info.sample_rate)
        return Run("offline", codes, pcm, end.truncated, end.seed, timing, notes=notes, clamped=clamped, prompt=use)

    def decode(self, codes: CodeArray, config: Config, reference: CodeArray | None = None) -> Run:
        """codes (T, Q) int64 in packets, as ``decoder`` and ``stream`` of ``config`` say: a run of kind ``decode``.

        ``reference``: codes (R, Q) of a cloned voice's reference, decoded before them as ``decoder.reference`` says.
        """
        return decode_variant(self.decode_stage, codes, config, self.info.sample_rate, reference)

    @torch.inference_mode()
    def decode_offline(self, codes: CodeArray, reference: CodeArray | None = None) -> PcmArray:
        """codes (T, Q) int64 -> pcm (1920 · T,) float32, 24 kHz, in one call. InputError for an id out of range.

        ``reference``: codes (R, Q) of a cloned voice's reference to decode before them, whose audio is cut off.
        """
        return self.decode_stage.offline(codes, reference)[0]

    def encode(self, audio: Path) -> EncodedAudio:
        """See ``core.engine.EncodesAudio``."""
        return encode_audio(self.cloned.voices, audio)

    def reference_codes(self, request: Request) -> CodeArray | None:
        """See ``core.engine.EncodesAudio.reference_codes``."""
        if request.voice.x_vector_only:
            return None
        prompt = self.cloned.voices.prompted(request).prompt
        return None if prompt is None else prompt.codes

    def record(self, request: Request, level: TraceLevel, grafts: Values | None = None) -> Run:
        """See ``core.forensic.Forensic.record``."""
        return LocalForensics(self).record(request, level, grafts)

    def capture(self, request: Request, point: str, first_frame: int = 0) -> dict[Site, Value]:
        """See ``core.forensic.Forensic.capture``."""
        return LocalForensics(self).capture(request, point, first_frame)

    def force(self, request: Request, codes: CodeArray, jitter_seed: int | None = None) -> Draws:
        """See ``core.forensic.Forensic.force``."""
        return LocalForensics(self).force(request, codes, jitter_seed)

    @torch.inference_mode()
    def first_logits(self, request: Request) -> NDArray[np.float32]:
        """Group-0 logits (codec vocabulary,) of the first frame, before any processor."""
        with self.codegen_stage.in_force:
            return self.codegen_stage.begin(request)[0].logits.float().cpu().numpy()

    def _codegen_probes(self, level: TraceLevel) -> CodegenProbes:
        """The probes of one request; a worker process makes its own, so that here they do nothing."""
        return CodegenProbes() if self.worker is not None else Recorder(level).codegen(self.generator.talker)

    def _source(self, request: Request, clock: Clock, probes: CodegenProbes) -> CodeSource:
        """A request's codes, generated where ``stream.overlap`` says."""
        if isinstance(self._codegen, CodegenStage) and self.config.stream.overlap == "thread":
            return ThreadSource(self._codegen, request, clock, probes)
        return self._codes_alone(request, clock, probes)

    def _all_codes(self, request: Request, clock: Clock) -> tuple[CodeArray, CodeEnd]:
        """All codes (T, Q) of a request, generated without decoding, and how they ended."""
        packets: list[CodeArray] = [np.empty((0, self.info.num_codebooks), np.int64)]
        with contextlib.closing(self._codes_alone(request, clock, CodegenProbes())) as source:
            while isinstance(item := source.next(), CodePacket):
                packets.append(item.on_host())
                source.decoded()
        return np.concatenate(packets), item

    def _codes_alone(self, request: Request, clock: Clock, probes: CodegenProbes) -> CodeSource:
        """A request's codes, generated in this thread or in the worker."""
        if isinstance(self._codegen, CodegenWorker):
            # A worker that records encodes the voice itself, so that its trace has those stages too.
            records = self.config.record.trace in ("stages", "modules")
            return self._codegen.source(replace(request, prompt=None) if records else request, clock)
        return InlineSource(self._codegen, request, clock, probes)

    def _codegen_in_force(self) -> dict[str, object]:
        """What is in force in code generation, as it is read back where it runs."""
        if isinstance(self._codegen, CodegenWorker):
            return self._codegen.ready()
        with self._codegen.in_force:
            return self._codegen.describe()

    def _held_switches(self) -> contextlib.AbstractContextManager[object]:
        """With two threads the switches stay in force from the request's start to its end."""
        held = self.config.stream.overlap == "thread"
        return self.decode_stage.in_force if held else contextlib.nullcontext()


def _end(
    end: CodeEnd, decoding: Decoding, probes: DecodeProbes, level: TraceLevel, at_ms: float, use: PromptUse | None
) -> End:
    trace = None if level == "none" else Trace(level, end.draws, end.prints, probes.finish())
    notes = (*end.notes, *decoding.notes, *clamp_notes(decoding.clamped))
    return End(end.frames, end.truncated, end.seed, notes, decoding.clamped, trace, at_ms, use)
