"""Interrupted sweeps: what is done is kept, nothing is done twice, and what changed is done anew."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.sweep.sweep_fakes import (
    InlinePool,
    codes_of,
    prepared,
    result_of,
    run,
    skipped,
    steady,
    trace_of,
    write_experiment,
)
from ttsctl.core.errors import InputError, Interrupted
from ttsctl.core.machine import collect_provenance
from ttsctl.core.timing import PacketTiming
from ttsctl.runs.job import Job
from ttsctl.runs.job_files import read_job, read_result, write_job, write_result
from ttsctl.runs.requirement import Requirement
from ttsctl.sweep.key import checkpoint_state, sweep_key
from ttsctl.sweep.store import open_store
from ttsctl.sweep.topk import topk_diff

A_B = '[[condition]]\nname = "a"\n[[condition]]\nname = "b"\nset = { "stream.packet_tokens" = 8 }\n'
DECODE = A_B + '[[condition]]\nname = "d"\nrun = "decode"\ncodes_of = "a"\n'


def interrupted_after(count: Any, how: Any) -> Any:
    """Work that is interrupted when it has done ``count`` jobs."""
    done: list[str] = []

    def work(job: Job) -> Any:
        if len(done) == count:
            raise how
        done.append(job.id)
        return steady(job)

    return work


@pytest.mark.parametrize("how", [KeyboardInterrupt, Interrupted])
@pytest.mark.parametrize("count", [0, 1, 7, 12, 17])
def test_goes_on_where_it_was(tmp_path: Path, how: Any, count: Any) -> None:
    path = write_experiment(tmp_path, DECODE)
    with pytest.raises(how):
        run(path, interrupted_after(count, how))
    pool = InlinePool()
    resumed = run(path, steady, pool)
    assert len(pool.done) == 18 - count and resumed.resumed == count
    whole = run(write_experiment(tmp_path / "whole", DECODE), steady)
    for mine, theirs in zip(resumed.results, whole.results, strict=True):
        assert mine.run is not None and theirs.run is not None
        assert mine.id == theirs.id and mine.run.timing == theirs.run.timing and mine.pcm_sha256 == theirs.pcm_sha256
        assert (mine.codes is None) == (theirs.codes is None)
        if mine.codes is not None and theirs.codes is not None:
            assert np.array_equal(mine.codes, theirs.codes)
    assert resumed.rows == whole.rows


def test_a_finished_sweep_leaves_nothing_to_go_on_with(tmp_path: Path) -> None:
    path = write_experiment(tmp_path, A_B)
    run(path, steady)
    assert not (tmp_path / "out").exists()
    pool = InlinePool()
    run(path, steady, pool)
    assert len(pool.done) == 12


def test_more_repeats_take_up_the_others(tmp_path: Path) -> None:
    path = write_experiment(tmp_path, A_B)
    run(path, steady, remove=False)
    pool = InlinePool()
    write_experiment(tmp_path, "repeats = 4\n" + A_B)
    assert run(path, steady, pool).resumed == 12
    assert pool.done == ["a/one__ryan/4", "a/two__ryan/4", "b/one__ryan/4", "b/two__ryan/4"]


def test_errors_are_kept_and_skipped_runs_are_not(tmp_path: Path) -> None:
    """An error counts, whoever looks again; what was skipped may run elsewhere."""
    path = write_experiment(tmp_path, A_B, texts=("one",))

    def work(job: Job) -> Any:
        if job.condition == "a":
            raise RuntimeError("broke")
        return skipped(job, "needs a thing")

    run(path, work, remove=False)
    pool = InlinePool()
    result = run(path, steady, pool)
    assert pool.done == ["b/one__ryan/1", "b/one__ryan/2", "b/one__ryan/3"]
    assert [r.error for r in result.results[:3]] == ["RuntimeError: broke"] * 3


def test_fresh_forgets(tmp_path: Path) -> None:
    experiment, _ = prepared(write_experiment(tmp_path, A_B))
    with open_store(tmp_path / "out", experiment.name, "k" * 64, fresh=False) as store:
        store.add(steady(_job(experiment)))
    with open_store(tmp_path / "out", experiment.name, "k" * 64, fresh=False) as store:
        assert list(store.resumed) == ["a/one__ryan/1"]
    with open_store(tmp_path / "out", experiment.name, "k" * 64, fresh=True) as store:
        assert store.resumed == {}
    assert list((tmp_path / "out").iterdir()) == []


def test_two_at_once_are_refused(tmp_path: Path) -> None:
    with (
        open_store(tmp_path, "exp", "k" * 64, fresh=False),
        pytest.raises(InputError, match="another process"),
        open_store(tmp_path, "exp", "k" * 64, fresh=True),
    ):
        pass


def test_one_that_is_refused_leaves_the_lock_of_the_other(tmp_path: Path) -> None:
    """Also before the first result, when the folder holds the lock alone."""
    with open_store(tmp_path, "exp", "k" * 64, fresh=False) as store:
        for _ in range(2):
            with pytest.raises(InputError, match="another process"), open_store(tmp_path, "exp", "k" * 64, fresh=False):
                pass
            assert store.folder.is_dir()


def test_what_was_torn_is_not_there(tmp_path: Path) -> None:
    """Killed between the files of a run: it is done again, and what was half written goes."""
    experiment, _ = prepared(write_experiment(tmp_path, A_B))
    result = steady(_job(experiment))
    with open_store(tmp_path / "out", "exp", "k" * 64, fresh=False) as store:
        store.add(result)
        folder = store.folder
    (folder / "a--two__ryan--1_codes.npy").write_bytes(b"half")
    (folder / "a--two__ryan--1.json").write_text("{}")
    (folder / ".a--two__ryan--2-x1y2.json").write_text("{")
    with open_store(tmp_path / "out", "exp", "k" * 64, fresh=False) as store:
        assert list(store.resumed) == [result.id] and not (folder / ".a--two__ryan--2-x1y2.json").exists()


def flip(raw: bytes, at: int) -> bytes:
    return raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]


DAMAGE = {
    "a flipped bit": lambda raw: flip(raw, len(raw) - 1),
    "empty": lambda raw: b"",
    "truncated": lambda raw: raw[: len(raw) // 2],
    "gone": None,
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("kind", [".json", "_codes.npy", "_pcm.npy", "_trace.npz", ".sha256"])
def test_what_was_damaged_since_is_told(tmp_path: Path, kind: str, damage: str) -> None:
    """Read as it is, codes with one other bit would be drift. A list that is gone makes its run unfinished."""
    experiment, _ = prepared(write_experiment(tmp_path, A_B))
    done = steady(_job(experiment))
    assert done.run is not None and done.codes is not None
    result = replace(done, run=replace(done.run, trace=trace_of(done.codes)))
    with open_store(tmp_path / "out", "exp", "k" * 64, fresh=False) as store:
        store.add(result)
        folder = store.folder
    with open_store(tmp_path / "out", "exp", "k" * 64, fresh=False) as store:
        assert list(store.resumed) == [result.id]
    path, change = folder / f"a--one__ryan--1{kind}", DAMAGE[damage]
    if change is None:
        path.unlink()
    else:
        path.write_bytes(change(path.read_bytes()))
    if (kind, damage) == (".sha256", "gone"):
        with open_store(tmp_path / "out", "exp", "k" * 64, fresh=False) as store:
            assert not store.resumed
        return
    with (
        pytest.raises(InputError, match=r"kept run .*--fresh") as error,
        open_store(tmp_path / "out", "exp", "k" * 64, fresh=False),
    ):
        pass
    assert "a--one__ryan--1" in str(error.value) and error.value.exit_status == 2
    with open_store(tmp_path / "out", "exp", "k" * 64, fresh=True) as store:
        assert not store.resumed


def test_the_key_is_of_what_decides_the_results(tmp_path: Path) -> None:
    def key(body: Any, checkpoints: Any = None, texts: Any = ("one",)) -> Any:
        experiment, configs = prepared(write_experiment(tmp_path, body, texts))
        return sweep_key(experiment, configs, checkpoints or {"builtin": "x"})

    same = key(A_B)
    asks = '[[conclusion]]\nquestion = "q"\nexpect = "errors == 0"\n'
    assert key("repeats = 9\n" + A_B + asks) == same
    others = [
        key(A_B.replace("8", "2")),
        key(A_B.replace('"b"', '"c"')),
        key("warmup = 0\n" + A_B),
        key('isolation = "process"\n' + A_B),
        key('measure = ["pops"]\n' + A_B),
        key(A_B + '[sampling]\npolicy = "seeded"\n'),
        key(A_B + 'run = "offline"\n'),
        key(A_B, {"builtin": "y"}),
        key(A_B, texts=("two",)),
    ]
    assert len({same, *others}) == 1 + len(others)


def test_other_packages_begin_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a table from one torch and half from another would show drift that no engine has."""
    experiment, configs = prepared(write_experiment(tmp_path, A_B))
    before = sweep_key(experiment, configs, {})
    here = replace(collect_provenance(), packages={"torch": "0.1"})
    monkeypatch.setattr("ttsctl.sweep.key.collect_provenance", lambda: here)
    assert sweep_key(experiment, configs, {}) != before


