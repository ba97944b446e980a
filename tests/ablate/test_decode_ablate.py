"""``ttsctl decode-ablate`` as a user runs it, on a small checkpoint with random weights."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.fakes import CODEBOOK, FakeEngine, codes_of
from ttsctl.ablate.run import ablate_codes
from ttsctl.ablate.summary import AblateSummary, summarise
from ttsctl.ablate.variants import plan_variants
from ttsctl.core.audio import pcm_sha256
from ttsctl.core.errors import InputError

CHECKPOINT = Path(__file__).parents[1] / "data" / "oracle" / "projected"
CODES = CHECKPOINT / "expected" / "codec_codes.npy"
APP = "from ttsctl.cli.entry import run; run()"


def decode_ablate(folder: Any, *arguments: Any, checkpoint: Any = CHECKPOINT) -> Any:
    command = [sys.executable, "-c", APP, "decode-ablate", "--checkpoint", checkpoint, *arguments]
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = [str(part) for part in command]
    return subprocess.run(done, cwd=folder, capture_output=True, text=True, timeout=170, env=one_thread)


def words(summary: Any, a: Any, b: Any) -> Any:
    return next(p["explanation"]["words"] for p in summary["pairs"] if (p["a"], p["b"]) == (a, b))


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """codes.npy: 16 frames, longer than the checkpoint's attention window of 12."""
    folder = tmp_path_factory.mktemp("codes")
    np.save(folder / "codes.npy", np.load(CODES)[:16])
    return folder / "codes.npy"


