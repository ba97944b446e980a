"""Traces of the in-process engine: they change nothing, repeat, and tell exactly what changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.engine_help import close_early, make_engine, packets_and_end
from ttsctl.core.codes import codes_sha256
from ttsctl.core.fingerprint import fingerprint
from ttsctl.core.forensic import Site
from ttsctl.core.request import End, Request, Voice
from ttsctl.core.trace import STAGES, Prints, Trace, TraceLevel
from ttsctl.engine.codegen.draws import PackageNoise, race
from ttsctl.engine.forensic import LocalForensics
from ttsctl.engine.local import LocalEngine
from ttsctl.engine.model.codec import Codebook, RowProjection, SnakeBeta
from ttsctl.engine.model.layers import LayerScale, RMSNorm
from ttsctl.engine.model.streaming import CausalConv, CausalTransposedConv
from ttsctl.engine.recording.probes import CodegenProbes, DecodeProbes
from ttsctl.engine.recording.recorder import Recorder

REQUEST = Request("Call a taxi.", Voice("v", "vivian"))
FRAMES = 4
CAP = f"sampling.max_new_tokens={FRAMES + 1}"
BOOKS = 16
LEVELS: tuple[TraceLevel, ...] = ("codes", "stages", "modules")


@pytest.fixture(scope="module")
def engine() -> LocalEngine:
    return make_engine("builtin", CAP)


def run(engine: LocalEngine, level: TraceLevel = "none") -> tuple[np.ndarray, np.ndarray, End]:
    packets, end = packets_and_end(engine.stream_with(*probed(engine, REQUEST, level)))
    return np.concatenate([p.codes for p in packets]), np.concatenate([p.pcm for p in packets]), end


def probed(
    engine: LocalEngine, request: Request, level: TraceLevel
) -> tuple[Request, CodegenProbes, DecodeProbes, TraceLevel]:
    """The arguments of ``stream_with`` that record a request at a level."""
    recorder = Recorder(level)
    return request, recorder.codegen(engine.generator.talker), recorder.decode(engine.decoder), level


def traced(engine: LocalEngine, level: TraceLevel) -> Trace:
    trace = run(engine, level)[2].trace
    assert trace is not None
    return trace


def rows(prints: Prints) -> Iterator[tuple[str, str, int, int, bool, int]]:
    columns = (prints.point, prints.stage, prints.frame, prints.codebook, prints.is_input, prints.value)
    for point, stage, frame, codebook, is_input, value in zip(*columns, strict=True):
        yield prints.points[point], STAGES[stage], int(frame), int(codebook), bool(is_input), int(value)


@pytest.mark.parametrize("policy", ["greedy", "seeded"])
def test_recording_changes_no_bit(policy: str) -> None:
    engine = make_engine("builtin", CAP, f"sampling.policy={policy}")
    codes, pcm, end = run(engine)
    assert end.trace is None
    for level in LEVELS if policy == "greedy" else LEVELS[-1:]:
        recorded_codes, recorded_pcm, recorded = run(engine, level)
        assert codes_sha256(recorded_codes) == codes_sha256(codes)
        assert np.array_equal(recorded_pcm, pcm)
        assert recorded.trace is not None and recorded.trace.level == level


def test_no_hook_stays(engine: LocalEngine) -> None:
    traced(engine, "modules")
    stream = engine.stream_with(*probed(engine, REQUEST, "modules"))
    next(stream)
    close_early(stream)
    for root in (engine.generator.talker, engine.decoder):
        assert not any("forward" in vars(module) for module in root.modules())


def test_two_runs_give_one_trace(engine: LocalEngine) -> None:
    first, second = traced(engine, "modules"), traced(engine, "modules")
    assert list(rows(first.codegen)) == list(rows(second.codegen))
    assert list(rows(first.decode)) == list(rows(second.decode))
    for name in ("frame", "codebook", "id", "best", "logits", "gap"):
        assert np.array_equal(getattr(first.draws, name), getattr(second.draws, name))


@pytest.mark.slow
@pytest.mark.parametrize("transformer", ["cache", "full"])
def test_prints_do_not_depend_on_the_packet(transformer: str) -> None:
    sets = (CAP, f"decoder.transformer={transformer}")
    by_packet = [traced(make_engine("builtin", *sets, f"stream.packet_tokens={n}"), "modules") for n in (1, 3)]
    wanted = list(rows(by_packet[0].decode))
    assert len(wanted) > 100 * FRAMES
    for other in by_packet[1:]:
        assert list(rows(other.decode)) == wanted
        assert list(rows(other.codegen)) == list(rows(by_packet[0].codegen))


def test_overlap_gives_the_same_trace(engine: LocalEngine) -> None:
    """Two threads on one engine: each records its own stage."""
    alone, threaded = traced(engine, "modules"), traced(make_engine("builtin", CAP, "stream.overlap=thread"), "modules")
    assert list(rows(threaded.codegen)) == list(rows(alone.codegen))
    assert list(rows(threaded.decode)) == list(rows(alone.decode))
    assert np.array_equal(threaded.draws.gap, alone.draws.gap)


def test_levels_hold_what_they_say(engine: LocalEngine) -> None:
    codes, stages, modules = (traced(engine, level) for level in ("codes", "stages", "modules"))
    assert len(codes.codegen.value) == len(codes.decode.value) == 0
    assert len(codes.draws.id) == FRAMES * BOOKS + 1
    assert set(stages.codegen.points) == {
        *("text", "prompt", "talker.input", "talker.hidden", "talker.logits", "draw", "predictor.logits")
    }
    ends = [f"codec.upsample.{i}" for i in range(2)] + [f"codec.wave.{i}" for i in range(7)]
    assert set(stages.decode.points) == {"codec.embed", "codec.transformer", *ends, "codec.pcm"}
    assert set(stages.codegen.points) < set(modules.codegen.points)
    assert list(rows(stages.decode)) == [r for r in rows(modules.decode) if r[0].startswith("codec.")]
    places = {(frame, codebook) for point, _, frame, codebook, _, _ in rows(stages.codegen) if point == "draw"}
    assert places == {(f, k) for f in range(FRAMES) for k in range(BOOKS)} | {(FRAMES, 0)}


def test_draws_are_the_codes_and_their_best_two(engine: LocalEngine) -> None:
    codes, _, end = run(engine, "codes")
    assert end.trace is not None
    draws = end.trace.draws
    assert np.array_equal(draws.id[: codes.size].reshape(codes.shape), codes)
    assert np.array_equal(draws.id, draws.best[:, 0]) and (draws.best[:, 0] != draws.best[:, 1]).all()
    assert np.array_equal(draws.logits[:, 0] - draws.logits[:, 1], draws.gap) and (draws.gap >= 0).all()


LEAF_TYPES = (
    *(nn.Linear, nn.Embedding, nn.LayerNorm, RMSNorm, LayerScale, SnakeBeta, Codebook, RowProjection),
    *(CausalConv, CausalTransposedConv),
)


def test_module_prints_are_those_of_their_outputs(engine: LocalEngine) -> None:
    """Against a slow plain recorder: every output printed by the contract's fingerprint the moment it is there."""
    seen: list[tuple[str, int]] = []

    def keep(path: str) -> object:
        return lambda module, args, output: seen.append((path, fingerprint(output.numpy())))

    talker = engine.generator.talker
    leaves = [(f"talker.{path}", m) for path, m in talker.named_modules() if isinstance(m, LEAF_TYPES)]
    handles = [module.register_forward_hook(keep(path)) for path, module in leaves]  # type: ignore[arg-type]
    # Recorded, as else a draw may embed its id itself.
    traced(engine, "codes")
    for handle in handles:
        handle.remove()
    found = [
        (p, v)
        for p, _, _, _, is_input, v in rows(traced(engine, "modules").codegen)
        if p in dict(leaves) and not is_input
    ]
    assert found == seen


