"""``ttsctl pop-align`` as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from ttsctl.audio.bench import speech_like, without_packet_ends
from ttsctl.report.pop_align import PopAlignSummary

pytestmark = pytest.mark.slow
RATE = 24_000
APP = "from ttsctl.cli.entry import run; run()"
KEYS = {"path", "sample_rate", "duration_s", "pop_click_score", "pops_s", "pops", "spikes_s"}
ALIGNMENT_KEYS = {
    "tolerance_ms",
    "a_to_b",
    "b_to_a",
    "chance",
    "corrected_a_to_b",
    "corrected_b_to_a",
    "lag_jumps",
}


def pop_align(folder: Any, *arguments: Any) -> Any:
    command = [sys.executable, "-c", APP, "pop-align", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def waves(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """clean.wav, clicks.wav with six impulses, and lost.wav: the same with 50 samples missing at 2 s."""
    folder = tmp_path_factory.mktemp("waves")
    clean = speech_like(4.0, seed=3)
    clicks = clean.copy()
    clicks[np.arange(1, 7) * 13_001] += np.float32(0.4)
    soundfile.write(folder / "clean.wav", clean, RATE, subtype="FLOAT")
    soundfile.write(folder / "clicks.wav", clicks, RATE, subtype="FLOAT")
    soundfile.write(folder / "lost.wav", np.delete(clicks, np.arange(48_000, 48_050)), RATE, subtype="FLOAT")
    soundfile.write(folder / "other.wav", speech_like(4.0, seed=8), RATE, subtype="PCM_16")
    return folder


def test_one_recording_writes_labels_summary_and_picture(waves: Any, tmp_path: Path) -> None:
    done = pop_align(tmp_path, waves / "clicks.wav")
    assert done.returncode == 0, done.stderr
    home = (tmp_path / "output" / "pop-align" / "latest").resolve()
    summary = json.loads((home / "summary.json").read_text())
    assert json.loads(PopAlignSummary.model_validate(summary).model_dump_json()) == summary
    assert set(summary["a"]) >= KEYS and summary["b"] is None and summary["alignment"] is None
    impulses = np.arange(1, 7) * 13_001 / RATE
    found = np.array(summary["a"]["pops_s"])
    assert all(np.abs(found - time).min() < 0.002 for time in impulses)
    lines = (home / "pops_clicks.txt").read_text().splitlines()
    assert len(lines) == len(found) and all(len(line.split("\t")) == 3 for line in lines)
    assert [float(line.split("\t")[0]) for line in lines] == pytest.approx(found, abs=1e-6)
    assert (home / "pops.png").read_bytes().startswith(b"\x89PNG")


def test_two_recordings_align_once_the_loss_is_corrected(waves: Any, tmp_path: Path) -> None:
    done = pop_align(tmp_path, waves / "clicks.wav", waves / "lost.wav", "--json", "--tolerance-ms", "1")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    alignment = summary["alignment"]
    assert set(alignment) >= ALIGNMENT_KEYS and set(summary["b"]) >= KEYS
    assert alignment["tolerance_ms"] == 1
    (jump,) = alignment["lag_jumps"]
    assert jump["samples"] == -50 and jump["time_s"] == pytest.approx(2.0, abs=1e-3)
    assert alignment["corrected_a_to_b"] >= 0.8 > alignment["a_to_b"] > 0


@pytest.mark.parametrize(
    ("files", "options", "status"),
    [
        (["clicks.wav"], ["--max-pops", "0"], 1),
        (["clicks.wav"], ["--max-pops", "100"], 0),
        (["clicks.wav", "copy.wav"], ["--min-align", "1"], 0),
        (["clicks.wav", "other.wav"], ["--min-align", "0.5"], 1),
        (["clicks.wav", "other.wav"], [], 0),
    ],
)
def test_status_1_only_for_a_limit_that_is_not_met(
    waves: Any, tmp_path: Path, files: Any, options: Any, status: Any
) -> None:
    # A file is not aligned with itself, a copy of it is.
    (waves / "copy.wav").write_bytes((waves / "clicks.wav").read_bytes())
    done = pop_align(tmp_path, *(waves / f for f in files), *options)
    assert done.returncode == status, done.stderr
    assert (tmp_path / "output" / "pop-align" / "latest" / "summary.json").is_file()


def test_silence_cannot_be_aligned(tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav"):
        soundfile.write(tmp_path / name, np.zeros(RATE), RATE)
    done = pop_align(tmp_path, "a.wav", "b.wav", "--min-align", "0.5")
    assert done.returncode == 1 and "not alignable" in done.stdout, done.stderr


@pytest.mark.parametrize("case", ["missing", "empty", "nan", "text", "align one", "tolerance", "nan share"])
def test_bad_input_is_2_in_one_line(waves: Any, tmp_path: Path, case: Any) -> None:
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), RATE)
    soundfile.write(tmp_path / "nan.wav", np.array([0.1] * 5000 + [np.nan]), RATE, subtype="FLOAT")
    (tmp_path / "text.wav").write_text("no audio")
    clean = waves / "clean.wav"
    arguments, says = {
        "missing": (["gone.wav"], "No such file"),
        "empty": (["empty.wav"], "no samples"),
        "nan": ([clean, "nan.wav"], "NaN"),
        "text": (["text.wav"], "cannot read audio"),
        "align one": ([clean, "--min-align", "0.5"], "two recordings"),
        "tolerance": ([clean, "--tolerance-ms", "nan"], "--tolerance-ms"),
        "nan share": ([clean, clean, "--min-align", "nan"], "--min-align"),
    }[case]
    done = pop_align(tmp_path, *arguments)
    assert done.returncode == 2 and says in done.stderr, done.stderr
    assert "Traceback" not in done.stderr and not (tmp_path / "output").exists()


def test_other_formats_are_taken_with_a_note(waves: Any, tmp_path: Path) -> None:
    clicks, _ = soundfile.read(waves / "clicks.wav")
    soundfile.write(tmp_path / "stereo.flac", np.stack([clicks, clicks], axis=1) * 0.9, RATE)
    soundfile.write(tmp_path / "short.wav", clicks[:100], 16_000)
    done = pop_align(tmp_path, "stereo.flac", "short.wav", "--json")
    assert done.returncode == 0, done.stderr
    notes = " ".join(json.loads(done.stdout)["notes"])
    assert (
        "2 equal channels, searched as one" in notes
        and "resampled" in notes
        and "shorter than one analysis window" in notes
    )


def test_two_files_of_one_name_keep_their_labels_apart(waves: Any, tmp_path: Path) -> None:
    (tmp_path / "clicks.wav").write_bytes((waves / "clicks.wav").read_bytes())
    assert pop_align(tmp_path, "clicks.wav", waves / "clicks.wav").returncode == 0
    home = tmp_path / "output" / "pop-align" / "latest"
    assert sorted(p.name for p in home.glob("pops_*.txt")) == ["pops_clicks_a.txt", "pops_clicks_b.txt"]


def test_no_torch_is_loaded(waves: Any, tmp_path: Path) -> None:
    code = (
        "import sys\nfrom ttsctl.cli.main import run\n"
        "try:\n run(sys.argv[1:])\n"
        "finally:\n print(sorted(m for m in sys.modules if m.split('.')[0] == 'torch'\n"
        "  or m.startswith(('ttsctl.engine.model', 'ttsctl.engine'))), file=sys.stderr)"
    )
    arguments = ["pop-align", waves / "clicks.wav", waves / "lost.wav"]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0 and done.stderr.rstrip().endswith("[]"), done.stderr


def test_packets_that_lose_their_ends_show_as_jumps(tmp_path: Path) -> None:
    whole = speech_like(4.0, seed=5)
    soundfile.write(tmp_path / "a.wav", whole, RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "b.wav", without_packet_ends(whole), RATE, subtype="FLOAT")
    done = pop_align(tmp_path, "a.wav", "b.wav", "--json")
    jumps = json.loads(done.stdout)["alignment"]["lag_jumps"]
    assert len(jumps) >= 10 and {jump["samples"] for jump in jumps} == {-555}


def test_clicks_that_cancel_in_the_mean_break_the_limit(waves: Any, tmp_path: Path) -> None:
    clicks, _ = soundfile.read(waves / "clicks.wav", dtype="float32")
    soundfile.write(tmp_path / "a.wav", np.stack([clicks, -clicks], axis=1), RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "one.wav", np.stack([clicks, speech_like(4.0, seed=3)], axis=1), RATE, subtype="FLOAT")
    done = pop_align(tmp_path, "a.wav", "one.wav", "--max-pops", "0", "--json")
    summary = json.loads(done.stdout)
    assert done.returncode == 1, done.stderr
    assert {tuple(pop["channels"]) for pop in summary["a"]["pops"]} == {(1, 2)}
    assert {tuple(pop["channels"]) for pop in summary["b"]["pops"]} == {(1,)}
    assert summary["alignment"]["alignable"] and summary["alignment"]["corrected_a_to_b"] == 1
    assert "alignment: A: the channels cancel: aligned by channel 1" in summary["notes"]
    labels = (tmp_path / "output" / "pop-align" / "latest" / "pops_a.txt").read_text()
    assert "dB, channels 1 2\n" in labels
