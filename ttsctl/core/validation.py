"""What pydantic finds wrong with an input, as one line for the user."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from ttsctl.core.errors import InputError

# The place of a value in a document: ("condition", 0, "set") is the key ``set`` of the first ``condition``.
Location = tuple[int | str, ...]
# The location of an unknown key -> a hint that names the nearest known key, as ``core.errors.nearest`` writes it.
NearestKnown = Callable[[Location], str]


class ValidationFailure(Protocol):
    """pydantic's ValidationError, which is not imported here: core has no library but numpy."""

    def errors(self, *, include_url: bool = ...) -> Sequence[Mapping[str, object]]:
        """The mistakes, each with its ``loc``, ``type``, ``msg`` and ``input``."""
        ...


def input_error(
    where: str,
    error: ValidationFailure,
    nearest_known: NearestKnown | None = None,
    *,
    fix: str = "correct the value",
    note: str = "",
    depth: int | None = None,
) -> InputError:
    """The first mistake of ``error``: ``<where>: <key><note>: <what was expected>, got <value>; <fix>``.

    ``where`` names the file or option. ``note`` follows the key, such as `` (id 'long_01')``. With ``nearest_known``,
    for documents that people write, an unknown key is answered with the nearest known one, and a missing key is asked
    for. ``depth``: how many parts of the location are named; default: all.
    """
    first = error.errors(include_url=False)[0]
    location: Location = tuple(first["loc"])  # type: ignore[arg-type]  # pydantic says so
    key = ".".join(str(part) for part in location[:depth])
    place = f"{where}: {key}{note}" if key else where
    if nearest_known is not None and first["type"] == "extra_forbidden":
        return InputError(f"{where}: unknown key {key!r}", nearest_known(location))
    if first["type"] == "missing":
        # The value that pydantic has here is the whole table around the key.
        if nearest_known is not None:
            return InputError(f"{place}: expected a value, got none", "add the key")
        return InputError(f"{place}: {first['msg']}", fix)
    # What a check of ours says of its value needs neither pydantic's prefix nor the value again.
    expected = str(first["msg"]).removeprefix("Value error, ")
    return InputError(f"{place}: {expected}" + ("" if ", got " in expected else f", got {first['input']!r:.80}"), fix)
