"""Loading the two stages of an engine, each where the config places it and no more than that stage needs."""

from __future__ import annotations

from ttsctl.core.config import Config
from ttsctl.engine.codegen.generator import CodeGenerator
from ttsctl.engine.codegen.sampling import plan_sampling
from ttsctl.engine.codegen.stage import CodegenStage
from ttsctl.engine.cuda_handover import decoder_stream
from ttsctl.engine.decode.stage import DecodeStage
from ttsctl.engine.model.checkpoint import Checkpoint, load_module, open_checkpoint
from ttsctl.engine.model.codec import CodecDecoder, SpeechTokenizer
from ttsctl.engine.model.meta_init import blank
from ttsctl.engine.model.talker import Codegen
from ttsctl.engine.model.text import load_tokenizer
from ttsctl.engine.placement import Placement, place
from ttsctl.engine.switches import InForce, Switches


def load_codegen(config: Config, in_force: InForce, checkpoint: Checkpoint | None = None) -> CodegenStage:
    """Talker, code predictor and tokenizer."""
    checkpoint = open_checkpoint(config.engine.checkpoint) if checkpoint is None else checkpoint
    placement = place(config)
    generator = open_generator(checkpoint, placement)
    return CodegenStage(generator, plan_sampling(config.sampling, checkpoint.generation), config, placement, in_force)


def load_decoder(config: Config, in_force: InForce, checkpoint: Checkpoint) -> DecodeStage:
    """The codec's decoder, padded as the config says."""
    placement = place(config)
    decoder = open_decoder(checkpoint, placement)
    decoder.set_legacy(config.decoder.padding == "legacy")
    return DecodeStage(decoder, config, placement, in_force, decoder_stream(config, placement))


def open_generator(checkpoint: Checkpoint, placement: Placement) -> CodeGenerator:
    """The weights of talker and code predictor where they are placed, with the tokenizer."""
    codegen = blank(lambda: Codegen(checkpoint.sizes))
    load_module(codegen, checkpoint.folder, placement.codegen_device, placement.codegen_dtype)
    return CodeGenerator(codegen.talker, load_tokenizer(checkpoint.folder))


def open_decoder(checkpoint: Checkpoint, placement: Placement) -> CodecDecoder:
    """The weights of the codec's decoder where they are placed, padded causally."""
    codec = blank(lambda: SpeechTokenizer(checkpoint.codec_sizes))
    load_module(codec, checkpoint.folder / "speech_tokenizer", placement.decoder_device, placement.decoder_dtype)
    return codec.decoder


def both_in_force(codegen: Switches, decoder: Switches) -> tuple[InForce, InForce]:
    """One object for both stages where they run under the same switches, for then they may be inside at once."""
    first = InForce(codegen)
    return first, first if codegen == decoder else InForce(decoder)
