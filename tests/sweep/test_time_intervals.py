"""A conclusion about time says how sure it is, and is not judged where the runs do not tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.sweep.sweep_fakes import codes_of, result_of, run, write_experiment
from ttsctl.runs.job import Job, JobResult
from ttsctl.sweep.result import SweepResult
from ttsctl.sweep.time_intervals import TimeInterval, judged

AB = """
[[condition]]
name = "a"
[[condition]]
name = "b"
set = { "stream.packet_tokens" = 8 }
[[conclusion]]
question = "Is b no later than a?"
expect = "ttfa_p50_ms[b] <= 1.1 * ttfa_p50_ms[a]"
"""


def swept(folder: Path, ttfa_ms: Callable[[Job], float], repeats: int = 12, body: str = AB) -> SweepResult:
    """A sweep in which the time to first audio is as this says."""

    def work(job: Job) -> JobResult:
        return result_of(job, codes_of(job), timings={"ttfa_ms": ttfa_ms(job), "total_s": ttfa_ms(job) / 1000})

    return run(write_experiment(folder, f"repeats = {repeats}\nwarmup = 0\n{body}", texts=("one",)), work)


def noise(job: Job) -> float:
    """The same distribution for every condition: ±15 %, with one answer for each run."""
    seed = [job.repeat, len(job.condition), ord(job.condition[0])]
    return 100 * (1 + 0.15 * float(np.random.default_rng(seed).uniform(-1, 1)))


def answer(result: SweepResult) -> tuple[str, str]:
    judgement = result.judgements[0]
    return judgement.outcome, judgement.reason


def test_a_clear_difference_is_judged_with_its_interval(tmp_path: Path) -> None:
    slower = swept(tmp_path / "slower", lambda job: noise(job) * (1.5 if job.condition == "b" else 1))
    assert answer(slower)[0] == "fails"
    quicker = swept(tmp_path / "quicker", lambda job: noise(job) * (0.5 if job.condition == "b" else 1))
    outcome, reason = answer(quicker)
    assert outcome == "holds"
    assert "ttfa_p50_ms[b] - 1.1 * ttfa_p50_ms[a] = -" in reason and "95% from -" in reason
    assert "(12 runs, paired by repeat)" in reason
    (finding,) = quicker.judgements[0].findings.values()
    (interval,) = finding.intervals
    assert interval.low < interval.value < interval.high < 0 and interval.unit == "ms" and interval.paired


def test_conditions_of_different_voices_are_judged_unpaired(tmp_path: Path) -> None:
    """They have no case in common."""
    entries = ", ".join(f'{{"id": "{name}", "speaker": "{name}"}}' for name in ("ryan", "eric"))
    (tmp_path / "voices.json").write_text(f'{{"schema_version": "1.0", "voices": [{entries}]}}', encoding="utf-8")
    body = AB.replace('name = "a"', 'name = "a"\nvoice_ids = ["ryan"]')
    body = body.replace('name = "b"', 'name = "b"\nvoice_ids = ["eric"]')
    slower = swept(tmp_path, lambda job: noise(job) * (1.5 if job.condition == "b" else 1), body=body)
    assert answer(slower)[0] == "fails"
    (finding,) = slower.judgements[0].findings.values()
    assert [(interval.paired, interval.runs) for interval in finding.intervals] == [(False, 12)]


def test_an_answer_within_the_spread_is_not_judged_whatever_side_the_medians_are_on(tmp_path: Path) -> None:
    """With nothing changed, four sweeps of three repeats ended 1, 0, 1, 0."""

    def near(job: Job) -> float:
        return noise(job) * (1.1 if job.condition == "b" else 1)

    medians = set()
    for number in range(6):
        result = swept(tmp_path / str(number), lambda job, shift=number: near(_moved(job, 100 * shift)))  # type: ignore[misc]
        outcome, reason = answer(result)
        assert outcome == "not judged" and "spans 0" in reason
        a, b = (result.rows[name].value("ttfa_p50_ms") for name in "ab")
        assert a is not None and b is not None
        medians.add(b <= 1.1 * a)
    assert medians == {True, False}, "point against point, nothing changed gives both answers"


def _moved(job: Job, by: int) -> Job:
    return replace(job, repeat=job.repeat + by)


@pytest.mark.parametrize(("repeats", "outcome"), [(5, "not judged"), (6, "holds")])
def test_too_few_repeats_are_not_judged(repeats: int, outcome: str, tmp_path: Path) -> None:
    result = swept(tmp_path, lambda job: 50.0 if job.condition == "b" else 100.0 + job.repeat, repeats)
    assert answer(result)[0] == outcome
    if repeats < 6:
        assert "5 runs are too few for an interval, which takes 6" in answer(result)[1]


def test_a_false_relation_of_counts_still_fails_and_a_true_one_needs_no_interval(tmp_path: Path) -> None:
    body = AB.replace("ttfa_p50_ms[b] <= 1.1 * ttfa_p50_ms[a]", "runs[a] == 3 and ttfa_max_ms[b] < 200")
    assert answer(swept(tmp_path, noise, 3, body))[0] == "holds"
    body = AB.replace("ttfa_p50_ms[b] <= 1.1 * ttfa_p50_ms[a]", "runs[a] == 4 and ttfa_p50_ms[b] < 200")
    assert answer(swept(tmp_path / "other", noise, 3, body))[0] == "fails"


def test_a_limit_in_ms_has_an_interval_too(tmp_path: Path) -> None:
    body = AB.replace("ttfa_p50_ms[b] <= 1.1 * ttfa_p50_ms[a]", "ttfa_p50_ms < 100")
    outcome, reason = answer(swept(tmp_path, noise, 12, body))
    assert outcome == "not judged" and "ttfa_p50_ms - 100 = " in reason and "not paired" in reason
    body = AB.replace("ttfa_p50_ms[b] <= 1.1 * ttfa_p50_ms[a]", "200 >= ttfa_p50_ms")
    assert answer(swept(tmp_path / "other", noise, 12, body))[0] == "holds"


def order_of(folder: Path, body: str, repeats: int = 3) -> list[str]:
    done: list[str] = []

    def work(job: Job) -> JobResult:
        done.append(f"{job.condition}{job.repeat}")
        return result_of(job, job.codes if job.codes is not None else codes_of(job))

    run(write_experiment(folder, f"repeats = {repeats}\n{body}", texts=("one",)), work)
    return done


def test_repeats_take_turns_only_where_a_question_is_about_times(tmp_path: Path) -> None:
    assert order_of(tmp_path / "times", AB) == ["a1", "b1", "b2", "a2", "a3", "b3"]
    body = AB.replace("ttfa_p50_ms[b] <= 1.1 * ttfa_p50_ms[a]", "hash_unique == 1")
    assert order_of(tmp_path / "codes", body) == ["a1", "a2", "a3", "b1", "b2", "b3"]


def test_decode_runs_take_their_turn_after_the_codes_they_need(tmp_path: Path) -> None:
    decode = '[[condition]]\nname = "c"\nrun = "decode"\ncodes_of = "a"\n'
    assert order_of(tmp_path, decode + AB, 2) == ["a1", "b1", "c1", "b2", "a2", "c2"]


def test_a_machine_that_slows_down_for_a_while_slows_all_conditions(tmp_path: Path) -> None:
    """Condition after condition, only the second would have met the slow half; taking turns, both do."""
    made: list[str] = []

    def slow_later(job: Job) -> float:
        made.append(job.id)
        return noise(job) * (3.0 if len(made) > 12 else 1.0)

    assert answer(swept(tmp_path, slow_later, 12))[0] != "fails"


@pytest.mark.parametrize(
    ("low", "high", "sign", "wanted"),
    [
        (-2.0, -1.0, "<=", "holds"),
        (1.0, 2.0, "<=", "fails"),
        (-1.0, 2.0, "<=", "not judged"),
        (-1.0, 0.0, "<=", "holds"),
        (0.0, 0.0, "<", "fails"),
        (0.0, 2.0, "<", "fails"),
        (1.0, 2.0, ">", "holds"),
        (-2.0, -1.0, ">=", "fails"),
        (0.0, 2.0, ">=", "holds"),
        (-1.0, 2.0, ">", "not judged"),
        (1.0, 2.0, "==", "fails"),
        (1.0, 2.0, "!=", "holds"),
        (-1.0, 2.0, "==", "not judged"),
    ],
)
def test_what_an_interval_decides(low: float, high: float, sign: str, wanted: str) -> None:
    assert judged(TimeInterval("a - b", (low + high) / 2, low, high, "ms", 0.95, 12, True), sign) == wanted
