"""Who shares a batch with a request: others of its voice, whose texts are made of its own in other lengths."""

from __future__ import annotations

from dataclasses import replace

from ttsctl.core.request import Request

# Lengths of the others' texts as parts of the request's own: shorter and longer, and no two alike in a batch of 8.
PARTS = (0.5, 2.0, 0.25, 1.5, 0.75, 0.1, 1.25)
# A text is not made longer than this many words, so that the model has room for it wherever it has for the request.
MOST_WORDS = 64


def company_of(request: Request, count: int) -> tuple[Request, ...]:
    """``count`` requests that differ from the request in text alone. The same ones every time."""
    words = request.text.split()
    return tuple(replace(request, text=_text(words, request.text, number)) for number in range(count))


def _text(words: list[str], text: str, number: int) -> str:
    """The text of company ``number``: it begins at another word, and has another length.

    A text of one word, or of a script without spaces, is treated by its characters.
    """
    pieces, space = (words, " ") if len(words) > 1 else (list(text), "")
    part = PARTS[number % len(PARTS)]
    if part > 1 and len(pieces) * part > MOST_WORDS:
        part = 1 / part
    start = (number + 1) % len(pieces)
    turned = pieces[start:] + pieces[:start]
    length = max(1, round(len(pieces) * part))
    return space.join((turned * (length // len(turned) + 1))[:length])
