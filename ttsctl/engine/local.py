"""The in-process engine: one checkpoint, loaded once, that serves requests one after another."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ttsctl.contract.audio import PcmArray
from ttsctl.contract.codes import CodeArray, code_range
from ttsctl.contract.config import Config
from ttsctl.contract.engine import End, EngineInfo, Offline, Packet, Request
from ttsctl.contract.errors import InputError
from ttsctl.engine.codegen import CodeGenerator, Generation
from ttsctl.engine.decoding import DecodeSession, OneshotSession, new_session
from ttsctl.engine.placement import Placement, apply_switches, place, read_back, refuse_unavailable
from ttsctl.engine.provenance import engine_provenance
from ttsctl.engine.sampling import new_generator, plan_sampling, request_seed
from ttsctl.model.blank import blank
from ttsctl.model.checkpoint import Checkpoint, load_module, open_checkpoint
from ttsctl.model.codec import SpeechTokenizer
from ttsctl.model.talker import Codegen
from ttsctl.model.text import load_tokenizer


def load_engine(config: Config) -> LocalEngine:
    """Open the checkpoint, load both networks where the config places them, set the switches."""
    refuse_unavailable(config)
    placement = place(config)
    apply_switches(config)
    checkpoint = open_checkpoint(config.engine.checkpoint)
    codegen = blank(lambda: Codegen(checkpoint.sizes))
    codec = blank(lambda: SpeechTokenizer(checkpoint.codec_sizes))
    load_module(codegen, checkpoint.folder, placement.codegen_device, placement.codegen_dtype)
    load_module(codec, checkpoint.folder / "speech_tokenizer", placement.decoder_device, placement.decoder_dtype)
    codec.decoder.set_legacy(config.decoder.padding == "legacy")
    return LocalEngine(config, checkpoint, placement, codegen, codec)


@dataclass
class _Clock:
    """Milliseconds since a request began."""

    started: float

    def now_ms(self) -> float:
        return (time.perf_counter() - self.started) * 1e3


class LocalEngine:
    """Implements ``contract.engine.Engine``. Holds weights only; every request has its own state and generator."""

    def __init__(
        self,
        config: Config,
        checkpoint: Checkpoint,
        placement: Placement,
        codegen: Codegen,
        codec: SpeechTokenizer,
    ) -> None:
        self.config = config
        self.checkpoint = checkpoint
        self.placement = placement
        self.generator = CodeGenerator(codegen.talker, load_tokenizer(checkpoint.folder))
        self.decoder = codec.decoder
        self.plan = plan_sampling(config.sampling, checkpoint.generation)
        self.info = self._describe()

    @torch.inference_mode()
    def stream(self, request: Request) -> Iterator[Packet | End]:
        """Packets of ``stream.packet_tokens`` frames, each decoded before the next is generated, then End.

        Closing the iterator drops the request's state and decodes nothing more.
        """
        clock = _Clock(time.perf_counter())
        session = new_session(self.decoder, self.config)
        generation, seed = self._begin(request)
        frames = self.generator.frames(generation)
        index, since = 0, 0.0
        while taken := self._take(frames):
            codes = self._stack(taken)
            codes_at_ms = clock.now_ms()
            calls = session.calls
            pcm = _to_pcm(session.push(self._for_decoder(codes)))
            pcm_at_ms = clock.now_ms()
            yield Packet(
                index=index,
                codes=codes,
                pcm=pcm,
                code_ms=codes_at_ms - since,
                queue_wait_ms=0.0,
                decode_ms=pcm_at_ms - codes_at_ms,
                codes_at_ms=codes_at_ms,
                pcm_at_ms=pcm_at_ms,
                decode_calls=session.calls - calls,
            )
            # Time the consumer keeps a packet for itself is not the engine's.
            index, since = index + 1, clock.now_ms()
        yield from self._tail(session, clock, index)
        yield End(len(generation.codes), generation.truncated, seed, generation.prompt.notes)

    @torch.inference_mode()
    def offline(self, request: Request) -> Offline:
        """All codes (T, Q), then one decode in the mode ``oneshot``."""
        clock = _Clock(time.perf_counter())
        generation, seed = self._begin(request)
        codes = self._stack(list(self.generator.frames(generation)))
        code_ms = clock.now_ms()
        pcm = self.decode_offline(codes)
        notes = generation.prompt.notes
        return Offline(codes, pcm, generation.truncated, seed, code_ms, clock.now_ms() - code_ms, notes)

    @torch.inference_mode()
    def decode_offline(self, codes: CodeArray) -> PcmArray:
        """codes (T, Q) int64 -> pcm (1920 · T,) float32, 24 kHz, in one call."""
        session = OneshotSession(self.decoder)
        session.push(self._for_decoder(codes))
        return _to_pcm(session.flush())

    @torch.inference_mode()
    def first_logits(self, request: Request) -> NDArray[np.float32]:
        """Group-0 logits (codec vocabulary,) of the first frame, before any processor."""
        return self._begin(request)[0].logits.float().cpu().numpy()

    def _begin(self, request: Request) -> tuple[Generation, int | None]:
        device = self.placement.codegen_device
        generator, seed = new_generator(self.config.sampling, request_seed(self.config.sampling, request), device)
        return self.generator.begin(request, self.plan, generator), seed

    def _take(self, frames: Iterator[Tensor]) -> list[Tensor]:
        """The next ``packet_tokens`` frames, or what is left."""
        taken: list[Tensor] = []
        for frame in frames:
            taken.append(frame)
            if len(taken) == self.config.stream.packet_tokens:
                break
        return taken

    def _tail(self, session: DecodeSession, clock: _Clock, index: int) -> Iterator[Packet]:
        """What the decode mode held back until the end, as a packet without codes."""
        started, calls = clock.now_ms(), session.calls
        pcm = _to_pcm(session.flush())
        if len(pcm):
            now = clock.now_ms()
            none = np.empty((0, self.info.num_codebooks), np.int64)
            yield Packet(index, none, pcm, 0.0, 0.0, now - started, started, now, session.calls - calls)

    def _for_decoder(self, codes: CodeArray) -> Tensor:
        return torch.from_numpy(self._checked(codes)).to(self.placement.decoder_device)

    def _checked(self, codes: CodeArray) -> CodeArray:
        """Ids out of range are named here, for on CUDA they would be a device assert that takes the process down."""
        determinism, size = self.config.determinism, self.info.codebook_size
        if determinism.clamp_codes:
            return np.clip(codes, 0, size - 1)
        if determinism.validate_codes:
            found = code_range(codes, size)
            if found.first is not None:
                frame, codebook, value = found.first
                raise InputError(
                    f"codes: id {value} at frame {frame}, codebook {codebook} is outside 0..{size - 1}",
                    "the codes do not fit this checkpoint; determinism.clamp_codes=true decodes them all the same",
                )
        return codes

    def _stack(self, frames: list[Tensor]) -> CodeArray:
        """Frames -> codes (T, Q); a generation that ended at once is (0, Q)."""
        if not frames:
            return np.empty((0, self.checkpoint.codec_sizes.num_quantizers), np.int64)
        return torch.stack(frames).cpu().numpy()

    def _describe(self) -> EngineInfo:
        sizes, codec = self.checkpoint.sizes, self.checkpoint.codec_sizes
        in_force = read_back(self.placement)
        in_force["sampling"] = {
            "draw": self.plan.talker.draw,
            "max_new_tokens": self.plan.max_new_tokens,
            "talker": asdict(self.plan.talker),
            "predictor": asdict(self.plan.predictor),
        }
        return EngineInfo(
            codebook_size=codec.codebook_size,
            num_codebooks=codec.num_quantizers,
            sample_rate=codec.sample_rate,
            frame_samples=codec.samples_per_frame,
            model_type=sizes.model_type,
            speakers=tuple(sorted(sizes.speakers)),
            languages=tuple(sorted(sizes.languages)),
            in_force=in_force,
            provenance=engine_provenance(self.checkpoint),
        )


def _to_pcm(pcm: Tensor) -> PcmArray:
    """Any float dtype and device -> float32 numpy."""
    return pcm.float().cpu().numpy()
