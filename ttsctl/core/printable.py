"""Text from outside, made fit to be shown: nothing in it can move a cursor, hide a word, or fail to be encoded."""

from __future__ import annotations

import json
import re
from typing import Any

LINE = 500
# Controls but for tab and line feed, DEL, C1 controls, line and paragraph separators, marks that turn the direction
# of writing, and surrogates, which stand for bytes that are not UTF-8.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_SURROGATES = re.compile("[\ud800-\udfff]")


def printable(text: str) -> str:
    """``text`` with its unprintable characters as escapes: ``\\x1b``; a byte that is not UTF-8 is ``\\xff``."""
    return _UNPRINTABLE.sub(_escape, text)


def encodable(text: str) -> str:
    """``text`` with lone surrogates as escapes, and all else as it is: what UTF-8 can hold."""
    return _SURROGATES.sub(_escape, text)


def json_text(value: Any, indent: int | None = 1) -> str:
    """``value`` as JSON that UTF-8 can hold: a byte that is not UTF-8 is the text ``\\xff`` once it is read again.

    ValueError for a NaN or an infinity, for a missing value is null with a reason.
    """
    text = json.dumps(value, ensure_ascii=False, indent=indent, allow_nan=False)
    # All surrogates stand in strings, where JSON wants a backslash twice.
    return _SURROGATES.sub(lambda found: "\\" + _escape(found), text)


def message_line(text: str, limit: int = LINE) -> str:
    """``text`` as one printable line of at most ``limit`` characters; a longer one loses its middle to "…"."""
    return shortened(printable(" ".join(text.split())), limit)


def shortened(text: str, limit: int = LINE) -> str:
    """``text``, or its two ends around "…" where it has more than ``limit`` characters."""
    if len(text) <= limit:
        return text
    head = limit // 2
    return f"{text[:head]}…{text[len(text) - (limit - head - 1) :]}"


def _escape(found: re.Match[str]) -> str:
    code = ord(found.group())
    # How Python keeps a byte of a name that is not UTF-8 (PEP 383).
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
