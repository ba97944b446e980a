"""Who wrote and read each piece of device memory last, and the races that follow from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from torch import Tensor

from tests.simcuda.clocks import Stream, current, host
from tests.simcuda.findings import FOUND, where


@dataclass
class Piece:
    # Host memory that a copy still writes, which nobody has waited for: by storage, the memory, the stream, the number.

    home: Stream
    made: str
    written: tuple[str, int] | None = None
    read: dict[str, int] = field(default_factory=dict)
    recorded: set[str] = field(default_factory=set)


PIECES: dict[int, Piece] = {}
HOLDERS: Counter[int] = Counter()
# Host memory that is written by a copy which nobody has waited for: by storage, the memory, the stream, the number.
PENDING: dict[int, tuple[Tensor, str, int]] = {}


def key_of(values: Tensor) -> int:
    key: int = values.untyped_storage()._cdata
    return key


def hold(values: Tensor) -> int:
    """One more tensor of the simulated device uses this storage."""
    key = key_of(values)
    piece_of(values)
    HOLDERS[key] += 1
    return key


def release(key: int) -> None:
    """One tensor fewer; the last one gives the memory back to the allocator, which knows its home stream alone."""
    HOLDERS[key] -= 1
    if HOLDERS[key] > 0:
        return
    del HOLDERS[key]
    piece = PIECES.pop(key, None)
    if piece is None:
        return
    uses = dict(piece.read)
    if piece.written is not None:
        uses[piece.written[0]] = max(uses.get(piece.written[0], 0), piece.written[1])
    ordered = piece.home.clock.copy()
    ordered.merge(host())
    for name, count in uses.items():
        if name != piece.home.name and name not in piece.recorded and count > ordered.get(name, 0):
            FOUND.problem(f"allocator race: memory made at {piece.made} is freed while {name} may use it")


def piece_of(values: Tensor) -> Piece:
    key = key_of(values)
    if key not in PIECES:
        PIECES[key] = Piece(current(), where())
    return PIECES[key]


def launch(reads: Iterable[Tensor], writes: Iterable[Tensor], name: str) -> None:
    """One operation on the current stream; what it races with is a problem."""
    stream = current()
    number = stream.launch()
    known = stream.clock
    for values in reads:
        piece = piece_of(values)
        _after_write(piece, stream, f"{name} reads")
        piece.read[stream.name] = number
    for values in writes:
        piece = piece_of(values)
        _after_write(piece, stream, f"{name} overwrites")
        for other, count in piece.read.items():
            if other != stream.name and count > known.get(other, 0):
                FOUND.problem(f"race: {name} on {stream} overwrites what {other} reads")
        piece.written = (stream.name, number)


def _after_write(piece: Piece, stream: Stream, what: str) -> None:
    if piece.written is None:
        return
    writer, count = piece.written
    if writer != stream.name and count > stream.clock.get(writer, 0):
        FOUND.problem(f"race: {what} on {stream} what {writer} writes (memory made at {piece.made})")


def copy_to_host(values: Tensor) -> None:
    """A copy to this host memory is queued, and nobody waits for it."""
    stream = current()
    PENDING[key_of(values)] = (values, stream.name, stream.clock[stream.name])


def host_reads(values: Tensor) -> None:
    """The host looks at its own memory."""
    pending = PENDING.pop(key_of(values), None)
    if pending is not None and pending[2] > host().get(pending[1], 0):
        FOUND.problem(f"race: the host reads what {pending[1]} still copies")
