"""How the conditions of two dumps differ: the request, the settings, the machine and the software."""

from __future__ import annotations

from typing import Any

from ttsctl.core.provenance import differences
from ttsctl.dumps.meta import DumpMeta


def request_differences(a: DumpMeta, b: DumpMeta) -> list[str]:
    """Differences of the requests, one line each. If there are any, different codes are not drift."""
    lines = []
    if a.text_sha256 != b.text_sha256:
        lines.append(f"text sha256: {a.text_sha256[:12]} against {b.text_sha256[:12]}")
    lines += _differs("text_id", a.text_id, b.text_id)
    lines += _differs("text_mode", a.text_mode, b.text_mode)
    for name in sorted(set(a.voice) | set(b.voice)):
        lines += _differs(f"voice {name}", a.voice.get(name), b.voice.get(name))
    return lines


def condition_differences(a: DumpMeta, b: DumpMeta) -> list[str]:
    """Differences around equal requests, one line each: config keys, seed, truncation, then provenance."""
    lines = config_differences(a.config, b.config)
    lines += _differs("seed", a.seed, b.seed)
    lines += _differs("truncated", a.truncated, b.truncated)
    lines += _differs("codebook_size", a.codebook_size, b.codebook_size)
    return lines + differences(a.provenance, b.provenance)


def config_differences(a: dict[str, dict[str, Any]], b: dict[str, dict[str, Any]]) -> list[str]:
    """The keys in which two resolved configurations (table -> key -> value) differ, one line each."""
    lines = []
    for table in sorted(set(a) | set(b)):
        left, right = a.get(table, {}), b.get(table, {})
        for key in sorted(set(left) | set(right)):
            lines += _differs(f"config {table}.{key}", left.get(key, "absent"), right.get(key, "absent"))
    return lines


def _differs(name: str, a: object, b: object) -> list[str]:
    return [] if a == b else [f"{name}: {a} against {b}"]
