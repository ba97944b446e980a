"""What is shown can be shown: no control characters, nothing that cannot be encoded, no endless lines."""

from __future__ import annotations

import io
import json

from ttsctl.core.printable import encodable, json_text, message_line, printable
from ttsctl.report import console


def test_escapes() -> None:
    assert printable("a\x1b[31m\x07\u202e\x9b\udcff\ud800\u00e9\t\n") == "a\\x1b[31m\\x07\\u202e\\x9b\\xff\\ud800é\t\n"
    assert encodable("\x1b\udcff") == "\x1b\\xff"


def test_json_can_be_read_again_whatever_stands_in_it() -> None:
    value = {"a\udcff": ["\udcfe\\", 'quoted "\ud800"', "é\x1b\n", 1.5, None]}
    for indent in (None, 1):
        text = json_text(value, indent)
        assert json.loads(text.encode("utf-8")) == {"a\\xff": ["\\xfe\\", 'quoted "\\ud800"', "é\x1b\n", 1.5, None]}
    assert json_text(["é"], None) == '["é"]'


def test_a_long_line_loses_its_middle() -> None:
    line = message_line("a" * 400 + "\n \x1b" + "b" * 400)
    assert len(line) == 500 and line.startswith("aaa") and "…" in line and line.endswith("bbb")
    assert message_line("a \n b") == "a b"


def test_tables_and_lines() -> None:
    """Also what goes past ``say`` and ``table``."""
    shown = console.open_console()
    shown.file = io.StringIO()
    rows = console.table("t\x1b", "name")
    rows.add_row("a\x1b[31m\udcff")
    shown.print(rows)
    shown.print("c\x1b[2J")
    console.say(shown, "b\udcfe" + "x" * 600)
    text = shown.file.getvalue()
    assert "\x1b" not in text and "a\\x1b[31m\\xff" in text and "b\\xfe" in text and "c\\x1b[2J" in text
    assert max(map(len, text.splitlines())) <= 500
