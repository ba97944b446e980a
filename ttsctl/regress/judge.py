"""From figures to verdicts, and from verdicts to the exit status. Measures nothing and prints nothing."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from ttsctl.audio.metrics import percentile
from ttsctl.core.config import Config
from ttsctl.core.verdict import GateStatus, Verdict
from ttsctl.regress.gates import PIN_PREFIX, Operator, Setting, Statistic
from ttsctl.regress.measure import Observations
from ttsctl.regress.reference import Reference
from ttsctl.regress.runner import CaseError
from ttsctl.runs.cases import Case

HOLDS, REGRESSION, NOT_JUDGED = 0, 1, 3

Value = float | int | str | bool
_HOLDS: Mapping[str, Callable[[Any, Any], bool]] = MappingProxyType(
    {"<": operator.lt, "<=": operator.le, "==": operator.eq, "!=": operator.ne, ">=": operator.ge, ">": operator.gt}
)
_QUANTILE: Mapping[Statistic, float] = MappingProxyType({"p50": 50.0, "p95": 95.0})


@dataclass(frozen=True)
class Judged:
    """A case as the judge sees it: its figures, or the error that left it without."""

    case: Case
    observations: Observations | None
    error: CaseError | None = None


def judge(
    settings: Sequence[Setting],
    pins: Mapping[str, Any],
    config: Config,
    cases: Sequence[Judged],
    reference: Reference,
) -> list[Verdict]:
    """One verdict a pin; for each gate one a case, or one over all cases; one "skipped" for a gate that is off."""
    verdicts = [_pin(key, wanted, config) for key, wanted in pins.items()]
    for setting in settings:
        if not setting.on:
            verdicts.append(_verdict(setting, "skipped", None, "", "off in this suite"))
        elif setting.gate.statistic is not None:
            verdicts.append(_over_all(setting, setting.gate.statistic, cases, reference))
        else:
            verdicts += [_one_case(setting, judged, reference) for judged in cases]
    return verdicts


def compare(value: Value, op: Operator, threshold: Value) -> bool:
    """``value op threshold``. NaN holds nothing, not even "!="."""
    if value != value or threshold != threshold:
        return False
    return _HOLDS[op](value, threshold)


def _pin(key: str, wanted: Value, config: Config) -> Verdict:
    table, _, name = key.partition(".")
    value = config.to_dict()[table][name]
    gate = PIN_PREFIX + key
    if value is None:
        return Verdict(gate, "fail", "==", wanted, None, reason="not set: the checkpoint decides it")
    return Verdict(gate, "pass" if value == wanted else "fail", "==", wanted, value)


def _verdict(setting: Setting, status: GateStatus, value: Value | None, where: str, reason: str | None) -> Verdict:
    gate = setting.gate
    return Verdict(gate.name, status, setting.operator, setting.threshold, value, gate.unit, where, reason)


def _compared(setting: Setting, value: Value, limit: Value, where: str, reason: str | None) -> Verdict:
    if isinstance(value, bool) and not isinstance(limit, bool):
        value = int(value)  # "truncated == 0" reads 0 or 1
    status: GateStatus = "pass" if compare(value, setting.operator, limit) else "fail"
    return Verdict(setting.gate.name, status, setting.operator, limit, value, setting.gate.unit, where, reason)


def _without_baseline(setting: Setting, value: Value | None, where: str, why: str, reference: Reference) -> Verdict:
    return _verdict(setting, "skipped" if reference.writing else "not_comparable", value, where, why)


def _one_case(setting: Setting, judged: Judged, reference: Reference) -> Verdict:
    gate, where = setting.gate, judged.case.id
    if judged.observations is None:
        return _verdict(setting, "error", None, where, f"the case failed: {judged.error}")
    observation = judged.observations[gate.metric]
    if gate.against is not None:
        why = reference.why_not(gate, [judged.case])
        if why:
            return _without_baseline(setting, observation.value, where, why, reference)
    if observation.value is None:
        return _verdict(setting, "fail", None, where, f"no value: {observation.reason}")
    if gate.against == "equal":
        return _equal_codes(setting, judged, reference, observation.value)
    assert setting.threshold is not None, "a suite without it does not load"
    return _compared(setting, observation.value, setting.threshold, where, _remark(setting, judged.observations))


def _equal_codes(setting: Setting, judged: Judged, reference: Reference, value: Value) -> Verdict:
    """The hash of all codes, and those of the packets, which name where a difference begins."""
    then = reference.case(judged.case)
    assert then is not None, "why_not has seen to it"
    assert judged.observations is not None, "only called for a case with figures"
    packet = judged.observations["baseline_first_diff_packet"].value
    verdict = _compared(setting, value, then.codes_sha256, judged.case.id, None)
    if verdict.status == "pass" and packet is None:
        return verdict
    frames = judged.observations["frames"].value
    where = f"first different packet {packet}; " if packet is not None else ""
    return replace(verdict, status="fail", reason=f"{where}{then.frames} frames in the baseline, {frames} now")


def _remark(setting: Setting, observations: Observations) -> str | None:
    """What helps to read a gate's value: where codes part, and how far audio had to be shifted."""
    beside = {
        "determinism": "first_diff_frame",
        "offline_codes": "offline_first_diff_frame",
        "mae_waveform": "offset_ms",
    }.get(setting.gate.name)
    if beside is None or observations[beside].value is None:
        return None
    return f"{beside} = {observations[beside].value}"


