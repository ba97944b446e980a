"""Rows of the table: planted drift is found where it was planted, and what cannot be known is missing with a reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.sweep.sweep_fakes import (
    InlinePool,
    codes_of,
    drifting,
    failing,
    pcm_of,
    result_of,
    run,
    skipped,
    steady,
    trace_of,
    write_experiment,
)
from ttsctl.core.audio import pcm_sha256
from ttsctl.core.metric import metric
from ttsctl.runs.job import Job
from ttsctl.sweep.metrics import METRICS
from ttsctl.sweep.summary import definitions
from ttsctl.sweep.topk import topk_diff

A_B = '[[condition]]\nname = "a"\n[[condition]]\nname = "b"\nset = { "stream.packet_tokens" = 8 }\n'


def figures(row: Any, *names: Any) -> Any:
    return tuple(row.metrics[name].value for name in names)


def test_steady_runs(tmp_path: Path) -> None:
    result = run(write_experiment(tmp_path, A_B), steady)
    for row in (*result.rows.values(), result.total):
        assert figures(row, "hash_unique", "first_packet_hash_unique", "pcm_hash_unique", "errors") == (1, 1, 1, 0)
        assert figures(row, "first_diff_frame", "reference_first_diff_frame", "drifted_runs") == (None, None, 0)
        assert row.metrics["first_diff_frame"].reason == "all runs are equal" and row.worst_case is None
    assert result.rows["a"].power == "3 clean runs bound the drift rate at ≤ 64 % (95 %) for each text"
    assert result.total.value("runs") == 12
    assert result.total.value("drift_bound") == pytest.approx(1 - 0.05 ** (1 / 6))


def test_planted_drift_is_found(tmp_path: Path) -> None:
    result = run(write_experiment(tmp_path, A_B), drifting)
    assert result.rows["a"].value("hash_unique") == 1
    row = result.rows["b"]
    assert figures(row, "hash_unique", "first_diff_frame", "drifted_runs", "drift_bound") == (2, 5, 1, None)
    # Packets of 8 frames hold frame 5; over both conditions the first 4 frames are compared, and these are equal.
    assert row.value("first_packet_hash_unique") == 2 and result.total.value("first_packet_hash_unique") == 1
    assert row.worst_case == "two__ryan" and row.power == "drift: 1 of 3 runs differ from the first"
    assert row.metrics["drift_bound"].reason == "drift was seen"
    assert figures(row, "reference_first_diff_frame", "reference_codes_differ") == (5, 1)
    assert figures(result.total, "hash_unique", "first_diff_frame") == (2, 5)


def test_a_difference_between_conditions_alone(tmp_path: Path) -> None:
    def work(job: Job) -> Any:
        codes = codes_of(job)
        codes[7:] += job.condition == "b"
        return result_of(job, codes)

    result = run(write_experiment(tmp_path, A_B), work)
    assert [row.value("hash_unique") for row in result.rows.values()] == [1, 1]
    assert figures(result.total, "hash_unique", "first_diff_frame", "drifted_runs") == (2, 7, 6)
    assert figures(result.rows["b"], "first_diff_frame", "reference_first_diff_frame") == (None, 7)
    assert result.rows["b"].value("reference_codes_differ") == 6
    # It is the setting, and no drift: each condition repeats itself.
    assert result.total.metrics["drift_bound"].reason == "its conditions differ"
    assert result.total.power == "3 of 6 runs differ from the first, but none from its own condition's"


def test_errors_are_counted_and_not_tried_again(tmp_path: Path) -> None:
    pool = InlinePool()
    result = run(write_experiment(tmp_path, A_B), failing, pool)
    assert figures(result.rows["b"], "runs", "errors") == (4, 2) and figures(result.rows["a"], "runs", "errors") == (
        6,
        0,
    )
    assert result.rows["b"].first_error == "RuntimeError: the fake engine broke"
    assert len(pool.done) == len(set(pool.done)) == 12


def test_one_run_shows_no_drift(tmp_path: Path) -> None:
    result = run(write_experiment(tmp_path, "repeats = 1\n"), steady)
    row = result.rows["base"]
    for name in ("hash_unique", "first_packet_hash_unique", "pcm_hash_unique", "drifted_runs", "first_diff_frame"):
        assert row.metrics[name].value is None
        assert row.metrics[name].reason == "one run of a text alone shows no drift"
    assert row.value("drift_bound") == pytest.approx(0.95)


def test_skipped_is_told_and_never_a_number(tmp_path: Path) -> None:
    def work(job: Job) -> Any:
        if job.condition == "b":
            return skipped(job, "needs 1 CUDA device, 0 there")
        return steady(job)

    row = run(write_experiment(tmp_path, A_B), work).rows["b"]
    assert row.skipped == "skipped: needs 1 CUDA device, 0 there" and row.power == row.skipped
    assert row.value("skipped_runs") == 6
    assert all(o.value is None and o.reason for name, o in row.metrics.items() if name != "skipped_runs")


def test_decode_runs_are_judged_by_their_audio(tmp_path: Path) -> None:
    body = '[[condition]]\nname = "a"\n[[condition]]\nname = "d"\nrun = "decode"\ncodes_of = "a"\n'

    def work(job: Job) -> Any:
        pcm = pcm_of(codes_of(job)) + np.float32(0.001) * (job.condition == "d" and job.repeat == 2)
        return result_of(job, codes_of(job), pcm=pcm, pcm_sha256=pcm_sha256(pcm))

    result = run(write_experiment(tmp_path, body), work)
    row = result.rows["d"]
    for name in ("hash_unique", "first_diff_frame"):
        reason = row.metrics[name].reason
        assert row.value(name) is None and reason is not None and "given" in reason
    assert figures(row, "pcm_hash_unique", "drifted_runs", "reference_pcm_differ") == (2, 2, 2)
    # The codes of all conditions together are those of the runs that made some.
    assert figures(result.total, "hash_unique", "pcm_hash_unique") == (1, 2)


def test_audio_is_held_against_the_references(tmp_path: Path) -> None:
    def work(job: Job) -> Any:
        pcm = pcm_of(codes_of(job)) * np.float32(1.0 if job.condition == "a" else 0.9)
        return result_of(job, codes_of(job), pcm=pcm, pcm_sha256=pcm_sha256(pcm))

    result = run(write_experiment(tmp_path, A_B, texts=("one",)), work)
    assert result.rows["a"].value("reference_mae") == 0.0
    codes = result.results[0].codes
    assert codes is not None
    pcm = pcm_of(codes)
    assert result.rows["b"].value("reference_mae") == pytest.approx(0.1 * np.abs(pcm).mean(), rel=1e-3)


def test_audio_that_was_not_kept_is_not_taken_for_equal(tmp_path: Path) -> None:
    """Only the first run's audio is kept. A later one that differs from it has a hash, and no known distance."""

    def work(job: Job) -> Any:
        pcm = pcm_of(codes_of(job)) * np.float32(0.5 if (job.condition, job.repeat) == ("b", 2) else 1.0)
        return result_of(job, codes_of(job), pcm=pcm, pcm_sha256=pcm_sha256(pcm))

    rows = run(write_experiment(tmp_path, A_B, texts=("one",)), work).rows
    assert rows["a"].value("reference_mae") == 0.0 and rows["b"].value("reference_pcm_differ") == 1
    assert rows["b"].value("reference_mae") is None
    reason = rows["b"].metrics["reference_mae"].reason
    assert reason is not None and "audio is kept of first runs alone" in reason


