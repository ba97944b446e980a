"""How far a cloned voice's reference reaches into a stream, as ``decoder.reference`` says."""

from __future__ import annotations

from torch import Tensor

from ttsctl.core.config import Config
from ttsctl.engine.decode.session import Session
from ttsctl.engine.decode.sessions import OneshotSession, new_session
from ttsctl.engine.model.codec import CodecDecoder
from ttsctl.engine.recording.probes import DecodeProbes


def primed_session(decoder: CodecDecoder, config: Config, reference: Tensor) -> Session:
    """A fresh session that has decoded the codes (R, Q) of a reference, whose audio is dropped."""
    session = new_session(decoder, config)
    session.prime(reference)
    return session


def session_after(primed: Session, decoder: CodecDecoder, config: Config, probes: DecodeProbes) -> Session:
    """The session of one stream of a cloned voice, recorded by ``probes``; ``primed`` stays as it is.

    ``decoder.reference`` always: every packet follows the reference. none: no packet does, as for a voice without
    codes. first: see ``FirstPacketSession``; in the mode ``oneshot``, whose audio is one packet, that is always.
    """
    how = config.decoder.reference
    if how == "none":
        return new_session(decoder, config, probes)
    if how == "always" or isinstance(primed, OneshotSession):
        return primed.fork(probes)
    return FirstPacketSession(primed.fork(probes), new_session(decoder, config), probes)


class FirstPacketSession(Session):
    """The fault of a server that gives the reference to the decoder with the first packet and then forgets it.

    The first push is decoded by ``primed``. From the second on, ``bare`` decodes, a session that never had the
    reference and has taken the first packet without giving its audio. So the mode windowed looks back at the stream's
    own codes alone, and cached and incremental go on from the state of an unprimed stream.
    """

    def __init__(self, primed: Session, bare: Session, probes: DecodeProbes) -> None:
        # Both sessions bring the probes, so this one has none of its own.
        super().__init__(primed.decoder, primed.staged.stages)
        self._bare, self._bare_probes = bare, probes
        self._current = primed
        self._first: Tensor | None = None

    @classmethod
    def configured(cls, decoder: CodecDecoder, config: Config, probes: DecodeProbes | None) -> Session:
        """Without a reference there is nothing to forget."""
        return new_session(decoder, config, probes)

    def _prime(self, codes: Tensor) -> None:
        raise RuntimeError("this session is made of one that is primed already")

    def _push(self, codes: Tensor) -> Tensor:
        if not len(codes):
            return self.staged.silence()
        if self._current is not self._bare and self._first is not None:
            self._bare.skip(self._first)
            self._current = self._bare = self._bare.fork(self._bare_probes)
        self._first = codes
        self._current.staged.before_audio, self._current.staged.stepper = self.staged.before_audio, self.staged.stepper
        before = self._current.calls
        pcm = self._current.push(codes)
        self.calls += self._current.calls - before
        return pcm

    def _flush(self) -> Tensor:
        return self._current.flush()
