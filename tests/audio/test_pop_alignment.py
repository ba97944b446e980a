"""Pops of two recordings aligned, the result as JSON, labels and a picture, and what it loads."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from tests.audio.audio_helpers import RATE, loud_places, speech, white
from ttsctl.audio.bench import bench_pops, speech_like, without_packet_ends
from ttsctl.audio.pop_alignment import PopAlignment, PopSearch, compare_pops, label_text, search_pops
from ttsctl.audio.pops import fit_classifier
from ttsctl.audio.pops.classifier import CLASSES
from ttsctl.audio.sound import sound_of
from ttsctl.audio.wav import resample_audio, write_wav
from ttsctl.core.audio import Audio
from ttsctl.core.errors import CannotJudge
from ttsctl.core.files import write_json
from ttsctl.core.machine import collect_provenance
from ttsctl.report.pictures import draw_pops, envelope
from ttsctl.report.pop_align import PopAlignOptions, judge_pops, run_pop_align, summarise


def popped(seconds: float = 15.0, seed: int = 1, count: int = 10) -> Audio:
    sound = speech(seconds, seed)
    for n in loud_places(sound, count):
        sound[n : n + 2] += np.array([0.4, -0.25], dtype=np.float32)
    return Audio(sound, RATE)


def lossy(audio: Audio) -> Audio:
    return Audio(without_packet_ends(audio.pcm), audio.sample_rate)


def searched(audio: Audio, name: str = "a.wav") -> PopSearch:
    return search_pops(sound_of(audio.pcm, audio.sample_rate, audio.notes, name))


def aligned(a: Audio, b: Audio) -> PopAlignment:
    alignment = compare_pops(searched(a), searched(b)).alignment
    assert alignment is not None
    return alignment


def test_lost_samples_hide_pops_until_the_lag_is_corrected() -> None:
    a = popped()
    result = compare_pops(searched(a), searched(lossy(a)))
    alignment = result.alignment
    assert alignment is not None
    assert alignment.alignable
    assert alignment.a_to_b is not None and alignment.a_to_b < 0.4
    assert alignment.corrected_a_to_b is not None and alignment.corrected_a_to_b >= 0.9
    assert alignment.chance is not None and alignment.chance < 0.2
    assert {jump.samples for jump in alignment.lag_jumps} == {-555}
    assert [jump.time_s for jump in alignment.lag_jumps[:2]] == [7125 / RATE, 14_805 / RATE]
    assert [jump.time_b_s for jump in alignment.lag_jumps[:2]] == [7125 / RATE, 14_250 / RATE]
    planted = {round(t, 3) for t in result.a.pops_s}
    assert len(alignment.matches) >= 9
    assert all(round(t, 3) in planted for t, _ in alignment.matches)


def test_the_same_audio_aligns_fully() -> None:
    a = popped()
    alignment = aligned(a, a)
    assert alignment.a_to_b == alignment.b_to_a == alignment.corrected_a_to_b == 1.0
    assert alignment.lag_jumps == ()
    assert alignment.reason is None


def test_unrelated_audio_is_not_alignable_and_says_so() -> None:
    alignment = aligned(popped(seed=1), popped(seed=50))
    assert not alignment.alignable
    assert alignment.coverage < 0.2
    assert alignment.reason is not None and alignment.reason.startswith("not alignable: ")
    assert alignment.corrected_a_to_b is alignment.corrected_b_to_a is alignment.initial_lag is None
    assert (alignment.lag_jumps, alignment.matches) == ((), ())
    assert alignment.a_to_b is not None


def test_no_pops_have_no_rate_but_a_reason() -> None:
    clean = Audio(speech(6.0), RATE)
    alignment = aligned(clean, clean)
    assert alignment.alignable
    assert alignment.a_to_b is alignment.corrected_b_to_a is None
    assert alignment.reason == "no pops in A and B"


def test_another_rate_is_resampled_with_a_note() -> None:
    a = popped()
    b = resample_audio(a, 48_000)
    alignment = aligned(a, b)
    assert alignment.alignable
    assert alignment.lag_jumps == ()
    assert alignment.notes[-1] == "B resampled from 48000 to 24000 Hz"
    assert alignment.corrected_b_to_a == 1.0


def test_the_result_has_the_promised_fields_and_is_json() -> None:
    a = popped(8.0)
    found = compare_pops(searched(a), searched(lossy(a)))
    result = json.loads(json.dumps(asdict(found), allow_nan=False))
    assert set(result) == {"a", "b", "alignment"}
    fields = {"path", "sample_rate", "duration_s", "pop_click_score", "pops_s", "pops", "spikes_s"}
    assert fields <= set(result["a"]) & set(result["b"])
    assert {"tolerance_ms", "a_to_b", "b_to_a", "chance", "corrected_a_to_b", "corrected_b_to_a", "lag_jumps"} <= set(
        result["alignment"]
    )
    assert result["a"]["pops_s"] == [pop["time_s"] for pop in result["a"]["pops"]]
    assert set(result["a"]["pops"][0]) == {"time_s", "sample", "kind", "strength_db", "confidence", "channels"}
    alone = compare_pops(searched(a))
    assert alone.b is None and alone.alignment is None


def test_a_summary_refuses_a_figure_that_is_no_number() -> None:
    """The dataclasses in a summary are checked as its models are."""
    found = compare_pops(searched(popped(4.0, count=3)))
    assert summarise(found, judge_pops(found, None, None), collect_provenance()).a == found.a
    pop = replace(found.a.pops[0], strength_db=math.nan)
    with pytest.raises(ValidationError, match="finite"):
        summarise(replace(found, a=replace(found.a, pops=(pop,))), judge_pops(found, None, None), collect_provenance())


def test_labels_are_tab_separated_lines() -> None:
    recording = searched(popped()).recording
    pops = recording.pops
    lines = label_text(recording).splitlines()
    assert len(lines) == len(pops) > 0
    for line, pop in zip(lines, pops, strict=True):
        start, end, label = line.split("\t")
        assert float(start) == float(end) == pop.time_s
        assert label.startswith(pop.kind or "unclear")
    assert label_text(replace(recording, pops=())) == ""


@pytest.mark.slow
@pytest.mark.parametrize("other", ["none", "lossy", "unrelated"])
def test_the_picture_is_a_png(tmp_path: Path, other: str) -> None:
    a = popped(4.0, count=3)
    b = {"none": None, "lossy": lossy(a), "unrelated": Audio(white(50_000), RATE)}[other]
    side_a, side_b = searched(a), searched(b) if b else None
    outline_b = side_b.overview.outline if side_b else None
    draw_pops(tmp_path / "a.png", compare_pops(side_a, side_b), side_a.overview.outline, outline_b)
    head = (tmp_path / "a.png").read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    rows = {"none": 1, "lossy": 3, "unrelated": 2}[other]
    assert int.from_bytes(head[20:24], "big") == pytest.approx(100 * (2.2 * rows + 0.5), abs=2)


@pytest.mark.parametrize("samples", [1, 7, 2000, 5003])
def test_the_envelope_holds_every_sample(samples: int) -> None:
    sound = white(samples)
    low, high = envelope(sound, 100)
    assert len(low) == len(high) == min(samples, 100)
    assert (low.min(), high.max()) == (sound.min(), sound.max())
    assert (low <= high).all()


def test_the_bench_times_and_counts() -> None:
    result = bench_pops(seconds=2.0, align_seconds=8.0)
    assert result.detector.x_realtime > 0
    assert result.alignment.jumps_expected == 8 * RATE // 7680
    assert abs(result.alignment.jumps_of_expected_size - result.alignment.jumps_expected) <= 1
    json.dumps(asdict(result), allow_nan=False)
    assert np.array_equal(speech_like(1.0, 3), speech_like(1.0, 3))
    assert not np.array_equal(speech_like(1.0, 3), speech_like(1.0, 4))


@pytest.mark.slow
def test_weights_are_fitted_from_a_labelled_folder(tmp_path: Path) -> None:
    audio = popped(20.0, seed=9, count=20)
    places = loud_places(speech(20.0, 9), 20)
    write_wav(tmp_path / "one.wav", audio.pcm, RATE)
    events = [["impulse", n / RATE, (n + 1) / RATE, 12.0, 0] for n in places]
    write_json(tmp_path / "cases.json", {"cases": [{"name": "one", "events": events}]})
    rows, classes = fit_classifier.labelled_rows(tmp_path)
    assert len(rows) == len(classes)
    assert np.sum(classes == CLASSES.index("impulse")) >= 18
    assert np.sum(classes == 0) > 20
    written = json.loads(fit_classifier.fit_weights_file([str(tmp_path)]))
    assert [len(layers[-1]["biases"]) for layers in written["networks"]] == [len(CLASSES)] * fit_classifier.NETWORKS
    assert len(written["centre"]) == len(written["scale"]) == rows.shape[1]


def test_nothing_here_loads_torch_or_a_plotter() -> None:
    code = (
        "import sys, ttsctl.audio.pop_alignment, ttsctl.report.pictures, ttsctl.audio.bench;"
        "import ttsctl.audio.pops.fit_classifier;"
        "sys.exit(bool({'torch', 'matplotlib', 'scipy', 'soundfile', 'ttsctl.engine.model'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_limit_on_pops_is_not_judged_on_audio_too_short_to_search() -> None:
    short = compare_pops(searched(Audio(white(900), RATE)))
    with pytest.raises(CannotJudge, match="A shorter than the 40 ms"):
        judge_pops(short, 0, None)
    assert judge_pops(short, None, None).status == 0
    assert judge_pops(compare_pops(searched(Audio(white(RATE), RATE))), 0, None).status == 0


def test_a_limit_on_pops_is_not_judged_on_silence() -> None:
    silent = compare_pops(searched(Audio(np.zeros(RATE, np.float32), RATE)))
    with pytest.raises(CannotJudge, match="A without any sound"):
        judge_pops(silent, 0, None)
    assert judge_pops(silent, None, None).status == 0


def test_a_recording_is_not_aligned_with_itself(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", speech(1.0), RATE)
    write_wav(tmp_path / "copy.wav", speech(1.0), RATE)
    (tmp_path / "link.wav").symlink_to("a.wav")
    with pytest.raises(CannotJudge, match="same file"):
        run_pop_align(PopAlignOptions(tmp_path / "a.wav", tmp_path / "link.wav"), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    run_pop_align(PopAlignOptions(tmp_path / "a.wav", tmp_path / "copy.wav"), tmp_path / "out")
