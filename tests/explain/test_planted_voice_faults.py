"""Faults planted between a reference's file and the prompt are named exactly, and grafts of clean values cure them."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.engine_help import make_engine, packets_and_end
from tests.explain.planted import Fault
from tests.explain.planted_rates import Bench, Faulty, Outcome, missed, table
from tests.explain.planted_voice import REQUEST, VOICE, VoicePlan, at_stages, changed_prompt
from ttsctl.core.request import Request, Voice
from ttsctl.core.trace import STAGES
from ttsctl.engine.forensic import LocalForensics
from ttsctl.engine.voice.prompt_file import write_voice
from ttsctl.explain.compare_traces import Side, compare_traces
from ttsctl.explain.graft import graft_trials
from ttsctl.explain.investigate import Methods, ReplaySetup, investigate
from ttsctl.explain.teacher_forcing import compare_forced_draws

NEEDED = 0.99
OF_A_VOICE = STAGES[: STAGES.index("text")]
CAP = "sampling.max_new_tokens=2"


@pytest.fixture(scope="module")
def bench() -> Bench:
    engine = make_engine("base_clone", CAP, "determinism.single_thread=true")
    return Bench(engine, "modules", LocalForensics(engine).record(REQUEST, "modules"), REQUEST)


@pytest.fixture(scope="module")
def stages(bench: Bench) -> Bench:
    return Bench(bench.engine, "stages", LocalForensics(bench.engine).record(REQUEST, "stages"), REQUEST)


def faults(each: int, every: int = 1, seed: int = 0) -> list[Fault]:
    return list(VoicePlan(random.Random(seed), each).faults())[::every]


def test_a_sample_is_named_exactly(bench: Bench, stages: Bench) -> None:
    found = [bench.blame(fault) for fault in faults(1, every=6)]
    found += [stages.blame(fault) for fault in filter(None, map(at_stages, faults(1, every=11, seed=1)))]
    assert len(found) >= 12 and not missed(found)


@pytest.mark.slow
def test_a_hundred_faults(bench: Bench, stages: Bench, record_property: Callable[[str, object], None]) -> None:
    found = [bench.blame(fault) for fault in faults(2)]
    coarse = [stages.blame(fault) for fault in filter(None, map(at_stages, faults(1, seed=3)))]
    report = f"level modules\n{table(found)}\nlevel stages\n{table(coarse)}"
    record_property("planted_voice_faults", report)
    print(report, *missed([*found, *coarse]), sep="\n")
    assert len(found) >= 100
    for outcomes in (found, coarse):
        assert sum(o.exact for o in outcomes) >= NEEDED * len(outcomes), missed(outcomes)
    assert {o.fault.stage for o in found} == {*OF_A_VOICE, "prompt"}


def test_one_branch_is_not_blamed_for_the_other(bench: Bench) -> None:
    for point, words in (("reference.speaker_pcm", "speaker"), ("reference.codec_pcm", "codec")):
        own = next(f for f in faults(1) if f.point == point)
        found = bench.blame(own).found
        assert found is not None and found.label == f"resampling for the {words} encoder"
        other = next(f for f in faults(1) if f.stage == "resampling" and f.point != point)
        assert not Outcome(other, found).exact


def test_labels_are_words(bench: Bench) -> None:
    labels = {}
    for point in ("reference.audio", "mel", "reference.codes", "prompt.x_vector", "prompt.ref_codes"):
        found = bench.blame(next(f for f in faults(1) if f.point == point)).found
        assert found is not None and "it is the culprit" in found.culprit
        labels[point] = found.label
    assert labels == {
        "reference.audio": "reference audio",
        "mel": "mel",
        "reference.codes": "codec encoder codes",
        "prompt.x_vector": "prompt x-vector",
        "prompt.ref_codes": "prompt reference codes",
    }


def graftable(fault: Fault) -> bool:
    """Of another length, no value fits the other run's."""
    return fault.how != "cut off"


@pytest.mark.parametrize(
    "point",
    [
        "reference.audio",
        "reference.speaker_pcm",
        "reference.codec_pcm",
        "mel",
        "speaker_encoder.mfa",
        "codec_encoder.downsample",
        "reference.codes",
        "prompt.x_vector",
        "prompt.ref_codes",
    ],
)
def test_a_graft_cures(point: str, bench: Bench) -> None:
    """One of each stage; where a value is used twice, as the reference's is, its point from there on."""
    cures(bench, next(f for f in faults(1) if graftable(f) and f.point.startswith(point)))


@pytest.mark.slow
def test_grafts_cure_whatever_was_planted(bench: Bench) -> None:
    for fault in filter(graftable, faults(1, every=4, seed=5)):
        cures(bench, fault)


def cures(bench: Bench, fault: Fault) -> None:
    clean, faulty = LocalForensics(bench.engine), Faulty(bench.engine, fault)
    found = bench.blame(fault).found
    assert found is not None
    trials = graft_trials(found, bench.side, lambda: clean, lambda: faulty, REQUEST)
    assert any(trial.proven and not trial.spread for trial in trials), (fault.name, trials)


