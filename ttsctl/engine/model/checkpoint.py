"""Finds a checkpoint and loads it: every tensor that the network needs, with the right shape, and nothing unknown."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from ttsctl.core.errors import InputError
from ttsctl.core.files import MAX_BYTES, MIB, file_sha256, is_file, is_folder, open_regular
from ttsctl.engine.model.config_files import DAMAGED, read_generation, read_object, read_sizes
from ttsctl.engine.model.sizes import CodecSizes, TalkerSizes

BUILTIN = Path(__file__).parent / "builtin"
BUILTINS = MappingProxyType({"builtin": BUILTIN, "builtin-base": Path(__file__).parent / "builtin_base"})
# Parts of the released checkpoints that speaking does not need: the encoders, and the quantiser's encoder side.
SKIPPED = re.compile(r"^(speaker_encoder\.|encoder\.|decoder\.quantizer\.rvq_(first|rest)\.input_proj\.)")
SHOWN = 4
MAX_HEADER_BYTES = 16 * MIB  # the released ones have some 60 kB
MAX_SHARDS = 1000


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint folder in the official layout and what its config files say."""

    name: str
    folder: Path
    sizes: TalkerSizes
    codec_sizes: CodecSizes
    generation: dict[str, Any]


def open_checkpoint(name: str) -> Checkpoint:
    """``builtin``, ``builtin-base``, a folder, or a hub id -> Checkpoint.

    InputError if its files are not those of Qwen3-TTS-12Hz.
    """
    folder = _locate(name)
    config_path, codec_path = folder / "config.json", folder / "speech_tokenizer" / "config.json"
    config, codec = read_object(config_path), read_object(codec_path)
    kind = config.get("tokenizer_type")
    if kind != "qwen3_tts_tokenizer_12hz":
        raise InputError(f"{config_path}: tokenizer_type is {kind!r}", "expected 'qwen3_tts_tokenizer_12hz'")
    generation = read_generation(folder / "generation_config.json")
    sizes = read_sizes(TalkerSizes.read, config_path, config)
    codec_sizes = read_sizes(CodecSizes.read, codec_path, codec)
    _check_fit(sizes, codec_sizes, config_path)
    return Checkpoint(name, folder, sizes, codec_sizes, generation)


def _check_fit(sizes: TalkerSizes, codec: CodecSizes, where: Path) -> None:
    if sizes.num_code_groups != codec.num_quantizers or sizes.predictor_vocab_size > codec.codebook_size:
        raise InputError(
            f"{where}: the talker makes {sizes.num_code_groups} groups of {sizes.predictor_vocab_size} ids, the codec "
            f"takes {codec.num_quantizers} of {codec.codebook_size}",
            "talker and speech_tokenizer are not of one model",
        )


def _locate(name: str) -> Path:
    if name in BUILTINS:
        return BUILTINS[name]
    try:
        folder = Path(name).expanduser()
    except RuntimeError as error:
        raise InputError(f"checkpoint {name}: no such user", "give the whole path of the folder") from error
    if is_folder(folder):
        return folder
    if is_file(folder):
        raise InputError(f"checkpoint {name}: is a file", "give the folder that holds config.json")
    if re.fullmatch(r"[\w.-]+/[\w.-]+", name) and not name.startswith("."):
        return _from_hub(name)
    raise InputError(
        f"checkpoint {name}: no such folder", "give 'builtin', 'builtin-base', a folder, or a hub id like Qwen/NAME"
    )


