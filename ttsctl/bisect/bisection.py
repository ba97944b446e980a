"""A holds and B does not: the smallest sets of keys that explain it, with their counter-proof."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ttsctl.bisect.probes import Advance, Keys, LimitReached, Probe, Prober, Question, Toggle, differing_keys
from ttsctl.bisect.search import smallest_bad_set
from ttsctl.bisect.text_runs import RunText, Symptom, TextRuns, gave_codes_of, hash_unique, run_texts
from ttsctl.core.config import Config
from ttsctl.core.errors import TtsctlError

# equal: no key differs. unstable: A itself drifts. nothing: B shows no symptom. unfinished: the limit came first.
BisectionKind = Literal["equal", "unstable", "nothing", "found", "unfinished"]


@dataclass(frozen=True)
class Cause:
    """A smallest set of keys whose B values on A show the symptom; ``proof`` is the probe that saw it.

    ``undecided`` are the keys without which the rest could not be run. Without any other key the symptom was not seen.
    """

    toggles: tuple[Toggle, ...]
    undecided: tuple[str, ...]
    proof: Probe


@dataclass(frozen=True)
class Bisection:
    """What a bisection found.

    ``causes`` share no key. ``counter_proof`` is B with A's values of all their keys; None if there is no cause, or if
    the limit came before that probe. ``limited``: the limit on probes ended the search. ``b_drifts`` and
    ``b_gives_codes_of_a`` are about control B; None where it was not run.
    """

    kind: BisectionKind
    symptom: Symptom | None
    toggles: tuple[Toggle, ...]
    probes: tuple[Probe, ...] = ()
    causes: tuple[Cause, ...] = ()
    counter_proof: Probe | None = None
    limited: bool = False
    b_drifts: bool | None = None
    b_gives_codes_of_a: bool | None = None

    @property
    def smallest_bad(self) -> Probe | None:
        """The bad probe with the fewest keys: how far an unfinished search came."""
        bad = [probe for probe in self.probes if probe.verdict == "bad"]
        return min(bad, key=lambda probe: len(probe.keys), default=None)


def bisect(question: Question, run: RunText, advance: Advance = lambda: None) -> Bisection:
    """Run the controls A and B, search the causes, prove each, and make the counter-proof.

    Unless the question names the symptom, it is drift if B drifts, else other codes than A's. ``advance`` is called
    after every probe. A TtsctlError in a control is raised with the control's name; in any other probe it makes that
    probe unresolved.
    """
    toggles = differing_keys(question.a, question.b)
    if not toggles:
        return Bisection("equal", question.symptom, toggles)
    a, seconds_a = _run_control("A", question.a, question, run)
    if hash_unique(a) > 1:
        prober = Prober(question, "drift", a, a, run, advance)
        prober.add(frozenset(), a, seconds_a)
        return Bisection("unstable", "drift", toggles, tuple(prober.probes))
    b, seconds_b = _run_control("B", question.b, question, run)
    drifts = hash_unique(b) > 1
    symptom: Symptom = question.symptom or ("drift" if drifts else "codes")
    prober = Prober(question, symptom, a, b, run, advance)
    prober.add(frozenset(), a, seconds_a)
    control_b = prober.add(_keys(toggles), b, seconds_b)
    kind, causes, counter_proof, limited = _search(prober, control_b, toggles)
    return Bisection(
        kind=kind,
        symptom=symptom,
        toggles=toggles,
        probes=tuple(prober.probes),
        causes=tuple(causes),
        counter_proof=counter_proof,
        limited=limited,
        b_drifts=drifts,
        b_gives_codes_of_a=gave_codes_of(b, a),
    )


def _run_control(name: str, config: Config, question: Question, run: RunText) -> tuple[list[TextRuns], float]:
    """All runs of a control, and the seconds they took."""
    started = time.perf_counter()
    try:
        made = run_texts(config, question.requests, question.runs, run, lambda _: False)
    except TtsctlError as error:
        raise type(error)(f"control {name}: {error.what}", error.fix) from error
    return made, time.perf_counter() - started


def _search(
    prober: Prober, control_b: Probe, toggles: Sequence[Toggle]
) -> tuple[BisectionKind, list[Cause], Probe | None, bool]:
    """Find causes until B without all of them is no longer bad: (kind, causes, counter-proof, whether limited)."""
    causes: list[Cause] = []
    if control_b.verdict != "bad":
        return "nothing", causes, None, False
    left, without_causes = list(toggles), control_b
    try:
        while without_causes.verdict == "bad":
            cause = _find_cause(prober, left)
            causes.append(cause)
            left = [toggle for toggle in left if toggle not in cause.toggles]
            without_causes = prober.probe(_keys(left))
    except LimitReached:
        return ("found" if causes else "unfinished"), causes, _known_counter_proof(prober, toggles, causes), True
    return "found", causes, without_causes, False


def _find_cause(prober: Prober, left: Sequence[Toggle]) -> Cause:
    found = smallest_bad_set([toggle.key for toggle in left], prober.judge)
    chosen = tuple(toggle for toggle in left if toggle.key in found.keys)
    return Cause(chosen, found.undecided, prober.probe(frozenset(found.keys)))


def _known_counter_proof(prober: Prober, toggles: Sequence[Toggle], causes: Sequence[Cause]) -> Probe | None:
    """The counter-proof of all causes together, if it was made before the limit came."""
    blamed = {toggle for cause in causes for toggle in cause.toggles}
    keys = _keys([toggle for toggle in toggles if toggle not in blamed])
    return next((probe for probe in prober.probes if causes and probe.keys == keys), None)


def _keys(toggles: Sequence[Toggle]) -> Keys:
    return frozenset(toggle.key for toggle in toggles)
