"""Conclusions: what must fail fails, and what was not run, or ran badly, never holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.sweep.sweep_fakes import codes_of, drifting, failing, result_of, run, skipped, steady, write_experiment
from ttsctl.runs.job import Job
from ttsctl.sweep.machines import code_groups, machine_spreads, machines
from ttsctl.sweep.result import rows_by_machine
from ttsctl.sweep.run_table import run_table

A_B = '[[condition]]\nname = "a"\n[[condition]]\nname = "b"\nset = { "stream.packet_tokens" = 8 }\n'


def concluded(tmp_path: Path, work: Any, expect: Any, extra: Any = "", body: Any = A_B) -> Any:
    """(outcome, reason, exit status) of one conclusion."""
    conclusion = f'[[conclusion]]\nquestion = "Is it?"\nexpect = "{expect}"\n{extra}\n'
    result = run(write_experiment(tmp_path, body + conclusion), work)
    (judgement,) = result.judgements
    return judgement.outcome, judgement.reason, result.outcome.status


def skipping(job: Job) -> Any:
    if job.condition == "b":
        return skipped(job, "needs a thing")
    return steady(job)


def test_what_holds_tells_its_power(tmp_path: Path) -> None:
    outcome, reason, status = concluded(tmp_path, steady, "hash_unique == 1 and errors == 0")
    assert (outcome, status) == ("holds", 0)
    assert reason.startswith("a, b: ") and "≤ 64 %" in reason


def test_what_holds_of_named_conditions_tells_the_power_of_each(tmp_path: Path) -> None:
    expect = "hash_unique[b] == 1 and reference_codes_differ[a] <= 0"
    path = write_experiment(tmp_path, A_B + f'[[conclusion]]\nquestion = "Is it?"\nexpect = "{expect}"\n')
    (judgement,) = run(path, steady).judgements
    assert judgement.outcome == "holds" and judgement.conclusion.conditions == ("a", "b")
    assert all(f"{name}: 3 clean runs bound the drift rate" in judgement.reason for name in "ab")


def test_a_claim_from_one_run_says_so(tmp_path: Path) -> None:
    outcome, reason, _ = concluded(tmp_path, steady, "reference_codes_differ == 0", body="repeats = 1\n")
    assert outcome == "holds" and "a single run bounds the drift rate at ≤ 95 %" in reason


def test_planted_drift_fails(tmp_path: Path) -> None:
    outcome, reason, status = concluded(tmp_path, drifting, "hash_unique == 1")
    assert (outcome, status) == ("fails", 1)
    assert reason == "b: hash_unique = 2"


def test_drift_is_not_held_against_others(tmp_path: Path) -> None:
    outcome, _, status = concluded(tmp_path, drifting, "hash_unique == 1", 'conditions = ["a"]')
    assert (outcome, status) == ("holds", 0)


def test_over_all_pools_the_runs(tmp_path: Path) -> None:
    def work(job: Job) -> Any:
        codes = codes_of(job)
        codes[7:] += job.condition == "b"
        return result_of(job, codes)

    assert concluded(tmp_path / "each", work, "hash_unique == 1")[0] == "holds"
    assert concluded(tmp_path / "all", work, "hash_unique == 1", 'over = "all"')[:2] == (
        "fails",
        "all: hash_unique = 2",
    )


@pytest.mark.parametrize("over", ["each", "all"])
def test_skipped_never_holds(tmp_path: Path, over: Any) -> None:
    outcome, reason, status = concluded(tmp_path, skipping, "hash_unique == 1", f'over = "{over}"')
    assert (outcome, status) == ("not judged", 3)
    assert "needs a thing" in reason


def test_skipped_beside_what_fails_fails(tmp_path: Path) -> None:
    outcome, _, status = concluded(tmp_path, skipping, "hash_unique == 2")
    assert (outcome, status) == ("fails", 1)


@pytest.mark.parametrize("over", ["each", "all"])
def test_a_failed_run_keeps_the_rest_from_holding(tmp_path: Path, over: Any) -> None:
    """The run that is missing may be the one that drifts."""
    outcome, reason, status = concluded(tmp_path, failing, "hash_unique == 1", f'over = "{over}"')
    assert (outcome, status) == ("not judged", 3)
    assert "2 runs of b failed (RuntimeError: the fake engine broke)" in reason


def test_errors_can_be_asked_for(tmp_path: Path) -> None:
    assert concluded(tmp_path / "none", failing, "errors == 0")[0] == "fails"
    only_b = 'conditions = ["b"]'
    assert concluded(tmp_path / "some", failing, "errors == 2 and runs == 4", only_b)[0] == "holds"
    assert concluded(tmp_path / "more", failing, "errors == 2 and hash_unique == 1", only_b)[0] == "not judged"
    assert concluded(tmp_path / "skipped", skipping, "errors == 0")[0] == "not judged"


def test_conditions_against_each_other(tmp_path: Path) -> None:
    def work(job: Job) -> Any:
        return result_of(job, codes_of(job), timings={"ttfa_ms": 90.0 if job.condition == "b" else 100.0})

    assert concluded(tmp_path / "1", work, "ttfa_p50_ms[b] <= ttfa_p50_ms[a]")[0] == "holds"
    assert concluded(tmp_path / "2", work, "ttfa_p50_ms[b] <= 0.8 * ttfa_p50_ms[a]")[0] == "fails"
    assert concluded(tmp_path / "3", skipping, "ttfa_p50_ms[b] <= ttfa_p50_ms[a]")[0] == "not judged"
    assert concluded(tmp_path / "4", failing, "ttfa_p50_ms[b] <= ttfa_p50_ms[a]")[0] == "not judged"


def test_one_run_is_not_stable(tmp_path: Path) -> None:
    outcome, reason, _ = concluded(tmp_path, steady, "hash_unique == 1", body="repeats = 1\n")
    assert outcome == "not judged" and "one run of a text alone shows no drift" in reason


def test_without_conclusions_nothing_is_judged(tmp_path: Path) -> None:
    assert run(write_experiment(tmp_path), steady).outcome.status == 3


def on_machines(within: Any) -> Any:
    """Repeats go to two machines in turn; the second gives other codes, ``within``: only at some of its repeats."""

    def work(job: Job) -> Any:
        second = job.repeat % 2 == 0
        codes = codes_of(job)
        codes[9, 0] += second and (not within or job.repeat == 2)
        result = result_of(job, codes)
        assert result.provenance is not None
        provenance = replace(result.provenance, machine_id=("b" if second else "a") * 64)
        return result_of(job, codes, provenance=provenance, host="other" if second else "here")

    return work


def test_codes_that_differ_between_machines_only(tmp_path: Path) -> None:
    def result_on(place: Any, within: Any) -> Any:
        return run(write_experiment(tmp_path / place, "repeats = 4\n", texts=("one",)), on_machines(within))

    result = result_on("between", False)
    assert [m.runs for m in machines(result.runs)] == [2, 2]
    (spread,) = machine_spreads(result.runs)
    assert (spread.spread, spread.first_diff_frame) == ("differs between machines only", 9)
    assert set(spread.hashes) == {"here (" + "a" * 8 + ")", "other (" + "b" * 8 + ")"}
    assert [row.value("hash_unique") for row in rows_by_machine(result)["base"].values()] == [1, 1]
    assert result.rows["base"].value("hash_unique") == 2
    assert [(g.conditions, g.hosts) for g in code_groups(result.runs)] == [
        ({"base": 2}, ("here",)),
        ({"base": 2}, ("other",)),
    ]
    (spread,) = machine_spreads(result_on("within", True).runs)
    assert spread.spread == "differs within a machine"


def test_equal_codes_on_two_machines(tmp_path: Path) -> None:
    def work(job: Job) -> Any:
        result = steady(job)
        assert result.codes is not None and result.provenance is not None
        return result_of(job, result.codes, provenance=replace(result.provenance, machine_id=str(job.repeat)))

    result = run(write_experiment(tmp_path), work)
    assert {s.spread for s in machine_spreads(result.runs)} == {"one result"}


def test_a_run_that_failed_counts_for_its_hosts_machine(tmp_path: Path) -> None:
    result = run(write_experiment(tmp_path, A_B), failing)
    result_here = [r for r in result.results if r.error is None]
    assert {r.host for r in result_here} == {"here"}
    # The fake's host is not this machine, so its failed runs stand for a machine of their own.
    assert len(machines(result.runs)) == 2
    assert len(machines(run_table(result_here))) == 1
