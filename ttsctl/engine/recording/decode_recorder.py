"""Taps that record decoding: values of the codec, frame by frame."""

from __future__ import annotations

import threading

from torch import Tensor

from ttsctl.core.trace import Prints, TraceLevel, no_prints
from ttsctl.engine.model.codec import CodecDecoder
from ttsctl.engine.recording.fingerprint_log import stage_number
from ttsctl.engine.recording.hooks import Hook, Watched, watched_codec
from ttsctl.engine.recording.interventions import Editor
from ttsctl.engine.recording.probes import DecodeTaps
from ttsctl.engine.recording.recorder_base import Watching


class RecordingDecodeTaps(Watching, DecodeTaps):
    """One request's decoding, looked into by the thread that runs it, between ``step`` and ``rest``."""

    def __init__(self, level: TraceLevel, decoder: CodecDecoder, editor: Editor) -> None:
        super().__init__(level, decoder.pre_conv.conv.weight.device, editor)
        self._hooks = [(each, self._hook(each)) for each in watched_codec(decoder) if self._is_wanted(each)]
        self._samples_per_frame = decoder.sizes.samples_per_frame
        self._grid = self._first = self._stop = self._end = 0
        self._stage = stage_number("codec")

    def _is_wanted(self, each: Watched) -> bool:
        if {each.path, each.stage_point} & self._editor.points:
            return True
        return (each.leaf and self._level == "modules") or (each.stage_point is not None and self._ledger is not None)

    def step(self, grid: int, first: int, stop: int, end: int) -> None:
        self.rest()
        self._thread = threading.get_ident()
        self._grid, self._first, self._stop, self._end = grid, first, stop, end
        self._editor.restart()
        if self._ledger is not None:
            self._ledger.here(self._stage, first, 0, stop - first)

    def value(self, point: str, value: Tensor) -> Tensor:
        if self._thread != threading.get_ident():
            return value
        value = self._edited(point, value, self._samples_per_frame)
        if self._ledger is not None:
            self._book(point, value, self._samples_per_frame, False)
        return value

    def finish(self) -> Prints:
        return self._ledger.prints(by_frame=True) if self._ledger is not None else no_prints()

    def _hook(self, each: Watched) -> Hook:
        booked = self._ledger is not None and self._level == "modules" and each.leaf

        def hook(taken: Tensor, output: Tensor) -> Tensor | None:
            if self._thread != threading.get_ident():
                return None
            result = self._edited(each.path, output, each.rows_out)
            if booked:
                self._book_module(each, taken, result)
            if each.stage_point is not None:
                result = self._end_of_stage(each, each.stage_point, result)
            return None if result is output else result

        return hook

    def _end_of_stage(self, each: Watched, point: str, value: Tensor) -> Tensor:
        """A module's output as the value of the stage that ends with it."""
        result = self._edited(point, value, each.rows_out)
        if self._ledger is not None:
            self._book(point, result, each.rows_out, False, each.overwritten)
        if result is not value:
            # What is edited here is printed here, so it is no new input to what follows.
            self._recent.remember(result)
        return result

    def _book_module(self, each: Watched, taken: Tensor, given: Tensor) -> None:
        if id(taken) not in self._recent.ids:
            self._book(each.path, taken, each.rows_in, True)
        self._recent.remember(taken)
        self._book(each.path, given, each.rows_out, False, each.overwritten)
        if not each.overwritten:
            self._recent.remember(given)

    def _edited(self, point: str, value: Tensor, per_frame: int) -> Tensor:
        """The value with its frames edited, those of this call that have their final bits: not context, not padding."""
        if point not in self._editor.points:
            return value
        result = value
        for frame in range(self._grid, self._stop):
            rows = self._rows(value, frame, per_frame)
            there = value[rows]
            edited = self._editor.apply(point, frame, 0, there, keep=frame >= self._first)
            if edited is not there:
                result = result.clone() if result is value else result
                result[rows] = edited
        return result

    def _book(self, point: str, value: Tensor, per_frame: int, is_input: bool, overwritten: bool = False) -> None:
        """The new frames of a value."""
        ledger = self._ledger
        assert ledger is not None
        number = ledger.point(point)
        rows = value.shape[0]
        stop = rows - (self._end - self._stop) * per_frame
        start = stop - (self._stop - self._first) * per_frame
        if start < 0:
            self._book_short(number, value[: max(0, stop)], per_frame, is_input)
            return
        new = value if (start, stop) == (0, rows) else value[start:stop]
        ledger.add(number, is_input, new.clone() if overwritten else new)

    def _book_short(self, number: int, new: Tensor, per_frame: int, is_input: bool) -> None:
        """Under legacy padding the first frame has fewer rows than the others: it goes in apart from them."""
        ledger, frames = self._ledger, self._stop - self._first
        assert ledger is not None
        others = (frames - 1) * per_frame
        ledger.here(self._stage, self._first, 0)
        ledger.add(number, is_input, new[: new.shape[0] - others].clone())
        if others:
            ledger.here(self._stage, self._first + 1, 0, frames - 1)
            ledger.add(number, is_input, new[new.shape[0] - others :].clone())
        ledger.here(self._stage, self._first, 0, frames)

    def _rows(self, value: Tensor, frame: int, per_frame: int) -> slice:
        """Where a frame's rows are in a value that ends with this call's last frame."""
        stop = value.shape[0] - (self._end - 1 - frame) * per_frame
        return slice(max(0, stop - per_frame), max(0, stop))
