"""``ttsctl decode-ablate``: one set of codes, several ways to decode it, and why they differ."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ttsctl.cli.options import DEFAULT_OUT, CheckpointOption, JsonOption, OutOption, SetOption

if TYPE_CHECKING:
    from ttsctl.ablate.code_jumps import CodeJumps
    from ttsctl.ablate.measure import Measured
    from ttsctl.ablate.pairs import PairResult
    from ttsctl.ablate.summary import VariantRow
    from ttsctl.core.codes import CodeArray
    from ttsctl.core.config import Config
    from ttsctl.core.engine import Engine
    from ttsctl.dumps.sources import Dump

# The permutations' own generator; a p-value of the same audio is the same in every run.
PERMUTATION_SEED = 20_260_101


def command(
    codes: Annotated[
        Path, typer.Argument(metavar="CODES", help="A code file, its meta, or a folder or manifest of one.")
    ],
    variants: Annotated[
        list[str] | None,
        typer.Option("--variant", metavar="NAME:KEY=VALUE,…", help="Add a variant; may be repeated."),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="NAME", help="Only these variants; may be repeated.")
    ] = None,
    sets: SetOption = None,
    checkpoint: CheckpointOption = None,
    out: OutOption = DEFAULT_OUT,
    as_json: JsonOption = False,
) -> None:
    """Decode the same codes in several modes, and explain every difference.

    Exit status: 0 decoded and compared, 2 wrong input, or codes that do not fit the checkpoint, 3 the engine failed.
    """
    # Imported here so that --help does not pay for them.
    from ttsctl.ablate.code_jumps import code_jumps
    from ttsctl.ablate.variants import plan_variants
    from ttsctl.runs.check_codes import check_fit
    from ttsctl.runs.engines import load_engine
    from ttsctl.runs.resolve_config import chosen_sets, resolve_config

    base = chosen_sets(checkpoint, sets)
    config = resolve_config(None, None, base)
    plan = plan_variants(base, variants or [], only or [])
    dump, array, notes = _one_dump(codes)
    engine = load_engine(config)
    check_fit(engine, array, dump.label)
    jumps = code_jumps(array)
    decoded = [_decode(engine, array, name, variant, dump.sha256, jumps) for name, variant in plan.items()]
    _report(decoded, dump, jumps, engine, notes, out, as_json)


def _one_dump(path: Path) -> tuple[Dump, CodeArray, list[str]]:
    """The codes to decode; several dumps are one if their codes are equal."""
    from ttsctl.core.errors import InputError
    from ttsctl.dumps.sources import load_sources

    dumps, notes = load_sources([path])
    if len({dump.sha256 for dump in dumps}) > 1:
        raise InputError(
            f"{path}: expected one set of codes, got {len(dumps)} dumps: " + ", ".join(d.tag for d in dumps[:8]),
            "name one code file of them",
        )
    dump = next((dump for dump in dumps if dump.codes is not None), None)
    if dump is None or dump.codes is None:
        raise InputError(f"{path}: a meta without its codes", "put the code file beside it")
    if len(dumps) > 1:
        notes.append(f"{len(dumps)} dumps have the same codes: {dump.label} is decoded")
    return dump, dump.codes, notes


def _decode(
    engine: Engine, codes: CodeArray, name: str, config: Config, sha256: str, jumps: CodeJumps
) -> tuple[VariantRow, Measured]:
    """Decode one variant and measure what came out."""
    from ttsctl.ablate.measure import Pieces, measure
    from ttsctl.ablate.summary import Timed, variant_row
    from ttsctl.ablate.variants import settings
    from ttsctl.core.capabilities import decoder_of

    run = decoder_of(engine).decode(codes, config)
    samples, frames = tuple(p.samples for p in run.packets), tuple(p.frames for p in run.packets)
    pieces = Pieces(name, run.require_pcm(), samples, frames, sha256)
    measured = measure(pieces, jumps.per_codebook, engine.info.sample_rate, PERMUTATION_SEED)
    timed = Timed(
        settings(config),
        samples,
        tuple(p.decode_ms or 0.0 for p in run.packets),
        run.timing.decode_calls or 0,
        len(codes) * engine.info.frame_samples,
    )
    return variant_row(timed, measured), measured


def _report(
    decoded: list[tuple[VariantRow, Measured]],
    dump: Dump,
    jumps: CodeJumps,
    engine: Engine,
    notes: list[str],
    out: Path,
    as_json: bool,
) -> None:
    """Compare every pair, show the tables, write the run folder, and end the command."""
    from ttsctl.ablate.measure import pairs_of
    from ttsctl.ablate.summary import pair_row, summarise
    from ttsctl.ablate.tables import render
    from ttsctl.cli.finish import finish
    from ttsctl.report.console import open_console
    from ttsctl.report.run_folder import run_folder
    from ttsctl.report.summary import write_summary

    rows, measured = [row for row, _ in decoded], [one for _, one in decoded]
    pairs = pairs_of(measured)
    told = [pair_row(pair) for pair in pairs]
    summary = summarise(dump.label, dump.sha256, dump.frames, jumps, rows, told, engine.config, engine.info, notes)
    render(summary, open_console())
    with run_folder(out, "decode-ablate") as run:
        _write_audio(measured, pairs, run.path)
        write_summary(summary, run.path)
    finish(summary, run.home, as_json)


def _write_audio(measured: list[Measured], pairs: list[PairResult], folder: Path) -> None:
    from ttsctl.ablate.pictures import draw_differences, draw_waves
    from ttsctl.ablate.summary import DIFFERENCES_PICTURE, WAVES_PICTURE, wav_name
    from ttsctl.audio.wav import write_wav

    decoded = [one.decoded for one in measured]
    for one in decoded:
        if len(one.side.pcm):
            write_wav(folder / wav_name(one.side.name), one.side.pcm, one.sample_rate)
    draw_waves(folder / WAVES_PICTURE, decoded)
    draw_differences(folder / DIFFERENCES_PICTURE, decoded, pairs)
