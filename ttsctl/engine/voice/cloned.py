"""What a request of a cloned voice gets before it begins: its prompt, and a decoder primed with the reference."""

from __future__ import annotations

from dataclasses import replace

from ttsctl.core.request import Request
from ttsctl.core.voice_prompt import PromptUse
from ttsctl.engine.codegen.stage import Clock
from ttsctl.engine.decode.primed import PrimedSessions
from ttsctl.engine.decode.session import Session
from ttsctl.engine.decode.stage import DecodeStage
from ttsctl.engine.recording.probes import CodegenProbes, DecodeProbes
from ttsctl.engine.voice.voices import Voices


class ClonedVoices:
    """The cloned voices of one engine, and what each request's use of one took."""

    def __init__(self, voices: Voices, decode_stage: DecodeStage) -> None:
        self.voices = voices
        self._primed = PrimedSessions(decode_stage)

    def prompted(self, request: Request, clock: Clock, probes: CodegenProbes) -> tuple[Request, PromptUse | None]:
        """The request with its voice's prompt; as it is, and None, where no voice is cloned."""
        kept = request.prompt is not None or self.voices.has(request.voice)
        prompted = self.voices.prompted(request, probes)
        if prompted.prompt is None:
            return prompted, None
        hashes, frames = prompted.prompt.hashes, prompted.prompt.frames
        return prompted, PromptUse(hashes, frames, clock.now_ms(), 0.0, kept and not probes.records, False)

    def session(
        self, request: Request, use: PromptUse | None, clock: Clock, probes: DecodeProbes
    ) -> tuple[Session | None, PromptUse | None]:
        """A session after the reference's codes, and what the voice took so far; None if nothing follows them."""
        if use is None or request.prompt is None or request.prompt.codes is None or use.hashes.codes is None:
            return None, use
        if not self._primed.wanted:
            return None, use
        kept, started = self._primed.has(use.hashes.codes), clock.now_ms()
        session = self._primed.session(request.prompt.codes, use.hashes.codes, probes)
        return session, replace(use, prime_ms=clock.now_ms() - started, state_kept=kept)
