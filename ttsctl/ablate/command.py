"""``decode-ablate`` as one call: decode, measure, compare, and the run folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ttsctl.ablate.artifacts import write_ablation_files
from ttsctl.ablate.run import ablate_codes
from ttsctl.ablate.summary import AblateSummary, summarise
from ttsctl.ablate.tables import render
from ttsctl.report.run_folder import run_folder
from ttsctl.report.summary import write_summary
from ttsctl.runs.resolve_config import chosen_sets

__all__ = ["render", "run_decode_ablate"]


def run_decode_ablate(
    codes: Path,
    added: Sequence[str],
    only: Sequence[str],
    checkpoint: str | None,
    config_file: Path | None,
    sets: Sequence[str],
    out: Path,
    ref_codes: Path | None = None,
) -> tuple[AblateSummary, Path]:
    """Decode the codes at ``codes`` in every variant and write the run folder under ``out``.

    Returns the summary and the folder. ``added``: further variants. ``only``: the variants to keep. ``checkpoint``,
    ``config_file`` and ``sets`` change all variants. ``ref_codes``: those of a cloned voice's
    reference. Errors as of ``ablate_codes``, and InputError for an unwritable folder.
    """
    found = ablate_codes(codes, chosen_sets(checkpoint, sets), list(added), list(only), config_file, ref_codes)
    summary = summarise(found)
    with run_folder(out, AblateSummary) as run:
        write_ablation_files(found, run.path)
        write_summary(summary, run.path)
    return summary, run.home
