"""The figures of a row of the table: their names, which are the words of an expectation, and their units."""

from __future__ import annotations

from types import MappingProxyType

# What is timed in every run that has it; the row holds the median and the 95th percentile over all clean runs.
TIMED = MappingProxyType(
    {
        "ttfa_ms": "ms",
        "ttfp_ms": "ms",
        "code_ms": "ms",
        "decode_first_ms": "ms",
        "decode_ms": "ms",
        "queue_wait_ms": "ms",
        "rtf": "",
    }
)


def percentile_name(timing: str, q: int) -> str:
    """``ttfa_ms`` -> ``ttfa_p50_ms``, ``rtf`` -> ``rtf_p50``."""
    stem, ms, _ = timing.partition("_ms")
    return f"{stem}_p{q}{ms}"


UNITS = MappingProxyType(
    {
        "runs": "runs",
        "errors": "runs",
        "skipped_runs": "runs",
        "truncated_runs": "runs",
        "hash_unique": "",
        "first_packet_hash_unique": "",
        "pcm_hash_unique": "",
        "first_diff_frame": "frame",
        "drifted_runs": "runs",
        "drift_bound": "",
        "reference_first_diff_frame": "frame",
        "reference_codes_differ": "runs",
        "reference_pcm_differ": "runs",
        "reference_mae": "",
        "topk_first_diff_frame": "frame",
        "topk_ids_differ": "draws",
        "topk_logits_differ": "draws",
        "pops": "",
        "pops_unique": "",
        **{percentile_name(name, q): unit for name, unit in TIMED.items() for q in (50, 95)},
    }
)
METRICS = tuple(UNITS)
# Those that a failed run is part of.
COUNTS = frozenset({"runs", "errors"})
# Those whose truth is only as good as the number of runs behind it.
DRIFT_METRICS = frozenset(
    {
        "hash_unique",
        "first_packet_hash_unique",
        "pcm_hash_unique",
        "drifted_runs",
        "reference_codes_differ",
        "reference_pcm_differ",
        "topk_ids_differ",
        "topk_logits_differ",
        "pops_unique",
    }
)
