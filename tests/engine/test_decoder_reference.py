"""``decoder.reference``: which packets of a cloned voice are decoded after the reference's codes."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from tests.engine_help import ORACLE, make_engine, packets_and_end
from ttsctl.core.audio import PcmArray
from ttsctl.core.config import Config
from ttsctl.core.request import Request, Voice
from ttsctl.engine.local import LocalEngine

EXPECTED = ORACLE / "base_clone" / "expected"
CODES, REFERENCE = np.load(EXPECTED / "case00_codes.npy")[:14], np.load(EXPECTED / "ref_en_codes.npy")
MODES = ("oneshot", "windowed", "cached", "incremental")
STREAMED = MODES[1:]


@cache
def engine() -> LocalEngine:
    return make_engine("base_clone", "determinism.single_thread=true")


def config(mode: str, how: str, packet: int = 4) -> Config:
    base = engine().config
    decoder = replace(base.decoder, mode=mode, reference=how)  # type: ignore[arg-type]
    return replace(base, decoder=decoder, stream=replace(base.stream, packet_tokens=packet, left_context=8))


def decoded(mode: str, how: str, packet: int = 4) -> PcmArray:
    return engine().decode(CODES, config(mode, how, packet), REFERENCE).require_pcm()


@pytest.mark.parametrize("mode", MODES)
def test_none_has_the_bits_of_a_decode_without_a_reference(mode: str) -> None:
    bare = engine().decode(CODES, config(mode, "always")).require_pcm()
    assert np.array_equal(decoded(mode, "none"), bare)
    assert not np.array_equal(decoded(mode, "always")[:1920], bare[:1920])


@pytest.mark.parametrize("packet", [1, 3, 4])
@pytest.mark.parametrize("mode", STREAMED)
def test_first_primes_the_first_packet_and_no_other(mode: str, packet: int) -> None:
    always, first, none = (decoded(mode, how, packet) for how in ("always", "first", "none"))
    seam = packet * 1920
    assert len(first) == len(CODES) * 1920
    assert np.array_equal(first[:seam], always[:seam])
    assert np.array_equal(first[seam:], none[seam:])
    assert not np.array_equal(first[seam : seam + 1920], always[seam : seam + 1920])


def test_one_call_has_one_packet_so_first_is_always() -> None:
    assert np.array_equal(decoded("oneshot", "first"), decoded("oneshot", "always"))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("how", ["always", "first", "none"])
def test_a_live_stream_has_the_bits_of_its_codes_decoded(mode: str, how: str) -> None:
    """Twice, as the second request takes the primed state that is kept."""
    sets = [f"decoder.mode={mode}", f"decoder.reference={how}", "stream.left_context=8", "sampling.max_new_tokens=7"]
    own = make_engine("base_clone", "determinism.single_thread=true", *sets)
    voice = Voice("v", ref_audio=str(EXPECTED / "ref_en.wav"), ref_text="It is a quiet morning.")
    request = Request("Good morning, this is a test.", voice)
    for kept in (False, how != "none"):
        packets, end = packets_and_end(own.stream(request))
        codes, pcm = (np.concatenate([getattr(p, name) for p in packets]) for name in ("codes", "pcm"))
        assert len(codes) > 4 and end.prompt is not None and end.prompt.state_kept == kept
        prompt = own.cloned.voices.prompted(request).prompt
        assert prompt is not None
        assert np.array_equal(pcm, own.decode(codes, own.config, prompt.codes).require_pcm())


def test_the_offline_decode_always_has_the_reference() -> None:
    forgets = make_engine("base_clone", "determinism.single_thread=true", "decoder.reference=none")
    assert np.array_equal(forgets.decode_offline(CODES, REFERENCE), engine().decode_offline(CODES, REFERENCE))
