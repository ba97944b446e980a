"""Damaged files for every reader, each read in a process that may be killed: ``python -m tests.fuzz.harness 5000``.

Reports what no file may cause: a process that dies, a read that takes longer than TIMEOUT_S, more memory than
MAX_RSS_MIB, and an error that is none of those made for users.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from tests.fuzz.mutations import damaged
from tests.fuzz.readers import READERS, Reader, outcome

TIMEOUT_S = 10.0
START_S = 120.0  # to import torch, on a busy machine
MAX_RSS_MIB = 1024
ADDRESS_SPACE = 8 * 2**30  # so that a reader that runs away does not take the machine with it


@dataclass
class Report:
    """What came of the inputs, by reader and outcome; ``faults`` are those that must not be."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    max_seconds: float = 0.0
    max_rss_mib: float = 0.0


def _work(reader: Reader, seeds: Sequence[int], pipe: Connection) -> None:
    """Read a damaged file for each seed; (seed, what came, seconds, peak memory in MiB) for each into the pipe."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    whole = reader.whole()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "whole").mkdir()
        assert outcome(reader, whole, Path(folder, "whole")) == "read", "the control: the whole file is read"
        pipe.send(None)
        for seed in seeds:
            home = Path(folder, f"s{seed}")
            home.mkdir()
            started = time.monotonic()
            try:
                came = outcome(reader, damaged(whole, seed), home)
            except Exception as error:  # noqa: BLE001  this is what is looked for
                place = traceback.extract_tb(error.__traceback__)[-1]
                came = f"fault: {type(error).__name__}: {str(error)[:200]} at {place.filename}:{place.lineno}"
            rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            pipe.send((seed, came, time.monotonic() - started, rss))


def _results(name: str, seeds: list[int], report: Report) -> Iterator[tuple[int, str, float, float]]:
    """The results of one process, until it has done all seeds or has to be ended."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("spawn").Process(target=_work, args=(READERS[name], seeds, theirs))
    process.start()
    theirs.close()
    allowed = START_S
    try:
        for number in range(-1, len(seeds)):
            seed = seeds[max(number, 0)]
            if not ours.poll(allowed):
                report.faults.append(f"{name} seed {seed}: longer than {allowed:g} s")
                yield seed, "hang", allowed, 0.0
                return
            try:
                result = ours.recv()
            except EOFError:
                process.join()
                report.faults.append(f"{name} seed {seed}: the process ended with {process.exitcode}")
                yield seed, "crash", 0.0, 0.0
                return
            allowed = TIMEOUT_S
            if result is not None:
                yield result
    finally:
        process.kill()
        process.join()
        ours.close()


def fuzz(inputs: int, first: int = 0, names: Sequence[str] = tuple(READERS)) -> Report:
    """``inputs`` damaged files in all, from seed ``first`` on, shared out over the readers."""
    report = Report()
    for name in names:
        left = list(range(first, first + max(1, inputs // len(names))))
        while left:
            done = 0
            for seed, came, seconds, rss in _results(name, left, report):
                done += 1
                report.outcomes[name, came.partition(":")[0]] += 1
                report.max_seconds = max(report.max_seconds, seconds)
                report.max_rss_mib = max(report.max_rss_mib, rss)
                if came.startswith("fault"):
                    report.faults.append(f"{name} seed {seed}: {came}")
                if rss > MAX_RSS_MIB:
                    report.faults.append(f"{name} seed {seed}: {rss:.0f} MiB")
                    break  # the peak of a process never falls again
            left = left[done:]
    return report


def main() -> None:
    report = fuzz(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0, sys.argv[3:] or tuple(READERS))
    for (name, came), count in sorted(report.outcomes.items()):
        print(f"{name:24} {came:14} {count}")
    print(json.dumps(report.faults, indent=1))
    print(f"{report.outcomes.total()} inputs, {len(report.faults)} faults, ", end="")
    print(f"at most {report.max_seconds:.2f} s and {report.max_rss_mib:.0f} MiB")


if __name__ == "__main__":
    main()
