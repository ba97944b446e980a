"""What a comparison comes to."""

from __future__ import annotations

from ttsctl.core.plurals import counted
from ttsctl.dumps.compare import Comparison

EQUAL, DIFFER, NOT_JUDGED = 0, 1, 3


def judge(comparison: Comparison) -> tuple[int, str]:
    """(exit status, headline). 1 if any pair differs; else 3 if a request had nothing to compare with; else 0."""
    differing = [pair for pair in comparison.pairs if not pair.equal]
    over = counted(len(comparison.dumps), "dump")
    if len(comparison.requests) > 1:
        over += f" of {len(comparison.requests)} requests"
    unmatched = f", {counted(len(comparison.unmatched), 'request')} not compared" if comparison.unmatched else ""
    if differing:
        headline = f"DIFFER: {len(differing)} of {counted(len(comparison.pairs), 'pair')} over {over}"
        if any(pair.request_differences for pair in differing):
            headline += " (not all ask for the same, so this need not be drift)"
        return DIFFER, headline + unmatched
    if comparison.unmatched:
        return NOT_JUDGED, f"NOT JUDGED: {over} equal{unmatched}"
    return EQUAL, f"EQUAL: {over}, hash_unique = 1" + (" in each" if len(comparison.requests) > 1 else "")
