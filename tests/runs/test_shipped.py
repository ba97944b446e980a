"""Suites, experiments, texts and voices: by path, by name, and out of the working folder before the shipped ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from ttsctl.core.errors import InputError
from ttsctl.runs import shipped
from ttsctl.runs.shipped import find_experiment, find_suite, shipped_root, texts_file, voices_file


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_every_shipped_file_has_a_name() -> None:
    suites = shipped_root() / "suites"
    assert [find_suite(file.stem) for file in suites.glob("*.toml")] == list(suites.glob("*.toml"))
    experiments = sorted((suites / "experiments").glob("*.toml"))
    assert len(experiments) >= 15
    assert [find_experiment(file.stem) for file in experiments] == experiments


@pytest.mark.parametrize("argument", ["suites/base.toml", "./base", "base.toml", "/somewhere/base", "nosuch.toml"])
def test_what_looks_like_a_path_is_a_path(argument: str) -> None:
    assert find_suite(argument) == Path(argument)


def test_a_file_of_the_working_folder_comes_before_a_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "base").write_text("")
    assert find_suite("base") == Path("base")


def test_a_folder_does_not_hide_a_shipped_suite(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "other").mkdir()
    assert find_suite("base") == shipped_root() / "suites" / "base.toml"
    assert find_suite("other") == Path("other")


def test_an_unknown_name_is_one_line_with_the_nearest_and_all() -> None:
    with pytest.raises(InputError, match=r"suite has the name 'bass'; did you mean 'base'\? known: base, base_clone$"):
        find_suite("bass")
    with pytest.raises(
        InputError, match=r"'thread'; did you mean 'threads'.* known: backend_flags, .*, topk, vary, vary_decode$"
    ):
        find_experiment("thread")
    with pytest.raises(InputError, match=r"'qqq'; known: backend_flags, .*, topk, vary, vary_decode$"):
        find_experiment("qqq")
    with pytest.raises(InputError, match="experiment"):
        find_experiment("base")


def test_texts_and_voices_of_the_working_folder_come_before_the_shipped_ones(tmp_path: Path) -> None:
    manifests = shipped_root() / "manifests"
    assert texts_file(None) == manifests / "texts_base.json" and texts_file(None).is_file()
    assert voices_file(None) == manifests / "voices_base.json" and voices_file(None).is_file()
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "texts_base.json").write_text("{}")
    assert texts_file(None) == Path("manifests/texts_base.json")
    assert voices_file(None) == manifests / "voices_base.json"
    assert texts_file(Path("mine.json")) == Path("mine.json") == voices_file(Path("mine.json"))


def test_a_wheel_has_them_inside_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "PACKAGE", tmp_path / "ttsctl")
    assert shipped_root() == tmp_path
    (tmp_path / "ttsctl" / "suites").mkdir(parents=True)
    assert shipped_root() == tmp_path / "ttsctl"
