"""Runs on a Dask cluster on loopback: the same table as without, lost workers told, and clear errors."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sweep.sweep_fakes import prepared, steady, write_experiment
from tests.sweep.sweep_fakes import run as run_inline
from ttsctl.core.errors import InputError
from ttsctl.runs.executors import open_pool
from ttsctl.runs.job import Job, JobResult, Work
from ttsctl.runs.run_job import process_cache, run_job
from ttsctl.sweep.result import SweepResult
from ttsctl.sweep.run import run_experiment
from ttsctl.sweep.store import open_store

distributed = pytest.importorskip("distributed")

A_B = '[[condition]]\nname = "a"\n[[condition]]\nname = "b"\nset = { "stream.packet_tokens" = 8 }\n'


@pytest.fixture(autouse=True)
def _no_engine_left() -> Iterator[None]:
    """Workers that are threads of this process keep their engine, and its thread, in it."""
    yield
    process_cache().close()


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """A scheduler and one worker thread in this process, reached over TCP as any other."""
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, protocol="tcp", dashboard_address=":0", host="127.0.0.1"
    ) as found:
        yield found.scheduler_address.replace("tcp://", "dask://")


def run(path: Path, work: Work, executor: str) -> SweepResult:
    experiment, configs = prepared(path)
    with open_store(path.parent / "out", experiment.name, "k" * 64, fresh=False) as store:
        with open_pool(executor, 1) as pool:
            result = run_experiment(experiment, configs, work, pool, store)
        store.remove()
    return result


def test_results_come_back_through_the_futures(tmp_path: Path, cluster: str) -> None:
    path = write_experiment(tmp_path, A_B)
    result = run(path, steady, cluster)
    assert [row.value("hash_unique") for row in result.rows.values()] == [1, 1]
    assert result.total.value("runs") == 12 and result.total.value("errors") == 0


def test_the_built_in_checkpoint_gives_the_codes_that_it_gives_here(tmp_path: Path, cluster: str) -> None:
    body = "repeats = 2\nwarmup = 0\n[sampling]\nmax_new_tokens = 6\n[determinism]\nsingle_thread = true\n"
    path = write_experiment(tmp_path, body, texts=("one",))
    there = run(path, run_job, cluster)
    here = run_inline(path, run_job)
    assert there.total.value("errors") == 0, there.total.first_error
    for a, b in zip(there.results, here.results, strict=True):
        assert a.codes is not None and b.codes is not None
        assert (a.codes == b.codes).all() and a.pcm_sha256 == b.pcm_sha256
        assert a.provenance is not None and b.provenance is not None
        assert a.provenance.machine_id == b.provenance.machine_id


def once_dying(job: Job) -> JobResult:
    """Dies at its first attempt alone."""
    import os
    from pathlib import Path

    mark = Path(job.config.engine.checkpoint) / f"{job.repeat}"
    if job.repeat == 2 and not mark.exists():
        mark.touch()
        time.sleep(0.3)  # what the worker has said so far goes out in the background
        os._exit(1)
    return steady(job)


@pytest.fixture
def nanny_cluster() -> Iterator[str]:
    """A worker in a process of its own, which a nanny starts again when it dies."""
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=True, dashboard_address=":0", host="127.0.0.1"
    ) as found:
        yield found.scheduler_address.replace("tcp://", "dask://")


@pytest.mark.slow
def test_a_run_that_dask_tried_again_is_an_error(tmp_path: Path, nanny_cluster: str) -> None:
    folder = tmp_path / "marks"
    folder.mkdir()
    path = write_experiment(tmp_path, f'[engine]\ncheckpoint = "{folder.as_posix()}"\n', texts=("one",))
    result = run(path, once_dying, nanny_cluster)
    assert [r.error is None for r in result.results] == [True, False, True]
    said = result.results[1].error or ""
    assert "died" in said and "2 times" in said


@pytest.mark.slow
def test_an_address_nobody_answers_at(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    line = [sys.executable, "-m", "ttsctl", "sweep", str(write_experiment(tmp_path, A_B))]
    line += ["--out", str(tmp_path / "out"), "--executor", f"dask://127.0.0.1:{port}"]
    started = time.monotonic()
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and time.monotonic() - started < 40
    assert f"dask://127.0.0.1:{port}: no Dask scheduler answers there" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_cluster_without_workers() -> None:
    with (
        distributed.LocalCluster(n_workers=0, processes=False, protocol="tcp", dashboard_address=":0") as empty,
        pytest.raises(InputError, match="the cluster has no worker"),
        open_pool(empty.scheduler_address.replace("tcp://", "dask://"), 1),
    ):
        pass


@pytest.mark.parametrize(
    "executor", ["dask://", "dask://host", "dask://127.0.0.1:99999", "dask://host:port", "dusk://host:1", "process"]
)
def test_an_address_that_is_none(executor: str) -> None:
    with pytest.raises(InputError, match=r"expected|no Dask scheduler"), open_pool(executor, 1):
        pass


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"install ttsctl\[dask\]"), open_pool("dask://127.0.0.1:8786", 1):
        pass
