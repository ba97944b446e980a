"""What does the runs: worker processes that may die, and the one engine that a process keeps."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.fakes import FakeEngine
from tests.near_tie import write_near_tie
from tests.sweep.sweep_fakes import InlinePool, dying, own_pid, prepared, run, steady, write_experiment
from ttsctl.core.config import Config
from ttsctl.core.engine import Engine
from ttsctl.core.errors import InputError
from ttsctl.core.request import Request, Voice
from ttsctl.runs import run_job as run_job_module
from ttsctl.runs.engines import load_engine
from ttsctl.runs.executors import open_pool
from ttsctl.runs.job import Job, JobResult
from ttsctl.runs.job_kinds import run_once
from ttsctl.runs.requirement import Requirement
from ttsctl.runs.run_job import KEPT_BYTES, EngineCache, process_cache, run_job
from ttsctl.sweep.run import run_experiment
from ttsctl.sweep.session import refuse_if_nothing_could_run
from ttsctl.sweep.store import open_store

A_B = '[[condition]]\nname = "a"\n[[condition]]\nname = "b"\nset = { "stream.packet_tokens" = 8 }\n'
SHORT = "warmup = 0\nrepeats = 2\n[sampling]\nmax_new_tokens = 6\n"


def test_a_worker_that_dies_is_an_error_of_its_run_alone(tmp_path: Path) -> None:
    experiment, configs = prepared(write_experiment(tmp_path, A_B, texts=("one",)))
    with open_store(tmp_path / "out", "exp", "k" * 64, fresh=False) as store, open_pool("local", 1) as pool:
        result = run_experiment(experiment, configs, dying, pool, store)
        store.remove()
    assert [r.error is None for r in result.results] == [True, False, True, True, True, True]
    assert "the worker process that ran it died" in (result.results[1].error or "")
    pids = {r.run.notes for r in result.results if r.run}
    assert len(pids) == 2 and (str(os.getpid()),) not in pids


def test_what_cuda_reads_at_its_start_has_processes_of_its_own(tmp_path: Path) -> None:
    body = "".join(f'[[condition]]\nname = "{name}"\nset = {{ {key} }}\n' for name, key in SETTLED.items())
    pool = InlinePool()
    run(write_experiment(tmp_path, "repeats = 1\n" + body, texts=("one",)), steady, pool)
    assert [done.partition("/")[0] for done in pool.done] == [
        "soft",
        "two_threads",
        "renewed",
        "strict",
        "renewed",
        "workspace",
        "renewed",
        "benchmark",
    ]


SETTLED = {
    "soft": "",
    "two_threads": '"backend.threads" = 2',
    "strict": '"determinism.level" = "strict"',
    "workspace": '"backend.cublas_workspace" = ":16:8"',
    "benchmark": '"backend.cudnn_benchmark" = true',
}


@pytest.mark.slow
def test_new_processes_are_new() -> None:
    with open_pool("local", 1) as opened:
        # What a local pool hands over need not be a job.
        pool: Any = opened
        first = pool.submit(own_pid, None).result()
        assert pool.submit(own_pid, None).result() == first
        pool.renew()
        assert pool.submit(own_pid, None).result() != first


def test_jobs_belong_to_the_local_executor() -> None:
    with pytest.raises(InputError, match="the cluster has its own workers"), open_pool("dask://127.0.0.1:1", 2):
        pass


@pytest.mark.parametrize(
    ("requirement", "unmet"),
    [
        (Requirement("cores", 1), None),
        (Requirement("cores", 10_000), "needs 10000 CPU cores"),
        (Requirement("cuda", 1000), "needs 1000 CUDA devices"),
    ],
)
def test_what_a_machine_lacks_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, requirement: Requirement, unmet: str | None
) -> None:
    ran = []

    def noted(self: EngineCache, job: Job) -> JobResult:
        ran.append(job.id)
        return steady(job)

    monkeypatch.setattr(EngineCache, "run", noted)
    experiment, configs = prepared(write_experiment(tmp_path, A_B))
    pool = InlinePool()
    with open_store(tmp_path / "out", "exp", "k" * 64, fresh=False) as store:

        def work(job: Job) -> JobResult:
            return run_job(replace(job, requires=(requirement,)))

        result = run_experiment(experiment, configs, work, pool, store)
    assert len(ran) == (0 if unmet else 12)
    for row in result.rows.values():
        assert (row.skipped or "").startswith(f"skipped: {unmet}" if unmet else "")


def switches() -> tuple[int, Any, bool]:
    return (torch.get_num_threads(), torch.backends.mkldnn.enabled, torch.are_deterministic_algorithms_enabled())


@pytest.fixture
def keeper() -> Iterator[EngineCache]:
    found = EngineCache()
    yield found
    found.close()


class Weighs(FakeEngine):
    """An engine that says how large it is."""

    weight_bytes = 0


@pytest.mark.parametrize(
    ("weight", "loads"),
    [
        pytest.param(1000, 2, id="small engines stay loaded beside each other"),
        pytest.param(KEPT_BYTES + 1, 4, id="two large ones need not fit"),
        pytest.param(None, 4, id="one that does not say counts as large"),
    ],
)
def test_conditions_that_take_turns_are_not_loaded_each_time(
    weight: int | None, loads: int, keeper: EngineCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[FakeEngine] = []

    def load(config: Config) -> FakeEngine:
        assert sum(not engine.closed for engine in loaded) <= (1 if weight == 1000 else 0), "room is made before"
        engine = FakeEngine(config) if weight is None else Weighs(config)
        if isinstance(engine, Weighs):
            engine.weight_bytes = weight or 0
        loaded.append(engine)
        return engine

    monkeypatch.setattr("ttsctl.runs.run_job.load_engine", load)
    request = Request("One.", Voice("v"), text_id="t")
    for repeat, name in ((1, "a"), (1, "b"), (2, "b"), (2, "a"), (3, "a"), (3, "b")):
        result = keeper.run(Job(name, "t", repeat, Config(), request, warmup=1))
        assert result.error is None, result.error
    assert len(loaded) == loads
    # Every engine was warmed up once, before its first counted run.
    assert sum(len(engine.calls) for engine in loaded) == 6 + loads
    keeper.close()
    assert all(engine.closed for engine in loaded)


def test_each_condition_has_its_engine_and_the_process_its_switches(
    tmp_path: Path, keeper: EngineCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between conditions, and in the end, the process is as it was before the first."""
    body = SHORT + '[[condition]]\nname = "one"\nset = { "backend.threads" = 1, "backend.mkldnn" = false }\n'
    body += '[[condition]]\nname = "found"\n[[condition]]\nname = "strict"\nset = { "determinism.level" = "strict" }\n'
    body += '[[condition]]\nname = "broken"\nset = { "engine.checkpoint" = "no/such/folder" }\n'
    body += '[[condition]]\nname = "after"\n'
    loaded = []

    def load(config: Config) -> Engine:
        loaded.append(config)
        return load_engine(config)

    monkeypatch.setattr(run_job_module, "load_engine", load)
    before = switches()
    result = run(write_experiment(tmp_path, body, texts=("one",)), keeper.run)
    assert switches() == before
    # Two runs on one engine; one that cannot be loaded is asked for by each run.
    assert len(loaded) == 6
    rows = result.rows
    assert [row.value("errors") for row in rows.values()] == [0, 0, 0, 2, 0], [row.first_error for row in rows.values()]
    assert "no/such/folder" in (rows["broken"].first_error or "")
    force = {r.condition: r.info.in_force for r in result.results if r.info}
    assert (force["one"]["threads"], force["one"]["mkldnn"]) == (1, False)
    for name in ("found", "after"):
        assert (force[name]["threads"], force[name]["mkldnn"]) == before[:2]
        assert not force[name]["deterministic_algorithms"]
    assert force["strict"]["deterministic_algorithms"]


