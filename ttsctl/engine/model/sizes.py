"""The sizes of a network. They come from config.json; none has a default."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import Ge, Le

from ttsctl.core.errors import InputError, nearest

Table = Mapping[str, Any]

# Far beyond the released sizes, and small enough that an empty network of them is built at once. How wide a layer is
# takes no memory until it has been compared with the tensors of the file.
STRICT: dict[str, Any] = {"allow_inf_nan": False}
Width = Annotated[int, Ge(1), Le(2**20)]
Layers = Annotated[int, Ge(1), Le(128)]
Heads = Annotated[int, Ge(1), Le(1024)]
Vocabulary = Annotated[int, Ge(1), Le(2**24)]
Groups = Annotated[int, Ge(1), Le(64)]
MAX_RATE = 64
MAX_RATES = 8


def need(table: Table, key: str, where: str) -> Any:
    """``table[key]``, or an InputError that names the file and the key."""
    if key not in table or table[key] is None:
        raise InputError(f"{where}: key {key!r} is missing", "the folder is not a complete Qwen3-TTS-12Hz checkpoint")
    return table[key]


@dataclass(frozen=True)
class TransformerSizes:
    """One stack of decoder layers. ``sliding_window`` None = full causal attention."""

    __pydantic_config__ = STRICT
    hidden_size: Width
    intermediate_size: Width
    num_hidden_layers: Layers
    num_attention_heads: Heads
    num_key_value_heads: Heads
    head_dim: Annotated[int, Ge(2), Le(4096)]
    rms_norm_eps: Annotated[float, Ge(0), Le(1)]
    rope_theta: Annotated[float, Ge(1), Le(1e12)]
    max_position_embeddings: Annotated[int, Ge(1), Le(2**24)]
    attention_bias: bool
    sliding_window: Annotated[int, Ge(1), Le(4096)] | None = None
    qk_norm: bool = True
    layer_scale: bool = False

    @classmethod
    def read(cls, table: Table, where: str, **extra: Any) -> TransformerSizes:
        activation = need(table, "hidden_act", where)
        if activation != "silu":
            raise InputError(f"{where}: hidden_act {activation!r}", "expected 'silu', the only one this network has")
        names = (
            "hidden_size",
            "intermediate_size",
            "num_hidden_layers",
            "num_attention_heads",
            "num_key_value_heads",
            "head_dim",
            "rms_norm_eps",
            "rope_theta",
            "max_position_embeddings",
        )
        values = {name: need(table, name, where) for name in names}
        return cls(**values, attention_bias=bool(table.get("attention_bias", False)), **extra)


@dataclass(frozen=True)
class SpecialIds:
    """Ids that mark something: the first five belong to the text vocabulary, the others to the codec vocabulary."""

    im_start: int
    im_end: int
    tts_bos: int
    tts_eos: int
    tts_pad: int
    codec_bos: int
    codec_eos: int
    codec_pad: int
    codec_think: int
    codec_nothink: int
    codec_think_bos: int
    codec_think_eos: int


@dataclass(frozen=True)
class TalkerSizes:
    """What talker, predictor and prompt take from config.json."""

    __pydantic_config__ = STRICT
    model_type: str
    model_size: str
    talker: TransformerSizes
    predictor: TransformerSizes
    num_code_groups: Groups
    codec_vocab_size: Vocabulary
    predictor_vocab_size: Vocabulary
    text_vocab_size: Vocabulary
    text_hidden_size: Width
    ids: SpecialIds
    speakers: dict[str, int]
    dialects: dict[str, str]
    languages: dict[str, int]

    @classmethod
    def read(cls, config: Table, where: str) -> TalkerSizes:
        talker = need(config, "talker_config", where)
        inside = f"{where} talker_config"
        predictor = need(talker, "code_predictor_config", inside)
        within = f"{inside}.code_predictor_config"
        return cls(
            model_type=need(config, "tts_model_type", where),
            model_size=need(config, "tts_model_size", where),
            talker=TransformerSizes.read(talker, inside),
            predictor=TransformerSizes.read(predictor, within),
            num_code_groups=need(talker, "num_code_groups", inside),
            codec_vocab_size=need(talker, "vocab_size", inside),
            predictor_vocab_size=need(predictor, "vocab_size", within),
            text_vocab_size=need(talker, "text_vocab_size", inside),
            text_hidden_size=need(talker, "text_hidden_size", inside),
            ids=_special_ids(config, talker, where, inside),
            speakers={name.lower(): int(i) for name, i in (talker.get("spk_id") or {}).items()},
            dialects={n.lower(): d for n, d in (talker.get("spk_is_dialect") or {}).items() if d},
            languages={n.lower(): int(i) for n, i in need(talker, "codec_language_id", inside).items()},
        )

    def speaker_id(self, speaker: str) -> int:
        """Codec id of a speaker, by name in any case; InputError names the nearest known one."""
        if speaker.lower() not in self.speakers:
            raise InputError(
                f"speaker {speaker!r}: unknown to this checkpoint", nearest(speaker.lower(), list(self.speakers))
            )
        return self.speakers[speaker.lower()]

    def language_id(self, language: str, speaker: str | None) -> int | None:
        """Codec id of a language, None for Auto. A dialect speaker with Chinese or Auto gets the dialect's id.

        InputError names the nearest known language.
        """
        name = language.lower()
        if name != "auto" and name not in self.languages:
            raise InputError(
                f"language {language!r}: unknown to this checkpoint", nearest(name, ["auto", *self.languages])
            )
        dialect = self.dialects.get(speaker.lower()) if speaker else None
        if dialect and name in ("auto", "chinese"):
            return self.languages[dialect]
        return None if name == "auto" else self.languages[name]


def _is_rate(value: object) -> bool:
    return type(value) is int and 1 <= value <= MAX_RATE


def _special_ids(config: Table, talker: Table, where: str, inside: str) -> SpecialIds:
    text = {n: need(config, f"{n}_token_id", where) for n in ("im_start", "im_end", "tts_bos", "tts_eos", "tts_pad")}
    names = ("bos", "pad", "think", "nothink", "think_bos", "think_eos")
    codec = {f"codec_{n}": need(talker, f"codec_{n}_id", inside) for n in names}
    return SpecialIds(**text, **codec, codec_eos=need(talker, "codec_eos_token_id", inside))


@dataclass(frozen=True)
class CodecSizes:
    """The codec decoder. ``samples_per_frame`` = the product of all rates, 1920 in the released codec."""

    __pydantic_config__ = STRICT
    transformer: TransformerSizes
    codebook_size: Vocabulary
    codebook_dim: Width
    num_quantizers: Groups
    latent_dim: Width
    decoder_dim: Width
    upsample_rates: tuple[int, ...]
    upsampling_ratios: tuple[int, ...]
    sample_rate: Annotated[int, Ge(1000), Le(768_000)]
    samples_per_frame: int

    @classmethod
    def read(cls, config: Table, where: str) -> CodecSizes:
        table = need(config, "decoder_config", where)
        inside = f"{where} decoder_config"
        rates = tuple(need(table, "upsample_rates", inside))
        ratios = tuple(need(table, "upsampling_ratios", inside))
        # Their product is made before they are validated: of huge numbers, or of a text, it would fill the memory.
        if max(len(rates), len(ratios)) > MAX_RATES or not all(_is_rate(rate) for rate in (*rates, *ratios)):
            expected = f"expected at most {MAX_RATES} whole numbers from 1 to {MAX_RATE} each"
            raise InputError(f"{inside}: upsample_rates, upsampling_ratios: {expected}", "mend config.json")
        product = math.prod((*rates, *ratios))
        declared = need(config, "decode_upsample_rate", where)
        if product != declared:
            raise InputError(
                f"{where}: decode_upsample_rate is {declared}, but the rates multiply to {product}", "mend config.json"
            )
        window = need(table, "sliding_window", inside)
        return cls(
            transformer=TransformerSizes.read(table, inside, sliding_window=window, qk_norm=False, layer_scale=True),
            codebook_size=need(table, "codebook_size", inside),
            codebook_dim=need(table, "codebook_dim", inside),
            num_quantizers=need(table, "num_quantizers", inside),
            latent_dim=need(table, "latent_dim", inside),
            decoder_dim=need(table, "decoder_dim", inside),
            upsample_rates=rates,
            upsampling_ratios=ratios,
            sample_rate=need(config, "output_sample_rate", where),
            samples_per_frame=product,
        )