def test_a_graft_of_another_length_says_that_it_cannot_be(bench: Bench) -> None:
    fault = next(f for f in faults(1) if f.how == "cut off")
    found = bench.blame(fault).found
    assert found is not None
    clean, faulty = LocalForensics(bench.engine), Faulty(bench.engine, fault)
    trials = graft_trials(found, bench.side, lambda: clean, lambda: faulty, REQUEST)
    assert all(not trial.proven for trial in trials)
    assert any("elements" in (trial.reason or "") for trial in trials)


def test_clean_runs_differ_in_nothing(bench: Bench) -> None:
    again = LocalForensics(bench.engine).record(REQUEST, "modules")
    found = compare_traces(bench.side, Side("again", again.require_codes(), again.trace))
    assert found.first is None and found.values_unequal == 0
    assert bench.clean.trace is not None
    assert set(OF_A_VOICE) <= {STAGES[number] for number in bench.clean.trace.codegen.stage}


def test_teacher_forcing_takes_the_same_prompt(bench: Bench) -> None:
    """The encoders are not jittered: else the noise would be that of another voice."""
    engine, codes = LocalForensics(bench.engine), bench.side.codes
    plain, jittered = engine.force(REQUEST, codes), engine.force(REQUEST, codes, jitter_seed=1)
    assert bench.clean.trace is not None
    forced = compare_forced_draws(bench.clean.trace.draws, plain, jittered, None)
    assert forced.floor == 0 and 0 < np.abs(plain.gap - jittered.gap).max() < 1e-2


def corrupted(tmp_path: Path, bench: Bench) -> tuple[Request, Request, Request]:
    """A voice's file; the same with another x-vector, and with another id. Both have the hashes of what they hold."""
    prompt = bench.engine.cloned.voices.prompted(REQUEST).prompt
    assert prompt is not None and prompt.codes is not None

    def other_id(codes: object) -> object:
        changed = codes.clone()  # type: ignore[attr-defined]
        changed[3, 2] ^= 1
        return changed

    requests = []
    files = {
        "voice": prompt,
        "vector": changed_prompt(prompt, x_vector=lambda v: v * 1.01),
        "codes": changed_prompt(prompt, codes=other_id),  # type: ignore[arg-type]
    }
    for name, one in files.items():
        path = tmp_path / f"{name}.safetensors"
        write_voice(path, one, {})
        requests.append(Request(REQUEST.text, Voice("v", voice_file=str(path))))
    return requests[0], requests[1], requests[2]


def test_a_corrupted_voice_file_is_named_as_the_prompt(tmp_path: Path, bench: Bench) -> None:
    sound, *others = corrupted(tmp_path, bench)
    engine = LocalForensics(bench.engine)
    whole = engine.record(sound, "modules")
    side = Side("A", whole.require_codes(), whole.trace)
    for request, point in zip(others, ("prompt.x_vector", "prompt.ref_codes"), strict=True):
        run = engine.record(request, "modules")
        found = compare_traces(side, Side("B", run.require_codes(), run.trace)).first
        assert found is not None and (found.stage, found.point, found.inputs_equal) == ("prompt", point, True)
        assert "voice file" in found.culprit
    again = engine.record(sound, "modules")
    assert compare_traces(side, Side("B", again.require_codes(), again.trace)).first is None


def test_an_investigation_of_a_faulty_voice_proves_its_place(bench: Bench) -> None:
    fault = next(f for f in faults(1) if f.point == "prompt.x_vector" and f.how == "swap")
    clean, faulty = LocalForensics(bench.engine), Faulty(bench.engine, fault)
    run = faulty.record(REQUEST, "modules")
    setup = ReplaySetup(REQUEST, lambda: clean, lambda: faulty, Methods(jitter_seeds=(1,)))
    found = investigate(bench.side, Side("B", run.require_codes(), run.trace), setup)
    assert found.comparison.first is not None and found.comparison.first.point == "prompt.x_vector"
    assert found.proven and found.forced is not None and found.forced.floor == 0


@pytest.mark.slow
def test_a_worker_process_records_the_same_trace() -> None:
    """It encodes the reference itself, and the decoder is primed with the codes that the main process made."""
    sides = []
    for overlap in ("none", "thread", "process"):
        settings = (CAP, "determinism.single_thread=true", "record.trace=modules", f"stream.overlap={overlap}")
        engine = make_engine("base_clone", *settings)
        try:
            packets, end = packets_and_end(engine.stream(REQUEST))
        finally:
            engine.close()
        sides.append((Side(overlap, np.concatenate([p.codes for p in packets]), end.trace), packets))
    for other, packets in sides[1:]:
        found = compare_traces(sides[0][0], other)
        assert found.first is None and found.values_unequal == 0 and found.values_compared > 100
        assert all(np.array_equal(a.pcm, b.pcm) for a, b in zip(sides[0][1], packets, strict=True))


def test_the_voice_needs_resampling() -> None:
    """So that both encoders' resampling is there to be struck."""
    import soundfile

    assert VOICE.ref_audio is not None and soundfile.info(VOICE.ref_audio).samplerate == 16_000
