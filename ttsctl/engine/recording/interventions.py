"""Interventions: values changed or captured on their way through a network, for grafts, planted faults and jitter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from ttsctl.core.errors import CannotJudge
from ttsctl.core.forensic import Site, Value, Values

Alteration = Callable[[Tensor], Tensor]
Alterations = Mapping[Site, Alteration]
# The integers of the same size as a float, by bytes an element.
_SAME_SIZE_INTEGER = MappingProxyType({2: torch.int16, 4: torch.int32, 8: torch.int64})


@dataclass
class Capture:
    """The outputs of one point from ``first_frame`` on; ``values`` is filled as they come."""

    point: str
    first_frame: int = 0
    values: dict[Site, Value] = field(default_factory=dict)


class Interventions:
    """Alters one stream's values, then puts grafts in their place, then captures; knows which grafts it reached.

    The nth output of a point at one frame and codebook is its call n. ``restart`` begins to count again, for a decoder
    call that is repeated.
    """

    def __init__(self, alterations: Alterations, grafts: Values, capture: Capture | None = None) -> None:
        replacements = {site: replace_by(value) for site, value in grafts.items()}
        self._alterations = (dict(alterations), replacements)
        self._capture = capture
        self._unreached = dict.fromkeys(replacements)
        self._calls: dict[tuple[str, int, int], int] = {}
        points = {site.point for by_site in self._alterations for site in by_site}
        self.points = frozenset(points | ({capture.point} if capture else set()))

    @property
    def unreached(self) -> tuple[Site, ...]:
        """Sites of grafts that the run did not reach."""
        return tuple(self._unreached)

    def restart(self) -> None:
        """Count the calls of every point from 0 again."""
        self._calls.clear()

    def apply(self, point: str, frame: int, codebook: int, value: Tensor, is_new: bool = True) -> Tensor:
        """The value of a point at a place -> the one to go on with. ``is_new`` False: do not capture it again.

        CannotJudge if an alteration changes the dtype or shape, or a graft has another number of elements.
        """
        if point not in self.points:
            return value
        place = (point, frame, codebook)
        call = self._calls.get(place, 0)
        self._calls[place] = call + 1
        for by_site in self._alterations:
            for at_codebook in (codebook, None):
                site = Site(point, frame, at_codebook, call)
                alter = by_site.get(site)
                if alter is not None:
                    self._unreached.pop(site, None)
                    value = _checked(alter(value), value, site)
        capture = self._capture
        if is_new and capture is not None and point == capture.point and frame >= capture.first_frame:
            capture.values[Site(point, frame, codebook, call)] = to_value(value)
        return value


def replace_by(value: Value) -> Alteration:
    """The alteration that puts ``value`` in the place of the value that is there, in its shape and dtype."""

    def replace(there: Tensor) -> Tensor:
        given = torch.from_numpy(np.array(value))
        if given.numel() != there.numel():
            raise CannotJudge(
                f"graft: a value of {given.numel()} elements for one of {there.numel()}",
                "graft between runs of the same checkpoint",
            )
        return given.to(there.device, there.dtype).reshape(there.shape)

    return replace


def to_value(value: Tensor) -> Value:
    """A tensor -> its numpy copy: half precision as float32, which loses nothing."""
    if value.dtype in (torch.bfloat16, torch.float16):
        value = value.float()
    return np.array(value.detach().cpu().numpy())


def _checked(altered: Tensor, value: Tensor, site: Site) -> Tensor:
    if altered.shape != value.shape or altered.dtype != value.dtype:
        raise CannotJudge(
            f"{site}: expected {value.dtype} {tuple(value.shape)}, the alteration gave {altered.dtype} "
            f"{tuple(altered.shape)}",
            "give a value of the same dtype and shape",
        )
    return altered


class Jitter:
    """Moves every element of a floating-point value by one ULP, up or down at random.

    Zeros, infinities and NaN stay as they are.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        self._generator = torch.Generator(device=device).manual_seed(seed)

    def move(self, value: Tensor) -> Tensor:
        """A new tensor; integers come back as they are."""
        if not value.is_floating_point():
            return value
        sign = torch.randint(0, 2, value.shape, generator=self._generator, device=value.device) * 2 - 1
        bits = value.contiguous().view(_SAME_SIZE_INTEGER[value.element_size()])
        # Neighbouring floats of one sign are neighbouring integers, so this is a step away from zero or towards it.
        moved = (bits + sign.to(bits.dtype)).view(value.dtype)
        return torch.where(value.isfinite() & (value != 0), moved, value)
