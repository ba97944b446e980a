"""What the tests of the streaming forms share: one request, and the bits that an engine gives for it."""

from __future__ import annotations

import threading

from ttsctl.contract.audio import pcm_sha256
from ttsctl.contract.codes import codes_sha256
from ttsctl.contract.engine import Engine, Request, Voice
from ttsctl.gate.drive import StreamRun, run_stream

REQUEST = Request("Good morning, this is a test.", Voice("vivian", "vivian"))
OTHER = Request("Something else entirely.", Voice("ryan", "ryan"))


def speak(engine: Engine, request: Request = REQUEST) -> StreamRun:
    return run_stream(engine, request, threading.Event())


def bits(engine: Engine, request: Request = REQUEST) -> tuple[str, str]:
    """sha256 of the codes and of the PCM as it left."""
    run = speak(engine, request)
    return codes_sha256(run.codes), pcm_sha256(run.pcm)


def codegen_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("ttsctl-codegen")]
