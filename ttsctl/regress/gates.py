"""All gates: what each measures, and the limit that holds unless a suite says otherwise.

The defaults are the release limits of the project: streamed audio must equal the offline audio, codes must not drift,
and against a baseline neither latency, nor pops, nor the waveform may get clearly worse.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from ttsctl.core.metric import metric

Operator = Literal["<", "<=", "==", "!=", ">=", ">"]
Threshold = float | int | bool
Statistic = Literal["p50", "p95"]


@dataclass(frozen=True, kw_only=True)
class Gate:
    """One gate: ``metric operator threshold``, for each case, or for ``statistic`` of the metric over all cases.

    ``against`` says how the baseline enters. "plus": the limit is the baseline's statistic + threshold. "times": it is
    the baseline's statistic times threshold. "equal": it is the baseline's own value. "audio": the metric itself was
    measured against the baseline's audio. None: no baseline is needed. ``timing``: the baseline must be of the same
    machine. ``threshold`` None: a suite must set it. ``on``: judged unless a suite says otherwise. ``required``: if the
    gate cannot be compared, the run could not judge (status 3).
    """

    name: str
    metric: str
    operator: Operator
    threshold: Threshold | None
    about: str
    on: bool = True
    statistic: Statistic | None = None
    against: Literal["plus", "times", "equal", "audio"] | None = None
    timing: bool = False
    required: bool = False

    @property
    def unit(self) -> str:
        """The unit of the metric."""
        return metric(self.metric).unit


_ALL = (
    Gate(
        name="determinism",
        metric="hash_unique",
        operator="==",
        threshold=1,
        about="all streamed runs give the same codes",
    ),
    Gate(
        name="offline_codes",
        metric="offline_codes_equal",
        operator="==",
        threshold=True,
        about="stream and offline give the same codes",
    ),
    Gate(
        name="mae_waveform",
        metric="mae_waveform",
        operator="<=",
        threshold=1e-3,
        about="streamed against offline audio, aligned",
    ),
    Gate(
        name="duration_diff_ms",
        metric="duration_diff_ms",
        operator="<=",
        threshold=50,
        about="streamed and offline audio have the same length",
    ),
    Gate(
        name="not_empty",
        metric="samples",
        operator=">",
        threshold=0,
        about="there is audio",
    ),
    Gate(
        name="finite",
        metric="finite",
        operator="==",
        threshold=True,
        about="no sample of any run is NaN or infinite",
    ),
    Gate(
        name="rms_min",
        metric="rms",
        operator=">=",
        threshold=1e-5,
        about="the audio is not silent",
    ),
    Gate(
        name="rms_max",
        metric="rms",
        operator="<=",
        threshold=0.4,
        about="the audio is not too loud",
    ),
    Gate(
        name="peak",
        metric="peak",
        operator="<",
        threshold=0.99,
        about="the audio does not clip",
    ),
    Gate(
        name="out_of_range_count",
        metric="out_of_range_count",
        operator="==",
        threshold=0,
        about="every code id is in its codebook",
    ),
    Gate(
        name="repeat_count",
        metric="repeat_count",
        operator="==",
        threshold=0,
        about="no half second repeats the one before",
    ),
    Gate(
        name="truncated",
        metric="truncated",
        operator="==",
        threshold=0,
        about="every generation ended by itself",
    ),
    Gate(
        name="ttfa_p50_baseline",
        metric="ttfa_ms",
        operator="<=",
        threshold=80,
        about="median time to first audio, at most the threshold over the baseline's",
        statistic="p50",
        against="plus",
        timing=True,
    ),
    Gate(
        name="ttfa_p95",
        metric="ttfa_ms",
        operator="<=",
        threshold=None,
        on=False,
        about="95th percentile of time to first audio",
        statistic="p95",
    ),
    Gate(
        name="stalls",
        metric="stalls",
        operator="<=",
        threshold=0,
        on=False,
        about="no streamed run, and no packet of one, took far longer than its siblings",
    ),
    Gate(
        name="pop_click_p95_baseline",
        metric="pop_click_score",
        operator="<=",
        threshold=1.2,
        about="95th percentile of pop_click_score, at most threshold times the baseline's",
        statistic="p95",
        against="times",
    ),
    Gate(
        name="snr_baseline_db",
        metric="snr_baseline_db",
        operator=">=",
        threshold=15,
        about="streamed audio against the baseline's",
        against="audio",
    ),
    Gate(
        name="codes_baseline",
        metric="codes_sha256",
        operator="==",
        threshold=None,
        on=False,
        about="the codes are the baseline's",
        against="equal",
        required=True,
    ),
)

GATES = MappingProxyType({gate.name: gate for gate in _ALL})
PIN_PREFIX = "pin:"


@dataclass(frozen=True)
class GateSetting:
    """A gate as a suite sets it."""

    gate: Gate
    operator: Operator
    threshold: Threshold | None
    on: bool
    required: bool
