"""Planted faults are named exactly, clean pairs blame nothing, and grafts of clean values make faulty runs clean.

Larger sets, by hand: see planted_rates.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest

from tests.engine_help import make_engine
from tests.explain.fault_plan import Plan
from tests.explain.planted import Fault, Plant, at_call, handed_over, packet_of, replaced
from tests.explain.planted_rates import REQUEST, Bench, Outcome, missed, outcomes, stage_outcomes, table
from ttsctl.core.codes import CodeArray
from ttsctl.core.delivery import with_delivered
from ttsctl.core.request import Chunk, End, Packet
from ttsctl.core.trace import STAGES, Trace
from ttsctl.engine.decode.fixed_step import STEP_FRAMES
from ttsctl.engine.decode.stage import Decoding
from ttsctl.engine.forensic import LocalForensics
from ttsctl.engine.local import LocalEngine
from ttsctl.explain.compare_traces import Side, TraceComparison, compare_traces

FRAMES = 5
CAP = f"sampling.max_new_tokens={FRAMES + 1}"
NEEDED = 0.99
# Other ways to make the same bits, and whether the other side is seeded.
SAME = [
    *(f"stream.packet_tokens={n}" for n in (1, 2, 3, 5, 500)),
    "stream.overlap=thread",
    "stream.overlap=thread stream.packet_tokens=2",
    "stream.overlap=thread stream.packet_tokens=1 stream.prefill_packets=2",
    "stream.overlap=thread stream.packet_tokens=2 stream.decode_every=2",
    "stream.packet_tokens=1 stream.decode_every=3",
    "stream.packet_tokens=2 stream.decode_every=2",
    "stream.packet_tokens=3 stream.decode_every=4",
    "stream.chunk_ms=40",
    "determinism.level=off",
    "determinism.level=strict",
    "determinism.single_thread=true",
    "sampling.policy=seeded",
    "sampling.policy=seeded stream.packet_tokens=1",
    "sampling.policy=seeded stream.overlap=thread",
    "record.trace=stages",
]


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench.of(FRAMES, "modules")


@pytest.fixture(scope="module")
def blamed() -> list[Outcome]:
    return list(outcomes(each=1, frames=FRAMES, every=4))


@pytest.mark.slow
def test_faults_are_named_exactly(blamed: list[Outcome], record_property: Callable[[str, object], None]) -> None:
    coarse = list(stage_outcomes(FRAMES, every=4))
    everything = [*blamed, *coarse]
    rate = sum(outcome.exact for outcome in everything) / len(everything)
    report = f"level modules\n{table(blamed)}\nlevel stages\n{table(coarse)}"
    record_property("planted_faults", report)
    print(report, *missed(everything), sep="\n")
    assert len(everything) >= 200
    assert rate >= NEEDED, missed(everything)


@pytest.mark.slow
def test_every_stage_is_struck(blamed: list[Outcome]) -> None:
    struck = {outcome.fault.stage for outcome in blamed}
    # Those of a cloned voice: see test_planted_voice_faults.
    assert struck == set(STAGES[STAGES.index("text") :])
    assert {outcome.fault.frame for outcome in blamed} >= set(range(FRAMES))


def test_a_fault_elsewhere_is_not_the_one_found(bench: Bench) -> None:
    """The control of the rate: what was found fits its own fault only."""
    one, other = list(Plan(random.Random(5), FRAMES).codegen())[:2]
    found = bench.blame(one).found
    assert Outcome(one, found).exact
    assert not Outcome(other, found).exact
    assert not Outcome(one, None).exact


@pytest.mark.slow
def test_grafts_converge(bench: Bench, blamed: list[Outcome]) -> None:
    """A sample; text and packetiser have no value that a graft could replace."""
    greedy = [o for o in blamed if o.exact and o.fault.how != "generator skipped"]
    graftable = [o for o in greedy if o.fault.stage not in ("text", "packetiser")]
    codegen = [o for o in graftable if o.fault.stage != "codec"][::3]
    codec = [o for o in graftable if o.fault.stage == "codec"][::10]
    stubborn = [o.fault.name for o in codegen if not bench.converges(o)]
    with bench.same_codes():
        stubborn += [o.fault.name for o in codec if not bench.converges(o)]
    assert len(codegen) >= 10 <= len(codec)
    assert stubborn == []


@pytest.mark.slow
def test_a_graft_elsewhere_does_not_converge(bench: Bench, blamed: list[Outcome]) -> None:
    """The control of the grafts: the value of another module cures nothing."""
    faults = [o for o in blamed if o.exact and o.fault.stage == "codec" and not o.fault.is_input]
    one, other = faults[0], faults[-1]
    with bench.same_codes():
        assert not bench.converges(Outcome(one.fault, other.found))


def _side(engine: LocalEngine) -> Side:
    """As it comes from the engine's own stream, which works in every form of overlap."""
    *items, end = engine.stream(REQUEST)
    assert isinstance(end, End) and end.trace is not None
    packets = [item for item in items if isinstance(item, Packet)]
    assert len(packets) == sum(not isinstance(item, Chunk) for item in items)
    pcm = np.concatenate([packet.pcm for packet in packets])
    codes = np.concatenate([packet.codes for packet in packets])
    return Side("clean", codes, with_delivered(end.trace, pcm, engine.info.frame_samples))


