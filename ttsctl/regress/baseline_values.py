"""What the values of a baseline may be: checked when it is read, because nonsense would be a limit that all passes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Protocol

from annotated_types import Ge, Le
from pydantic import AfterValidator, Field, PlainValidator

from ttsctl.audio import metrics as figures
from ttsctl.core.audio import Audio
from ttsctl.core.errors import InputError
from ttsctl.core.metric import MetricType, metrics
from ttsctl.core.plurals import listed

Value = float | int | str | bool
# Far beyond every run: a day, and the frames of one.
LONGEST_MS = 86_400_000.0
MOST_FRAMES = 1_080_000
LARGEST = 1e12
# How far figures of the same audio may be apart when two numeric libraries compute them.
RELATIVE, ABSOLUTE = 1e-2, 1e-6

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
CaseId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,130}$")]
Frames = Annotated[int, Ge(0), Le(MOST_FRAMES)]
PacketTokens = Annotated[int, Ge(1), Le(MOST_FRAMES)]

_KINDS: Mapping[MetricType, str] = MappingProxyType(
    {"number": "a number", "count": "an integer", "flag": "true or false", "text": "text"}
)


def _checked_metrics(values: object) -> dict[str, Value]:
    """One error for the whole table: pydantic's own check keeps several a wrong value, kilobytes for each."""
    if not isinstance(values, dict):
        raise ValueError(f"expected a table of figures, got {values!r:.40}")
    for name, value in values.items():
        if not isinstance(name, str) or not isinstance(value, Value):
            raise ValueError(f"{name!s:.80}: expected a number, text, true or false, got {value!r:.40}")
        why = _why_no_value(name, value)
        if why:
            raise ValueError(f"{name:.80}: expected {why}, got {value!r:.40}")
    return values


def _why_no_value(name: str, value: Value) -> str | None:
    """What is expected of the metric, where the value is nothing that it can measure; None if it is fine."""
    known = metrics().get(name)
    if known is not None and not _is_of(known.type, value):
        return _KINDS.get(known.type, known.type)
    if isinstance(value, (bool, str)):
        return None
    signed = known is None or known.signed
    largest = LONGEST_MS if known is not None and known.unit == "ms" else LARGEST
    if not (-largest if signed else 0) <= value <= largest:
        return f"{'at least -' if signed else '0 to '}{largest:g}"
    return None


def _is_of(kind: MetricType, value: Value) -> bool:
    if kind in ("flag", "text"):
        return isinstance(value, bool if kind == "flag" else str)
    if isinstance(value, (bool, str)):
        return False
    return isinstance(value, int) or (kind == "number" and math.isfinite(value))


Metrics = Annotated[dict[str, Value], PlainValidator(_checked_metrics, json_schema_input_type=dict[str, Value])]


def having(keys: Set[str]) -> AfterValidator:
    """A validator of a table that must have these keys."""

    def check(table: dict[str, object]) -> dict[str, object]:
        absent = sorted(keys - set(table))
        if absent:
            raise ValueError(f"expected the key {', '.join(absent)}")
        return table

    return AfterValidator(check)


class Identified(Protocol):
    """Whatever has an id."""

    @property
    def id(self) -> str: ...


def twice(cases: Sequence[Identified]) -> list[str]:
    """The ids that more than one case has, on a file system that folds case."""
    times = Counter(case.id.casefold() for case in cases)
    return [case.id for case in cases if times[case.id.casefold()] > 1]


def check_packets(where: str, frames: int, packet_tokens: int, packet_sha256: Sequence[str], fix: str) -> None:
    """InputError unless there is one hash for every packet."""
    packets = -(-frames // packet_tokens)
    if len(packet_sha256) != packets:
        expected = f"{packets} for {frames} frames in packets of {packet_tokens}"
        raise InputError(f"{where}: packet_sha256: expected {expected}, got {len(packet_sha256)}", fix)


def check_audio(audio: Audio, values: Mapping[str, Value], sample_rate: object, path: Path) -> None:
    """InputError if the audio of a baseline is not that which its figures were measured on."""
    found = {
        "samples": len(audio.pcm),
        "rms": figures.rms(audio.pcm),
        "peak": figures.peak(audio.pcm),
        "pop_click_score": figures.pop_click_score(audio.pcm, audio.sample_rate),
    }
    wrong = [] if audio.sample_rate == sample_rate else [f"{audio.sample_rate} Hz, not {sample_rate}"]
    for name, now in found.items():
        then = values.get(name)
        if now is None or then is None or isinstance(then, str):
            continue
        if not math.isclose(now, then, rel_tol=0 if name == "samples" else RELATIVE, abs_tol=ABSOLUTE):
            wrong.append(f"{name} {now:.6g}, not {then:.6g}")
    if wrong:
        raise InputError(f"{path}: not the audio of its baseline.json: {listed(wrong)}", "take both from one run")
