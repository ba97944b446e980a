"""Jobs and results as files: JSON beside arrays.

The list of a result's files and their sha256 is written last: if it is there, all is, and what changed since is seen.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from pydantic import TypeAdapter, ValidationError

from ttsctl.core.config import Config
from ttsctl.core.engine import EngineInfo
from ttsctl.core.errors import InputError
from ttsctl.core.files import MAX_BYTES, file_sha256, read_json, sync_folder, write_json, write_text, written_whole
from ttsctl.core.provenance import Provenance
from ttsctl.core.request import Request, Voice
from ttsctl.core.run import Run
from ttsctl.core.stalls import Stall
from ttsctl.core.timing import ChunkTiming, PacketTiming, RunTiming
from ttsctl.core.validation import input_error
from ttsctl.core.voice_prompt import PromptHashes, PromptUse
from ttsctl.dumps.trace_file import read_trace, save_trace
from ttsctl.runs.job import Job, JobResult
from ttsctl.runs.requirement import Requirement

SUMS = ".sha256"


def write_result(folder: Path, name: str, result: JobResult) -> None:
    """``<name>.json`` and, where its run has them, ``<name>_codes.npy``, ``_pcm.npy`` and ``_trace.npz``.

    ``<name>.sha256`` comes last, with a line for each, as ``sha256sum`` writes and checks it. InputError if the folder
    cannot be written.
    """
    run = result.run
    table = {f.name: getattr(result, f.name) for f in fields(JobResult) if f.name not in ("run", "info")}
    table["info"] = None if result.info is None else asdict(result.info)
    told = None if run is None else _write_run(folder, name, run)
    path = folder / f"{name}.json"
    write_json(path, {"result": table, "run": told})
    arrays = () if told is None else (*told["arrays"], *(["trace"] if told["trace"] else []))
    paths = [path, *(_array_path(folder, name, array) for array in arrays)]
    write_text(folder / f"{name}{SUMS}", _sums({path.name: _sha256(path) for path in paths}))
    sync_folder(folder)


def _sums(sha256: Mapping[str, str]) -> str:
    return "".join(f"{value}  {file}\n" for file, value in sha256.items())


def _array_path(folder: Path, name: str, array: str) -> Path:
    return folder / f"{name}_{array}.{'npz' if array == 'trace' else 'npy'}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return file_sha256(file)


def _write_run(folder: Path, name: str, run: Run) -> dict[str, Any]:
    """Write the arrays of a run as files; everything else is returned as a table."""
    arrays = {array: value for array, value in (("codes", run.codes), ("pcm", run.pcm)) if value is not None}
    for array, value in arrays.items():
        with written_whole(_array_path(folder, name, array)) as temporary:
            np.save(temporary, value, allow_pickle=False)
    if run.trace is not None:
        with written_whole(_array_path(folder, name, "trace")) as temporary:
            save_trace(temporary, run.trace)
    return {
        "kind": run.kind,
        "arrays": list(arrays),
        "trace": run.trace is not None,
        "truncated": run.truncated,
        "seed": run.seed,
        "timing": asdict(run.timing),
        "packets": [asdict(packet) for packet in run.packets],
        "notes": list(run.notes),
        "clamped": run.clamped,
        "chunks": [asdict(chunk) for chunk in run.chunks],
        "packet_stalls": None if run.packet_stalls is None else [asdict(stall) for stall in run.packet_stalls],
        "prompt": None if run.prompt is None else asdict(run.prompt),
    }


def read_result(folder: Path, name: str) -> JobResult:
    """The result that ``write_result`` wrote under this name.

    InputError for files of another version, and for one that is missing or is not what was written: a bit that the disk
    flipped would read as drift.
    """
    path = folder / f"{name}.json"
    _check_sums(folder, name)
    value = read_json(path, "result of a run", MAX_BYTES["record"])
    try:
        table = dict(value["result"])
        table["pops"] = None if table["pops"] is None else tuple(table["pops"])
        table["info"] = None if table["info"] is None else _read_info(dict(table["info"]))
        run = None if value["run"] is None else _read_run(folder, name, dict(value["run"]))
        return JobResult(**table, run=run)
    except (KeyError, TypeError, ValueError, OSError, EOFError, BadZipFile) as error:
        raise InputError(f"{path}: not a result of this version ({error})", "start anew with --fresh") from error


def _check_sums(folder: Path, name: str) -> None:
    sums = folder / f"{name}{SUMS}"
    fix = f"remove {name}.* and {name}_* there to make this run again, or start anew with --fresh"
    try:
        said = sums.read_bytes().decode("utf-8")
        wanted = {file: sha256 for sha256, file in (line.split("  ", 1) for line in said.splitlines())}
        if said != _sums(wanted):
            raise ValueError("other line ends")
    except (OSError, ValueError) as error:
        raise InputError(f"kept run {sums}: not a list of files ({error})", fix) from error
    for file in (f"{name}.json", *sorted(wanted)):
        try:
            found = _sha256(folder / file)
        except OSError as error:
            raise InputError(f"kept run {folder / file}: {error.strerror or error}", fix) from error
        if wanted.get(file) != found:
            raise InputError(f"kept run {folder / file}: damaged since it was written (its sha256 differs)", fix)


def _read_info(table: dict[str, Any]) -> EngineInfo:
    table["provenance"] = Provenance(**table["provenance"])
    return EngineInfo(**{**table, "speakers": tuple(table["speakers"]), "languages": tuple(table["languages"])})


def _read_run(folder: Path, name: str, table: dict[str, Any]) -> Run:
    stalls, prompt = table["packet_stalls"], table["prompt"]
    arrays = {a: np.load(_array_path(folder, name, a), allow_pickle=False) for a in table["arrays"]}
    return Run(
        kind=table["kind"],
        codes=arrays.get("codes"),
        pcm=arrays.get("pcm"),
        truncated=table["truncated"],
        seed=table["seed"],
        timing=RunTiming(**table["timing"]),
        packets=tuple(PacketTiming(**packet) for packet in table["packets"]),
        trace=read_trace(_array_path(folder, name, "trace")) if table["trace"] else None,
        notes=tuple(table["notes"]),
        clamped=table["clamped"],
        chunks=tuple(ChunkTiming(**chunk) for chunk in table["chunks"]),
        packet_stalls=None if stalls is None else tuple(Stall(**stall) for stall in stalls),
        prompt=None if prompt is None else PromptUse(**{**prompt, "hashes": PromptHashes(**prompt["hashes"])}),
    )


def write_job(folder: Path, job: Job) -> None:
    """``job.json`` and, where it has codes to decode, ``job_codes.npy``."""
    if job.codes is not None:
        np.save(folder / "job_codes.npy", job.codes, allow_pickle=False)
    table = {f.name: getattr(job, f.name) for f in fields(Job) if f.name not in ("codes", "config")}
    table["request"] = job.request.to_dict()
    table["requires"] = [asdict(requirement) for requirement in job.requires]
    write_json(folder / "job.json", {"job": table, "config": job.config.to_dict()})


def read_job(folder: Path) -> Job:
    """The job that ``write_job`` wrote."""
    value = read_json(folder / "job.json", "job")
    table = dict(value["job"])
    request = dict(table["request"])
    table["request"] = Request(**{**request, "voice": Voice.from_dict(request["voice"])})
    table["requires"] = tuple(Requirement(**requirement) for requirement in table["requires"])
    table["measure"] = tuple(table["measure"])
    job = Job(config=_config(value["config"]), **table)
    codes = folder / "job_codes.npy"
    return replace(job, codes=np.load(codes, allow_pickle=False)) if codes.exists() else job


def _config(tables: Mapping[str, Any]) -> Config:
    try:
        return TypeAdapter(Config).validate_json(json.dumps(tables))
    except ValidationError as error:
        raise input_error("job: not a configuration of this version", error, fix="start anew with --fresh") from error
