"""Suites without an engine: files of them, and what a test waits for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tests.fakes import PROVENANCE
from ttsctl.core.provenance import Provenance
from ttsctl.regress.run import SuiteResult

Run = Callable[..., SuiteResult]  # the fixture ``run`` of conftest.py
TEXTS = ("long_01", "short_01")


def write_suite(folder: Path, body: str = "", gates: str = "", texts: tuple[str, ...] = TEXTS) -> Path:
    """A suite of these text ids by one voice; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = ", ".join(f'{{"id": "{text}", "text": "This is {text}."}}' for text in texts)
    (folder / "texts.json").write_text(f'{{"schema_version": "1.0", "texts": [{entries}]}}', encoding="utf-8")
    voices = '{"schema_version": "1.0", "voices": [{"id": "ryan", "speaker": "ryan", "language": "English"}]}'
    (folder / "voices.json").write_text(voices, encoding="utf-8")
    path = folder / "suite.toml"
    head = 'texts = "texts.json"\nvoices = "voices.json"\nwarmup = 0\n'
    path.write_text(f"{head}{body}\n[gates]\n{gates}\n", encoding="utf-8")
    return path


def elsewhere(provenance: Provenance = PROVENANCE) -> Provenance:
    """The same software on another machine."""
    return replace(provenance, machine_id="1" * 64)


def no_threads_left(name: str = "ttsctl-case", seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not any(thread.name == name for thread in threading.enumerate()):
            return True
        time.sleep(0.01)
    return False
