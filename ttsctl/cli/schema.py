"""``ttsctl schema``: the JSON Schema of what the commands write to summary.json."""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    name: Annotated[str | None, typer.Argument(metavar="[COMMAND]", help="A command; default: all of them.")] = None,
) -> None:
    """Print the JSON Schema of a command's summary.json, or of all, by command, as one JSON object."""
    import json

    from ttsctl.cli.commands import summary_commands, summary_model

    if name is not None:
        shown = summary_model(name).model_json_schema(mode="serialization")
    else:
        shown = {known: summary_model(known).model_json_schema(mode="serialization") for known in summary_commands()}
    typer.echo(json.dumps(shown, ensure_ascii=False, indent=1))