@pytest.fixture(scope="module")
def defaults(short: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The five default variants and one more."""
    folder = tmp_path_factory.mktemp("run")
    done = decode_ablate(folder, short, "--variant", "p8:decoder.mode=incremental,stream.packet_tokens=8", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), (folder / "output" / "decode-ablate" / "latest").resolve(), done.stderr


@pytest.mark.slow
def test_the_summary_is_whole(defaults: Any) -> None:
    summary, home, tables = defaults
    assert json.loads((home / "summary.json").read_text()) == summary
    assert json.loads(AblateSummary.model_validate(summary).model_dump_json()) == summary
    names = [row["name"] for row in summary["variants"]]
    assert names == ["A_oneshot", "B_windowed_72", "C_windowed_0", "D_cached", "E_incremental", "p8"]
    assert len(summary["pairs"]) == 15 and all(name in tables for name in names)
    for row in summary["variants"]:
        assert row["samples"] == row["samples_expected"] == 16 * 1920
        assert row["decode_ms"] >= row["first_packet_ms"] > 0 and row["decoder_rtf"] > 0 and row["decode_calls"] >= 1
        assert row["pop_code_stats"]["count"] == len(row["pops_s"])
    assert all((home / picture).read_bytes().startswith(b"\x89PNG") for picture in summary["pictures"])
    assert summary["code_jumps"]["max"] >= summary["code_jumps"]["p99"] >= summary["code_jumps"]["p50"]


@pytest.mark.slow
def test_the_wavs_are_the_pcm_to_the_bit(defaults: Any) -> None:
    summary, home, _ = defaults
    for row in summary["variants"]:
        pcm, rate = soundfile.read(home / row["wav"], dtype="float32")
        assert rate == 24_000 and pcm_sha256(pcm) == row["pcm_sha256"]


@pytest.mark.slow
def test_modes_are_explained(defaults: Any) -> None:
    summary, _, _ = defaults
    for other in ("B_windowed_72", "D_cached", "E_incremental"):
        assert words(summary, "A_oneshot", other).startswith(("rounding only", "same bytes")), other
    assert words(summary, "A_oneshot", "C_windowed_0").startswith("left context too short: the first 1 of 4")
    assert words(summary, "E_incremental", "p8").startswith("same bytes")
    cut = next(p for p in summary["pairs"] if p["b"] == "C_windowed_0" and p["a"] == "A_oneshot")
    assert [seam["sample"] for seam in cut["seams"]] == [7680, 15360, 23040]
    assert cut["mae"] > 1e-3 and cut["snr_db"] < 20 and cut["largest_at_s"] >= 0.32


@pytest.mark.slow
def test_legacy_windows_are_explained_from_the_audio(short: Any, tmp_path: Path) -> None:
    only = ["--only", "A_oneshot", "--only", "B_windowed_72", "--set", "decoder.padding=legacy", "--json"]
    done = decode_ablate(tmp_path, short, *only)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    (pair,) = summary["pairs"]
    assert pair["explanation"]["words"] == "555 samples missing at 3 of 3 seams; the rest agrees within rounding"
    assert [seam["samples"] for seam in pair["seams"]] == [-555] * 3
    assert [row["samples"] for row in summary["variants"]] == [16 * 1920 - 555, 16 * 1920 - 4 * 555]


@pytest.mark.slow
def test_variants_keep_to_themselves_and_one_may_have_no_audio(short: Any, tmp_path: Path) -> None:
    """A legacy variant leaves the next one as it was; a stage before the audio gives none, and says so."""
    chosen = ("old:decoder.mode=oneshot,decoder.padding=legacy", "new:decoder.mode=oneshot")
    added = [*chosen, "none:decoder.stages=pre_transformer"]
    options = [part for text in added for part in ("--variant", text)]
    only = [part for name in ("A_oneshot", "old", "new", "none") for part in ("--only", name)]
    done = decode_ablate(tmp_path, short, *options, *only, "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert words(summary, "A_oneshot", "new").startswith("same bytes")
    assert words(summary, "A_oneshot", "old").startswith("555 samples missing at the start")
    silent = [pair for pair in summary["pairs"] if pair["b"] == "none"]
    assert len(silent) == 3 and all(pair["reason"] == "none: no samples" for pair in silent)
    assert all(pair["explanation"] is None and pair["mae"] is None for pair in silent)
    row = summary["variants"][3]
    assert row["wav"] is None and row["decoder_rtf"] is None and row["reason"] == "no samples"


@pytest.mark.slow
@pytest.mark.parametrize("case", ["missing", "id", "two", "folder of two"])
def test_codes_that_do_not_fit_are_2_in_one_line(short: Any, tmp_path: Path, case: Any) -> None:
    codes = np.load(short)
    bad = codes.copy()
    bad[5, 3] = 64
    np.save(tmp_path / "id.npy", bad)
    (tmp_path / "two").mkdir()
    np.save(tmp_path / "two" / "codes_a.npy", codes)
    np.save(tmp_path / "two" / "codes_b.npy", bad)
    arguments, says = {
        "missing": (["gone.npy"], "No such file"),
        "id": (["id.npy"], "id 64 at frame 5, codebook 3 is outside 0..31"),
        "two": ([short, short], "unexpected"),
        "folder of two": (["two"], "expected one set of codes, got 2 different ones in 2 dumps: a, b"),
    }[case]
    done = decode_ablate(tmp_path, *arguments)
    assert done.returncode == 2 and says in done.stderr, done.stderr
    assert "Traceback" not in done.stderr and not (tmp_path / "output").exists()


def test_the_number_of_codebooks_and_the_ids_must_fit() -> None:
    from ttsctl.core.config import Config, DeterminismConfig
    from ttsctl.runs.check_codes import check_fit

    info = SimpleNamespace(num_codebooks=16, codebook_size=32)
    engine = SimpleNamespace(info=info, config=Config())
    codes = np.zeros((4, 16), np.int64)
    check_fit(engine, codes, "codes")
    with pytest.raises(InputError, match="the checkpoint has 16 codebooks"):
        check_fit(engine, codes[:, :8], "codes")
    codes[2, 15] = -1
    with pytest.raises(InputError, match="id -1 at frame 2, codebook 15 is outside 0"):
        check_fit(engine, codes, "codes")
    check_fit(
        SimpleNamespace(info=info, config=Config(determinism=DeterminismConfig(clamp_codes=True))), codes, "codes"
    )


@pytest.mark.parametrize(
    ("added", "only", "says"),
    [
        (["w25"], [], "NAME:KEY=VALUE"),
        (["../up:decoder.mode=oneshot"], [], "NAME:KEY=VALUE"),
        (["D_cached:decoder.mode=cached"], [], "taken"),
        (["bf:engine.decoder_dtype=bfloat16"], [], "one loaded decoder"),
        (["x:decoder.mode=windowd"], [], "decoder.mode"),
        (["x:decoder.mod=windowed"], [], "did you mean 'decoder.mode'?"),
        ([], ["A_oneshot"], "two variants"),
        ([], ["A_oneshot", "B_window_72"], "did you mean 'B_windowed_72'?"),
    ],
)
def test_variants_that_cannot_be_are_refused(added: Any, only: Any, says: Any) -> None:
    with pytest.raises(InputError, match=None) as found:
        plan_variants([], added, only)
    assert says in str(found.value)


def test_a_variant_lies_over_the_settings_of_all() -> None:
    plan = plan_variants(
        ["stream.packet_tokens=8", "decoder.padding=legacy"], ["w:stream.packet_tokens=2"], []
    ).variants
    assert plan["A_oneshot"].stream.packet_tokens == 8 and plan["w"].stream.packet_tokens == 2
    assert {config.decoder.padding for config in plan.values()} == {"legacy"}


def test_what_only_leaves_out_of_the_added_variants_is_said() -> None:
    added = ["w:stream.packet_tokens=2", "v:stream.packet_tokens=3"]
    plan = plan_variants([], added, ["A_oneshot", "w"])
    assert (list(plan.variants), plan.left_out) == (["A_oneshot", "w"], ("v",))
    assert plan.notes == ["--variant v: not decoded, because --only does not name it"]
    assert (plan_variants([], added, []).left_out, plan_variants([], added, []).notes) == ((), [])


@pytest.fixture
def fake_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ttsctl.ablate.run.load_engine", lambda config: FakeEngine(config=config))


@pytest.mark.usefixtures("fake_engine")
def test_clamped_ids_and_variants_left_out_are_in_notes_and_summary(tmp_path: Path) -> None:
    codes = codes_of("x", 8)
    codes[1, 2], codes[3, 4] = CODEBOOK, -1
    np.save(tmp_path / "codes.npy", codes)
    only, added = ["A_oneshot", "E_incremental"], ["w:stream.packet_tokens=2"]
    found = ablate_codes(tmp_path / "codes.npy", ["determinism.clamp_codes=true"], added, only)
    summary = summarise(found)
    assert (summary.clamped, summary.variants_left_out) == (2, ["w"])
    assert "determinism.clamp_codes: 2 ids were moved into range" in summary.notes
    assert "--variant w: not decoded, because --only does not name it" in summary.notes
    np.save(tmp_path / "codes.npy", codes_of("x", 8))
    control = summarise(ablate_codes(tmp_path / "codes.npy", ["determinism.clamp_codes=true"], [], only))
    assert (control.clamped, control.variants_left_out, control.notes) == (0, [], [])


@pytest.mark.usefixtures("fake_engine")
def test_a_folder_is_decoded_if_all_are_equal(tmp_path: Path) -> None:
    for name in ("codes_monday.npy", "codes_tuesday.npy"):
        np.save(tmp_path / name, codes_of("x", 8))
    found = ablate_codes(tmp_path, [], [], ["A_oneshot", "D_cached"])
    assert found.frames == 8 and any("2 dumps have the same codes" in note for note in found.notes)
    for number in range(20):
        np.save(tmp_path / f"codes_other{number:02d}.npy", codes_of(str(number), 8))
    with pytest.raises(InputError, match=r"got 21 different ones in 22 dumps: monday, .*, and 13 more; name one"):
        ablate_codes(tmp_path, [], [], [])
