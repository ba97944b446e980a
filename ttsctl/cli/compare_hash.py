"""``ttsctl compare-hash``: are these dumps the same codes, and if not, from where on?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ttsctl.cli.finish import finish
from ttsctl.cli.options import DEFAULT_OUT, JsonOption, OutOption
from ttsctl.report.console import open_console


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
    # Imported here so that --help does not pay for it.
    from ttsctl.report.compare_hash import run_compare_hash
    from ttsctl.report.compare_hash_tables import render

    summary, home = run_compare_hash(sources, packet_tokens, out)
    render(summary, open_console())
    finish(summary, home, as_json)
