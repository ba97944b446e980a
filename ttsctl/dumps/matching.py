"""Which dumps answer the same request, and so may be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ttsctl.dumps.manifest import request_key
from ttsctl.dumps.sources import Dump


@dataclass(frozen=True)
class Matched:
    """``dumps`` of one request, in the order given; the first is the reference."""

    request: str
    dumps: tuple[Dump, ...]


def match(dumps: Sequence[Dump]) -> tuple[list[Matched], list[str]]:
    """Sort dumps into requests; returns those with something to compare, and notes on what was left without a match.

    - Only dumps named one by one: the user asks for exactly these, so they are one set, whatever their metas say.
    - With a folder or a manifest among them: dumps match by text, text id, text mode and voice of their metas. One
      without a meta joins the only request there is; where there are several, or no meta at all, it matches by tag.
    - Of several sources, a request must be in at least two; dumps of the first are its reference.
    """
    if all(dump.explicit for dump in dumps):
        return [Matched(_shared_name(dumps), tuple(dumps))], []
    by_request = _by_request(dumps)
    sources = len({dump.source for dump in dumps})
    matched, notes = [], []
    for name, group in _named(by_request):
        if len({dump.source for dump in group}) > 1 or (sources == 1 and len(group) > 1):
            matched.append(Matched(name, tuple(group)))
        else:
            notes.append(f"{name}: only in {', '.join(dump.label for dump in group)}, nothing to compare it with")
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
    """A name for each group, short but unique: two that would be called the same get the head of their sha256."""
    names = [_name(group) for group in groups.values()]
    return [
        (name if names.count(name) == 1 else f"{name} {_text_head(group)}#{number}", group)
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
    """The request of dumps named one by one, if those with a meta agree on it."""
    keys = {request_key(dump.meta) for dump in dumps if dump.meta is not None}
    return _name(dumps) if len(keys) == 1 else "as named"
