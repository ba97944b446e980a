"""Probes: the keys in which A and B differ, and configurations between the two, each run once and remembered."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

from ttsctl.bisect.search import ProbeVerdict
from ttsctl.bisect.text_runs import (
    RunText,
    Symptom,
    TextRuns,
    first_difference,
    gave_codes_of,
    hash_unique,
    run_texts,
    shows,
)
from ttsctl.core.config import Config
from ttsctl.core.errors import TtsctlError
from ttsctl.core.request import Request

Keys = frozenset[str]
Advance = Callable[[], None]


@dataclass(frozen=True)
class Toggle:
    """One key, such as ``stream.packet_tokens``, with A's value and B's."""

    key: str
    a: Any
    b: Any


@dataclass(frozen=True)
class Question:
    """What to bisect. ``runs``: of each request in each probe. ``symptom`` None: as B shows it.

    ``max_probes`` counts both controls.
    """

    a: Config
    b: Config
    requests: tuple[Request, ...]
    runs: int
    symptom: Symptom | None
    max_probes: int


@dataclass(frozen=True)
class Probe:
    """A with B's values of ``keys``, and what its runs gave.

    ``runs`` counts all runs, of all texts; a probe stops at the first run that shows the symptom. ``hash_unique`` is
    the largest of any text. ``first_diff_frame`` is the lowest of any text, ``text`` is that text: for drift between
    runs, for codes from control A's. ``codes_of_a``, ``codes_of_b``: every run gave codes that this control gave. An
    unresolved probe has None for these, and the ``reason``.
    """

    number: int
    keys: Keys
    verdict: ProbeVerdict
    runs: int
    seconds: float
    hash_unique: int | None = None
    first_diff_frame: int | None = None
    text: str | None = None
    codes_of_a: bool | None = None
    codes_of_b: bool | None = None
    reason: str | None = None


class LimitReached(Exception):
    """``max_probes`` were made."""


def differing_keys(a: Config, b: Config) -> tuple[Toggle, ...]:
    """Every key in which A and B differ, in the order of the configuration."""
    left, right = a.to_dict(), b.to_dict()
    return tuple(
        Toggle(f"{table}.{key}", value, right[table][key])
        for table, keys in left.items()
        for key, value in keys.items()
        if value != right[table][key]
    )


def config_between(a: Config, b: Config, keys: Collection[str]) -> Config:
    """A, with B's values of ``keys``. KeyError for an unknown key."""
    tables: dict[str, Any] = {}
    for key in keys:
        table, _, name = key.partition(".")
        if name not in b.to_dict().get(table, {}):
            raise KeyError(key)
        tables[table] = replace(tables.get(table, getattr(a, table)), **{name: getattr(getattr(b, table), name)})
    return replace(a, **tables)


def text_name(request: Request, number: int) -> str:
    """The name of a text: its id, or else its number, counted from 1 (``number`` counts from 0)."""
    return request.text_id or f"text {number + 1}"


class Prober:
    """Judges sets of keys against both controls, of which every run was made. ``probes``: all so far, in order."""

    def __init__(
        self,
        question: Question,
        symptom: Symptom,
        control_a: list[TextRuns],
        control_b: list[TextRuns],
        run: RunText,
        advance: Advance,
    ) -> None:
        self._question = question
        self._symptom = symptom
        self._control_a = control_a
        self._control_b = control_b
        self._run = run
        self._advance = advance
        self.probes: list[Probe] = []
        self._by_keys: dict[Keys, Probe] = {}

    def add(self, keys: Keys, made: list[TextRuns], seconds: float) -> Probe:
        """The probe of runs that were made already."""
        question = self._question
        found = first_difference(made, self._symptom, self._control_a, question.a.stream.packet_tokens)
        return self._keep(
            Probe(
                number=len(self.probes) + 1,
                keys=keys,
                verdict="bad" if self._shows_symptom(made) else "clean",
                runs=sum(len(text.hashes) for text in made),
                seconds=seconds,
                hash_unique=hash_unique(made),
                first_diff_frame=found.frame if found else None,
                text=text_name(question.requests[found.text], found.text) if found else None,
                codes_of_a=gave_codes_of(made, self._control_a),
                codes_of_b=gave_codes_of(made, self._control_b),
            )
        )

    def judge(self, keys: Keys) -> ProbeVerdict:
        return self.probe(keys).verdict

    def probe(self, keys: Keys) -> Probe:
        """The probe of these keys, made now unless it was made before. LimitReached if there were ``max_probes``."""
        known = self._by_keys.get(keys)
        if known is not None:
            return known
        question, started = self._question, time.perf_counter()
        if len(self.probes) >= question.max_probes:
            raise LimitReached
        config = config_between(question.a, question.b, keys)
        try:
            made = run_texts(config, question.requests, question.runs, self._run, self._shows_symptom)
        except TtsctlError as error:
            seconds = time.perf_counter() - started
            return self._keep(Probe(len(self.probes) + 1, keys, "unresolved", 0, seconds, reason=str(error)))
        return self.add(keys, made, time.perf_counter() - started)

    def _shows_symptom(self, made: list[TextRuns]) -> bool:
        return shows(made, self._symptom, self._control_a)

    def _keep(self, probe: Probe) -> Probe:
        self.probes.append(probe)
        self._by_keys[probe.keys] = probe
        self._advance()
        return probe
