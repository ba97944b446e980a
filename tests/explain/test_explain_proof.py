"""Verdicts from measured noise, what B does without cascade, and grafts that prove, or are not called a proof."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.explain.fake_forensic import BOOKS, REQUEST, FakeForensicEngine, Fault, Tie
from ttsctl.core.config import DecoderConfig
from ttsctl.core.errors import CannotJudge, InputError
from ttsctl.core.run import Run
from ttsctl.explain.compare_traces import Side, compare_traces
from ttsctl.explain.graft import graft_trials
from ttsctl.explain.investigate import (
    Investigation,
    Methods,
    ReplaySetup,
    investigate,
    investigate_files,
    record_until_different,
    recorded_side,
)
from ttsctl.explain.judge import conclude
from ttsctl.explain.rounding_noise import classify_drift

# Two ids that differ by less than the last bits of the arithmetic between them.
FRAMES = 6
TIE = Tie(2, (4, 6), 0.0)


def explained(a: dict[str, Any], b: dict[str, Any], **methods: Any) -> Investigation:
    engine_a, engine_b = FakeForensicEngine(**a), FakeForensicEngine(**b)
    sides = recorded_side("A", engine_a, REQUEST), recorded_side("B", engine_b, REQUEST)
    return investigate(*sides, ReplaySetup(REQUEST, lambda: engine_a, lambda: engine_b, Methods(**methods)))


# Three planted examples, three verdicts.


def test_a_near_tie_flip() -> None:
    found = explained({"tie": TIE}, {"tie": TIE, "rounding": 7})
    assert found.comparison.drawn is not None and found.comparison.drawn[1] == 2
    assert found.verdict.kind == "near_tie_flip" and found.verdict.exact is True
    assert found.noise is not None and found.verdict.gap_change is not None
    assert 0 < found.verdict.gap_change <= found.noise.bound < 1e-4
    assert found.noise.precision == "float32" and found.noise.runs == 4
    assert found.noise.changes == 4 * found.noise.draws == 4 * (FRAMES * BOOKS + 1)


def test_a_real_change() -> None:
    found = explained({}, {"faults": [Fault("talker.model.layers.0.mlp.down_proj", size=0.5)]})
    assert found.verdict.kind == "real_change" and found.noise is not None
    assert found.verdict.gap_change is not None and found.verdict.gap_change > 1000 * found.noise.bound


def test_a_silent_drift() -> None:
    found = explained({}, {"rounding": 7})
    assert found.comparison.codes_equal and found.comparison.codegen is not None
    assert found.verdict.kind == "silent_drift"
    assert found.noise is not None and found.comparison.largest_gap_change is not None
    assert 0 < found.comparison.largest_gap_change < 3 * found.noise.bound


def test_equal_runs_and_a_change_of_decoding_alone() -> None:
    assert explained({}, {"packet": 3}).verdict.kind == "equal"
    found = explained({}, {"faults": [Fault("codec.wave.0", 3)]})
    assert found.verdict.kind == "decode_change" and found.proven is True


def test_a_close_flip_after_more_than_rounding_is_a_real_change() -> None:
    """The gap that flipped moved little, but before it another one moved by far more than rounding moves any."""
    found = explained({"tie": TIE}, {"tie": TIE, "rounding": 7})
    comparison, noise = found.comparison, found.noise
    assert noise is not None
    later = replace(comparison, largest_gap_change=10 * noise.bound)
    assert classify_drift(comparison, noise, None).kind == "near_tie_flip"
    assert classify_drift(later, noise, None).kind == "real_change" and "before it" in str(
        classify_drift(later, noise, None).reason
    )
    assert classify_drift(replace(later, largest_gap_change=1.5 * noise.bound), noise, None).kind == "near_tie_flip"


def test_a_run_that_was_cut_is_no_flip_and_has_no_proof() -> None:
    found = explained({}, {"cap": 4})
    assert found.verdict.kind == "real_change" and "was cut" in str(found.verdict.reason)
    assert found.trials == () and "cut" in str(found.proof_reason)
    assert conclude(found).headline.endswith(
        "B was cut there (sampling.max_new_tokens), A goes on; the codes are equal as far as both go"
    )


@pytest.mark.parametrize("size", [0.02, 0.1, 0.5])
def test_no_change_of_weights_passes_for_rounding(size: float) -> None:
    """The negative control of the first example: the same tie, but a fault far over the noise."""
    fault = Fault("predictor.logits", codebook=2, size=-size)
    found = explained({"tie": Tie(2, (0, 6), 0.01)}, {"tie": Tie(2, (0, 6), 0.01), "faults": [fault]})
    assert found.verdict.kind == "real_change"
    assert found.verdict.gap_change == pytest.approx(size, rel=1e-3)


def test_no_calibration_no_verdict() -> None:
    found = explained({"tie": TIE}, {"tie": TIE, "rounding": 7}, jitter_seeds=())
    assert found.verdict.kind is None and found.noise is None
    assert found.verdict.reason == found.noise_reason == "no calibration was asked for"
    a, b = (recorded_side("x", FakeForensicEngine(tie=TIE, rounding=seed), REQUEST) for seed in (None, 7))
    files = investigate_files(a, b)
    assert files.verdict.kind is None and "name the text" in str(files.verdict.reason)


# Without cascade.


def test_one_fault_is_one_frame_without_cascade() -> None:
    fault = Fault("predictor.logits", 4, 2, 50.0)
    found = explained({}, {"faults": [fault]})
    assert found.forced is not None and found.forced.floor == 0
    assert (found.forced.draws_differ, found.forced.frames_differ, found.forced.first) == (1, 1, (4, 2))
    assert (found.forced.draws, found.forced.frames) == (FRAMES * BOOKS + 1, FRAMES + 1)
    assert found.forced.beyond_noise == 1
    # What cascaded from it is far more.
    a, b = (FakeForensicEngine(faults=f).record(REQUEST, "codes").require_codes() for f in ([], [fault]))
    assert (a[: len(b)] != b[: len(a)]).sum() > 5


def test_rounding_stays_within_noise_without_cascade() -> None:
    found = explained({"tie": TIE}, {"tie": TIE, "rounding": 5})
    assert found.forced is not None
    assert found.forced.draws_differ > 0 and found.forced.beyond_noise is not None
    assert found.forced.beyond_noise <= 2


# Proof by graft.


@pytest.mark.parametrize(
    ("fault", "trials"),
    [
        (Fault("talker.model.layers.1.mlp.down_proj", 3, 0), 1),
        (Fault("talker.model.layers.1.mlp.down_proj"), 2),
        (Fault("talker.code_predictor.model.layers.0.self_attn.q_proj", 4, 2), 1),
        (Fault("talker.code_predictor.lm_head.1"), 2),
        (Fault("draw", 3, 2, 1.0), 1),
        (Fault("prompt", 0, 0), 1),
        (Fault("talker.model.layers.0.residual", 3, 0), 3),
        # No module's own: what the next module gives is put in behind it.
        (Fault("talker.model.layers.1.self_attn.attention", 3, 0), 1),
        (Fault("talker.code_predictor.model.layers.0.self_attn.attention"), 2),
        (Fault("decoder.decoder.0", 3), 1),
        (Fault("decoder.decoder.0"), 2),
    ],
    ids=lambda value: getattr(value, "point", str(value)),
)
def test_a_graft_proves(fault: Fault, trials: int) -> None:
    found = explained({}, {"faults": [fault]})
    assert found.proven is True and found.proof_reason is None
    assert [trial.proven for trial in found.trials] == [False] * (trials - 1) + [True]
    assert all((trial.still is None) == bool(trial.proven) for trial in found.trials)
    assert found.trials[-1].values > 0


def test_two_operations_are_not_proven_by_one() -> None:
    """The negative control: behind the first, B goes on as A does, up to the second."""
    faults = [Fault(f"talker.model.layers.{layer}.self_attn.attention", 3, 0) for layer in (0, 1)]
    found = explained({}, {"faults": faults})
    assert [trial.proven for trial in found.trials] == [False, False, True]
    assert found.trials[0].still is not None and "layers.1.self_attn.o_proj" in found.trials[0].still.point
    assert conclude(found).headline.endswith("proven by graft of the talker as a whole")


def test_other_noise_in_all_draws_is_proven_by_the_draws() -> None:
    found = explained({"sampling_seed": 1}, {"sampling_seed": 2})
    # A gap with noise in it moves by that, whatever the network does.
    assert found.forced is not None and found.forced.beyond_noise is None and found.noise is not None
    assert [trial.proven for trial in found.trials] == [False, True]


def test_two_faults_take_the_stages_of_both() -> None:
    faults = [Fault("talker.model.layers.1.mlp.down_proj"), Fault("talker.code_predictor.lm_head.1")]
    found = explained({}, {"faults": faults})
    assert [trial.proven for trial in found.trials] == [False, False, False, True]
    assert found.trials[-1].what == "all that leaves talker and predictor from frame 0 on"
    # With all that the networks say replaced, B can only be A: that is no proof of one place.
    assert found.proven is False and found.proof_reason == "the cause is spread over talker and predictor"
    assert "spread: only a graft of all that leaves talker and predictor" in conclude(found).headline
    still = found.trials[1].still
    assert still is not None and still.point == "talker.code_predictor.lm_head.1"


@pytest.mark.parametrize(
    ("wrong", "frame"),
    [("talker.model.layers.0.self_attn.q_proj", 3), ("talker.model.norm", 2), ("talker.code_predictor.lm_head.0", 3)],
)
def test_a_wrong_graft_is_no_proof(wrong: str, frame: int) -> None:
    """The negative control: A's values of a place that is not the culprit."""
    faulty = FakeForensicEngine(faults=[Fault("talker.model.layers.1.mlp.down_proj", 4, 0)])
    clean = FakeForensicEngine()
    a, b = (recorded_side("x", engine, REQUEST) for engine in (clean, faulty))
    first = compare_traces(a, b).first
    assert first is not None
    misled = replace(first, point=wrong, frame=frame, codebook=1 if "lm_head" in wrong else 0)
    trials = graft_trials(misled, a, lambda: clean, lambda: faulty, REQUEST)
    assert trials[0].proven is False and trials[0].still is not None
    assert trials[0].still.point == "talker.model.layers.1.mlp.down_proj"


