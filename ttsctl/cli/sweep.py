"""``ttsctl sweep``: an experiment, to a table of conditions and a conclusion for every question it asks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ttsctl.cli.finish import finish
from ttsctl.cli.options import DEFAULT_OUT, CheckpointOption, JsonOption, OutOption, SetOption
from ttsctl.cli.progress import items
from ttsctl.cli.request_options import (
    ConfigOption,
    RefAudioOption,
    RefTextOption,
    VoiceFileOption,
    XVectorOnlyOption,
)
from ttsctl.core.errors import Interrupted
from ttsctl.report.console import open_console

if TYPE_CHECKING:
    from ttsctl.sweep.store import ResultStore


def command(
    name: Annotated[
        str, typer.Argument(metavar="EXPERIMENT", help="An experiment file, or the name of a shipped one: threads.")
    ],
    repeats: Annotated[
        int | None, typer.Option("--repeats", min=1, help="Runs of each text under each condition.")
    ] = None,
    text_id: Annotated[
        list[str] | None, typer.Option("--text-id", help="A text in place of the experiment's; repeatable.")
    ] = None,
    voice_id: Annotated[
        list[str] | None, typer.Option("--voice-id", help="A voice in place of the experiment's; repeatable.")
    ] = None,
    texts: Annotated[Path | None, typer.Option("--texts", help="File of texts in place of the experiment's.")] = None,
    voices: Annotated[
        Path | None, typer.Option("--voices", help="File of voices in place of the experiment's.")
    ] = None,
    ref_audio: RefAudioOption = None,
    ref_text: RefTextOption = None,
    x_vector_only: XVectorOnlyOption = False,
    voice_file: VoiceFileOption = None,
    codes: Annotated[
        list[Path] | None,
        typer.Option(
            "--codes", help="Codes for the decode runs: a file, meta, manifest or folder; repeatable. None is spoken."
        ),
    ] = None,
    vary: Annotated[
        list[str] | None,
        typer.Option("--vary", metavar="KEY=VALUE,…", help="Values of a setting to go through; repeatable."),
    ] = None,
    isolation: Annotated[
        Literal["state", "process"] | None,
        typer.Option("--isolation", help="state: an engine a condition; process: a fresh interpreter every run."),
    ] = None,
    pops: Annotated[bool, typer.Option("--pops", help="Find the pops of every run, as measure of the file.")] = False,
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="Local worker processes.")] = 1,
    executor: Annotated[
        str, typer.Option("--executor", metavar="local|dask://HOST:PORT", help="Where runs are made.")
    ] = "local",
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Forget what an interrupted sweep of this kind has done.")
    ] = False,
    checkpoint: CheckpointOption = None,
    config_file: ConfigOption = None,
    sets: SetOption = None,
    out: OutOption = DEFAULT_OUT,
    as_json: JsonOption = False,
) -> None:
    """Run an experiment and judge what it expects. An interrupted one goes on where it was when called again.

    Exit status: 0 every conclusion holds, 1 one fails, 2 bad input, 3 one could not be judged, or none was asked for.
    """
    # Imported here so that --help does not pay for them.
    from ttsctl.sweep.changes import Changes, VoiceChoice
    from ttsctl.sweep.session import SweepOptions, run_sweep
    from ttsctl.sweep.tables import render

    options = SweepOptions(
        experiment=name,
        out=out,
        repeats=repeats,
        executor=executor,
        jobs=jobs,
        fresh=fresh,
        checkpoint=checkpoint,
        config_file=config_file,
        sets=sets or (),
        changes=Changes(
            texts,
            voices,
            text_id or (),
            voice_id or (),
            codes or (),
            vary or (),
            isolation,
            ("pops",) if pops else (),
            VoiceChoice(ref_audio=ref_audio, ref_text=ref_text, x_vector_only=x_vector_only, voice_file=voice_file),
        ),
    )
    with _told_if_interrupted() as opened, items("runs") as progress:
        sweep = run_sweep(options, opened, progress)
    render(sweep.summary, open_console())
    finish(sweep.summary, sweep.home, as_json)


@contextlib.contextmanager
def _told_if_interrupted() -> Iterator[Callable[[ResultStore], None]]:
    """Say what of an interrupted sweep is kept: when this one is interrupted, and when it goes on with an earlier one.

    Yields a function that takes the store once it is open. Ctrl-C ends with status 130, as it does in every command.
    """
    opened: list[ResultStore] = []

    def take(store: ResultStore) -> None:
        opened.append(store)
        if store.resumed:
            done = f"{len(store.resumed)} runs are done (--fresh forgets them)"
            typer.echo(f"going on with an interrupted sweep: {done}", err=True)

    try:
        yield take
    except Interrupted as error:
        kept = sum(store.count() for store in opened)
        if kept:
            where = f"{kept} runs are kept in {opened[0].folder}"
            error.left = f"{where}; the same command goes on from there, --fresh starts anew"
        raise
