"""The gates that there are: what each measures, and what holds unless a suite says otherwise.

Defaults are the release limits of the project: streamed audio must be the offline audio, codes must not drift, and
against a baseline neither latency, nor pops, nor the waveform may get clearly worse.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Operator = Literal["<", "<=", "==", "!=", ">=", ">"]
Threshold = float | int | bool
Statistic = Literal["p50", "p95"]


@dataclass(frozen=True)
class Gate:
    """One gate: ``metric operator threshold``, for each case, or for ``statistic`` of the metric over all cases.

    ``against`` says how the baseline enters: "plus", the limit is the baseline's statistic + threshold; "times", it
    is the baseline's statistic times threshold; "equal", it is the baseline's own value; "audio", the metric itself
    was measured against the baseline's audio. None: no baseline is needed. ``threshold`` None: a suite must set it.
    ``required``: a gate that cannot be compared makes the run one that could not judge (status 3).
    """

    name: str
    metric: str
    operator: Operator
    threshold: Threshold | None
    unit: str
    on: bool
    about: str
    statistic: Statistic | None = None
    against: Literal["plus", "times", "equal", "audio"] | None = None
    timing: bool = False
    required: bool = False


_ALL = (
    Gate("determinism", "hash_unique", "==", 1, "", True, "all streamed runs give the same codes"),
    Gate("offline_codes", "offline_codes_equal", "==", True, "", True, "stream and offline give the same codes"),
    Gate("mae_waveform", "mae_waveform", "<=", 1e-3, "", True, "streamed against offline audio, aligned"),
    Gate("duration_diff_ms", "duration_diff_ms", "<=", 50, "ms", True, "streamed and offline audio are as long"),
    Gate("not_empty", "samples", ">", 0, "samples", True, "there is audio"),
    Gate("finite", "finite", "==", True, "", True, "no sample of any run is NaN or infinite"),
    Gate("rms_min", "rms", ">=", 1e-5, "", True, "the audio is not silent"),
    Gate("rms_max", "rms", "<=", 0.4, "", True, "the audio is not too loud"),
    Gate("peak", "peak", "<", 0.99, "", True, "the audio does not clip"),
    Gate("out_of_range_count", "out_of_range_count", "==", 0, "", True, "every code is inside of its codebook"),
    Gate("repeat_count", "repeat_count", "==", 0, "", True, "no half second repeats the one before"),
    Gate("truncated", "truncated", "==", 0, "", True, "every generation ended by itself"),
    Gate(
        "ttfa_p50_baseline",
        "ttfa_ms",
        "<=",
        80,
        "ms",
        True,
        "median time to first audio, at most so much over the baseline's",
        statistic="p50",
        against="plus",
        timing=True,
    ),
    Gate("ttfa_p95", "ttfa_ms", "<=", None, "ms", False, "95th percentile of time to first audio", statistic="p95"),
    Gate(
        "pop_click_p95_baseline",
        "pop_click_score",
        "<=",
        1.2,
        "",
        True,
        "95th percentile of pop_click_score, at most so many times the baseline's",
        statistic="p95",
        against="times",
    ),
    Gate(
        "snr_baseline_db",
        "snr_baseline_db",
        ">=",
        15,
        "dB",
        True,
        "streamed audio against the baseline's",
        against="audio",
    ),
    Gate(
        "codes_baseline",
        "codes_sha256",
        "==",
        None,
        "",
        False,
        "the codes are the baseline's",
        against="equal",
        required=True,
    ),
)

GATES = MappingProxyType({gate.name: gate for gate in _ALL})
PIN_PREFIX = "pin:"


@dataclass(frozen=True)
class Setting:
    """A gate as a suite has it."""

    gate: Gate
    operator: Operator
    threshold: Threshold | None
    on: bool
    required: bool
