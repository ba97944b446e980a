"""What the tests of the streaming forms share: one request, and the bits that an engine gives for it."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from ttsctl.core.audio import pcm_sha256
from ttsctl.core.codes import codes_sha256
from ttsctl.core.engine import Engine
from ttsctl.core.request import Request, Voice
from ttsctl.core.run import Run
from ttsctl.runs.run_stream import run_stream

REQUEST = Request("Good morning, this is a test.", Voice("vivian", "vivian"))
OTHER = Request("Something else entirely.", Voice("ryan", "ryan"))
# Ten frames: with packets of 4 and of 3 the last is not full.
SHORT = "sampling.max_new_tokens=11"


def speak(engine: Engine, request: Request = REQUEST) -> Run:
    return run_stream(engine, request, threading.Event())


def bits(engine: Engine, request: Request = REQUEST) -> tuple[str, str]:
    """sha256 of the codes and of the PCM as it left."""
    run = speak(engine, request)
    return codes_sha256(run.require_codes()), pcm_sha256(run.require_pcm())


def codegen_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("ttsctl-codegen")]


def gone(pid: int, within_s: float = 30.0) -> bool:
    """Whether a process ends; one that nobody has waited for yet counts as ended."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False
