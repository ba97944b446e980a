"""Attempts to make ``regress`` pass although nothing was looked at, or though it got worse. None may end in 0."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fakes import PROVENANCE, FakeEngine
from tests.peak_memory import needs_proc, peak_mib
from tests.regress.regress_fakes import elsewhere, write_suite
from ttsctl.audio.wav import read_audio, write_wav
from ttsctl.core.config import Config
from ttsctl.core.errors import InputError
from ttsctl.core.outcome import Outcome
from ttsctl.regress.gates import GATES
from ttsctl.regress.publish import publish_baseline
from ttsctl.regress.run import SuiteResult, run_suite
from ttsctl.regress.suite import load_suite

TEXTS = ("long_01", "short_01", "third_01", "fourth_01", "fifth_01")
Document = dict[str, Any]
OTHER_MODEL = FakeEngine(provenance=replace(PROVENANCE, checkpoint_sha256="d" * 64))
BASELINE_GATES_OFF = "\n".join(f"{gate.name} = false" for gate in GATES.values() if gate.against is not None)
ALL_OFF = "\n".join(f"{name} = false" for name in GATES)


def spoken(
    folder: Path,
    engine: FakeEngine,
    baseline: Path | None = None,
    body: str = "",
    gates: str = "",
    texts: tuple[str, ...] = TEXTS,
    named: bool = True,
) -> SuiteResult:
    body = body if body.startswith("runs") else f"runs = 1\n{body}"
    suite = load_suite(write_suite(folder / "suite", body, gates, texts))
    config, run = engine.config, folder / "run"
    engine = replace(engine, calls=[])
    return run_suite(suite, config, lambda: engine, baseline, False, run, grace_s=0.2, baseline_named=named)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("golden")
    assert spoken(folder, FakeEngine()).outcome.status == 0
    publish_baseline(folder / "run", folder / "golden")
    return folder / "golden"


@pytest.fixture
def golden(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "golden")
    return tmp_path / "golden"


def alter(golden: Path, change: Callable[[Document], object]) -> None:
    document = json.loads((golden / "baseline.json").read_text())
    change(document)
    (golden / "baseline.json").write_text(json.dumps(document))


def ended(*arguments: Any, **options: Any) -> Outcome:
    """The outcome; an input error as one too."""
    try:
        return spoken(*arguments, **options).outcome
    except InputError as error:
        assert "\n" not in str(error) and len(str(error)) < 700
        return Outcome(error.exit_status, str(error))


def test_the_control_passes(golden: Path, tmp_path: Path) -> None:
    outcome = ended(tmp_path, FakeEngine(), golden, gates="codes_baseline = true")
    assert outcome.status == 0 and outcome.headline.startswith("PASS: 5 cases; failed gates: none; ")


def first(**values: object) -> Callable[[Document], object]:
    """A change of the first case."""
    return lambda d: d["cases"][0].update(values)


def figure(**values: object) -> Callable[[Document], object]:
    """A change of the first case's figures."""
    return lambda d: d["cases"][0]["metrics"].update(values)


def every(**values: object) -> Callable[[Document], object]:
    return lambda d: [case["metrics"].update(values) for case in d["cases"]]


