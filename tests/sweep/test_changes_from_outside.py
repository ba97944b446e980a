"""An experiment changed by the command line: other texts, voices and codes, and other settings to go through."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.sweep.sweep_fakes import InlinePool, run, steady, write_experiment
from ttsctl.core.codes import codes_sha256
from ttsctl.core.config import Config
from ttsctl.core.errors import InputError
from ttsctl.core.machine import collect_provenance
from ttsctl.runs.job import Job, JobResult
from ttsctl.sweep.changes import Changes, parse_vary
from ttsctl.sweep.experiment import load_experiment
from ttsctl.sweep.key import sweep_key
from ttsctl.sweep.result import SweepResult
from ttsctl.sweep.run import run_experiment
from ttsctl.sweep.session import SweepOptions, changed_from_outside, resolve_configs, run_sweep
from ttsctl.sweep.store import open_store
from ttsctl.sweep.summary import SweepSummary, summarise

DECODES = """
repeats = 2
[[condition]]
name = "spoken"
[[condition]]
name = "decoded"
run = "decode"
codes_of = "spoken"
set = { "stream.left_context" = 25 }
[[conclusion]]
question = "Is its audio the same every time?"
expect = "pcm_hash_unique == 1"
conditions = ["decoded"]
"""


# The size of a codebook of the built-in checkpoint.
BUILTIN_IDS = 128


def dump(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.random.default_rng(seed).integers(0, 2048, (9, 16)))
    return path


def sweep(path: Path, changes: Changes, work: Any = steady) -> SweepResult:
    experiment = load_experiment(path, changes)
    _, configs = resolve_configs(experiment, [])
    with open_store(path.parent / "out", experiment.name, "k" * 64, fresh=True) as store:
        result = run_experiment(experiment, configs, work, InlinePool(), store)
        store.remove()
    return result


def test_other_texts_and_voices(tmp_path: Path) -> None:
    path = write_experiment(tmp_path, 'text_ids = ["one"]', texts=("one", "two", "three"))
    assert [c.id for c in load_experiment(path).cases] == ["one__ryan"]
    changed = load_experiment(path, Changes(text_ids=("three", "two"), voice_ids=("ryan",)))
    assert [c.id for c in changed.cases] == ["three__ryan", "two__ryan"]
    voices = tmp_path / "others.json"
    voices.write_text('{"schema_version": "1.0", "voices": [{"id": "eric"}, {"id": "sohee"}]}')
    changed = load_experiment(path, Changes(voices=voices))
    assert [c.id for c in changed.cases] == ["one__eric", "one__sohee"]


def test_unknown_ids_name_the_nearest(tmp_path: Path) -> None:
    path = write_experiment(tmp_path)
    with pytest.raises(InputError, match=r"no entry has the id 'onne'; did you mean 'one'"):
        load_experiment(path, Changes(text_ids=("onne",)))
    with pytest.raises(InputError, match=r"no entry has the id 'rian'; did you mean 'ryan'"):
        load_experiment(path, Changes(voice_ids=("rian",)))


def test_the_codes_of_a_file_are_decoded_and_nothing_is_spoken(tmp_path: Path) -> None:
    path = write_experiment(tmp_path / "exp", DECODES)
    file = dump(tmp_path / "my dump.npy")
    decoded: list[Job] = []

    def work(job: Job) -> JobResult:
        decoded.append(job)
        return steady(job)

    result = sweep(path, Changes(codes=(file,)), work)
    codes = np.load(file)
    assert [job.id for job in decoded] == ["decoded/my_dump/1", "decoded/my_dump/2"]
    assert all(np.array_equal(job.codes, codes) for job in decoded if job.codes is not None)
    assert result.rows["spoken"].skipped == "skipped: codes are given, so that nothing is spoken"
    assert result.experiment.reference == "decoded"
    assert [j.outcome for j in result.judgements] == ["holds"]
    summary = summarise(result, Config(), "local", collect_provenance(), {"codes": [str(file)]})
    assert summary.experiment.texts == {} and summary.experiment.changed == {"codes": [str(file)]}
    given = summary.experiment.codes["my_dump"]
    assert (given.path, given.sha256, given.frames) == (str(file), codes_sha256(codes), 9)


def test_a_question_about_what_is_not_spoken_is_not_judged(tmp_path: Path) -> None:
    """The control: given codes answer no question about code generation."""
    path = write_experiment(tmp_path, DECODES.replace('conditions = ["decoded"]', 'conditions = ["spoken"]'))
    file = dump(tmp_path / "a.npy")
    assert [j.outcome for j in run(path, steady).judgements] == ["holds"]
    assert [j.outcome for j in sweep(path, Changes(codes=(file,))).judgements] == ["not judged"]


def test_an_experiment_that_brings_its_codes_needs_no_texts(tmp_path: Path) -> None:
    dump(tmp_path / "a" / "codes_x.npy", 1)
    dump(tmp_path / "b" / "codes_X.npy", 2)
    path = tmp_path / "exp.toml"
    path.write_text(
        'question = "Is it so?"\ncodes = ["a/codes_x.npy", "b"]\n[[condition]]\nname = "d"\nrun = "decode"\n'
        '[matrix]\n"stream.left_context" = [25, 72]\n'
    )
    experiment = load_experiment(path)
    assert [case.id for case in experiment.cases] == ["x", "X-2"]
    result = run(path, steady)
    assert [row.value("runs") for row in result.rows.values()] == [6, 6]
    other = replace(experiment, codes=load_experiment(path, Changes(codes=(dump(tmp_path / "c.npy", 3),))).codes)
    _, configs = resolve_configs(experiment, [])
    assert sweep_key(experiment, configs, {}) != sweep_key(other, configs, {})


def test_codes_that_cannot_be_had_are_refused(tmp_path: Path) -> None:
    path = write_experiment(tmp_path, DECODES)
    with pytest.raises(InputError, match=r"none\.npy: No such file"):
        load_experiment(path, Changes(codes=(tmp_path / "none.npy",)))
    with pytest.raises(InputError, match="codes are given, and no condition decodes any"):
        load_experiment(write_experiment(tmp_path / "other"), Changes(codes=(dump(tmp_path / "a.npy"),)))
    with pytest.raises(InputError, match="given codes are decoded and no text is spoken"):
        Changes(codes=(tmp_path,), text_ids=("one",))
    (tmp_path / "bare.toml").write_text('question = "Is it so?"\n')
    with pytest.raises(InputError, match="texts: expected a value, got none; add the key, or give codes"):
        load_experiment(tmp_path / "bare.toml")


def test_other_values_to_go_through(tmp_path: Path) -> None:
    path = write_experiment(tmp_path, '[matrix]\n"stream.packet_tokens" = [4, 8]\n')
    changed = load_experiment(path, Changes(vary=("stream.packet_tokens=1,2", "stream.overlap=none,thread")))
    _, configs = resolve_configs(changed, [])
    assert list(configs) == [
        "packet_tokens_1-overlap_none",
        "packet_tokens_1-overlap_thread",
        "packet_tokens_2-overlap_none",
        "packet_tokens_2-overlap_thread",
    ]
    assert configs["packet_tokens_2-overlap_thread"].stream.overlap == "thread"
    assert changed.reference == "packet_tokens_1-overlap_none"


@pytest.mark.parametrize(
    ("item", "says"),
    [
        ("stream.packet_token=1", "did you mean 'stream.packet_tokens'"),
        ("stream.packet_tokens", "expected table.key=value"),
        ("stream.packet_tokens=1,,2", "expected table.key=value"),
        ("packet_tokens=1", "expected table.key=value"),
        ("stream.packet_tokens=1,1", "a list of different values"),
        ("stream.left_context=1,2", "in the matrix and in condition 'b'"),
    ],
)
def test_what_cannot_be_varied_is_named(tmp_path: Path, item: str, says: str) -> None:
    path = write_experiment(tmp_path, '[[condition]]\nname = "b"\nset = { "stream.left_context" = 25 }\n')
    with pytest.raises(InputError, match=says):
        load_experiment(path, Changes(vary=(item,)))


def test_values_are_toml_or_bare_words() -> None:
    assert parse_vary(["a.b=1,x,true,null,2.5"]) == {"a.b": [1, "x", True, "null", 2.5]}
    with pytest.raises(InputError, match="varied twice"):
        parse_vary(["a.b=1", "a.b=2"])


def test_a_condition_may_stay_out_of_the_matrix(tmp_path: Path) -> None:
    body = DECODES.replace('name = "spoken"', 'name = "spoken"\nmatrix = false')
    path = write_experiment(tmp_path, body.replace('["decoded"]', '["decoded*"]'))
    conditions = load_experiment(path, Changes(vary=("stream.packet_tokens=2,4",))).conditions
    assert [(c.name, c.codes_of) for c in conditions] == [
        ("spoken", None),
        ("decoded-packet_tokens_2", "spoken"),
        ("decoded-packet_tokens_4", "spoken"),
    ]


def test_what_was_changed_is_told_by_option(tmp_path: Path) -> None:
    assert changed_from_outside(SweepOptions("threads", tmp_path)) == {}
    changes = Changes(text_ids=("one",), vary=("stream.packet_tokens=1,2",))
    options = SweepOptions("threads", tmp_path, repeats=59, sets=["sampling.seed=1"], changes=changes)
    told = changed_from_outside(options)
    assert told == {
        "repeats": 59,
        "set": ["sampling.seed=1"],
        "text_ids": ["one"],
        "vary": ["stream.packet_tokens=1,2"],
    }
    assert json.loads(json.dumps(told)) == told


def test_isolation_and_what_is_measured(tmp_path: Path) -> None:
    path = write_experiment(tmp_path, 'isolation = "state"\n')
    changed = load_experiment(path, Changes(isolation="process", measure=("pops",)))
    assert (changed.isolation, changed.measure) == ("process", ("pops",))
    as_it_is = load_experiment(path)
    assert (as_it_is.isolation, as_it_is.measure) == ("state", ())
    told = Changes(isolation="process", measure=("pops",)).as_told()
    assert told == {"isolation": "process", "measure": ["pops"]}


@pytest.mark.slow
def test_codes_that_do_not_fit_are_wrong_input(tmp_path: Path) -> None:
    """Every run of one dump fails with the same words, which is an error of the input; clamped, they are decoded."""
    path = write_experiment(tmp_path, DECODES.replace("repeats = 2", "repeats = 2\nwarmup = 0"))
    codes = np.load(dump(tmp_path / "bad.npy")) % BUILTIN_IDS
    codes[2, 3] = BUILTIN_IDS
    np.save(tmp_path / "bad.npy", codes)

    def made(*sets: str) -> SweepSummary:
        options = SweepOptions(str(path), tmp_path / "out", sets=sets, changes=Changes(codes=(tmp_path / "bad.npy",)))
        return run_sweep(options, lambda _: None).summary

    with pytest.raises(InputError, match=r"codes of bad: id .* at frame 2, codebook 3 is outside"):
        made()
    assert "bad: determinism.clamp_codes: 1 ids were moved into range" in made("determinism.clamp_codes=true").notes
