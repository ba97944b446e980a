"""What a bisection comes to: its exit status, its headline, and notes on how far to trust it."""

from __future__ import annotations

from ttsctl.bisect.bisection import Bisection, Cause
from ttsctl.bisect.probes import Question, Toggle
from ttsctl.core.outcome import ExitStatus, Outcome
from ttsctl.core.plurals import counted
from ttsctl.runs.power import power_words


def judge_bisection(found: Bisection, question: Question) -> Outcome:
    """HOLDS if B shows no symptom, FAILS if causes were found, NOT_JUDGED otherwise."""
    if found.kind == "equal":
        return Outcome(ExitStatus.NOT_JUDGED, "cannot be bisected: A and B are the same configuration")
    if found.kind == "unstable":
        control = found.probes[0]
        return Outcome(
            ExitStatus.NOT_JUDGED,
            f"cannot be bisected: control A is itself unstable, hash_unique {control.hash_unique} in "
            f"{counted(question.runs, 'run')}, from frame {control.first_diff_frame} on",
        )
    if found.kind == "nothing":
        return Outcome(ExitStatus.HOLDS, _nothing(found, question))
    if found.kind == "unfinished":
        keys = len(found.smallest_bad.keys) if found.smallest_bad else len(found.toggles)
        said = f"not finished in {len(found.probes)} probes: narrowed to {keys} of {len(found.toggles)} keys"
        return Outcome(ExitStatus.NOT_JUDGED, f"{said}; raise --max-probes")
    return Outcome(ExitStatus.FAILS, _explained(found, question))


def bisection_notes(found: Bisection, question: Question) -> tuple[str, ...]:
    """Doubts about the causes, what the number of runs can tell, and which combinations did not run."""
    if found.kind in ("equal", "unstable"):
        return ()
    power = f"a bad probe is proof, a clean one is not: for each text, {power_words(question.runs)}"
    if found.kind == "nothing":
        return (power, *_other_symptom(found))
    return (*_doubts(found, question), power, *_unresolved(found))


def toggle_words(toggle: Toggle) -> str:
    """``stream.packet_tokens 4 → 8``: the key, A's value and B's."""
    return f"{toggle.key} {value_words(toggle.a)} → {value_words(toggle.b)}"


def value_words(value: object) -> str:
    """A value as the configuration file would have it; null for None, which leaves a setting as found."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _nothing(found: Bisection, question: Question) -> str:
    held = "B drifts no more than A" if found.symptom == "drift" else "B gives A's codes"
    return (
        f"nothing to explain: {held} in {counted(question.runs, 'run')} of each text, with "
        f"{counted(len(found.toggles), 'key')} different"
    )


def _explained(found: Bisection, question: Question) -> str:
    does = "makes it drift" if found.symptom == "drift" else "gives other codes"
    several = len(found.causes) > 1
    named = " · ".join(_cause_words(cause) for cause in found.causes)
    what = f"{len(found.causes)} causes, each {does}: {named}" if several else f"{named} {does}"
    made = f"{len(found.probes)} probes × {counted(question.runs, 'run')}"
    return f"{what} ({made}); {_counter_proof(found)}"


def _cause_words(cause: Cause) -> str:
    return " with ".join(toggle_words(toggle) for toggle in cause.toggles)


def _counter_proof(found: Bisection) -> str:
    if found.counter_proof is None:
        return "the limit on probes came before the counter-proof"
    if found.counter_proof.verdict == "unresolved":
        return "put back, B could not be run"
    if found.counter_proof.verdict == "bad":
        return "put back, B still shows it: another cause is there"
    return "put back, B " + ("holds" if found.symptom == "drift" else "gives A's codes")


def _other_symptom(found: Bisection) -> list[str]:
    if found.symptom == "drift" and found.b_gives_codes_of_a is False:
        return ["B does not drift, but gives other codes than A: ask for that with --symptom codes"]
    return []


def _doubts(found: Bisection, question: Question) -> list[str]:
    """Why the causes may not be the whole answer, or not the right one."""
    notes = [
        f"{_cause_words(cause)}: without {' or '.join(cause.undecided)} no run was possible, so it may not be needed"
        for cause in found.causes
        if cause.undecided
    ]
    rest = found.counter_proof
    if found.limited:
        notes.append(f"the search ended at the limit of {question.max_probes} probes; raise --max-probes to go on")
    if rest is not None and rest.verdict == "clean" and rest.codes_of_a is False:
        notes.append("put back, B holds but gives other codes than A, which is another question: --symptom codes")
    if found.symptom == "codes" and any(cause.proof.codes_of_b is False for cause in found.causes):
        notes.append("on A alone it gives other codes than B gives")
    if found.symptom == "codes" and found.b_drifts:
        notes.append("B drifts besides: --symptom drift asks for the cause of that alone")
    return notes


def _unresolved(found: Bisection) -> list[str]:
    """Why probes could not be run: each reason once."""
    reasons = dict.fromkeys(probe.reason for probe in found.probes if probe.reason)
    return [f"not every combination runs: {reason}" for reason in reasons]
