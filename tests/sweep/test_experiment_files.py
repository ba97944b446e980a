"""Reading experiments: what is understood, and that every mistake names file, key and the nearest known word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.sweep.sweep_fakes import HEAD, prepared, write_experiment
from ttsctl.core.errors import InputError
from ttsctl.sweep import experiment as experiment_module
from ttsctl.sweep.experiment import load_experiment
from ttsctl.sweep.session import resolve_configs

A_B = '[[condition]]\nname = "a"\n[[condition]]\nname = "b"\nset = { "stream.packet_tokens" = 8 }\n'


def test_the_format_in_the_docstring_is_read(tmp_path: Path) -> None:
    """The example is all of one file, but for the paths and ids, and for ``set`` not being given twice."""
    text = experiment_module.__doc__.split("from TOML.\n\n")[1]
    text = text.replace("../../manifests/texts_base.json", "texts.json").replace("../../manifests/", "")
    text = text.replace("voices_base.json", "voices.json").replace('["short_01"]', '["one"]')
    text = text.replace('["vivian"]', '["ryan"]').replace('codes_of = "overlap"', 'codes_of = "overlap"')
    # The example speaks of the conditions of several experiments.
    text = text.replace("ttfa_p50_ms[overlap] <= ttfa_p50_ms[none]", "ttfa_p50_ms[overlap-packet_tokens_4] <= 1")
    text = text.replace('reference = "packet_tokens_4"', "").replace('["packet_tokens_*"]', '["*packet_tokens_*"]')
    experiment = load_experiment(write_experiment(tmp_path, text, head=""))
    names = [condition.name for condition in experiment.conditions]
    assert names == [
        "overlap-packet_tokens_4",
        "overlap-packet_tokens_8",
        "decode_again-packet_tokens_4",
        "decode_again-packet_tokens_8",
    ]
    assert experiment.conditions[2].codes_of == "overlap-packet_tokens_4"
    assert [str(r) for r in experiment.conditions[0].requires] == ["1 CUDA device"]


def test_matrix_is_every_combination(tmp_path: Path) -> None:
    body = '[matrix]\n"stream.packet_tokens" = [4, 8]\nstream.overlap = ["none", "thread"]\n"backend.mkldnn" = ["null"]'
    experiment, configs = prepared(write_experiment(tmp_path, body))
    assert [c.name for c in experiment.conditions] == [
        "packet_tokens_4-overlap_none-mkldnn_null",
        "packet_tokens_4-overlap_thread-mkldnn_null",
        "packet_tokens_8-overlap_none-mkldnn_null",
        "packet_tokens_8-overlap_thread-mkldnn_null",
    ]
    last = configs["packet_tokens_8-overlap_thread-mkldnn_null"]
    assert (last.stream.packet_tokens, last.stream.overlap, last.backend.mkldnn) == (8, "thread", None)


def test_settings_of_the_same_key_in_two_tables_are_named_whole(tmp_path: Path) -> None:
    body = '[matrix]\n"sampling.temperature" = [0.5]\n"sampling.predictor_temperature" = [0.9]\n'
    assert load_experiment(write_experiment(tmp_path, body)).conditions[0].name == (
        "temperature_0.5-predictor_temperature_0.9"
    )


def test_a_condition_of_some_voices_has_only_their_cases(tmp_path: Path) -> None:
    chosen = '[[condition]]\nname = "all"\n[[condition]]\nname = "some"\nvoice_ids = ["ryan"]\n'
    experiment = load_experiment(write_experiment(tmp_path, chosen))
    both, some = experiment.conditions
    assert experiment.cases_of(both) == experiment.cases
    assert [case.request.voice.id for case in experiment.cases_of(some)] == ["ryan"] * len(experiment.cases)
    assert experiment.run_count == experiment.repeats * 2 * len(experiment.cases)
    with pytest.raises(InputError, match=r"condition 'some': voice_ids: no voice.*'rian'; did you mean 'ryan'"):
        load_experiment(write_experiment(tmp_path, chosen.replace("ryan", "rian")))


def test_without_conditions_there_is_one(tmp_path: Path) -> None:
    experiment = load_experiment(write_experiment(tmp_path))
    assert [c.name for c in experiment.conditions] == ["base"] and experiment.reference == "base"
    assert [case.id for case in experiment.cases] == ["one__ryan", "two__ryan"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("repeat = 3", ["unknown key 'repeat'", "did you mean 'repeats'?"]),
        ("repeats = 0", ["repeats", "greater than or equal to 1"]),
        ('repeats = "3"', ["repeats", "valid integer"]),
        ('isolation = "thread"', ["isolation", "'state' or 'process'"]),
        ('[[condition]]\nname = "a"\nsett = {}', ["condition.0.sett", "did you mean 'set'?"]),
        ('[[condition]]\nrun = "stream"', ["condition.0.name", "expected a value"]),
        ('[[condition]]\nname = "a"\nrun = "streams"', ["condition.0.run", "'stream'"]),
        ('[[condition]]\nname = "a/b"', ["condition.0.name", "A-Z a-z"]),
        (A_B.replace('"b"', '"A"'), ["'A' is there twice"]),
        ('[[condition]]\nname = "a"\nset = { "stream.packet_token" = 8 }', ["did you mean 'stream.packet_tokens'?"]),
        ('[[condition]]\nname = "a"\nrequires = "cude"', ["unknown requirement 'cude'", "did you mean 'cuda'?"]),
        ('[[condition]]\nname = "a"\nrun = "decode"', ["codes_of", "whose codes it decodes"]),
        ('[[condition]]\nname = "a"\ncodes_of = "b"', ["codes_of", "makes its own codes"]),
        (
            '[[condition]]\nname = "over"\n[[condition]]\nname = "d"\nrun = "decode"\ncodes_of = "ovr"',
            ["'ovr'", "did you mean 'over'?"],
        ),
        (
            '[[condition]]\nname = "d"\nrun = "decode"\ncodes_of = "e"\n'
            '[[condition]]\nname = "e"\nrun = "decode"\ncodes_of = "d"',
            ["'e' makes no codes"],
        ),
        ('[matrix]\n"stream.packet_tokens" = 4', ["matrix", "a list of different values"]),
        ('[matrix]\n"stream.packet_tokens" = [4, 4]', ["matrix", "a list of different values"]),
        ('[matrix]\n"stream.packet_tokens" = []', ["matrix", "a list of different values"]),
        ('[matrix]\n"stream.packet_tokens" = [4]\n' + A_B, ["in the matrix and in condition 'b'"]),
        (A_B.join(['reference = "c"\n', ""]), ["reference", "unknown condition 'c'"]),
        (A_B + '[[conclusion]]\nquestion = "q"\nexpect = "hash_uniq == 1"', ["did you mean 'hash_unique'?"]),
        (A_B + '[[conclusion]]\nquestion = "q"\nexpect = "errors[c] == 1"', ["unknown condition 'c'"]),
        (
            A_B + '[[conclusion]]\nquestion = "q"\nexpect = "errors == 0"\nconditions = ["c*"]',
            ["conclusion.0: conditions: nothing matches 'c*'"],
        ),
        (A_B + '[[conclusion]]\nquestion = "q"\nexpect = "errors == 0"\nover = "any"', ["conclusion.0.over"]),
        (A_B + '[[conclusion]]\nquestion = " "\nexpect = "errors == 0"', ["conclusion.0.question"]),
        ("text_ids = []", ["at least one text"]),
        ('text_ids = ["onne"]', ["did you mean 'one'?"]),
        ("[streams]\npacket_tokens = 4", ["unknown key 'streams'", "did you mean 'stream'?"]),
    ],
)
def test_mistakes_are_named(tmp_path: Path, body: Any, says: Any) -> None:
    path = write_experiment(tmp_path, body)
    with pytest.raises(InputError) as error:
        load_experiment(path)
    assert all(part in str(error.value) for part in says), str(error.value)
    assert str(tmp_path) in str(error.value)


def test_a_missing_question_is_named(tmp_path: Path) -> None:
    path = write_experiment(tmp_path, head=HEAD.partition("\n")[2])
    with pytest.raises(InputError, match="question: expected a value"):
        load_experiment(path)


def test_a_value_that_is_wrong_is_told_of_its_condition(tmp_path: Path) -> None:
    experiment = load_experiment(write_experiment(tmp_path, A_B.replace("= 8", "= 0")))
    with pytest.raises(InputError, match=r"condition 'b': stream\.packet_tokens.*got 0"):
        resolve_configs(experiment, [])


def test_what_the_experiment_varies_may_not_be_set(tmp_path: Path) -> None:
    experiment = load_experiment(write_experiment(tmp_path, A_B))
    with pytest.raises(InputError, match=r"--set stream\.packet_tokens=2: the conditions of .* differ in this setting"):
        resolve_configs(experiment, ["stream.packet_tokens=2"])
    base, configs = resolve_configs(experiment, ["stream.chunk_ms=40", 'engine.checkpoint="elsewhere"'])
    assert {c.stream.chunk_ms for c in (base, *configs.values())} == {40}
    assert {c.engine.checkpoint for c in configs.values()} == {"elsewhere"}
    assert [c.stream.packet_tokens for c in configs.values()] == [4, 8]
