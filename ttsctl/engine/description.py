"""What an engine is and what is in force, read back, for every summary."""

from __future__ import annotations

from dataclasses import asdict, replace

import torch

from ttsctl.core.config import Config
from ttsctl.core.engine import EngineInfo
from ttsctl.engine.codegen.sampling import SamplingPlan
from ttsctl.engine.decode.stage import DecodeStage
from ttsctl.engine.model.checkpoint import Checkpoint
from ttsctl.engine.placement import describe_placement
from ttsctl.engine.provenance import engine_provenance
from ttsctl.engine.switches import describe_switches, read_workspace, row_threads, snapshot, threads_chosen_by


def describe_engine(
    config: Config,
    checkpoint: Checkpoint,
    plan: SamplingPlan,
    decode_stage: DecodeStage,
    codegen_in_force: dict[str, object],
) -> EngineInfo:
    """The switches of code generation stand at the top of what is in force, those of the decoder apart."""
    sizes, codec = checkpoint.sizes, decode_stage.decoder.sizes
    with decode_stage.in_force:
        decoder_in_force = describe_switches(snapshot())
        provenance = replace(engine_provenance(checkpoint), threads=row_threads(config))
    return EngineInfo(
        codebook_size=codec.codebook_size,
        num_codebooks=codec.num_quantizers,
        sample_rate=codec.sample_rate,
        frame_samples=codec.samples_per_frame,
        model_type=sizes.model_type,
        speakers=tuple(sorted(sizes.speakers)),
        languages=tuple(sorted(sizes.languages)),
        in_force={
            **describe_placement(decode_stage.placement),
            **codegen_in_force,
            "decoder_switches": decoder_in_force,
            **_settings_in_force(config, plan),
        },
        provenance=provenance,
    )


def _settings_in_force(config: Config, plan: SamplingPlan) -> dict[str, object]:
    return {
        "cublas_workspace": read_workspace(),
        "threads_chosen_by": threads_chosen_by(config),
        "interop_threads": torch.get_num_interop_threads(),
        "overlap": config.stream.overlap,
        "sync": config.stream.sync,
        "sampling": {
            "draw": plan.talker.draw,
            "max_new_tokens": plan.max_new_tokens,
            "talker": asdict(plan.talker),
            "predictor": asdict(plan.predictor),
        },
    }
