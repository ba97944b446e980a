"""Which dumps answer the same request, and so may be compared; and how their requests and conditions differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ttsctl.core.plurals import listed
from ttsctl.core.provenance import differences
from ttsctl.dumps.manifest import VOICE_KEYS, request_key
from ttsctl.dumps.meta import DumpMeta
from ttsctl.dumps.sources import Dump

# The parts of a prompt in the order in which they come about.
PROMPT_PARTS = {"reference": "reference", "ref_text": "text", "x_vector": "x-vector", "codes": "codes"}


@dataclass(frozen=True)
class MatchedDumps:
    """The dumps of one request, in the order in which they were named; the first is the reference."""

    request: str
    dumps: tuple[Dump, ...]


def match_dumps(dumps: Sequence[Dump]) -> tuple[list[MatchedDumps], list[str]]:
    """Sort dumps into requests -> (requests with something to compare, a note on each request without).

    - If every dump was named by its own path, the user asks for exactly these: they are one request, whatever their
      metas say.
    - Without any meta, one folder is one set, together with the files that are named beside it.
    - If a folder or a manifest was named, dumps match by the text, text id, text mode and voice of their metas. A dump
      without a meta joins the only request that the metas name; if they name several, or none, it matches by its tag.
    - If there are several sources, a request must be in at least two of them; the first source has its reference.
    """
    folders = {dump.source for dump in dumps if not dump.explicit}
    if not folders or (len(folders) == 1 and all(dump.meta is None for dump in dumps)):
        return [MatchedDumps(_shared_name(dumps), tuple(dumps))], []
    by_request = _by_request(dumps)
    sources = len({dump.source for dump in dumps})
    matched, notes = [], []
    for name, group in _named(by_request):
        if len({dump.source for dump in group}) > 1 or (sources == 1 and len(group) > 1):
            matched.append(MatchedDumps(name, tuple(group)))
        else:
            labels = listed([dump.label for dump in group])
            notes.append(f"{name}: only in {labels}, nothing to compare it with")
    return matched, notes


def _by_request(dumps: Sequence[Dump]) -> dict[tuple[object, ...], list[Dump]]:
    keys = {request_key(dump.meta) for dump in dumps if dump.meta is not None}
    groups: dict[tuple[object, ...], list[Dump]] = {}
    for dump in dumps:
        if dump.meta is not None:
            key = request_key(dump.meta)
        elif len(keys) == 1:
            key = next(iter(keys))
        else:
            key = ("tag", dump.tag)
        groups.setdefault(key, []).append(dump)
    return groups


def _named(groups: dict[tuple[object, ...], list[Dump]]) -> list[tuple[str, list[Dump]]]:
    """A short, unique name for each group: groups of one name get the first digits of their text's sha256."""
    names = [_name(group) for group in groups.values()]
    times = Counter(names)
    return [
        (name if times[name] == 1 else f"{name} {_text_head(group)}#{number}", group)
        for number, (name, group) in enumerate(zip(names, groups.values(), strict=True))
    ]


def _name(group: Sequence[Dump]) -> str:
    meta = next((dump.meta for dump in group if dump.meta is not None), None)
    if meta is None:
        return group[0].tag
    return f"{meta.text_id or _text_head(group)} × {meta.voice['id']}"


def _text_head(group: Sequence[Dump]) -> str:
    meta = next((dump.meta for dump in group if dump.meta is not None), None)
    return f"text {meta.text_sha256[:8]}" if meta else "no meta"


def _shared_name(dumps: Sequence[Dump]) -> str:
    """The name of the request if all metas of the dumps name the same one; otherwise "as named"."""
    keys = {request_key(dump.meta) for dump in dumps if dump.meta is not None}
    return _name(dumps) if len(keys) == 1 else "as named"


def request_differences(a: DumpMeta, b: DumpMeta) -> list[str]:
    """Differences of the requests but their prompts, one line each. If there are any, other codes are not drift."""
    lines = []
    if a.text_sha256 != b.text_sha256:
        lines.append(f"text sha256: {a.text_sha256[:12]} against {b.text_sha256[:12]}")
    lines += _differs("text_id", a.text_id, b.text_id)
    lines += _differs("text_mode", a.text_mode, b.text_mode)
    # Hashes tell two prompts apart: a saved voice has another file and no text, and may be the very same prompt.
    hashed = a.prompt is not None and b.prompt is not None
    for name in VOICE_KEYS if hashed else (*VOICE_KEYS, "ref_sha256", "ref_text", "x_vector_only"):
        lines += _differs(f"voice {name}", a.voice.get(name), b.voice.get(name))
    return lines


def prompt_differences(a: DumpMeta, b: DumpMeta) -> list[str]:
    """Differences of what cloned voices were made of, one line each; codes that follow other prompts are not drift."""
    if a.prompt is None or b.prompt is None:
        return [] if a.prompt is b.prompt else [f"prompt: {_cloned(a)} against {_cloned(b)}"]
    left, right = asdict(a.prompt.hashes), asdict(b.prompt.hashes)
    lines = [
        f"prompt {PROMPT_PARTS[name]} sha256: {_short(left[name])} against {_short(right[name])}"
        for name in PROMPT_PARTS
        if left[name] != right[name]
    ]
    if lines and left["reference"] == right["reference"] and left["ref_text"] == right["ref_text"]:
        lines.append("the same reference: the encoders gave other values")
    return lines


def _cloned(meta: DumpMeta) -> str:
    return "none" if meta.prompt is None else f"reference {_short(meta.prompt.hashes.reference)}"


def _short(sha256: str | None) -> str:
    return "none" if sha256 is None else sha256[:12]


def condition_differences(a: DumpMeta, b: DumpMeta) -> list[str]:
    """Differences around equal requests, one line each: config keys, seed, truncation, then provenance."""
    lines = config_differences(a.config, b.config)
    lines += _differs("seed", a.seed, b.seed)
    lines += _differs("truncated", a.truncated, b.truncated)
    lines += _differs("codebook_size", a.codebook_size, b.codebook_size)
    return lines + differences(a.provenance, b.provenance)


# What a key alone may change, where that is less than anything.
MAY_DIFFER = {
    "backend.kernels": (
        "both compute the same function with sums in another order, so last bits may differ, and codes from a near-tie "
        "on (ttsctl explain finds it)"
    ),
}


def config_differences(a: dict[str, dict[str, Any]], b: dict[str, dict[str, Any]]) -> list[str]:
    """The keys in which two resolved configurations (table -> key -> value) differ, one line each."""
    if a == b:
        return []
    lines = []
    for table in sorted(set(a) | set(b)):
        left, right = a.get(table, {}), b.get(table, {})
        for key in sorted(set(left) | set(right)):
            name = f"{table}.{key}"
            found = _differs(f"config {name}", left.get(key, "absent"), right.get(key, "absent"))
            lines += [f"{line}; {MAY_DIFFER[name]}" if name in MAY_DIFFER else line for line in found]
    return lines


def _differs(name: str, a: object, b: object) -> list[str]:
    return [] if a == b else [f"{name}: {a} against {b}"]