def test_a_changed_checkpoint_folder_is_another(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"one")
    before = checkpoint_state(str(tmp_path))
    assert checkpoint_state(str(tmp_path)) == before
    (tmp_path / "model.safetensors").write_bytes(b"three")
    assert checkpoint_state(str(tmp_path)) != before
    assert checkpoint_state("builtin") == "builtin"


def _job(experiment: Any, **changes: Any) -> Job:
    _, configs = prepared(experiment.path)
    case = experiment.cases[0]
    return Job("a", case.id, 1, configs["a"], case.request, **changes)


def test_results_and_jobs_come_back_from_files_as_they_were(tmp_path: Path) -> None:
    experiment, _ = prepared(write_experiment(tmp_path, A_B))
    job = _job(experiment, requires=(Requirement("cores", 2),), measure=("pops",), codes=np.arange(32).reshape(2, 16))
    write_job(tmp_path, job)
    back = read_job(tmp_path)
    assert back.codes is not None and job.codes is not None
    assert np.array_equal(back.codes, job.codes) and back.codes.dtype == np.int64
    for name in ("id", "config", "request", "run", "requires", "isolation", "warmup", "timeout_s", "measure"):
        assert getattr(back, name) == getattr(job, name), name
    packets = (PacketTiming(0, 4, 7680, 1.5, 0.25, None, 2.0, None),)
    trace = trace_of(codes_of(job), (2, 2))
    result = result_of(job, codes_of(job), packets=packets, pops=(3, 5), notes=("n",), trace=trace)
    write_result(tmp_path, "r", result)
    again = read_result(tmp_path, "r")
    assert again.run is not None and result.run is not None and again.trace is not None
    assert np.array_equal(again.run.require_codes(), result.run.require_codes())
    assert np.array_equal(again.run.require_pcm(), result.run.require_pcm())
    assert topk_diff(again.trace.draws, trace.draws).first is None and again.trace.level == "codes"
    for name in ("id", "host", "error", "info", "provenance", "pcm_sha256", "pops"):
        assert getattr(again, name) == getattr(result, name), name
    for name in ("kind", "truncated", "seed", "timing", "packets", "notes", "clamped"):
        assert getattr(again.run, name) == getattr(result.run, name), name
