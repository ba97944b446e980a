"""Suites, texts and voices: what loads, and the one line that says why something does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.regress.regress_fakes import write_suite
from ttsctl.core.errors import InputError
from ttsctl.regress.gates import GATES
from ttsctl.regress.suite import load_suite
from ttsctl.runs.texts import choose, load_texts, load_voices

ROOT = Path(__file__).resolve().parents[2]
BUILTIN_SPEAKERS = {"serena", "vivian", "uncle_fu", "ryan", "aiden", "ono_anna", "sohee", "eric", "dylan"}


def test_the_shipped_base_suite() -> None:
    suite = load_suite(ROOT / "suites" / "base.toml")
    assert [case.id for case in suite.cases] == [
        f"{text}__vivian" for text in ("long_01", "long_03", "medium_01", "medium_02", "short_01")
    ]
    assert (suite.runs, suite.name, suite.pins["stream.packet_tokens"]) == (3, "base", 4)
    assert suite.baseline is not None
    assert suite.baseline.resolve() == ROOT / "manifests" / "base_golden"
    assert {s.gate.name for s in suite.gates if s.required} == {"codes_baseline"}


def test_the_shipped_suite_of_cloned_voices() -> None:
    suite = load_suite(ROOT / "suites" / "base_clone.toml")
    texts = ("long_01", "medium_01", "medium_02", "short_01")
    assert [case.id for case in suite.cases] == [f"{text}__{v}" for text in texts for v in ("low", "low_x_vector")]
    assert {case.request.voice.x_vector_only for case in suite.cases} == {False, True}
    assert suite.baseline is not None
    assert suite.baseline.resolve() == ROOT / "manifests" / "base_clone_golden"
    assert [s.gate.name for s in suite.gates] == [s.gate.name for s in load_suite(ROOT / "suites" / "base.toml").gates]
    assert {s.gate.name for s in suite.gates if s.required} == {"codes_baseline"}


def test_the_shipped_texts_are_the_five_that_were_asked_for() -> None:
    texts = {text.id: text.text for text in load_texts(ROOT / "manifests" / "texts_base.json")}
    chinese = {name for name, text in texts.items() if any("\u4e00" <= c <= "\u9fff" for c in text)}
    assert chinese == {"long_03", "medium_02"}
    assert 90 <= len(texts["long_01"]) <= 140
    assert 40 <= len(texts["long_03"]) <= 60
    assert 10 <= len(texts["short_01"]) <= 20


def test_the_shipped_voices_are_speakers_of_the_built_in_checkpoint() -> None:
    voices = load_voices(ROOT / "manifests" / "voices_base.json")
    assert {voice.speaker for voice in voices} == BUILTIN_SPEAKERS


def test_paths_are_relative_to_the_suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_suite(tmp_path / "deep", 'baseline = "../golden"')
    monkeypatch.chdir("/")
    suite = load_suite(path)
    assert len(suite.cases) == 2
    assert suite.baseline == tmp_path / "deep" / "../golden"


def test_defaults_are_those_of_the_issue(tmp_path: Path) -> None:
    suite = load_suite(write_suite(tmp_path))
    table = {s.gate.name: (s.operator, s.threshold, s.on) for s in suite.gates}
    assert table["determinism"] == ("==", 1, True)
    assert table["mae_waveform"] == ("<=", 1e-3, True)
    assert table["duration_diff_ms"] == ("<=", 50, True)
    assert (table["rms_min"], table["rms_max"]) == ((">=", 1e-5, True), ("<=", 0.4, True))
    assert table["peak"] == ("<", 0.99, True)
    assert table["ttfa_p50_baseline"] == ("<=", 80, True)
    assert table["ttfa_p95"] == ("<=", None, False)
    assert table["pop_click_p95_baseline"] == ("<=", 1.2, True)
    assert table["snr_baseline_db"] == (">=", 15, True)
    assert table["codes_baseline"] == ("==", None, False)
    assert [table[name] for name in ("out_of_range_count", "repeat_count", "truncated")] == [("==", 0, True)] * 3
    assert suite.runs == 3


def test_short_and_long_forms_of_a_gate(tmp_path: Path) -> None:
    body = 'peak = false\nmae_waveform = 0.5\nttfa_p95 = 400\nsnr_baseline_db = { threshold = 20, unit = "dB" }'
    found = {s.gate.name: s for s in load_suite(write_suite(tmp_path, gates=body)).gates}
    assert (found["peak"].on, found["mae_waveform"].threshold, found["snr_baseline_db"].threshold) == (False, 0.5, 20)
    assert (found["ttfa_p95"].on, found["ttfa_p95"].threshold) == (True, 400)


def test_config_tables_are_handed_on(tmp_path: Path) -> None:
    path = write_suite(tmp_path)
    path.write_text(path.read_text() + "[stream]\npacket_tokens = 8\n[sampling]\nseed = 3\n")
    assert dict(load_suite(path).config_tables) == {"stream": {"packet_tokens": 8}, "sampling": {"seed": 3}}


@pytest.mark.parametrize(
    ("body", "gates", "says"),
    [
        ("run = 3", "", "unknown key 'run'; did you mean 'runs'?"),
        ("runs = -1", "", "runs: Input should be greater than or equal to 0, got -1"),
        ('runs = "3"', "", "runs: Input should be a valid integer, got '3'"),
        ("timeout_s = 0", "", "timeout_s: Input should be greater than 0"),
        ("timeout_s = inf", "", "timeout_s: Input should be a finite number"),
        ('text_mode = "wholly"', "", "text_mode: Input should be 'streaming' or 'whole'"),
        ('text_ids = ["long_1"]', "", "no entry has the id 'long_1'; did you mean 'long_01'?"),
        ('text_ids = ["long_01", "long_01"]', "", "id 'long_01' is asked for twice"),
        ('voice_ids = ["rian"]', "", "no entry has the id 'rian'; did you mean 'ryan'?"),
        ('[pins]\n"stream.packet_token" = 4', "", "unknown setting 'stream.packet_token'; did you mean"),
        ("", "mae_wave = 1", "unknown gate 'mae_wave'; did you mean 'mae_waveform'?"),
        ("", 'mae_waveform = "low"', "gates.mae_waveform: expected true, false, a threshold or a table, got 'low'"),
        ("", "mae_waveform = nan", "gates.mae_waveform: expected a finite number as threshold, got nan"),
        ("", 'peak = { oprator = "<" }', "unknown key 'oprator'; did you mean 'operator'?"),
        ("", 'peak = { operator = "=<" }', "gates.peak: operator: Input should be"),
        ("", 'duration_diff_ms = { threshold = 1, unit = "s" }', "expected the unit 'ms', got 's'"),
        ("", "ttfa_p95 = true", "gates.ttfa_p95: has no default threshold; set one in ms"),
        ("", "codes_baseline = 3", "is compared with the baseline's own value"),
        ("", 'finite = { operator = "<" }', "expected == or != for true or false, got '<'"),
        ("", "finite = { threshold = 1 }", "expected true or false as threshold, got 1"),
        ("", 'peak = { threshold = "1" }', "expected a finite number as threshold, got '1'"),
        ("", "peak = { threshold = true }", "expected a finite number as threshold, got True"),
    ],
)
def test_a_mistake_in_a_suite_is_named(tmp_path: Path, body: str, gates: str, says: str) -> None:
    path = write_suite(tmp_path, body, gates)
    with pytest.raises(InputError) as caught:
        load_suite(path)
    assert says in str(caught.value)
    assert str(tmp_path) in str(caught.value) or "asked for twice" in says
    assert caught.value.exit_status == 2


@pytest.mark.parametrize(
    ("raw", "says"),
    [(b"name = [", "malformed TOML"), (b"name = \xff", "not UTF-8 text"), (None, "No such file")],
)
def test_a_suite_that_cannot_be_read(tmp_path: Path, raw: bytes | None, says: str) -> None:
    path = tmp_path / "s.toml"
    if raw is not None:
        path.write_bytes(raw)
    with pytest.raises(InputError, match=says):
        load_suite(path)


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ('[{"id": "a", "text": "x"}, {"id": "a", "text": "y"}]', "texts.1 has the id 'a', which texts.0 has already"),
        ('[{"id": "a", "text": "x"}, {"id": "A", "text": "y"}]', "texts.1 has the id 'A', which texts.0 has already"),
        ('[{"id": "a", "text": " \\n"}]', "texts.0.text (id 'a'): expected at least one character"),
        ('[{"id": "a", "text": "x", "txt": 1}]', "texts.0.txt (id 'a'): Extra inputs are not permitted"),
        ('[{"id": "a/b", "text": "x"}]', "texts.0.id (id 'a/b'): expected"),
        ('[{"id": "a__b", "text": "x"}]', "texts.0.id (id 'a__b'): expected"),
        ('[{"id": "a"}]', "texts.0.text (id 'a'): Field required"),
        ('["a"]', "texts.0: Input should be"),
        ('{"a": "x"}', "texts: Input should be a valid list"),
    ],
)
def test_a_mistake_in_a_texts_file_is_named(tmp_path: Path, entries: str, says: str) -> None:
    path = tmp_path / "texts.json"
    path.write_text(f'{{"schema_version": "1.0", "texts": {entries}}}', encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_texts(path)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_mistake_in_a_voices_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "voices.json"
    path.write_text('{"schema_version": "1.0", "voices": [{"id": "v", "speker": "ryan"}]}', encoding="utf-8")
    with pytest.raises(InputError, match=r"voices\.0\.speker \(id 'v'\)"):
        load_voices(path)
    path.write_text('{"schema_version": "2.0", "voices": []}', encoding="utf-8")
    with pytest.raises(InputError, match="schema_version"):
        load_voices(path)


def test_choose_keeps_the_order_that_was_asked_for() -> None:
    texts = load_texts(ROOT / "manifests" / "texts_base.json")
    assert [t.id for t in choose(texts, ["short_01", "long_01"], Path("t"))] == ["short_01", "long_01"]
    assert choose(texts, None, Path("t")) == texts


def test_every_gate_says_what_it_is_about() -> None:
    assert all(gate.about for gate in GATES.values())
