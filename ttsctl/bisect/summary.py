"""What ``bisect`` reports: its summary and its table of probes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from ttsctl.bisect.bisection import Cause, Kind, Outcome
from ttsctl.bisect.judge import Judgement, shown
from ttsctl.bisect.keys import Toggle
from ttsctl.bisect.probes import Probe, Question, text_name
from ttsctl.bisect.text_runs import Symptom
from ttsctl.core.metric import definitions_of
from ttsctl.core.provenance import Provenance
from ttsctl.core.request import Request
from ttsctl.report.summary import Model, Summary
from ttsctl.runs.power import drift_bound

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_DEFINED = ("drift_bound", "first_diff_frame", "hash_unique", "verdict")


class ToggleRow(Model):
    """A key in which A and B differ, and their values."""

    key: str
    a: Any
    b: Any


class ProbeRow(Model):
    """One configuration between A and B; ``keys`` have B's values, all others A's."""

    number: int = Field(ge=1)
    name: str = Field(description="the configuration in words: A, B, A with keys, B without keys")
    keys: list[str]
    verdict: Literal["bad", "clean", "unresolved"]
    runs: int = Field(ge=0, description="runs made, all texts together; a probe stops at its first bad one")
    hash_unique: int | None = Field(description="the largest of any text")
    first_diff_frame: int | None = Field(description="the earliest: between runs for drift, against A's for codes")
    text: str | None = Field(description="the text in which that is")
    codes_of_a: bool | None = Field(description="every run gave codes that control A gave")
    codes_of_b: bool | None = Field(description="every run gave codes that control B gave")
    seconds: float
    reason: str | None = Field(description="why the probe is unresolved")


class CauseRow(Model):
    """A smallest set of keys whose B values show the symptom on A."""

    keys: list[ToggleRow]
    probe: int = Field(description="number of the probe of A with these keys alone, which is the proof")
    undecided: list[str] = Field(description="keys without which no run was possible")


class BisectSummary(Summary):
    """summary.json of ``bisect``. ``config`` is A's; ``keys`` say what is different in B."""

    command: str = "bisect"
    kind: Kind
    symptom: Symptom | None
    a: str
    b: str
    texts: list[str]
    runs: int = Field(ge=1, description="of each text in each probe")
    drift_bound: float | None
    keys: list[ToggleRow]
    causes: list[CauseRow]
    counter_proof: int | None = Field(description="number of the probe of B with all causes put back")
    counter_proof_verdict: Literal["bad", "clean", "unresolved"] | None
    probes: list[ProbeRow]
    environment: list[str] = Field(description="what else differs, reported and never toggled")


def summarise(
    question: Question,
    outcome: Outcome,
    judgement: Judgement,
    names: tuple[str, str],
    provenance: Provenance,
    environment: Sequence[str],
) -> BisectSummary:
    """The summary of a judged bisection; ``names`` are the files of A and B."""
    return BisectSummary(
        exit_status=judgement.status,
        headline=judgement.headline,
        config=question.a.to_dict(),
        config_sha256=question.a.sha256,
        provenance=provenance.to_dict(),
        definitions=definitions_of(*_DEFINED),
        notes=list(judgement.notes),
        kind=outcome.kind,
        symptom=outcome.symptom,
        a=names[0],
        b=names[1],
        texts=texts_of(question.requests),
        runs=question.runs,
        drift_bound=drift_bound(question.runs),
        keys=_toggles(outcome.toggles),
        causes=[_cause(cause) for cause in outcome.causes],
        counter_proof=outcome.rest.number if outcome.rest else None,
        counter_proof_verdict=outcome.rest.verdict if outcome.rest else None,
        probes=[_probe(probe, outcome.toggles) for probe in outcome.probes],
        environment=list(environment),
    )


def texts_of(requests: Sequence[Request]) -> list[str]:
    return [text_name(request, number) for number, request in enumerate(requests)]


def _toggles(toggles: Sequence[Toggle]) -> list[ToggleRow]:
    return [ToggleRow(key=toggle.key, a=toggle.a, b=toggle.b) for toggle in toggles]


def _cause(cause: Cause) -> CauseRow:
    return CauseRow(keys=_toggles(cause.toggles), probe=cause.proof.number, undecided=list(cause.undecided))


def _probe(probe: Probe, toggles: Sequence[Toggle]) -> ProbeRow:
    return ProbeRow(
        number=probe.number,
        name=probe_name(probe.keys, toggles),
        keys=[toggle.key for toggle in toggles if toggle.key in probe.keys],
        verdict=probe.verdict,
        runs=probe.runs,
        hash_unique=probe.hash_unique,
        first_diff_frame=probe.first_diff_frame,
        text=probe.text,
        codes_of_a=probe.like_a,
        codes_of_b=probe.like_b,
        seconds=round(probe.seconds, 3),
        reason=probe.reason,
    )


def probe_name(keys: frozenset[str], toggles: Sequence[Toggle]) -> str:
    """``A``, ``B``, ``A + keys`` or ``B − keys``, whichever is shorter."""
    own = [toggle.key for toggle in toggles if toggle.key in keys]
    back = [toggle.key for toggle in toggles if toggle.key not in keys]
    if not own or not back:
        return "B" if own else "A"
    return f"A + {', '.join(own)}" if len(own) <= len(back) else f"B − {', '.join(back)}"


def render(summary: BisectSummary, console: Console) -> None:
    """The probes in order, the causes with both values, the environment and the notes."""
    if summary.probes:
        console.print(_probes(summary))
    for number, cause in enumerate(summary.causes, start=1):
        _say(console, f"cause {number}, proven by probe {cause.probe}:")
        for row in cause.keys:
            _say(console, f"  {row.key}: A {shown(row.a)}, B {shown(row.b)}")
    for line in summary.environment:
        _say(console, f"environment, not toggled: {line}")
    for note in summary.notes:
        _say(console, f"note: {note}")


def _say(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def _probes(summary: BisectSummary) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    differ = "1 key differs" if len(summary.keys) == 1 else f"{len(summary.keys)} keys differ"
    title = f"bisect for {'drift' if summary.symptom == 'drift' else 'other codes'}: {differ}"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    for name in ("probe", "runs", "hash_unique", "first_diff_frame", "s"):
        table.add_column(name, justify="right")
    for name in ("verdict", "configuration"):
        table.add_column(name, overflow="fold")
    for row in summary.probes:
        seconds = f"{row.seconds:.1f}"
        figures = (row.number, row.runs, row.hash_unique, row.first_diff_frame, seconds)
        table.add_row(*("–" if f is None else str(f) for f in figures), row.verdict, escape(row.name))
    return table
