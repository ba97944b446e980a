"""The book of a run's fingerprints: values go in one by one, are printed in batches, and come out as ``Prints``."""

from __future__ import annotations

from array import array

import numpy as np
import torch
from torch import Tensor

from ttsctl.contract.trace import STAGES, Prints
from ttsctl.engine.fingerprint import Fingerprints

# A value larger than this, in elements, is printed at once: keeping it would cost more than one operation less saves.
LARGE = 1 << 14
_FIELDS = 5


class Ledger:
    """One stream's prints. ``flush`` once a frame or a decoder call; nothing is read back before ``prints``.

    Values are kept until the flush, not copied: give a clone of one that is written to before then.
    """

    def __init__(self, device: torch.device) -> None:
        self._print = Fingerprints(device)
        self._points: dict[str, int] = {}
        # Row by row: point, stage, frame, codebook, is_input.
        self._rows = array("q")
        self._count = 0
        self._pending: dict[tuple[object, ...], tuple[list[Tensor], list[int]]] = {}
        self._printed: list[Tensor] = []
        self._order: list[int] = []

    def point(self, name: str) -> int:
        """The number of a point; rows name it by that."""
        return self._points.setdefault(name, len(self._points))

    def add(self, point: int, stage: int, frame: int, codebook: int, is_input: bool, value: Tensor) -> None:
        """One value of any shape, for one row."""
        self._rows.extend((point, stage, frame, codebook, is_input))
        self._keep((value.dtype, value.shape), value, self._count, value.numel())
        self._count += 1

    def add_frames(self, point: int, stage: int, first: int, is_input: bool, values: Tensor) -> None:
        """values (frames, elements): a row for each frame from ``first`` on."""
        frames, elements = values.shape
        for frame in range(first, first + frames):
            self._rows.extend((point, stage, frame, 0, is_input))
        self._keep((values.dtype, elements), values, self._count, values.numel())
        self._count += frames

    def flush(self) -> None:
        """Print what is pending: one batch for each kind of value."""
        for key, (values, starts) in self._pending.items():
            by_frame = isinstance(key[1], int)
            batch = torch.cat(values) if by_frame or values[0].dim() else torch.stack(values)
            self._printed.append(self._print.rows(batch if by_frame else batch.reshape(len(values), -1)))
            for start, value in zip(starts, values, strict=True):
                self._order.extend(range(start, start + (len(value) if by_frame else 1)))
        self._pending.clear()

    def prints(self, by_frame: bool = False) -> Prints:
        """Everything so far, read back in one go: in the order it came, or frame by frame, in that order within."""
        self.flush()
        values = torch.cat(self._printed).cpu().numpy() if self._printed else np.empty(0, np.int64)
        ordered = np.empty_like(values)
        ordered[np.array(self._order, np.int64)] = values
        rows = np.frombuffer(self._rows, np.int64).reshape(-1, _FIELDS)
        if by_frame:
            order = np.argsort(rows[:, 2], kind="stable")
            rows, ordered = rows[order], ordered[order]
        return Prints(
            points=tuple(self._points),
            point=rows[:, 0].astype(np.int32),
            stage=rows[:, 1].astype(np.uint8),
            frame=rows[:, 2].astype(np.int32),
            codebook=rows[:, 3].astype(np.int16),
            is_input=rows[:, 4].astype(np.bool_),
            value=ordered.view(np.uint64),
        )

    def _keep(self, key: tuple[object, ...], value: Tensor, start: int, size: int) -> None:
        if size > LARGE:
            whole = value if isinstance(key[1], int) else value.reshape(1, -1)
            printed = self._print.rows(whole)
            self._printed.append(printed)
            self._order.extend(range(start, start + len(printed)))
            return
        values, starts = self._pending.setdefault(key, ([], []))
        values.append(value)
        starts.append(start)


def stage_number(stage: str) -> int:
    """The index of a stage in ``contract.trace.STAGES``."""
    return STAGES.index(stage)
