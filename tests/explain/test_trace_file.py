"""Trace files: out as they went in, whole beside a dump or not at all, broken ones named, torch never loaded."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import info_of, run_of
from ttsctl.cli.main import run
from ttsctl.core.config import Config
from ttsctl.core.errors import InputError
from ttsctl.core.machine import collect_provenance
from ttsctl.core.request import Request, Voice
from ttsctl.core.timing import PacketTiming
from ttsctl.core.trace import STAGES, Draws, Prints, Trace, no_draws, no_prints
from ttsctl.dumps.meta import DumpMeta, build_meta
from ttsctl.dumps.sources import load_sources
from ttsctl.dumps.trace_file import read_trace, save_trace, trace_path
from ttsctl.dumps.write import packets_path, write_dump


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command takes the process's signal handlers and, where a thread still hangs, ends it for good: not here."""
    monkeypatch.setattr(signal, "signal", lambda number, handler: None)
    monkeypatch.setattr(os, "_exit", sys.exit)


def some_prints(rows: int, random: np.random.Generator) -> Prints:
    points = ("talker.hidden", "draw", "decoder.decoder.1.block.2.conv2")
    return Prints(
        points=points,
        point=random.integers(0, len(points), rows).astype(np.int32),
        stage=random.integers(0, len(STAGES), rows).astype(np.uint8),
        frame=random.integers(0, 99, rows).astype(np.int32),
        codebook=random.integers(0, 16, rows).astype(np.int16),
        is_input=random.integers(0, 2, rows).astype(np.bool_),
        value=random.integers(0, 2**64, rows, np.uint64),
    )


def some_trace(draws: int = 5, rows: int = 7, seed: int = 0) -> Trace:
    random = np.random.default_rng(seed)
    found = Draws(
        frame=random.integers(0, 99, draws).astype(np.int32),
        codebook=random.integers(0, 16, draws).astype(np.int32),
        id=random.integers(0, 2048, draws),
        best=random.integers(0, 2048, (draws, 2)),
        logits=random.standard_normal((draws, 2)).astype(np.float32),
        gap=random.random(draws).astype(np.float32),
    )
    return Trace("modules", found, some_prints(rows, random), some_prints(rows, random))


def write_trace(folder: Path, tag: str, trace: Trace) -> Path:
    path = trace_path(folder, tag)
    save_trace(path, trace)
    return path


def equal(one: Trace, other: Trace) -> bool:
    parts: list[tuple[Draws | Prints, Draws | Prints]] = [
        (one.draws, other.draws),
        (one.codegen, other.codegen),
        (one.decode, other.decode),
    ]
    return one.level == other.level and all(
        np.array_equal(getattr(a, field.name), getattr(b, field.name))
        and np.asarray(getattr(a, field.name)).dtype == np.asarray(getattr(b, field.name)).dtype
        for a, b in parts
        for field in fields(a)
    )


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 40), st.integers(0, 60), st.integers(0, 9))
def test_comes_out_as_it_went_in(tmp_path_factory: pytest.TempPathFactory, draws: int, rows: int, seed: int) -> None:
    folder = tmp_path_factory.mktemp("trace")
    trace = some_trace(draws, rows, seed)
    assert equal(read_trace(write_trace(folder, "a", trace)), trace)


def test_a_trace_without_prints(tmp_path: Path) -> None:
    trace = Trace("codes", some_trace().draws, no_prints(), no_prints())
    assert equal(read_trace(write_trace(tmp_path, "a", trace)), trace)
    empty = Trace("none", no_draws(), no_prints(), no_prints())
    assert equal(read_trace(write_trace(tmp_path, "b", empty)), empty)


