"""``ttsctl explain`` on the command line: recorded runs, with and without their engines, and runs made now."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.explain.fake_forensic import REQUEST, FakeForensicEngine, Fault, Tie
from tests.fakes import info_of
from ttsctl.cli.main import run
from ttsctl.core.config import Config, SamplingConfig, StreamConfig
from ttsctl.core.machine import collect_provenance
from ttsctl.core.request import Request
from ttsctl.core.trace import TraceLevel
from ttsctl.dumps.meta import build_meta, read_meta
from ttsctl.dumps.write import write_dump
from ttsctl.explain.recorded import replay_config
from ttsctl.explain.summary import ExplainSummary

SHORT = ("--set", "sampling.max_new_tokens=6", "--set", "determinism.single_thread=true")
HELLO = ("--text", "Hello there.")
FAULT = Fault("talker.model.layers.1.mlp.down_proj", 3, 0)


@dataclass(frozen=True)
class Done:
    status: object
    stdout: str
    stderr: str
    out: Path

    @property
    def summary(self) -> ExplainSummary:
        return ExplainSummary.model_validate_json((self.out / "explain/latest/summary.json").read_text())


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Done]]:
    handlers = [(number, signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    out = tmp_path / "out"

    def call(*arguments: object) -> Done:
        with pytest.raises(SystemExit) as end:
            run([*map(str, arguments), "--out", str(out)])
        printed = capsys.readouterr()
        return Done(end.value.code, printed.out, printed.err, out)

    yield call
    for number, handler in handlers:
        signal.signal(number, handler)


def dump(
    folder: Path, level: TraceLevel | None = "modules", request: Request = REQUEST, tag: str = "run", **settings: Any
) -> Path:
    """A recorded run of the fake engine; returns its code file."""
    recorded = FakeForensicEngine(**settings).record(request, level or "codes")
    config = Config(stream=StreamConfig(packet_tokens=settings.get("packet", 4)))
    meta = build_meta(recorded, request, config, info_of(collect_provenance(), codebook_size=16), tag)
    return write_dump(folder, meta, recorded.require_codes(), None if level is None else recorded.trace)[0]


def test_two_recorded_runs(cli: Callable[..., Done], tmp_path: Path) -> None:
    a, b = dump(tmp_path / "a"), dump(tmp_path / "b", faults=[FAULT], packet=3)
    done = cli("explain", a, b)
    first = f"first difference: talker, frame 3, codebook 0: {FAULT.point}; its inputs were equal: it is the culprit"
    assert done.status == 1
    assert done.stdout.startswith(first) and first not in done.stderr
    assert "A against B: config stream.packet_tokens: 4 against 3" in done.stderr
    summary = done.summary
    assert summary.first is not None and summary.first.point == FAULT.point and summary.first.inputs_equal is True
    assert (summary.proven, summary.noise, summary.forced, summary.drift_bound) == (None, None, None, None)
    assert "name the text" in str(summary.proof_reason) and done.stderr.count("name the text") == 1
    page = (done.out / "explain/latest/explanation.md").read_text()
    assert page.startswith(f"# {first}") and "| A |" in page


def test_folders_metas_and_code_files_are_all_runs(cli: Callable[..., Done], tmp_path: Path) -> None:
    dump(tmp_path / "a")
    b = dump(tmp_path / "b")
    done = cli("explain", tmp_path / "a", b.parent / "meta_run.json")
    assert done.status == 0 and done.stdout.startswith("EQUAL: the same codes, and no difference in ")
    assert done.summary.drift_kind == "equal" and done.summary.runs is None


def test_a_run_is_not_explained_by_itself(cli: Callable[..., Done], tmp_path: Path) -> None:
    a = dump(tmp_path / "a")
    (tmp_path / "latest").symlink_to("a")
    for other in (a, a.parent, a.parent / "meta_run.json", tmp_path / "latest", a.parent / ".." / "a"):
        done = cli("explain", a, other)
        assert done.status == 3 and "is the same file as" in done.stderr


def test_a_flip_is_not_judged_without_its_noise(cli: Callable[..., Done], tmp_path: Path) -> None:
    tie = Tie(2, (4, 6), 0.0)
    a, b = dump(tmp_path / "a", tie=tie), dump(tmp_path / "b", tie=tie, rounding=7)
    done = cli("explain", a, b)
    assert done.status == 1 and "near-tie or real change not judged" in done.stdout
    summary = done.summary
    assert summary.drift_kind is None and summary.kind_reason and summary.drawn is not None
    assert summary.draw is not None and summary.gap_change is not None and summary.gap_exact is True
    assert f"draw 2 of frame {summary.drawn[0]}" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("level", [None, "codes", "stages"])
def test_the_lower_level_is_compared(cli: Callable[..., Done], tmp_path: Path, level: TraceLevel | None) -> None:
    fault = Fault("draw", 3, 1, 1.0)
    done = cli("explain", dump(tmp_path / "a"), dump(tmp_path / "b", level, faults=[fault]))
    assert done.status == 1
    summary = done.summary
    assert summary.level == (level or "none") and summary.first is not None
    assert (summary.first.stage, summary.first.frame, summary.first.codebook) == ("draw", 3, 1)
    assert ("has no trace beside it" in done.stderr) == (level is None)


def test_the_summary_alone_on_stdout(cli: Callable[..., Done], tmp_path: Path) -> None:
    done = cli("explain", dump(tmp_path / "a"), dump(tmp_path / "b", faults=[FAULT]), "--json")
    assert ExplainSummary.model_validate_json(done.stdout) == done.summary
    assert set(json.loads(done.stdout)["definitions"]) >= {"inputs_equal", "drift_kind", "noise"}


def refused(done: Done, status: int, *says: str) -> None:
    assert done.status == status, done.stderr
    assert done.stderr.startswith("ttsctl: ") and done.stderr.count("\n") == 1 and "internal" not in done.stderr
    assert all(part in done.stderr for part in says), done.stderr
    assert done.stdout == "" and not done.out.exists()


def test_runs_of_other_requests_cannot_be_judged(cli: Callable[..., Done], tmp_path: Path) -> None:
    a = dump(tmp_path / "a")
    refused(cli("explain", a, dump(tmp_path / "b", request=replace(REQUEST, text="other"))), 3, "another request")
    voice = replace(REQUEST.voice, speaker="ryan")
    refused(cli("explain", a, dump(tmp_path / "c", request=replace(REQUEST, voice=voice))), 3, "voice speaker")
    assert cli("explain", a, dump(tmp_path / "d", request=replace(REQUEST, text_id="named"))).status == 0


@pytest.mark.slow
def test_wrong_input(cli: Callable[..., Done], tmp_path: Path) -> None:
    a = dump(tmp_path / "a")
    refused(cli("explain", a), 2, "expected two recorded runs, got 1")
    refused(cli("explain", a, a, a), 2, "expected two recorded runs, got 3")
    refused(cli("explain"), 2, "two recorded runs, or a text")
    refused(cli("explain", a, a, "--set", "stream.packet_tokens=8"), 2, "bring their own configurations")
    refused(cli("explain", a, a, "--runs", 3), 2, "bring their own", "--runs")
    refused(cli("explain", *HELLO, "--runs", 3, "--set-b", "stream.packet_tokens=8"), 2, "--runs: expected one")
    refused(cli("explain", a, a, "--speaker", "ryan"), 2, "bring their own configurations and voice")
    refused(cli("explain", a, dump(tmp_path / "b"), "--text", "not it"), 2, "expected the one of the recorded runs")
    refused(cli("explain", a, tmp_path / "nowhere.npy"), 2, "nowhere.npy")
    refused(cli("explain", *HELLO, "--set", "sampling.policy=free"), 2, "sampling.policy=seeded")
    free = "sampling.predictor_policy=free"
    refused(cli("explain", *HELLO, "--set", free), 2, "'free'", "sampling.predictor_policy=seeded")
    dump(tmp_path / "a", tag="second")
    refused(cli("explain", tmp_path / "a", a), 2, "expected one run, got 2")


def test_a_trace_of_other_codes(cli: Callable[..., Done], tmp_path: Path) -> None:
    a, b = dump(tmp_path / "a"), dump(tmp_path / "b", faults=[Fault("draw", 3, 1, 1.0)])
    (b.parent / "trace_run.npz").write_bytes((a.parent / "trace_run.npz").read_bytes())
    refused(cli("explain", a, b), 2, "its trace is of other codes")


def test_comparing_files_loads_no_torch(tmp_path: Path) -> None:
    a, b = dump(tmp_path / "a"), dump(tmp_path / "b", faults=[FAULT])
    code = (
        "import sys\nfrom ttsctl.cli.main import run\n"
        f"try: run(['explain', {str(a)!r}, {str(b)!r}, '--out', {str(tmp_path / 'out')!r}])\n"
        "except SystemExit as end: print(end.code, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "1 False"


# With the engine itself.


@pytest.mark.slow
def test_recorded_runs_with_their_text_are_proven(cli: Callable[..., Done], tmp_path: Path) -> None:
    record = ("dump-codes", *HELLO, *SHORT, "--trace", "codes")
    penalty = ("--set", "sampling.predictor_repetition_penalty=1.5")
    folders = []
    for name, extra in (("a", ()), ("b", penalty)):
        folder = cli(*record, *extra).out / "dump-codes"
        folders.append(folder.rename(tmp_path / name) / "latest")
    done = cli("explain", *folders, *HELLO, "--jitters", 1)
    summary = done.summary
    assert done.status == 1 and summary.first is not None
    # Recorded with draws alone; run again, every value is there.
    assert summary.level == "modules" and summary.first.stage == "draw" and "processing" in summary.first.culprit
    assert summary.drift_kind == "real_change" and summary.proven is True
    assert summary.noise is not None and summary.noise.precision == "float32"
    assert summary.forced is not None and summary.forced.floor == 0 < summary.forced.draws_differ
    assert "A against B: config sampling.predictor_repetition_penalty: None against 1.5" in done.stderr


def test_code_generation_in_a_worker_is_repeated_where_it_can_be_looked_into(
    cli: Callable[..., Done], tmp_path: Path
) -> None:
    """The configuration that a recorded run is repeated with."""
    a = dump(tmp_path / "a")
    meta = read_meta(a.parent / "meta_run.json")
    config = Config(stream=StreamConfig(overlap="process"), sampling=SamplingConfig(predictor_policy="free"))
    again = replay_config(replace(meta, config=config.to_dict(), seed=77), a, None)
    assert again.stream.overlap == "none"
    assert (again.sampling.policy, again.sampling.predictor_policy, again.sampling.seed) == ("greedy", "seeded", 77)


@pytest.mark.slow
def test_one_config_that_holds(cli: Callable[..., Done]) -> None:
    done = cli("explain", *HELLO, *SHORT, "--runs", 3)
    assert done.status == 0 and "3 clean runs bound the drift rate" in done.stdout
    assert done.summary.runs == 3 and done.summary.drift_bound == pytest.approx(1 - 0.05 ** (1 / 3))


@pytest.mark.slow
def test_two_configs_of_which_only_decoding_differs(cli: Callable[..., Done]) -> None:
    done = cli("explain", *HELLO, *SHORT, "--set-b", "decoder.stages=conv_only", "--jitters", 0)
    summary = done.summary
    assert done.status == 1 and summary.codes_equal and summary.drift_kind == "decode_change"
    assert summary.first is not None and summary.first.stage == "codec"
    assert summary.first.inputs_equal is None and "only one of the runs computed" in str(summary.first.reason)
    assert summary.condition_differences == ["config decoder.stages: full against conv_only"]
