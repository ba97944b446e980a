"""An experiment: which settings, texts and repeats to run, and what is expected to come out, from TOML.

name = "packet_invariance"                   # default: the file's name
question = "Do codes depend on the packet size?"
texts = "../../manifests/texts_base.json"    # paths are relative to this file
voices = "../../manifests/voices_base.json"
text_ids = ["short_01"]                      # default: all of the file
voice_ids = ["vivian"]
text_mode = "streaming"                      # or "whole"
repeats = 3                                  # counted runs of every text under every condition; 6 or more for times
warmup = 1                                   # runs that a fresh engine does before its first counted one
isolation = "state"                          # one engine a condition; "process": a fresh interpreter every run
timeout_s = 600                              # for one run, its warm-up and loading included
reference = "packet_tokens_4"                # the others are compared with it; default: the first condition
measure = ["pops"]                           # what is measured besides codes, hashes and times
# codes = ["dump.npy"]                       # decode runs decode these (files, metas, manifests, folders), one case a
                                             # dump; nothing is spoken, and texts and voices are not needed
requires = []                                # of every condition, see below

[sampling]                                   # the tables of the configuration, under every condition
policy = "greedy"

[matrix]                                     # each combination is a condition, named after its settings:
"stream.packet_tokens" = [4, 8]              # packet_tokens_4, packet_tokens_8

[[condition]]                                # or conditions one by one; with a matrix too, each goes through all of
name = "overlap"                             # its combinations (overlap-packet_tokens_4, …)
set = { "stream.overlap" = "thread" }        # "null" puts a setting back to its default of "as found"
run = "stream"                               # offline, codegen (nothing is decoded), decode, decode_offline
requires = "cuda"                            # two_cuda, "cuda >= 2", "cores >= 2", or a list; unmet: skipped, not run
matrix = true                                # false: it goes through none of the combinations
voice_ids = ["vivian"]                       # default: all of the experiment's; its others do not speak under it

[[condition]]
name = "decode_again"
run = "decode"                               # decode, decode_offline: no codes are made, given ones are decoded:
codes_of = "overlap"                         # those of the first run of that condition, text by text

[[conclusion]]
question = "Is it stable?"
expect = "hash_unique == 1"                  # the language of sweep/expectation.py; metrics: sweep/metrics.py
over = "each"                                # each condition alone; "all": over the runs of all of them together
conditions = ["packet_tokens_*"]             # default: all; names or patterns with * and ?

[[conclusion]]
question = "Does overlap come earlier?"
expect = "ttfa_p50_ms[overlap] <= ttfa_p50_ms[none]"
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, MaxLen, MinLen
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ttsctl.core.config import CONFIG_TABLES, Config
from ttsctl.core.errors import InputError, nearest
from ttsctl.core.files import Table, read_toml_bytes
from ttsctl.core.request import TextMode, Voice
from ttsctl.core.run import DECODES, RunKind
from ttsctl.core.validation import Location, input_error
from ttsctl.runs.job import Isolation, Measure
from ttsctl.runs.requirement import parse_requirement
from ttsctl.runs.texts import (
    MAX_TIMEOUT_S,
    MAX_WARMUP,
    Case,
    Id,
    Words,
    choose,
    cross_cases,
    load_cases,
    load_texts,
)
from ttsctl.sweep.changes import NO_CHANGES, Changes
from ttsctl.sweep.conclusions import Conclusion, read_conclusion
from ttsctl.sweep.conditions import MAX_CONDITIONS, Condition, Settings, check_sources, cross, flat
from ttsctl.sweep.given_codes import NO_CODES, CodeSet, read_given_codes

DEFAULT_TIMEOUT_S = 600.0
MAX_RUNS = 100_000  # of all conditions together; at a second each more than a day
MAX_EXPECTATION = 500  # characters; the parser recurses


@dataclass(frozen=True)
class Experiment:
    """A validated experiment; ``session.resolve_configs`` makes configurations of its tables and settings.

    ``codes``: those that it brings along, by case; empty if its conditions make their own.
    """

    name: str
    question: str
    path: Path
    sha256: str
    cases: tuple[Case, ...]
    repeats: int
    warmup: int
    timeout_s: float
    isolation: Isolation
    measure: tuple[Measure, ...]
    reference: str
    config_tables: Mapping[str, Any]
    conditions: tuple[Condition, ...]
    conclusions: tuple[Conclusion, ...]
    codes: CodeSet = NO_CODES

    @property
    def interleaved(self) -> bool:
        """Whether the repeats of the conditions take turns, because a question is about times.

        Condition after condition, a machine that slows down for a minute would slow only one of them.
        """
        return any(conclusion.about_times for conclusion in self.conclusions)

    def cases_of(self, condition: Condition) -> tuple[Case, ...]:
        """The cases that run under a condition: all, or those of its voices."""
        chosen = condition.voice_ids
        return tuple(case for case in self.cases if not chosen or case.request.voice.id in chosen)

    @property
    def run_count(self) -> int:
        """The runs of all conditions together."""
        return self.repeats * sum(len(self.cases_of(condition)) for condition in self.conditions)

    @property
    def varied(self) -> set[str]:
        """The settings in which the conditions differ."""
        return {key for condition in self.conditions for key in condition.settings}


def check_runs(experiment: Experiment) -> Experiment:
    """The experiment itself. InputError if it has more than MAX_RUNS runs."""
    conditions, cases, repeats = len(experiment.conditions), len(experiment.cases), experiment.repeats
    if conditions * cases * repeats > MAX_RUNS:
        raise InputError(
            f"experiment {experiment.path}: expected at most {MAX_RUNS:,} runs, got {conditions:,} conditions × "
            f"{cases:,} cases × {repeats:,} repeats",
            "take fewer repeats, or choose texts by id",
        )
    return experiment


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class _ConditionTable(_Closed):
    name: Id
    set: dict[str, Any] = {}
    run: RunKind = "stream"
    codes_of: str | None = None
    requires: str | list[str] = []
    matrix: bool = True
    voice_ids: list[str] = []


class _ConclusionTable(_Closed):
    question: Words
    expect: Annotated[Words, MaxLen(MAX_EXPECTATION)]
    over: Literal["each", "all"] = "each"
    conditions: Annotated[list[str], MinLen(1)] | None = None


class _ExperimentTable(_Closed):
    schema_version: Annotated[str, Field(pattern=r"^1\.")] = "1.0"
    name: Id | None = None
    question: Words
    texts: str | None = None
    voices: str | None = None
    codes: str | list[str] = []
    text_ids: list[str] | None = None
    voice_ids: list[str] | None = None
    text_mode: TextMode = "streaming"
    repeats: Annotated[int, Ge(1), Le(MAX_RUNS)] = 3
    warmup: Annotated[int, Ge(0), Le(MAX_WARMUP)] = 1
    timeout_s: Annotated[float, Gt(0), Le(MAX_TIMEOUT_S)] = DEFAULT_TIMEOUT_S
    isolation: Isolation = "state"
    reference: str | None = None
    measure: list[Measure] = []
    requires: str | list[str] = []
    matrix: dict[str, Any] = {}
    condition: Annotated[list[_ConditionTable], MaxLen(MAX_CONDITIONS)] = []
    conclusion: Annotated[list[_ConclusionTable], MaxLen(MAX_CONDITIONS)] = []


# The arrays of tables by name, and the model that has the keys of one.
_TABLES: Mapping[str, type[BaseModel]] = {"condition": _ConditionTable, "conclusion": _ConclusionTable}


def load_experiment(path: Path, changes: Changes = NO_CHANGES) -> Experiment:
    """Read and validate an experiment with its texts, voices and codes; ``changes`` go over what the file says.

    InputError names the file, the key and the nearest known one.
    """
    where = f"experiment {path}"
    raw, table = read_toml_bytes(path, "experiment")
    config_tables = {key: table.pop(key) for key in CONFIG_TABLES if key in table}
    read = _validated(table, where)
    read = read.model_copy(update=changes.updates(flat(read.matrix), read.measure))
    codes = read_given_codes([path.parent / name for name in _listed(read.codes)]) if read.codes else NO_CODES
    conditions = _conditions(read, where)
    names = [condition.name for condition in conditions]
    cases = codes.cases() or _cases(read, path.parent, where, changes.voice())
    if not cases:
        raise InputError(f"{where}: expected at least one text and one voice, got none", "name some by id")
    _check_voices(conditions, cases, where)
    experiment = Experiment(
        name=read.name or path.stem,
        question=read.question,
        path=path,
        sha256=hashlib.sha256(raw).hexdigest(),
        cases=cases,
        repeats=read.repeats,
        warmup=read.warmup,
        timeout_s=read.timeout_s,
        isolation=read.isolation,
        measure=tuple(dict.fromkeys(read.measure)),
        reference=_reference(read, conditions, where),
        config_tables=config_tables,
        conditions=conditions,
        conclusions=tuple(
            read_conclusion(c.question, c.expect, c.over, c.conditions, names, f"{where}: conclusion.{number}")
            for number, c in enumerate(read.conclusion)
        ),
        codes=codes,
    )
    return check_runs(experiment)


def _reference(read: _ExperimentTable, conditions: Sequence[Condition], where: str) -> str:
    """The named one; else the first, or with given codes the first that decodes, for the others are not run."""
    names = [condition.name for condition in conditions]
    if read.reference is None:
        return next((c.name for c in conditions if read.codes and c.run in DECODES), names[0])
    if read.reference not in names:
        raise InputError(f"{where}: reference: unknown condition {read.reference!r}", nearest(read.reference, names))
    return read.reference


def _validated(table: Table, where: str) -> _ExperimentTable:
    try:
        return _ExperimentTable.model_validate(table)
    except ValidationError as error:
        raise input_error(where, error, _nearest_key) from error


def _nearest_key(location: Location) -> str:
    model = _TABLES.get(str(location[0])) if len(location) > 1 else None
    known = list(model.model_fields) if model else [*_ExperimentTable.model_fields, *CONFIG_TABLES]
    return nearest(str(location[-1]), known)


def _conditions(read: _ExperimentTable, where: str) -> tuple[Condition, ...]:
    """Every condition: the given ones, each with every combination of the matrix."""
    common = _listed(read.requires)
    given = [
        Condition(
            name=table.name,
            settings=_settings(table.set, f"{where}: condition {table.name!r}: set"),
            run=table.run,
            codes_of=table.codes_of,
            crossed=table.matrix,
            voice_ids=tuple(table.voice_ids),
            requires=tuple(
                parse_requirement(mark, f"{where}: condition {table.name!r}")
                for mark in [*common, *_listed(table.requires)]
            ),
        )
        for table in read.condition
    ]
    bare = Condition("", requires=tuple(parse_requirement(mark, where) for mark in common))
    conditions = cross(given, _settings(read.matrix, f"{where}: matrix"), bare, where)
    check_sources(conditions, where, given=bool(read.codes))
    return conditions


def _check_voices(conditions: Sequence[Condition], cases: Sequence[Case], where: str) -> None:
    """InputError for a condition's voice that the experiment does not have."""
    known = list(dict.fromkeys(case.request.voice.id for case in cases))
    for condition in conditions:
        for voice in condition.voice_ids:
            if voice not in known:
                what = f"{where}: condition {condition.name!r}: voice_ids: no voice of the experiment is {voice!r}"
                raise InputError(what, nearest(voice, known))


def _listed(one_or_more: str | list[str]) -> list[str]:
    return [one_or_more] if isinstance(one_or_more, str) else one_or_more


def _settings(table: Table, where: str) -> Settings:
    """``table`` with dotted keys. InputError for a key that is not a setting."""
    known = [f"{name}.{key}" for name, keys in Config().to_dict().items() for key in keys]
    settings = flat(table)
    for key in settings:
        if key not in known:
            raise InputError(f"{where}: unknown setting {key!r}", nearest(key, known))
    return settings


def _cases(read: _ExperimentTable, folder: Path, where: str, voice: Voice | None) -> tuple[Case, ...]:
    """Every chosen text by ``voice`` or else every chosen voice. InputError without a file of texts or voices."""
    for key, value in (("texts", read.texts), ("voices", read.voices or voice)):
        if value is None:
            raise InputError(f"{where}: {key}: expected a value, got none", "add the key, or give codes")
    texts, voices = folder / str(read.texts), folder / str(read.voices)
    if voice is not None:
        return cross_cases(choose(load_texts(texts), read.text_ids, texts), [voice], read.text_mode, texts)
    return load_cases(texts, voices, read.text_ids, read.voice_ids, read.text_mode)