def test_equal_traces_are_equal_files(tmp_path: Path) -> None:
    one, other, third = (
        write_trace(tmp_path, tag, some_trace(seed=seed)) for tag, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert one.read_bytes() == other.read_bytes() != third.read_bytes()


def test_is_compact(tmp_path: Path) -> None:
    """A print takes its 8 bytes, and little more where points repeat in order."""
    random = np.random.default_rng(0)
    prints = replace(some_prints(20_000, random), point=np.tile(np.arange(2, dtype=np.int32), 10_000))
    prints = replace(prints, stage=np.full(20_000, 2, np.uint8), is_input=np.zeros(20_000, np.bool_))
    prints = replace(prints, frame=np.repeat(np.arange(200, dtype=np.int32), 100), codebook=np.zeros(20_000, np.int16))
    path = write_trace(tmp_path, "a", Trace("modules", no_draws(), prints, no_prints()))
    assert path.stat().st_size < 9 * 20_000


def test_never_over_an_earlier_one(tmp_path: Path) -> None:
    path = write_trace(tmp_path, "a", some_trace())
    before = path.read_bytes()
    with pytest.raises(InputError, match="already there"):
        write_dump(tmp_path, dump_meta(CODES), CODES, some_trace(seed=1))
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_read_without_torch(tmp_path: Path) -> None:
    path = write_trace(tmp_path, "a", some_trace())
    script = (
        "import sys; from pathlib import Path; from ttsctl.dumps.trace_file import read_trace;"
        f"read_trace(Path({str(path)!r})); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def arrays_of(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as loaded:
        return dict(loaded)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("version", np.array(2), "expected version 1, got 2"),
        ("version", np.array("1"), "expected version 1"),
        ("level", np.array("all"), "level: expected one of"),
        ("stages", np.array(STAGES[::-1]), "stages: expected reference"),
        ("draws_gap", None, "draws_gap is missing"),
        ("draws_id", np.zeros(4, np.int64), "columns of different lengths"),
        ("draws_best", np.zeros(5, np.int64), r"draws_best: expected \(N, 2\) int64"),
        ("codegen_value", np.zeros(7), r"codegen_value: expected \(N\) uint64"),
        ("codegen_point", np.full(7, 3, np.int32), "codegen_point: expected 0 to 2"),
        ("decode_stage", np.full(7, 12, np.uint8), "decode_stage: expected 0 to 11"),
        ("decode_points", np.zeros(3), "decode_points: expected names"),
        ("decode_points", None, "decode_points: expected names"),
        ("draws_gap", np.array([None] * 5), "no readable trace"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, name: str, value: Any, said: str) -> None:
    path = write_trace(tmp_path, "a", some_trace())
    arrays = arrays_of(path) | {name: value}
    np.savez_compressed(path, **{key: array for key, array in arrays.items() if array is not None})
    with pytest.raises(InputError, match=said):
        read_trace(path)


def test_a_trace_of_before_the_stages_of_a_voice_is_read(tmp_path: Path) -> None:
    """Stages are known by name: what was stage 1 of 7 then is another number now."""
    trace = some_trace()
    path = write_trace(tmp_path, "a", trace)
    older = ("text", "prompt", "talker", "draw", "predictor", "codec", "packetiser")
    arrays = arrays_of(path) | {"stages": np.array(older)}
    for side in ("codegen", "decode"):
        arrays[f"{side}_stage"] = np.arange(7, dtype=np.uint8)
    np.savez_compressed(path, **arrays)
    again = read_trace(path)
    assert [STAGES[number] for number in again.codegen.stage] == list(older)
    assert again.codegen.stage.dtype == np.uint8
    np.savez_compressed(path, **(arrays | {"stages": np.array((*older[:-1], "singing"))}))
    with pytest.raises(InputError, match="stages: expected reference"):
        read_trace(path)


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_a_damaged_file_is_an_input_error_or_reads(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Cut off or with flipped bytes it never crashes; where it reads, it reads as what was written."""
    trace = some_trace(3, 3)
    path = write_trace(tmp_path_factory.mktemp("trace"), "a", trace)
    raw = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        raw = raw[: data.draw(st.integers(0, len(raw) - 1))]
    else:
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(raw)
    try:
        read = read_trace(path)
    except InputError:
        return
    assert equal(read, trace)


@pytest.mark.parametrize("content", [None, b"", b"text", b"PK\x03\x04"])
def test_no_trace_at_all(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "trace_a.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"trace_a\.npz"):
        read_trace(path)


def test_a_plain_array_is_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "trace_a.npz"
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(InputError, match="no readable trace"):
        read_trace(path)


def test_no_user_is_told_to_allow_pickle(tmp_path: Path) -> None:
    path = tmp_path / "trace_a.npz"
    path.write_text("not a trace")
    with pytest.raises(InputError, match="not a file of numpy") as found:
        read_trace(path)
    assert "allow_pickle" not in str(found.value)


def dump_meta(codes: np.ndarray) -> DumpMeta:
    info = info_of(collect_provenance(), codebook_size=128)
    return build_meta(run_of(codes), Request("a", Voice("v")), Config(), info, "a")


CODES = np.arange(48, dtype=np.int64).reshape(3, 16)
PACKETS = (PacketTiming(0, 3, 5760, 1.0, 0.0, None, 1.0, None),)


def test_beside_a_dump_and_out_of_the_way_of_a_comparison(tmp_path: Path) -> None:
    paths = write_dump(tmp_path, dump_meta(CODES), CODES, some_trace(), PACKETS)
    names = {"codes_a.npy", "meta_a.json", "trace_a.npz", "packets_a.json"}
    assert {path.name for path in paths} == {path.name for path in tmp_path.iterdir()} == names
    assert equal(read_trace(trace_path(tmp_path, "a")), some_trace())
    packets = json.loads(packets_path(tmp_path, "a").read_text())["packets"]
    assert packets[0]["samples"] == 5760 and packets[0]["decode_ms"] is None
    dumps, notes = load_sources([tmp_path])
    assert len(dumps) == 1 and not notes


@pytest.mark.parametrize("taken", ["trace_a.npz", "packets_a.json"])
def test_a_dump_never_over_anothers_trace(tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).write_text("earlier")
    with pytest.raises(InputError, match="already there"):
        write_dump(tmp_path, dump_meta(CODES), CODES)
    assert [path.name for path in tmp_path.iterdir()] == [taken]


def test_all_or_nothing(tmp_path: Path) -> None:
    """A trace that cannot be written leaves no dump either."""
    broken = replace(some_trace(), level=object())  # type: ignore[arg-type]
    bad = (PacketTiming(0, 3, 5760, float("nan"), 0.0, None, 1.0, None),)
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_dump(tmp_path, dump_meta(CODES), CODES, broken, bad)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["dump-codes", "synth"])
def test_the_commands_record_on_request(tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = ["--text", "Hi."] if command == "dump-codes" else ["Hi."]
    options = ["--trace", "stages", "--packets", "--set", "sampling.max_new_tokens=3", "--out", str(tmp_path), "--json"]
    with pytest.raises(SystemExit) as left:
        run([command, *text, *options])
    assert left.value.code == 0
    summary = json.loads(capsys.readouterr().out)
    folder = next((tmp_path / command).glob("2*"))
    tag = "text01_run1" if command == "dump-codes" else "stream"
    assert {f"trace_{tag}.npz", f"packets_{tag}.json", f"codes_{tag}.npy"} <= set(summary["files"])
    assert {path.name for path in folder.iterdir()} == {*summary["files"], "summary.json"}
    trace = read_trace(trace_path(folder, tag))
    assert trace.level == "stages" and len(trace.draws.id) == 2 * 16 + 1
    assert "packetiser" in trace.decode.points and "codec.pcm" in trace.decode.points
    assert summary["config"]["record"] == {"trace": "stages", "packets": True}
