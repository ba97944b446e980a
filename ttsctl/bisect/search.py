"""The smallest set of keys that shows a symptom, in few probes.

The dichotomic search of Hemery, Lecoutre, Sais and Boussemart (Extracting MUCs from constraint networks, ECAI 2006):
with the keys in a row, a binary search finds the shortest start of the row that is bad. Its last key belongs to the
set; with it in place the search goes on in front of it, until what was found is bad by itself. Among 12 keys, controls
and counter-proof included, one culprit takes at most 8 probes (10 by QuickXplain: Junker, AAAI 2004), a pair at most
14 (15); QuickXplain is ahead from sets of three on, which are rare. What decides is that here every step rests on a
set that was seen bad.

"bad" is an observation and is never doubted. "clean" may be luck where the symptom is one of chance: then the row's
start comes out too long, and the set holds a key too many. So what was found is thinned, key by key, at the end, and
it was always seen bad itself. "unresolved" (the keys do not go together) is stepped around.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["bad", "clean", "unresolved"]
Judge = Callable[[frozenset[str]], Verdict]


@dataclass(frozen=True)
class Found:
    """A set that was seen bad. ``undecided``: those of its keys without which it could not be probed."""

    keys: tuple[str, ...]
    undecided: tuple[str, ...]


def smallest(keys: Sequence[str], judge: Judge) -> Found:
    """A set within ``keys``, none of whose keys can be left out. All of ``keys`` together must be bad, none clean.

    ``judge`` says what A with B's values of some keys shows; it is asked again for sets that it has judged before, and
    is expected to remember. Smallest in the sense that each key is needed; a smaller set of others may exist.
    """
    found: list[str] = []
    left = list(keys)
    while left and judge(frozenset(found)) != "bad":
        group, left = _last_of_shortest(found, left, judge)
        found = [*group, *found]
    kept = _thinned(found, judge)
    undecided = [key for key in kept if len(kept) > 1 and judge(frozenset(kept) - {key}) == "unresolved"]
    order = list(keys).index
    return Found(tuple(sorted(kept, key=order)), tuple(sorted(undecided, key=order)))


def _last_of_shortest(found: list[str], row: list[str], judge: Judge) -> tuple[list[str], list[str]]:
    """The end of the shortest bad start of ``row`` (beside ``found``), and what stands before it.

    The end is one key, or several where every start between them is unresolved, from either side.
    """
    low, high = _narrowed(found, row, 0, len(row), judge)
    if high - low > 1:
        # A key that needs a later one (a kind of overlap and its synchronisation) resolves the other way round.
        row = row[:low] + row[low:high][::-1] + row[high:]
        low, high = _narrowed(found, row, low, high, judge)
    return row[low:high], row[:low]


def _narrowed(found: list[str], row: list[str], low: int, high: int, judge: Judge) -> tuple[int, int]:
    """``row[:low]`` not bad and ``row[:high]`` bad, brought together as far as the verdicts allow."""
    open_starts = list(range(low + 1, high))
    while open_starts:
        middle = min(open_starts, key=lambda start: abs(2 * start - low - high))
        verdict = judge(frozenset(found) | frozenset(row[:middle]))
        if verdict == "bad":
            high = middle
        elif verdict == "clean":
            low = middle
        open_starts = [start for start in open_starts if low < start < high and start != middle]
    return low, high


def _thinned(keys: list[str], judge: Judge) -> list[str]:
    """Without every key that can be left out, until none can."""
    kept = list(keys)
    changed = len(kept) > 1
    while changed:
        changed = False
        for key in list(kept):
            rest = [other for other in kept if other != key]
            if rest and judge(frozenset(rest)) == "bad":
                kept, changed = rest, True
    return kept
