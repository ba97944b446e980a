"""Every reader of a file that a user names, with a whole file to be damaged."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np

from tests.cli.cli_helpers import REPO
from tests.fakes import PROVENANCE, info_of, run_of
from ttsctl.core.config import Config
from ttsctl.core.errors import TtsctlError
from ttsctl.core.request import Request, Voice
from ttsctl.core.trace import Trace, no_draws, no_prints

BUILTIN = Path(__file__).parents[2] / "ttsctl" / "engine" / "model" / "builtin"
CODES = np.random.default_rng(1).integers(0, 2048, (6, 16))
TEXTS = {"schema_version": "1.0", "texts": [{"id": f"t{n}", "text": f"Text number {n}."} for n in range(3)]}
VOICES = {
    "schema_version": "1.0",
    "voices": [
        {"id": "v", "speaker": "ryan", "language": "English"},
        {"id": "w", "ref_audio": "w.wav", "ref_text": "Hello.", "x_vector_only": False},
        {"id": "x", "voice_file": "x.safetensors", "x_vector_only": True},
    ],
}
SUITE = """texts = "t.json"
voices = "v.json"
text_ids = ["t0", "t1"]
voice_ids = ["v"]
runs = 3
timeout_s = 60.5
[stream]
packet_tokens = 4
[pins]
"stream.packet_tokens" = 4
[gates]
codes_baseline = true
ttfa_p95 = 400
mae_waveform = { operator = "<=", threshold = 1e-3, required = true }
"""
EXPERIMENT = """question = "q"
texts = "t.json"
voices = "v.json"
voice_ids = ["v"]
repeats = 3
[sampling]
policy = "greedy"
[matrix]
"stream.packet_tokens" = [4, 8]
[[condition]]
name = "a"
set = { "stream.overlap" = "thread" }
[[conclusion]]
question = "q"
expect = "hash_unique == 1 and errors <= 2"
conditions = ["a-packet_tokens_*"]
"""
CONFIG = """[engine]
device = "cpu"
[sampling]
temperature = 0.5
top_k = 20
[stream]
chunk_ms = 40.5
[backend]
threads = 1
"""


@dataclass(frozen=True)
class Reader:
    """``whole`` makes the content of a file, ``name`` is its name, ``read`` reads it; others may lie beside it."""

    name: str
    whole: Callable[[], bytes]
    read: Callable[[Path], object]


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _saved(suffix: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"x{suffix}"
        if suffix == ".npy":
            np.save(path, CODES)
        elif suffix == ".npz":
            np.savez_compressed(path, codes=CODES)
        elif suffix == ".safetensors":
            from safetensors.numpy import save_file

            save_file({"codes": CODES}, path)
        elif suffix == ".pt":
            import torch

            torch.save({"codes": torch.from_numpy(CODES), "note": ["x", 1, (2, 3)]}, path)
        elif suffix == ".wav":
            from ttsctl.audio.wav import write_wav

            write_wav(path, np.sin(np.arange(2400) / 9).astype(np.float32), 24_000, "PCM_16")
        else:
            from ttsctl.dumps.trace_file import save_trace

            save_trace(path, Trace("codes", no_draws(), no_prints(), no_prints()))
        return path.read_bytes()


def _meta() -> bytes:
    from ttsctl.dumps.meta import build_meta

    meta = build_meta(run_of(CODES), Request("hi", Voice("v"), "t0"), Config(), info_of(PROVENANCE), "a")
    return _json(meta.to_dict())


def _manifest() -> bytes:
    entry = {"tag": "a", "sha256": "0" * 64}
    return _json({"schema_version": "1.0", "dumps": [entry, {**entry, "tag": "b"}], "requests": []})


def _baseline() -> bytes:
    return (REPO / "manifests" / "base_golden" / "baseline.json").read_bytes()


def _read_codes(path: Path) -> object:
    from ttsctl.dumps.read import read_codes

    return read_codes(path)


def _read_meta(path: Path) -> object:
    from ttsctl.dumps.sources import load_sources

    return load_sources([path])


def _read_manifest(path: Path) -> object:
    from ttsctl.dumps.manifest import read_manifest

    return read_manifest(path)


def _read_baseline(path: Path) -> object:
    from ttsctl.regress.baseline import read_baseline

    return read_baseline(path.parent)


def _read_trace(path: Path) -> object:
    from ttsctl.dumps.trace_file import read_trace

    return read_trace(path)


def _read_audio(path: Path) -> object:
    from ttsctl.audio.wav import read_audio

    return read_audio(path)


def _read_texts(path: Path) -> object:
    from ttsctl.runs.texts import load_texts

    return load_texts(path)


def _read_voices(path: Path) -> object:
    from ttsctl.runs.texts import load_voices

    return load_voices(path)


def _voice() -> bytes:
    from ttsctl.core.voice_prompt import VoicePrompt
    from ttsctl.engine.voice.prompt_file import write_voice

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.safetensors"
        write_voice(path, VoicePrompt(CODES, np.ones(8, np.float32), "Hello.", "a" * 64), {"made": "here"})
        return path.read_bytes()


def _read_voice(path: Path) -> object:
    from ttsctl.engine.voice.prompt_file import read_voice

    return read_voice(path)


def _read_reference(path: Path) -> object:
    from ttsctl.engine.voice.reference import read_reference

    return read_reference(path)


def _with_texts(path: Path) -> None:
    (path.parent / "t.json").write_bytes(_json(TEXTS))
    (path.parent / "v.json").write_bytes(_json(VOICES))


def _read_suite(path: Path) -> object:
    from ttsctl.regress.suite import load_suite
    from ttsctl.runs.resolve_config import resolve_config

    _with_texts(path)
    suite = load_suite(path)
    return resolve_config(dict(suite.config_tables), path, [])


def _read_experiment(path: Path) -> object:
    from ttsctl.runs.resolve_config import resolve_config, with_settings
    from ttsctl.sweep.experiment import load_experiment

    _with_texts(path)
    experiment = load_experiment(path)
    base = resolve_config(dict(experiment.config_tables), path, [])
    return [with_settings(base, c.settings, c.name) for c in experiment.conditions[:20]]


def _read_config(path: Path) -> object:
    from ttsctl.runs.resolve_config import config_of_file

    return config_of_file(path, None, [])


def _read_set(path: Path) -> object:
    from ttsctl.runs.resolve_config import resolve_config

    return resolve_config(None, None, [path.read_bytes().decode("utf-8", "surrogateescape")])


def _read_checkpoint(path: Path) -> object:
    """The whole checkpoint with this file in place of its own, up to its weights."""
    import torch

    from ttsctl.engine.loading import open_decoder, open_generator
    from ttsctl.engine.model.checkpoint import checkpoint_sha256, open_checkpoint
    from ttsctl.engine.placement import Placement

    folder = path.parent / "checkpoint"
    shutil.copytree(BUILTIN, folder)
    (folder / path.name.replace("--", "/")).write_bytes(path.read_bytes())
    checkpoint = open_checkpoint(str(folder))
    cpu, dtype = torch.device("cpu"), torch.float32
    place = Placement(cpu, dtype, cpu, dtype)
    return [open_generator(checkpoint, place), open_decoder(checkpoint, place), checkpoint_sha256(folder)]


def _builtin(name: str) -> Callable[[], bytes]:
    """``--`` stands for the folder."""
    return (BUILTIN / name.replace("--", "/")).read_bytes


def _checkpoint(name: str) -> Reader:
    return Reader(name, _builtin(name), _read_checkpoint)


READERS: Mapping[str, Reader] = MappingProxyType(
    {
        "config": Reader("x.toml", CONFIG.encode, _read_config),
        "recorded config": Reader("summary.json", partial(_json, {"config": Config().to_dict()}), _read_config),
        "set": Reader("x", "stream.packet_tokens=8".encode, _read_set),
        "suite": Reader("x.toml", SUITE.encode, _read_suite),
        "experiment": Reader("x.toml", EXPERIMENT.encode, _read_experiment),
        "texts": Reader("x.json", partial(_json, TEXTS), _read_texts),
        "voices": Reader("x.json", partial(_json, VOICES), _read_voices),
        "meta": Reader("meta_a.json", _meta, _read_meta),
        "manifest": Reader("manifest.json", _manifest, _read_manifest),
        "baseline": Reader("baseline.json", _baseline, _read_baseline),
        "trace": Reader("trace_a.npz", partial(_saved, ".trace.npz"), _read_trace),
        "voice": Reader("x.safetensors", _voice, _read_voice),
        "reference": Reader("x.wav", partial(_saved, ".wav"), _read_reference),
        "wav": Reader("x.wav", partial(_saved, ".wav"), _read_audio),
        **{s: Reader(f"x{s}", partial(_saved, s), _read_codes) for s in (".npy", ".npz", ".safetensors", ".pt")},
        "checkpoint config": _checkpoint("config.json"),
        "checkpoint codec": _checkpoint("speech_tokenizer--config.json"),
        "checkpoint generation": _checkpoint("generation_config.json"),
        "checkpoint tokens": _checkpoint("tokenizer_config.json"),
        "checkpoint vocabulary": _checkpoint("vocab.json"),
        "checkpoint weights": _checkpoint("speech_tokenizer--model.safetensors"),
    }
)


def outcome(reader: Reader, content: bytes, folder: Path) -> str:
    """``read``, or the class of the error that a user sees; any other error is raised."""
    path = folder / reader.name
    path.write_bytes(content)
    try:
        reader.read(path)
    except TtsctlError as error:
        return type(error).__name__
    return "read"
