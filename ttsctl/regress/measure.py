"""From what a case gave to named figures, and from the figures of all cases to their distribution."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ttsctl.audio import metrics
from ttsctl.core.audio import PcmArray, pcm_sha256
from ttsctl.core.codes import CodeArray, code_range, codes_sha256, packet_chain_sha256
from ttsctl.core.verdict import Observation
from ttsctl.dumps.diff import diff_codes
from ttsctl.regress.cases import CaseOutput
from ttsctl.runs.run_stream import StreamRun

Observations = dict[str, Observation]

UNITS = {
    "duration_diff_ms": "ms",
    "offset_ms": "ms",
    "ttfp_ms": "ms",
    "ttf_ms": "ms",
    "ttfa_ms": "ms",
    "code_ms": "ms",
    "decode_first_ms": "ms",
    "decode_ms": "ms",
    "queue_wait_ms": "ms",
    "snr_db": "dB",
    "snr_baseline_db": "dB",
    "frames": "frames",
    "samples": "samples",
    "samples_expected": "samples",
}


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


def measured(name: str, value: float | int | str | bool | None, why_missing: str | None = None) -> Observation:
    """An observation with its unit. A value that is None, NaN or infinite becomes missing, with a reason."""
    if isinstance(value, float) and not math.isfinite(value):
        value, why_missing = None, f"it came out as {value}"
    if value is None:
        return Observation(name, None, UNITS.get(name, ""), why_missing or "not known")
    return Observation(name, value, UNITS.get(name, ""))


def _repeatability(output: CaseOutput) -> list[Observation]:
    """The streamed runs against the first of them."""
    runs = output.streams
    if len(runs) < 2:
        alone = "one streamed run alone shows no drift"
        return [measured(name, None, alone) for name in ("hash_unique", "pcm_hash_unique", "first_diff_frame")]
    firsts = [_first_diff_frame(runs[0].codes, run.codes) for run in runs[1:]]
    earliest = min((first for first in firsts if first is not None), default=None)
    return [
        measured("hash_unique", len({codes_sha256(run.codes) for run in runs})),
        measured("pcm_hash_unique", len({pcm_sha256(run.pcm) for run in runs})),
        measured("first_diff_frame", earliest, "all streamed runs are equal"),
    ]


def _first_diff_frame(a: CodeArray, b: CodeArray) -> int | None:
    return diff_codes(a, b, packet_tokens=1).first_diff_frame


def _codes(output: CaseOutput) -> list[Observation]:
    every_codes = [*(run.codes for run in output.streams), output.offline.codes]
    outside = [code_range(codes, output.info.codebook_size).out_of_range_count for codes in every_codes]
    offline_first = _first_diff_frame(output.stream.codes, output.offline.codes)
    return [
        measured("codes_sha256", codes_sha256(output.stream.codes)),
        measured("offline_codes_equal", offline_first is None),
        measured("offline_first_diff_frame", offline_first, "stream and offline are equal"),
        measured("out_of_range_count", max(outside)),
        measured("truncated", any(run.truncated for run in output.streams) or output.offline.truncated),
    ]


def _lengths(output: CaseOutput) -> list[Observation]:
    stream, offline = output.stream.pcm, output.offline.pcm
    apart_ms = 1000 * abs(len(stream) - len(offline)) / output.info.sample_rate
    return [
        measured("frames", len(output.stream.codes)),
        measured("samples", len(stream)),
        measured("samples_expected", len(output.stream.codes) * output.info.frame_samples),
        measured("duration_diff_ms", apart_ms),
    ]


def _offline_distance(output: CaseOutput) -> list[Observation]:
    """Streamed audio against offline audio, which is the reference."""
    stream, offline = output.stream.pcm, output.offline.pcm
    best = metrics.mae_aligned(offline, stream, output.info.sample_rate)
    if best is None:
        why = _why_no_distance({"streamed": stream, "offline": offline})
        return [measured(name, None, why) for name in ("mae_waveform", "offset_ms", "snr_db")]
    snr = metrics.snr_db(offline, stream, best.alignment)
    return [
        measured("mae_waveform", best.mae),
        measured("offset_ms", best.alignment.offset_ms),
        measured("snr_db", snr, "the offline audio is silent"),
    ]


def _why_no_distance(pcm: Mapping[str, PcmArray]) -> str:
    whys = {name: metrics.why_unmeasurable(p) for name, p in pcm.items()}
    return "; ".join(f"{name} audio: {why}" for name, why in whys.items() if why)


def _levels(output: CaseOutput) -> list[Observation]:
    """Figures of the first streamed run; ``finite`` looks at every run."""
    pcm, rate = output.stream.pcm, output.info.sample_rate
    every_pcm = [*(run.pcm for run in output.streams), output.offline.pcm]
    why = metrics.why_unmeasurable(pcm)
    return [
        measured("finite", all(metrics.is_finite(p) for p in every_pcm)),
        measured("rms", metrics.rms(pcm), why),
        measured("peak", metrics.peak(pcm), why),
        measured("pop_click_score", metrics.pop_click_score(pcm, rate), why or "shorter than two 20-ms frames"),
        measured("repeat_count", metrics.repeat_count(pcm, rate), why),
    ]


def _timings(run: StreamRun) -> list[Observation]:
    timing = run.timing
    return [
        measured("ttfp_ms", timing.ttfp_ms, "no packet of codes came"),
        measured("ttf_ms", timing.ttf_ms, "no packet was decoded"),
        measured("ttfa_ms", timing.ttfa_ms, "no PCM came"),
        measured("rtf", timing.rtf, "no audio to set the time against"),
        measured("code_ms", timing.code_ms),
        measured("decode_first_ms", timing.decode_first_ms, "no packet was decoded"),
        measured("decode_ms", timing.decode_ms, "no packet was decoded"),
        measured("queue_wait_ms", timing.queue_wait_ms),
        measured("decode_calls", timing.decode_calls),
    ]


def _against_baseline(output: CaseOutput, against: Against) -> list[Observation]:
    return [_baseline_packet(output.stream.codes, against), _baseline_distance(output, against)]


def _baseline_packet(codes: CodeArray, against: Against) -> Observation:
    """Chained hashes differ from the first different packet on; where one chain is a prefix, from its end on."""
    name = "baseline_first_diff_packet"
    if against.packet_sha256 is None:
        return measured(name, None, against.why_no_packets)
    now = packet_chain_sha256(codes, against.packet_tokens)
    if now == against.packet_sha256:
        return measured(name, None, "all packets are equal")
    pairs = zip(now, against.packet_sha256, strict=False)
    shorter = min(len(now), len(against.packet_sha256))
    return measured(name, next((i for i, (a, b) in enumerate(pairs) if a != b), shorter))


def _baseline_distance(output: CaseOutput, against: Against) -> Observation:
    name, stream = "snr_baseline_db", output.stream.pcm
    if against.pcm is None:
        return measured(name, None, against.why_no_pcm)
    best = metrics.mae_aligned(against.pcm, stream, output.info.sample_rate)
    if best is None:
        return measured(name, None, _why_no_distance({"baseline": against.pcm, "streamed": stream}))
    return measured(name, metrics.snr_db(against.pcm, stream, best.alignment), "the baseline's audio is silent")


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
        return Aggregate(name, UNITS.get(name, ""), 0, None, None, None, "; ".join(reasons) or "no case ran")
    p50, p95 = metrics.percentile(values, 50), metrics.percentile(values, 95)
    return Aggregate(name, UNITS.get(name, ""), len(values), p50, p95, float(values.max()))
