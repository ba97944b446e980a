"""Probes: configurations between A and B, each run once and remembered."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from ttsctl.bisect.keys import between
from ttsctl.bisect.search import Verdict
from ttsctl.bisect.text_runs import Run, Symptom, TextRuns, first_difference, hash_unique, like, run_texts, shows
from ttsctl.core.config import Config
from ttsctl.core.errors import TtsctlError
from ttsctl.core.request import Request

Keys = frozenset[str]
Tell = Callable[[], None]


@dataclass(frozen=True)
class Question:
    """What to bisect. ``runs``: of each request in each probe. ``max_probes``: both controls count."""

    a: Config
    b: Config
    requests: tuple[Request, ...]
    runs: int
    symptom: Symptom | None
    max_probes: int


@dataclass(frozen=True)
class Probe:
    """A with B's values of ``keys``, and what its runs gave.

    ``runs`` counts those made, over all texts; a probe stops at the first that shows the symptom. ``hash_unique`` is
    the largest of any text; ``first_diff_frame`` the earliest, in ``text``: between runs for drift, against A's for
    codes. ``like_a``, ``like_b``: every run gave codes that the control gave. What was not had is None; of an
    unresolved probe ``reason`` says why.
    """

    number: int
    keys: Keys
    verdict: Verdict
    runs: int
    seconds: float
    hash_unique: int | None = None
    first_diff_frame: int | None = None
    text: str | None = None
    like_a: bool | None = None
    like_b: bool | None = None
    reason: str | None = None


class LimitReached(Exception):
    """``max_probes`` were made."""


def text_name(request: Request, number: int) -> str:
    """What a text is called: its id, or its number from 1."""
    return request.text_id or f"text {number + 1}"


class Prober:
    """Judges sets of keys against the two controls, which were run in full. ``probes``: all so far, in order."""

    def __init__(
        self, question: Question, symptom: Symptom, a: list[TextRuns], b: list[TextRuns], run: Run, tell: Tell
    ) -> None:
        self._question = question
        self._symptom = symptom
        self._a = a
        self._b = b
        self._run = run
        self._tell = tell
        self.probes: list[Probe] = []
        self._by_keys: dict[Keys, Probe] = {}

    def add(self, keys: Keys, made: list[TextRuns], seconds: float) -> Probe:
        """Judge finished runs and remember them."""
        question = self._question
        found = first_difference(made, self._symptom, self._a, question.a.stream.packet_tokens)
        return self._keep(
            Probe(
                number=len(self.probes) + 1,
                keys=keys,
                verdict="bad" if shows(made, self._symptom, self._a) else "clean",
                runs=sum(len(text.hashes) for text in made),
                seconds=seconds,
                hash_unique=hash_unique(made),
                first_diff_frame=found.frame if found else None,
                text=text_name(question.requests[found.text], found.text) if found else None,
                like_a=like(made, self._a),
                like_b=like(made, self._b),
            )
        )

    def judge(self, keys: Keys) -> Verdict:
        return self.probe(keys).verdict

    def probe(self, keys: Keys) -> Probe:
        """The probe of these keys, made now unless it was before. LimitReached instead of one too many."""
        known = self._by_keys.get(keys)
        if known is not None:
            return known
        question, started = self._question, time.perf_counter()
        if len(self.probes) >= question.max_probes:
            raise LimitReached
        config = between(question.a, question.b, keys)
        try:
            made = run_texts(
                config, question.requests, question.runs, self._run, lambda m: shows(m, self._symptom, self._a)
            )
        except TtsctlError as error:
            seconds = time.perf_counter() - started
            return self._keep(Probe(len(self.probes) + 1, keys, "unresolved", 0, seconds, reason=str(error)))
        return self.add(keys, made, time.perf_counter() - started)

    def _keep(self, probe: Probe) -> Probe:
        self.probes.append(probe)
        self._by_keys[probe.keys] = probe
        self._tell()
        return probe