def test_a_graft_that_reaches_nothing_is_no_proof() -> None:
    clean, faulty = FakeForensicEngine(), FakeForensicEngine(faults=[Fault("talker.hidden", 4, 0)])
    a, b = (recorded_side("x", engine, REQUEST) for engine in (clean, faulty))
    first = compare_traces(a, b).first
    assert first is not None
    trials = graft_trials(replace(first, point="talker.nowhere"), a, lambda: clean, lambda: faulty, REQUEST)
    assert trials[0].proven is None and "no value of talker.nowhere" in str(trials[0].reason)


def test_a_graft_of_what_was_equal_is_no_proof() -> None:
    """Other scores, the same ids: A's ids in B change nothing."""
    found = explained({}, {"temperature": 1.0001})
    assert found.comparison.codes_equal and found.comparison.first is not None
    assert found.comparison.first.stage == "draw" and found.verdict.kind == "silent_drift"
    assert found.proven is None and all("as it is" in str(trial.reason) for trial in found.trials)


def test_a_run_that_does_not_repeat_proves_nothing() -> None:
    found = explained({}, {"unsteady": True})
    assert found.trials == () and found.proven is None
    assert "B does not repeat under its own config" in str(found.proof_reason)


def test_other_precisions_cannot_be_proven_by_a_graft() -> None:
    found = explained({}, {"precision": "bfloat16", "rounding": 7})
    assert found.trials == () and "bfloat16 in B" in str(found.proof_reason)
    assert found.noise is not None and found.noise.precision == "bfloat16"


