"""The decision table of a sweep as CSV for programs and Markdown for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ttsctl.core.files import write_text, written_whole
from ttsctl.report.console import MISSING, number
from ttsctl.sweep.metrics import METRICS
from ttsctl.sweep.rows import ConditionRow
from ttsctl.sweep.summary import CSV, MARKDOWN, ConclusionEntry, SweepSummary
from ttsctl.sweep.topk import TopkRow

# A word and no number, so it is a field of the row and not one of its metrics.
FIRST_DIFF_KIND = "first_diff_kind"
# What people read; the CSV has every metric.
SHOWN = (
    "runs",
    "errors",
    "stalls",
    "missing_dumps",
    "frames_least",
    "frames_most",
    "duration_s",
    "decode_calls_most",
    "hash_unique",
    "first_packet_hash_unique",
    "first_diff_frame",
    FIRST_DIFF_KIND,
    "reference_first_diff_frame",
    "ttfa_p50_ms",
    "ttfa_p95_ms",
    "ttfa_max_ms",
    "code_p50_ms",
    "code_p95_ms",
    "code_max_ms",
    "decode_first_p50_ms",
    "decode_first_p95_ms",
    "decode_first_max_ms",
    "rtf_p50",
    "rtf_p95",
    "rtf_max",
    "total_p50_s",
    "total_p95_s",
    "total_max_s",
)
# Shown only if a row has a value.
SHOWN_IF_MEASURED = (
    "pcm_hash_unique",
    "reference_mae",
    "topk_first_diff_frame",
    "topk_ids_differ",
    "topk_logits_differ",
    "draws_unique",
    "pops",
    "pops_unique",
)
ALL = "all together"


def write_tables(summary: SweepSummary, folder: Path) -> None:
    """decision_table.csv and decision_table.md, whole."""
    with written_whole(folder / CSV) as temporary:
        write_csv(summary, temporary)
    write_text(folder / MARKDOWN, markdown(summary))


def write_csv(summary: SweepSummary, path: Path) -> None:
    """One row a condition, then the same by machine where there are several, then all together.

    Missing figures are empty; summary.json has their reasons.
    """
    # ``ttsctl schema`` loads this module and makes no table.
    import pandas as pd

    rows = [_csv_row(row, "") for row in summary.conditions]
    rows += [_csv_row(row, machine) for by in summary.by_machine.values() for machine, row in by.items()]
    rows.append(_csv_row(replace(summary.total, name=ALL), ""))
    # Integers stay integers beside missing values.
    pd.DataFrame(rows).convert_dtypes().to_csv(path, index=False)


def _csv_row(row: ConditionRow, machine: str) -> dict[str, object]:
    return {
        "condition": row.name,
        "machine": machine,
        "run": row.run,
        "settings": json.dumps(row.settings, ensure_ascii=False, sort_keys=True),
        "cases": row.cases,
        "skipped": row.skipped or "",
        "first_error": row.first_error or "",
        "worst_case": row.worst_case or "",
        "power": row.power,
        FIRST_DIFF_KIND: row.first_diff_kind or "",
        **{name: row.value(name) for name in METRICS},
    }


def shown_metrics(rows: Sequence[ConditionRow]) -> list[str]:
    """The columns that people read, in the order of the table."""
    return [*SHOWN, *(name for name in SHOWN_IF_MEASURED if any(row.value(name) is not None for row in rows))]


def cell(row: ConditionRow, metric: str) -> str:
    """A figure for people; "–" if it is missing."""
    if metric == FIRST_DIFF_KIND:
        return row.first_diff_kind or MISSING
    value = row.value(metric)
    if value is None:
        return MISSING
    return str(value) if isinstance(value, int) else f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"


def markdown(summary: SweepSummary) -> str:
    """The report: question, conclusions, conditions, power, what failed or was not run, draws, machines, notes."""
    facts = summary.experiment
    rows = [*summary.conditions, replace(summary.total, name=ALL)]
    parts = [
        f"# {_plain(facts.name)}\n\n{_plain(facts.question)}",
        f"{_plain(summary.headline)}. {facts.repeats} runs of each text, isolation {facts.isolation!r}, reference "
        f"condition {_plain(facts.reference)}, executor {_plain(facts.executor)}, {summary.created_utc}.",
        "## Conclusions\n\n" + _conclusions(summary.conclusions),
        "## Conditions\n\n" + _conditions(rows),
        "## Power\n\n" + "\n".join(f"- {_plain(row.name)}: {_plain(row.power)}" for row in rows),
        _problems(summary.conditions),
        _topk(summary.topk),
        _machines(summary),
        "## Notes\n\n" + "\n".join(f"- {_plain(note)}" for note in summary.notes) if summary.notes else "",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _conclusions(conclusions: Sequence[ConclusionEntry]) -> str:
    if not conclusions:
        return "None was asked for."
    rows = [[c.question, f"`{c.expect}`", c.over, f"**{c.outcome}**", c.reason] for c in conclusions]
    return _table(["question", "expected", "over", "outcome", "why"], rows)


def _conditions(rows: Sequence[ConditionRow]) -> str:
    metrics = shown_metrics(rows)
    body = [[row.name, row.run, *(cell(row, metric) for metric in metrics)] for row in rows]
    return _table(["condition", "run", *metrics], body)


def _problems(rows: Sequence[ConditionRow]) -> str:
    lines = [f"- {_plain(row.name)}: {_plain(row.skipped)}" for row in rows if row.skipped]
    lines += [
        f"- {_plain(row.name)}: {row.value('errors')} runs failed, the first with: {_plain(row.first_error)}"
        for row in rows
        if row.first_error
    ]
    lines += [f"- {_plain(str(stall))}" for row in rows for stall in row.stalled or ()]
    return "## Not run, failed or stalled\n\n" + "\n".join(lines) if lines else ""


_TOPK = (
    "First draw (frame, codebook) whose best two ids, or whose logits, are not those of the reference condition's "
    "first run; then for each codebook the first frame, ids/logits."
)


def _topk(rows: Sequence[TopkRow]) -> str:
    """Where the draws of each row first differ from the reference's, in all and for each codebook."""
    if not rows:
        return ""
    books = range(len(rows[0].diff.ids_frames))
    head = ["condition", "text", "runs that differ", "first ids", "first logits", *(f"cb {book}" for book in books)]
    body = [
        [
            row.condition,
            row.case,
            f"{row.differing} of {row.runs}",
            _place(row.diff.first_ids),
            _place(row.diff.first_logits),
            *(f"{_frame(row.diff.ids_frames[book])}/{_frame(row.diff.logits_frames[book])}" for book in books),
        ]
        for row in rows
    ]
    return f"## Best ids and logits\n\n{_TOPK}\n\n{_table(head, body)}"


