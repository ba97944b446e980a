"""The tables of ``decode-ablate``."""

from __future__ import annotations

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ttsctl.ablate.pairs import PairFigures
from ttsctl.ablate.summary import AblateSummary, VariantRow
from ttsctl.report.console import MISSING, number, print_notes, say, share, table


def render(summary: AblateSummary, console: Console) -> None:
    """The variants, their pairs, where pops sit, one line of explanation a pair, and the notes."""
    console.print(_variants(summary))
    console.print(_pairs(summary.pairs))
    console.print(_pop_codes(summary))
    console.print(_spikes(summary))
    for pair in summary.pairs:
        words = pair.explanation.words if pair.explanation else pair.reason
        say(console, f"{pair.b} against {pair.a}: {words}")
    print_notes(console, summary.notes)


def _variants(summary: AblateSummary) -> Table:
    columns = ("variant", "samples", "expected", "pops/min", "pop_click_score", "decode ms", "ms a call", "first ms")
    rows = table(f"{summary.codes}: {summary.frames} frames", *columns, "RTF", "sha256 of PCM")
    for row in summary.variants:
        rows.add_row(escape(row.name), *_figures(row), row.pcm_sha256[:12])
    return rows


def _figures(row: VariantRow) -> list[str]:
    missing = row.samples - row.samples_expected
    return [
        str(row.samples),
        "all" if missing == 0 else f"{missing:+d}",
        number(row.pops_per_minute, ".1f"),
        number(row.pop_click_score, ".5f"),
        number(row.decode_ms, ".1f"),
        number(row.decode_call_ms, ".1f"),
        number(row.first_packet_ms, ".1f"),
        number(row.decoder_rtf, ".3f"),
    ]


def _pairs(pairs: list[PairFigures]) -> Table:
    rows = table("pairs", "pair", "MAE", "SNR dB", "largest", "at s", "pops a→b", "b→a", "corrected", "", "seam/mid dB")
    for pair in pairs:
        aligned = pair.alignment
        raw = corrected = (MISSING, MISSING)
        if aligned:
            raw = share(aligned.a_to_b), share(aligned.b_to_a)
            corrected = share(aligned.corrected_a_to_b), share(aligned.corrected_b_to_a)
        numbers = [number(pair.mae, ".2e"), number(pair.snr_db, ".1f"), number(pair.largest, ".2e")]
        place = number(pair.largest_at_s, ".3f")
        rows.add_row(escape(f"{pair.a} / {pair.b}"), *numbers, place, *raw, *corrected, _seam_level(pair))
    return rows


def _seam_level(pair: PairFigures) -> str:
    """Median over the seams of the level of the difference after the seam over that in mid-packet, in dB."""
    known = [seam.ratio_db for seam in pair.seams if seam.ratio_db is not None]
    return f"{float(np.median(known)):+.1f}" if known else MISSING


def _pop_codes(summary: AblateSummary) -> Table:
    jumps = summary.code_jumps
    spread = f"p50 {jumps.p50:g}, p95 {jumps.p95:g}, p99 {jumps.p99:g}, max {jumps.max}" if jumps else "none"
    rows = table(f"where pops sit (code jumps: {spread})", "variant", "pops", "at seams", "p", "jump", "p", "verdict")
    for row in summary.variants:
        found = row.pop_code_stats
        if found is None:
            rows.add_row(escape(row.name), *[MISSING] * 5, row.reason or MISSING)
            continue
        numbers = [str(found.count), str(found.at_seams), number(found.seam_p, ".4f")]
        jump = [number(found.mean_jump, ".1f"), number(found.jump_p, ".4f")]
        rows.add_row(escape(row.name), *numbers, *jump, found.verdict or found.reason or MISSING)
    return rows


def _spikes(summary: AblateSummary) -> Table:
    """Also where no pop is found: the largest steps of the audio, and how many codes change there."""
    columns = ("time s", "step", "frame", "codes changed", "mean jump", "variants")
    rows = table("spikes: largest |x[n+1] - x[n]|, full scale 1, one a frame", *columns, left=0)
    rows.columns[-1].justify = "left"
    for spike in summary.spikes:
        changed = MISSING if spike.codes_changed is None else f"{spike.codes_changed} of {spike.codebooks}"
        place = [f"{spike.time_s:.4f}", f"{spike.step:.4f}", str(spike.frame)]
        everywhere = len(spike.variants) == len(summary.variants)
        shown_by = "all" if everywhere else escape(", ".join(spike.variants))
        rows.add_row(*place, changed, number(spike.jump_mean, ".1f"), shown_by)
    return rows
