"""What a sweep leaves in its run folder besides the table: dumps of codes, first audio, packet times."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from ttsctl.audio.wav import write_wav
from ttsctl.core.codes import SAMPLE_RATE
from ttsctl.core.config import Config
from ttsctl.core.files import write_json
from ttsctl.core.request import Request
from ttsctl.core.trace import Trace
from ttsctl.dumps.manifest import write_manifest
from ttsctl.dumps.meta import build_meta
from ttsctl.dumps.write import packets_table, write_dump
from ttsctl.runs.job import JobResult

CODES, WAV = "codes", "wav"


def write_sweep_files(
    folder: Path,
    results: Iterable[JobResult],
    requests: Mapping[str, Request],
    configs: Mapping[str, Config],
    trace_of: Callable[[JobResult], Trace | None],
) -> None:
    """Write into ``folder`` what the clean runs made.

    ``codes/<condition>/``: a dump of each run, with ``packets_<tag>.json`` and ``trace_<tag>.npz`` if they were
    recorded. ``wav/<condition>/<case>.wav``: the audio of first runs. ``requests``: by case; ``configs``: by condition;
    ``trace_of``: reads the whole trace of a run.
    """
    dumped: set[Path] = set()
    for result in results:
        if not result.clean:
            continue
        codes = folder / CODES / result.condition
        if result.codes is not None:
            _dump(codes, result, requests[result.case], configs[result.condition], trace_of(result))
            dumped.add(codes)
        elif result.run is not None and result.run.packets:
            # A dump has its packets beside it, but a decode run has no codes of its own to dump.
            write_json(codes / f"packets_{tag_of(result)}.json", packets_table(result.run.packets))
        if result.pcm is not None and len(result.pcm) and result.repeat == 1:
            rate = result.info.sample_rate if result.info else SAMPLE_RATE
            write_wav(folder / WAV / result.condition / f"{result.case}.wav", result.pcm, rate)
    for codes in sorted(dumped):
        write_manifest(codes)


def tag_of(result: JobResult) -> str:
    """``<case>_run<n>``: the same in the folder of every condition, so that two folders can be compared run by run."""
    return f"{result.case}_run{result.repeat}"


def _dump(folder: Path, result: JobResult, request: Request, config: Config, trace: Trace | None) -> None:
    if result.run is None or result.codes is None or result.info is None:
        return
    meta = build_meta(result.run, request, config, result.info, tag_of(result))
    write_dump(folder, meta, result.codes, trace, result.run.packets or None, result.run.chunks)