def test_what_the_talker_takes_is_the_frame_before(engine: LocalEngine) -> None:
    """Prints are made later than values, and the state is written in place: the input must be a copy of it."""
    trace, codes = traced(engine, "modules"), run(engine)[0]
    taken = {
        frame: value
        for point, stage, frame, _, is_input, value in rows(trace.codegen)
        if point == "talker.model.codec_embedding" and stage == "talker" and is_input and frame
    }
    assert taken == {frame + 1: fingerprint(codes[frame, :1]) for frame in range(len(codes))}
    assert taken != {frame + 1: fingerprint(codes[frame, 1:2]) for frame in range(len(codes))}


def test_codec_prints_are_those_of_their_frames() -> None:
    """One step for the whole stream, outputs cut by hand: the rows of a frame, at every leaf's own rate."""
    engine = make_engine("builtin", CAP, "stream.packet_tokens=4")
    seen: list[tuple[str, int, int]] = []

    def keep(path: str) -> object:
        def hook(module: nn.Module, args: object, output: Tensor) -> None:
            assert len(output) % 4 == 0
            for frame, part in enumerate(output.chunk(4)):
                seen.append((path, frame, fingerprint(part.numpy())))

        return hook

    leaves = [(f"decoder.{path}", m) for path, m in engine.decoder.named_modules() if isinstance(m, LEAF_TYPES)]
    leaves = [(p, m) for p, m in leaves if not p.endswith(".conv")]
    handles = [module.register_forward_hook(keep(path)) for path, module in leaves]  # type: ignore[arg-type]
    # Recorded, as else a draw may embed its id itself.
    traced(engine, "codes")
    for handle in handles:
        handle.remove()
    found = [
        (p, f, v)
        for p, _, f, _, is_input, v in rows(traced(engine, "modules").decode)
        if p in dict(leaves) and not is_input
    ]
    assert sorted(found) == sorted(seen) and len(seen) == 4 * len(leaves)


