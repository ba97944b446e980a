"""Taps that record: draws, and fingerprints of every stage's or every module's values.

Levels: ``codes`` keeps the draws; ``stages`` prints the stage points too; ``modules`` also what every leaf module took
and gave, an input only where it is not the very tensor printed before. Values of the codec are printed frame by frame,
each frame once, so that prints do not depend on the packet size.
"""

from __future__ import annotations

import threading

import torch
from torch import Tensor

from ttsctl.core.forensic import Values
from ttsctl.core.trace import Draws, Prints, TraceLevel, no_draws, no_prints
from ttsctl.engine.codegen.sampling import Sampler
from ttsctl.engine.model.codec import CodecDecoder
from ttsctl.engine.model.talker import Talker
from ttsctl.engine.recording.decode_recorder import RecordingDecodeTaps
from ttsctl.engine.recording.draw_log import DrawBook
from ttsctl.engine.recording.fingerprint_log import stage_number
from ttsctl.engine.recording.hooks import Hook, Watched, watched_talker
from ttsctl.engine.recording.interventions import Editor, Edits, Jitter, Wanted
from ttsctl.engine.recording.probes import CodegenTaps, DecodeTaps
from ttsctl.engine.recording.recorder_base import Watching


def codegen_taps(
    level: TraceLevel,
    talker: Talker,
    *,
    alter: Edits | None = None,
    grafts: Values | None = None,
    wanted: Wanted | None = None,
    forced: Tensor | None = None,
    jitter_seed: int | None = None,
) -> CodegenTaps:
    """Taps for one request's code generation.

    ``alter`` changes values at sites, ``grafts`` then replaces them; ``wanted`` is filled with a point's values;
    ``forced`` are codes (T, groups) int64 to take instead of those drawn, and the end after them; ``jitter_seed`` moves
    the last bit of every module's output. "none" with nothing asked for gives taps that look at nothing.
    """
    editor = Editor(alter, grafts, wanted)
    if level == "none" and not editor.points and forced is None and jitter_seed is None:
        return CodegenTaps()
    return RecordingCodegenTaps(level, talker, editor, forced, jitter_seed)


def decode_taps(
    level: TraceLevel,
    decoder: CodecDecoder,
    *,
    alter: Edits | None = None,
    grafts: Values | None = None,
    wanted: Wanted | None = None,
) -> DecodeTaps:
    """Taps for one request's decoding; arguments as for ``codegen_taps``. At "codes" there is nothing to look at."""
    editor = Editor(alter, grafts, wanted)
    if level in ("none", "codes") and not editor.points:
        return DecodeTaps()
    return RecordingDecodeTaps(level, decoder, editor)


class RecordingCodegenTaps(Watching, CodegenTaps):
    """One request's code generation, looked into by the thread that runs it, between ``at`` and ``rest``."""

    def __init__(
        self, level: TraceLevel, talker: Talker, editor: Editor, forced: Tensor | None, jitter_seed: int | None
    ) -> None:
        device = talker.codec_head.weight.device
        super().__init__(level, device, editor)
        self._end_token = talker.sizes.ids.codec_eos
        self.forced = None if forced is None else forced.to(device)
        self._jitter = None if jitter_seed is None else Jitter(jitter_seed, device)
        self._draws = DrawBook() if level != "none" else None
        everything = level == "modules" or self._jitter is not None
        self._place = (0, 0)
        watched = watched_talker(talker)
        self._hooks = [
            (each, self._hook(each)) for each in watched if (everything and each.leaf) or each.path in editor.points
        ]

    def at(self, stage: str, frame: int, codebook: int = 0) -> None:
        self._thread = threading.get_ident()
        self._place = (frame, codebook)
        if self._ledger is not None:
            self._ledger.here(stage_number(stage), frame, codebook)

    def value(self, point: str, value: Tensor) -> Tensor:
        value = self._editor.apply(point, *self._place, value)
        if self._ledger is not None:
            self._ledger.add(self._ledger.point(point), False, value)
        return value

    def drawn(self, code: Tensor, logits: Tensor, scores: Tensor, sampler: Sampler) -> Tensor:
        frame, codebook = self._place
        taken = self._editor.apply("draw", frame, codebook, code)
        if self._draws is not None:
            self._draws.add((frame, codebook), taken, code, logits, scores, sampler)
        if self._ledger is not None:
            self._ledger.add(self._ledger.point("draw"), False, taken)
        if self.forced is None:
            return taken
        if frame == len(self.forced):
            return torch.full_like(taken, self._end_token)
        return self.forced[frame, codebook]

    def finish(self) -> tuple[Draws, Prints]:
        draws = self._draws.draws() if self._draws is not None else no_draws()
        return draws, self._ledger.prints() if self._ledger is not None else no_prints()

    def _hook(self, each: Watched) -> Hook:
        """Edits the module's output and, at the level of modules, books what it took and gave.

        This runs at every call of every module, so it looks up beforehand what does not change.
        """
        ledger = self._ledger if each.leaf and self._level == "modules" else None
        point = 0 if ledger is None else ledger.point(each.path)
        edited = self._jitter is not None or each.path in self._editor.points
        recent, this_thread = self._recent, threading.get_ident

        def hook(taken: Tensor, output: Tensor) -> Tensor | None:
            if self._thread != this_thread():
                return None
            result = self._edited(each.path, output) if edited else output
            if ledger is not None:
                if id(taken) not in recent.ids:
                    ledger.add(point, True, taken)
                recent.remember(taken, result)
                ledger.add(point, False, result)
            return None if result is output else result

        return hook

    def _edited(self, point: str, value: Tensor) -> Tensor:
        moved = value if self._jitter is None else self._jitter.move(value)
        return self._editor.apply(point, *self._place, moved)
