"""``runs.csv``: one row for each run of a sweep, with what it gave, how long it took, and where its dump lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from ttsctl.core.codes import codes_sha256
from ttsctl.core.files import written_whole
from ttsctl.core.request import Request
from ttsctl.core.run import SPEAKS, Run
from ttsctl.core.timing import RunTiming
from ttsctl.dumps.diff import diff_codes
from ttsctl.dumps.write import codes_path
from ttsctl.runs.job import JobResult
from ttsctl.sweep.artifacts import CODES, tag_of

RUNS_CSV = "runs.csv"


def write_run_rows(folder: Path, results: Sequence[JobResult], requests: Mapping[str, Request], reference: str) -> None:
    """Write ``runs.csv`` into the run folder; ``requests`` by case, ``reference``: the name of its condition."""
    # ``ttsctl schema`` loads this module and makes no table.
    import pandas as pd

    with written_whole(folder / RUNS_CSV) as temporary:
        # Integers stay integers beside missing values.
        pd.DataFrame(run_rows(results, requests, reference)).convert_dtypes().to_csv(temporary, index=False)


def run_rows(results: Sequence[JobResult], requests: Mapping[str, Request], reference: str) -> list[dict[str, Any]]:
    """One row a run, in their order. What a run does not have is None; ``reason`` says why there is no run.

    ``first_diff_frame`` and ``first_diff_kind``: against the first clean run of its own condition and text;
    with ``reference_`` before them, against that of the reference condition. Both are None where codes are equal, or
    where there are none to compare. ``dump`` is relative to the run folder; ``dump_reason`` says why there is none.
    """
    firsts: dict[tuple[str, str], JobResult] = {}
    for result in results:
        if result.clean:
            firsts.setdefault((result.condition, result.case), result)
    return [
        _row(
            result,
            requests[result.case],
            firsts.get((result.condition, result.case)),
            firsts.get((reference, result.case)),
        )
        for result in results
    ]


def _row(result: JobResult, request: Request, first: JobResult | None, reference: JobResult | None) -> dict[str, Any]:
    run = result.run
    return {
        "condition": result.condition,
        "case": result.case,
        "repeat": result.repeat,
        "text": request.text_id,
        "voice": request.voice.id,
        "status": "clean" if result.clean else "skipped" if result.skipped is not None else "failed",
        "reason": result.skipped or result.error,
        "run": None if run is None else run.kind,
        "frames": None if result.codes is None else len(result.codes),
        "duration_s": _duration_s(result),
        "truncated": None if run is None else run.truncated,
        "clamped": None if run is None else run.clamped,
        "codes_sha256": None if result.codes is None else codes_sha256(result.codes),
        "pcm_sha256": result.pcm_sha256,
        **_first_diff(first, result, ""),
        **_first_diff(reference, result, "reference_"),
        "pops": None if result.pops is None else len(result.pops),
        **{field.name: None if run is None else getattr(run.timing, field.name) for field in fields(RunTiming)},
        **_prompt(run),
        **_dump(result),
        "host": result.host,
        "pid": result.pid,
    }


def _prompt(run: Run | None) -> dict[str, Any]:
    """What a cloned voice was made of and what it cost; all None for other voices."""
    use = None if run is None else run.prompt
    hashes = None if use is None else use.hashes
    return {
        "ref_sha256": None if hashes is None else hashes.reference,
        "ref_codes_sha256": None if hashes is None else hashes.codes,
        "x_vector_sha256": None if hashes is None else hashes.x_vector,
        **{
            name: None if use is None else getattr(use, name)
            for name in ("prompt_ms", "prime_ms", "prompt_kept", "state_kept")
        },
    }


def _duration_s(result: JobResult) -> float | None:
    """Seconds of audio; None where nothing was decoded."""
    if result.samples is None or result.info is None:
        return None
    return result.samples / result.info.sample_rate


def _first_diff(first: JobResult | None, result: JobResult, prefix: str) -> dict[str, Any]:
    names = (f"{prefix}first_diff_frame", f"{prefix}first_diff_kind")
    if first is None or first.codes is None or result.codes is None:
        return dict.fromkeys(names)
    if first.codes.shape[1] != result.codes.shape[1]:
        return dict(zip(names, (0, "codebooks"), strict=True))
    found = diff_codes(first.codes, result.codes, packet_tokens=1)
    return dict(zip(names, (found.first_diff_frame, found.kind), strict=True))


def _dump(result: JobResult) -> dict[str, str | None]:
    """Where the run's codes lie, or why they were not dumped."""
    if result.codes is not None and result.info is not None:
        path = codes_path(Path(CODES) / result.condition, tag_of(result))
        return {"dump": path.as_posix(), "dump_reason": None}
    if not result.clean:
        return {"dump": None, "dump_reason": "there is no run"}
    given = result.run is not None and result.run.kind not in SPEAKS
    return {"dump": None, "dump_reason": "its codes were given" if given else "it made no codes"}
