"""The search alone: against sets known beforehand, and against a plain search through all subsets."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from ttsctl.bisect.search import ProbeVerdict, smallest_bad_set

KEYS = tuple("abcdefghijkl")
SETS = st.sets(st.sampled_from(KEYS), min_size=1, max_size=4).map(frozenset)


class Counted:
    """Bad where any of ``causes`` is wholly there; counts distinct questions, as a remembering prober pays for them."""

    def __init__(self, *causes: frozenset[str], refused: frozenset[str] = frozenset(), needs: str = "") -> None:
        self.causes = causes
        self.refused = refused
        self.needs = needs
        self.asked: dict[frozenset[str], ProbeVerdict] = {}

    def __call__(self, keys: frozenset[str]) -> ProbeVerdict:
        if self.refused & keys and self.needs not in keys:
            verdict: ProbeVerdict = "unresolved"
        else:
            verdict = "bad" if any(cause <= keys for cause in self.causes) else "clean"
        self.asked[keys] = verdict
        return verdict


@given(st.sampled_from(KEYS))
def test_one_key_takes_log2_n_and_one_more(key: str) -> None:
    judge = Counted(frozenset(key))
    assert smallest_bad_set(KEYS, judge).keys == (key,)
    assert len(judge.asked) <= 6  # ceil(log2 12) + the empty set + the key alone


@given(SETS)
def test_a_set_is_found_exactly_and_in_few_probes(cause: frozenset[str]) -> None:
    judge = Counted(cause)
    found = smallest_bad_set(KEYS, judge)
    assert frozenset(found.keys) == cause and found.undecided == ()
    assert len(judge.asked) <= 1 + 6 * len(cause)


@given(st.lists(SETS, min_size=1, max_size=4))
def test_of_several_causes_one_that_holds_no_other(causes: list[frozenset[str]]) -> None:
    """Oracle: the sets of which no proper subset is bad, from a plain walk through all subsets."""
    bad = {frozenset(s) for k in range(5) for s in combinations(KEYS, k) if any(c <= frozenset(s) for c in causes)}
    minimal = {one for one in bad if not any(other < one for other in bad)}
    assert frozenset(smallest_bad_set(KEYS, Counted(*causes)).keys) in minimal


@given(st.permutations(KEYS), SETS, st.sampled_from(KEYS), st.sampled_from(KEYS))
@settings(max_examples=200)
def test_keys_that_need_another_are_stepped_around(
    order: list[str], cause: frozenset[str], dependent: str, needed: str
) -> None:
    """``dependent`` does not run without ``needed``: what is found is bad, and no key of it can go but to a refusal."""
    judge = Counted(cause, refused=frozenset(dependent), needs=needed)
    found = smallest_bad_set(order, judge)
    assert judge(frozenset(found.keys)) == "bad" and cause <= frozenset(found.keys)
    for key in found.keys:
        without = judge(frozenset(found.keys) - {key})
        assert without == ("unresolved" if key in found.undecided else "clean") or len(found.keys) == 1
    if dependent not in cause:
        assert frozenset(found.keys) <= cause | {dependent, needed}


def test_where_nothing_between_runs_the_rest_stays_together() -> None:
    everything = frozenset(KEYS)

    def judge(keys: frozenset[str]) -> ProbeVerdict:
        return "bad" if keys == everything else "unresolved" if keys else "clean"

    found = smallest_bad_set(KEYS, judge)
    assert frozenset(found.keys) == everything and frozenset(found.undecided) == everything