def _from_hub(name: str) -> Path:
    """Through huggingface_hub and its cache. InputError if it is neither cached nor reachable."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    patterns = ["*.json", "*.txt", "*.safetensors", "speech_tokenizer/*"]
    try:
        return Path(snapshot_download(name, allow_patterns=patterns))
    except LocalEntryNotFoundError as error:
        raise InputError(
            f"checkpoint {name}: no such folder, not in the hub cache, and the hub cannot be reached",
            "connect once, or copy the checkpoint here and give its folder",
        ) from error
    except (HfHubHTTPError, ValueError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"checkpoint {name}: the hub answered: {reason}", "check the id, or give a folder") from error


def tensor_files(folder: Path) -> dict[str, Path]:
    """Tensor name -> its file, for a single ``model.safetensors`` or shards with an index. InputError if neither."""
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if single.exists():
        paths = [single]
    elif index.exists():
        paths = _shards(index)
    else:
        raise InputError(f"{folder}: no model.safetensors and no index of shards", "the checkpoint is incomplete")
    found: dict[str, Path] = {}
    for path in paths:
        with _opened(path) as tensors:
            found.update(dict.fromkeys(tensors.keys(), path))
    return found


def _shards(index: Path) -> list[Path]:
    shards = read_object(index).get("weight_map")
    if not isinstance(shards, dict) or not all(isinstance(name, str) for name in shards.values()):
        raise InputError(f"{index}: expected a weight_map from tensor names to file names", DAMAGED)
    names = sorted(set(shards.values()))
    if len(names) > MAX_SHARDS:
        raise InputError(f"{index}: expected at most {MAX_SHARDS:,} shards, got {len(names):,}", DAMAGED)
    return [index.parent / name for name in names]


def _opened(path: Path) -> Any:
    """InputError for what is no regular file, and for a header so long that reading it would fill the memory."""
    with open_regular(path, "", MAX_BYTES["weights"]) as file:
        header = int.from_bytes(file.read(8), "little")
    if header > MAX_HEADER_BYTES:
        what = f"{path}: not a readable safetensors file (a header of {header:,} bytes, expected {MAX_HEADER_BYTES:,})"
        raise InputError(what, DAMAGED)
    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a readable safetensors file ({error})", "copy or download it again") from error


def load_module(
    module: nn.Module, folder: Path, device: torch.device, dtype: torch.dtype, prefix: str | None = None
) -> None:
    """Fill a module built on the meta device with the tensors of ``folder``, as ``dtype`` on ``device``.

    InputError names tensors that are missing, misshapen or unknown, and counts them all. ``prefix``: with which the
    names of all its tensors begin; None = that of every tensor but those of the encoders.
    """
    files = tensor_files(folder)
    wanted = module.state_dict()
    problems = [f"missing {name} {tuple(t.shape)}" for name, t in wanted.items() if name not in files]
    problems += [f"unknown {name}" for name in files if name not in wanted and _belongs(name, prefix)]
    loaded: dict[str, torch.Tensor] = {}
    for path in sorted({files[name] for name in wanted if name in files}):
        with _opened(path) as tensors:
            for name in [n for n in wanted if files.get(n) == path]:
                shape = tuple(tensors.get_slice(name).get_shape())
                if shape != tuple(wanted[name].shape):
                    problems.append(f"misshapen {name}: {shape}, expected {tuple(wanted[name].shape)}")
                elif not problems:
                    loaded[name] = tensors.get_tensor(name).to(device=device, dtype=dtype)
    if problems:
        more = f" and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise InputError(
            f"{folder}: {len(problems)} tensors do not fit: " + "; ".join(problems[:SHOWN]) + more,
            "config.json and weights are not of one model, or the copy is incomplete",
        )
    module.load_state_dict(loaded, assign=True, strict=True)
    module.requires_grad_(False)
    module.eval()


def _belongs(name: str, prefix: str | None) -> bool:
    return not SKIPPED.match(name) if prefix is None else name.startswith(prefix)


def checkpoint_sha256(folder: Path) -> str:
    """sha256 over the names and sha256 of every file that speaking reads, in name order."""
    names = ["config.json", "generation_config.json", "vocab.json", "merges.txt", "tokenizer_config.json"]
    names += ["tokenizer.json", "speech_tokenizer/config.json"]
    files = [folder / name for name in names if (folder / name).exists()]
    files += sorted({*tensor_files(folder).values(), *tensor_files(folder / "speech_tokenizer").values()})
    whole = hashlib.sha256()
    for path in files:
        with open_regular(path, "", MAX_BYTES["weights"]) as handle:
            digest = file_sha256(handle)
        whole.update(f"{path.relative_to(folder).as_posix()}\0{digest}\n".encode())
    return whole.hexdigest()