def test_interleaved_streams_do_not_mix(engine: LocalEngine) -> None:
    """Two recorded streams and one that is not, packet by packet on one engine: each trace is as alone."""
    other = Request("Seven boats in the harbour.", Voice("v", "ryan"))
    alone = traced(engine, "modules")
    streams = [engine.stream_with(*probed(engine, r, "modules")) for r in (REQUEST, other)]
    streams.append(engine.stream(other))
    events: list[list[object]] = [[], [], []]
    live = list(range(3))
    while live:
        for index in list(live):
            event = next(streams[index], None)
            if event is None:
                live.remove(index)
            else:
                events[index].append(event)
    end = events[0][-1]
    assert isinstance(end, End) and end.trace is not None
    assert list(rows(end.trace.codegen)) == list(rows(alone.codegen))
    assert list(rows(end.trace.decode)) == list(rows(alone.decode))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("point", "frame", "codebook"),
    [
        ("talker.model.layers.1.mlp.up_proj", 2, 0),
        ("talker.code_predictor.model.layers.0.self_attn.k_proj", 1, 4),
        ("predictor.logits", 3, 15),
        ("talker.hidden", 0, 0),
        ("decoder.decoder.1.block.2.conv2", 2, 0),
        ("codec.transformer", 1, 0),
        ("decoder.quantizer.rvq_rest.output_proj", 3, 0),
    ],
)
def test_a_changed_value_changes_its_print_and_only_what_comes_after(
    engine: LocalEngine, point: str, frame: int, codebook: int
) -> None:
    site = Site(point, frame, codebook)
    clean = traced(engine, "modules")
    faulty = LocalForensics(engine, {site: lambda value: value * 1.0001}).record(REQUEST, "modules").trace
    assert faulty is not None
    in_codec = point.startswith(("codec.", "decoder."))
    side = "decode" if in_codec else "codegen"
    pairs = list(zip(rows(getattr(clean, side)), rows(getattr(faulty, side)), strict=False))
    first = next(index for index, (a, b) in enumerate(pairs) if a != b)
    assert pairs[first][0][:5] == pairs[first][1][:5]
    found = pairs[first][0]
    assert (found[0], found[2], found[3], found[4]) == (point, frame, codebook, False)
    if in_codec:
        assert list(rows(clean.codegen)) == list(rows(faulty.codegen))


def test_the_race_is_multinomials() -> None:
    """The same ids from the same generator, over many draws; and another generator gives others."""
    logits = torch.randn(300, 50, generator=torch.Generator().manual_seed(5)) * 3
    ours, theirs, other = (torch.Generator().manual_seed(seed) for seed in (9, 9, 10))
    nothing, noise = torch.zeros(1, dtype=torch.int64), PackageNoise(ours)
    noises = (next(noise.groups(nothing, nothing, nothing, 50)) for _ in range(300))
    raced = [int(race(row.softmax(-1)[None], drawn).argmax()) for row, drawn in zip(logits, noises, strict=True)]
    drawn = [int(torch.multinomial(row.softmax(-1), 1, generator=theirs)) for row in logits]
    assert raced == drawn
    assert raced != [int(torch.multinomial(row.softmax(-1), 1, generator=other)) for row in logits]


def lowered(by: Tensor) -> Callable[[Tensor], Tensor]:
    """The edit of a value that takes ``by`` off it."""
    return lambda value: value - by


@pytest.mark.slow
def test_the_gap_of_a_sampled_draw_is_what_would_turn_it() -> None:
    """Lowered by a little less than its gap the winner stays; a little more, under the same noise, and it does not."""
    engine = make_engine("builtin", CAP, "sampling.policy=seeded", "sampling.predictor_top_k=0")
    draws = traced(engine, "codes").draws
    chosen = np.flatnonzero((draws.codebook > 0) & (draws.frame < 2) & np.isfinite(draws.gap))[:2]
    for index in chosen:
        winner, rival = (int(i) for i in draws.best[index])
        for factor, wanted in ((0.98, winner), (1.02, rival)):
            lower = torch.zeros(128)
            lower[winner] = float(draws.gap[index]) * factor
            site = Site("predictor.logits", int(draws.frame[index]), int(draws.codebook[index]))
            altered = LocalForensics(engine, {site: lowered(lower)}).record(REQUEST, "codes")
            assert int(altered.require_codes()[draws.frame[index], draws.codebook[index]]) == wanted


@pytest.mark.slow
def test_greedy_talker_with_a_sampling_predictor() -> None:
    sets = ("sampling.predictor_policy=seeded", "sampling.seed=7")
    mixed = make_engine("builtin", CAP, *sets)
    codes, _, end = run(mixed)
    again, _, _ = run(mixed)
    assert end.seed == 7 and np.array_equal(codes, again)
    assert not np.array_equal(codes, run(make_engine("builtin", CAP))[0])
    assert not np.array_equal(codes, run(make_engine("builtin", CAP, *sets, "sampling.seed=8"))[0])
    assert mixed.plan.predictor.draw and not mixed.plan.talker.draw
    greedy_predictor = make_engine("builtin", CAP, "sampling.policy=seeded", "sampling.predictor_policy=greedy")
    assert greedy_predictor.plan.talker.draw and not greedy_predictor.plan.predictor.draw
