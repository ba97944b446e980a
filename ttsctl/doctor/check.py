"""One line of the doctor: what was looked at, what was found, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

CheckStatus = Literal["ok", "warning", "failure"]


@dataclass(frozen=True)
class Check:
    """``found`` is what was read or measured. ``advice`` is what to do; empty only for ``ok``."""

    name: str
    status: CheckStatus
    found: str
    advice: str = ""


def ok(name: str, found: str) -> Check:
    """Nothing to do."""
    return Check(name, "ok", found)


def warning(name: str, found: str, advice: str) -> Check:
    """The work can be done, but its figures or its ease suffer."""
    return Check(name, "warning", found, advice)


def failure(name: str, found: str, advice: str) -> Check:
    """The work cannot be done, or cannot be trusted."""
    return Check(name, "failure", found, advice)
