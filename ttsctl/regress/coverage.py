"""How much of a baseline a run was really compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ttsctl.core.plurals import counted, listed
from ttsctl.core.verdict import Verdict
from ttsctl.regress.gates import GATES
from ttsctl.regress.reference import Reference
from ttsctl.runs.texts import Case


@dataclass(frozen=True)
class Coverage:
    """Which cases were compared with the baseline, of this run's and of the baseline's.

    ``cases``: how many the baseline has. ``not_run``: those that this run does not have. ``not_compared``: those of
    this run that no gate compared with it. ``compared``: some gate compared something. ``named``: the run itself asked
    for this baseline, and not only its suite.
    """

    cases: int
    not_run: list[str]
    not_compared: list[str]
    compared: bool
    named: bool

    @property
    def why_not_judged(self) -> str | None:
        """Why the run is no answer to the question that the baseline was given for; None if it is one.

        A suite may choose some of the texts of its baseline. Who names a baseline asks for all of it.
        """
        if not self.compared:
            return "nothing was compared with the baseline"
        return self.gaps if self.named else None

    @property
    def gaps(self) -> str | None:
        """Which cases were left out, as one phrase; None if none was."""
        parts = []
        if self.not_run:
            share = f"{len(self.not_run)} of the baseline's {counted(self.cases, 'case')}"
            parts.append(f"{share} did not run: {listed(self.not_run, 4)}")
        if self.not_compared:
            parts.append(f"not compared with the baseline: {listed(self.not_compared, 4)}")
        return "; ".join(parts) or None


def coverage_of(verdicts: Sequence[Verdict], cases: Sequence[Case], reference: Reference) -> Coverage | None:
    """The coverage of the run's baseline; None if it was given none."""
    if reference.baseline is None:
        return None
    judged = [v for v in verdicts if _is_against_baseline(v.gate) and v.status in ("pass", "fail")]
    compared = {v.where for v in judged}
    ids = {case.id for case in cases}
    return Coverage(
        cases=len(reference.baseline.cases),
        not_run=[case.id for case in reference.baseline.cases if case.id not in ids],
        # A gate over all cases has compared every one.
        not_compared=[] if "" in compared else [case.id for case in cases if case.id not in compared],
        compared=bool(judged),
        named=reference.named,
    )


def _is_against_baseline(gate: str) -> bool:
    return gate in GATES and GATES[gate].against is not None
