"""The sizes of the two encoders of Base checkpoints: speaker encoder and codec encoder."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any

from annotated_types import Ge, Le, Len

from ttsctl.core.errors import InputError
from ttsctl.engine.model.mel import BANDS, EDGE, HOP
from ttsctl.engine.model.sizes import MAX_RATE, MAX_RATES, STRICT, Groups, Heads, Layers, Table, Vocabulary, Width, need

Kernel = Annotated[int, Ge(1), Le(1024)]
Rate = Annotated[int, Ge(1000), Le(768_000)]
# What speaker_encoder_config leaves out has the released values.
SPEAKER_DEFAULTS: MappingProxyType[str, Any] = MappingProxyType(
    {
        "enc_channels": (512, 512, 512, 512, 1536),
        "enc_kernel_sizes": (5, 3, 3, 3, 1),
        "enc_dilations": (1, 2, 3, 4, 1),
        "enc_attention_channels": 128,
        "enc_res2net_scale": 8,
        "enc_se_channels": 128,
        "mel_dim": BANDS,
        "sample_rate": 24_000,
    }
)
# What this network has been written for; another value would be another network.
ENCODER_FIXED: MappingProxyType[str, Any] = MappingProxyType(
    {
        "hidden_act": "gelu",
        "pad_mode": "constant",
        "use_causal_conv": True,
        "use_conv_shortcut": False,
        "attention_bias": False,
        "audio_channels": 1,
        "compress": 2,
        "num_residual_layers": 1,
        "num_semantic_quantizers": 1,
    }
)

OWN_KEYS = (
    "num_filters",
    "hidden_size",
    "kernel_size",
    "residual_kernel_size",
    "last_kernel_size",
    "codebook_size",
    "codebook_dim",
)
TRANSFORMER_KEYS = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "norm_eps",
    "rope_theta",
)


@dataclass(frozen=True)
class SpeakerSizes:
    """The speaker encoder. ``channels``, ``kernels``, ``dilations``: of the first block, the inner ones and ``mfa``."""

    __pydantic_config__ = STRICT
    enc_dim: Width
    sample_rate: Rate
    mel_bands: Annotated[int, Ge(BANDS), Le(BANDS)]
    channels: Annotated[tuple[Width, ...], Len(3, 16)]
    kernels: Annotated[tuple[Kernel, ...], Len(3, 16)]
    dilations: Annotated[tuple[Kernel, ...], Len(3, 16)]
    attention_channels: Width
    res2net_scale: Annotated[int, Ge(2), Le(64)]
    se_channels: Width

    @classmethod
    def read(cls, config: Table, where: str) -> SpeakerSizes:
        """From config.json. InputError if a value is missing, or if the values do not go together."""
        table = {**SPEAKER_DEFAULTS, **need(config, "speaker_encoder_config", where)}
        inside = f"{where} speaker_encoder_config"
        sizes = cls(
            enc_dim=need(table, "enc_dim", inside),
            sample_rate=table["sample_rate"],
            mel_bands=table["mel_dim"],
            channels=tuple(table["enc_channels"]),
            kernels=tuple(table["enc_kernel_sizes"]),
            dilations=tuple(table["enc_dilations"]),
            attention_channels=table["enc_attention_channels"],
            res2net_scale=table["enc_res2net_scale"],
            se_channels=table["enc_se_channels"],
        )
        sizes.check(inside)
        return sizes

    def check(self, where: str) -> None:
        """InputError unless the blocks fit onto each other."""
        first, *inner, _ = self.channels
        if not len(self.channels) == len(self.kernels) == len(self.dilations):
            counts = f"{len(self.channels)}, {len(self.kernels)} and {len(self.dilations)}"
            raise InputError(f"{where}: channels, kernels and dilations are of {counts} blocks", "mend config.json")
        if any(channels != first for channels in inner) or first % self.res2net_scale:
            expected = f"expected inner channels of {first}, a multiple of the scale {self.res2net_scale}"
            raise InputError(f"{where}: {expected}, got {self.channels}", "mend config.json")

    @property
    def least_samples(self) -> int:
        """The shortest audio, in samples, that the spectrogram and the reflecting convolutions can take."""
        reach = max(d * (k - 1) // 2 for k, d in zip(self.kernels, self.dilations, strict=True))
        return max((reach + 1) * HOP, EDGE + 1)


@dataclass(frozen=True)
class EncoderTransformerSizes:
    """The transformer between the convolutions and the quantiser.

    Every row attends to all rows before it: ``sliding_window`` of the config is not applied, as the public package
    (with transformers 4.57, eager and sdpa attention) does not apply it, and the models speak from its codes.
    """

    __pydantic_config__ = STRICT
    hidden_size: Width
    intermediate_size: Width
    num_hidden_layers: Layers
    num_attention_heads: Heads
    num_key_value_heads: Heads
    head_dim: Annotated[int, Ge(2), Le(4096)]
    norm_eps: Annotated[float, Ge(0), Le(1)]
    rope_theta: Annotated[float, Ge(1), Le(1e12)]


@dataclass(frozen=True)
class CodecEncoderSizes:
    """The codec encoder. ``rates``: strides in the order of the layers; ``samples_per_frame`` = 2 · their product."""

    __pydantic_config__ = STRICT
    transformer: EncoderTransformerSizes
    num_filters: Width
    hidden_size: Width
    kernel_size: Kernel
    residual_kernel_size: Kernel
    last_kernel_size: Kernel
    rates: tuple[int, ...]
    compress: int
    codebook_size: Vocabulary
    codebook_dim: Width
    num_quantizers: Groups
    num_semantic_quantizers: int
    valid_quantizers: Groups
    sample_rate: Rate
    samples_per_frame: int

    @classmethod
    def read(cls, config: Table, where: str) -> CodecEncoderSizes:
        """From speech_tokenizer/config.json. InputError for a value that this network does not have."""
        table = need(config, "encoder_config", where)
        inside = f"{where} encoder_config"
        for key, expected in ENCODER_FIXED.items():
            if table.get(key, expected) != expected:
                raise InputError(f"{inside}: {key}: expected {expected!r}, got {table[key]!r}", "another encoder")
        rates = _rates(table, inside)
        valid, layers = need(config, "encoder_valid_num_quantizers", where), need(table, "num_quantizers", inside)
        frame = math.prod(rates) * ENCODER_FIXED["compress"]
        _check_counts(valid, layers, frame, need(config, "encode_downsample_rate", where), where)
        return cls(
            **{name: need(table, name, inside) for name in OWN_KEYS},
            transformer=EncoderTransformerSizes(**{name: need(table, name, inside) for name in TRANSFORMER_KEYS}),
            rates=rates,
            compress=ENCODER_FIXED["compress"],
            num_quantizers=layers,
            num_semantic_quantizers=ENCODER_FIXED["num_semantic_quantizers"],
            valid_quantizers=valid,
            sample_rate=need(config, "input_sample_rate", where),
            samples_per_frame=frame,
        )


def _rates(table: Table, where: str) -> tuple[int, ...]:
    rates = tuple(reversed(need(table, "upsampling_ratios", where)))
    is_rate: Callable[[object], bool] = lambda rate: type(rate) is int and 1 <= rate <= MAX_RATE  # noqa: E731
    if len(rates) > MAX_RATES or not all(map(is_rate, rates)):
        expected = f"expected at most {MAX_RATES} whole numbers from 1 to {MAX_RATE}"
        raise InputError(f"{where}: upsampling_ratios: {expected}", "mend config.json")
    return rates


def _check_counts(valid: Any, layers: Any, frame: int, declared: Any, where: str) -> None:
    if frame != declared:
        what = f"encode_downsample_rate is {declared}, but the rates multiply to {frame}"
        raise InputError(f"{where}: {what}", "mend config.json")
    if not (type(valid) is int and type(layers) is int and 2 <= valid <= layers):
        what = f"encoder_valid_num_quantizers: expected 2 to the {layers} layers, got {valid}"
        raise InputError(f"{where}: {what}", "mend config.json")
