"""What a sweep comes to: the exit status, and the headline that says how its conclusions came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ttsctl.core.outcome import ExitStatus, Outcome
from ttsctl.core.plurals import counted
from ttsctl.runs.job import JobResult
from ttsctl.sweep.conclusions import JudgedConclusion
from ttsctl.sweep.rows import ConditionRow

_WORDS = (("holds", "hold"), ("fails", "FAIL"), ("not judged", "not judged"))


def sweep_outcome(
    name: str,
    judgements: Sequence[JudgedConclusion],
    rows: Mapping[str, ConditionRow],
    results: Sequence[JobResult],
) -> Outcome:
    """HOLDS if every conclusion holds, FAILS if one fails, NOT_JUDGED if there is none or one could not be judged.

    The headline names the experiment and counts its conditions, its runs, and what was skipped or failed.
    """
    answers = [judgement.outcome for judgement in judgements]
    skipped = sum(row.skipped is not None for row in rows.values())
    errors = sum(result.error is not None for result in results)
    parts = [f"{counted(len(rows), 'condition')}, {counted(sum(r.clean for r in results), 'run')}", _counts(answers)]
    parts += [f"{counted(skipped, 'condition')} skipped"] if skipped else []
    parts += [f"{counted(errors, 'run')} failed"] if errors else []
    return Outcome(_status(answers), f"{name}: {'; '.join(parts)}")


def _status(answers: Sequence[str]) -> ExitStatus:
    if "fails" in answers:
        return ExitStatus.FAILS
    return ExitStatus.HOLDS if answers and set(answers) == {"holds"} else ExitStatus.NOT_JUDGED


def _counts(answers: Sequence[str]) -> str:
    if not answers:
        return "no conclusion was asked for"
    said = [f"{answers.count(answer)} {word}" for answer, word in _WORDS if answer in answers]
    return f"{counted(len(answers), 'conclusion')}: {', '.join(said)}"
