"""What ``bisect`` reports: the summary of a judged bisection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from ttsctl.bisect.bisection import Bisection, BisectionKind, Cause
from ttsctl.bisect.probes import Keys, Probe, Question, Toggle, text_name
from ttsctl.bisect.search import ProbeVerdict
from ttsctl.bisect.text_runs import Symptom
from ttsctl.core.metric import definitions_of
from ttsctl.core.outcome import Outcome
from ttsctl.core.provenance import Provenance
from ttsctl.report.summary import Model, Summary
from ttsctl.runs.power import drift_bound

_DEFINED = ("drift_bound", "first_diff_frame", "hash_unique", "verdict")


@dataclass(frozen=True)
class BisectContext:
    """The files of A and B, where the probes were run, and what else is to be said about the bisection."""

    a: str
    b: str
    provenance: Provenance
    environment: Sequence[str]
    notes: Sequence[str]


class ProbeRow(Model):
    """One configuration between A and B; ``keys`` have B's values, all others A's."""

    number: Annotated[int, Field(ge=1)]
    name: Annotated[str, Field(description="the configuration in words: A, B, A with keys, B without keys")]
    keys: list[str]
    verdict: ProbeVerdict
    runs: Annotated[int, Field(ge=0, description="runs made, all texts together; a probe stops at its first bad one")]
    hash_unique: Annotated[int | None, Field(description="the largest of any text")]
    first_diff_frame: Annotated[
        int | None, Field(description="the earliest: between runs for drift, against A's for codes")
    ]
    text: Annotated[str | None, Field(description="the text in which that is")]
    codes_of_a: Annotated[bool | None, Field(description="every run gave codes that control A gave")]
    codes_of_b: Annotated[bool | None, Field(description="every run gave codes that control B gave")]
    seconds: float
    reason: Annotated[str | None, Field(description="why the probe is unresolved")]


class CauseRow(Model):
    """A smallest set of keys whose B values show the symptom on A."""

    keys: tuple[Toggle, ...]
    probe: Annotated[int, Field(description="number of the probe of A with these keys alone, which is the proof")]
    undecided: Annotated[tuple[str, ...], Field(description="keys without which no run was possible")]


class BisectSummary(Summary):
    """summary.json of ``bisect``. ``config`` is A's; ``keys`` say what is different in B."""

    command: str = "bisect"
    kind: BisectionKind
    symptom: Symptom | None
    a: str
    b: str
    texts: list[str]
    runs: Annotated[int, Field(ge=1, description="of each text in each probe")]
    drift_bound: float | None
    keys: tuple[Toggle, ...]
    causes: list[CauseRow]
    counter_proof: Annotated[int | None, Field(description="number of the probe of B with all causes put back")]
    counter_proof_verdict: ProbeVerdict | None
    probes: list[ProbeRow]
    environment: Annotated[list[str], Field(description="what else differs, reported and never toggled")]


def summarise(question: Question, found: Bisection, outcome: Outcome, context: BisectContext) -> BisectSummary:
    """The summary of a judged bisection."""
    counter_proof = found.counter_proof
    return BisectSummary(
        exit_status=int(outcome.status),
        headline=outcome.headline,
        config=question.a.to_dict(),
        config_sha256=question.a.sha256,
        provenance=context.provenance.to_dict(),
        definitions=definitions_of(*_DEFINED),
        notes=list(context.notes),
        kind=found.kind,
        symptom=found.symptom,
        a=context.a,
        b=context.b,
        texts=[text_name(request, number) for number, request in enumerate(question.requests)],
        runs=question.runs,
        drift_bound=drift_bound(question.runs),
        keys=found.toggles,
        causes=[_cause_row(cause) for cause in found.causes],
        counter_proof=counter_proof.number if counter_proof else None,
        counter_proof_verdict=counter_proof.verdict if counter_proof else None,
        probes=[_probe_row(probe, found.toggles) for probe in found.probes],
        environment=list(context.environment),
    )


def _cause_row(cause: Cause) -> CauseRow:
    return CauseRow(keys=cause.toggles, probe=cause.proof.number, undecided=cause.undecided)


def _probe_row(probe: Probe, toggles: Sequence[Toggle]) -> ProbeRow:
    return ProbeRow(
        number=probe.number,
        name=_probe_name(probe.keys, toggles),
        keys=[toggle.key for toggle in toggles if toggle.key in probe.keys],
        verdict=probe.verdict,
        runs=probe.runs,
        hash_unique=probe.hash_unique,
        first_diff_frame=probe.first_diff_frame,
        text=probe.text,
        codes_of_a=probe.codes_of_a,
        codes_of_b=probe.codes_of_b,
        seconds=round(probe.seconds, 3),
        reason=probe.reason,
    )


def _probe_name(keys: Keys, toggles: Sequence[Toggle]) -> str:
    """``A``, ``B``, ``A + keys`` or ``B − keys``, whichever is shorter."""
    own = [toggle.key for toggle in toggles if toggle.key in keys]
    back = [toggle.key for toggle in toggles if toggle.key not in keys]
    if not own or not back:
        return "B" if own else "A"
    return f"A + {', '.join(own)}" if len(own) <= len(back) else f"B − {', '.join(back)}"