@pytest.mark.parametrize(
    ("change", "status", "says"),
    [
        # Nothing in it to compare with.
        (lambda d: d.update(cases=[]), 3, "nothing was compared with the baseline"),
        (lambda d: d.update(cases=d["cases"][:1]), 3, "not compared with the baseline: short_01__ryan"),
        (lambda d: [c.update(id=c["id"].upper()) for c in d["cases"]], 3, "5 of the baseline's 5 cases did not run"),
        (lambda d: [c.update(id="x" + c["id"]) for c in d["cases"]], 3, "nothing was compared"),
        (lambda d: [c["request"].update(text_sha256="e" * 64) for c in d["cases"]], 3, "nothing was compared"),
        (lambda d: [c["request"].update(speaker="vivian") for c in d["cases"]], 3, "nothing was compared"),
        (lambda d: d["cases"].append({**d["cases"][0], "id": "sixth__ryan"}), 3, "did not run: sixth__ryan"),
        (lambda d: [d[c].update(checkpoint_sha256="e" * 64) for c in d if c.endswith("conditions")], 3, "nothing was"),
        # Contradictions.
        (lambda d: d["cases"].append(d["cases"][0]), 2, "several cases have the same id: long_01__ryan"),
        (lambda d: d["cases"].append({**d["cases"][0], "id": "LONG_01__ryan"}), 2, "the same id"),
        (first(frames=15), 2, "frames: 15, but 14 among its metrics"),
        (first(frames=0), 2, "packet_sha256: expected 0"),
        (first(packet_tokens=8), 2, "packet_sha256: expected 2"),
        (first(packet_sha256=[]), 2, "packet_sha256: expected 4"),
        (figure(frames=15), 2, "15 among its metrics"),
        # Values that no run gives.
        (first(packet_tokens=0), 2, "packet_tokens: Input should be greater than or equal to 1, got 0"),
        (first(packet_tokens=-3), 2, "packet_tokens"),
        (first(packet_tokens=4.0), 2, "packet_tokens"),
        (first(packet_tokens=True), 2, "packet_tokens"),
        (first(packet_tokens="4"), 2, "packet_tokens"),
        (first(packet_tokens=10**300), 2, "packet_tokens"),
        (first(frames=-1), 2, "frames"),
        (first(codes_sha256="f"), 2, "codes_sha256"),
        (first(codes_sha256=None), 2, "codes_sha256"),
        (first(packet_sha256="f" * 64), 2, "packet_sha256"),
        (first(id=""), 2, "id"),
        (first(id="../../etc/passwd"), 2, "id"),
        (first(id="a\x1b[31m"), 2, "id"),
        (first(request={}), 2, "request"),
        (first(metrics=[]), 2, "metrics"),
        (figure(ttfa_ms=float("nan")), 2, "ttfa_ms"),
        (figure(ttfa_ms=float("inf")), 2, "ttfa_ms"),
        (figure(ttfa_ms=1e308), 2, "ttfa_ms: expected 0 to 8.64e+07, got 1e+308"),
        (figure(ttfa_ms=-120.0), 2, "ttfa_ms"),
        (figure(ttfa_ms="120"), 2, "ttfa_ms: expected a number, got '120'"),
        (figure(ttfa_ms=True), 2, "ttfa_ms: expected a number, got True"),
        (figure(ttfa_ms=[120.0]), 2, "ttfa_ms"),
        (figure(ttfa_ms=10**400), 2, "ttfa_ms"),
        (figure(samples=-1), 2, "samples"),
        (figure(samples=14.5), 2, "samples: expected an integer"),
        (figure(hash_unique=-1), 2, "hash_unique"),
        (figure(finite=1), 2, "finite: expected true or false"),
        (figure(repeat_count=-2), 2, "repeat_count"),
        (every(pop_click_score=1e6), 2, "not the audio of its baseline.json: pop_click_score"),
        (every(pop_click_score=-1.0), 2, "pop_click_score"),
        (every(rms=0.9), 2, "not the audio of its baseline.json: rms"),
        (lambda d: d.update(codes_conditions={}), 2, "codes_conditions"),
        (lambda d: d.update(timing_conditions={}), 2, "timing_conditions"),
        (lambda d: d["codes_conditions"].update(sample_rate=48000), 2, "24000 Hz, not 48000"),
        (lambda d: d.update(cases={}), 2, "cases"),
        (lambda d: d.update(schema_version="9.0"), 2, "schema_version"),
        (lambda d: d.clear(), 2, "schema_version"),
        # Worse than it says.
        (lambda d: first(codes_sha256="f" * 64)(d), 1, "codes_baseline (1)"),
        (lambda d: first(packet_sha256=["f" * 64, *d["cases"][0]["packet_sha256"][1:]])(d), 1, "codes_baseline (1)"),
        (every(ttfa_ms=20.0), 1, "ttfa_p50_baseline (1)"),
    ],
)
def test_a_baseline_that_was_tampered_with(
    golden: Path, tmp_path: Path, change: Callable[[Document], object], status: int, says: str
) -> None:
    alter(golden, change)
    # Not required, so that only what was compared decides.
    outcome = ended(tmp_path, FakeEngine(), golden, gates="codes_baseline = { required = false }")
    assert (outcome.status, says in outcome.headline) == (status, True), outcome.headline


def wav(golden: Path, text: str = "long_01") -> Path:
    return golden / "wav" / f"{text}__ryan_stream.wav"


