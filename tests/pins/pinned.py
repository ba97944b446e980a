"""Pinned output: what every command writes to summary.json, and its schema, as they were when they were approved.

``python -m tests.pins.pinned`` writes the files of ``tests/data/pins`` anew; a reviewer then reads the change.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

REPO = Path(__file__).parents[2]
PINS = REPO / "tests" / "data" / "pins"
ONE_THREAD = ("--set", "determinism.single_thread=true")
FEW = (*ONE_THREAD, "--set", "sampling.max_new_tokens=6")
# What depends on the machine or on the hour: only its presence and its type are pinned.
BLANK = re.compile(
    r"(_ms|^rtf.*|_rtf|_p(50|95)|^ms|_utc|^hosts?|^pid|^machines?|machine_id|^seconds.*|^wall_s|^frames_a_second|^held"
    r"|^x_realtime|^wall_x_realtime|^memory_gb_s|^over_floor|^cpu_s|^targets?|^path|^folder|^file|^python|threads?|relative_cost.*|^growth|^clock|_baseline|^low|^high"
    r"|^total_s|^wall_max_s|^total_(p50|p95|max)_s|^wall_rtf_.*|^stall(s|ed))$"
)
TIMES = re.compile(r"(?<![\w.])\d+(\.\d+)?(e-?\d+)?( (ms|s)\b)?")
# Two numeric libraries agree on audio to about this share of a figure.
RELATIVE, ABSOLUTE = 2e-2, 2e-5
SUITE = """
texts = "manifests/texts_base.json"
voices = "manifests/voices_base.json"
text_ids = ["short_01"]
voice_ids = ["vivian"]
runs = 1
warmup = 0
baseline = "manifests/base_golden"
[determinism]
single_thread = true
[gates]
codes_baseline = { on = true, required = true }
ttfa_p50_baseline = false
"""
EXPERIMENT = """
name = "pinned"
question = "Are the codes the same for packets of 4 and of 8 frames?"
texts = "manifests/texts_base.json"
voices = "manifests/voices_base.json"
text_ids = ["short_01"]
voice_ids = ["vivian"]
repeats = 2
warmup = 0
[sampling]
max_new_tokens = 6
[determinism]
single_thread = true
[matrix]
"stream.packet_tokens" = [4, 8]
[[conclusion]]
question = "Do both give the same codes?"
expect = "hash_unique == 1"
over = "all"
"""

Call = Callable[..., Any]


def summaries(folder: Path) -> Iterator[tuple[str, Any]]:
    """(name, summary) of every command, each run once on the built-in checkpoint in ``folder``."""
    spoken = ("--text-id", "short_01", "--voice-id", "vivian")
    shutil.copytree(REPO / "manifests", folder / "manifests")
    named = {name: str(folder / "manifests" / f"{name}_base.json") for name in ("texts", "voices")}
    manifests = ("--texts", named["texts"], "--voices", named["voices"])
    yield "synth", _run(folder, "synth", "Good morning.", "--speaker", "vivian", *FEW)
    yield "dump-codes", _run(folder, "dump-codes", *spoken, *manifests, "--runs", "2", "--packets", *FEW)
    reference = (str(folder / "manifests" / "references" / "low.wav"), "--ref-text", "Hello.", "--roundtrip")
    yield "encode", _run(folder, "encode", *reference, "--checkpoint", "builtin-base", *ONE_THREAD)
    codes = folder / "out" / "dump-codes" / "latest" / "codes_short_01_run1.npy"
    yield "compare-hash", _run(folder, "compare-hash", str(codes), str(_altered(codes, folder)))
    legacy = "old:decoder.mode=windowed,stream.left_context=25,decoder.padding=legacy"
    yield "decode-ablate", _run(folder, "decode-ablate", str(codes), "--variant", legacy, *ONE_THREAD)
    wavs = [str(folder / "out" / "decode-ablate" / "latest" / name) for name in ("A_oneshot.wav", "old.wav")]
    yield "pop-align", _run(folder, "pop-align", *wavs)
    (folder / "suite.toml").write_text(SUITE, encoding="utf-8")
    yield "regress", _run(folder, "regress", str(folder / "suite.toml"))
    (folder / "experiment.toml").write_text(EXPERIMENT, encoding="utf-8")
    yield "sweep", _run(folder, "sweep", str(folder / "experiment.toml"))
    penalty = ("--set-b", "sampling.repetition_penalty=1.4")
    yield "explain", _run(folder, "explain", *spoken, *manifests, *penalty, "--jitters", "1", *ONE_THREAD)
    (folder / "a.toml").write_text("[determinism]\nsingle_thread = true\n", encoding="utf-8")
    other = "[determinism]\nsingle_thread = true\n[sampling]\nrepetition_penalty = 1.4\n[stream]\npacket_tokens = 8\n"
    (folder / "b.toml").write_text(other, encoding="utf-8")
    toml = (str(folder / "a.toml"), str(folder / "b.toml"))
    yield "bisect", _run(folder, "bisect", *toml, *spoken, *manifests, "--runs", "1")
    small = ("--checkpoint", "builtin", "--rounds", "1", *ONE_THREAD)
    yield "bench-decode", _run(folder, "bench", "decode", "--frames", "12", *small)
    yield "bench-trace", _run(folder, "bench", "trace", "--frames", "2", *small)
    cloning = ("--checkpoint", "builtin-base", "--rounds", "1", "--seconds", "1", *ONE_THREAD)
    yield "bench-voice", _run(folder, "bench", "voice", *cloning)
    yield "bench-codegen", _run(folder, "bench", "codegen", "--frames", "2", *small[:2], *ONE_THREAD)
    yield "bench-pops", _run(folder, "bench", "pops", "--seconds", "1", "--align-seconds", "2")


def schemas() -> dict[str, Any]:
    """The schema of every summary by command, with what it refers to put in its place."""
    from ttsctl.cli.commands import summary_commands, summary_model

    found = {}
    for name in summary_commands():
        schema = summary_model(name).model_json_schema(mode="serialization")
        found[name] = _inlined(schema, schema.get("$defs", {}))
    return found


def _altered(codes: Path, folder: Path) -> Path:
    other = np.load(codes, allow_pickle=False)
    other[2, 5] ^= 1
    np.save(folder / "other.npy", other)
    return folder / "other.npy"


def _run(folder: Path, *line: str) -> Any:
    from ttsctl.cli.main import run

    printed, said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(said), contextlib.suppress(SystemExit):
        run([*line, "--json", "--out", str(folder / "out")])
    if not printed.getvalue():
        raise RuntimeError(f"{' '.join(line)}: {said.getvalue()}")
    return blanked(json.loads(printed.getvalue()), folder)


def blanked(value: Any, folder: Path, timed: bool = False) -> Any:
    """``value`` without what the machine or the hour decide; ``timed``: it stands below a key that says so."""
    if isinstance(value, dict):
        return {_neutral(name, folder): _entry(one, folder, name, timed) for name, one in value.items()}
    if isinstance(value, list):
        # A note about a stall is one about the machine.
        kept = [one for one in value if not (isinstance(one, str) and "stall in " in one)]
        return [blanked(one, folder, timed) for one in kept]
    if timed and isinstance(value, (int, float)):
        return "<number>"
    return _neutral(value, folder) if isinstance(value, str) else value


def _entry(value: Any, folder: Path, name: str, timed: bool) -> Any:
    if name == "provenance":
        return sorted(value)
    if name in ("provenance_differ", "cublas_workspace") or (name in ("stalls", "stalled") and isinstance(value, list)):
        return "<any>"
    if name in ("definitions", "config"):
        return value
    blank = BLANK.search(name) is not None
    return "<text>" if blank and isinstance(value, str) else blanked(value, folder, timed or blank)


def _neutral(text: str, folder: Path) -> str:
    text = text.replace(str(folder), "<folder>").replace(str(REPO), "<repo>")
    return TIMES.sub("<n>", text) if "." in text else text


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:
    """Names of classes and their docstrings may change; fields, types and their descriptions may not."""
    if isinstance(schema, list):
        return [_inlined(one, definitions) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    dropped = {"title", "$defs", "additionalProperties"} if "properties" in schema else {"$defs"}
    dropped |= {"description"} if "properties" in schema else set()
    kept = {name: one for name, one in schema.items() if name not in dropped}
    if isinstance(kept.get("title"), str):
        del kept["title"]
    return {name: _inlined(one, definitions) for name, one in kept.items()}


def differences(pinned: Any, now: Any, where: str = "") -> list[str]:
    """What is not as it was pinned, one line a place; floats within a share that numeric libraries differ by."""
    if isinstance(pinned, dict) and isinstance(now, dict):
        lines = [f"{where}: keys {list(pinned)} became {list(now)}"] if list(pinned) != list(now) else []
        return lines + [d for k in pinned if k in now for d in differences(pinned[k], now[k], f"{where}.{k}")]
    if isinstance(pinned, list) and isinstance(now, list) and len(pinned) == len(now):
        return [d for n, (a, b) in enumerate(zip(pinned, now, strict=True)) for d in differences(a, b, f"{where}[{n}]")]
    if isinstance(pinned, float) and isinstance(now, float):
        near = math.isclose(pinned, now, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
        # Above 100 dB the difference is rounding alone, which the numeric library decides.
        rounding = min(pinned, now) > 100
        return [] if near or rounding else [f"{where}: {pinned!r} became {now!r}"]
    return [] if pinned == now and type(pinned) is type(now) else [f"{where}: {pinned!r} became {now!r}"]


def main() -> None:
    """Write all pins anew, from runs in a folder that is gone afterwards."""
    PINS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        found = {**dict(summaries(Path(name))), "schema": schemas()}
    for name, value in found.items():
        (PINS / f"{name}.json").write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