def test_a_checkpoint_that_is_not_there_is_bad_input(tmp_path: Path, keeper: EngineCache) -> None:
    """Not a table in which every run failed; and nothing is kept that would make the next sweep fail too."""
    body = '[engine]\ncheckpoint = "no/such/folder"\n'
    experiment, configs = prepared(write_experiment(tmp_path, body))
    with open_store(tmp_path / "out", "exp", "k" * 64, fresh=False) as store:
        result = run_experiment(experiment, configs, keeper.run, InlinePool(), store)
        with pytest.raises(InputError, match="no/such/folder"):
            refuse_if_nothing_could_run(result, store)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_run_that_takes_too_long(tmp_path: Path, keeper: EngineCache, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an error; the next ones run, on an engine that is not busy."""
    release = threading.Event()

    def slow(engine: Engine, job: Job, cancelled: threading.Event) -> JobResult:
        if job.repeat == 1:
            (cancelled if job.condition == "a" else release).wait(30)
        return run_once(engine, job, cancelled)

    monkeypatch.setattr(run_job_module, "run_once", slow)
    monkeypatch.setattr(run_job_module, "GRACE_S", 0.2)
    body = "timeout_s = 5\n" + SHORT + A_B
    try:
        result = run(write_experiment(tmp_path, body, texts=("one",)), keeper.run)
    finally:
        release.set()
    assert [r.error is None for r in result.results] == [False, True, False, True]
    assert "not finished after 5 s, nor ended when told to" in (result.results[2].error or "")
    assert [r.spoilt for r in result.results[1:]] == [False, True, False]


def test_a_cuda_error_spoils_its_process_alone(
    tmp_path: Path, keeper: EngineCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CUDA fails every later call of a process, and runs that are in no way to blame would fail with it."""

    def broken(engine: Engine, job: Job, cancelled: threading.Event) -> None:
        raise RuntimeError("CUDA error: device-side assert triggered" if job.repeat == 1 else "else")

    monkeypatch.setattr(run_job_module, "run_once", broken)
    pool = InlinePool()
    run(write_experiment(tmp_path, SHORT, texts=("one",)), keeper.run, pool)
    assert pool.done == ["base/one__ryan/1", "renewed", "base/one__ryan/2"]


def test_a_warm_up_that_fails_is_done_again(
    tmp_path: Path, keeper: EngineCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run after it must not be the first that a cold engine does."""
    did = []

    def warm_up(engine: Engine, job: Job, cancelled: threading.Event) -> None:
        did.append(job.repeat)
        if job.repeat == 1:
            raise RuntimeError("cut short")

    monkeypatch.setattr(run_job_module, "warm_up", warm_up)
    result = run(write_experiment(tmp_path, SHORT.replace("repeats = 2", "repeats = 3"), texts=("one",)), keeper.run)
    assert [r.error for r in result.results] == ["RuntimeError: cut short", None, None] and did == [1, 2]


@pytest.mark.slow
def test_drift_that_is_really_there(tmp_path: Path, keeper: EngineCache) -> None:
    """bfloat16 rounds the near-ties of this checkpoint otherwise: each is stable, both together are not."""
    folder = write_near_tie(tmp_path / "near_tie")
    body = SHORT + '[matrix]\n"engine.codegen_dtype" = ["float32", "bfloat16"]\n'
    body += f'[engine]\ncheckpoint = "{folder.as_posix()}"\ndevice = "cpu"\n[record]\ntrace = "codes"\n'
    body += '[[conclusion]]\nquestion = "Is each stable?"\nexpect = "hash_unique == 1"\n'
    body += '[[conclusion]]\nquestion = "Are both alike?"\nexpect = "hash_unique == 1"\nover = "all"\n'
    result = run(write_experiment(tmp_path, body, texts=("one",)), keeper.run)
    assert [j.outcome for j in result.judgements] == ["holds", "fails"] and result.outcome.status == 1
    row = result.rows["codegen_dtype_bfloat16"]
    assert row.value("reference_codes_differ") == 2
    logits = row.value("topk_logits_differ")
    assert logits is not None and logits > 0
    first, first_of_codes = row.value("topk_first_diff_frame"), row.value("reference_first_diff_frame")
    assert first is not None and first_of_codes is not None and first <= first_of_codes


def test_the_processs_engine_is_one() -> None:
    assert process_cache() is process_cache()
