"""Limits to how deep a document is nested: its parser and all that walks it recurse, and the stack is small."""

from __future__ import annotations

import re
from typing import Any

MAX_NESTING = 32  # levels of tables, objects and arrays; the documents that ttsctl reads have at most ten

# Strings of any kind, also unfinished ones, and comments. What follows them is outside of a string again.
_TOML_STRING = re.compile(
    r'''"""(?:[^\\]|\\.)*?(?:"{3,5}|\Z)|\'\'\'.*?(?:'{3,5}|\Z)|"(?:[^"\\\n]|\\.)*"?|'[^'\n]*'?|#[^\n]*''', re.DOTALL
)
_LONG_KEY = re.compile(rf"(?<![\w-])[\w-]+(?:[ \t]*\.[ \t]*[\w-]+){{{MAX_NESTING}}}")


def too_deep(value: Any) -> bool:
    """Whether lists and tables of a parsed document stand in each other on more than MAX_NESTING levels."""
    level = [value]
    for _ in range(MAX_NESTING + 1):
        level = [item for box in level if isinstance(box, (dict, list)) for item in _items(box)]
    return bool(level)


def _items(box: dict[str, Any] | list[Any]) -> Any:
    return box.values() if isinstance(box, dict) else box


def has_long_key(toml: str) -> bool:
    """Whether a key such as ``a.b.c`` has more than MAX_NESTING parts; the parser's time grows with their square."""
    return _LONG_KEY.search(_TOML_STRING.sub("q", toml)) is not None