def _over_all(setting: Setting, statistic: Statistic, cases: Sequence[Judged], reference: Reference) -> Verdict:
    """A gate on a statistic. Whatever holds only for a part of the cases is not passed."""
    metric = setting.gate.metric
    ran = [judged for judged in cases if judged.observations is not None]
    if not ran:
        return _verdict(setting, "error", None, "", "no case ran")
    found = {judged.case.id: (judged.observations or {})[metric] for judged in ran}
    value = percentile([float(o.value) for o in found.values() if o.value is not None], _QUANTILE[statistic])
    if setting.gate.against is not None:
        why = reference.why_not(setting.gate, [judged.case for judged in ran])
        if why:
            return _without_baseline(setting, value, "", why, reference)
    missing = [f"{where} ({o.reason})" for where, o in found.items() if o.value is None]
    if missing or value is None:
        return _verdict(setting, "fail", value, "", "no value: " + ", ".join(missing))
    limit, reason = _limit(setting, statistic, [judged.case for judged in ran], reference)
    verdict = _compared(setting, value, limit, "", reason)
    if verdict.status == "pass" and len(ran) < len(cases):
        return _verdict(setting, "error", value, "", f"holds, but only {len(ran)} of {len(cases)} cases ran")
    return verdict


def _limit(
    setting: Setting, statistic: Statistic, cases: Sequence[Case], reference: Reference
) -> tuple[float, str | None]:
    """The limit that holds now, and how it comes from the baseline."""
    assert setting.threshold is not None, "a suite without it does not load"
    gate, threshold = setting.gate, float(setting.threshold)
    if gate.against is None:
        return threshold, None
    thens = [reference.case(case) for case in cases]
    base = percentile([float(then.metrics[gate.metric]) for then in thens if then], _QUANTILE[statistic])
    assert base is not None, "why_not has seen to it"
    sign = "+" if gate.against == "plus" else "×"
    limit = base + threshold if gate.against == "plus" else base * threshold
    return limit, f"{statistic.upper()} of the baseline {base:.6g} {sign} {threshold:g}"


def exit_status(verdicts: Sequence[Verdict], settings: Sequence[Setting], cases: Sequence[Judged]) -> int:
    """1 if any gate failed; else 3 if no case ran, one failed, a required gate was not comparable or nothing was
    judged; else 0. A gate that is "not_comparable" without being required is shown, but decides nothing.
    """
    required = {s.gate.name for s in settings if s.required}
    if any(v.status == "fail" for v in verdicts):
        return REGRESSION
    if not cases or any(judged.error for judged in cases):
        return NOT_JUDGED
    if any(v.status == "error" or (v.status == "not_comparable" and v.gate in required) for v in verdicts):
        return NOT_JUDGED
    return HOLDS if any(v.status == "pass" for v in verdicts) else NOT_JUDGED


def headline(verdicts: Sequence[Verdict], status: int, cases: Sequence[Judged]) -> str:
    """The closing line: verdict, cases, failed gates, and what was left open."""
    count = {name: sum(v.status == name for v in verdicts) for name in ("pass", "fail", "error", "not_comparable")}
    failed = list(dict.fromkeys(v.gate for v in verdicts if v.status == "fail"))
    errors = sum(judged.error is not None for judged in cases)
    parts = [f"{len(cases)} case" + ("" if len(cases) == 1 else "s")]
    if errors:
        parts.append(f"{errors} failed to run")
    parts.append(f"failed gates: {', '.join(failed)} ({count['fail']})" if failed else "failed gates: none")
    parts.append(f"{count['pass']} passed")
    if count["not_comparable"]:
        open_ = list(dict.fromkeys(v.gate for v in verdicts if v.status == "not_comparable"))
        parts.append(f"not comparable: {', '.join(open_)}")
    if not cases:
        parts.append("no case ran")
    return {HOLDS: "PASS", REGRESSION: "FAIL", NOT_JUDGED: "NOT JUDGED"}[status] + ": " + "; ".join(parts)
