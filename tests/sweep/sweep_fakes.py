"""Sweeps without an engine: work functions whose results follow from the job, and a pool that works at once."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tests.fakes import PROVENANCE as FAKE
from tests.fakes import info_of
from ttsctl.core.audio import PcmArray, pcm_sha256
from ttsctl.core.codes import CodeArray
from ttsctl.core.config import Config
from ttsctl.core.run import SPEAKS, Run
from ttsctl.core.timing import RunTiming
from ttsctl.core.trace import Draws, Trace, no_prints
from ttsctl.runs.job import Job, JobResult, Work
from ttsctl.sweep.experiment import Experiment, load_experiment
from ttsctl.sweep.result import SweepResult
from ttsctl.sweep.run import run_experiment
from ttsctl.sweep.session import resolve_configs
from ttsctl.sweep.store import open_store

PROVENANCE = replace(FAKE, machine_id="a" * 64)
HEAD = 'question = "Is it so?"\ntexts = "texts.json"\nvoices = "voices.json"\n'


def write_experiment(folder: Path, body: str = "", texts: tuple[str, ...] = ("one", "two"), head: str = HEAD) -> Path:
    """An experiment over these text ids by one voice, or by those that stand in the folder; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = ", ".join(f'{{"id": "{text}", "text": "This is {text}."}}' for text in texts)
    (folder / "texts.json").write_text(f'{{"schema_version": "1.0", "texts": [{entries}]}}', encoding="utf-8")
    voices = '{"schema_version": "1.0", "voices": [{"id": "ryan", "speaker": "ryan"}]}'
    if not (folder / "voices.json").exists():
        (folder / "voices.json").write_text(voices, encoding="utf-8")
    path = folder / "exp.toml"
    path.write_text(head + body, encoding="utf-8")
    return path


def codes_of(job: Job, frames: int = 12) -> CodeArray:
    seed = int.from_bytes(hashlib.sha256(job.request.text.encode()).digest()[:8], "little")
    return np.random.default_rng(seed).integers(0, 2048, (frames, 16))


def pcm_of(codes: CodeArray) -> PcmArray:
    pcm: PcmArray = np.sin(np.arange(len(codes) * 40) * 0.01 * (1 + codes[0, 0] % 7)).astype(np.float32)
    return pcm


def result_of(job: Job, codes: CodeArray, **changes: Any) -> JobResult:
    """A good result; ``changes`` are fields of JobResult, of its Run, or of its engine's info; ``timings`` by name."""
    pcm = None if job.run == "codegen" else pcm_of(codes)
    timings = {"ttfa_ms": 100.0 + job.repeat, "code_ms": 50.0, "rtf": 0.5, "decode_first_ms": None}
    run = Run(
        kind=job.run,
        codes=codes if job.run in SPEAKS else None,
        pcm=changes.pop("pcm", pcm),
        truncated=False,
        seed=42,
        timing=RunTiming(**changes.pop("timings", timings)),
        **{name: changes.pop(name) for name in ("packets", "notes", "trace") if name in changes},
    )
    info = info_of(changes.pop("provenance", PROVENANCE), changes.pop("in_force", {"threads": 1}))
    sha256 = changes.pop("pcm_sha256", None if pcm is None else pcm_sha256(pcm))
    changes.setdefault("samples", None if pcm is None else len(pcm))
    host = changes.pop("host", "here")
    return JobResult(job.condition, job.case, job.repeat, host, info=info, run=run, pcm_sha256=sha256, **changes)


def skipped(job: Job, why: str) -> JobResult:
    return JobResult(job.condition, job.case, job.repeat, "here", skipped=why)


def steady(job: Job) -> JobResult:
    """The same codes at every repeat and under every condition; decode runs decode what they are given."""
    return result_of(job, job.codes if job.codes is not None else codes_of(job))


def drifting(job: Job) -> JobResult:
    """As ``steady``, but the third run of the text two under the condition b differs at frame 5, codebook 3."""
    codes = codes_of(job)
    if (job.condition, job.case, job.repeat) == ("b", "two__ryan", 3):
        codes[5, 3] += 1
    return result_of(job, codes)


def failing(job: Job) -> JobResult:
    """The second run of every text under b fails."""
    if job.condition == "b" and job.repeat == 2:
        raise RuntimeError("the\nfake engine broke")
    return steady(job)


def dying(job: Job) -> JobResult:
    """The process that gets the second run of a dies of it; the others say who they are."""
    if (job.condition, job.repeat) == ("a", 2):
        os._exit(7)
    return result_of(job, codes_of(job), notes=(str(os.getpid()),))


def own_pid(_: object) -> int:
    return os.getpid()


def trace_of(codes: CodeArray, shift_at: tuple[int, int] | None = None, ids_at: tuple[int, int] | None = None) -> Trace:
    """One draw an id, with made-up logits, that differ from ``shift_at`` (frame, codebook) on; at ``ids_at`` ids."""
    frames, books = (a.ravel() for a in np.indices(codes.shape))
    ids = codes.ravel()
    best = np.stack([ids, ids + 1], axis=1)
    logits = np.random.default_rng(0).standard_normal((len(ids), 2)).astype(np.float32)
    order = frames * codes.shape[1] + books
    if shift_at is not None:
        logits[order >= shift_at[0] * codes.shape[1] + shift_at[1]] += np.float32(1e-3)
    if ids_at is not None:
        best[order == ids_at[0] * codes.shape[1] + ids_at[1], 1] += 7
    gap = logits[:, 0] - logits[:, 1]
    draws = Draws(frames.astype(np.int32), books.astype(np.int32), ids, best, logits, gap)
    return Trace("codes", draws, no_prints(), no_prints())


class InlinePool:
    """Does each job at once, in this thread; what is no Exception passes through, as Ctrl-C would."""

    def __init__(self, width: int = 1) -> None:
        self.width = width
        self.notes: list[str] = []
        self.done: list[str] = []

    def submit(self, work: Work, job: Job) -> Future[JobResult]:
        self.done.append(job.id)
        future: Future[JobResult] = Future()
        try:
            future.set_result(work(job))
        except Exception as error:  # noqa: BLE001
            future.set_exception(error)
        return future

    def renew(self) -> None:
        self.done.append("renewed")

    def collect(self, future: Future[JobResult], job: Job) -> JobResult:
        return future.result()


def prepared(path: Path) -> tuple[Experiment, dict[str, Config]]:
    experiment = load_experiment(path)
    return experiment, resolve_configs(experiment, [])[1]


def run(path: Path, work: Work, pool: InlinePool | None = None, remove: bool = True) -> SweepResult:
    """Run the experiment at ``path``, with its store beside it."""
    experiment, configs = prepared(path)
    with open_store(path.parent / "out", experiment.name, "k" * 64, fresh=False) as store:
        result = run_experiment(experiment, configs, work, pool or InlinePool(), store)
        if remove:
            store.remove()
    return result
