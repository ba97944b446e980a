"""A reference's text that is not UTF-8 is one line, as any other text is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.cli.cli_helpers import Done


@pytest.mark.parametrize("command", [("synth", "Hello."), ("encode",)])
def test_not_utf8(cli: Callable[..., Done], command: tuple[str, ...]) -> None:
    reference = ("manifests/references/low.wav",) if command[0] == "encode" else ("--ref-audio", "no.wav")
    done = cli(*command, *reference, "--ref-text", "a\udcffb")
    assert done.status == 2
    assert "--ref-text: not UTF-8 text" in done.stderr
