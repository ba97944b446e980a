"""summary.json of ``doctor``."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from ttsctl.core.config import Config
from ttsctl.core.outcome import ExitStatus, Outcome
from ttsctl.core.plurals import counted
from ttsctl.core.provenance import Provenance
from ttsctl.doctor.check import Check
from ttsctl.report.summary import Summary


class DoctorSummary(Summary):
    """summary.json of ``doctor``."""

    command: str = "doctor"
    checks: list[Check] = Field(description="what was looked at, in the order of the table")


def doctor_outcome(checks: list[Check]) -> Outcome:
    """NOT_JUDGED if a check failed, because nothing can be judged on such a machine; a warning fails nothing."""
    failures = [check.name for check in checks if check.status == "failure"]
    warnings = [check.name for check in checks if check.status == "warning"]
    status = ExitStatus.NOT_JUDGED if failures else ExitStatus.HOLDS
    word = "NOT FIT" if failures else "FIT"
    parts = [f"failed: {', '.join(failures)}"] if failures else []
    parts += [f"warnings: {', '.join(warnings)}"] if warnings else []
    return Outcome(status, f"{word}: {counted(len(checks), 'check')}; {'; '.join(parts) or 'all ok'}")


def summarise(
    checks: list[Check], config: Config, in_force: dict[str, Any] | None, provenance: Provenance
) -> DoctorSummary:
    """The summary of a doctor's visit under ``config``."""
    outcome = doctor_outcome(checks)
    return DoctorSummary(
        exit_status=int(outcome.status),
        headline=outcome.headline,
        config=config.to_dict(),
        config_sha256=config.sha256,
        in_force=in_force,
        provenance=provenance.to_dict(),
        definitions={
            "ok": "nothing to do",
            "warning": "the work can be done, but its figures or its ease suffer",
            "failure": "the work cannot be done, or cannot be trusted",
        },
        checks=checks,
    )
