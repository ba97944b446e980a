"""The one configuration: frozen tables with their defaults and the values they take.

The tables are plain dataclasses; ``__pydantic_config__`` tells the validator in ``runs.resolve_config`` to refuse
unknown keys and wrong types, and ``Annotated`` bounds come from ``annotated_types``, which has no code of its own.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, MaxLen

from ttsctl.core.trace import TraceLevel

STRICT: dict[str, Any] = {"extra": "forbid", "strict": True, "allow_inf_nan": False}

DecodeMode = Literal["oneshot", "windowed", "cached", "incremental"]
DType = Literal["auto", "float32", "bfloat16", "float16", "float64"]
# Bounds far beyond any use, within which nothing overflows and no memory is taken for what is not there.
MAX_COUNT = 2**20  # frames, packets or ids; as frames 23 hours of speech
MAX_BATCH = 64
MAX_THREADS = 1024  # what this machine can start is checked with the engine
NonNegative = Annotated[int, Ge(0), Le(MAX_COUNT)]
Positive = Annotated[int, Ge(1), Le(MAX_COUNT)]
Factor = Annotated[float, Ge(1e-6), Le(1e6)]  # logits times or divided by it stay finite in float32
Probability = Annotated[float, Gt(0), Le(1)]
Name = Annotated[str, MaxLen(4096)]  # as long as a path may be


@dataclass(frozen=True)
class EngineConfig:
    """Which engine and checkpoint, where and how precise.

    ``kind``: see runs.engines. "auto" = cuda if there, else cpu; of ``codegen_dtype`` bfloat16 on cuda and float32 on
    cpu, of ``decoder_dtype`` float32 everywhere. ``batch``: how many requests are spoken together: every request beside
    ``batch`` - 1 others, made of its text in other lengths.
    """

    __pydantic_config__ = STRICT
    kind: Name = "local"
    checkpoint: Name = "builtin"
    device: Name = "auto"
    codegen_device: Name | None = None
    decoder_device: Name | None = None
    codegen_dtype: DType = "auto"
    decoder_dtype: DType = "auto"
    batch: Annotated[int, Ge(1), Le(MAX_BATCH)] = 1


@dataclass(frozen=True)
class SamplingConfig:
    """How ids are drawn. None = what the checkpoint's generation_config.json says.

    ``noise`` of a draw: "philox" is keyed by seed, frame, group and id, the same on every device, in every batch and
    graph; "package" is a generator of the request, drawn from as the public package does.

    ``predictor_policy`` None = as ``policy``. Under greedy the public package's predictor goes on sampling; this key
    can do that too, to tell the two samplers apart.
    """

    __pydantic_config__ = STRICT
    policy: Literal["greedy", "seeded", "free"] = "greedy"
    predictor_policy: Literal["greedy", "seeded", "free"] | None = None
    noise: Literal["philox", "package"] = "philox"
    seed: Annotated[int, Ge(0), Le(2**63 - 1)] = 42
    seed_mode: Literal["fixed", "content"] = "fixed"
    max_new_tokens: Positive | None = None
    temperature: Factor | None = None
    top_k: NonNegative | None = None
    top_p: Probability | None = None
    repetition_penalty: Factor | None = None
    predictor_temperature: Factor | None = None
    predictor_top_k: NonNegative | None = None
    predictor_top_p: Probability | None = None
    predictor_repetition_penalty: Factor | None = None


@dataclass(frozen=True)
class StreamConfig:
    """How codes leave the generator and audio the decoder."""

    __pydantic_config__ = STRICT
    packet_tokens: Positive = 4
    left_context: NonNegative = 25
    chunk_ms: Annotated[float, Ge(1), Le(60_000)] = 30.0
    overlap: Literal["none", "thread", "process"] = "none"
    prefill_packets: NonNegative = 0
    sync: Literal["none", "sync", "event", "phase"] = "none"
    decode_every: Positive = 1


@dataclass(frozen=True)
class DecoderConfig:
    """How codes become audio.

    ``reference``: which packets of a cloned voice are decoded after the reference's codes. "first" and "none" are
    faults of other servers, to be compared with; a voice without codes, and the offline decode, know no difference.
    """

    __pydantic_config__ = STRICT
    mode: DecodeMode = "incremental"
    transformer: Literal["cache", "window", "full"] = "cache"
    stages: Literal["full", "pre_transformer", "conv_only", "noop"] = "full"
    padding: Literal["causal", "legacy"] = "causal"
    reference: Literal["always", "first", "none"] = "always"


@dataclass(frozen=True)
class DeterminismConfig:
    """How hard the engine is held to repeat itself."""

    __pydantic_config__ = STRICT
    level: Literal["off", "soft", "strict"] = "soft"
    strict_decoder: bool = False
    single_thread: bool = False
    validate_codes: bool = True
    clamp_codes: bool = False


@dataclass(frozen=True)
class BackendConfig:
    """Process-wide switches of the numeric libraries; None = leave as found.

    ``threads``: how many share a product's rows on the CPU; None = one. Bits do not depend on it.
    ``kernels``: what computes a frame, torch's operations or ttsctl's own in Triton (their torch twins on a CPU).
    """

    __pydantic_config__ = STRICT
    cudnn_benchmark: bool | None = None
    cudnn_deterministic: bool | None = None
    cudnn_allow_tf32: bool | None = None
    matmul_allow_tf32: bool | None = None
    cublas_workspace: Name | None = None
    mkldnn: bool | None = None
    threads: Annotated[int, Ge(1), Le(MAX_THREADS)] | None = None
    kernels: Literal["torch", "triton"] = "torch"


@dataclass(frozen=True)
class GraphsConfig:
    """Which stages run from captured CUDA graphs."""

    __pydantic_config__ = STRICT
    talker: bool = False
    predictor: bool = False
    decoder: bool = False


@dataclass(frozen=True)
class RecordConfig:
    """What a run keeps besides codes and audio: the trace of its values, and the times of its packets."""

    __pydantic_config__ = STRICT
    trace: TraceLevel = "none"
    packets: bool = False


@dataclass(frozen=True)
class Config:
    """The resolved configuration, table by table."""

    __pydantic_config__ = STRICT
    engine: EngineConfig = field(default_factory=EngineConfig)
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    stream: StreamConfig = field(default_factory=StreamConfig)
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    determinism: DeterminismConfig = field(default_factory=DeterminismConfig)
    backend: BackendConfig = field(default_factory=BackendConfig)
    graphs: GraphsConfig = field(default_factory=GraphsConfig)
    record: RecordConfig = field(default_factory=RecordConfig)

    def to_dict(self) -> dict[str, dict[str, Any]]:
        return asdict(self)

    @property
    def sha256(self) -> str:
        """Over the canonical JSON of all tables (sorted keys, no spaces)."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":")).encode()).hexdigest()


CONFIG_TABLES = tuple(f.name for f in fields(Config))
