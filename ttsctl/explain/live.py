"""Explaining runs that are made now: engines that are loaded when needed and closed at the end, and their runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import TracebackType

from ttsctl.core.capabilities import forensic_of
from ttsctl.core.config import Config
from ttsctl.core.engine import Engine
from ttsctl.core.errors import InputError
from ttsctl.core.forensic import Forensic
from ttsctl.core.provenance import differences
from ttsctl.core.request import Request, Voice
from ttsctl.dumps.matching import config_differences
from ttsctl.dumps.meta import text_sha256
from ttsctl.explain.in_voice import InVoice
from ttsctl.explain.investigate import (
    Investigation,
    Methods,
    ReplaySetup,
    investigate,
    record_until_different,
    recorded_side,
)
from ttsctl.explain.summary import ExplainContext
from ttsctl.runs.engines import engine_errors, load_engine


def explain_live(
    configs: Sequence[Config], request: Request, runs: int, methods: Methods, advance: Callable[[], None]
) -> tuple[Investigation, ExplainContext]:
    """Speak a request and explain the first difference; ``advance`` is called after every run of one configuration.

    One configuration is run up to ``runs`` times, of two each is run once. InputError for a policy that is free, and
    for an engine that cannot show traces.
    """
    config_a, config_b = configs[0], configs[-1]
    for config in configs:
        _refuse_free(config)
    with Engines() as engines, engine_errors():
        first, last = engines.open(config_a), engines.open(config_b)
        if len(configs) == 1:
            sides = record_until_different(first, request, runs, "modules", advance)
        else:
            sides = [recorded_side(label, engine, request) for label, engine in (("A", first), ("B", last))]
        a, b = sides[0], sides[-1]
        found = investigate(a, b, engines.replay_setup(request, config_a, config_b, methods))
        info_a, info_b = first.info, last.info
    around = config_differences(config_a.to_dict(), config_b.to_dict())
    around += differences(info_a.provenance, info_b.provenance)
    return found, ExplainContext(
        a=a.label,
        b=b.label,
        text_sha256=text_sha256(request.text),
        runs=len(sides) if len(configs) == 1 else None,
        condition_differences=around,
        conditions_reason=None,
        config=config_a.to_dict(),
        config_sha256=config_a.sha256,
        in_force=dict(info_a.in_force),
        provenance=info_a.provenance,
        notes=list(dict.fromkeys(f"{side.label}: {note}" for side in sides for note in side.notes)),
    )


def _refuse_free(config: Config) -> None:
    sampling = config.sampling
    for key, policy in (("policy", sampling.policy), ("predictor_policy", sampling.predictor_policy)):
        if policy == "free":
            raise InputError(
                f"sampling.{key} = 'free': every run draws anew, so that a difference needs no explanation",
                f"use --set sampling.{key}=seeded",
            )


class Engines:
    """Forensic engines by configuration; equal configurations share one. Leaving the ``with`` block closes them.

    An engine restores the process-wide switches after each call, so several of them can live side by side.
    """

    def __init__(self) -> None:
        self._loaded: dict[str, Engine] = {}

    def open(self, config: Config) -> Forensic:
        """The engine of a configuration. InputError if it is of a kind that cannot show traces or take grafts."""
        # What to record is a parameter of each call, so ``record`` must not tell two configurations apart.
        config = replace(config, record=Config().record)
        if config.sha256 not in self._loaded:
            self._loaded[config.sha256] = load_engine(config)
        return forensic_of(self._loaded[config.sha256])

    def replay_setup(
        self, request: Request, a: Config, b: Config, methods: Methods, voice_b: Voice | None = None
    ) -> ReplaySetup:
        """What it takes to run A and B again with these engines; ``voice_b``: B's, if it is not that of the request."""
        if voice_b is None or voice_b == request.voice:
            return ReplaySetup(request, lambda: self.open(a), lambda: self.open(b), methods)
        return ReplaySetup(request, lambda: self.open(a), lambda: InVoice(self.open(b), voice_b), methods)

    def close(self) -> None:
        """Close every engine. Harmless twice."""
        while self._loaded:
            self._loaded.popitem()[1].close()

    def __enter__(self) -> Engines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