def _place(first: tuple[int, int] | None) -> str:
    return f"frame {first[0]}, cb {first[1]}" if first else MISSING


def _frame(frame: int | None) -> str:
    return number(frame)


def _machines(summary: SweepSummary) -> str:
    """Every condition by machine, the texts whose codes differ, and how the machines differ; "" for one machine."""
    if len(summary.machines) < 2:
        return ""
    names = {machine.id: f"{machine.host} ({machine.id[:8]})" for machine in summary.machines}
    rows = [row for by in summary.by_machine.values() for row in by.values()]
    metrics = shown_metrics(rows)
    body = [
        [name, names.get(machine, machine[:8]), *(cell(row, metric) for metric in metrics)]
        for name, by in summary.by_machine.items()
        for machine, row in by.items()
    ]
    spreads = [s for s in summary.machine_spreads if s.spread != "one result"]
    lines = [f"- {_plain(s.condition)}, {_plain(s.case)}: {s.spread}" for s in spreads]
    codes = "\n".join(lines) or "Every text has the same codes on all machines."
    differs = [f"- {names[m.id]}: {_plain('; '.join(m.differs))}" for m in summary.machines if m.differs]
    parts = ["## Machines", _table(["condition", "machine", *metrics], body), codes]
    parts += ["Unlike the first machine:\n\n" + "\n".join(differs)] if differs else []
    return "\n\n".join(parts)


def _table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(_plain(text) for text in line) + " |" for line in lines)


def _plain(text: str | None) -> str:
    """``text`` on one line, with ``|`` escaped, and ``<`` too unless it is code."""
    line = " ".join((text or "").split()).replace("|", "\\|")
    return line if line.startswith("`") else line.replace("<", "\\<")
