"""Ids out of range: named by frame and codebook before the decoder sees them, or clamped and counted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from tests.engine_help import make_engine
from tests.overlap_help import REQUEST, SHORT, codegen_threads, speak
from ttsctl.core.errors import InputError
from ttsctl.engine.codegen.generator import CodeGenerator, Generation
from ttsctl.engine.decode.stage import check_codes
from ttsctl.engine.local import LocalEngine

# Ids put in place of those generated: (frame, codebook) -> id. The built-in has codebooks of 128.
PLANTED = {(6, 9): 128, (8, 0): -1, (9, 15): 5000}


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every engine's code generation gives ``PLANTED`` ids, and goes on from those it drew."""
    packets = CodeGenerator.packets

    def altered(self: CodeGenerator, generation: Generation, *arguments: Any) -> Iterator[torch.Tensor]:
        first = 0
        for packet in packets(self, generation, *arguments):
            for (at, codebook), value in PLANTED.items():
                if first <= at < first + len(packet):
                    packet[at - first, codebook] = value
            first += len(packet)
            yield packet

    monkeypatch.setattr(CodeGenerator, "packets", altered)


def decoded_frames(engine: LocalEngine) -> list[int]:
    """Rows of each call of the decoder's first layer, as they come."""
    rows: list[int] = []
    engine.decoder.pre_conv.register_forward_hook(lambda _, inputs, __: rows.append(len(inputs[0])))
    return rows


@pytest.mark.slow
@pytest.mark.usefixtures("planted")
@pytest.mark.parametrize("overlap", ["none", "thread"])
@pytest.mark.parametrize(("packet", "every"), [(1, 1), (4, 1), (3, 2), (4, 3)])
def test_the_first_one_is_named_before_the_decoder_sees_it(overlap: str, packet: int, every: int) -> None:
    form = (f"stream.packet_tokens={packet}", f"stream.decode_every={every}", f"stream.overlap={overlap}")
    engine = make_engine("builtin", "decoder.mode=cached", *form)
    rows = decoded_frames(engine)
    with pytest.raises(InputError, match=r"id 128 at frame 6, codebook 9 is outside 0\.\.127"):
        list(engine.stream(REQUEST))
    assert sum(rows) <= 6 and not codegen_threads()


@pytest.mark.usefixtures("planted")
def test_it_is_named_offline_too() -> None:
    with pytest.raises(InputError, match="id 128 at frame 6, codebook 9"):
        make_engine("builtin", SHORT).offline(REQUEST)


@pytest.mark.slow
@pytest.mark.usefixtures("planted")
@pytest.mark.parametrize("overlap", ["none", "thread"])
def test_clamping_counts_and_leaves_the_packets_as_generated(overlap: str, builtin: LocalEngine) -> None:
    engine = make_engine("builtin", SHORT, "determinism.clamp_codes=true", f"stream.overlap={overlap}")
    run = speak(engine)
    assert run.clamped == len(PLANTED)
    said = f"determinism.clamp_codes: {len(PLANTED)} ids were moved into range"
    assert said in run.notes and said in engine.offline(REQUEST).notes
    codes = run.require_codes()
    assert {place: codes[place] for place in PLANTED} == PLANTED
    clamped = np.clip(codes, 0, 127)
    assert np.array_equal(run.require_pcm(), speak_codes(builtin, clamped))


def speak_codes(engine: LocalEngine, codes: np.ndarray) -> np.ndarray:
    """Codes (T, Q) through the engine's own mode."""
    return engine.decode(codes, engine.config).require_pcm()


def test_nothing_is_clamped_in_a_clean_run() -> None:
    assert speak(make_engine("builtin", SHORT, "determinism.clamp_codes=true")).clamped == 0


def test_a_frame_is_counted_from_the_start_of_the_stream() -> None:
    codes = np.zeros((3, 16), np.int64)
    codes[2, 4] = 128
    config = make_engine().config
    with pytest.raises(InputError, match="frame 102, codebook 4"):
        check_codes(codes, 100, 128, config)
    unchecked = make_engine("builtin", "determinism.validate_codes=false").config
    assert check_codes(codes, 0, 128, unchecked)[0] is codes
