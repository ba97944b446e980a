"""The log of a run's fingerprints: takes values one by one, fingerprints them in batches, and gives ``Prints``."""

from __future__ import annotations

from array import array
from collections import deque

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ttsctl.core.trace import STAGES, Prints
from ttsctl.engine.recording.fingerprint import Fingerprints, whole_words

# A value of more elements than this is fingerprinted at once: keeping it would cost more than a batch saves.
LARGE = 1 << 14
# Most elements of one batch: on a CPU as many as stay in its cache, elsewhere as many as are worth a launch.
CPU_BATCH, DEVICE_BATCH = 1 << 16, 1 << 22
# Queries, keys and values share one input. With their outputs and norms in between it is among the last 8 tensors.
RECENT = 8


class FingerprintLog:
    """One stream's fingerprints. ``flush`` once a frame or a decoder call; nothing is read back before ``prints``.

    Values are kept until the flush, not copied: add a clone of a value that is written to before then.
    """

    def __init__(self, device: torch.device) -> None:
        self._fingerprints = Fingerprints(device)
        self._points: dict[str, int] = {}
        # A mark a value: twice the point's number, plus one for an input. A place only where it changes: number of its
        # first value, stage, frame, codebook, number of frames.
        self._marks = array("q")
        self._places = array("q")
        self._frames = 1
        self._batch = CPU_BATCH if device.type == "cpu" else DEVICE_BATCH
        self._waiting = 0
        self._pending: list[Tensor] = []
        self._pending_values: list[int] = []
        self._printed: list[Tensor] = []
        self._order: list[int] = []

    def point(self, name: str) -> int:
        """The number under which values of a point are added."""
        return self._points.setdefault(name, len(self._points))

    def at(self, stage: int, frame: int, codebook: int, frames: int = 1) -> None:
        """The place of all values added from now on: each holds ``frames`` frames, the first of which is ``frame``."""
        if frames != self._frames:
            self.flush()
            self._frames = frames
        self._places.extend((len(self._marks), stage, frame, codebook, frames))

    def add(self, point: int, is_input: bool, value: Tensor) -> None:
        """Add one value of any shape; its elements belong to its frames in equal parts, in order."""
        marks, size = self._marks, value.numel()
        # 8 elements, or a multiple, are whole words in any dtype, and nearly every value has as many a frame.
        if 0 < size <= LARGE and (size % (8 * self._frames) == 0 or whole_words(value, self._frames)):
            self._pending.append(value)
            self._pending_values.append(len(marks))
            self._waiting += size
        else:
            self._printed.append(self._fingerprints.rows(value.reshape(self._frames, size // self._frames)))
            self._order.append(len(marks))
        marks.append(2 * point + is_input)
        if self._waiting > self._batch:
            self.flush()

    def flush(self) -> None:
        """Fingerprint all pending values: one batch for each dtype."""
        if not self._pending:
            return
        groups: dict[torch.dtype, tuple[list[Tensor], list[int]]] = {}
        for value, number in zip(self._pending, self._pending_values, strict=True):
            group = groups.get(value.dtype)
            if group is None:
                group = groups[value.dtype] = ([], [])
            group[0].append(value)
            group[1].append(number)
        for values, numbers in groups.values():
            self._printed.append(self._fingerprints.each(values, self._frames))
            self._order.extend(numbers)
        self._pending.clear()
        self._pending_values.clear()
        self._waiting = 0

    def prints(self, by_frame: bool = False) -> Prints:
        """Everything so far, read back at once: in the order of ``add``, or frame by frame and in that order within."""
        self.flush()
        printed = torch.cat(self._printed).cpu().numpy() if self._printed else np.empty(0, np.int64)
        places = np.array(self._places, np.int64).reshape(-1, 5)
        values = np.diff(places[:, 0], append=len(self._marks))
        stage, first, codebook, frames = (np.repeat(places[:, column], values) for column in (1, 2, 3, 4))
        starts = np.cumsum(frames) - frames
        value = np.empty_like(printed)
        order = np.array(self._order, np.int64)
        value[_runs(starts[order], frames[order])] = printed
        marks = np.repeat(np.array(self._marks, np.int64), frames)
        frame = _runs(first, frames)
        wanted = np.argsort(frame, kind="stable") if by_frame else np.arange(len(marks))
        return Prints(
            points=tuple(self._points),
            point=(marks >> 1)[wanted].astype(np.int32),
            stage=np.repeat(stage, frames)[wanted].astype(np.uint8),
            frame=frame[wanted].astype(np.int32),
            codebook=np.repeat(codebook, frames)[wanted].astype(np.int16),
            is_input=(marks & 1)[wanted].astype(np.bool_),
            value=value[wanted].view(np.uint64),
        )


def _runs(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """start, start + 1, …, ``counts`` numbers from each start, one run after another."""
    before = np.cumsum(counts) - counts
    return np.repeat(starts - before, counts) + np.arange(counts.sum())


def stage_number(stage: str) -> int:
    """The index of a stage in ``core.trace.STAGES``."""
    return STAGES.index(stage)


class RecentTensors:
    """The last tensors that were logged, by identity. They are kept alive, so that no other tensor takes their id."""

    def __init__(self) -> None:
        self.ids: deque[int] = deque(maxlen=RECENT)
        self._tensors: deque[Tensor] = deque(maxlen=RECENT)

    def remember(self, *tensors: Tensor) -> None:
        self.ids.extend(map(id, tensors))
        self._tensors.extend(tensors)

    def clear(self) -> None:
        self.ids.clear()
        self._tensors.clear()
