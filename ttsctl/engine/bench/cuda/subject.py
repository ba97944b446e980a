"""What ``bench cuda`` looks at: networks of one size on the device, and engines of them under any configuration."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from ttsctl.core.audio import pcm_sha256
from ttsctl.core.codes import CodeArray, codes_sha256
from ttsctl.core.config import Config
from ttsctl.core.request import Chunk, End, Packet, Request
from ttsctl.core.timing import RunTiming, chunk_timing, stream_timing
from ttsctl.engine.bench.random_networks import RELEASED_CODEC, random_codec, random_talker, released_talker
from ttsctl.engine.bench.request import bench_request
from ttsctl.engine.loading import Networks
from ttsctl.engine.local import LocalEngine, load_engine
from ttsctl.engine.model.build_released import SIZES
from ttsctl.engine.model.checkpoint import open_checkpoint
from ttsctl.engine.model.codec import CodecDecoder
from ttsctl.engine.model.talker import Talker
from ttsctl.engine.placement import DTYPES


@dataclass(frozen=True)
class Plan:
    """How much ``bench cuda`` does. ``size``: 0.6B, 1.7B, or a checkpoint's name; ``frames`` of every run."""

    frames: int = 24
    runs: int = 20
    packets: tuple[int, ...] = (1, 4, 8)
    timed_packets: tuple[int, ...] = (1, 2, 4)
    sizes: tuple[str, ...] = ("0.6B", "1.7B")
    times: bool = True
    tests: bool = True
    seed: int = 0


@dataclass
class Subject:
    """The networks of one size, made once for each dtype and shared by all engines."""

    size: str
    base: Config
    plan: Plan
    device: torch.device
    _talkers: dict[torch.dtype, Talker] = field(default_factory=dict)
    _decoders: dict[torch.dtype, CodecDecoder] = field(default_factory=dict)

    @property
    def is_random(self) -> bool:
        """Whether it has the released sizes and random weights; else it is a checkpoint."""
        return self.size in SIZES

    @property
    def request(self) -> Request:
        """What every run speaks."""
        return bench_request(open_checkpoint(self._checkpoint).sizes)

    def config(self, **tables: dict[str, Any]) -> Config:
        """The base configuration on the device, with the given tables' keys changed."""
        engine = replace(self.base.engine, checkpoint=self._checkpoint, device=str(self.device))
        made = replace(self.base, engine=engine)
        made = replace(made, sampling=replace(made.sampling, max_new_tokens=self.plan.frames + 1))
        for name, keys in tables.items():
            made = replace(made, **{name: replace(getattr(made, name), **keys)})
        return made

    @contextmanager
    def engine(self, config: Config) -> Iterator[LocalEngine]:
        """An engine of these networks, closed at the end."""
        engine = self.load(config)
        try:
            yield engine
        finally:
            engine.close()

    def load(self, config: Config) -> LocalEngine:
        """As ``engine``; the caller closes it."""
        return load_engine(config, self.networks(config) if self.is_random else None)

    def networks(self, config: Config) -> Networks:
        """Random networks of this size in the configuration's dtypes."""
        codegen = DTYPES.get(config.engine.codegen_dtype, torch.bfloat16)
        decoder = DTYPES.get(config.engine.decoder_dtype, torch.float32)
        if codegen not in self._talkers:
            # Two of 1.7B in float32 need not fit beside each other.
            self._talkers.clear()
            vocabulary = open_checkpoint("builtin").sizes.text_vocab_size
            sizes = released_talker(vocabulary, self.size)
            self._talkers[codegen] = random_talker(sizes, self.plan.seed, self.device, codegen)
        if decoder not in self._decoders:
            made = random_codec(RELEASED_CODEC, self.plan.seed, self.device, decoder)
            self._decoders[decoder] = made.decoder
        return Networks(self._talkers[codegen], self._decoders[decoder])

    @property
    def _checkpoint(self) -> str:
        return "builtin" if self.is_random else self.size


@dataclass(frozen=True, eq=False)
class Spoken:
    """One run: its codes (T, groups), the sha256 of its codes and of its PCM, its times."""

    codes: CodeArray
    codes_hash: str
    pcm_hash: str
    timing: RunTiming


def speak(engine: LocalEngine, request: Request) -> Spoken:
    """Speak a request as a stream."""
    packets: list[Packet] = []
    chunks = []
    at_ms: float | None = None
    for event in engine.stream(request):
        if isinstance(event, Packet):
            packets.append(event)
        elif isinstance(event, Chunk):
            chunks.append(chunk_timing(event))
        elif isinstance(event, End):
            at_ms = event.at_ms
    codes = np.concatenate([packet.codes for packet in packets])
    pcm = np.concatenate([packet.pcm for packet in packets])
    timing = stream_timing(packets, engine.info.sample_rate, chunks, at_ms)
    return Spoken(codes, codes_sha256(codes), pcm_sha256(pcm), timing)
