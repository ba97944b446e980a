"""summary.json: the base of the commands' versioned models, and how one is written."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticSerializationError

from ttsctl.core.files import write_text
from ttsctl.core.printable import json_text

SCHEMA_VERSION = "1.0"


class Model(BaseModel):
    """Frozen and closed: an unknown key is an error, and NaN and infinity are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Summary(Model):
    """The fields of every summary.json, whichever command wrote it."""

    schema_version: str = SCHEMA_VERSION
    command: str
    created_utc: str = Field(default_factory=lambda: datetime.now(timezone.utc).isoformat(timespec="seconds"))
    exit_status: Annotated[
        int, Field(ge=0, le=3, description="0 holds, 1 regression or drift, 2 wrong input, 3 could not judge")
    ]
    headline: Annotated[str, Field(description="the result in one line")]
    config: Annotated[
        dict[str, dict[str, Any]] | None, Field(description="resolved configuration; null where none is used")
    ]
    config_sha256: str | None
    in_force: Annotated[dict[str, Any] | None, Field(description="settings read back from the engine")] = None
    provenance: dict[str, Any]
    definitions: dict[str, str]
    notes: list[str] = Field(default_factory=list)

    def to_json(self) -> str:
        """The text of summary.json. Bytes of names that are not UTF-8 are escapes, for JSON cannot hold them."""
        try:
            return self.model_dump_json(indent=1)
        except PydanticSerializationError:
            return json_text(self.model_dump(mode="json"))

    @classmethod
    def command_name(cls) -> str:
        """The command that writes this summary, which is also the name of its run folders."""
        return str(cls.model_fields["command"].default)


def write_summary(summary: Summary, folder: Path) -> Path:
    """Write ``summary.json`` into ``folder``, whole or not at all; returns its path. InputError if that fails."""
    path = folder / "summary.json"
    write_text(path, summary.to_json() + "\n")
    return path