def test_an_engine_that_refuses_the_request_leaves_what_the_files_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    engines = FakeForensicEngine(), FakeForensicEngine(faults=[Fault("talker.hidden", 4, 0)])
    a, b = (recorded_side(name, engine, REQUEST) for name, engine in zip("AB", engines, strict=True))

    def refuse(*_: object) -> Run:
        raise InputError("codes: expected ids in 0..5", "give this checkpoint's codes")

    monkeypatch.setattr(engines[1], "record", refuse)
    monkeypatch.setattr(engines[1], "force", refuse)
    found = investigate(a, b, ReplaySetup(REQUEST, lambda: engines[0], lambda: engines[1]))
    assert found.comparison.first is not None and found.comparison.first.point == "talker.hidden"
    assert (
        found.forced is None
        and "expected ids" in str(found.forced_reason)
        and "expected ids" in str(found.proof_reason)
    )


def test_frames_of_other_lengths_are_not_grafted() -> None:
    fault = Fault("decoder.decoder.0")
    engines = FakeForensicEngine(), FakeForensicEngine(faults=[fault])
    engines[1].config = replace(engines[1].config, decoder=DecoderConfig(padding="legacy"))
    a, b = (recorded_side(name, engine, REQUEST) for name, engine in zip("AB", engines, strict=True))
    found = investigate(a, b, ReplaySetup(REQUEST, lambda: engines[0], lambda: engines[1]))
    assert found.trials == () and "decoder.padding is causal in A and legacy in B" in str(found.proof_reason)


