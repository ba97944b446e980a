"""``ttsctl compare-hash``: are these dumps the same codes, and if not, from where on?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ttsctl.cli.options import DEFAULT_OUT, JsonOption, OutOption


def command(
    sources: Annotated[
        list[Path],
        typer.Argument(help="Code files (.npy .npz .safetensors .pt), meta_*.json, manifest.json, or folders of them."),
    ],
    packet_tokens: Annotated[
        int | None, typer.Option("--packet-tokens", min=1, help="Frames a packet; default: as the dumps say, else 4.")
    ] = None,
    out: OutOption = DEFAULT_OUT,
    as_json: JsonOption = False,
) -> None:
    """Compare code dumps by hash and find the first difference.

    Exit status: 0 all equal, 1 some differ, 2 wrong input, 3 nothing comparable, or not all.
    """
    # Imported here so that --help does not pay for them.
    from ttsctl.cli.finish import finish
    from ttsctl.core.machine import collect_provenance
    from ttsctl.dumps.compare import compare_dumps, judge_comparison
    from ttsctl.report.compare_hash import render, summarise
    from ttsctl.report.console import open_console
    from ttsctl.report.run_folder import run_folder
    from ttsctl.report.summary import write_summary

    comparison = compare_dumps(sources, packet_tokens)
    status, headline = judge_comparison(comparison)
    summary = summarise(comparison, status, headline, collect_provenance())
    render(summary, open_console())
    with run_folder(out, "compare-hash") as run:
        write_summary(summary, run.path)
    finish(summary, run.home, as_json)
