"""What a condition needs of the machine that runs it: "cuda", "two_cuda", "cuda >= 2", "cores >= 4"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from ttsctl.core.errors import InputError, nearest

Resource = Literal["cuda", "cores"]

_MARKS: dict[str, tuple[Resource, int]] = {"cuda": ("cuda", 1), "two_cuda": ("cuda", 2)}
_AT_LEAST = re.compile(r"(\w+)\s*>=\s*(\d+)")
_NAMES: dict[str, Resource] = {"cuda": "cuda", "cores": "cores"}


@dataclass(frozen=True)
class Requirement:
    """At least ``count`` of ``resource``: CUDA devices, or CPU cores that this process may use."""

    resource: Resource
    count: int

    def __str__(self) -> str:
        what = {"cuda": "CUDA device", "cores": "CPU core"}[self.resource]
        return f"{self.count} {what}{'s' if self.count > 1 else ''}"

    def unmet(self, available: int) -> str | None:
        """Why ``available`` of the resource are not enough; None if they are."""
        return None if available >= self.count else f"needs {self}, {available} there"


def parse_requirement(mark: str, where: str) -> Requirement:
    """The requirement ``mark`` of an experiment. InputError, which begins with ``where``, for an unknown one."""
    if mark in _MARKS:
        return Requirement(*_MARKS[mark])
    found = _AT_LEAST.fullmatch(mark.strip())
    if found is None or found[1] not in _NAMES:
        known = [*_MARKS, *(f"{name} >= 2" for name in _NAMES)]
        raise InputError(f"{where}: unknown requirement {mark!r}", nearest(mark, known))
    return Requirement(_NAMES[found[1]], int(found[2]))
