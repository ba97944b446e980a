"""Frames from graphs, here from the CPU's stand-in: the same codes as without, in every streaming form."""

from __future__ import annotations

from dataclasses import replace
from unittest import mock

import numpy as np
import pytest

from tests.engine_help import close_early, make_engine
from tests.overlap_help import OTHER, REQUEST, speak
from ttsctl.core.codes import codes_sha256
from ttsctl.core.errors import InputError
from ttsctl.core.request import Request, Voice
from ttsctl.engine.codegen.frame import FrameFunction
from ttsctl.engine.codegen.frame_state import FrameState
from ttsctl.engine.cuda.graphs import GraphFault
from ttsctl.engine.cuda.stand_in import CheckedGraphs
from ttsctl.engine.local import LocalEngine

SEEDED = ("sampling.policy=seeded", "sampling.max_new_tokens=16")
GRAPHS = ("graphs.talker=true", "graphs.predictor=true")
# Its prompt takes 251 positions.
LONG = Request("Good morning, this is a test.", Voice("vivian", "vivian", instruct="a b " * 118))
TEXTS = (REQUEST, OTHER, REQUEST)


def hashes(engine: LocalEngine) -> list[str]:
    return [codes_sha256(speak(engine, request).require_codes()) for request in TEXTS]


@pytest.fixture(scope="module")
def eager() -> list[str]:
    return hashes(make_engine("builtin", *SEEDED))


@pytest.fixture(scope="module")
def graphed() -> LocalEngine:
    return make_engine("builtin", *SEEDED, *GRAPHS, "stream.packet_tokens=1")


def test_graphs_give_the_codes_of_the_eager_frame(graphed: LocalEngine, eager: list[str]) -> None:
    assert hashes(graphed) == eager
    in_force = graphed.info.in_force["codegen_graphs"]
    assert in_force == {"kind": "checked stand-in on the CPU", "captured": ["draws", "frame 256", "frame 512"]}


@pytest.mark.slow
@pytest.mark.parametrize(
    "sets",
    [
        pytest.param((*GRAPHS, "stream.packet_tokens=8", "stream.overlap=thread")),
        pytest.param((*GRAPHS, "determinism.level=strict", "stream.overlap=process")),
        pytest.param(("graphs.talker=true",)),
        pytest.param(("graphs.predictor=true",)),
    ],
)
def test_graphs_give_the_same_codes_in_every_streaming_form(sets: tuple[str, ...], eager: list[str]) -> None:
    engine = make_engine("builtin", *SEEDED, *sets)
    assert codes_sha256(speak(engine).require_codes()) == eager[0]
    assert "codegen_graphs" in engine.info.in_force
    engine.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    "sets",
    [
        ("sampling.policy=greedy",),
        (*SEEDED, "engine.batch=2"),
        ("sampling.policy=seeded", "sampling.top_p=0.8", "sampling.predictor_repetition_penalty=1.1"),
    ],
)
def test_every_shape_of_draw_and_a_batch_can_be_captured(sets: tuple[str, ...]) -> None:
    short = (*sets, "sampling.max_new_tokens=12")
    wanted, got = speak(make_engine("builtin", *short)), speak(make_engine("builtin", *short, *GRAPHS))
    assert np.array_equal(got.require_codes(), wanted.require_codes())
    assert got.truncated == wanted.truncated


@pytest.mark.slow
def test_frames_beyond_the_first_reach_come_from_its_graph(graphed: LocalEngine) -> None:
    graphs = graphed.generator.graphs
    assert graphs is not None
    with mock.patch.object(graphs, "frame", wraps=graphs.frame) as frame:
        got = speak(graphed, LONG)
    assert {call.args for call in frame.call_args_list} == {(True, 256), (False, 256), (False, 512)}
    assert np.array_equal(got.require_codes(), speak(make_engine("builtin", *SEEDED), LONG).require_codes())


def test_a_request_beside_another_and_one_that_is_recorded_run_eagerly_and_say_so(
    graphed: LocalEngine, eager: list[str]
) -> None:
    run = graphed.record(REQUEST, "codes")
    assert codes_sha256(run.require_codes()) == eager[0]
    assert run.notes[-1] == f"graphs: {len(run.require_codes())} frames ran eagerly: values are recorded or altered"
    first = graphed.stream(REQUEST)
    next(first)
    beside = speak(graphed)
    assert "another request has the graphs' memory" in beside.notes[-1]
    close_early(first)
    alone = speak(graphed)
    assert not any("graphs" in note for note in alone.notes)
    assert codes_sha256(beside.require_codes()) == codes_sha256(alone.require_codes()) == eager[0]


class Frozen:
    """Advances at a position that the host counts, as a capture would freeze it."""

    def __init__(self) -> None:
        self.position = 20
        self._advance = FrameFunction.advance

    def advance(self, function: FrameFunction, state: FrameState, reach: int, *rest: object) -> None:
        self.position += 1
        state.position.fill_(self.position)
        self._advance(function, state, reach, *rest)  # type: ignore[arg-type]


def test_a_position_that_a_graph_would_freeze_is_caught_at_load() -> None:
    frozen = Frozen()
    with (
        mock.patch.object(FrameFunction, "advance", lambda *args: frozen.advance(*args)),
        pytest.raises(GraphFault, match=r"the host value \d+ became \d+"),
    ):
        make_engine("builtin", *SEEDED, *GRAPHS)


@pytest.mark.slow
def test_without_the_checks_a_frozen_position_changes_the_codes(eager: list[str]) -> None:
    frozen = Frozen()
    with (
        mock.patch.object(FrameFunction, "advance", lambda *args: frozen.advance(*args)),
        mock.patch("ttsctl.engine.loading.graph_maker", lambda device: CheckedGraphs(checked=False)),
    ):
        engine = make_engine("builtin", *SEEDED, *GRAPHS)
        assert codes_sha256(speak(engine).require_codes()) != eager[0]


@pytest.mark.slow
def test_a_cache_that_is_replaced_is_caught() -> None:
    engine = make_engine("builtin", *SEEDED, *GRAPHS)
    graphs = engine.generator.graphs
    assert graphs is not None
    graphs.state.talker_cache = graphs.state.talker_cache.grown(2048)
    with pytest.raises(GraphFault, match=r"talker_cache.keys is another tensor"):
        speak(engine)


def test_a_setting_that_came_after_capture_is_taken(graphed: LocalEngine, eager: list[str]) -> None:
    hot = make_engine("builtin", *SEEDED, "sampling.temperature=3.0")
    wanted = speak(hot).require_codes()
    with mock.patch.object(graphed, "_codegen", replace(graphed.codegen_stage, plan=hot.plan)):
        got = speak(graphed)
    assert not got.notes and np.array_equal(got.require_codes(), wanted)
    assert codes_sha256(wanted) != eager[0]


def test_noise_of_a_generator_is_refused_with_graphs() -> None:
    with pytest.raises(InputError, match="noise = 'package'"):
        make_engine("builtin", *SEEDED, "graphs.talker=true", "sampling.noise=package")
