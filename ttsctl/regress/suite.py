"""A suite: what to run and what must hold, from TOML.

name = "base"                                # default: the file's name
texts = "../manifests/texts_base.json"       # paths are relative to the suite file
voices = "../manifests/voices_base.json"
text_ids = ["long_01", "short_01"]           # default: all of the file
voice_ids = ["serena"]
runs = 3                                     # streamed runs besides the first, for determinism
warmup = 1                                   # streamed runs that are not counted, before the first case
timeout_s = 60                               # for all runs of a case together
text_mode = "streaming"
offline_from_codes = false                   # true: "offline" decodes the stream's own codes, so that drift of code
                                             # generation does not spoil the comparison of audio
baseline = "../manifests/base_golden"        # used unless --baseline names another

[stream]                                     # the tables of the configuration
packet_tokens = 4

[pins]                                       # settings that must not be changed by --set
"stream.packet_tokens" = 4

[gates]                                      # true, false, a threshold, or a table
codes_baseline = true
ttfa_p95 = 400
mae_waveform = { operator = "<=", threshold = 1e-3, required = true }
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le, MaxLen
from pydantic import BaseModel, ConfigDict, ValidationError

from ttsctl.core.config import CONFIG_TABLES, Config
from ttsctl.core.errors import InputError, nearest
from ttsctl.core.files import read_toml_bytes
from ttsctl.core.request import TextMode
from ttsctl.core.validation import input_error
from ttsctl.regress.gates import GATES, Gate, GateSetting, Operator
from ttsctl.regress.thresholds import check_threshold
from ttsctl.runs.resolve_config import with_settings
from ttsctl.runs.texts import MAX_TIMEOUT_S, MAX_WARMUP, Case, load_cases

DEFAULT_RUNS = 3
DEFAULT_TIMEOUT_S = 120.0
MAX_RUNS = 10_000  # of one case: all are kept until it is measured


@dataclass(frozen=True)
class Suite:
    """A validated suite, but for ``config_tables``, which are validated with the rest of the configuration."""

    name: str
    path: Path
    sha256: str
    cases: tuple[Case, ...]
    runs: int
    warmup: int
    timeout_s: float
    baseline: Path | None
    config_tables: Mapping[str, Any]
    pins: Mapping[str, Any]
    gates: tuple[GateSetting, ...]
    offline_from_codes: bool = False


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class _SuiteTable(_Closed):
    name: Annotated[str, MaxLen(200)] | None = None
    texts: str | None = None
    voices: str | None = None
    text_ids: list[str] | None = None
    voice_ids: list[str] | None = None
    runs: Annotated[int, Ge(0), Le(MAX_RUNS)] = DEFAULT_RUNS
    warmup: Annotated[int, Ge(0), Le(MAX_WARMUP)] = 1
    timeout_s: Annotated[float, Gt(0), Le(MAX_TIMEOUT_S)] = DEFAULT_TIMEOUT_S
    text_mode: TextMode = "streaming"
    offline_from_codes: bool = False
    baseline: str | None = None
    pins: dict[str, bool | int | float | str] = {}
    gates: dict[str, Any] = {}


class _GateTable(_Closed):
    on: bool = True
    operator: Operator | None = None
    threshold: Any = None  # its type depends on the gate, see check_threshold
    unit: str | None = None
    required: bool | None = None


def load_suite(path: Path) -> Suite:
    """Read and validate a suite with its texts and voices.

    A suite without texts or voices is valid and has no cases. InputError names the file, the key and the nearest
    known one.
    """
    raw, table = read_toml_bytes(path, "suite")
    config_tables = {key: table.pop(key) for key in CONFIG_TABLES if key in table}
    _refuse_unknown(table, [*_SuiteTable.model_fields, *CONFIG_TABLES], f"suite {path}", "key")
    try:
        suite = _SuiteTable.model_validate(table)
    except ValidationError as error:
        raise input_error(f"suite {path}", error) from error
    return Suite(
        name=suite.name or path.stem,
        path=path,
        sha256=hashlib.sha256(raw).hexdigest(),
        cases=_cases(suite, path.parent),
        runs=suite.runs,
        warmup=suite.warmup,
        timeout_s=suite.timeout_s,
        baseline=path.parent / suite.baseline if suite.baseline is not None else None,
        config_tables=config_tables,
        pins=_checked_pins(suite.pins, path),
        gates=_gates(suite.gates, path),
        offline_from_codes=suite.offline_from_codes,
    )


def _refuse_unknown(table: Mapping[str, Any], known: list[str], where: str, what: str) -> None:
    for key in table:
        if key not in known:
            raise InputError(f"{where}: unknown {what} {key!r}", nearest(key, known))


def _cases(suite: _SuiteTable, folder: Path) -> tuple[Case, ...]:
    """Each chosen text spoken by each chosen voice."""
    if suite.texts is None or suite.voices is None:
        return ()
    texts, voices = folder / suite.texts, folder / suite.voices
    return load_cases(texts, voices, suite.text_ids, suite.voice_ids, suite.text_mode)


def _checked_pins(pins: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Pins whose keys are settings, each with a value that its setting can have."""
    known = [f"{table}.{key}" for table, keys in Config().to_dict().items() for key in keys]
    _refuse_unknown(pins, known, f"suite {path}: pins", "setting")
    for key, value in pins.items():
        with_settings(Config(), {key: value}, f"suite {path}: pins")
    return dict(pins)


def _gates(table: Mapping[str, Any], path: Path) -> tuple[GateSetting, ...]:
    """Every gate as the suite sets it. A gate that the suite does not name keeps its defaults."""
    _refuse_unknown(table, list(GATES), f"suite {path}: gates", "gate")
    return tuple(
        _setting(gate, table.get(gate.name, gate.on), f"suite {path}: gates.{gate.name}") for gate in GATES.values()
    )


def _setting(gate: Gate, value: object, where: str) -> GateSetting:
    """The gate with the ``value`` that it has in the suite; ``where`` names its place in errors."""
    given = _gate_table(value, where)
    _refuse_unknown(given, list(_GateTable.model_fields), where, "key")
    try:
        wanted = _GateTable.model_validate(given)
    except ValidationError as error:
        raise input_error(where, error) from error
    if wanted.unit is not None and wanted.unit != gate.unit:
        raise InputError(f"{where}: expected the unit {gate.unit!r}, got {wanted.unit!r}", "convert the threshold")
    operator = wanted.operator or gate.operator
    threshold = gate.threshold if wanted.threshold is None else wanted.threshold
    check_threshold(gate, operator, threshold, where, given=wanted.threshold is not None, on=wanted.on)
    required = gate.required if wanted.required is None else wanted.required
    return GateSetting(gate, operator, threshold, wanted.on, required)


def _gate_table(value: object, where: str) -> dict[str, Any]:
    """A gate's table, also of its short forms: true and false switch the gate, a number is its threshold."""
    if isinstance(value, dict):
        return value
    if isinstance(value, bool):
        return {"on": value}
    if isinstance(value, (int, float)):
        return {"threshold": value}
    raise InputError(f"{where}: expected true, false, a threshold or a table, got {value!r}", "see the suite's format")
