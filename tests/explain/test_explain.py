"""Faults planted at every stage, sampled frames and codebooks are named exactly, and clean pairs blame nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.explain.fake_forensic import BOOKS, REQUEST, FakeForensicEngine, Fault
from ttsctl.core.errors import InputError
from ttsctl.core.run import Run
from ttsctl.core.trace import TraceLevel
from ttsctl.explain.alignment import select_rows
from ttsctl.explain.compare_traces import Side, TraceComparison, compare_traces

FRAMES = 9


def run(level: TraceLevel = "modules", **settings: Any) -> Side:
    made: Run = FakeForensicEngine(frames=FRAMES, **settings).record(REQUEST, level)
    return Side("B" if settings else "A", made.require_codes(), made.trace)


@pytest.fixture(scope="module")
def clean() -> Side:
    return run()


def talker_points(root: str = "talker.model") -> list[str]:
    own = [f"{root}.layers.{layer}" for layer in (0, 1)]
    inner = [
        "input_layernorm",
        *(f"self_attn.{name}_proj" for name in "qkvo"),
        "post_attention_layernorm",
        *(f"mlp.{name}_proj" for name in ("gate", "up", "down")),
    ]
    return [f"{layer}.{part}" for layer in own for part in inner] + [f"{root}.norm"]


PLANTED = [
    *[("prompt", point, 0, 0) for point in ("talker.model.text_embedding", "prompt")],
    ("text", "text", 0, 0),
    *[("talker", point, frame, 0) for point in talker_points() for frame in (1, 5, 8)],
    *[("talker", p, f, 0) for p in ("talker.hidden", "talker.codec_head", "talker.logits") for f in (0, 4, 8)],
    *[("talker", p, f, 0) for p in ("talker.input", "talker.embed.2") for f in (1, 6)],
    *[
        ("predictor", point, frame, book)
        for point in talker_points("talker.code_predictor.model")
        for frame, book in ((0, 1), (4, 2), (8, 3))
    ],
    *[("predictor", "predictor.logits", frame, book) for frame in (0, 8) for book in (1, 3)],
    *[("predictor", f"talker.code_predictor.lm_head.{book - 1}", 5, book) for book in (1, 2, 3)],
    *[("draw", "draw", frame, book) for frame in (0, 3, 8) for book in range(BOOKS)],
    *[
        ("codec", point, frame, 0)
        for point in ("decoder.quantizer", "decoder.pre_transformer.layers.0.mlp.down_proj", "decoder.decoder.0")
        for frame in (0, 3, 4, 8)
    ],
    *[("codec", f"codec.{p}", f, 0) for p in ("embed", "transformer", "wave.0", "pcm") for f in (2, 7)],
    *[("packetiser", "packetiser", frame, 0) for frame in (0, 3, 8)],
]


def blamed(found: TraceComparison) -> tuple[str, str, int, int]:
    first = found.first
    assert first is not None
    return first.stage, first.point, first.frame, first.codebook or 0


@pytest.mark.parametrize("planted", PLANTED, ids=lambda p: f"{p[1]}-{p[2]}-{p[3]}")
def test_a_planted_fault_is_named(clean: Side, planted: tuple[str, str, int, int]) -> None:
    _, point, frame, book = planted
    found = compare_traces(clean, run(faults=[Fault(point, frame, book, 1.0 if point in ("text", "draw") else 0.25)]))
    assert blamed(found) == planted
    assert found.first is not None
    assert found.first.inputs_equal is True and found.first.reason is None
    assert "it is the culprit" in found.first.line


@pytest.mark.parametrize(
    ("operation", "before", "after", "parent", "stage", "book"),
    [
        ("talker.model.layers.1.self_attn.attention", "v_proj", "o_proj", "layers.1.self_attn", "talker", 0),
        ("talker.model.layers.0.residual", "o_proj", "post_attention_layernorm", "layers.0", "talker", 0),
        ("talker.code_predictor.model.layers.0.residual", "o_proj", "post_attention", "layers.0", "predictor", 2),
    ],
)
def test_an_operation_without_a_module_is_named_by_its_neighbours(
    clean: Side, operation: str, before: str, after: str, parent: str, stage: str, book: int
) -> None:
    first = compare_traces(clean, run(faults=[Fault(operation, 4, book)])).first
    assert first is not None
    assert (first.stage, first.frame, first.codebook, first.is_input) == (stage, 4, book, True)
    between, _, inside = first.culprit.partition(" in ")
    assert before in between.split(" and ")[0] and after in between.split(" and ")[1]
    assert inside.startswith(operation.split("layers")[0] + parent) and "layers" not in between


def test_the_line_reads_as_one_answer(clean: Side) -> None:
    module = "talker.code_predictor.model.layers.1.mlp.down_proj"
    first = compare_traces(clean, run(faults=[Fault(module, 5, 3)])).first
    assert first is not None
    expected = f"predictor step 3, frame 5, codebook 3: {module}; its inputs were equal: it is the culprit"
    assert first.line == expected


@pytest.mark.parametrize("settings", [{}, {"packet": 3}, {"packet": 1}, {"packet": 50}])
@pytest.mark.parametrize("level", ["codes", "stages", "modules"])
def test_clean_pairs_blame_nothing(level: TraceLevel, settings: dict[str, Any]) -> None:
    a, b = run(level), run(level, **settings)
    found = compare_traces(a, b)
    assert found.first is None and found.codes_equal and found.drawn is None
    assert found.values_unequal == 0 and found.largest_gap_change == 0.0
    assert (found.values_compared > 0) == (level != "codes")


@pytest.mark.parametrize("frame", [0, 3, 6])
@pytest.mark.parametrize("packet", [1, 3, 7])
def test_other_packets_name_the_same_culprit(clean: Side, frame: int, packet: int) -> None:
    found = compare_traces(clean, run(packet=packet, faults=[Fault("decoder.decoder.0", frame)]))
    assert blamed(found) == ("codec", "decoder.decoder.0", frame, 0)
    assert found.codegen is None and found.first is not None and found.first.label == "codec wave.0"


def test_levels_that_differ_are_compared_at_the_lower(clean: Side) -> None:
    fault = Fault("talker.model.layers.1.mlp.up_proj", 4, 0)
    found = compare_traces(clean, run("stages", faults=[fault]))
    assert found.level == "stages" and found.notes == (
        "A was recorded at level modules, B at stages: compared at stages",
    )
    assert blamed(found) == ("talker", "talker.hidden", 4, 0)
    assert found.first is not None and "culprit is inside" in found.first.culprit


def test_at_level_codes_the_first_draw_with_other_logits_is_told_and_nothing_claimed(clean: Side) -> None:
    fault = Fault("talker.code_predictor.model.layers.1.mlp.up_proj", 4, 2)
    found = compare_traces(clean, run("codes", faults=[fault]))
    assert blamed(found) == ("predictor", "predictor.logits", 4, 2)
    assert found.first is not None and found.first.inputs_equal is None and "level 'codes'" in str(found.first.reason)


def test_without_traces_the_first_other_id_is_told(clean: Side) -> None:
    other = clean.codes.copy()
    other[3, 2] += 1
    found = compare_traces(replace(clean, trace=None), Side("B", other, None))
    assert found.level == "none" and blamed(found) == ("draw", "draw", 3, 2)
    assert found.first is not None and found.first.inputs_equal is None
    assert found.draw is None and found.largest_gap_change is None and found.gap_reason


def test_both_sides_of_the_draw_are_told(clean: Side) -> None:
    found = compare_traces(clean, run(faults=[Fault("talker.codec_head", 2, 0, 30.0)]))
    assert found.drawn == (2, 0) and found.draw is not None
    a, b = found.draw.a, found.draw.b
    assert a is not None and b is not None
    assert a.id == clean.codes[2, 0] == a.best[0] and b.id == b.best[0] == 0 != a.id
    assert a.gap == pytest.approx(a.logits[0] - a.logits[1])  # type: ignore[operator]


def test_the_end_token_is_a_draw_too(clean: Side) -> None:
    found = compare_traces(clean, run(faults=[Fault("draw", 6, 0, 12.0 - int(clean.codes[6, 0]))]))
    assert found.drawn == (6, 0) and blamed(found) == ("draw", "draw", 6, 0)
    assert not found.codes_equal and found.first is not None and found.first.label == "group-0 draw"


def test_a_run_that_was_cut_is_told_as_such(clean: Side) -> None:
    found = compare_traces(clean, run(cap=5))
    assert blamed(found)[:3] == ("draw", "draw", 5)
    assert found.first is not None and found.first.culprit == "B was cut there (sampling.max_new_tokens), A goes on"
    swapped = compare_traces(run(cap=5), clean).first
    assert swapped is not None and swapped.culprit.startswith("A was cut there")


def test_other_processing_and_other_noise_are_told_apart(clean: Side) -> None:
    warm = compare_traces(clean, run(temperature=1.5)).first
    assert warm is not None and (warm.stage, warm.frame, warm.codebook) == ("draw", 0, 0)
    assert "processing" in warm.culprit
    one, two = run(sampling_seed=1), run(sampling_seed=2)
    noise = compare_traces(one, two).first
    assert noise is not None and (noise.stage, noise.frame, noise.codebook) == ("draw", 0, 0)
    assert "noise" in noise.culprit
    assert compare_traces(one, run(sampling_seed=1)).first is None


def test_one_run_that_samples_and_one_that_does_not_are_told(clean: Side) -> None:
    first = compare_traces(clean, run(sampling_seed=1)).first
    assert first is not None and "only one of the runs drew with noise" in first.culprit


def test_another_temperature_is_not_put_down_to_the_generator(clean: Side) -> None:
    """Logits as recorded are those before the temperature: with it, only the noise differs."""
    one = run(sampling_seed=1)
    assert one.trace is not None
    warm = replace(one.trace, draws=replace(one.trace.draws, gap=one.trace.draws.gap * np.float32(1.5)))
    first = compare_traces(one, replace(one, trace=warm)).first
    assert first is not None and "or temperature" in first.culprit


def test_at_level_codes_other_noise_is_not_called_other_logits() -> None:
    """Where noise has put other ids on top, nothing is known of their logits in the other run."""
    one = run("codes", sampling_seed=1)
    assert one.trace is not None
    draws = one.trace.draws
    best, gap = draws.best.copy(), draws.gap.copy()
    best[5], gap[5] = [i for i in range(4) if i not in best[5]][:2], gap[5] + 1
    first = compare_traces(one, replace(one, trace=replace(one.trace, draws=replace(draws, best=best, gap=gap)))).first
    assert first is not None and (first.stage, first.frame, first.codebook) == ("draw", *divmod(5, BOOKS))
    assert first.inputs_equal is None and "by logits or by noise" in first.culprit


def test_a_drift_of_decoding_is_told_beside_one_of_the_codes(clean: Side) -> None:
    early, late = Fault("decoder.decoder.0", 2), Fault("draw", 6, 1, 1.0)
    found = compare_traces(clean, run(faults=[early, late]))
    assert found.codegen is not None and found.codegen.frame == 6
    assert found.decode is not None and (found.decode.point, found.decode.frame) == ("decoder.decoder.0", 2)
    # From frame 6 on the codes differ, so the audio must: that is no finding.
    only_codes = compare_traces(clean, run(faults=[late]))
    assert only_codes.decode is None


def test_a_path_that_only_one_run_takes_is_not_called_equal_inputs(clean: Side) -> None:
    assert clean.trace is not None
    skipped = Fault("decoder.pre_transformer.layers.0.mlp.down_proj", 3)
    other = run(faults=[skipped])
    assert other.trace is not None
    decode = other.trace.decode
    gone = np.array([not name.startswith(("decoder.pre", "codec.trans")) for name in decode.points])[decode.point]
    columns = {n: getattr(decode, n)[gone] for n in ("point", "stage", "frame", "codebook", "is_input", "value")}
    found = compare_traces(clean, replace(other, trace=replace(other.trace, decode=replace(decode, **columns))))
    assert found.first is not None and found.first.inputs_equal is None
    assert "only one of the runs computed" in str(found.first.reason)


@pytest.mark.parametrize("swapped", [False, True])
def test_a_frame_that_only_one_run_delivers_is_a_difference(clean: Side, swapped: bool) -> None:
    assert clean.trace is not None
    decode = clean.trace.decode
    last = (decode.frame == FRAMES - 1) & (decode.point == decode.points.index("packetiser"))
    short = replace(clean, trace=replace(clean.trace, decode=select_rows(decode, ~last)))
    found = compare_traces(*((short, clean) if swapped else (clean, short)))
    assert blamed(found) == ("packetiser", "packetiser", FRAMES - 1, 0)
    assert found.first is not None and f"only {'B' if swapped else 'A'} has this value" in found.first.culprit


def test_an_input_that_only_one_run_prints_is_no_difference(clean: Side) -> None:
    assert clean.trace is not None
    prints = clean.trace.codegen
    inputs = np.flatnonzero(prints.is_input)[::7]
    fewer = select_rows(prints, ~np.isin(np.arange(len(prints.value)), inputs))
    found = compare_traces(clean, replace(clean, trace=replace(clean.trace, codegen=fewer)))
    assert found.first is None and len(inputs) > 5


def test_a_trace_of_other_codes_is_refused(clean: Side) -> None:
    other = clean.codes.copy()
    other[0, 0] += 1
    with pytest.raises(InputError, match="its trace is of other codes: at frame 0, codebook 0"):
        compare_traces(replace(clean, codes=other), clean)
    assert clean.trace is not None
    for draws, says in (
        (run(cap=5).trace.draws, "16 draws for|21 draws for"),  # type: ignore[union-attr]
        (replace(clean.trace.draws, frame=clean.trace.draws.frame - 1), "out of order"),
    ):
        with pytest.raises(InputError, match=says):
            compare_traces(replace(clean, trace=replace(clean.trace, draws=draws)), clean)
    longer = replace(clean, codes=clean.codes[:5])
    with pytest.raises(InputError, match="its trace is of other codes: 37 draws for 20 ids"):
        compare_traces(longer, clean)
    with pytest.raises(InputError, match="codebooks"):
        compare_traces(clean, Side("B", clean.codes[:, :2], None))
