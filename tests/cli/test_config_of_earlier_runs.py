"""``--config`` with what an earlier run left: the same configuration, and the same codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.cli_helpers import Done

SETTINGS = ("--set", "sampling.policy=seeded", "--set", "sampling.max_new_tokens=5", "--set", "stream.packet_tokens=2")
TEXT = "Good morning."


def summary_of(done: Done) -> dict[str, Any]:
    assert done.status == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def latest(done: Done, command: str) -> Path:
    return (done.out / command / "latest").resolve()


def test_synth_again_as_it_was_then(cli: Callable[..., Done]) -> None:
    done = cli("synth", TEXT, "--json", *SETTINGS)
    then, home = summary_of(done), latest(done, "synth")
    for source in (home / "summary.json", home / "meta_stream.json"):
        now = summary_of(cli("synth", TEXT, "--json", "--config", source))
        assert (now["config_sha256"], now["sha256"]) == (then["config_sha256"], then["sha256"])
    # The control: another seed than then gives other codes, and --set wins over the file.
    other = summary_of(cli("synth", TEXT, "--json", "--config", home, "--set", "sampling.seed=1"))
    assert other["sha256"] != then["sha256"] and other["config"]["sampling"]["seed"] == 1


@pytest.mark.slow
def test_a_regress_run_and_its_baseline(cli: Callable[..., Done], tmp_path: Path) -> None:
    suite = tmp_path / "suite.toml"
    manifests = Path(__file__).parents[2] / "manifests"
    suite.write_text(
        f'texts = "{manifests}/texts_base.json"\nvoices = "{manifests}/voices_base.json"\ntext_ids = ["short_01"]\n'
        'voice_ids = ["vivian"]\nruns = 1\nwarmup = 0\n[sampling]\nmax_new_tokens = 5\n[gates]\ntruncated = false\n'
    )
    done = cli("regress", suite, "--json")
    then = summary_of(done)
    for name in ("summary.json", "baseline.json"):
        source = latest(done, "regress") / name
        now = summary_of(cli("dump-codes", "--text", TEXT, "--speaker", "vivian", "--config", source, "--json"))
        assert now["config_sha256"] == then["config_sha256"]
        assert now["requests"][0]["sha256"] == [then["cases"][0]["metrics"]["codes_sha256"]["value"]]
