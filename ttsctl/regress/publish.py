"""Making the baseline of a run one that later runs are held against: which runs may become one, and the copy."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from ttsctl.core.errors import CannotJudge, InputError
from ttsctl.core.files import sync_folder, sync_tree
from ttsctl.core.outcome import ExitStatus
from ttsctl.core.write_errors import write_error
from ttsctl.regress.baseline import BASELINE
from ttsctl.regress.measure import MeasuredCase
from ttsctl.regress.run import SuiteResult
from ttsctl.runs.claimed_folder import claimed_folder, sweep_abandoned


def check_new_baseline(target: Path) -> None:
    """InputError if ``target`` is anything but a new or an empty folder: a baseline is never overwritten."""
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise InputError(f"baseline {target}: already there", "choose a new folder, or remove the old one yourself")


def publish_result(result: SuiteResult, run: Path, target: Path) -> str | None:
    """Copy the baseline in the run folder ``run`` to ``target`` -> None, or why not, if the run did not pass.

    CannotJudge if the run passed without showing that its codes are the same in every run; else as publish_baseline.
    """
    if result.outcome.status != ExitStatus.HOLDS:
        return "the run did not pass"
    why = why_no_baseline(result.cases)
    if why:
        raise CannotJudge(f"no baseline written: {why}", f"see {run / 'summary.json'}")
    publish_baseline(run, target)
    return None


def why_no_baseline(cases: Sequence[MeasuredCase]) -> str | None:
    """Why these cases cannot become a baseline: one failed, or its codes are not shown to be equal in every run."""
    if not cases:
        return "no case ran"
    failed = [case.case.id for case in cases if case.observations is None]
    if failed:
        return "cases failed: " + ", ".join(failed)
    drifting = [case.case.id for case in cases if not _repeats(case)]
    return "codes not shown to be the same in every run: " + ", ".join(drifting) if drifting else None


def _repeats(case: MeasuredCase) -> bool:
    found = case.observations or {}
    return found["hash_unique"].value == 1 and found["offline_codes_equal"].value is True


def publish_baseline(run: Path, target: Path) -> None:
    """Copy the baseline in the run folder ``run`` to ``target``, whole or not at all.

    What killed runs left of such a copy is removed first. InputError if ``target`` is already there, or cannot be
    written; CannotJudge if the disk is full.
    """
    check_new_baseline(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        prefix = f".{target.name}-"
        sweep_abandoned(target.parent, prefix)
        with claimed_folder(target.parent, prefix) as temporary:
            whole = temporary / target.name
            whole.mkdir()
            shutil.copy2(run / BASELINE, whole)
            for wav in sorted((run / "wav").glob("*_stream.wav")):
                (whole / "wav").mkdir(exist_ok=True)
                shutil.copy2(wav, whole / "wav")
            sync_tree(whole)
            whole.replace(target)
            sync_folder(target.parent)
    except OSError as error:
        wrong = InputError(f"baseline {target}: {error.strerror or error}", "choose a writable folder")
        raise write_error(f"baseline {target}", error, wrong) from error
