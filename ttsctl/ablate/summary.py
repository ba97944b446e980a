"""What ``decode-ablate`` reports: its summary and how it is filled from what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import Field

from ttsctl.ablate.code_jumps import CodeJumps
from ttsctl.ablate.explanation import Explanation
from ttsctl.ablate.measure import Measured
from ttsctl.ablate.pairs import PairResult
from ttsctl.ablate.pop_code_stats import PopCodeStats
from ttsctl.core.audio import pcm_sha256
from ttsctl.core.config import Config
from ttsctl.core.engine import EngineInfo
from ttsctl.core.metric import definitions_of
from ttsctl.report.pop_align import AlignmentRow
from ttsctl.report.summary import Model, Summary

WAVES_PICTURE, DIFFERENCES_PICTURE = "waves.png", "differences.png"

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


class JumpsRow(Model):
    """Distribution of |c[t] - c[t-1]| over all frames and codebooks, in ids."""

    p50: float
    p95: float
    p99: float
    max: int


class PopRow(Model):
    """One pop beside its codes; see ``ablate.pop_code_stats.PopAtCodes``."""

    time_s: float
    kind: str | None
    strength_db: float
    frame: int
    packet: int
    position: int = Field(description="samples from the start of the packet")
    seam_distance: int | None
    jumps: list[int] | None
    jump_max: int | None
    jump_mean: float | None


class PopCodesRow(Model):
    """See ``ablate.pop_code_stats.PopCodeStats``."""

    pops: list[PopRow]
    count: int
    at_seams: int
    seam_p: float | None = Field(description="null without seams or with too few pops")
    mean_jump: float | None
    jump_p: float | None
    verdict: str | None
    reason: str | None


class VariantRow(Model):
    """One way to decode the codes."""

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
    pop_code_stats: PopCodesRow | None
    reason: str | None = Field(description="why figures of the audio are null")


class FindingRow(Model):
    """One explanation that was tested."""

    name: str
    holds: bool
    words: str
    evidence: dict[str, Any]


class ExplanationRow(Model):
    """What explains the difference, in words, and every test with its evidence."""

    words: str
    names: list[str]
    findings: list[FindingRow]


class SeamRow(Model):
    """See ``ablate.seam_energy.SeamEnergy``."""

    sample: int
    time_s: float
    after_rms: float | None
    mid_rms: float | None
    ratio_db: float | None
    samples: int
    reason: str | None


class PairRow(Model):
    """``b`` against ``a``; see ``audio.explain_pairs``. Null with ``reason`` where one has no audio."""

    a: str
    b: str
    mae: float | None
    snr_db: float | None
    largest: float | None
    largest_at_s: float | None
    corrected_mae: float | None
    corrected_largest: float | None
    corrected_largest_at_s: float | None
    alignment: AlignmentRow | None
    seams: list[SeamRow]
    explanation: ExplanationRow | None
    reason: str | None


class AblateSummary(Summary):
    """summary.json of ``decode-ablate``."""

    command: str = "decode-ablate"
    codes: str
    codes_sha256: str
    frames: int
    code_jumps: JumpsRow | None = Field(description="null for one frame")
    variants: list[VariantRow]
    pairs: list[PairRow]
    pictures: list[str]


@dataclass(frozen=True)
class Timed:
    """What a decode took; ``first_packet_ms`` is None where no audio came. Times in ms."""

    settings: dict[str, Any]
    packet_samples: tuple[int, ...]
    packet_ms: tuple[float, ...]
    calls: int
    samples_expected: int


def wav_name(variant: str) -> str:
    return f"{variant}.wav"


def variant_row(timed: Timed, measured: Measured) -> VariantRow:
    """One row of figures."""
    side, rate = measured.decoded.side, measured.decoded.sample_rate
    total = sum(timed.packet_ms)
    first = next((n for n, count in enumerate(timed.packet_samples) if count), None)
    return VariantRow(
        name=side.name,
        settings=timed.settings,
        wav=wav_name(side.name) if len(side.pcm) else None,
        pcm_sha256=pcm_sha256(side.pcm),
        samples=len(side.pcm),
        samples_expected=timed.samples_expected,
        seams=side.seams.tolist(),
        decode_ms=total,
        decode_calls=timed.calls,
        decode_call_ms=total / timed.calls if timed.calls else None,
        first_packet_ms=None if first is None else sum(timed.packet_ms[: first + 1]),
        decoder_rtf=total / 1000 / (len(side.pcm) / rate) if len(side.pcm) else None,
        pop_click_score=measured.pop_click_score,
        pops_per_minute=measured.pops_per_minute,
        pops_s=list(side.pops_s),
        pop_code_stats=_pop_codes_row(measured.pop_codes),
        reason=measured.reason,
    )


def _pop_codes_row(stats: PopCodeStats | None) -> PopCodesRow | None:
    if stats is None:
        return None
    return PopCodesRow.model_validate(
        {**asdict(stats), "pops": [_listed(asdict(pop)) for pop in stats.pops]}, strict=False
    )


def _listed(row: dict[str, Any]) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in row.items()}


def pair_row(pair: PairResult) -> PairRow:
    """One pair of variants."""
    distance = asdict(pair.distance) if pair.distance else {}
    names = (
        "mae",
        "snr_db",
        "largest",
        "largest_at_s",
        "corrected_mae",
        "corrected_largest",
        "corrected_largest_at_s",
    )
    return PairRow(
        a=pair.a,
        b=pair.b,
        **{name: distance.get(name) for name in names},
        alignment=AlignmentRow.model_validate(pair.alignment.to_dict()) if pair.alignment else None,
        seams=[SeamRow(**asdict(seam)) for seam in pair.seams],
        explanation=_explanation_row(pair.explanation),
        reason=pair.reason,
    )


def _explanation_row(explanation: Explanation | None) -> ExplanationRow | None:
    if explanation is None:
        return None
    findings = [
        FindingRow(name=f.name, holds=f.holds, words=f.words, evidence=dict(f.evidence)) for f in explanation.findings
    ]
    return ExplanationRow(words=explanation.words, names=list(explanation.names), findings=findings)


def summarise(
    label: str,
    codes_sha256: str,
    frames: int,
    jumps: CodeJumps,
    variants: Sequence[VariantRow],
    pairs: Sequence[PairRow],
    config: Config,
    info: EngineInfo,
    notes: Sequence[str],
) -> AblateSummary:
    """The summary. Its status is 0: that modes differ is what the command is for."""
    return AblateSummary(
        exit_status=0,
        headline=_headline(variants, pairs),
        config=config.to_dict(),
        config_sha256=config.sha256,
        in_force=info.in_force,
        provenance=info.provenance.to_dict(),
        definitions=definitions_of(*_DEFINED),
        notes=list(notes),
        codes=label,
        codes_sha256=codes_sha256,
        frames=frames,
        code_jumps=JumpsRow(**asdict(jumps.overall)) if jumps.overall else None,
        variants=list(variants),
        pairs=list(pairs),
        pictures=[WAVES_PICTURE, DIFFERENCES_PICTURE],
    )


def _headline(variants: Sequence[VariantRow], pairs: Sequence[PairRow]) -> str:
    """How the others stand to the first variant, by the names of what explains it."""
    first = variants[0].name
    told = [pair for pair in pairs if first in (pair.a, pair.b)]
    parts = [f"{pair.b if pair.a == first else pair.a}: {_short(pair)}" for pair in told]
    return f"against {first}: " + "; ".join(parts)


def _short(pair: PairRow) -> str:
    if pair.explanation is None:
        return pair.reason or "no audio"
    held = [finding for finding in pair.explanation.findings if finding.holds]
    return ", ".join(_name(finding) for finding in held) or "unexplained"


def _name(finding: FindingRow) -> str:
    """How many samples and at how many seams is the message; of the others the name says enough."""
    return finding.words.split(";")[0] if finding.name == "samples_at_seams" else finding.name.replace("_", " ")
