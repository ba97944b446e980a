"""A baseline: what an earlier run of a suite gave, and under which conditions.

Every regress run leaves one in its folder, and ``--write-baseline`` copies it out to be committed:

    baseline.json               hashes, conditions and figures of every case
    wav/<case>_stream.wav       its streamed audio; optional, without it snr_baseline_db is not comparable
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any

from annotated_types import MaxLen
from pydantic import FailFast, TypeAdapter, ValidationError

from ttsctl.core.codes import packet_chain_sha256
from ttsctl.core.config import Config
from ttsctl.core.engine import EngineInfo
from ttsctl.core.errors import InputError
from ttsctl.core.files import is_file, is_folder, read_json_bytes, write_json
from ttsctl.core.metric import Observation
from ttsctl.core.plurals import listed
from ttsctl.core.validation import input_error
from ttsctl.dumps.meta import MAX_PACKETS
from ttsctl.regress.baseline_values import (
    CaseId,
    Frames,
    Metrics,
    PacketTokens,
    Sha256,
    check_packets,
    having,
    twice,
)
from ttsctl.regress.case_runs import CaseRuns
from ttsctl.regress.conditions import (
    TIMING_DECIDES,
    Conditions,
    codes_conditions,
    request_conditions,
    timing_conditions,
)
from ttsctl.runs.texts import MAX_CASES

BASELINE = "baseline.json"
BASELINE_VERSION = "1.0"
REMAKE = "make it again with 'ttsctl regress SUITE --write-baseline DIR'"

# What a comparison cannot do without.
_REQUEST = frozenset({"text_sha256", "text_mode", "speaker", "language", "instruct"})
_CODES = frozenset({"checkpoint_sha256", "sample_rate"})
_STRICT: dict[str, Any] = {"strict": True, "allow_inf_nan": False, "extra": "ignore"}


@dataclass(frozen=True)
class BaselineCase:
    """One case: ``request`` is what was asked, ``metrics`` its figures, without those that were missing.

    ``packet_sha256`` are the chained hashes of packets of ``packet_tokens`` frames. They show in which packet a
    difference begins.
    """

    __pydantic_config__ = _STRICT
    id: CaseId
    request: Annotated[Conditions, having(_REQUEST)]
    codes_sha256: Sha256
    frames: Frames
    packet_tokens: PacketTokens
    packet_sha256: Annotated[list[Sha256], MaxLen(MAX_PACKETS), FailFast()]
    metrics: Metrics


@dataclass(frozen=True)
class Baseline:
    """The content of ``baseline.json``. ``config`` is for ``--config``; None if the baseline is older than it."""

    __pydantic_config__ = _STRICT
    suite: str
    created_utc: str
    config_sha256: str
    codes_conditions: Annotated[Conditions, having(_CODES)]
    timing_conditions: Annotated[Conditions, having(frozenset(TIMING_DECIDES))]
    provenance: dict[str, Any]
    cases: Annotated[list[BaselineCase], MaxLen(MAX_CASES), FailFast()]
    config: dict[str, dict[str, Any]] | None = None
    schema_version: str = BASELINE_VERSION

    def case(self, case_id: str) -> BaselineCase | None:
        """The case with this id; None if the baseline does not have it."""
        return next((case for case in self.cases if case.id == case_id), None)


def baseline_case(runs: CaseRuns, observations: Mapping[str, Observation], packet_tokens: int) -> BaselineCase:
    """A case as later runs will be compared with it."""
    codes = runs.stream.require_codes()
    values = {name: o.value for name, o in observations.items()}
    return BaselineCase(
        id=runs.case.id,
        request=request_conditions(runs.case.request),
        codes_sha256=str(values.pop("codes_sha256")),
        frames=len(codes),
        packet_tokens=packet_tokens,
        packet_sha256=packet_chain_sha256(codes, packet_tokens),
        metrics={name: value for name, value in values.items() if value is not None},
    )


def write_baseline(suite: str, config: Config, info: EngineInfo, cases: Sequence[BaselineCase], folder: Path) -> None:
    """Write ``baseline.json`` of a run of the suite named ``suite`` into its folder."""
    baseline = Baseline(
        suite=suite,
        created_utc=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        config_sha256=config.sha256,
        codes_conditions=codes_conditions(config, info),
        timing_conditions=timing_conditions(config, info),
        provenance=info.provenance.to_dict(),
        cases=list(cases),
        config=config.to_dict(),
    )
    write_json(folder / BASELINE, asdict(baseline))


def read_baseline(folder: Path) -> Baseline:
    """The baseline in the folder of an earlier run, or in a committed one.

    InputError says what is wrong with it: a value that no run can give, or parts that contradict each other.
    """
    path = folder / BASELINE
    if is_folder(folder) and not is_file(path):
        raise InputError(f"baseline {folder}: no {BASELINE} in it", "name the folder of an earlier regress run")
    raw, value = read_json_bytes(path, "baseline")
    if not isinstance(value, dict) or str(value.get("schema_version", "")).partition(".")[0] != "1":
        raise InputError(f"baseline {path}: expected a JSON object with schema_version {BASELINE_VERSION}", REMAKE)
    try:
        baseline = TypeAdapter(Baseline).validate_json(raw)
    except ValidationError as error:
        raise input_error(f"baseline {path}", error, fix=REMAKE) from error
    _check_consistent(path, baseline)
    return baseline


def _check_consistent(path: Path, baseline: Baseline) -> None:
    """The parts of a baseline must agree with each other; whether they are true only a new run can tell."""
    again = twice(baseline.cases)
    if again:
        raise InputError(f"baseline {path}: several cases have the same id: {listed(again)}", REMAKE)
    for case in baseline.cases:
        where = f"baseline {path}: case {case.id}"
        check_packets(where, case.frames, case.packet_tokens, case.packet_sha256, REMAKE)
        if case.metrics.get("frames", case.frames) != case.frames:
            raise InputError(f"{where}: frames: {case.frames}, but {case.metrics['frames']} among its metrics", REMAKE)
