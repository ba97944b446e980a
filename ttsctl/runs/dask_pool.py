"""Runs on a Dask cluster: its workers do the jobs, and results come back through the futures, so no file is shared.

Every worker needs the same version of ttsctl. The cluster belongs to somebody else, so it is left as it is.
"""

from __future__ import annotations

import contextlib
import re
import socket
import uuid
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

from ttsctl import __version__
from ttsctl.core.errors import EngineError, InputError
from ttsctl.runs.job import Job, JobResult, Work

CONNECT_S = 5.0
# Two jobs for each worker: one at work, and the next one, which can then begin at once.
AHEAD = 2
_ADDRESS = re.compile(r"[^\s/]+:\d{1,5}")


class DaskPool:
    """``concurrent.futures`` over a Dask client."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._executor = client.get_executor(pure=False, retries=0)
        self._topic = f"ttsctl-sweep-{uuid.uuid4().hex}"
        self.notes: list[str] = []

    @property
    def width(self) -> int:
        """Grows with the cluster."""
        return AHEAD * max(1, len(self._client.nthreads()))

    def submit(self, work: Work, job: Job) -> Future[JobResult]:
        future: Future[JobResult] = self._executor.submit(_logged, work, job, self._topic)
        return future

    def collect(self, future: Future[JobResult], job: Job) -> JobResult:
        """The result. EngineError if the job began twice, because Dask gives the tasks of a dead worker to another."""
        result = future.result()
        begun = sum(event == job.id for _, event in self._client.get_events(self._topic))
        if begun > 1:
            raise EngineError(
                f"the Dask worker that ran it died; Dask ran it {begun} times",
                "a run that had to be repeated counts as failed",
            )
        return result

    def renew(self) -> None:
        """Does nothing: the workers belong to the cluster. Isolation "process" gives each run its own process."""

    def close(self, at_once: bool) -> None:
        """Close the client after all jobs that were submitted, or ``at_once``."""
        self._executor.shutdown(wait=not at_once)
        self._client.close(timeout=CONNECT_S)


def _logged(work: Work, job: Job, topic: str) -> JobResult:
    """On a worker: log that the job begins, then do it."""
    from distributed import get_worker

    get_worker().log_event(topic, job.id)
    return work(job)


def _version() -> str:
    return __version__


@contextlib.contextmanager
def open_dask(address: str) -> Iterator[DaskPool]:
    """Connect to the scheduler at ``HOST:PORT``.

    InputError if the extra is not installed, nobody answers, no worker is there, or the workers cannot import ttsctl.
    """
    pool = DaskPool(_connected(address))
    try:
        yield pool
    except BaseException:
        pool.close(at_once=True)
        raise
    pool.close(at_once=False)


def _connected(address: str) -> Any:
    where = f"--executor dask://{address}"
    if not _ADDRESS.fullmatch(address):
        raise InputError(f"{where}: expected dask://HOST:PORT", "name the scheduler's address, such as dask://lab:8786")
    try:
        from distributed import Client
    except ImportError as error:
        raise InputError(f"{where}: the package distributed is not installed", "install ttsctl[dask]") from error
    host, _, port = address.rpartition(":")
    try:
        # The client would try again and again where nobody listens.
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_S).close()
        client = Client(f"tcp://{address}", timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError, OverflowError) as error:
        raise InputError(f"{where}: no Dask scheduler answers there", "check the address, or start one") from error
    try:
        _check_workers(client, where)
    except BaseException:
        client.close(timeout=CONNECT_S)
        raise
    return client


def _check_workers(client: Any, where: str) -> None:
    if not client.nthreads():
        raise InputError(f"{where}: the cluster has no worker", "start one: dask worker HOST:PORT")
    try:
        versions = set(client.run(_version).values())
    except Exception as error:
        what = f"{where}: a worker cannot import ttsctl ({type(error).__name__}: {error})"
        raise InputError(what, "install this version of ttsctl on every worker") from error
    if versions != {__version__}:
        other = ", ".join(sorted(versions - {__version__}))
        raise InputError(f"{where}: the workers have ttsctl {other}, here is {__version__}", "install one version")
