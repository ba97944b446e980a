"""Every gate: it holds on a healthy engine, and it fails on the fault that it is there for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.fakes import PROVENANCE, FakeEngine
from tests.regress.regress_fakes import Run, elsewhere
from ttsctl.core.config import Config, StreamConfig
from ttsctl.core.metric import observed
from ttsctl.core.provenance import Provenance
from ttsctl.core.stalls import StalledRun
from ttsctl.core.verdict import Verdict
from ttsctl.regress.aggregate import Aggregate, aggregate_cases
from ttsctl.regress.gates import GATES, Operator
from ttsctl.regress.judge import holds
from ttsctl.regress.run import SuiteResult

ALL_ON = "codes_baseline = true\nttfa_p95 = 400\nstalls = true\n"


def verdicts(result: SuiteResult, gate: str) -> dict[str, Verdict]:
    return {v.where: v for v in result.verdicts if v.gate == gate}


def statuses(result: SuiteResult, gate: str) -> set[str]:
    return {v.status for v in result.verdicts if v.gate == gate}


def failed(result: SuiteResult) -> set[str]:
    return {v.gate for v in result.verdicts if v.status == "fail"}


@pytest.fixture
def baseline(run: Run, tmp_path: Path) -> Path:
    """A healthy run of the fake engine, to compare with."""
    assert run(FakeEngine()).outcome.status == 0
    return tmp_path / "run0"


def test_a_healthy_engine_passes_every_gate(run: Run, baseline: Path) -> None:
    result = run(FakeEngine(), gates=ALL_ON, baseline=baseline)
    assert {v.gate: v.status for v in result.verdicts} == dict.fromkeys(GATES, "pass")
    assert result.outcome.status == 0
    assert result.outcome.headline.startswith("PASS: 2 cases; failed gates: none; ")


@pytest.mark.parametrize(
    ("fault", "gates"),
    [
        ("drift", {"determinism"}),
        ("offline codes", {"offline_codes", "mae_waveform"}),
        ("quiet stream", {"mae_waveform"}),
        ("short stream", {"duration_diff_ms", "snr_baseline_db"}),
        ("no audio", {"not_empty", "rms_min", "rms_max", "peak"}),
        ("empty", {"not_empty", "codes_baseline"}),
        ("nan", {"finite", "rms_min", "rms_max", "peak", "mae_waveform", "repeat_count"}),
        ("silent", {"rms_min", "snr_baseline_db"}),
        ("loud", {"rms_max"}),
        ("clip", {"peak"}),
        ("out of range", {"out_of_range_count", "codes_baseline"}),
        ("repeat", {"repeat_count"}),
        ("truncated", {"truncated"}),
        ("pops", {"pop_click_p95_baseline", "snr_baseline_db"}),
        ("other codes", {"codes_baseline"}),
    ],
)
def test_a_fault_fails_its_gate_with_status_1(run: Run, baseline: Path, fault: str, gates: set[str]) -> None:
    result = run(FakeEngine(faults={"long_01": fault}), gates=ALL_ON, baseline=baseline)
    assert gates <= failed(result)
    assert result.outcome.status == 1
    for gate in gates:
        by_case = verdicts(result, gate)
        if "short_01__ryan" in by_case:
            assert by_case["short_01__ryan"].status == "pass", "the other case is healthy"


def test_a_fault_fails_no_gate_but_its_own(run: Run, baseline: Path) -> None:
    assert failed(run(FakeEngine(faults={"long_01": "drift"}), gates=ALL_ON, baseline=baseline)) == {"determinism"}
    assert failed(run(FakeEngine(faults={"long_01": "truncated"}), gates=ALL_ON, baseline=baseline)) == {"truncated"}
    assert failed(run(FakeEngine(faults={"long_01": "clip"}), gates=ALL_ON, baseline=baseline)) == {"peak"}


def test_drift_names_the_first_frame(run: Run) -> None:
    verdict = verdicts(run(FakeEngine(faults={"long_01": "drift"})), "determinism")["long_01__ryan"]
    assert (verdict.value, verdict.reason) == (2, "first_diff_frame = 9")


def test_drift_at_frame_0_is_named(run: Run) -> None:
    verdict = verdicts(run(FakeEngine(faults={"long_01": "offline codes"})), "offline_codes")["long_01__ryan"]
    assert (verdict.value, verdict.reason) == (False, "offline_first_diff_frame = 0")


def test_other_codes_than_the_baseline_name_the_packet(run: Run, baseline: Path) -> None:
    result = run(FakeEngine(faults={"long_01": "other codes"}), gates=ALL_ON, baseline=baseline)
    verdict = verdicts(result, "codes_baseline")["long_01__ryan"]
    assert verdict.reason == "first different packet 2; 14 frames in the baseline, 14 now"


def test_latency_against_the_baseline_and_against_a_limit(run: Run, baseline: Path) -> None:
    """120 ms in the baseline: 200 ms holds at + 80, 200.5 does not; the limit of 400 is judged without a baseline."""
    assert run(FakeEngine(ttfa_ms=200.0), baseline=baseline).outcome.status == 0
    slow = run(FakeEngine(ttfa_ms=200.5), baseline=baseline)
    assert failed(slow) == {"ttfa_p50_baseline"}
    assert verdicts(slow, "ttfa_p50_baseline")[""].threshold == 200.0
    assert failed(run(FakeEngine(ttfa_ms=401.0), gates=ALL_ON.splitlines()[1])) == {"ttfa_p95"}


def test_one_run_cannot_show_determinism(run: Run) -> None:
    result = run(FakeEngine(), body="runs = 0")
    assert {v.reason for v in result.verdicts if v.gate == "determinism"} == {
        "no value: one streamed run alone shows no drift"
    }
    assert result.outcome.status == 1


def test_no_baseline_is_said_and_is_not_a_pass(run: Run) -> None:
    result = run(FakeEngine())
    for gate in ("ttfa_p50_baseline", "pop_click_p95_baseline", "snr_baseline_db"):
        assert statuses(result, gate) == {"not_comparable"}
    assert statuses(result, "codes_baseline") == {"skipped"}
    assert result.outcome.status == 0
    assert "not comparable: ttfa_p50_baseline" in result.outcome.headline


def test_a_required_gate_without_a_baseline_is_status_3(run: Run) -> None:
    assert run(FakeEngine(), gates="codes_baseline = true").outcome.status == 3
    assert run(FakeEngine(), gates="snr_baseline_db = { required = true }").outcome.status == 3


def test_another_machine_makes_times_not_comparable_and_nothing_else(run: Run, baseline: Path) -> None:
    result = run(FakeEngine(provenance=elsewhere(), ttfa_ms=900.0), gates="codes_baseline = true", baseline=baseline)
    assert result.outcome.status == 0
    assert {v.gate for v in result.verdicts if v.status == "not_comparable"} == {"ttfa_p50_baseline"}
    assert "machine_id: 000000000000 in the baseline, 111111111111 now" in str(
        verdicts(result, "ttfa_p50_baseline")[""].reason
    )


WIDE = Config(stream=StreamConfig(packet_tokens=8))


def test_a_slower_first_packet_fails_whatever_was_set(run: Run, baseline: Path) -> None:
    result = run(FakeEngine(config=WIDE, ttfa_ms=343.0), gates="codes_baseline = true", baseline=baseline)
    verdict = verdicts(result, "ttfa_p50_baseline")[""]
    assert (verdict.status, verdict.threshold, verdict.value) == ("fail", 200.0, 343.0)
    words = "P50 of the baseline 120 + 80; set otherwise: stream.packet_tokens: 4 in the baseline, 8 now"
    assert verdict.reason == words
    assert result.outcome.status == 1 and failed(result) == {"ttfa_p50_baseline"}
    assert statuses(result, "codes_baseline") == {"pass"}, "packets do not decide codes"
    held = run(FakeEngine(config=WIDE, ttfa_ms=130.0), baseline=baseline)
    assert held.outcome.status == 0 and "set otherwise" in str(verdicts(held, "ttfa_p50_baseline")[""].reason)


@pytest.mark.parametrize(
    ("config", "named"),
    [
        (Config(determinism=replace(Config().determinism, level="strict")), "determinism.level: soft"),
        (Config(determinism=replace(Config().determinism, single_thread=True)), "determinism.single_thread: False"),
        (Config(backend=replace(Config().backend, threads=1)), "backend.threads: None"),
        (Config(backend=replace(Config().backend, mkldnn=False)), "backend.mkldnn: None"),
        (Config(engine=replace(Config().engine, codegen_dtype="float64")), "codegen_dtype: auto"),
        (Config(decoder=replace(Config().decoder, mode="oneshot")), "decoder.mode: incremental"),
        (Config(sampling=replace(Config().sampling, policy="seeded")), "sampling.policy: greedy"),
    ],
)
def test_times_are_compared_across_every_setting(run: Run, baseline: Path, config: Config, named: str) -> None:
    result = run(FakeEngine(config=config, ttfa_ms=240.0), baseline=baseline)
    verdict = verdicts(result, "ttfa_p50_baseline")[""]
    assert verdict.status == "fail" and named in str(verdict.reason)
    assert any(named in line for line in result.reference.settings_differ)


def test_threads_in_force_are_named(run: Run, baseline: Path) -> None:
    result = run(FakeEngine(provenance=replace(PROVENANCE, threads=2), ttfa_ms=240.0), baseline=baseline)
    assert "threads: 1 in the baseline, 2 now" in str(verdicts(result, "ttfa_p50_baseline")[""].reason)


def test_how_a_text_is_fed_is_a_setting(run: Run, baseline: Path) -> None:
    result = run(FakeEngine(ttfa_ms=240.0), body='text_mode = "whole"', baseline=baseline)
    verdict = verdicts(result, "ttfa_p50_baseline")[""]
    assert verdict.status == "fail" and "text_mode: streaming in the baseline, whole now" in str(verdict.reason)


@pytest.mark.parametrize("changed", [elsewhere(), replace(PROVENANCE, checkpoint_sha256="d" * 64)])
def test_another_machine_or_model_makes_times_not_comparable(run: Run, baseline: Path, changed: Provenance) -> None:
    result = run(FakeEngine(provenance=changed, ttfa_ms=900.0), baseline=baseline)
    assert statuses(result, "ttfa_p50_baseline") == {"not_comparable"}


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        (FakeEngine(provenance=replace(PROVENANCE, checkpoint_sha256="d" * 64)), "checkpoint_sha256"),
        (FakeEngine(config=Config(sampling=replace(Config().sampling, policy="seeded"))), "sampling.policy"),
        (FakeEngine(config=Config(engine=replace(Config().engine, codegen_dtype="bfloat16"))), "codegen_dtype"),
    ],
)
def test_other_conditions_make_codes_not_comparable(run: Run, baseline: Path, changed: FakeEngine, named: str) -> None:
    result = run(changed, gates="codes_baseline = true", baseline=baseline)
    for gate in ("codes_baseline", "snr_baseline_db", "pop_click_p95_baseline"):
        found = verdicts(result, gate)
        assert {v.status for v in found.values()} == {"not_comparable"}
        assert all(named in str(v.reason) for v in found.values())
    assert result.outcome.status == 3, "codes_baseline is required"


def test_a_greedy_seed_does_not_matter(run: Run, baseline: Path) -> None:
    config = Config(sampling=replace(Config().sampling, seed=7))
    assert run(FakeEngine(config=config), gates="codes_baseline = true", baseline=baseline).outcome.status == 0


def test_a_case_that_the_baseline_lacks_is_not_comparable(run: Run, baseline: Path) -> None:
    result = run(FakeEngine(), texts=("long_01", "new_01"), gates="codes_baseline = true", baseline=baseline)
    found = verdicts(result, "codes_baseline")
    assert found["long_01__ryan"].status == "pass"
    assert found["new_01__ryan"].status == "not_comparable"
    assert statuses(result, "ttfa_p50_baseline") == {"not_comparable"}
    assert result.outcome.status == 3


def test_pins_hold_and_fail(run: Run) -> None:
    pinned = 'runs = 3\n[pins]\n"stream.packet_tokens" = 4\n'
    assert statuses(run(FakeEngine(), body=pinned), "pin:stream.packet_tokens") == {"pass"}
    wide = run(FakeEngine(config=Config(stream=StreamConfig(packet_tokens=8))), body=pinned)
    assert failed(wide) == {"pin:stream.packet_tokens"}
    assert wide.outcome.status == 1
    unset = run(FakeEngine(), body='[pins]\n"sampling.max_new_tokens" = 100\n')
    assert failed(unset) == {"pin:sampling.max_new_tokens"}


def test_no_case_is_status_3(run: Run) -> None:
    result = run(FakeEngine(), body="text_ids = []")
    assert (result.outcome.status, result.info) == (3, None)
    assert result.outcome.headline.startswith("NOT JUDGED: 0 cases")


def test_all_gates_off_is_status_3(run: Run) -> None:
    result = run(FakeEngine(), gates="\n".join(f"{gate} = false" for gate in GATES))
    assert {v.status for v in result.verdicts} == {"skipped"}
    assert result.outcome.status == 3


def test_a_failed_case_is_status_3_and_a_failed_gate_beats_it(run: Run, baseline: Path) -> None:
    result = run(FakeEngine(faults={"long_01": "raise"}), gates=ALL_ON, baseline=baseline)
    assert result.outcome.status == 3
    assert verdicts(result, "peak")["long_01__ryan"].status == "error"
    assert verdicts(result, "peak")["short_01__ryan"].status == "pass"
    assert verdicts(result, "ttfa_p95")[""].status == "error", "a percentile over a part of the cases is no pass"
    assert run(FakeEngine(faults={"long_01": "raise", "short_01": "drift"})).outcome.status == 1


@pytest.mark.parametrize("op", ["<", "<=", "==", "!=", ">=", ">"])
def test_nan_holds_no_gate(op: Operator) -> None:
    nan = float("nan")
    assert not any(holds(a, op, b) for a, b in [(nan, 1.0), (1.0, nan), (nan, nan)])


def test_operators() -> None:
    truth = {op: [bool(holds(a, op, 2)) for a in (1, 2, 3)] for op in ("<", "<=", "==", "!=", ">=", ">")}
    assert truth == {
        "<": [True, False, False],
        "<=": [True, True, False],
        "==": [False, True, False],
        "!=": [True, False, True],
        ">=": [False, True, True],
        ">": [False, False, True],
    }


def test_aggregates_are_percentiles_over_the_cases(run: Run) -> None:
    result = run(FakeEngine(), texts=tuple(f"t{i}" for i in range(5)))
    found = result.aggregates
    scores = [case.observations["pop_click_score"].value for case in result.cases if case.observations]
    values = np.array(scores, np.float64)
    assert found["pop_click_score"].p50 == pytest.approx(np.percentile(values, 50))
    assert found["pop_click_score"].p95 == pytest.approx(np.percentile(values, 95))
    assert (found["pop_click_score"].max, found["pop_click_score"].n) == (values.max(), 5)
    assert (found["snr_baseline_db"].n, found["snr_baseline_db"].reason) == (0, "no baseline given")
    assert "codes_sha256" not in found


def test_aggregates_are_what_numpy_computes_to_the_last_bit() -> None:
    """Values of several magnitudes, with some missing: a summary must not change with the library that computes it."""
    random = np.random.default_rng(5)
    for n in (1, 2, 3, 5, 8, 40):
        times = (10 ** random.uniform(-6, 4, n)).tolist()
        cases = [{"ttfa_ms": observed("ttfa_ms", t), "frames": observed("frames", 7 * i)} for i, t in enumerate(times)]
        without = {"ttfa_ms": observed("ttfa_ms", None, "no PCM came"), "codes_sha256": observed("codes_sha256", "0")}
        found = aggregate_cases([*cases, without])
        expected = (np.percentile(times, 50), np.percentile(times, 95), max(times), n, "ms", None)
        assert found["ttfa_ms"] == Aggregate(*expected)
        assert found["frames"].p95 == np.percentile(np.arange(n) * 7, 95) and set(found) == {"ttfa_ms", "frames"}
    assert aggregate_cases([]) == {}
    assert aggregate_cases([without]) == {"ttfa_ms": Aggregate(None, None, None, 0, "ms", "no PCM came")}
    flags = [{"truncated": observed("truncated", value, "why")} for value in (True, False, None)]
    assert aggregate_cases(flags) == {"truncated": Aggregate(0.5, 0.95, 1.0, 2, "", None)}


@pytest.mark.parametrize(("on", "status"), [("true", 1), ("false", 0), ("1", 0), ("0", 1)])
def test_a_run_that_stopped_for_six_seconds_is_listed_and_fails_the_gate_on_stalls(
    run: Run, on: str, status: int
) -> None:
    """The first run's times are as ever: only the third stream of one text stops, before its third packet."""
    result = run(FakeEngine(faults={"long_01": "stall"}), body="runs = 3\n", gates=f"stalls = {on}\n")
    cases = {case.case.id: case for case in result.cases}
    stalled, healthy = cases["long_01__ryan"], cases["short_01__ryan"]
    assert stalled.observations is not None and healthy.observations is not None
    assert (stalled.observations["stalls"].value, healthy.observations["stalls"].value) == (1, 0)
    assert stalled.stalls == (StalledRun("repeat_2", 2, 6050.0, 50.0),)
    assert "long_01__ryan: stall in repeat_2, before packet 2: 6050 ms against a median of 50 ms" in result.notes
    assert [run.total_s for run in stalled.runs if run.run == "repeat_2"] == [pytest.approx(6.27)]
    assert result.aggregates["stalls"].max == 1
    assert result.outcome.status == status and failed(result) == ({"stalls"} if status else set())


def test_stalls_of_too_few_runs_and_packets_are_not_known_and_fail_their_gate(run: Run) -> None:
    result = run(FakeEngine(frames=8), body="runs = 1\n", gates="stalls = true\n")
    for verdict in verdicts(result, "stalls").values():
        assert verdict.status == "fail" and "fewer than 3" in (verdict.reason or "")
