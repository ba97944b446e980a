"""Each dump once: a file that was named twice, by whatever path, is one dump, and says nothing about itself."""

from __future__ import annotations

from collections.abc import Sequence

from ttsctl.core.plurals import counted, listed
from ttsctl.core.same_file import FileIdentity, compared_with_itself
from ttsctl.dumps.sources import Dump


def distinct_dumps(dumps: Sequence[Dump]) -> tuple[list[Dump], list[str]]:
    """Each file once, under the name that came first, and a note on those that were named again.

    CannotJudge if the sources are no two things to compare: if all dumps are one file, or if one source holds all that
    the others name, such as a folder and a file in it. What it holds may differ in itself, but that was not asked.
    """
    by_codes: dict[FileIdentity, int] = {}
    by_meta: dict[FileIdentity, int] = {}
    kept: list[Dump] = []
    again: list[tuple[Dump, Dump]] = []
    # For each source, which of the kept dumps it names.
    sources: dict[int, set[int]] = {}
    for dump in dumps:
        place = _known(dump, by_codes, by_meta, kept)
        if place is None:
            place = len(kept)
            kept.append(dump)
        else:
            again.append((kept[place], dump))
        if dump.codes_id is not None:
            by_codes.setdefault(dump.codes_id, place)
        if dump.meta_id is not None:
            by_meta.setdefault(dump.meta_id, place)
        sources.setdefault(dump.source, set()).add(place)
    if again and not _are_different([frozenset(places) for places in sources.values()]):
        raise compared_with_itself(again[0][0].label, again[0][1].label)
    return kept, _notes(again)


def _known(
    dump: Dump, by_codes: dict[FileIdentity, int], by_meta: dict[FileIdentity, int], kept: Sequence[Dump]
) -> int | None:
    """The place of this dump among those kept. Where both have codes these decide, else the metas do."""
    if dump.codes_id is not None and dump.codes_id in by_codes:
        return by_codes[dump.codes_id]
    place = by_meta.get(dump.meta_id) if dump.meta_id is not None else None
    if place is None or (dump.codes_id is not None and kept[place].codes_id is not None):
        return None
    return place


def _notes(again: Sequence[tuple[Dump, Dump]]) -> list[str]:
    if not again:
        return []
    pairs = [other.label if other.label == dump.label else f"{other.label} = {dump.label}" for dump, other in again]
    return [f"{counted(len(again), 'dump')} named again, counted once: {listed(pairs)}"]


def _are_different(sources: Sequence[frozenset[int]]) -> bool:
    """Whether at least two sources are left once each that holds all of the others is set aside."""
    left = list(dict.fromkeys(sources))
    while len(left) > 1:
        everything = frozenset().union(*left)
        if everything not in left:
            return True
        left.remove(everything)
    return False
