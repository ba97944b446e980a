"""A decoder that was not primed with a cloned voice's reference, or for the first packet alone, told from the audio."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.ablate.ablate_helpers import PACKET, evidence, packets, residual, sides, source
from tests.ablate.test_decode_ablate import decode_ablate, words
from tests.engine_help import ORACLE, make_engine
from ttsctl.ablate.explanation import Explanation, explain_difference
from ttsctl.ablate.findings import Side
from ttsctl.ablate.run import ablate_codes
from ttsctl.ablate.variants import DEFAULTS, OF_REFERENCE, plan_variants
from ttsctl.core.errors import InputError
from ttsctl.core.voice_prompt import VoicePrompt
from ttsctl.engine.voice.prompt_file import write_voice

CHECKPOINT = ORACLE / "base_clone"
EXPECTED = CHECKPOINT / "expected"
REFERENCE = EXPECTED / "ref_en_codes.npy"
NAMES = ("reference_not_primed", "reference_first_packet_only", "first_packet_alone")
NOT_PRIMED = "decoder not primed with the reference: differs from the first sample, decays over "
FIRST_ONLY = "reference given to the first packet only: every later packet differs"
RANDOM = np.random.default_rng(3).integers(0, 64, (40, 16))


@pytest.fixture(scope="module")
def decoded() -> Any:
    """(codes, mode, reference) -> how the engine decodes them; a context is said as ``windowed 25``."""
    engine = make_engine("base_clone", "determinism.single_thread=true")
    known = {"case00": np.load(EXPECTED / "case00_codes.npy"), "case03": np.load(EXPECTED / "case03_codes.npy")}
    known["random"] = RANDOM
    before, kept = np.load(REFERENCE), {}

    def decode(name: str, mode: str, how: str, packet: int = 4) -> Side:
        key = (name, mode, how, packet)
        if key not in kept:
            kind, _, context = mode.partition(" ")
            config = replace(
                engine.config,
                decoder=replace(engine.config.decoder, mode=kind, reference=how),  # type: ignore[arg-type]
                stream=replace(engine.config.stream, packet_tokens=packet, left_context=int(context or 25)),
            )
            run = engine.decode(known[name], config, before)
            sizes = tuple(p.samples for p in run.packets if p.samples)
            kept[key] = Side(how, run.require_pcm(), sizes, name)
        return kept[key]

    return decode


def explained(a: Side, b: Side) -> Explanation:
    return explain_difference(a, b, residual(a, b), cloned=True)


def names(found: Explanation) -> set[str]:
    return set(NAMES) & set(found.names)


@pytest.mark.parametrize("mode", ["incremental", "cached", "windowed 72", "windowed 25"])
@pytest.mark.parametrize("codes", [*(pytest.param(c, marks=pytest.mark.slow) for c in ("case00", "case03")), "random"])
@pytest.mark.parametrize("against", ["oneshot", pytest.param("same mode", marks=pytest.mark.slow)])
def test_both_faults_are_named_from_the_audio(decoded: Any, codes: str, mode: str, against: str) -> None:
    whole = decoded(codes, "oneshot" if against == "oneshot" else mode, "always")
    none, first = (explained(whole, decoded(codes, mode, how)) for how in ("none", "first"))
    assert none.names == ("reference_not_primed",) and none.words.startswith(NOT_PRIMED)
    assert first.names == ("reference_first_packet_only",) and first.words.startswith(FIRST_ONLY)
    assert evidence(first, "reference_first_packet_only")["packets_that_differ"] >= 3


@pytest.mark.parametrize("packet", [pytest.param(1, marks=pytest.mark.slow), 3, 6])
def test_packets_of_any_size(decoded: Any, packet: int) -> None:
    whole = decoded("random", "oneshot", "always")
    for how, wanted in (("none", "reference_not_primed"), ("first", "reference_first_packet_only")):
        assert explained(whole, decoded("random", "incremental", how, packet)).names == (wanted,)


@pytest.mark.parametrize("mode", ["incremental", pytest.param("cached", marks=pytest.mark.slow), "windowed 72"])
def test_a_decoder_that_has_the_reference_is_not_blamed(decoded: Any, mode: str) -> None:
    """Control: other modes and packets, all primed."""
    for packet in (3, 7):
        found = explained(decoded("random", "oneshot", "always"), decoded("random", mode, "always", packet))
        assert found.names[0] in ("same_bytes", "rounding_only")


@pytest.mark.parametrize("mode", ["windowed 0", "windowed 8", "windowed 12"])
def test_a_short_context_is_not_taken_for_a_missing_reference(decoded: Any, mode: str) -> None:
    """Control: it begins anew at every seam. Here the first packet has a past too, the reference."""
    found = explained(decoded("random", "oneshot", "always"), decoded("random", mode, "always"))
    assert found.names == ("left_context_too_short",) and "whose past is the reference" in found.words
    found = explained(decoded("random", "oneshot", "none"), decoded("random", mode, "none"))
    assert found.names == ("left_context_too_short",) and "whose past" not in found.words


def test_one_that_forgets_against_one_that_never_had_it(decoded: Any) -> None:
    found = explained(decoded("random", "incremental", "first"), decoded("random", "incremental", "none"))
    assert found.names == ("first_packet_alone",)


def test_without_a_reference_no_reference_is_missed(decoded: Any) -> None:
    a, b = decoded("random", "oneshot", "always"), decoded("random", "incremental", "none")
    found = explain_difference(a, b, residual(a, b))
    assert not names(found) and not any(finding.name in NAMES for finding in found.findings)


def faults(a: np.ndarray) -> dict[str, list[np.ndarray]]:
    """Other differences than a missing reference, on the packets of ``a``."""
    rng = np.random.default_rng(8)
    noise = 0.03 * rng.standard_normal(len(a)).astype(np.float32)
    sizes = np.exp(-np.arange(PACKET) / 800.0)
    burst = 0.1 * sizes * rng.standard_normal(PACKET)
    late = noise * (np.arange(len(a)) >= PACKET)
    middle = noise * (abs(np.arange(len(a)) - 4 * PACKET) < PACKET)
    loud = noise * 30 * np.abs(a)
    return {
        "equal": packets(a),
        "noise everywhere": packets(a + noise),
        "noise from the second packet on": packets(a + late),
        "noise in the middle": packets(a + middle),
        "noise as loud as the audio": packets(a + loud),
        "a burst at every seam": [p + burst for p in packets(a)],
        "a burst at every later seam": [p + (burst if n else 0) for n, p in enumerate(packets(a))],
        "a gain that falls": packets(a * np.float32(1.1)),
        "samples lost at the first seam": [packets(a)[0], packets(a)[1][100:], *packets(a)[2:]],
        "growing noise": packets(a + noise * np.linspace(0.1, 1, len(a))),
        "one sample": packets(np.where(np.arange(len(a)) == 3, a + 0.2, a)),
    }


@pytest.mark.parametrize("kind", ["speech", "noise"])
def test_no_other_difference_is_named_as_one_of_these(kind: str) -> None:
    a = source(kind)
    for name, pieces in faults(a).items():
        assert not names(explained(*sides(a, pieces))), name


@pytest.mark.parametrize("kind", ["speech", "noise"])
def test_a_planted_decay_is_named(kind: str) -> None:
    """On speech too, where quiet frames stand between loud ones."""
    a = source(kind)
    rng = np.random.default_rng(9)
    for start, wanted in ((0, "reference_not_primed"), (PACKET, "reference_first_packet_only")):
        fading = np.where(np.arange(len(a)) >= start, np.exp(-(np.arange(len(a)) - start) / 15_000), 0)
        found = explained(*sides(a, packets(a + 0.1 * fading * rng.standard_normal(len(a)))))
        assert names(found) == {wanted}, found.words


def test_other_codes_are_not_a_missing_reference(decoded: Any) -> None:
    a, b = decoded("case00", "oneshot", "always"), decoded("random", "incremental", "always")
    assert "different_codes" in explained(a, b).names and not names(explained(a, b))


def test_the_variants_of_a_reference_are_there_with_one() -> None:
    with_it, without = (list(plan_variants([], [], [], cloned=cloned).variants) for cloned in (True, False))
    assert without == [text.split(":")[0] for text in DEFAULTS]
    assert with_it == [*without, *(text.split(":")[0] for text in OF_REFERENCE)]


BASE = [f"engine.checkpoint={CHECKPOINT}", "engine.device=cpu", "determinism.single_thread=true"]
ONLY = ["A_oneshot", "E_incremental", "F_reference_always", "G_reference_first", "H_reference_none"]


def test_a_voice_file_gives_the_codes_of_its_reference(tmp_path: Path) -> None:
    np.save(tmp_path / "codes.npy", RANDOM[:12])
    codes, vector = np.load(REFERENCE), np.load(EXPECTED / "ref_en_xvector.npy").astype(np.float32)
    voice, bare = tmp_path / "voice.safetensors", tmp_path / "bare.safetensors"
    write_voice(voice, VoicePrompt(codes, vector, "a", "0" * 64), {})
    write_voice(bare, VoicePrompt(None, vector, None, "0" * 64), {})
    only = ["E_incremental", "F_reference_always"]
    found = [ablate_codes(tmp_path / "codes.npy", BASE, [], only, None, path) for path in (voice, REFERENCE)]
    assert found[0].reference is not None and found[1].reference is not None
    assert found[0].reference.sha256 == found[1].reference.sha256
    pcm = [[v.decode.require_pcm() for v in one.variants] for one in found]
    assert all(np.array_equal(pcm[0][0], other) for pair in pcm for other in pair)
    for path, says in ((bare, "an x-vector alone"), (tmp_path / "none.safetensors", "No such file")):
        with pytest.raises(InputError, match=says):
            ablate_codes(tmp_path / "codes.npy", BASE, [], only, None, path)
    np.save(tmp_path / "wrong.npy", codes[:, :4])
    with pytest.raises(InputError, match="4"):
        ablate_codes(tmp_path / "codes.npy", BASE, [], only, None, tmp_path / "wrong.npy")


@pytest.mark.slow
def test_as_a_user_runs_it(tmp_path: Path) -> None:
    chosen = [part for name in ONLY for part in ("--only", name)]
    codes = EXPECTED / "case00_codes.npy"
    done = decode_ablate(tmp_path, codes, "--ref-codes", REFERENCE, *chosen, "--json", checkpoint=CHECKPOINT)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["ref_frames"] == len(np.load(REFERENCE)) and summary["ref_codes"] == str(REFERENCE)
    assert [row["settings"]["decoder.reference"] for row in summary["variants"]][-3:] == ["always", "first", "none"]
    assert words(summary, "A_oneshot", "G_reference_first").startswith(FIRST_ONLY)
    assert words(summary, "A_oneshot", "H_reference_none").startswith(NOT_PRIMED)
    assert words(summary, "E_incremental", "F_reference_always").startswith("same bytes")