def test_percentiles_are_those_of_numpy(tmp_path: Path) -> None:
    times = iter(np.random.default_rng(0).uniform(50, 500, 6))
    kept = []

    def work(job: Job) -> Any:
        kept.append(float(next(times)))
        return result_of(job, codes_of(job), timings={"ttfa_ms": kept[-1], "rtf": None})

    row = run(write_experiment(tmp_path), work).rows["base"]
    assert row.value("ttfa_p50_ms") == pytest.approx(np.percentile(kept, 50))
    assert row.value("ttfa_p95_ms") == pytest.approx(np.percentile(kept, 95))
    assert row.value("rtf_p50") is None and row.metrics["rtf_p50"].reason


def test_pops_that_move(tmp_path: Path) -> None:
    def work(job: Job) -> Any:
        return result_of(job, codes_of(job), pops=(100, 2000 + 10 * (job.condition == "b")))

    result = run(write_experiment(tmp_path, A_B), work)
    assert figures(result.rows["a"], "pops", "pops_unique") == (2, 1)
    assert figures(result.total, "pops", "pops_unique") == (2, 2)


@pytest.mark.parametrize(("shift", "ids"), [(None, None), ((3, 7), None), (None, (11, 15)), ((6, 0), (2, 4))])
def test_topk_against_a_plain_walk(shift: Any, ids: Any) -> None:
    codes = np.random.default_rng(1).integers(0, 2048, (12, 16))
    a, b = trace_of(codes).draws, trace_of(codes, shift, ids).draws
    found = topk_diff(a, b)
    apart: dict[str, list[tuple[int, int]]] = {"ids": [], "logits": []}
    for row in range(len(a.frame)):
        place = (int(a.frame[row]), int(a.codebook[row]))
        apart["ids"] += [place] * (a.best[row].tolist() != b.best[row].tolist())
        apart["logits"] += [place] * (a.logits[row].tobytes() != b.logits[row].tobytes())
    assert (found.ids_differ, found.logits_differ) == (len(apart["ids"]), len(apart["logits"]))
    assert found.first_ids == min(apart["ids"], default=None) == ids
    assert found.first_logits == min(apart["logits"], default=None) == shift
    assert found.first == min([p for p in (shift, ids) if p], default=None)
    for book in range(16):
        assert found.ids_frames[book] == min((f for f, b in apart["ids"] if b == book), default=None)
        assert found.logits_frames[book] == min((f for f, b in apart["logits"] if b == book), default=None)


def test_masked_logits_are_equal_to_themselves() -> None:
    draws = trace_of(np.zeros((2, 16), np.int64)).draws
    draws.logits[3] = -np.inf
    draws.logits[4] = np.nan
    assert topk_diff(draws, draws).logits_differ == 0


def test_topk_of_conditions(tmp_path: Path) -> None:
    def work(job: Job) -> Any:
        trace = trace_of(codes_of(job), (4, 9) if job.condition == "b" and job.repeat > 1 else None)
        return result_of(job, codes_of(job), trace=trace)

    result = run(write_experiment(tmp_path, A_B), work)
    assert figures(result.rows["a"], "topk_ids_differ", "topk_logits_differ") == (0, 0)
    assert figures(result.rows["b"], "topk_first_diff_frame", "topk_ids_differ") == (4, 0)
    assert result.rows["b"].value("topk_logits_differ") == 12 * 16 - (4 * 16 + 9)


def test_every_metric_has_a_definition() -> None:
    assert set(definitions()) == set(METRICS)
    assert metric("ttfa_ms").definition in definitions()["ttfa_p95_ms"]
