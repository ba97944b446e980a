"""The decoder's step from graphs, here from the CPU's stand-in: the same PCM as without, and faults are caught."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest

from tests.engine_help import make_engine
from tests.overlap_help import OTHER, REQUEST, SHORT, bits, speak
from ttsctl.engine.cuda.graphs import GraphFault
from ttsctl.engine.decode.decoder_graphs import DecoderGraphs
from ttsctl.engine.local import LocalEngine
from ttsctl.engine.model.streaming import StreamState


@pytest.fixture(scope="module")
def eager() -> LocalEngine:
    return make_engine("builtin", SHORT)


@pytest.mark.parametrize(
    "sets",
    [
        (),
        pytest.param(("stream.packet_tokens=1", "stream.overlap=thread"), marks=pytest.mark.slow),
        pytest.param(("stream.packet_tokens=3", "decoder.padding=legacy"), marks=pytest.mark.slow),
    ],
)
def test_graphs_give_the_pcm_of_the_eager_step(sets: tuple[str, ...], eager: LocalEngine) -> None:
    engine = make_engine("builtin", SHORT, *sets, "graphs.decoder=true")
    plain = make_engine("builtin", SHORT, *sets) if "decoder.padding=legacy" in sets else eager
    for request in (REQUEST, OTHER, REQUEST):
        assert bits(engine, request) == bits(plain, request)
    assert engine.info.in_force["decoder_graphs"]["kind"] == "checked stand-in on the CPU"  # type: ignore[index]


def test_a_recorded_stream_is_decoded_eagerly_and_says_so(eager: LocalEngine) -> None:
    run = speak(make_engine("builtin", SHORT, "graphs.decoder=true", "record.trace=stages"))
    assert np.array_equal(run.require_pcm(), speak(eager).require_pcm())
    assert any("decoder calls ran eagerly" in note for note in run.notes)


def test_a_position_of_the_host_is_caught_at_load() -> None:
    """The stream's position as the host counts it would freeze."""
    advance = StreamState.advance_on_device

    def on_the_host(self: StreamState, frames: int) -> None:
        self.position += frames
        self.device_position.fill_(self.position)

    with (
        mock.patch.object(StreamState, "advance_on_device", on_the_host),
        pytest.raises(GraphFault, match=r"the host value \d+ became \d+"),
    ):
        make_engine("builtin", SHORT, "graphs.decoder=true")
    assert StreamState.advance_on_device is advance


def test_a_slot_that_is_replaced_is_caught() -> None:
    engine = make_engine("builtin", SHORT, "graphs.decoder=true")
    graphs = engine.decode_stage.stepper
    assert isinstance(graphs, DecoderGraphs)
    graphs._state = graphs._state.copy()
    with pytest.raises(GraphFault, match="is another tensor than at capture"):
        speak(engine)
