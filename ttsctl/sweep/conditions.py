"""Conditions of an experiment: settings over the base, one by one or every combination of a matrix."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ttsctl.core.errors import InputError, nearest
from ttsctl.core.run import DECODES, SPEAKS, RunKind
from ttsctl.core.validation import input_error
from ttsctl.runs.requirement import Requirement
from ttsctl.runs.texts import Id

MAX_CONDITIONS = 1000

Settings = Mapping[str, Any]  # "table.key" -> value


@dataclass(frozen=True)
class Condition:
    """Settings over the base, and the kind of run. ``codes_of``: the condition whose codes a decode run decodes.

    Codes that the experiment brings along come before those of a condition. ``crossed``: it goes through the matrix.
    ``voice_ids``: of the experiment's voices, those that speak under it; empty for all.
    """

    name: str
    settings: Settings = field(default_factory=dict)
    run: RunKind = "stream"
    codes_of: str | None = None
    requires: tuple[Requirement, ...] = ()
    crossed: bool = True
    voice_ids: tuple[str, ...] = ()


def flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables as one table of dotted keys: TOML reads ``stream.overlap`` without quotes as nested tables."""
    out: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            out |= flat(value, f"{prefix}{key}.")
        else:
            out[f"{prefix}{key}"] = value
    return out


def cross(given: Sequence[Condition], matrix: Settings, bare: Condition, where: str) -> tuple[Condition, ...]:
    """Each given condition with each combination of the matrix; ``bare`` with each if no condition is given.

    One that is not ``crossed`` stays as it is.

    InputError for a matrix entry that is not a list of different values, for a setting that is both in the matrix and
    in a condition, for more than MAX_CONDITIONS, and for names that are not valid or not distinct on a file system that
    ignores case.
    """
    for key, values in matrix.items():
        if (
            not isinstance(values, list)
            or not 0 < len(values) <= MAX_CONDITIONS
            or any(v in values[:n] for n, v in enumerate(values))
        ):
            raise InputError(
                f"{where}: matrix: {key}: expected a list of different values, got {values!r:.200}", "mend it"
            )
        both = next((c.name for c in given if c.crossed and key in c.settings), None)
        if both is not None:
            raise InputError(f"{where}: {key} is in the matrix and in condition {both!r}", "leave it out of one")
    count = max(1, len(given)) * math.prod(len(values) for values in matrix.values())
    if count > MAX_CONDITIONS:
        raise InputError(f"{where}: expected at most {MAX_CONDITIONS:,} conditions, got {count:,}", "vary less at once")
    combinations = [dict(zip(matrix, values, strict=True)) for values in itertools.product(*matrix.values())]
    if not given and not matrix:
        return (replace(bare, name="base"),)
    uncrossed = {condition.name for condition in given if not condition.crossed}
    crossed: list[Condition] = []
    for condition in given or [bare]:
        crossed += [_with(condition, a, matrix, uncrossed) for a in combinations] if condition.crossed else [condition]
    return _named(crossed, where)


def _with(condition: Condition, added: Settings, matrix: Settings, uncrossed: Set[str]) -> Condition:
    """``condition`` with one combination of the matrix; ``codes_of`` then names the condition with the same one, unless
    that is among the ``uncrossed``.
    """
    if not matrix:
        return condition
    source = condition.codes_of
    label = "-".join(f"{_key_label(key, matrix)}_{_value_label(value)}" for key, value in added.items())
    return replace(
        condition,
        name=f"{condition.name}-{label}" if condition.name else label,
        settings={**condition.settings, **added},
        codes_of=f"{source}-{label}" if source and source not in uncrossed else source,
    )


def _key_label(key: str, matrix: Settings) -> str:
    """The key without its table, unless the matrix has the same key of another table."""
    last = key.rpartition(".")[2]
    return key.replace(".", "-") if sum(k.rpartition(".")[2] == last for k in matrix) > 1 else last


def _value_label(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return re.sub(r"[^A-Za-z0-9.]+", "-", text)


def _named(conditions: list[Condition], where: str) -> tuple[Condition, ...]:
    seen: set[str] = set()
    for condition in conditions:
        try:
            TypeAdapter(Id).validate_python(condition.name)
        except ValidationError as error:
            at = f"{where}: condition {condition.name!r}"
            raise input_error(at, error, fix="name it by a [[condition]]") from error
        if condition.name.casefold() in seen:
            raise InputError(f"{where}: condition {condition.name!r} is there twice", "give each its own name")
        seen.add(condition.name.casefold())
    return tuple(conditions)


def check_sources(conditions: Sequence[Condition], where: str, given: bool = False) -> None:
    """InputError unless every decode run, and no other, names a condition that makes codes.

    ``given``: the experiment brings codes along, so that a decode run need not name a condition.
    """
    by_name = {condition.name: condition for condition in conditions}
    for condition in conditions:
        at = f"{where}: condition {condition.name!r}: codes_of"
        decodes = condition.run in DECODES
        if condition.codes_of is None:
            if decodes and not given:
                what = f"{at}: a run of kind {condition.run!r} names whose codes it decodes"
                raise InputError(what, "add codes_of, or give codes")
            continue
        if not decodes:
            raise InputError(f"{at}: a run of kind {condition.run!r} makes its own codes", "remove codes_of")
        if condition.codes_of not in by_name:
            raise InputError(
                f"{at}: unknown condition {condition.codes_of!r}", nearest(condition.codes_of, list(by_name))
            )
        if by_name[condition.codes_of].run not in SPEAKS:
            raise InputError(f"{at}: {condition.codes_of!r} makes no codes", f"name one that runs {', '.join(SPEAKS)}")
    if given and not any(condition.run in DECODES for condition in conditions):
        raise InputError(
            f"{where}: codes are given, and no condition decodes any",
            'use one that does, such as vary_decode, or give a condition run = "decode"',
        )