def test_one_config_that_drifts_is_caught_and_a_steady_one_is_not() -> None:
    told: list[int] = []
    sides = record_until_different(FakeForensicEngine(unsteady=True), REQUEST, 5, "modules", lambda: told.append(1))
    assert len(sides) == len(told) == 2
    assert compare_traces(*sides).first is not None
    sides = record_until_different(FakeForensicEngine(), REQUEST, 3, "modules", lambda: None)
    assert len(sides) == 3 and compare_traces(sides[0], sides[-1]).first is None


def test_recordings_at_a_low_level_are_run_again_at_modules() -> None:
    fault = Fault("talker.model.layers.1.mlp.up_proj", 4, 0)
    engines = FakeForensicEngine(), FakeForensicEngine(faults=[fault])
    a, b = (recorded_side("x", engine, REQUEST, "codes") for engine in engines)
    found = investigate(a, b, ReplaySetup(REQUEST, lambda: engines[0], lambda: engines[1]))
    assert found.comparison.first is not None and found.comparison.first.point == fault.point
    assert found.proven is True


def test_a_recording_of_another_engine_is_said_not_to_repeat() -> None:
    engines = FakeForensicEngine(), FakeForensicEngine(faults=[Fault("talker.hidden", 4, 0)])
    a = recorded_side("A", engines[0], REQUEST)
    stale = recorded_side("B", FakeForensicEngine(faults=[Fault("talker.hidden", 5, 0)]), REQUEST)
    found = investigate(a, stale, ReplaySetup(REQUEST, lambda: engines[0], lambda: engines[1]))
    assert found.trials == () and "B does not repeat" in str(found.proof_reason)
    assert found.comparison.first is not None and found.comparison.first.frame == 5


def test_no_frame_at_all_cannot_be_judged() -> None:
    with pytest.raises(CannotJudge, match="before the first frame"):
        recorded_side("A", FakeForensicEngine(frames=0, cap=0), REQUEST)
    assert isinstance(recorded_side("A", FakeForensicEngine(), REQUEST), Side)
