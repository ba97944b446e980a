"""Two configurations that differ in twelve keys, and runs that are as faulty as a test wants them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from ttsctl.bisect.probes import Question, differing_keys
from ttsctl.bisect.text_runs import Symptom
from ttsctl.core.codes import CodeArray
from ttsctl.core.config import Config
from ttsctl.core.errors import InputError
from ttsctl.core.request import Request, Voice

A = Config()
B = replace(
    A,
    engine=replace(A.engine, codegen_dtype="bfloat16", decoder_dtype="bfloat16"),
    sampling=replace(A.sampling, seed=7, top_k=5),
    stream=replace(A.stream, packet_tokens=8, left_context=12, overlap="thread", sync="event", decode_every=2),
    decoder=replace(A.decoder, mode="windowed"),
    determinism=replace(A.determinism, clamp_codes=True),
    backend=replace(A.backend, threads=2),
)
KEYS = tuple(toggle.key for toggle in differing_keys(A, B))
REQUESTS = (Request("one", Voice("v"), "t1"), Request("two", Voice("v"), "t2"))


@dataclass(frozen=True)
class Fault:
    """While all of ``keys`` have B's values, a run has another id at ``frame``, with probability ``p``.

    With ``p`` 1 always the same one; below that one of a thousand at random.
    """

    keys: frozenset[str]
    p: float = 1.0
    frame: int = 3


@dataclass
class FaultyRuns:
    """``run`` for bisect. ``refused``: InputError for a combination; ``runs`` counts what was asked."""

    faults: tuple[Fault, ...]
    seed: int = 0
    refused: Callable[[frozenset[str]], bool] = lambda keys: False
    runs: int = 0
    generator: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.generator = np.random.default_rng(self.seed)

    def run(self, config: Config, request: Request) -> CodeArray:
        self.runs += 1
        keys = frozenset(toggle.key for toggle in differing_keys(A, config))
        if self.refused(keys):
            raise InputError("these keys do not go together", "choose others")
        codes = np.arange(10 * 16, dtype=np.int64).reshape(10, 16) + len(request.text)
        for number, fault in enumerate(self.faults):
            if fault.keys <= keys and self.generator.random() < fault.p:
                codes[fault.frame, number] += 1000 if fault.p == 1 else self.generator.integers(1000)
        return codes


def question(runs: int = 3, symptom: Symptom | None = None, max_probes: int = 64, b: Config = B) -> Question:
    return Question(A, b, REQUESTS, runs, symptom, max_probes)
