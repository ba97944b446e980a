"""The tables of ``decode-ablate``."""

from __future__ import annotations

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ttsctl.ablate.summary import AblateSummary, PairRow, VariantRow
from ttsctl.report.pop_align import share


def render(summary: AblateSummary, console: Console) -> None:
    """The variants, their pairs, where pops sit, and one line of explanation a pair."""
    console.print(_variants(summary))
    console.print(_pairs(summary.pairs))
    console.print(_pop_codes(summary))
    for pair in summary.pairs:
        words = pair.explanation.words if pair.explanation else pair.reason
        _say(console, f"{pair.b} against {pair.a}: {words}")
    for note in summary.notes:
        _say(console, f"note: {note}")


def _say(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    for number, name in enumerate(columns):
        table.add_column(name, justify="right" if number else "left", overflow="fold")
    return table


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def _variants(summary: AblateSummary) -> Table:
    columns = ("variant", "samples", "expected", "pops/min", "pop_click_score", "decode ms", "ms a call", "first ms")
    table = _table(f"{summary.codes}: {summary.frames} frames", *columns, "RTF", "sha256 of PCM")
    for row in summary.variants:
        table.add_row(escape(row.name), *_figures(row), row.pcm_sha256[:12])
    return table


def _figures(row: VariantRow) -> list[str]:
    missing = row.samples - row.samples_expected
    return [
        str(row.samples),
        "all" if missing == 0 else f"{missing:+d}",
        _number(row.pops_per_minute, ".1f"),
        _number(row.pop_click_score, ".5f"),
        _number(row.decode_ms, ".1f"),
        _number(row.decode_call_ms, ".1f"),
        _number(row.first_packet_ms, ".1f"),
        _number(row.decoder_rtf, ".3f"),
    ]


def _pairs(pairs: list[PairRow]) -> Table:
    table = _table(
        "pairs", "pair", "MAE", "SNR dB", "largest", "at s", "pops a→b", "b→a", "corrected", "", "seam/mid dB"
    )
    for pair in pairs:
        aligned = pair.alignment
        raw = (share(aligned.a_to_b), share(aligned.b_to_a)) if aligned else ("–", "–")
        corrected = (share(aligned.corrected_a_to_b), share(aligned.corrected_b_to_a)) if aligned else ("–", "–")
        numbers = [_number(pair.mae, ".2e"), _number(pair.snr_db, ".1f"), _number(pair.largest, ".2e")]
        place = _number(pair.largest_at_s, ".3f")
        table.add_row(escape(f"{pair.a} / {pair.b}"), *numbers, place, *raw, *corrected, _seam_level(pair))
    return table


def _seam_level(pair: PairRow) -> str:
    """Median over the seams of how much larger the difference is after them."""
    known = [seam.ratio_db for seam in pair.seams if seam.ratio_db is not None]
    return f"{float(np.median(known)):+.1f}" if known else "–"


def _pop_codes(summary: AblateSummary) -> Table:
    jumps = summary.code_jumps
    spread = f"p50 {jumps.p50:g}, p95 {jumps.p95:g}, p99 {jumps.p99:g}, max {jumps.max}" if jumps else "none"
    table = _table(f"where pops sit (code jumps: {spread})", "variant", "pops", "at seams", "p", "jump", "p", "verdict")
    for row in summary.variants:
        found = row.pop_code_stats
        if found is None:
            table.add_row(escape(row.name), *["–"] * 5, row.reason or "–")
            continue
        numbers = [str(found.count), str(found.at_seams), _number(found.seam_p, ".4f")]
        jump = [_number(found.mean_jump, ".1f"), _number(found.jump_p, ".4f")]
        table.add_row(escape(row.name), *numbers, *jump, found.verdict or found.reason or "–")
    return table
