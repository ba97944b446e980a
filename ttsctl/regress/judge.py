"""From figures to verdicts, and from verdicts to the outcome of the run. Measures nothing and prints nothing."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from ttsctl.audio.metrics import percentile
from ttsctl.core.config import Config
from ttsctl.core.outcome import ExitStatus, Outcome
from ttsctl.core.plurals import counted
from ttsctl.core.verdict import GateStatus, Verdict
from ttsctl.regress.aggregate import Aggregate
from ttsctl.regress.coverage import Coverage
from ttsctl.regress.gates import PIN_PREFIX, GateSetting, Operator, Statistic
from ttsctl.regress.measure import OFFLINE_FROM_CODES, MeasuredCase, Observations
from ttsctl.regress.reference import Reference
from ttsctl.regress.suite import Suite
from ttsctl.runs.texts import Case

Value = float | int | str | bool
_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = MappingProxyType(
    {"<": operator.lt, "<=": operator.le, "==": operator.eq, "!=": operator.ne, ">=": operator.ge, ">": operator.gt}
)
_QUANTILE: Mapping[Statistic, float] = MappingProxyType({"p50": 50.0, "p95": 95.0})
_WORDS = MappingProxyType(
    {ExitStatus.HOLDS: "PASS", ExitStatus.FAILS: "FAIL", ExitStatus.NOT_JUDGED: "NOT JUDGED"},
)
# The metric that helps to read a gate's value: where codes part, and how far audio had to be shifted.
_BESIDE = MappingProxyType(
    {
        "determinism": "first_diff_frame",
        "offline_codes": "offline_first_diff_frame",
        "mae_waveform": "offset_ms",
    }
)
# The gates on what offline runs give: their codes, and their audio beside the stream's.
_OF_OFFLINE_CODES = frozenset({"offline_codes"})
_OF_OFFLINE_AUDIO = frozenset({"mae_waveform", "duration_diff_ms"})


def judge_gates(
    suite: Suite,
    config: Config,
    cases: Sequence[MeasuredCase],
    aggregates: Mapping[str, Aggregate],
    reference: Reference,
) -> list[Verdict]:
    """One verdict a pin; for each gate one a case, or one over all cases; one "skipped" for a gate that is off."""
    verdicts = [_pin(key, wanted, config) for key, wanted in suite.pins.items()]
    for setting in suite.gates:
        statistic = setting.gate.statistic
        if suite.offline_from_codes and setting.gate.name in _OF_OFFLINE_CODES and setting.on:
            verdicts.append(_verdict(setting, _unasked(setting), None, "", OFFLINE_FROM_CODES))
        elif not setting.on:
            verdicts.append(_verdict(setting, "skipped", None, "", "off in this suite"))
        elif statistic is not None:
            verdicts.append(_over_all(setting, statistic, cases, aggregates, reference))
        else:
            verdicts += [_one_case(setting, case, reference) for case in cases]
    return [_named(verdict) for verdict in verdicts] if suite.offline_from_codes else verdicts


def _unasked(setting: GateSetting) -> GateStatus:
    """The status of a gate whose figure was not asked for: one that the suite requires leaves the run not judged."""
    return "not_comparable" if setting.required else "skipped"


def _named(verdict: Verdict) -> Verdict:
    """The verdict, and after its reason what offline audio it was held against."""
    if verdict.gate not in _OF_OFFLINE_AUDIO:
        return verdict
    return replace(verdict, reason="; ".join(part for part in (verdict.reason, OFFLINE_FROM_CODES) if part))


def suite_outcome(
    verdicts: Sequence[Verdict],
    gates: Sequence[GateSetting],
    cases: Sequence[MeasuredCase],
    coverage: Coverage | None,
) -> Outcome:
    """The exit status of a judged run, and the closing line: cases, failed gates, and what could not be compared."""
    status = _status(verdicts, gates, cases, coverage)
    failed = [v.gate for v in verdicts if v.status == "fail"]
    not_comparable = dict.fromkeys(v.gate for v in verdicts if v.status == "not_comparable")
    errors = sum(case.error is not None for case in cases)
    parts = [counted(len(cases), "case")]
    if errors:
        parts.append(f"{errors} failed to run")
    parts.append(
        f"failed gates: {', '.join(dict.fromkeys(failed))} ({len(failed)})" if failed else "failed gates: none"
    )
    parts.append(f"{sum(v.status == 'pass' for v in verdicts)} passed")
    if not_comparable:
        parts.append(f"not comparable: {', '.join(not_comparable)}")
    gaps = coverage.gaps if coverage is not None else None
    if coverage is not None and not coverage.compared:
        parts.append("nothing was compared with the baseline")
    if gaps:
        parts.append(gaps)
    if not cases:
        parts.append("no case ran")
    elif status == ExitStatus.NOT_JUDGED and not _measured_passes(verdicts):
        parts.append("no gate judged anything that was measured")
    word = _WORDS[status] + (" IN PART" if gaps and status == ExitStatus.HOLDS else "")
    return Outcome(status, f"{word}: {'; '.join(parts)}")


def _status(
    verdicts: Sequence[Verdict],
    gates: Sequence[GateSetting],
    cases: Sequence[MeasuredCase],
    coverage: Coverage | None,
) -> ExitStatus:
    """FAILS if any gate failed. Else NOT_JUDGED if no case ran, a case failed, a required gate was not comparable,
    nothing that was measured was judged, or the coverage of the baseline says so. A gate that is "not_comparable"
    without being required is shown, but decides nothing.
    """
    required = {setting.gate.name for setting in gates if setting.required}
    if any(v.status == "fail" for v in verdicts):
        return ExitStatus.FAILS
    if not cases or any(case.error for case in cases):
        return ExitStatus.NOT_JUDGED
    if any(v.status == "error" or (v.status == "not_comparable" and v.gate in required) for v in verdicts):
        return ExitStatus.NOT_JUDGED
    if coverage is not None and coverage.why_not_judged:
        return ExitStatus.NOT_JUDGED
    return ExitStatus.HOLDS if _measured_passes(verdicts) else ExitStatus.NOT_JUDGED


def _measured_passes(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """The passes of gates on what was measured. A pin only says that a setting is what the suite wrote."""
    return [v for v in verdicts if v.status == "pass" and not v.gate.startswith(PIN_PREFIX)]


def holds(value: Value, op: Operator, threshold: Value) -> bool:
    """Whether ``value op threshold``. With NaN on either side nothing holds, not even "!="."""
    if value != value or threshold != threshold:
        return False
    return _OPERATORS[op](value, threshold)


def _pin(key: str, wanted: Value, config: Config) -> Verdict:
    table, _, name = key.partition(".")
    value = config.to_dict()[table][name]
    gate = PIN_PREFIX + key
    if value is None:
        return Verdict(gate, "fail", "==", wanted, None, reason="not set: the checkpoint decides it")
    return Verdict(gate, "pass" if value == wanted else "fail", "==", wanted, value)


def _verdict(setting: GateSetting, status: GateStatus, value: Value | None, where: str, reason: str | None) -> Verdict:
    gate = setting.gate
    return Verdict(gate.name, status, setting.operator, setting.threshold, value, gate.unit, where, reason)


def _compared(setting: GateSetting, value: Value, limit: Value, where: str, reason: str | None) -> Verdict:
    """The verdict on a value that is there: "pass" if it holds against ``limit``, else "fail"."""
    if isinstance(value, bool) and not isinstance(limit, bool):
        value = int(value)  # "truncated == 0" reads 0 or 1
    status: GateStatus = "pass" if holds(value, setting.operator, limit) else "fail"
    return Verdict(setting.gate.name, status, setting.operator, limit, value, setting.gate.unit, where, reason)


def _without_baseline(setting: GateSetting, value: Value | None, where: str, why: str, reference: Reference) -> Verdict:
    return _verdict(setting, "skipped" if reference.writing else "not_comparable", value, where, why)


def _one_case(setting: GateSetting, case: MeasuredCase, reference: Reference) -> Verdict:
    gate, where = setting.gate, case.case.id
    if case.observations is None:
        return _verdict(setting, "error", None, where, f"the case failed: {case.error}")
    observation = case.observations[gate.metric]
    if gate.against is not None:
        why = reference.why_not(gate, [case.case])
        if why:
            return _without_baseline(setting, observation.value, where, why, reference)
    if observation.value is None:
        return _verdict(setting, "fail", None, where, f"no value: {observation.reason}")
    if gate.against == "equal":
        return _equal_codes(setting, case.case, case.observations, reference, observation.value)
    assert setting.threshold is not None, "a suite without it does not load"
    return _compared(setting, observation.value, setting.threshold, where, _remark(setting, case.observations))


def _equal_codes(
    setting: GateSetting, case: Case, observations: Observations, reference: Reference, value: Value
) -> Verdict:
    """The codes against the baseline's: the hash of all codes, and those of the packets, which name the first that
    differs.
    """
    then = reference.case(case)
    assert then is not None, "why_not has seen to it"
    packet = observations["baseline_first_diff_packet"].value
    verdict = _compared(setting, value, then.codes_sha256, case.id, None)
    if verdict.status == "pass" and packet is None:
        return verdict
    frames = observations["frames"].value
    where = f"first different packet {packet}" if packet is not None else ""
    lengths = f"{then.frames} frames in the baseline, {frames} now"
    return replace(verdict, status="fail", reason=_phrases(where, lengths, reference.settings_words([case])))


def _phrases(*phrases: str | None) -> str | None:
    return "; ".join(phrase for phrase in phrases if phrase) or None


def _remark(setting: GateSetting, observations: Observations) -> str | None:
    beside = _BESIDE.get(setting.gate.name)
    if beside is None or observations[beside].value is None:
        return None
    return f"{beside} = {observations[beside].value}"


def _over_all(
    setting: GateSetting,
    statistic: Statistic,
    cases: Sequence[MeasuredCase],
    aggregates: Mapping[str, Aggregate],
    reference: Reference,
) -> Verdict:
    """A gate on a statistic over all cases. One that holds for only a part of the cases is not passed."""
    metric = setting.gate.metric
    found = {case.case.id: case.observations[metric] for case in cases if case.observations is not None}
    ran = [case.case for case in cases if case.observations is not None]
    if not ran:
        return _verdict(setting, "error", None, "", "no case ran")
    aggregate = aggregates[metric]
    value = aggregate.p50 if statistic == "p50" else aggregate.p95
    if setting.gate.against is not None:
        why = reference.why_not(setting.gate, ran)
        if why:
            return _without_baseline(setting, value, "", why, reference)
    missing = [f"{where} ({o.reason})" for where, o in found.items() if o.value is None]
    if missing or value is None:
        return _verdict(setting, "fail", value, "", "no value: " + ", ".join(missing))
    limit, reason = _limit(setting, statistic, ran, reference)
    verdict = _compared(setting, value, limit, "", reason)
    # Times are held against the baseline whatever was set, so the reader has to know what was.
    if setting.gate.against is not None and (setting.gate.timing or verdict.status == "fail"):
        verdict = replace(verdict, reason=_phrases(reason, reference.settings_words(ran)))
    if verdict.status == "pass" and len(ran) < len(cases):
        return _verdict(setting, "error", value, "", f"holds, but only {len(ran)} of {len(cases)} cases ran")
    return verdict


def _limit(
    setting: GateSetting, statistic: Statistic, cases: Sequence[Case], reference: Reference
) -> tuple[float, str | None]:
    """The limit that holds now and, if it comes from the baseline, how it was computed."""
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
