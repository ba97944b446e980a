"""The numbers of layers in the config of a checkpoint, held against the names in its weights before a network is built.

Building takes memory and time for every layer, also without weights; the header of the weights is read in an instant.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ttsctl.core.errors import InputError
from ttsctl.engine.model.checkpoint import tensor_files
from ttsctl.engine.model.sizes import CodecSizes, TalkerSizes


@dataclass(frozen=True)
class LayerCount:
    """``key`` of config.json says ``count``; tensors named ``prefix``, number, dot, … are those of one layer."""

    key: str
    prefix: str
    count: int


def talker_layers(sizes: TalkerSizes) -> tuple[LayerCount, ...]:
    """The layers of talker and code predictor. Its groups are those of the codec, whose codebooks are counted."""
    return (
        LayerCount("talker_config.num_hidden_layers", "talker.model.layers.", sizes.talker.num_hidden_layers),
        LayerCount(
            "talker_config.code_predictor_config.num_hidden_layers",
            "talker.code_predictor.model.layers.",
            sizes.predictor.num_hidden_layers,
        ),
    )


def codec_layers(sizes: CodecSizes) -> tuple[LayerCount, ...]:
    """The layers of the codec's transformer, and its codebooks: the first one stands apart from the others."""
    layers, rest = "decoder.pre_transformer.layers.", "decoder.quantizer.rvq_rest.vq.layers."
    return (
        LayerCount("decoder_config.num_hidden_layers", layers, sizes.transformer.num_hidden_layers),
        LayerCount("decoder_config.num_quantizers - 1", rest, sizes.num_quantizers - 1),
    )


def check_layers(folder: Path, wanted: Iterable[LayerCount]) -> None:
    """InputError unless the weights in ``folder`` name the layers 0 to count - 1 of every kind."""
    names = tensor_files(folder)
    for one in wanted:
        found = _numbers(names, one.prefix)
        if found != set(range(one.count)):
            numbers = f" (numbers {min(found)} to {max(found)})" if found else ""
            raise InputError(
                f"{folder / 'config.json'}: {one.key} is {one.count}, but the weights beside it name {len(found)} of "
                f"{one.prefix}N{numbers}",
                "config.json and weights are not of one model, or the copy is incomplete",
            )


def _numbers(names: Mapping[str, Path], prefix: str) -> set[int]:
    """Which numbers follow ``prefix``. No more than 18 digits are read: int() of thousands would raise."""
    numbered = re.compile(re.escape(prefix) + r"([0-9]{1,18})\.")
    return {int(match[1]) for name in names if (match := numbered.match(name))}
