"""What a bisection says: its exit status, its headline, and what must be known to trust it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ttsctl.bisect.bisection import Cause, Outcome
from ttsctl.bisect.keys import Toggle
from ttsctl.bisect.probes import Question
from ttsctl.core.plurals import counted
from ttsctl.runs.power import power_words


@dataclass(frozen=True)
class Judgement:
    """``status``: 1 explained, 0 nothing to explain, 3 could not be judged."""

    status: int
    headline: str
    notes: tuple[str, ...]


def judge(outcome: Outcome, question: Question) -> Judgement:
    """The judgement of a bisection. Explained needs a set that was seen bad; a doubt about the rest is a note."""
    if outcome.kind == "equal":
        return Judgement(3, "cannot be bisected: A and B are the same configuration", ())
    if outcome.kind == "unstable":
        control = outcome.probes[0]
        return Judgement(
            3,
            f"cannot be bisected: control A is itself unstable, hash_unique {control.hash_unique} in "
            f"{counted(question.runs, 'run')}, from frame {control.first_diff_frame} on",
            (),
        )
    if outcome.kind == "nothing":
        return Judgement(0, _nothing(outcome, question), (*_power(question), *_other_symptom(outcome)))
    notes = (*_doubts(outcome, question), *_power(question), *_unresolved(outcome))
    if outcome.kind == "unfinished":
        keys = len(outcome.smallest_bad.keys) if outcome.smallest_bad else len(outcome.toggles)
        said = f"not finished in {len(outcome.probes)} probes: narrowed to {keys} of {len(outcome.toggles)} keys"
        return Judgement(3, f"{said}; raise --max-probes", notes)
    return Judgement(1, _found(outcome, question), notes)


def _nothing(outcome: Outcome, question: Question) -> str:
    held = "B drifts no more than A" if outcome.symptom == "drift" else "B gives A's codes"
    return (
        f"nothing to explain: {held} in {counted(question.runs, 'run')} of each text, with "
        f"{counted(len(outcome.toggles), 'key')} different"
    )


def _other_symptom(outcome: Outcome) -> list[str]:
    if outcome.symptom == "drift" and outcome.b_like_a is False:
        return ["B does not drift, but gives other codes than A: ask for that with --symptom codes"]
    return []


def _found(outcome: Outcome, question: Question) -> str:
    does = "makes it drift" if outcome.symptom == "drift" else "gives other codes"
    several = len(outcome.causes) > 1
    named = " · ".join(_named(cause) for cause in outcome.causes)
    what = f"{len(outcome.causes)} causes, each {does}: {named}" if several else f"{named} {does}"
    made = f"{len(outcome.probes)} probes × {counted(question.runs, 'run')}"
    return f"{what} ({made}); {_counter_proof(outcome)}"


def _named(cause: Cause) -> str:
    return " with ".join(told(toggle) for toggle in cause.toggles)


def told(toggle: Toggle) -> str:
    """``stream.packet_tokens 4 → 8``: the key, A's value and B's."""
    return f"{toggle.key} {shown(toggle.a)} → {shown(toggle.b)}"


def shown(value: object) -> str:
    """A value as the configuration file would have it; null for the one that says "as found"."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _counter_proof(outcome: Outcome) -> str:
    if outcome.rest is None:
        return "the limit on probes came before the counter-proof"
    if outcome.rest.verdict == "unresolved":
        return "put back, B could not be run"
    if outcome.rest.verdict == "bad":
        return "put back, B still shows it: another cause is there"
    return "put back, B " + ("holds" if outcome.symptom == "drift" else "gives A's codes")


def _doubts(outcome: Outcome, question: Question) -> list[str]:
    """What keeps the causes from being the whole and only truth."""
    notes = [
        f"{_named(cause)}: without {' or '.join(cause.undecided)} no run was possible, so it may not be needed"
        for cause in outcome.causes
        if cause.undecided
    ]
    rest = outcome.rest
    if outcome.limited:
        notes.append(f"the search ended at the limit of {question.max_probes} probes; raise --max-probes to go on")
    if rest is not None and rest.verdict == "clean" and rest.like_a is False:
        notes.append("put back, B holds but gives other codes than A, which is another question: --symptom codes")
    if outcome.symptom == "codes" and any(cause.proof.like_b is False for cause in outcome.causes):
        notes.append("on A alone it gives other codes than B gives")
    if outcome.symptom == "codes" and outcome.b_drifts:
        notes.append("B drifts besides: --symptom drift asks for the cause of that alone")
    return notes


def _power(question: Question) -> list[str]:
    return [f"a bad probe is proof, a clean one is not: for each text, {power_words(question.runs)}"]


def _unresolved(outcome: Outcome) -> list[str]:
    """Why probes could not be run, each reason once."""
    reasons = [probe.reason for probe in outcome.probes if probe.reason]
    return [f"not every combination runs: {reason}" for reason in _distinct(reasons)]


def _distinct(lines: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(lines))
