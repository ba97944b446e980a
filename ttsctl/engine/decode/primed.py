"""Decoders primed with a reference: the state after its codes, kept for each voice and copied for each request."""

from __future__ import annotations

from collections import OrderedDict

import torch

from ttsctl.core.codes import CodeArray
from ttsctl.engine.decode.reference import primed_session, session_after
from ttsctl.engine.decode.session import Session
from ttsctl.engine.decode.stage import DecodeStage, check_codes
from ttsctl.engine.recording.probes import DecodeProbes

# A state at released size takes some 10 MB.
KEPT = 8


class PrimedSessions:
    """The sessions of one decode stage by the sha256 of the reference's codes; the voices used last are kept."""

    def __init__(self, stage: DecodeStage) -> None:
        self._stage = stage
        self._kept: OrderedDict[str, Session] = OrderedDict()

    @property
    def wanted(self) -> bool:
        """Whether any packet is decoded after the reference."""
        return self._stage.config.decoder.reference != "none"

    def has(self, sha256: str) -> bool:
        """Whether the state after these codes is kept."""
        return sha256 in self._kept

    @torch.inference_mode()
    def session(self, codes: CodeArray, sha256: str, probes: DecodeProbes) -> Session:
        """A session after the codes (R, Q) int64 of a reference, whose audio is dropped; ``sha256``: theirs.

        A copy of a kept state has the bits of a new one.

        ``decoder.reference`` may let later packets forget the reference. InputError for an id out of range.
        """
        if sha256 not in self._kept:
            stage = self._stage
            checked, _ = check_codes(codes, 0, stage.codebook_size, stage.config)
            with stage.working():
                self._kept[sha256] = primed_session(stage.decoder, stage.config, stage.to_device(checked))
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(sha256)
        with self._stage.working():
            return session_after(self._kept[sha256], self._stage.decoder, self._stage.config, probes)
