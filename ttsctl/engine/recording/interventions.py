"""Values changed on their way through a network, and values kept: what grafts, planted faults and jitter need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ttsctl.core.errors import CannotJudge
from ttsctl.core.forensic import Site, Value, Values

Edit = Callable[[Tensor], Tensor]
Edits = Mapping[Site, Edit]


@dataclass
class Wanted:
    """The outputs of one point from a frame on, as they come."""

    point: str
    first_frame: int = 0
    values: dict[Site, Value] = field(default_factory=dict)


class Editor:
    """Alters one stream's values, then puts grafts in, then keeps what is wanted; knows which grafts it met.

    The nth output of a point at one frame and codebook is its call n; ``restart`` counts anew, for a decoder call that
    is run again.
    """

    def __init__(self, alter: Edits | None = None, grafts: Values | None = None, wanted: Wanted | None = None) -> None:
        puts = {site: replace_by(value) for site, value in (grafts or {}).items()}
        self._edits = (dict(alter or {}), puts)
        self._wanted = wanted
        self._unmet = dict.fromkeys(puts)
        self._calls: dict[tuple[str, int, int], int] = {}
        points = {site.point for edits in self._edits for site in edits} | ({wanted.point} if wanted else set())
        self.points = frozenset(points)

    @property
    def unmet(self) -> tuple[Site, ...]:
        """Sites of grafts that the run did not come by."""
        return tuple(self._unmet)

    def restart(self) -> None:
        self._calls.clear()

    def apply(self, point: str, frame: int, codebook: int, value: Tensor, keep: bool = True) -> Tensor:
        """The value of a point at a place -> the one to go on with. ``keep`` False: it was seen before."""
        if point not in self.points:
            return value
        place = (point, frame, codebook)
        call = self._calls.get(place, 0)
        self._calls[place] = call + 1
        for edits in self._edits:
            for book in (codebook, None):
                site = Site(point, frame, book, call)
                edit = edits.get(site)
                if edit is not None:
                    self._unmet.pop(site, None)
                    value = _fitting(edit(value), value, site)
        wanted = self._wanted
        if keep and wanted is not None and point == wanted.point and frame >= wanted.first_frame:
            wanted.values[Site(point, frame, codebook, call)] = to_value(value)
        return value


def replace_by(value: Value) -> Edit:
    """The edit that puts a kept value in the place of the one there."""

    def edit(there: Tensor) -> Tensor:
        given = torch.from_numpy(np.array(value))
        if given.numel() != there.numel():
            raise CannotJudge(
                f"graft: a value of {given.numel()} elements for one of {there.numel()}",
                "graft between runs of the same checkpoint",
            )
        return given.to(there.device, there.dtype).reshape(there.shape)

    return edit


def to_value(value: Tensor) -> Value:
    """A tensor -> its numpy copy: half precision as float32, which loses nothing."""
    if value.dtype in (torch.bfloat16, torch.float16):
        value = value.float()
    return np.array(value.detach().cpu().numpy())


class Jitter:
    """Moves every element of a floating-point value by one unit in its last place, up or down at random.

    Zeros, infinities and NaN stay as they are.
    """

    _BITS = {2: torch.int16, 4: torch.int32, 8: torch.int64}  # noqa: RUF012

    def __init__(self, seed: int, device: torch.device) -> None:
        self._generator = torch.Generator(device=device).manual_seed(seed)

    def move(self, value: Tensor) -> Tensor:
        """A new tensor; integers come back as they are."""
        if not value.is_floating_point():
            return value
        sign = torch.randint(0, 2, value.shape, generator=self._generator, device=value.device) * 2 - 1
        bits = value.contiguous().view(self._BITS[value.element_size()])
        # Neighbouring floats of one sign are neighbouring integers, so this is a step away from zero or towards it.
        moved = (bits + sign.to(bits.dtype)).view(value.dtype)
        return torch.where(value.isfinite() & (value != 0), moved, value)


def _fitting(edited: Tensor, value: Tensor, site: Site) -> Tensor:
    if edited.shape != value.shape or edited.dtype != value.dtype:
        raise CannotJudge(
            f"{site}: the edit made {edited.dtype} {tuple(edited.shape)} of {value.dtype} {tuple(value.shape)}",
            "give a value of the same dtype and shape",
        )
    return edited
