"""Records code generation: its draws, and the fingerprints of its stages' or modules' values."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from ttsctl.core.trace import Draws, Prints, TraceLevel, no_draws, no_prints
from ttsctl.engine.codegen.sampling import Sampler
from ttsctl.engine.model.talker import Talker
from ttsctl.engine.recording.draw_log import DrawLog
from ttsctl.engine.recording.fingerprint_log import stage_number
from ttsctl.engine.recording.hooks import Hook, ProbedModule, encoder_modules, hooked, talker_modules
from ttsctl.engine.recording.interventions import Interventions, Jitter
from ttsctl.engine.recording.probes import CodegenProbes
from ttsctl.engine.recording.recorder_base import RecorderBase


class CodegenRecorder(RecorderBase, CodegenProbes):
    """Records one request's code generation, in the thread that runs it, between ``at`` and ``pause``."""

    records = True

    def __init__(
        self,
        level: TraceLevel,
        talker: Talker,
        interventions: Interventions,
        forced: Tensor | None,
        jitter_seed: int | None,
    ) -> None:
        device = talker.codec_head.weight.device
        super().__init__(level, device, interventions)
        self._end_token = talker.sizes.ids.codec_eos
        self.forced = None if forced is None else forced.to(device)
        self._jitter = None if jitter_seed is None else Jitter(jitter_seed, device)
        self._draws = DrawLog() if level != "none" else None
        self._place = (0, 0)
        self._seat = (1, 0)
        every_leaf = level == "modules" or self._jitter is not None
        self._hooks = [
            (module, self._hook(module))
            for module in talker_modules(talker)
            if (every_leaf and module.is_leaf) or module.path in interventions.points
        ]

    def at(self, stage: str, frame: int, codebook: int = 0) -> None:
        self._thread = threading.get_ident()
        self._place = (frame, codebook)
        if self._fingerprint_log is not None:
            self._fingerprint_log.at(stage_number(stage), frame, codebook)

    def sits(self, batch: int, sequence: int) -> None:
        self._seat = (batch, sequence)

    def _own(self, value: Tensor) -> Tensor:
        """Of a value of the whole batch the request's own rows."""
        batch, sequence = self._seat
        return value if batch == 1 else value.unflatten(0, (batch, -1))[sequence]

    def _with_own(self, value: Tensor, own: Tensor) -> Tensor:
        """A value of the whole batch with the request's own rows replaced."""
        batch, sequence = self._seat
        if batch == 1:
            return own
        rows = value.unflatten(0, (batch, -1)).clone()
        rows[sequence] = own
        return rows.flatten(0, 1)

    def inside(self, name: str, network: nn.Module) -> AbstractContextManager[None]:
        """Hooks the encoder's modules. They are not jittered: the noise is that of code generation from one prompt."""
        return hooked(
            [
                (module, self._hook(module, jittered=False))
                for module in encoder_modules(network, name)
                if (module.is_leaf and self._level == "modules") or module.path in self._interventions.points
            ]
        )

    def value(self, point: str, value: Tensor) -> Tensor:
        before = self._own(value)
        own = self._interventions.apply(point, *self._place, before)
        if self._fingerprint_log is not None:
            self._fingerprint_log.add(self._fingerprint_log.point(point), False, own)
        if own is before:
            return value
        result = self._with_own(value, own)
        if id(value) in self._recent.ids:
            # It takes the place of a module's output, and is no more an input of its own than that was.
            self._recent.remember(result)
        return result

    def drawn(self, code: Tensor, logits: Tensor, scores: Tensor, sampler: Sampler) -> Tensor:
        frame, codebook = self._place
        taken = self._interventions.apply("draw", frame, codebook, code)
        if self._draws is not None:
            self._draws.add((frame, codebook), taken, code, logits, scores, sampler)
        if self._fingerprint_log is not None:
            self._fingerprint_log.add(self._fingerprint_log.point("draw"), False, taken)
        if self.forced is None:
            return taken
        if frame == len(self.forced):
            return torch.full_like(taken, self._end_token)
        return self.forced[frame, codebook]

    def finish(self) -> tuple[Draws, Prints]:
        draws = self._draws.draws() if self._draws is not None else no_draws()
        return draws, self._fingerprint_log.prints() if self._fingerprint_log is not None else no_prints()

    def _hook(self, module: ProbedModule, jittered: bool = True) -> Hook:
        """Alters the module's output and, at the level "modules", records what it took and gave.

        This runs at every call of every module, so what does not change is looked up beforehand.
        """
        log = self._fingerprint_log if module.is_leaf and self._level == "modules" else None
        point = 0 if log is None else log.point(module.path)
        jitter = self._jitter if jittered else None
        altered = jitter is not None or module.path in self._interventions.points
        recent, this_thread = self._recent, threading.get_ident

        def hook(taken: Tensor, output: Tensor) -> Tensor | None:
            if self._thread != this_thread():
                return None
            result = self._altered(module.path, output, jitter) if altered else output
            if log is not None:
                if id(taken) not in recent.ids:
                    log.add(point, True, self._own(taken))
                recent.remember(taken, result)
                log.add(point, False, self._own(result))
            return None if result is output else result

        return hook

    def _altered(self, point: str, value: Tensor, jitter: Jitter | None) -> Tensor:
        moved = value if jitter is None else jitter.move(value)
        before = self._own(moved)
        own = self._interventions.apply(point, *self._place, before)
        return moved if own is before else self._with_own(moved, own)
