"""The conditions under which two runs may be compared, and how a difference between them is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ttsctl.core.config import Config
from ttsctl.core.engine import EngineInfo
from ttsctl.core.provenance import Provenance
from ttsctl.core.request import Request
from ttsctl.dumps.meta import text_sha256

Conditions = dict[str, Any]

# Times are compared across all settings: what a setting costs is what the gate is for. Only these facts make two runs
# unlike each other; of the request its text and voice do, but not how the text is fed.
TIMING_DECIDES = ("machine_id", "checkpoint_sha256")
FED = "text_mode"


def request_conditions(request: Request) -> Conditions:
    """What must be equal for two requests to be the same request; of a cloned voice its file, by its bytes."""
    voice = request.voice
    cloned = ("ref_sha256", "ref_text", "x_vector_only") if voice.is_cloned else ()
    return {
        "text_sha256": text_sha256(request.text),
        "text_mode": request.text_mode,
        "speaker": voice.speaker,
        "language": voice.language,
        "instruct": voice.instruct,
        **{name: getattr(voice, name) for name in cloned},
    }


def codes_conditions(config: Config, info: EngineInfo) -> Conditions:
    """What must be equal for codes to be comparable: checkpoint, sampling, and device and dtype of code generation.

    Packets and the decoder are left out, because they must not change the codes.
    """
    sampling = config.to_dict()["sampling"]
    if config.sampling.policy == "greedy" and config.sampling.predictor_policy in (None, "greedy"):
        sampling = {key: sampling[key] for key in ("policy", "max_new_tokens", "repetition_penalty")}
    device, dtype = _placed(config, info, "codegen")
    return {
        "checkpoint_sha256": info.provenance.checkpoint_sha256 or info.provenance.checkpoint,
        **{f"sampling.{key}": value for key, value in sampling.items()},
        "codegen_device": device.partition(":")[0],
        "codegen_dtype": dtype,
        "sample_rate": info.sample_rate,
    }


def timing_conditions(config: Config, info: EngineInfo) -> Conditions:
    """The facts behind times. ``TIMING_DECIDES`` must be equal for times to be comparable; the others are named."""
    codegen_device, codegen_dtype = _placed(config, info, "codegen")
    decoder_device, decoder_dtype = _placed(config, info, "decoder")
    return {
        "machine_id": info.provenance.machine_id,
        "threads": info.provenance.threads,
        "checkpoint_sha256": info.provenance.checkpoint_sha256 or info.provenance.checkpoint,
        "stream.packet_tokens": config.stream.packet_tokens,
        "codegen_device": codegen_device,
        "codegen_dtype": codegen_dtype,
        "decoder_device": decoder_device,
        "decoder_dtype": decoder_dtype,
    }


def _placed(config: Config, info: EngineInfo, stage: str) -> tuple[str, str]:
    """Device and dtype of a stage as the engine reports them; where it does not, as the config asks for them."""
    tables = config.to_dict()["engine"]
    device = info.in_force.get(f"{stage}_device") or tables[f"{stage}_device"] or config.engine.device
    return str(device), str(info.in_force.get(f"{stage}_dtype") or tables[f"{stage}_dtype"])


def settings(config: Mapping[str, Mapping[str, Any]] | None, timing: Conditions) -> Conditions:
    """Everything that may be set by its dotted name, and what came of it: threads, devices and dtypes in force.

    ``config`` by tables is None for a baseline that is older than the key; then only what is in ``timing`` is known.
    """
    asked = {f"{table}.{key}": value for table, keys in (config or {}).items() for key, value in keys.items()}
    return {**asked, **{key: value for key, value in timing.items() if key not in TIMING_DECIDES}}


def differing_settings(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """As ``differing``, for the settings that both know."""
    known = [name for name in then if name in now]
    return differing({name: then[name] for name in known}, {name: now[name] for name in known})


def differing(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """One line for each condition that differs: the baseline's value against this run's."""
    names = dict.fromkeys([*then, *now])
    return [
        f"{name}: {short_hash(str(then.get(name)))} in the baseline, {short_hash(str(now.get(name)))} now"
        for name in names
        if then.get(name) != now.get(name)
    ]


def provenance_differences(then: Mapping[str, Any], now: Provenance) -> list[str]:
    """One line for each fact, and each package, in which the baseline's provenance differs from this run's.

    ``then`` is a plain table, because a baseline may be older than a field of Provenance.
    """
    current = now.to_dict()
    lines = []
    for name in sorted(set(then) | set(current)):
        left, right = then.get(name), current.get(name)
        if isinstance(left, dict) and isinstance(right, dict):
            packages = [p for p in sorted(set(left) | set(right)) if left.get(p) != right.get(p)]
            lines += [
                f"{name} {p}: {left.get(p, 'absent')} in the baseline, {right.get(p, 'absent')} now" for p in packages
            ]
        elif left != right:
            lines.append(f"{name}: {left} in the baseline, {right} now")
    return lines


def short_hash(text: str) -> str:
    """The first 12 digits of a sha256, which are enough to tell two apart; any other text as it is."""
    return text[:12] if len(text) == 64 and " " not in text else text
