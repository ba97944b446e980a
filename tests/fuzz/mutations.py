"""Damage to whole files: of their bytes and, for documents, of their values. The same seed gives the same file."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

# What is put in place of a value of a document.
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 10**9, 2**63, 10**400, 1e308, -1e308, 5e-324, float("nan"), float("inf")),
    *("", " ", "\x00", "\ud800", "é" * 50, "a" * 5000, "../../../dev/zero", "/dev/zero", "\x1b[31m", "9" * 6000, "{}"),
    *([], {}, [[]], {"": {}}, [None] * 1000, [{}] * 1000, {str(n): n for n in range(1000)}),
)
# What is put between the bytes of any file.
TOKENS = (
    *(b"[" * 2000, b"{" * 2000, b'{"a":' * 2000, b"9" * 6000, b"1e999", b"-", b'"', b"'''", b'"""', b"\n", b"="),
    *(b"NaN", b"null", b"\x00" * 64, b"\xff" * 64, b"\xff", b".".join([b"a"] * 5000), b"\\u0000", b"\\ud800"),
    *(b"\x85" * 5000, b"q\x00h\x00", b"(", b"}", b"]", b"R", b"PK\x05\x06"),
    *(b"\x93NUMPY", b"RIFF", b"(999999999, 16)", b"'|O'", b"'<U0'"),
)
NUMBERS = (0, 1, 127, 128, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)


def damaged(content: bytes, seed: int) -> bytes:
    """A file that differs from ``content`` in one to four places, or in one value where it is a JSON document."""
    random = Random(seed)
    if content[:1] == b"{" and random.random() < 0.7:
        return _other_values(content, random)
    for _ in range(random.randint(1, 4)):
        content = random.choice(_STEPS)(content, random)
    return content


def _other_values(content: bytes, random: Random) -> bytes:
    document = json.loads(content)
    for _ in range(random.randint(1, 2)):
        places = list(_places(document))
        if places:
            box, key = random.choice(places)
            if random.random() < 0.15 and isinstance(box, dict):
                box[random.choice(("", "x", "\x00", "a" * 3000))] = box.pop(key)
            else:
                box[key] = random.choice(VALUES)
    return json.dumps(document).encode()


def _places(document: Any) -> Any:
    """Every (container, key) of the document."""
    boxes = [document]
    while boxes:
        box = boxes.pop()
        for key in list(box) if isinstance(box, dict) else range(len(box)):
            yield box, key
            if isinstance(box[key], (dict, list)):
                boxes.append(box[key])


def _flip(content: bytes, random: Random) -> bytes:
    at = random.randrange(len(content) + 1)
    return content[:at] + bytes([random.randrange(256)]) + content[at + 1 :]


def _cut(content: bytes, random: Random) -> bytes:
    return content[: random.randrange(len(content) + 1)]


def _drop(content: bytes, random: Random) -> bytes:
    at = random.randrange(len(content) + 1)
    return content[:at] + content[at + random.randint(1, 64) :]


def _insert(content: bytes, random: Random) -> bytes:
    at = random.randrange(len(content) + 1)
    return content[:at] + random.choice(TOKENS) + content[at:]


def _repeat(content: bytes, random: Random) -> bytes:
    at = random.randrange(len(content) + 1)
    piece = content[at : at + random.randint(1, 200)]
    return content[:at] + piece * random.choice((2, 100, 1000)) + content[at:]


def _number(content: bytes, random: Random) -> bytes:
    """A number of 2, 4 or 8 bytes, as headers have them, near the start or the end."""
    width = random.choice((2, 4, 8))
    number = (random.choice(NUMBERS) % 2 ** (8 * width)).to_bytes(width, random.choice(("little", "big")))
    near = random.randrange(min(256, len(content)) + 1)
    at = near if random.random() < 0.6 else max(0, len(content) - near)
    return bytes(content[:at] + number + content[at + width :])


def _digits(content: bytes, random: Random) -> bytes:
    """Other digits where the text has some."""
    places = [at for at, byte in enumerate(content) if 48 <= byte <= 57]
    if not places:
        return content
    at = random.choice(places)
    return content[:at] + random.choice((b"0", b"-1", b"1e308", b"999999999999", b"9" * 400)) + content[at + 1 :]


_STEPS: tuple[Callable[[bytes, Random], bytes], ...] = (_flip, _cut, _drop, _insert, _repeat, _number, _digits)
