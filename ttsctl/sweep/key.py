"""The key of a sweep: sweeps with the same key make the same runs, so one can go on where another stopped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from ttsctl import __version__
from ttsctl.core.config import Config
from ttsctl.core.machine import collect_provenance
from ttsctl.sweep.experiment import Experiment


def sweep_key(experiment: Experiment, configs: Mapping[str, Config], checkpoints: Mapping[str, str]) -> str:
    """sha256 over all that decides what a run gives: conditions, cases, given codes, isolation, checkpoints, the
    code of ttsctl and the versions of its packages.

    The questions and the number of repeats are not part of it, because results stay valid when these change.
    ``checkpoints``: the state of each checkpoint by name, from ``checkpoint_state``.
    """
    conditions = [
        [c.name, c.run, c.codes_of, c.voice_ids, [str(r) for r in c.requires], configs[c.name].sha256]
        for c in experiment.conditions
    ]
    cases = [[case.id, case.request.to_dict()] for case in experiment.cases]
    how = [experiment.isolation, experiment.warmup, experiment.timeout_s, experiment.measure]
    here = collect_provenance()
    code = [__version__, _package_sha256(), here.python, sorted(here.packages.items())]
    given = [[case, found.sha256] for case, found in experiment.codes.by_case.items()]
    everything = [conditions, cases, given, how, sorted(checkpoints.items()), code]
    return hashlib.sha256(json.dumps(everything, sort_keys=True).encode()).hexdigest()


def checkpoint_state(name: str) -> str:
    """sha256 over the name, size and time of every file of a checkpoint folder; the name itself if it is not a folder.

    The contents are not read, because reading gigabytes would cost more than a short run.
    """
    folder = Path(name)
    if not folder.is_dir():
        return name
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    facts = [[str(path.relative_to(folder)), path.stat().st_size, path.stat().st_mtime_ns] for path in files]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _package_sha256() -> str:
    """sha256 over every source file of ttsctl. The commit would not show changes that are not committed."""
    root = Path(__file__).parents[1]
    whole = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            whole.update(f"{path.relative_to(root).as_posix()}\0{content}\n".encode())
    return whole.hexdigest()