@pytest.fixture(scope="module")
def plain_sides() -> dict[bool, Side]:
    """Clean runs, greedy and seeded."""
    return {
        seeded: _side(make_engine("builtin", CAP, "record.trace=modules", *["sampling.policy=seeded"] * seeded))
        for seeded in (False, True)
    }


def _against_plain(plain_sides: dict[bool, Side], settings: str) -> TraceComparison:
    engine = make_engine("builtin", CAP, "record.trace=modules", *settings.split())
    try:
        return compare_traces(plain_sides["seeded" in settings], _side(engine))
    finally:
        engine.close()


@pytest.mark.slow
@pytest.mark.parametrize("settings", SAME)
def test_clean_pairs_blame_nothing(settings: str, plain_sides: dict[bool, Side]) -> None:
    found = _against_plain(plain_sides, settings)
    assert found.first is None
    assert found.codes_equal
    assert found.values_compared > 50
    assert found.values_unequal == 0


def test_there_are_twenty_clean_pairs() -> None:
    assert len(SAME) >= 20


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "stage"),
    [
        ("decoder.mode=windowed stream.left_context=2", "codec"),
        ("sampling.policy=seeded sampling.seed=7", "draw"),
        ("engine.codegen_dtype=float64", "prompt"),
    ],
)
def test_other_bits_are_not_clean(settings: str, stage: str, plain_sides: dict[bool, Side]) -> None:
    found = _against_plain(plain_sides, settings)
    assert found.first is not None
    assert found.first.stage == stage


@pytest.mark.parametrize(
    ("change", "frame"),
    [
        (lambda pcm: np.append(pcm, pcm[-1]), FRAMES),
        (lambda pcm: np.append(pcm, np.zeros(2 * 1920, np.float32)), FRAMES),
        (lambda pcm: pcm[:-1], FRAMES - 1),
        (lambda pcm: pcm[:0], FRAMES - 1),
    ],
    ids=["one sample more", "two silent frames more", "one sample less", "last packet lost"],
)
def test_audio_of_another_length(change: Callable[[np.ndarray], np.ndarray], frame: int, bench: Bench) -> None:
    """All that both runs have may be equal: then what one has alone is the difference."""
    plant = last_packet(bench, change)
    found = bench.blame(Fault("length", "packetiser", frame, 0, "packetiser", plant))
    assert found.exact


def last_packet(bench: Bench, change: Callable[[np.ndarray], np.ndarray]) -> Plant:
    last = (len(bench.clean.require_codes()) - 1) // STEP_FRAMES
    return lambda _: replaced(Decoding, "read_pcm", at_call(last, change))


def test_ids_that_change_on_their_way_to_the_decoder_are_told_as_such(bench: Bench) -> None:
    for codebook in (0, 9):
        found = bench.blame(Fault("other id", "codec", 2, 0, "", handed_over(2, codebook))).found
        assert found is not None and "hands codes to the decoder" in found.culprit


def test_a_whole_run_repeats_with_its_fault(bench: Bench) -> None:
    """A fault strikes the same place again, so that a rate does not depend on luck."""
    fault = Fault("sample twice", "packetiser", 1, 0, "packetiser", packet_of(1, twice=True))
    first, second = bench.blame(fault), bench.blame(fault)
    assert first.exact
    assert first.found == second.found
    assert compare_traces(bench.side, Side("clean", *_again(bench))).first is None


def _again(bench: Bench) -> tuple[CodeArray, Trace | None]:
    run = LocalForensics(bench.engine).record(REQUEST, "modules")
    return run.require_codes(), run.trace
