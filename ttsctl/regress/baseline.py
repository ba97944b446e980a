"""A baseline: what an earlier run of a suite gave, and under which conditions.

Every regress run leaves one in its folder, and ``--write-baseline`` copies it out to be committed:

    baseline.json               hashes, conditions and figures of every case
    wav/<case>_stream.wav       its streamed audio; optional, without it snr_baseline_db is not comparable
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ttsctl.core.codes import packet_chain_sha256
from ttsctl.core.config import Config
from ttsctl.core.engine import EngineInfo
from ttsctl.core.errors import InputError
from ttsctl.core.files import read_json, write_json
from ttsctl.core.request import Request
from ttsctl.dumps.meta import text_sha256
from ttsctl.regress.cases import CaseOutput
from ttsctl.regress.measure import Observations

BASELINE = "baseline.json"
BASELINE_VERSION = "1.0"
REMAKE = "make it again with 'ttsctl regress SUITE --write-baseline DIR'"

Conditions = dict[str, Any]
_STRICT: dict[str, Any] = {"strict": True, "allow_inf_nan": False, "extra": "ignore"}


@dataclass(frozen=True)
class BaselineCase:
    """One case: ``request`` is what was asked, ``metrics`` the figures it had, without those that were missing.

    ``packet_sha256`` are the chained hashes of packets of ``packet_tokens`` frames, to narrow a difference down.
    """

    __pydantic_config__ = _STRICT
    id: str
    request: Conditions
    codes_sha256: str
    frames: int
    packet_tokens: int
    packet_sha256: list[str]
    metrics: dict[str, float | int | str | bool]


@dataclass(frozen=True)
class Baseline:
    """What ``baseline.json`` holds."""

    __pydantic_config__ = _STRICT
    suite: str
    created_utc: str
    config_sha256: str
    codes_conditions: Conditions
    timing_conditions: Conditions
    provenance: dict[str, Any]
    cases: list[BaselineCase]
    schema_version: str = BASELINE_VERSION

    def case(self, case_id: str) -> BaselineCase | None:
        return next((case for case in self.cases if case.id == case_id), None)


def request_conditions(request: Request) -> Conditions:
    """What makes two requests the same."""
    voice = request.voice
    return {
        "text_sha256": text_sha256(request.text),
        "text_mode": request.text_mode,
        "speaker": voice.speaker,
        "language": voice.language,
        "instruct": voice.instruct,
    }


def codes_conditions(config: Config, info: EngineInfo) -> Conditions:
    """The settings that decide the codes: checkpoint, sampling, and where and how precisely they are computed.

    How codes are packed and decoded must not change them, so it is not among these.
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
    """What must be equal for times to be comparable: the machine and its threads, the checkpoint, the packet."""
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
    """Device and dtype in force; as configured where the engine does not say."""
    tables = config.to_dict()["engine"]
    device = info.in_force.get(f"{stage}_device") or tables[f"{stage}_device"] or config.engine.device
    return str(device), str(info.in_force.get(f"{stage}_dtype") or tables[f"{stage}_dtype"])


def differing(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs, one readable line a condition: the baseline's value against this run's."""
    names = dict.fromkeys([*then, *now])
    return [
        f"{name}: {_short(then.get(name))} in the baseline, {_short(now.get(name))} now"
        for name in names
        if then.get(name) != now.get(name)
    ]


def _short(value: object) -> str:
    """A value for people: of a sha256 the first 12 digits, which tell two apart."""
    text = str(value)
    return text[:12] if len(text) == 64 and " " not in text else text


def baseline_case(output: CaseOutput, observations: Observations, packet_tokens: int) -> BaselineCase:
    """What the next run will be compared with."""
    codes = output.stream.require_codes()
    values = {name: o.value for name, o in observations.items()}
    return BaselineCase(
        id=output.case.id,
        request=request_conditions(output.case.request),
        codes_sha256=str(values.pop("codes_sha256")),
        frames=len(codes),
        packet_tokens=packet_tokens,
        packet_sha256=packet_chain_sha256(codes, packet_tokens),
        metrics={name: value for name, value in values.items() if value is not None},
    )


def stream_wav(folder: Path, case_id: str) -> Path:
    """Where a case's streamed audio lies in a run folder and in a baseline."""
    return folder / "wav" / f"{case_id}_stream.wav"


def write_baseline_file(baseline: Baseline, folder: Path) -> Path:
    """``baseline.json`` into ``folder``."""
    path = folder / BASELINE
    write_json(path, asdict(baseline))
    return path


def read_baseline(folder: Path) -> Baseline:
    """The baseline of an earlier run's folder or of one committed; InputError says what is wrong with it."""
    from pydantic import TypeAdapter, ValidationError

    path = folder / BASELINE
    if folder.is_dir() and not path.is_file():
        raise InputError(f"baseline {folder}: no {BASELINE} in it", "name the folder of an earlier regress run")
    value = read_json(path, "baseline")
    if not isinstance(value, dict) or str(value.get("schema_version", "")).partition(".")[0] != "1":
        raise InputError(f"baseline {path}: expected a JSON object with schema_version {BASELINE_VERSION}", REMAKE)
    try:
        return TypeAdapter(Baseline).validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(f"baseline {path}: {where}: {first['msg']}", REMAKE) from error


def why_no_baseline(cases: Sequence[tuple[str, Observations | None]]) -> str | None:
    """Why this run cannot become a baseline: a case failed, or its codes are not even equal to themselves."""
    if not cases:
        return "no case ran"
    failed = [case_id for case_id, observations in cases if observations is None]
    if failed:
        return "cases failed: " + ", ".join(failed)
    drifting = [
        i for i, o in cases if o and (o["hash_unique"].value != 1 or o["offline_codes_equal"].value is not True)
    ]
    return "codes not shown to be the same in every run: " + ", ".join(drifting) if drifting else None


def check_new_baseline(target: Path) -> None:
    """InputError if ``target`` is already something: a baseline is never overwritten."""
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise InputError(f"baseline {target}: already there", "choose a new folder, or remove the old one yourself")


def publish_baseline(run: Path, target: Path) -> None:
    """Copy the baseline of the run folder ``run`` to ``target``, whole or not at all."""
    check_new_baseline(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as temporary:
            whole = Path(temporary) / target.name
            whole.mkdir()
            shutil.copy2(run / BASELINE, whole)
            for wav in sorted((run / "wav").glob("*_stream.wav")):
                (whole / "wav").mkdir(exist_ok=True)
                shutil.copy2(wav, whole / "wav")
            whole.replace(target)
    except OSError as error:
        raise InputError(f"baseline {target}: {error.strerror or error}", "choose a writable folder") from error
