"""A wheel that is installed elsewhere works in an empty folder: its code, its suites, experiments, texts and voices."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow
REPO = Path(__file__).parents[1]
SOURCES = ("ttsctl", "suites", "manifests", "pyproject.toml", "README.md", "LICENSE")
SHORT = ("--set", "sampling.max_new_tokens=4", "--set", "determinism.single_thread=true")
LOADED = """
import json, runpy, sys
sys.argv = ["ttsctl", *sys.argv[1:]]
try:
    runpy.run_module("ttsctl", run_name="__main__", alter_sys=True)
except SystemExit:
    ours = [module for name, module in sys.modules.items() if name.partition(".")[0] == "ttsctl"]
    print(json.dumps([module.__file__ for module in ours if getattr(module, "__file__", None)]))
"""


@dataclass(frozen=True)
class Elsewhere:
    """A folder into which the wheel is installed, and an empty one to work in."""

    target: Path
    folder: Path

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(self.target)}
        line = [sys.executable, *arguments]
        return subprocess.run(line, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)

    def summary(self, *arguments: str) -> dict[str, Any]:
        """The summary of a command that ends with status 0."""
        done = self.python("-m", "ttsctl", *arguments, "--json")
        assert done.returncode == 0, done.stderr
        summary: dict[str, Any] = json.loads(done.stdout)
        return summary


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the installed wheel. It is built from a copy, for a build leaves files beside its sources."""
    pytest.importorskip("pip", reason="needs pip to build and to install a wheel")
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in SOURCES:
        if (REPO / name).is_dir():
            shutil.copytree(REPO / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(REPO / name, source)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-deps", "--no-index"]
    subprocess.run(
        [*pip, "wheel", *offline, "--no-build-isolation", "--wheel-dir", str(folder), str(source)], check=True
    )
    (wheel,) = folder.glob("*.whl")
    subprocess.run([*pip, "install", *offline, "--target", str(folder / "target"), str(wheel)], check=True)
    shutil.rmtree(source)
    return folder / "target"


@pytest.fixture
def elsewhere(installed: Path, tmp_path: Path) -> Elsewhere:
    return Elsewhere(installed, tmp_path)


def _files(folder: Path) -> set[Path]:
    """The files below ``folder``, relative to it."""
    return {p.relative_to(folder) for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts}


def test_every_source_and_every_shipped_file_is_in_the_wheel(installed: Path) -> None:
    package = installed / "ttsctl"
    assert _files(REPO / "ttsctl") <= _files(package)
    assert _files(REPO / "suites") == _files(package / "suites")
    assert _files(REPO / "manifests") == _files(package / "manifests")
    assert (package / "py.typed").is_file()


def test_its_modules_are_those_of_the_wheel(elsewhere: Elsewhere) -> None:
    done = elsewhere.python("-c", LOADED, "schema", "regress")
    files = [Path(name) for name in json.loads(done.stdout.splitlines()[-1])]
    assert len(files) > 5 and all(elsewhere.target in file.parents for file in files), files


def test_regress_of_the_shipped_suite(elsewhere: Elsewhere) -> None:
    done = elsewhere.python("-m", "ttsctl", "regress", "base", "--json")
    summary = json.loads(done.stdout)
    assert summary["suite"]["path"] == str(elsewhere.target / "ttsctl" / "suites" / "base.toml")
    assert {v["status"] for v in summary["verdicts"] if v["gate"] == "codes_baseline"} == {"pass"}
    # Judged on the machine of the baseline alone, which may be busy with other tests.
    failed = set(summary["failed_gates"])
    assert failed <= {"ttfa_p50_baseline"} and done.returncode == summary["exit_status"] == len(failed), done.stderr


def test_sweep_of_a_shipped_experiment(elsewhere: Elsewhere) -> None:
    # Two repeats: one run alone shows no drift, so that its question would stay open.
    summary = elsewhere.summary("sweep", "packet_invariance", "--repeats", "2", *SHORT)
    path = elsewhere.target / "ttsctl" / "suites" / "experiments" / "packet_invariance.toml"
    assert summary["experiment"]["path"] == str(path)


def test_dump_codes_of_a_shipped_text(elsewhere: Elsewhere) -> None:
    summary = elsewhere.summary("dump-codes", "--text-id", "short_01", *SHORT)
    assert [request["text_id"] for request in summary["requests"]] == ["short_01"]


def test_a_shipped_voice_is_cloned_from_its_reference(elsewhere: Elsewhere) -> None:
    voices = elsewhere.target / "ttsctl" / "manifests" / "voices_clone.json"
    chosen = ("--checkpoint", "builtin-base", "--voices", str(voices), "--voice-id", "low", "--text-id", "short_01")
    summary = elsewhere.summary("dump-codes", *chosen, *SHORT)
    assert [request["text_id"] for request in summary["requests"]] == ["short_01"]


def test_an_unknown_suite_is_refused_with_the_nearest(elsewhere: Elsewhere) -> None:
    done = elsewhere.python("-m", "ttsctl", "regress", "bass")
    assert (done.returncode, done.stdout) == (2, "")
    said = "ttsctl: no file and no shipped suite has the name 'bass'; did you mean 'base'? "
    assert done.stderr == said + "known: base, base_clone\n"
    unlike = elsewhere.python("-m", "ttsctl", "regress", "nosuch")
    assert unlike.returncode == 2 and unlike.stderr.endswith("'nosuch'; known: base, base_clone\n")
    assert list(elsewhere.folder.iterdir()) == []
