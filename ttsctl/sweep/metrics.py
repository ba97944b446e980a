"""The metrics of a row of the table: their names, which are the words of an expectation, and their units."""

from __future__ import annotations

from types import MappingProxyType

from ttsctl.core.metric import metric

# What is timed in every run that has it; the row holds the median and the 95th percentile over all clean runs.
TIMED = ("ttfa_ms", "ttfp_ms", "code_ms", "decode_first_ms", "decode_ms", "queue_wait_ms", "rtf")
COUNTED = (
    "runs",
    "errors",
    "skipped_runs",
    "truncated_runs",
    "hash_unique",
    "first_packet_hash_unique",
    "pcm_hash_unique",
    "first_diff_frame",
    "drifted_runs",
    "drift_bound",
    "reference_first_diff_frame",
    "reference_codes_differ",
    "reference_pcm_differ",
    "reference_mae",
    "topk_first_diff_frame",
    "topk_ids_differ",
    "topk_logits_differ",
    "pops",
    "pops_unique",
)
PERCENTILES = (50, 95)


def percentile_name(timing: str, q: int) -> str:
    """``ttfa_ms`` -> ``ttfa_p50_ms``, ``rtf`` -> ``rtf_p50``."""
    stem, ms, _ = timing.partition("_ms")
    return f"{stem}_p{q}{ms}"


# Percentile -> what was timed, and which percentile of it.
TIMED_PERCENTILES = MappingProxyType({percentile_name(name, q): (name, q) for name in TIMED for q in PERCENTILES})
METRICS = (*COUNTED, *TIMED_PERCENTILES)


def unit_of(name: str) -> str:
    """The unit of a metric of a row; a percentile's is that of what was timed. KeyError for an unknown name."""
    return metric(TIMED_PERCENTILES[name][0] if name in TIMED_PERCENTILES else name).unit


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
