"""Loads the two stages of an engine, each on its device and with only the weights that it needs."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ttsctl.core.config import Config
from ttsctl.engine.codegen.draw_steps import DrawSteps
from ttsctl.engine.codegen.frame import FrameFunction
from ttsctl.engine.codegen.frame_graphs import FrameGraphs
from ttsctl.engine.codegen.generator import CodeGenerator
from ttsctl.engine.codegen.sampling import SamplingPlan, plan_sampling
from ttsctl.engine.codegen.stage import CodegenStage
from ttsctl.engine.cpu.row_linear import split_linears
from ttsctl.engine.cpu.row_pool import RowPool
from ttsctl.engine.cuda.handover import decoder_stream
from ttsctl.engine.cuda.kernels.steps import choose_draws, choose_steps
from ttsctl.engine.cuda.stand_in import graph_maker
from ttsctl.engine.decode.stage import DecodeStage
from ttsctl.engine.model.checkpoint import Checkpoint, load_module, open_checkpoint
from ttsctl.engine.model.codec import CodecDecoder, SpeechTokenizer
from ttsctl.engine.model.layer_counts import check_layers, codec_layers, talker_layers
from ttsctl.engine.model.layer_steps import LayerSteps
from ttsctl.engine.model.meta_init import build_on_meta
from ttsctl.engine.model.talker import Codegen, Talker
from ttsctl.engine.model.text import load_tokenizer
from ttsctl.engine.placement import Placement, place
from ttsctl.engine.switches import InForce, Switches, row_threads
from ttsctl.engine.voice.voices import Voices


@dataclass(frozen=True, eq=False)
class Networks:
    """Networks that are there already, on the devices and in the dtypes of the engines that use them."""

    talker: Talker
    decoder: CodecDecoder


def load_codegen(
    config: Config, in_force: InForce, checkpoint: Checkpoint | None = None, networks: Networks | None = None
) -> CodegenStage:
    """Load talker, code predictor and tokenizer. ``checkpoint`` None = open that of the config.

    ``networks``: take its talker, and the checkpoint's tokenizer alone.
    """
    checkpoint = open_checkpoint(config.engine.checkpoint) if checkpoint is None else checkpoint
    placement = place(config)
    sizes = checkpoint.sizes if networks is None else networks.talker.sizes
    steps = choose_steps(config.backend.kernels, placement, sizes)
    draws = choose_draws(config.backend.kernels)
    if networks is None:
        generator = open_generator(checkpoint, placement, steps, draws)
    else:
        generator = CodeGenerator(networks.talker, load_tokenizer(checkpoint.folder), steps, draws)
    # What a graph's stand-in records is what its own thread does.
    graphs = config.graphs.talker or config.graphs.predictor
    pool = RowPool(1 if graphs else row_threads(config))
    split_linears(generator.talker, pool)
    plan = plan_sampling(config.sampling, checkpoint.generation)
    if graphs:
        with torch.inference_mode(), in_force:
            generator.graphs = _capture(generator, plan, config, placement)
    return CodegenStage(generator, plan, config, placement, in_force, Voices(checkpoint, placement, in_force), pool)


def _capture(generator: CodeGenerator, plan: SamplingPlan, config: Config, placement: Placement) -> FrameGraphs:
    """The generator's frames as graphs or, on a CPU, as their stand-in. GraphFault if they cannot be captured."""
    function = FrameFunction(generator.talker, generator.rules, plan, generator.steps, generator.draws)
    return FrameGraphs(function, plan, config.engine.batch, graph_maker(placement.codegen_device), config.graphs)


def load_decoder(
    config: Config, in_force: InForce, checkpoint: Checkpoint, networks: Networks | None = None
) -> DecodeStage:
    """Load the codec's decoder, or take that of ``networks``, padded as ``decoder.padding`` says."""
    placement = place(config)
    decoder = open_decoder(checkpoint, placement) if networks is None else networks.decoder
    decoder.set_legacy(config.decoder.padding == "legacy")
    return DecodeStage(decoder, config, placement, in_force, decoder_stream(placement))


def open_generator(
    checkpoint: Checkpoint, placement: Placement, steps: LayerSteps | None = None, draws: DrawSteps | None = None
) -> CodeGenerator:
    """Load talker and code predictor on their device, and the tokenizer. ``steps``, ``draws`` None = torch's."""
    check_layers(checkpoint.folder, talker_layers(checkpoint.sizes))
    codegen = build_on_meta(lambda: Codegen(checkpoint.sizes))
    load_module(codegen, checkpoint.folder, placement.codegen_device, placement.codegen_dtype)
    return CodeGenerator(codegen.talker, load_tokenizer(checkpoint.folder), steps, draws)


def open_decoder(checkpoint: Checkpoint, placement: Placement) -> CodecDecoder:
    """Load the codec's decoder on its device, padded causally."""
    folder = checkpoint.folder / "speech_tokenizer"
    check_layers(folder, codec_layers(checkpoint.codec_sizes))
    codec = build_on_meta(lambda: SpeechTokenizer(checkpoint.codec_sizes))
    load_module(codec, folder, placement.decoder_device, placement.decoder_dtype)
    return codec.decoder


def both_in_force(codegen: Switches, decoder: Switches) -> tuple[InForce, InForce]:
    """An InForce for each stage; the same one for both if their switches are equal, as both may then run at once."""
    first = InForce(codegen)
    return first, first if codegen == decoder else InForce(decoder)
