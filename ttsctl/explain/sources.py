"""Recorded runs to be explained: dumps with their traces, and whether two of them may be compared at all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ttsctl.core.errors import CannotJudge, InputError
from ttsctl.core.plurals import listed
from ttsctl.core.same_file import FileIdentity, compared_with_itself
from ttsctl.dumps.matching import condition_differences, prompt_differences, request_differences
from ttsctl.dumps.meta import DumpMeta
from ttsctl.dumps.sources import Dump, load_sources
from ttsctl.dumps.trace_file import read_trace, trace_path
from ttsctl.explain.compare_traces import Side


@dataclass(frozen=True, eq=False)
class RecordedRun:
    """One dump: the run to be explained, its meta if it has one, a note if it has no trace, and its file of codes."""

    side: Side
    meta: DumpMeta | None
    note: str | None
    codes_id: FileIdentity | None


def load_run(path: Path) -> RecordedRun:
    """The run that a code file, a meta, or a folder with one dump stands for, with the trace beside it.

    InputError for a folder with several dumps, for a dump without codes, and for whatever cannot be read.
    """
    dumps, _ = load_sources([path])
    if len(dumps) != 1:
        names = listed([dump.label for dump in dumps], 4)
        raise InputError(f"{path}: expected one run, got {len(dumps)}: {names}", "name one of them by its code file")
    dump = dumps[0]
    if dump.codes is None:
        raise InputError(f"{dump.label}: its codes are missing", "explain needs the codes beside the meta")
    trace = _trace_beside(dump)
    note = None if trace is not None else f"{dump.label} has no trace beside it; record runs with record.trace"
    side = Side(dump.label, dump.codes, read_trace(trace) if trace else None)
    return RecordedRun(side, dump.meta, note, dump.codes_id)


def check_comparable(a: RecordedRun, b: RecordedRun) -> None:
    """CannotJudge if the two are one file, which never differs, or answer different requests, which always do."""
    if a.codes_id is not None and a.codes_id == b.codes_id:
        raise compared_with_itself(a.side.label, b.side.label)
    if a.meta is None or b.meta is None:
        return
    # The ids of text and voice are only names.
    asked = [line for line in request_differences(a.meta, b.meta) if not line.startswith(("text_id", "voice id"))]
    if asked:
        raise CannotJudge(
            f"{b.side.label} answers another request than {a.side.label}: {'; '.join(asked)}",
            "explain two runs of one text and voice",
        )


def differing_conditions(a: RecordedRun, b: RecordedRun) -> tuple[list[str] | None, str | None]:
    """(what differs in prompt, settings, machine, software, one line each; why it is None, where a meta is missing)."""
    missing = [run.side.label for run in (a, b) if run.meta is None]
    if a.meta is None or b.meta is None:
        return None, f"no meta beside {', '.join(missing)}"
    around = [line for line in condition_differences(a.meta, b.meta) if "config record." not in line]
    return [*prompt_differences(a.meta, b.meta), *around], None


def _trace_beside(dump: Dump) -> Path | None:
    path = trace_path(Path(dump.label).parent, dump.tag)
    return path if path.is_file() else None
