"""From what a case gave to named figures, and from the figures of all cases to their distribution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ttsctl.audio import metrics
from ttsctl.core.audio import PcmArray, pcm_sha256
from ttsctl.core.codes import CodeArray, code_range, codes_sha256, packet_chain_sha256
from ttsctl.core.metric import Observation, metric, observed
from ttsctl.core.run import Run
from ttsctl.dumps.diff import diff_codes
from ttsctl.regress.cases import CaseOutput

Observations = dict[str, Observation]


@dataclass(frozen=True)
class Against:
    """What a baseline has for a case: its streamed audio (N,) at the engine's rate and its chained packet hashes.

    Either may be None; ``why_no_pcm`` and ``why_no_packets`` say why.
    """

    pcm: PcmArray | None = None
    packet_sha256: list[str] | None = None
    packet_tokens: int = 1
    why_no_pcm: str = "no baseline"
    why_no_packets: str = "no baseline"


def observe(output: CaseOutput, against: Against) -> Observations:
    """All figures of a case by name."""
    found = [
        *_repeatability(output),
        *_codes(output),
        *_lengths(output),
        *_offline_distance(output),
        *_levels(output),
        *_timings(output.stream),
        *_against_baseline(output, against),
    ]
    return {o.name: o for o in found}


def _repeatability(output: CaseOutput) -> list[Observation]:
    """The streamed runs against the first of them."""
    runs = output.streams
    if len(runs) < 2:
        alone = "one streamed run alone shows no drift"
        return [observed(name, None, alone) for name in ("hash_unique", "pcm_hash_unique", "first_diff_frame")]
    firsts = [_first_diff_frame(runs[0].require_codes(), run.require_codes()) for run in runs[1:]]
    earliest = min((first for first in firsts if first is not None), default=None)
    return [
        observed("hash_unique", len({codes_sha256(run.require_codes()) for run in runs})),
        observed("pcm_hash_unique", len({pcm_sha256(run.require_pcm()) for run in runs})),
        observed("first_diff_frame", earliest, "all streamed runs are equal"),
    ]


def _first_diff_frame(a: CodeArray, b: CodeArray) -> int | None:
    return diff_codes(a, b, packet_tokens=1).first_diff_frame


def _codes(output: CaseOutput) -> list[Observation]:
    every_codes = [*(run.require_codes() for run in output.streams), output.offline.require_codes()]
    outside = [code_range(codes, output.info.codebook_size).out_of_range_count for codes in every_codes]
    offline_first = _first_diff_frame(output.stream.require_codes(), output.offline.require_codes())
    return [
        observed("codes_sha256", codes_sha256(output.stream.require_codes())),
        observed("offline_codes_equal", offline_first is None),
        observed("offline_first_diff_frame", offline_first, "stream and offline are equal"),
        observed("out_of_range_count", max(outside)),
        observed("truncated", any(run.truncated for run in output.streams) or output.offline.truncated),
    ]


def _lengths(output: CaseOutput) -> list[Observation]:
    stream, offline = output.stream.require_pcm(), output.offline.require_pcm()
    apart_ms = 1000 * abs(len(stream) - len(offline)) / output.info.sample_rate
    return [
        observed("frames", len(output.stream.require_codes())),
        observed("samples", len(stream)),
        observed("samples_expected", len(output.stream.require_codes()) * output.info.frame_samples),
        observed("duration_diff_ms", apart_ms),
    ]


def _offline_distance(output: CaseOutput) -> list[Observation]:
    """Streamed audio against offline audio, which is the reference."""
    stream, offline = output.stream.require_pcm(), output.offline.require_pcm()
    best = metrics.mae_aligned(offline, stream, output.info.sample_rate)
    if best is None:
        why = _why_no_distance({"streamed": stream, "offline": offline})
        return [observed(name, None, why) for name in ("mae_waveform", "offset_ms", "snr_db")]
    snr = metrics.snr_db(offline, stream, best.alignment)
    return [
        observed("mae_waveform", best.mae),
        observed("offset_ms", best.alignment.offset_ms),
        observed("snr_db", snr, "the offline audio is silent"),
    ]


def _why_no_distance(pcm: Mapping[str, PcmArray]) -> str:
    whys = {name: metrics.why_unmeasurable(p) for name, p in pcm.items()}
    return "; ".join(f"{name} audio: {why}" for name, why in whys.items() if why)


def _levels(output: CaseOutput) -> list[Observation]:
    """Figures of the first streamed run; ``finite`` looks at every run."""
    pcm, rate = output.stream.require_pcm(), output.info.sample_rate
    every_pcm = [*(run.require_pcm() for run in output.streams), output.offline.require_pcm()]
    why = metrics.why_unmeasurable(pcm)
    return [
        observed("finite", all(metrics.is_finite(p) for p in every_pcm)),
        observed("rms", metrics.rms(pcm), why),
        observed("peak", metrics.peak(pcm), why),
        observed("pop_click_score", metrics.pop_click_score(pcm, rate), why or "shorter than two 20-ms frames"),
        observed("repeat_count", metrics.repeat_count(pcm, rate), why),
    ]


def _timings(run: Run) -> list[Observation]:
    timing = run.timing
    return [
        observed("ttfp_ms", timing.ttfp_ms, "no packet of codes came"),
        observed("ttf_ms", timing.ttf_ms, "no packet was decoded"),
        observed("ttfa_ms", timing.ttfa_ms, "no PCM came"),
        observed("rtf", timing.rtf, "no audio to set the time against"),
        observed("code_ms", timing.code_ms),
        observed("decode_first_ms", timing.decode_first_ms, "no packet was decoded"),
        observed("decode_ms", timing.decode_ms, "no packet was decoded"),
        observed("queue_wait_ms", timing.queue_wait_ms),
        observed("decode_calls", timing.decode_calls),
    ]


def _against_baseline(output: CaseOutput, against: Against) -> list[Observation]:
    return [_baseline_packet(output.stream.require_codes(), against), _baseline_distance(output, against)]


def _baseline_packet(codes: CodeArray, against: Against) -> Observation:
    """Chained hashes differ from the first different packet on; where one chain is a prefix, from its end on."""
    name = "baseline_first_diff_packet"
    if against.packet_sha256 is None:
        return observed(name, None, against.why_no_packets)
    now = packet_chain_sha256(codes, against.packet_tokens)
    if now == against.packet_sha256:
        return observed(name, None, "all packets are equal")
    pairs = zip(now, against.packet_sha256, strict=False)
    shorter = min(len(now), len(against.packet_sha256))
    return observed(name, next((i for i, (a, b) in enumerate(pairs) if a != b), shorter))


def _baseline_distance(output: CaseOutput, against: Against) -> Observation:
    name, stream = "snr_baseline_db", output.stream.require_pcm()
    if against.pcm is None:
        return observed(name, None, against.why_no_pcm)
    best = metrics.mae_aligned(against.pcm, stream, output.info.sample_rate)
    if best is None:
        return observed(name, None, _why_no_distance({"baseline": against.pcm, "streamed": stream}))
    return observed(name, metrics.snr_db(against.pcm, stream, best.alignment), "the baseline's audio is silent")


@dataclass(frozen=True)
class Aggregate:
    """A metric over all cases that have it: ``n`` of them. All figures are None, with ``reason``, where n is 0."""

    name: str
    unit: str
    n: int
    p50: float | None
    p95: float | None
    max: float | None
    reason: str | None = None


def aggregate(cases: Sequence[Observations]) -> list[Aggregate]:
    """P50, P95, max and n of each numeric metric, in the order in which cases name them."""
    names = dict.fromkeys(name for case in cases for name in case if not _is_text(name, cases))
    return [_aggregate(name, [case[name] for case in cases if name in case]) for name in names]


def _is_text(name: str, cases: Sequence[Observations]) -> bool:
    return any(isinstance(case[name].value, str) for case in cases if name in case)


def _aggregate(name: str, observations: Sequence[Observation]) -> Aggregate:
    values = np.array([float(o.value) for o in observations if o.value is not None and not isinstance(o.value, str)])
    if not len(values):
        reasons = sorted({o.reason for o in observations if o.reason})
        return Aggregate(name, metric(name).unit, 0, None, None, None, "; ".join(reasons) or "no case ran")
    p50, p95 = metrics.percentile(values, 50), metrics.percentile(values, 95)
    return Aggregate(name, metric(name).unit, len(values), p50, p95, float(values.max()))
