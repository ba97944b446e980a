"""From the runs of a case to named figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ttsctl.audio import metrics
from ttsctl.core.audio import PcmArray, pcm_sha256
from ttsctl.core.codes import CodeArray, code_range, codes_sha256, packet_chain_sha256
from ttsctl.core.metric import Observation, Value, observed
from ttsctl.core.run import Run
from ttsctl.core.stalls import LEAST_SIBLINGS, StalledRun
from ttsctl.core.voice_prompt import PromptUse
from ttsctl.dumps.diff import diff_codes, earliest_difference
from ttsctl.regress.case_runs import CaseRuns
from ttsctl.regress.reference import BaselineTarget
from ttsctl.regress.run_pops import RunPops, pops_of_runs
from ttsctl.regress.runner import CaseError, FailedCase
from ttsctl.runs.run_stalls import stalls_of_runs
from ttsctl.runs.texts import Case

# Why nothing is known of codes that the offline run would make.
OFFLINE_FROM_CODES = "the offline run decodes the stream's own codes (offline_from_codes)"

Observations = dict[str, Observation]
# By metric: the value, and why it is missing where it is None.
Figures = dict[str, tuple[Value, str | None]]


@dataclass(frozen=True)
class RunFacts:
    """One run of a case. ``run`` is "stream", "offline", or "repeat_1", "repeat_2", ... in the order they ran.

    "offline_from_codes" decoded the codes of "stream": those are its hash and frames, and nothing of it was truncated.
    ``clamped``: ids that ``determinism.clamp_codes`` moved into range. ``prompt``: what a cloned voice was made of and
    cost, inside ``ttfa_ms``; null for other voices.
    """

    run: str
    codes_sha256: str
    frames: int
    samples: int
    truncated: bool
    ttfa_ms: float | None
    rtf: float | None
    clamped: int
    total_s: float | None
    wall_rtf: float | None
    pops: RunPops
    prompt: PromptUse | None = None


@dataclass(frozen=True)
class MeasuredCase:
    """A case with its figures, the facts of each run, what stalled, their wall time together, and the engine's notes.

    A case that failed has only ``error``.
    """

    case: Case
    observations: Observations | None
    error: CaseError | None = None
    runs: list[RunFacts] = field(default_factory=list)
    stalls: tuple[StalledRun, ...] | None = None
    wall_s: float | None = None
    notes: list[str] = field(default_factory=list)


def measure_case(runs: CaseRuns, target: BaselineTarget) -> MeasuredCase:
    """Everything that is reported of a case that ran, compared with what the baseline has for it."""
    # The offline run is of another kind, so it has no siblings.
    stalls = stalls_of_runs({name: run for name, run in runs.by_name.items() if run.kind == "stream"})
    pops = pops_of_runs(runs.by_name, runs.info.sample_rate)
    few = f"fewer than {LEAST_SIBLINGS} streamed runs, and of packets in each"
    figures: Figures = {
        **_repeatability(runs),
        **_codes(runs),
        **_lengths(runs),
        **_offline_distance(runs),
        **_levels(runs),
        **_timings(runs.stream),
        "stalls": (None if stalls is None else len(stalls), few),
        "baseline_first_diff_packet": _baseline_packet(runs.stream.require_codes(), target),
        "snr_baseline_db": _baseline_distance(runs, target),
    }
    notes = dict.fromkeys([*(note for run in runs.streams for note in run.notes), *runs.offline.notes])
    return MeasuredCase(
        case=runs.case,
        observations={name: observed(name, value, why) for name, (value, why) in figures.items()},
        runs=[_facts(name, run, runs.stream.require_codes(), pops[name]) for name, run in runs.by_name.items()],
        stalls=stalls,
        wall_s=runs.wall_s,
        notes=[f"{runs.case.id}: {note}" for note in (*notes, *map(str, stalls or ()))],
    )


def unmeasured_case(failed: FailedCase) -> MeasuredCase:
    """A case that failed, which has no figures."""
    return MeasuredCase(failed.case, None, failed.error)


def _facts(name: str, run: Run, given: CodeArray, pops: RunPops) -> RunFacts:
    """The facts of a run; ``given``: what it decoded, if it made no codes itself."""
    codes = given if run.codes is None else run.codes
    return RunFacts(
        run=name,
        codes_sha256=codes_sha256(codes),
        frames=len(codes),
        samples=len(run.require_pcm()),
        truncated=bool(run.truncated),
        ttfa_ms=run.timing.ttfa_ms,
        rtf=run.timing.rtf,
        clamped=run.clamped,
        total_s=run.timing.total_s,
        wall_rtf=run.timing.wall_rtf,
        pops=pops,
        prompt=run.prompt,
    )


def _repeatability(runs: CaseRuns) -> Figures:
    """Whether the streamed runs are equal: each of them is compared with the first."""
    streams = runs.streams
    if len(streams) < 2:
        alone = "one streamed run alone shows no drift"
        return dict.fromkeys(("hash_unique", "pcm_hash_unique", "first_diff_frame"), (None, alone))
    earliest = earliest_difference(streams[0].require_codes(), (run.require_codes() for run in streams[1:]))
    first_frame = None if earliest is None else earliest.first_diff_frame
    return {
        "hash_unique": (len({codes_sha256(run.require_codes()) for run in streams}), None),
        "pcm_hash_unique": (len({pcm_sha256(run.require_pcm()) for run in streams}), None),
        "first_diff_frame": (first_frame, "all streamed runs are equal"),
    }


def _codes(runs: CaseRuns) -> Figures:
    stream, offline = runs.stream.require_codes(), runs.offline.codes
    every_codes = [*(run.require_codes() for run in runs.streams), *([] if offline is None else [offline])]
    outside = [code_range(codes, runs.info.codebook_size).out_of_range_count for codes in every_codes]
    offline_first = None if offline is None else diff_codes(stream, offline, packet_tokens=1).first_diff_frame
    equal = None if offline is None else offline_first is None
    return {
        "codes_sha256": (codes_sha256(stream), None),
        "offline_codes_equal": (equal, OFFLINE_FROM_CODES),
        "offline_first_diff_frame": (
            offline_first,
            OFFLINE_FROM_CODES if offline is None else "stream and offline are equal",
        ),
        "out_of_range_count": (max(outside), None),
        "truncated": (any(run.truncated for run in (*runs.streams, runs.offline)), None),
    }


def _lengths(runs: CaseRuns) -> Figures:
    stream, offline = runs.stream.require_pcm(), runs.offline.require_pcm()
    apart_ms = 1000 * abs(len(stream) - len(offline)) / runs.info.sample_rate
    return {
        "frames": (len(runs.stream.require_codes()), None),
        "samples": (len(stream), None),
        "samples_expected": (len(runs.stream.require_codes()) * runs.info.frame_samples, None),
        "duration_diff_ms": (apart_ms, None),
    }


def _offline_distance(runs: CaseRuns) -> Figures:
    """Streamed audio against offline audio, which is the reference."""
    stream, offline = runs.stream.require_pcm(), runs.offline.require_pcm()
    best = metrics.mae_aligned(offline, stream, runs.info.sample_rate)
    if best is None:
        why = _why_no_distance({"streamed": stream, "offline": offline})
        return dict.fromkeys(("mae_waveform", "offset_ms", "snr_db"), (None, why))
    snr = metrics.snr_db(offline, stream, best.alignment)
    return {
        "mae_waveform": (best.mae, None),
        "offset_ms": (best.alignment.offset_ms, None),
        "snr_db": (snr, "the offline audio is silent"),
    }


def _why_no_distance(pcm: Mapping[str, PcmArray]) -> str:
    whys = {name: metrics.why_unmeasurable(p) for name, p in pcm.items()}
    return "; ".join(f"{name} audio: {why}" for name, why in whys.items() if why)


def _levels(runs: CaseRuns) -> Figures:
    """Figures of the first streamed run; ``finite`` looks at every run."""
    pcm, rate = runs.stream.require_pcm(), runs.info.sample_rate
    every_pcm = [*(run.require_pcm() for run in runs.streams), runs.offline.require_pcm()]
    why = metrics.why_unmeasurable(pcm)
    return {
        "finite": (all(metrics.is_finite(p) for p in every_pcm), None),
        "rms": (metrics.rms(pcm), why),
        "peak": (metrics.peak(pcm), why),
        "pop_click_score": (metrics.pop_click_score(pcm, rate), why or "shorter than two 20-ms frames"),
        "repeat_count": (metrics.repeat_count(pcm, rate), why),
    }


def _timings(run: Run) -> Figures:
    timing = run.timing
    return {
        "ttfp_ms": (timing.ttfp_ms, "no packet of codes came"),
        "ttf_ms": (timing.ttf_ms, "no packet was decoded"),
        "ttfa_ms": (timing.ttfa_ms, "no PCM came"),
        "rtf": (timing.rtf, "no audio to set the time against"),
        "code_ms": (timing.code_ms, None),
        "decode_first_ms": (timing.decode_first_ms, "no packet was decoded"),
        "decode_ms": (timing.decode_ms, "no packet was decoded"),
        "queue_wait_ms": (timing.queue_wait_ms, None),
        "decode_calls": (timing.decode_calls, None),
        "total_s": (timing.total_s, "the stream had no event with a time"),
        "wall_rtf": (timing.wall_rtf, "no audio to set the time against"),
    }


def _baseline_packet(codes: CodeArray, target: BaselineTarget) -> tuple[Value, str | None]:
    """The first packet that differs. Chained hashes differ from there on, so the first that differs names it.

    Where one chain is the beginning of the other, the first packet that only one of them has.
    """
    if target.packet_sha256 is None:
        return None, target.why_no_packets
    now = packet_chain_sha256(codes, target.packet_tokens)
    if now == target.packet_sha256:
        return None, "all packets are equal"
    pairs = zip(now, target.packet_sha256, strict=False)
    shorter = min(len(now), len(target.packet_sha256))
    return next((i for i, (a, b) in enumerate(pairs) if a != b), shorter), None


def _baseline_distance(runs: CaseRuns, target: BaselineTarget) -> tuple[Value, str | None]:
    """Streamed audio against the baseline's streamed audio, which is the reference."""
    stream = runs.stream.require_pcm()
    if target.pcm is None:
        return None, target.why_no_pcm
    best = metrics.mae_aligned(target.pcm, stream, runs.info.sample_rate)
    if best is None:
        return None, _why_no_distance({"baseline": target.pcm, "streamed": stream})
    return metrics.snr_db(target.pcm, stream, best.alignment), "the baseline's audio is silent"
