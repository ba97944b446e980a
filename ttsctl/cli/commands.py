"""Which model describes the summary.json of which command."""

from __future__ import annotations

from importlib import import_module

from ttsctl.core.errors import InputError, nearest
from ttsctl.report.summary import Summary

# Names, not classes: importing them all would load every command's libraries.
_MODELS = {
    "pop-align": ("ttsctl.report.pop_align", "PopAlignSummary"),
    "decode-ablate": ("ttsctl.ablate.summary", "AblateSummary"),
    "bench-pops": ("ttsctl.report.bench", "BenchPopsSummary"),
    "bench-trace": ("ttsctl.report.bench_trace", "BenchTraceSummary"),
    "bench-decode": ("ttsctl.report.bench", "BenchDecodeSummary"),
    "bisect": ("ttsctl.bisect.summary", "BisectSummary"),
    "compare-hash": ("ttsctl.report.compare_hash", "CompareSummary"),
    "dump-codes": ("ttsctl.report.dump_codes", "DumpSummary"),
    "explain": ("ttsctl.explain.summary", "ExplainSummary"),
    "regress": ("ttsctl.regress.summary", "RegressSummary"),
    "sweep": ("ttsctl.sweep.summary", "SweepSummary"),
    "synth": ("ttsctl.report.synth", "SynthSummary"),
}


def commands() -> list[str]:
    """The commands that write a summary."""
    return sorted(_MODELS)


def summary_model(command: str) -> type[Summary]:
    """The summary model of a command; InputError names the nearest one for an unknown name."""
    if command not in _MODELS:
        raise InputError(f"no summary is known for the command {command!r}", nearest(command, commands()))
    module, name = _MODELS[command]
    model: type[Summary] = getattr(import_module(module), name)
    return model
