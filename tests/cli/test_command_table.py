"""Every command of the table can be called, and only the one that is called gets loaded."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer

from ttsctl.cli.commands import COMMANDS
from ttsctl.cli.main import build_app

GROUPS = sorted({command.group for command in COMMANDS})


def names(arguments: list[str]) -> list[str]:
    app = build_app(arguments)
    return sorted(
        [c.name or "" for c in app.registered_commands] + [g.name or "" for g in app.registered_groups if g.name]
    )


@pytest.mark.parametrize("arguments", [[], ["--help"], ["--version"], ["no-such-command"]])
def test_all_are_there_where_none_is_called(arguments: list[str]) -> None:
    assert names(arguments) == GROUPS


@pytest.mark.parametrize("name", GROUPS)
def test_a_command_that_is_called_comes_alone(name: str) -> None:
    assert names([name, "--help"]) == [name]
    assert name in typer.main.get_command(build_app([name])).commands  # type: ignore[attr-defined]


def test_another_command_is_not_even_imported() -> None:
    program = "from ttsctl.cli.main import build_app as build\nbuild(['schema'])\n"
    program += "import sys; print('ttsctl.cli.bench' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "False"