def louder(golden: Path) -> None:
    write_wav(wav(golden), read_audio(wav(golden)).pcm * np.float32(1.5), 24_000)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda g: wav(g).write_bytes(b"RIFF"), "cannot read audio"),
        (lambda g: wav(g).write_bytes(b""), "cannot read audio"),
        (lambda g: shutil.copy(wav(g, "short_01"), wav(g)), "not the audio of its baseline.json"),
        (lambda g: write_wav(wav(g), read_audio(wav(g)).pcm[:-1], 24_000), "samples 26879, not 26880"),
        (lambda g: write_wav(wav(g), read_audio(wav(g)).pcm, 8_000), "8000 Hz, not 24000"),
        (lambda g: write_wav(wav(g), 0 * read_audio(wav(g)).pcm, 24_000), "not the audio"),
        (louder, "not the audio of its baseline.json: rms"),
        (lambda g: (g / "baseline.json").unlink(), "no baseline.json in it"),
        (lambda g: (g / "baseline.json").write_text("{"), "malformed JSON"),
    ],
)
def test_files_of_a_baseline_that_were_tampered_with(
    golden: Path, tmp_path: Path, change: Callable[[Path], object], says: str
) -> None:
    change(golden)
    outcome = ended(tmp_path, FakeEngine(), golden)
    assert outcome.status == 2 and says in outcome.headline, outcome.headline


@pytest.mark.parametrize(
    ("body", "gates", "status", "says"),
    [
        # Nothing is asked.
        ("", ALL_OFF, 3, "nothing was compared with the baseline"),
        ("", BASELINE_GATES_OFF, 3, "nothing was compared with the baseline"),
        ("text_ids = []", "", 3, "no case ran"),
        ("voice_ids = []", "", 3, "no case ran"),
        ('text_ids = ["long_01"]', "", 3, "4 of the baseline's 5 cases did not run"),
        ('text_ids = ["LONG_01"]', "", 2, "no entry has the id 'LONG_01'"),
        ('text_ids = ["long_01", "long_01"]', "", 2, "asked for twice"),
        ("runs = 0", "", 1, "determinism (5)"),
        # Values that no suite can mean.
        ("runs = 1000000000", "", 2, "runs: Input should be less than or equal to 10000"),
        ("timeout_s = 1e308", "", 2, "timeout_s"),
        ("timeout_s = -1", "", 2, "timeout_s"),
        ('[pins]\n"stream.packet_tokens" = "4"', "", 2, "stream.packet_tokens"),
        ('[pins]\n"stream.packet_tokens" = true', "", 2, "stream.packet_tokens"),
        ('[pins]\n"determinism.single_thread" = 0', "", 2, "determinism.single_thread"),
        ('[pins]\n"sampling.policy" = "free-for-all"', "", 2, "sampling.policy"),
        ('[pins]\n"stream.packet_tokens" = 8', "", 1, "pin:stream.packet_tokens"),
        # Gates that nothing can fail, or that ask for the fault.
        ("", 'determinism = { operator = ">=", threshold = 1 }', 2, "expected one of == <= <"),
        ("", 'determinism = { operator = "!=", threshold = 5 }', 2, "expected one of == <= <"),
        ("", "determinism = 2", 2, "asks for the fault"),
        ("", 'ttfa_p50_baseline = { operator = ">=" }', 2, "expected one of <= < =="),
        ("", 'snr_baseline_db = { operator = "<=" }', 2, "expected one of >= > =="),
        ("", 'mae_waveform = { operator = ">", threshold = 0 }', 2, "expected one of"),
        ("", "rms_min = 0", 2, "rms >= 0 holds for every value"),
        ("", 'not_empty = { operator = ">=", threshold = 0 }', 2, "samples >= 0 holds for every value"),
        ("", "not_empty = -1", 2, "expected 0 or more"),
        ("", "peak = -1", 2, "expected 0 or more"),
        ("", "truncated = 1", 2, "asks for the fault"),
        ("", 'truncated = { operator = "<=", threshold = 1 }', 2, "holds for every value"),
        ("", "finite = { threshold = false }", 2, "asks for the opposite"),
        ("", 'offline_codes = { operator = "!=" }', 2, "asks for the opposite"),
        ("", "pop_click_p95_baseline = 0", 2, "expected a factor above 0"),
        ("", "pop_click_p95_baseline = -2", 2, "expected a factor above 0"),
        ("", "ttfa_p50_baseline = nan", 2, "finite number"),
        ("", "ttfa_p50_baseline = inf", 2, "finite number"),
        ("", 'ttfa_p50_baseline = "80"', 2, "expected true, false, a threshold or a table"),
        ("", "ttfa_p50_baseline = -500", 1, "ttfa_p50_baseline (1)"),
        ("", "ttfa = 80", 2, "unknown gate"),
        ("", "peak = { on = false, of = 1 }", 2, "unknown key"),
    ],
)
def test_a_suite_that_asks_for_nothing(
    golden: Path, tmp_path: Path, body: str, gates: str, status: int, says: str
) -> None:
    outcome = ended(tmp_path, FakeEngine(), golden, body=body, gates=gates)
    assert (outcome.status, says in outcome.headline) == (status, True), outcome.headline


