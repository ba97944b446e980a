"""``ttsctl encode``: audio to codes, and a reference to a saved voice."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ttsctl.cli.finish import finish
from ttsctl.cli.options import DEFAULT_OUT, CheckpointOption, JsonOption, SetOption
from ttsctl.cli.progress import steps
from ttsctl.cli.request_options import ConfigOption, XVectorOnlyOption
from ttsctl.core.errors import InputError
from ttsctl.report.console import open_console

VOICE_SUFFIX = ".safetensors"


def command(
    audio: Annotated[list[Path], typer.Argument(metavar="REF...", help="Wav or flac files, of at most 120 s.")],
    ref_text: Annotated[str | None, typer.Option("--ref-text", help="What the file says, word by word.")] = None,
    x_vector_only: XVectorOnlyOption = False,
    save_voice: Annotated[
        Path | None, typer.Option("--save-voice", help="Save the voice as this file (*.safetensors), for --voice.")
    ] = None,
    roundtrip: Annotated[
        bool, typer.Option("--roundtrip", help="Decode the codes again: SNR and spectral distance.")
    ] = False,
    checkpoint: CheckpointOption = None,
    config_file: ConfigOption = None,
    sets: SetOption = None,
    out: Annotated[
        Path, typer.Option("--out", help="Root of the run folders; or FILE.safetensors, as --save-voice FILE.")
    ] = DEFAULT_OUT,
    as_json: JsonOption = False,
) -> None:
    """Encode audio to codes as a Base checkpoint does a reference, and warn of what broken encoders give.

    With --save-voice, codes, x-vector and text are one file that two machines can speak from.
    Exit status: 0, warnings included; 2 bad input; 3 the engine failed.
    """
    # Imported here so that --help does not pay for them.
    from ttsctl.report.encode import EncodeOptions, render, run_encode
    from ttsctl.runs.resolve_config import config_of_file

    if out.suffix == VOICE_SUFFIX:
        if save_voice is not None:
            raise InputError(f"--out {out}: a voice file beside --save-voice {save_voice}", "leave one out")
        save_voice, out = out, DEFAULT_OUT
    config = config_of_file(config_file, checkpoint, sets or ())
    options = EncodeOptions(audio, ref_text, x_vector_only, save_voice, roundtrip)
    with steps("files", len(audio)) as advance:
        summary, home = run_encode(config, options, out, advance)
    render(summary, open_console())
    finish(summary, home, as_json)
