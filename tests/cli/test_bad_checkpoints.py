"""Checkpoints that are damaged, incomplete or of the wrong kind; and the layouts that must load."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors.torch import load_file, save_file

from tests.cli.cli_helpers import BUILTIN, Done
from ttsctl.engine.model.text import load_tokenizer


def shard(folder: Path) -> None:
    """Split ``model.safetensors`` into two files and their index, in the layout of the official checkpoints."""
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    weight_map: dict[str, str] = {}
    for number in (1, 2):
        file = f"model-{number:05d}-of-00002.safetensors"
        part = {name: tensors[name] for name in sorted(tensors)[number - 1 :: 2]}
        save_file(part, folder / file)
        weight_map |= dict.fromkeys(part, file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))


def spoken(cli: Callable[..., Done], *arguments: Any) -> tuple[str, str]:
    """sha256 of the codes and of the audio."""
    done = cli("synth", "Good morning.", "--json", "--set", "sampling.max_new_tokens=8", *arguments)
    assert done.status == 0, done.stderr
    summary = json.loads(done.stdout)
    return summary["sha256"], summary["pcm_sha256"]


@pytest.mark.slow
def test_sharded_and_tokenizer_json_alone_speak_the_same(cli: Callable[..., Done], checkpoint: Any) -> None:
    expected = spoken(cli)
    shard(checkpoint)
    shard(checkpoint / "speech_tokenizer")
    load_tokenizer(BUILTIN).save(str(checkpoint / "tokenizer.json"))
    for name in ("vocab.json", "merges.txt", "tokenizer_config.json"):
        (checkpoint / name).unlink()
    assert spoken(cli, "--checkpoint", checkpoint) == expected


def test_other_weights_speak_otherwise(cli: Callable[..., Done], checkpoint: Any) -> None:
    """Negative control of the test above."""
    tensors = load_file(checkpoint / "model.safetensors")
    tensors["talker.codec_head.weight"] = tensors["talker.codec_head.weight"].flip(0).contiguous()
    save_file(tensors, checkpoint / "model.safetensors")
    assert spoken(cli, "--checkpoint", checkpoint) != spoken(cli)


@pytest.mark.parametrize("part", ["", "speech_tokenizer"])
@pytest.mark.parametrize("damage", ["truncated", "header cut", "empty", "noise"])
def test_broken_safetensors(cli: Callable[..., Done], checkpoint: Any, part: Any, damage: Any) -> None:
    path = checkpoint / part / "model.safetensors"
    whole = path.read_bytes()
    broken = {"truncated": whole[:-1000], "header cut": whole[:100], "empty": b"", "noise": b"\xff" * 1000}
    path.write_bytes(broken[damage])
    cli("synth", "hi", "--checkpoint", checkpoint).refused(str(path), "not a readable safetensors file", "again")


@pytest.mark.parametrize("part", ["", "speech_tokenizer"])
def test_tensors_that_are_missing_misshapen_or_unknown(cli: Callable[..., Done], checkpoint: Any, part: Any) -> None:
    path = checkpoint / part / "model.safetensors"
    tensors = load_file(path)
    missing, misshapen = [name for name, tensor in sorted(tensors.items()) if tensor.ndim == 2][:2]
    shape = tuple(tensors[misshapen].shape)
    del tensors[missing]
    tensors[misshapen] = tensors[misshapen][:, 1:].contiguous()
    tensors["talker.unheard_of"] = torch.zeros(1)
    save_file(tensors, path)
    cli("synth", "hi", "--checkpoint", checkpoint).refused(
        f"{path.parent}: 3 tensors do not fit",
        f"missing {missing} (",
        f"misshapen {misshapen}: {(shape[0], shape[1] - 1)}, expected {shape}",
        "unknown talker.unheard_of",
    )


def test_many_misfits_are_counted_not_listed(cli: Callable[..., Done], checkpoint: Any) -> None:
    path = checkpoint / "model.safetensors"
    save_file({name: tensor[..., 1:].contiguous() for name, tensor in load_file(path).items()}, path)
    done = cli("synth", "hi", "--checkpoint", checkpoint)
    done.refused("tensors do not fit", " more; ")
    assert len(done.stderr) < 600


@pytest.mark.parametrize("index", ["{}", "[]", '{"weight_map": ["a"]}', '{"weight_map": {"a": 3}}', "{"])
def test_index_of_shards_that_is_none(cli: Callable[..., Done], checkpoint: Any, index: Any) -> None:
    (checkpoint / "model.safetensors").unlink()
    cli("synth", "hi", "--checkpoint", checkpoint).refused("no model.safetensors and no index")
    (checkpoint / "model.safetensors.index.json").write_text(index)
    cli("synth", "hi", "--checkpoint", checkpoint).refused("model.safetensors.index.json: ")


def test_shard_that_is_missing(cli: Callable[..., Done], checkpoint: Any) -> None:
    shard(checkpoint)
    (checkpoint / "model-00002-of-00002.safetensors").unlink()
    cli("synth", "hi", "--checkpoint", checkpoint).refused("model-00002-of-00002.safetensors", "No such file")


@pytest.mark.parametrize(
    "name", ["config.json", "speech_tokenizer/config.json", "tokenizer_config.json", "generation_config.json"]
)
def test_json_files(cli: Callable[..., Done], checkpoint: Any, name: Any) -> None:
    path = checkpoint / name
    for content, says in (("{", "malformed JSON at line 1"), ("[]", "expected a JSON object")):
        path.write_text(content)
        cli("synth", "hi", "--checkpoint", checkpoint).refused(str(path), says)
    path.unlink()
    if name != "generation_config.json":  # the only one that a checkpoint may lack
        cli("synth", "hi", "--checkpoint", checkpoint).refused(str(path), "No such file")


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("config.json", lambda c: c["talker_config"].pop("hidden_size"), "'hidden_size' is missing"),
        ("config.json", lambda c: c["talker_config"].update(hidden_size="128"), "hidden_size: Input should be"),
        ("config.json", lambda c: c["talker_config"].update(spk_id=[1]), "not laid out like"),
        ("config.json", lambda c: c.update(tokenizer_type="other"), "tokenizer_type is 'other'"),
        ("config.json", lambda c: c.update(im_start_token_id=1), "should be id 1"),
        ("speech_tokenizer/config.json", lambda c: c.update(output_sample_rate=None), "'output_sample_rate'"),
        ("speech_tokenizer/config.json", lambda c: c["decoder_config"].update(num_quantizers=8), "groups of"),
        ("generation_config.json", lambda c: c.update(temperature="hot"), "temperature: Input should be"),
        ("generation_config.json", lambda c: c.update(top_p=0), "top_p: Input should be greater than 0"),
        ("generation_config.json", lambda c: c.update(subtalker_top_k=-1), "subtalker_top_k: "),
        ("tokenizer_config.json", lambda c: c.update(added_tokens_decoder={"1": {}}), "added_tokens_decoder: "),
        ("tokenizer_config.json", lambda c: c.update(added_tokens_decoder={}), "'<|im_start|>' should be id"),
    ],
)
def test_values_in_json_files(
    cli: Callable[..., Done], checkpoint: Any, edit: Any, name: Any, change: Any, says: Any
) -> None:
    edit(checkpoint / name, change)
    cli("synth", "hi", "--checkpoint", checkpoint).refused(says)


def test_tokenizer_files(cli: Callable[..., Done], checkpoint: Any) -> None:
    (checkpoint / "vocab.json").write_text("{")
    cli("synth", "hi", "--checkpoint", checkpoint).refused("vocab.json: not a readable tokenizer file")
    (checkpoint / "merges.txt").unlink()
    cli("synth", "hi", "--checkpoint", checkpoint).refused("no vocab.json with merges.txt and no tokenizer.json")
    (checkpoint / "tokenizer.json").write_text("{}")
    cli("synth", "hi", "--checkpoint", checkpoint).refused("tokenizer.json: not a readable tokenizer file")


@pytest.mark.parametrize(
    ("kind", "says"),
    [("base", ["no reference, and a Base checkpoint", "--ref-audio FILE"]), ("other", ["'other' is unknown"])],
)
def test_model_types_that_do_not_speak(
    cli: Callable[..., Done], checkpoint: Any, edit: Any, kind: Any, says: Any
) -> None:
    edit(checkpoint / "config.json", lambda config: config.update(tts_model_type=kind))
    cli("synth", "hi", "--checkpoint", checkpoint).refused(*says)


def test_checkpoint_that_is_not_there(cli: Callable[..., Done], tmp_path: Path) -> None:
    cli("synth", "hi", "--checkpoint", tmp_path / "nowhere").refused(
        "no such folder", "give 'builtin', 'builtin-base', a folder, or"
    )
    (tmp_path / "file").write_text("")
    cli("synth", "hi", "--checkpoint", tmp_path / "file").refused("is a file", "the folder that holds config.json")
    (tmp_path / "folder").mkdir()
    cli("synth", "hi", "--checkpoint", tmp_path / "folder").refused("config.json: No such file")


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (LocalEntryNotFoundError, ["not in the hub cache", "cannot be reached", "give its folder"]),
        (OSError, ["the hub answered: the reason", "check the id"]),
    ],
)
def test_hub_id_when_offline(cli: Callable[..., Done], monkeypatch: pytest.MonkeyPatch, kind: Any, says: Any) -> None:
    def fail(*arguments: Any, **options: Any) -> None:
        raise kind("the reason\nand more")

    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    name = "Qwen/Qwen3-TTS-12Hz-0.6B-CustomVoice"
    cli("synth", "hi", "--checkpoint", name).refused(f"checkpoint {name}: ", *says)


@pytest.mark.slow
def test_hub_id_that_the_cache_has(cli: Callable[..., Done], monkeypatch: pytest.MonkeyPatch, checkpoint: Any) -> None:
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *arguments, **options: str(checkpoint))
    assert spoken(cli, "--checkpoint", "owner/name") == spoken(cli)


def test_a_suite_cannot_run_on_a_broken_checkpoint(cli: Callable[..., Done], checkpoint: Any, tmp_path: Path) -> None:
    """Nothing is judged, so there is no run folder either."""
    shutil.copytree(BUILTIN.parents[3] / "manifests", tmp_path / "manifests")
    shutil.copytree(BUILTIN.parents[3] / "suites", tmp_path / "suites")
    (checkpoint / "model.safetensors").write_bytes(b"")
    done = cli("regress", tmp_path / "suites" / "base.toml", "--checkpoint", checkpoint)
    done.refused("not a readable safetensors file")
