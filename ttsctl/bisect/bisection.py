"""A holds and B does not: the smallest set of keys that explains it, with its counter-proof."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ttsctl.bisect.keys import Toggle, differing
from ttsctl.bisect.probes import Keys, LimitReached, Probe, Prober, Question, Tell
from ttsctl.bisect.search import smallest
from ttsctl.bisect.text_runs import Run, Symptom, TextRuns, hash_unique, like, run_texts
from ttsctl.core.config import Config
from ttsctl.core.errors import TtsctlError

# equal: no key differs. unstable: A drifts itself. nothing: B shows no symptom. unfinished: the limit came first.
Kind = Literal["equal", "unstable", "nothing", "found", "unfinished"]


@dataclass(frozen=True)
class Cause:
    """A set of keys whose B values on A show the symptom, as ``proof`` saw.

    Without any one of them it was not seen; ``undecided`` are those without which no run was possible.
    """

    toggles: tuple[Toggle, ...]
    undecided: tuple[str, ...]
    proof: Probe


@dataclass(frozen=True)
class Outcome:
    """What the bisection found.

    ``causes`` are disjoint. ``rest`` is the counter-proof: B with all of them put back to A's values; None where no
    cause was found. ``limited``: the limit on probes ended the search. ``b_drifts``, ``b_like_a``: of control B.
    """

    kind: Kind
    symptom: Symptom | None
    toggles: tuple[Toggle, ...]
    probes: tuple[Probe, ...] = ()
    causes: tuple[Cause, ...] = ()
    rest: Probe | None = None
    limited: bool = False
    b_drifts: bool | None = None
    b_like_a: bool | None = None

    @property
    def smallest_bad(self) -> Probe | None:
        """The bad probe of the fewest keys: how far an unfinished search came."""
        bad = [probe for probe in self.probes if probe.verdict == "bad"]
        return min(bad, key=lambda probe: len(probe.keys), default=None)


def bisect(question: Question, run: Run, tell: Tell = lambda: None) -> Outcome:
    """Run the controls A and B, then search, prove and counter-prove. ``tell`` is called after every probe.

    The symptom, unless the question names it, is drift if B drifts, else other codes than A's. An error of the engine
    in a control is raised with the control's name; in between it makes a probe unresolved.
    """
    toggles = differing(question.a, question.b)
    if not toggles:
        return Outcome("equal", question.symptom, toggles)
    every = frozenset(toggle.key for toggle in toggles)
    a, a_seconds = _control("A", question.a, question, run)
    if hash_unique(a) > 1:
        prober = Prober(question, "drift", a, a, run, tell)
        prober.add(frozenset(), a, a_seconds)
        return Outcome("unstable", "drift", toggles, tuple(prober.probes))
    b, b_seconds = _control("B", question.b, question, run)
    drifts = hash_unique(b) > 1
    symptom: Symptom = question.symptom or ("drift" if drifts else "codes")
    prober = Prober(question, symptom, a, b, run, tell)
    prober.add(frozenset(), a, a_seconds)
    causes: list[Cause] = []
    kind, rest, limited = _searched(prober, prober.add(every, b, b_seconds), toggles, causes)
    return Outcome(kind, symptom, toggles, tuple(prober.probes), tuple(causes), rest, limited, drifts, like(b, a))


def _control(name: str, config: Config, question: Question, run: Run) -> tuple[list[TextRuns], float]:
    """All runs of a control, and the seconds they took."""
    started = time.perf_counter()
    try:
        made = run_texts(config, question.requests, question.runs, run, lambda _: False)
    except TtsctlError as error:
        raise type(error)(f"control {name}: {error.what}", error.fix) from error
    return made, time.perf_counter() - started


def _searched(
    prober: Prober, rest: Probe, toggles: Sequence[Toggle], causes: list[Cause]
) -> tuple[Kind, Probe | None, bool]:
    """Fill ``causes`` until B without them is no longer bad; ``rest`` begins as control B."""
    if rest.verdict != "bad":
        return "nothing", None, False
    left = list(toggles)
    try:
        while rest.verdict == "bad":
            cause = _cause(prober, left)
            causes.append(cause)
            left = [toggle for toggle in left if toggle not in cause.toggles]
            rest = prober.probe(_keys(left))
    except LimitReached:
        # The last probe of B without the causes before is still the best that is known of the rest.
        return ("found" if causes else "unfinished"), (_known_rest(prober, toggles, causes)), True
    return "found", rest, False


def _cause(prober: Prober, left: Sequence[Toggle]) -> Cause:
    found = smallest([toggle.key for toggle in left], prober.judge)
    chosen = tuple(toggle for toggle in left if toggle.key in found.keys)
    return Cause(chosen, found.undecided, prober.probe(frozenset(found.keys)))


def _known_rest(prober: Prober, toggles: Sequence[Toggle], causes: Sequence[Cause]) -> Probe | None:
    """The counter-proof of all causes together, if it was made before the limit came."""
    blamed = {toggle for cause in causes for toggle in cause.toggles}
    keys = _keys([toggle for toggle in toggles if toggle not in blamed])
    return next((probe for probe in prober.probes if causes and probe.keys == keys), None)


def _keys(toggles: Sequence[Toggle]) -> Keys:
    return frozenset(toggle.key for toggle in toggles)