@pytest.mark.parametrize(
    ("engine", "gates", "status", "says"),
    [
        (OTHER_MODEL, "", 3, "nothing was compared with the baseline"),
        (OTHER_MODEL, "codes_baseline = true", 3, "not comparable: ttfa_p50_baseline"),
        (FakeEngine(provenance=elsewhere()), "snr_baseline_db = false\npop_click_p95_baseline = false", 3, "nothing"),
        (FakeEngine(ttfa_ms=900.0), "", 1, "ttfa_p50_baseline"),
        (
            FakeEngine(config=replace(Config(), stream=replace(Config().stream, packet_tokens=8)), ttfa_ms=343.0),
            "",
            1,
            "ttfa",
        ),
        (FakeEngine(faults={"long_01": "raise"}), "", 3, "1 failed to run"),
        (FakeEngine(faults=dict.fromkeys(TEXTS, "raise")), "", 3, "5 failed to run"),
        (FakeEngine(faults=dict.fromkeys(TEXTS, "empty")), "", 1, "not_empty"),
        (FakeEngine(faults=dict.fromkeys(TEXTS, "no audio")), "", 1, "not_empty"),
        (FakeEngine(faults=dict.fromkeys(TEXTS, "nan")), "", 1, "finite"),
        (FakeEngine(faults={"fifth_01": "other codes"}), "codes_baseline = true", 1, "codes_baseline (2)"),
        (FakeEngine(faults={"fifth_01": "silent"}), "", 1, "rms_min"),
    ],
)
def test_an_engine_that_got_worse(
    golden: Path, tmp_path: Path, engine: FakeEngine, gates: str, status: int, says: str
) -> None:
    outcome = ended(tmp_path, engine, golden, gates=gates)
    assert (outcome.status, says in outcome.headline) == (status, True), outcome.headline


def test_only_pins_is_3(tmp_path: Path) -> None:
    body = '[pins]\n"stream.packet_tokens" = 4'
    outcome = ended(tmp_path, FakeEngine(), None, body=body, gates=ALL_OFF)
    assert outcome.status == 3 and outcome.headline.endswith("no gate judged anything that was measured")


def test_a_suite_cut_to_a_part_of_its_baseline_names_what_did_not_run(golden: Path, tmp_path: Path) -> None:
    """By the suite's own choice a part may pass, and says so; whoever names the baseline asks for all of it."""
    result = spoken(tmp_path, FakeEngine(), golden, gates="codes_baseline = true", texts=TEXTS[:1], named=False)
    left_out = ["short_01__ryan", "third_01__ryan", "fourth_01__ryan", "fifth_01__ryan"]
    assert result.coverage is not None and result.coverage.not_run == left_out
    words = f"4 of the baseline's 5 cases did not run: {', '.join(left_out)}"
    assert result.outcome.status == 0 and result.outcome.headline.startswith("PASS IN PART: 1 case; ")
    assert words in result.outcome.headline
    asked = ended(tmp_path / "named", FakeEngine(), golden, gates="codes_baseline = true", texts=TEXTS[:1])
    assert asked.status == 3 and asked.headline.startswith("NOT JUDGED: ") and words in asked.headline


def test_a_case_more_than_the_baseline_is_said(golden: Path, tmp_path: Path) -> None:
    more = (*TEXTS, "sixth_01")
    part = ended(tmp_path, FakeEngine(), golden, texts=more, named=False)
    assert part.status == 0 and part.headline.startswith("PASS IN PART: ") and "sixth_01__ryan" in part.headline
    assert ended(tmp_path / "named", FakeEngine(), golden, texts=more).status == 3


REFUSED = """
import sys
from pathlib import Path
from ttsctl.core.errors import InputError
from ttsctl.regress.baseline import read_baseline
try:
    read_baseline(Path(sys.argv[1]))
    sys.exit("the baseline was read")
except InputError:
    pass
"""


@needs_proc
@pytest.mark.parametrize(
    "change",
    [
        first(metrics={f"m{n}": None for n in range(200_000)}),
        first(packet_sha256=["f"] * 600_000),
        lambda d: d.update(cases=[{}] * 700_000),
    ],
    ids=["figures", "hashes", "cases"],
)
def test_refusing_millions_of_wrong_values_takes_little_memory(
    golden: Path, change: Callable[[Document], object]
) -> None:
    alter(golden, change)
    # A kilobyte for each value would be over 500 MiB; the file itself, parsed, takes about 100.
    assert peak_mib(REFUSED, golden) < 400
