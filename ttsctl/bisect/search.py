"""The smallest set of keys that shows a symptom, in few probes.

This is the dichotomic search of Hemery, Lecoutre, Sais and Boussemart (Extracting MUCs from constraint networks, ECAI
2006). The keys stand in a row, and a binary search finds the shortest start of the row that is bad. The last key of
that start belongs to the set. With this key in place, the search goes on in the keys before it, until the found keys
are bad by themselves. Among 12 keys, with both controls and the counter-proof, one culprit takes at most 8 probes
(QuickXplain, Junker, AAAI 2004: 10) and a pair at most 14 (15). QuickXplain needs fewer from sets of three on, which
are rare. This search was chosen because each of its steps rests on a set that was seen bad.

"bad" is an observation, and is never doubted. "clean" may be luck where the symptom occurs by chance. Then the found
start of the row is too long, and the set holds a needless key. For this reason every key is left out in turn at the
end; what remains was itself seen bad. "unresolved" means that the keys do not go together: the search avoids such sets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

ProbeVerdict = Literal["bad", "clean", "unresolved"]
# Keys -> what A with B's values of these keys shows.
JudgeKeys = Callable[[frozenset[str]], ProbeVerdict]


@dataclass(frozen=True)
class MinimalSet:
    """A set that was seen bad. ``undecided`` are those of its keys without which the rest could not be probed."""

    keys: tuple[str, ...]
    undecided: tuple[str, ...]


def smallest_bad_set(keys: Sequence[str], judge: JudgeKeys) -> MinimalSet:
    """A bad set within ``keys`` of which no key can be left out. All ``keys`` together must be bad, no keys clean.

    ``judge`` is asked several times about the same set, and is expected to remember. Each key of the result is needed,
    but a smaller set of other keys may exist.
    """
    found: list[str] = []
    left = list(keys)
    while left and judge(frozenset(found)) != "bad":
        group, left = _last_of_shortest(found, left, judge)
        found = [*group, *found]
    kept = _thinned(found, judge)
    undecided = [key for key in kept if len(kept) > 1 and judge(frozenset(kept) - {key}) == "unresolved"]
    order = list(keys).index
    return MinimalSet(tuple(sorted(kept, key=order)), tuple(sorted(undecided, key=order)))


def _last_of_shortest(found: list[str], row: list[str], judge: JudgeKeys) -> tuple[list[str], list[str]]:
    """(the end of the shortest start of ``row`` that is bad together with ``found``, the keys before that end).

    The end is one key, or several keys if every start between them is unresolved, searched in either order.
    """
    low, high = _narrowed(found, row, 0, len(row), judge)
    if high - low > 1:
        # A key may need one that comes later, as stream.sync needs stream.overlap: reversed, that one comes first.
        row = row[:low] + row[low:high][::-1] + row[high:]
        low, high = _narrowed(found, row, low, high, judge)
    return row[low:high], row[:low]


def _narrowed(found: list[str], row: list[str], low: int, high: int, judge: JudgeKeys) -> tuple[int, int]:
    """Bring ``low`` and ``high`` as close together as verdicts allow: ``row[:low]`` is not bad, ``row[:high]`` is."""
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


def _thinned(keys: list[str], judge: JudgeKeys) -> list[str]:
    """Leave out keys one by one, as long as the rest is bad."""
    kept = list(keys)
    changed = len(kept) > 1
    while changed:
        changed = False
        for key in list(kept):
            rest = [other for other in kept if other != key]
            if rest and judge(frozenset(rest)) == "bad":
                kept, changed = rest, True
    return kept
