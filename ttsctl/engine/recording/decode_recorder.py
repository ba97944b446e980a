"""Records decoding: the fingerprints of the codec's stages' or modules' values, frame by frame."""

from __future__ import annotations

import threading

from torch import Tensor

from ttsctl.core.trace import Prints, TraceLevel, no_prints
from ttsctl.engine.model.codec import CodecDecoder
from ttsctl.engine.recording.fingerprint_log import stage_number
from ttsctl.engine.recording.hooks import Hook, ProbedModule, codec_modules
from ttsctl.engine.recording.interventions import Interventions
from ttsctl.engine.recording.probes import DecodeProbes
from ttsctl.engine.recording.recorder_base import RecorderBase


class DecodeRecorder(RecorderBase, DecodeProbes):
    """Records one request's decoding, in the thread that runs it, between ``step`` and ``pause``."""

    def __init__(self, level: TraceLevel, decoder: CodecDecoder, interventions: Interventions) -> None:
        super().__init__(level, decoder.pre_conv.conv.weight.device, interventions)
        self._hooks = [(module, self._hook(module)) for module in codec_modules(decoder) if self._is_needed(module)]
        self._samples_per_frame = decoder.sizes.samples_per_frame
        self._grid = self._first = self._stop = self._end = 0
        self._stage = stage_number("codec")

    def _is_needed(self, module: ProbedModule) -> bool:
        if {module.path, module.stage_point} & self._interventions.points:
            return True
        ends_stage = module.stage_point is not None and self._fingerprint_log is not None
        return ends_stage or (module.is_leaf and self._level == "modules")

    def step(self, grid: int, first: int, stop: int, end: int) -> None:
        self.pause()
        self._thread = threading.get_ident()
        self._grid, self._first, self._stop, self._end = grid, first, stop, end
        self._interventions.restart()
        if self._fingerprint_log is not None:
            self._fingerprint_log.at(self._stage, first, 0, stop - first)

    def value(self, point: str, value: Tensor) -> Tensor:
        if self._thread != threading.get_ident():
            return value
        value = self._altered(point, value, self._samples_per_frame)
        if self._fingerprint_log is not None:
            self._log(point, value, self._samples_per_frame, False)
        return value

    def finish(self) -> Prints:
        return self._fingerprint_log.prints(by_frame=True) if self._fingerprint_log is not None else no_prints()

    def _hook(self, module: ProbedModule) -> Hook:
        logged = self._fingerprint_log is not None and self._level == "modules" and module.is_leaf

        def hook(taken: Tensor, output: Tensor) -> Tensor | None:
            if self._thread != threading.get_ident():
                return None
            result = self._altered(module.path, output, module.rows_out)
            if logged:
                self._log_module(module, taken, result)
            if module.stage_point is not None:
                result = self._end_of_stage(module, module.stage_point, result)
            return None if result is output else result

        return hook

    def _end_of_stage(self, module: ProbedModule, point: str, value: Tensor) -> Tensor:
        """A module's output as the value of the stage that ends with it."""
        result = self._altered(point, value, module.rows_out)
        if self._fingerprint_log is not None:
            self._log(point, result, module.rows_out, False, module.is_overwritten)
        if result is not value:
            # An altered value is logged here, so it is no new input of the module that follows.
            self._recent.remember(result)
        return result

    def _log_module(self, module: ProbedModule, taken: Tensor, given: Tensor) -> None:
        if id(taken) not in self._recent.ids:
            self._log(module.path, taken, module.rows_in, True)
        self._recent.remember(taken)
        self._log(module.path, given, module.rows_out, False, module.is_overwritten)
        if not module.is_overwritten:
            self._recent.remember(given)

    def _altered(self, point: str, value: Tensor, per_frame: int) -> Tensor:
        """The value after all interventions in its frames, other than context and padding."""
        if point not in self._interventions.points:
            return value
        result = value
        for frame in range(self._grid, self._stop):
            rows = self._rows(value, frame, per_frame)
            there = value[rows]
            altered = self._interventions.apply(point, frame, 0, there, is_new=frame >= self._first)
            if altered is not there:
                result = result.clone() if result is value else result
                result[rows] = altered
        return result

    def _log(self, point: str, value: Tensor, per_frame: int, is_input: bool, is_overwritten: bool = False) -> None:
        """Log the new frames of a value."""
        log = self._fingerprint_log
        assert log is not None
        number = log.point(point)
        rows = value.shape[0]
        stop = rows - (self._end - self._stop) * per_frame
        start = stop - (self._stop - self._first) * per_frame
        if start < 0:
            self._log_short(number, value[: max(0, stop)], per_frame, is_input)
            return
        new = value if (start, stop) == (0, rows) else value[start:stop]
        log.add(number, is_input, new.clone() if is_overwritten else new)

    def _log_short(self, number: int, new: Tensor, per_frame: int, is_input: bool) -> None:
        """Under legacy padding the first frame has fewer rows than the others, so it is logged apart from them."""
        log, frames = self._fingerprint_log, self._stop - self._first
        assert log is not None
        others = (frames - 1) * per_frame
        log.at(self._stage, self._first, 0)
        log.add(number, is_input, new[: new.shape[0] - others].clone())
        if others:
            log.at(self._stage, self._first + 1, 0, frames - 1)
            log.add(number, is_input, new[new.shape[0] - others :].clone())
        log.at(self._stage, self._first, 0, frames)

    def _rows(self, value: Tensor, frame: int, per_frame: int) -> slice:
        """Where a frame's rows are in a value that ends with frame ``_end`` of this call."""
        stop = value.shape[0] - (self._end - 1 - frame) * per_frame
        return slice(max(0, stop - per_frame), max(0, stop))
