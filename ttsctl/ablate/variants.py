"""The decode variants of a run: the five defaults, three for a reference, and those that ``--variant`` adds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ttsctl.core.config import Config
from ttsctl.core.errors import InputError, nearest
from ttsctl.runs.recorded_config import ConfigSource
from ttsctl.runs.resolve_config import parse_set, resolve_config

DEFAULTS = (
    "A_oneshot:decoder.mode=oneshot",
    "B_windowed_72:decoder.mode=windowed,stream.left_context=72",
    "C_windowed_0:decoder.mode=windowed,stream.left_context=0",
    "D_cached:decoder.mode=cached",
    "E_incremental:decoder.mode=incremental",
)
# With the codes of a cloned voice's reference. All others decode after it, as ``always`` does.
OF_REFERENCE = tuple(
    f"{name}:decoder.mode=incremental,decoder.reference={how}"
    for name, how in (("F_reference_always", "always"), ("G_reference_first", "first"), ("H_reference_none", "none"))
)
# One decoder is loaded, with one checkpoint, device and precision, so a variant may change only how it is called.
TABLES = ("decoder", "stream")
# The name becomes the name of a wav file.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Plan:
    """The variants to decode, by name and in order, and the added ones that ``--only`` left out."""

    variants: Mapping[str, Config]
    left_out: tuple[str, ...] = ()

    @property
    def notes(self) -> list[str]:
        """What ``--only`` left out although it was asked for."""
        names = ", ".join(self.left_out)
        return [f"--variant {names}: not decoded, because --only does not name it"] if names else []


def plan_variants(
    base: list[str], added: list[str], only: list[str], over: ConfigSource | None = None, cloned: bool = False
) -> Plan:
    """The variants by name, in order. Each one's settings override ``base``, and that overrides ``over``.

    ``cloned``: with those of a reference.

    InputError for a setting that cannot be, a name that is taken or not known, and fewer than two variants.
    """
    plan: dict[str, Config] = {}
    names = []
    shipped = (*DEFAULTS, *OF_REFERENCE) if cloned else DEFAULTS
    for text in [*shipped, *added]:
        name, sets = _parse(text)
        if name in plan:
            raise InputError(f"--variant {name}: expected a new name, got one that is taken", "choose another name")
        plan[name] = resolve_config(None, None, [*base, *sets], over)
        names.append(name)
    for name in only:
        if name not in plan:
            raise InputError(f"--only {name}: no such variant", nearest(name, list(plan)))
    kept = {name: config for name, config in plan.items() if not only or name in only}
    if len(kept) < 2:
        raise InputError(f"--only: expected two variants or more to compare, got {len(kept)}", "name another")
    return Plan(kept, tuple(name for name in names[len(shipped) :] if name not in kept))


def _parse(text: str) -> tuple[str, list[str]]:
    """``name:decoder.mode=windowed,stream.left_context=25`` -> its name and its settings."""
    name, colon, rest = text.partition(":")
    sets = [item.strip() for item in rest.split(",") if item.strip()]
    if not (colon and sets and _NAME.fullmatch(name)):
        raise InputError(
            f"--variant {text}: expected NAME:KEY=VALUE,… with a name of A-Z a-z 0-9 . _ -",
            "for example --variant w25:decoder.mode=windowed,stream.left_context=25",
        )
    for item in sets:
        (table,) = parse_set(item)
        if table not in TABLES:
            raise InputError(
                f"--variant {name}: {item}: expected a key of {' or '.join(TABLES)}, got one of {table}",
                "one loaded decoder serves all variants; change the rest for all of them with --set",
            )
    return name, sets


def settings(config: Config) -> dict[str, Any]:
    """The settings that decide how a variant decodes, by dotted key."""
    tables = config.to_dict()
    chosen = {f"decoder.{key}": value for key, value in tables["decoder"].items()}
    return {**chosen, **{f"stream.{key}": tables["stream"][key] for key in ("packet_tokens", "left_context")}}
