"""Grafts, captures and forced codes: what is put back restores a run, and what is the run's own changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.engine_help import make_engine
from ttsctl.core.errors import CannotJudge, InputError
from ttsctl.core.forensic import Site, Value
from ttsctl.core.request import Request, Voice
from ttsctl.core.run import Run
from ttsctl.core.trace import Draws, Prints, Trace
from ttsctl.engine.forensic import LocalForensics
from ttsctl.engine.local import LocalEngine
from ttsctl.engine.recording.interventions import Jitter, replace_by, to_value

REQUEST = Request("Call a taxi.", Voice("v", "vivian"))
FRAMES = 4
CAP = f"sampling.max_new_tokens={FRAMES + 1}"
# Every kind of point: a module, called once or several times at one place, a stage's value, a draw; both networks.
POINTS = [
    ("talker.model.layers.1.mlp.up_proj", 2, 0),
    ("talker.model.text_embedding", 0, 0),
    ("talker.code_predictor.model.layers.0.self_attn.k_proj", 1, 4),
    ("prompt", 0, 0),
    ("talker.input", 3, 0),
    ("talker.logits", 1, 0),
    ("predictor.logits", 3, 15),
    ("draw", 1, 5),
    ("decoder.decoder.1.block.2.conv2", 2, 0),
    ("codec.transformer", 1, 0),
    ("codec.upsample.1", 3, 0),
    ("codec.wave.0", 3, 0),
    ("codec.pcm", 2, 0),
]


@pytest.fixture(scope="module")
def engine() -> LocalEngine:
    return make_engine("builtin", CAP, "stream.packet_tokens=3")


@pytest.fixture(scope="module")
def clean(engine: LocalEngine) -> Run:
    return LocalForensics(engine).record(REQUEST, "stages")


def same_prints(one: Prints, other: Prints) -> bool:
    return one.points == other.points and all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("point", "stage", "frame", "codebook", "is_input", "value")
    )


def same_draws(one: Draws, other: Draws) -> bool:
    names = ("frame", "codebook", "id", "best", "logits", "gap")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


def trace_of(run: Run) -> Trace:
    assert run.trace is not None
    return run.trace


def same(one: Run, other: Run) -> bool:
    ours, theirs = trace_of(one), trace_of(other)
    return (
        np.array_equal(one.require_codes(), other.require_codes())
        and np.array_equal(one.require_pcm(), other.require_pcm())
        and one.truncated == other.truncated
        and same_draws(ours.draws, theirs.draws)
        and same_prints(ours.codegen, theirs.codegen)
        and same_prints(ours.decode, theirs.decode)
    )


def spoil(value: torch.Tensor) -> torch.Tensor:
    """Another id, or other numbers by far."""
    return value * 1.5 + 1 if value.is_floating_point() else (value + 17) % 100


def own_value(engine: LocalEngine, point: str, frame: int, codebook: int) -> dict[Site, Value]:
    """The first value of a point at a place, taken out of a clean run."""
    site = Site(point, frame, codebook)
    return {site: LocalForensics(engine).capture(REQUEST, point, frame)[site]}


@pytest.mark.slow
@pytest.mark.parametrize(("point", "frame", "codebook"), POINTS)
def test_a_graft_heals_what_was_spoilt(engine: LocalEngine, clean: Run, point: str, frame: int, codebook: int) -> None:
    """Spoilt, the run is another one; with the clean value in its place it is the clean run, to the last bit."""
    good = own_value(engine, point, frame, codebook)
    faulty = LocalForensics(engine, dict.fromkeys(good, spoil))
    assert not same(faulty.record(REQUEST, "stages"), clean)
    assert same(faulty.record(REQUEST, "stages", good), clean)


@pytest.mark.slow
@pytest.mark.parametrize("transformer", ["cache", "full"])
def test_open_steps_are_grafted_in_every_rerun(transformer: str) -> None:
    """With packets of 1 a grid step is run four times, and each run computes its frames anew."""
    sets = ("stream.packet_tokens=1", f"decoder.transformer={transformer}")
    engine = make_engine("builtin", CAP, *sets)
    clean = LocalForensics(engine).record(REQUEST, "stages")
    for point in ("codec.embed", "decoder.decoder.1.block.1"):
        good = own_value(engine, point, 1, 0)
        faulty = LocalForensics(engine, dict.fromkeys(good, spoil))
        assert same(faulty.record(REQUEST, "stages", good), clean)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["oneshot", "windowed", "cached", "incremental"])
def test_a_runs_own_values_change_nothing(mode: str) -> None:
    engine = make_engine("builtin", CAP, f"decoder.mode={mode}", "stream.packet_tokens=2", "stream.left_context=2")
    forensic = LocalForensics(engine)
    clean = forensic.record(REQUEST, "stages")
    for point in ("codec.transformer", "decoder.decoder.1.block.1"):
        values = forensic.capture(REQUEST, point)
        assert len(values) >= FRAMES
        assert same(forensic.record(REQUEST, "stages", values), clean)


def test_own_values_of_code_generation_change_nothing(engine: LocalEngine, clean: Run) -> None:
    for point in ("talker.model.norm", "predictor.logits", "draw"):
        values = LocalForensics(engine).capture(REQUEST, point)
        assert len(values) >= FRAMES
        assert same(LocalForensics(engine).record(REQUEST, "stages", values), clean)


def test_legacy_padding_keeps_the_short_first_frame() -> None:
    engine = make_engine("builtin", CAP, "decoder.padding=legacy", "stream.packet_tokens=2")
    forensic = LocalForensics(engine)
    clean = forensic.record(REQUEST, "modules")
    values = forensic.capture(REQUEST, "codec.pcm")
    assert [len(value) for value in values.values()] == [1920 - 555, 1920, 1920, 1920]
    assert np.array_equal(np.concatenate(list(values.values())), clean.require_pcm())
    assert same(forensic.record(REQUEST, "modules", values), clean)


@pytest.mark.slow
def test_half_precision_goes_out_and_in_without_loss() -> None:
    engine = make_engine("builtin", CAP, "engine.codegen_dtype=bfloat16", "engine.decoder_dtype=bfloat16")
    forensic = LocalForensics(engine)
    clean = forensic.record(REQUEST, "modules")
    for point in ("talker.hidden", "codec.transformer"):
        values = forensic.capture(REQUEST, point)
        assert {value.dtype for value in values.values()} == {np.dtype(np.float32)}
        assert same(forensic.record(REQUEST, "modules", values), clean)


def test_capture_from_a_frame_on(engine: LocalEngine) -> None:
    values = LocalForensics(engine).capture(REQUEST, "draw", first_frame=3)
    assert list(values)[:2] == [Site("draw", 3, 0), Site("draw", 3, 1)]
    assert {site.frame for site in values} == {3, FRAMES}


def test_a_graft_at_every_codebook(engine: LocalEngine, clean: Run) -> None:
    """Codebook None puts one value at all codebooks of the frame that have the point."""
    value = np.zeros(128, np.float32)
    value[3] = 50
    recorded = LocalForensics(engine).record(REQUEST, "codes", {Site("predictor.logits", 2, None): value})
    codes, wanted = recorded.require_codes(), clean.require_codes()
    assert (codes[2, 1:] == 3).all() and codes[2, 0] == wanted[2, 0]
    assert np.array_equal(codes[:2], wanted[:2])


@pytest.mark.parametrize(
    "site",
    [
        Site("talker.model.nothing", 0),
        Site("talker.hidden", 99),
        Site("talker.hidden", 1, 3),
        Site("talker.hidden", 1, 0, call=1),
        Site("codec.embed", 99),
    ],
)
def test_a_site_never_reached_proves_nothing(engine: LocalEngine, site: Site) -> None:
    with pytest.raises(CannotJudge, match="never came by"):
        LocalForensics(engine).record(REQUEST, "codes", {site: np.zeros(128, np.float32)})


def test_a_value_of_another_size(engine: LocalEngine) -> None:
    with pytest.raises(CannotJudge, match="7 elements for one of 128"):
        LocalForensics(engine).record(REQUEST, "codes", {Site("talker.hidden", 1): np.zeros(7, np.float32)})


def test_an_edit_must_keep_the_dtype(engine: LocalEngine) -> None:
    faulty = LocalForensics(engine, {Site("talker.hidden", 1): lambda value: value.double()})
    with pytest.raises(CannotJudge, match="float64"):
        faulty.record(REQUEST, "codes")


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["greedy", "seeded"])
def test_own_codes_forced_give_the_same_draws(policy: str) -> None:
    engine = make_engine("builtin", "sampling.max_new_tokens=40", f"sampling.policy={policy}")
    forensic = LocalForensics(engine)
    recorded = forensic.record(REQUEST, "codes")
    assert not recorded.truncated, "the end must be drawn too"
    assert same_draws(forensic.force(REQUEST, recorded.require_codes()), trace_of(recorded).draws)


def test_forced_codes_are_taken_and_own_choices_told(engine: LocalEngine, clean: Run) -> None:
    """One id changed: that draw still tells the own choice, and only what comes after it may differ."""
    forensic = LocalForensics(engine)
    codes = clean.require_codes().copy()
    codes[2, 4] = (codes[2, 4] + 1) % 128
    forced, own = forensic.force(REQUEST, codes), trace_of(clean).draws
    index = 2 * 16 + 4
    assert np.array_equal(forced.id[: index + 1], own.id[: index + 1])
    assert np.array_equal(forced.gap[: index + 1], own.gap[: index + 1])
    assert not np.array_equal(forced.gap[index + 1 :], own.gap[index + 1 :])
    assert len(forced.id) == codes.size + 1


def test_more_codes_than_the_cap_can_be_forced(engine: LocalEngine, clean: Run) -> None:
    codes = np.concatenate([clean.require_codes()] * 3)
    assert len(LocalForensics(engine).force(REQUEST, codes).id) == codes.size + 1


@pytest.mark.parametrize(
    "codes", [np.zeros((3, 7), np.int64), np.full((3, 16), 128), np.full((3, 16), -1), np.zeros((3, 16), np.int32)]
)
def test_codes_that_do_not_fit(engine: LocalEngine, codes: np.ndarray) -> None:
    with pytest.raises(InputError):
        LocalForensics(engine).force(REQUEST, codes)


def test_jitter_is_rounding_noise(engine: LocalEngine, clean: Run) -> None:
    """Last bits move logits by about 1e-6 of their size, never by 1e-3; one seed repeats, another does not."""
    forensic = LocalForensics(engine)
    own = trace_of(clean).draws
    moved, again, other = (forensic.force(REQUEST, clean.require_codes(), seed) for seed in (1, 1, 2))
    assert same_draws(moved, again) and not np.array_equal(moved.logits, other.logits)
    change = np.abs(moved.logits - own.logits).max()
    assert 0 < change < 1e-3


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
def test_jitter_moves_one_unit_in_the_last_place(dtype: torch.dtype) -> None:
    value = torch.tensor([1.0, -2.5, 0.0, -0.0, float("inf"), 3e-5], dtype=dtype)
    moved = Jitter(0, torch.device("cpu")).move(value)
    bits = {2: torch.int16, 4: torch.int32, 8: torch.int64}[value.element_size()]
    steps = (moved.view(bits).to(torch.int64) - value.view(bits).to(torch.int64)).abs()
    assert steps.tolist() == [1, 1, 0, 0, 0, 1]
    both = torch.stack([Jitter(seed, torch.device("cpu")).move(value) for seed in range(20)])
    assert len(both[:, 0].unique()) == 2 and value[0] not in both[:, 0]


def test_a_value_replaces_in_its_shape_and_dtype() -> None:
    there = torch.zeros(2, 3, dtype=torch.bfloat16)
    given = torch.arange(6, dtype=torch.bfloat16)
    put = replace_by(to_value(given))(there)
    assert put.dtype == there.dtype and put.shape == there.shape and torch.equal(put.flatten(), given)
