"""summary.json: one versioned model a command, all on one base."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ttsctl.core.files import write_text
from ttsctl.core.provenance import Provenance

SCHEMA_VERSION = "1.0"


class Model(BaseModel):
    """Frozen and closed: an unknown key is an error, and NaN and infinity are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Summary(Model):
    """What every summary.json says, whichever command wrote it."""

    schema_version: str = SCHEMA_VERSION
    command: str
    created_utc: str = Field(default_factory=lambda: datetime.now(timezone.utc).isoformat(timespec="seconds"))
    exit_status: int = Field(ge=0, le=3, description="0 holds, 1 regression or drift, 2 wrong input, 3 could not judge")
    headline: str = Field(description="the result in one line")
    config: dict[str, dict[str, Any]] | None = Field(description="resolved configuration; null where none is used")
    config_sha256: str | None
    in_force: dict[str, Any] | None = Field(default=None, description="settings read back from the engine")
    provenance: dict[str, Any]
    definitions: dict[str, str]
    notes: list[str] = Field(default_factory=list)


def write_summary(summary: Summary, folder: Path) -> Path:
    """Write ``summary.json`` whole into ``folder``."""
    path = folder / "summary.json"
    write_text(path, summary.model_dump_json(indent=1) + "\n")
    return path


def provenance_dict(provenance: Provenance) -> dict[str, Any]:
    return provenance.to_dict()
