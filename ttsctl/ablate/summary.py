"""What ``decode-ablate`` reports: its summary, filled from what was measured."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from ttsctl.ablate.artifacts import DIFFERENCES_PICTURE, WAVES_PICTURE, wav_name
from ttsctl.ablate.code_jumps import JumpDistribution
from ttsctl.ablate.findings import Finding
from ttsctl.ablate.pairs import PairFigures
from ttsctl.ablate.pop_code_stats import PopCodeStats
from ttsctl.ablate.run import AblatedVariant, Ablation
from ttsctl.ablate.spikes import Spike, largest_spikes
from ttsctl.ablate.variants import settings
from ttsctl.core.audio import pcm_sha256
from ttsctl.core.metric import definitions_of
from ttsctl.report.summary import Model, Summary

_DEFINED = (
    "a_to_b",
    "b_to_a",
    "chance",
    "corrected_a_to_b",
    "corrected_b_to_a",
    "corrected_largest",
    "corrected_mae",
    "decode_call_ms",
    "decode_calls",
    "decode_ms",
    "decoder_rtf",
    "explanation",
    "first_packet_ms",
    "lag_jumps",
    "largest",
    "mae",
    "pop_click_score",
    "pop_code_stats",
    "pops_per_minute",
    "ratio_db",
    "samples",
    "samples_expected",
)


class VariantRow(Model):
    """One way to decode the codes: its settings, what came out and how long it took."""

    # Dataclasses are checked like models: NaN and infinity are refused in them too.
    model_config = ConfigDict(revalidate_instances="always")

    name: str
    settings: dict[str, Any]
    wav: str | None = Field(description="beside this summary; null where there is no audio")
    pcm_sha256: str
    samples: int
    samples_expected: int
    seams: list[int]
    decode_ms: float
    decode_calls: int
    decode_call_ms: float | None
    first_packet_ms: float | None
    decoder_rtf: float | None
    pop_click_score: float | None
    pops_per_minute: float | None
    pops_s: list[float]
    pop_code_stats: PopCodeStats | None
    reason: str | None = Field(description="why figures of the audio are null")


class AblateSummary(Summary):
    """summary.json of ``decode-ablate``."""

    model_config = ConfigDict(revalidate_instances="always")

    command: str = "decode-ablate"
    codes: str
    codes_sha256: str
    frames: int
    ref_codes: str | None = Field(description="codes of a cloned voice's reference, decoded before; null without")
    ref_codes_sha256: str | None
    ref_frames: int | None
    clamped: int = Field(description="ids that determinism.clamp_codes moved into range")
    variants_left_out: list[str] = Field(description="added by --variant, and not named by --only")
    code_jumps: JumpDistribution | None = Field(description="null for one frame")
    variants: list[VariantRow]
    spikes: list[Spike] = Field(description="the largest steps of the audio, one a frame, the largest first")
    pairs: list[PairFigures]
    pictures: list[str]


def summarise(found: Ablation) -> AblateSummary:
    """The summary. Its exit status is 0, because the command is there to show that modes differ."""
    pairs = [pair.figures for pair in found.pairs]
    return AblateSummary(
        exit_status=0,
        headline=_headline(found.variants[0].measured.side.name, pairs),
        config=found.config.to_dict(),
        config_sha256=found.config.sha256,
        in_force=found.info.in_force,
        provenance=found.info.provenance.to_dict(),
        definitions=definitions_of(*_DEFINED),
        notes=list(found.notes),
        codes=found.codes,
        codes_sha256=found.codes_sha256,
        frames=found.frames,
        ref_codes=None if found.reference is None else found.reference.label,
        ref_codes_sha256=None if found.reference is None else found.reference.sha256,
        ref_frames=None if found.reference is None else len(found.reference.codes),
        clamped=max(variant.decode.clamped for variant in found.variants),
        variants_left_out=list(found.left_out),
        code_jumps=found.jumps.overall,
        variants=[variant_row(variant, found.info.frame_samples) for variant in found.variants],
        spikes=list(largest_spikes({one.side.name: one.spikes for one in found.decodes}, found.jumps.per_codebook)),
        pairs=pairs,
        pictures=[WAVES_PICTURE, DIFFERENCES_PICTURE],
    )


def variant_row(variant: AblatedVariant, frame_samples: int) -> VariantRow:
    """The figures of one variant; ``frame_samples``: samples that a frame should give."""
    packets, timing, measured = variant.decode.packets, variant.decode.timing, variant.measured
    side = measured.side
    decode_ms, calls = timing.decode_ms or 0.0, timing.decode_calls or 0
    return VariantRow(
        name=side.name,
        settings=settings(variant.config),
        wav=wav_name(side.name) if len(side.pcm) else None,
        pcm_sha256=pcm_sha256(side.pcm),
        samples=len(side.pcm),
        samples_expected=sum(packet.frames for packet in packets) * frame_samples,
        seams=side.seams.tolist(),
        decode_ms=decode_ms,
        decode_calls=calls,
        decode_call_ms=decode_ms / calls if calls else None,
        first_packet_ms=timing.ttfa_ms,
        decoder_rtf=timing.rtf,
        pop_click_score=measured.pop_click_score,
        pops_per_minute=measured.pops_per_minute,
        pops_s=list(side.pops_s),
        pop_code_stats=measured.pop_codes,
        reason=measured.reason,
    )


def _headline(first: str, pairs: list[PairFigures]) -> str:
    """How the other variants differ from the first one, by the names of the explanations that hold."""
    against = [pair for pair in pairs if first in (pair.a, pair.b)]
    parts = [f"{pair.b if pair.a == first else pair.a}: {_short(pair)}" for pair in against]
    return f"against {first}: " + "; ".join(parts)


def _short(pair: PairFigures) -> str:
    if pair.explanation is None:
        return pair.reason or "no audio"
    held = [finding for finding in pair.explanation.findings if finding.holds]
    return ", ".join(_name(finding) for finding in held) or "unexplained"


def _name(finding: Finding) -> str:
    """The name of an explanation; for samples at seams, how many and at how many seams."""
    return finding.words.split(";")[0] if finding.name == "samples_at_seams" else finding.name.replace("_", " ")
