"""The engines of ``explain``: made when they are needed, one a configuration."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ttsctl.core.config import Config
from ttsctl.core.errors import EngineError, InputError
from ttsctl.core.request import Request, TextMode, Voice

if TYPE_CHECKING:
    from ttsctl.core.engine import Engine
    from ttsctl.core.forensic import Forensic
    from ttsctl.dumps.meta import DumpMeta
    from ttsctl.explain.investigate import Bench, Investigation
    from ttsctl.explain.sources import RecordedRun
    from ttsctl.explain.summary import Context

Spoken = Sequence[tuple[str | None, str]]


@dataclass(frozen=True)
class Methods:
    """What is done beyond comparing: ``jitter_seeds`` measure the noise, ``prove`` tries grafts."""

    jitter_seeds: tuple[int, ...]
    prove: bool


class Engines:
    """Forensic engines by configuration; equal configurations share one. An engine puts back the process-wide
    switches after each call, so two of them live side by side.
    """

    def __init__(self) -> None:
        self._made: dict[str, Engine] = {}

    def open(self, config: Config) -> Forensic:
        from ttsctl.core.capabilities import forensic_of
        from ttsctl.runs.engines import load_engine

        # What a run keeps of itself is asked for at each call.
        config = replace(config, record=Config().record)
        if config.sha256 not in self._made:
            self._made[config.sha256] = load_engine(config)
        return forensic_of(self._made[config.sha256])

    def bench(self, request: Request, a: Config, b: Config, methods: Methods) -> Bench:
        """The one place where engines, calibration and proof are put together."""
        from ttsctl.explain.investigate import Bench

        return Bench(request, lambda: self.open(a), lambda: self.open(b), methods.jitter_seeds, methods.prove)


def explain_live(
    configs: Sequence[Config], request: Request, runs: int, methods: Methods, tell: Callable[[], None]
) -> tuple[Investigation, Context]:
    """Speak a request under one configuration up to ``runs`` times, or under two, and explain the first difference."""
    from ttsctl.core.provenance import differences
    from ttsctl.dumps.conditions import config_differences
    from ttsctl.dumps.meta import text_sha256
    from ttsctl.explain.investigate import investigate, record_until_different, recorded_side
    from ttsctl.explain.summary import Context

    for config in configs:
        _refuse_free(config)
    engines = Engines()
    with _engine_errors():
        first, last = engines.open(configs[0]), engines.open(configs[-1])
        if len(configs) == 1:
            sides = record_until_different(first, request, runs, "modules", tell)
        else:
            sides = [recorded_side(n, e, request) for n, e in (("A", first), ("B", last))]
        a, b = sides[0], sides[-1]
        found = investigate(a, b, engines.bench(request, configs[0], configs[-1], methods))
    around = config_differences(configs[0].to_dict(), configs[-1].to_dict())
    around += differences(first.info.provenance, last.info.provenance)
    return found, Context(
        a=a.label,
        b=b.label,
        text_sha256=text_sha256(request.text),
        runs=len(sides) if len(configs) == 1 else None,
        condition_differences=around,
        conditions_reason=None,
        config=configs[0].to_dict(),
        config_sha256=configs[0].sha256,
        in_force=dict(first.info.in_force),
        provenance=first.info.provenance,
    )


def explain_recorded(
    paths: Sequence[Path], spoken: Spoken, checkpoint: str | None, methods: Methods
) -> tuple[Investigation, Context]:
    """Explain two recorded runs; with the text they spoke, with their engines too.

    ``checkpoint`` stands for the one that both were recorded with, where it has moved.
    """
    from ttsctl.core.machine import collect_provenance
    from ttsctl.explain.investigate import investigate, without_engine
    from ttsctl.explain.sources import around, check_comparable, load_run
    from ttsctl.explain.summary import Context

    a, b = (load_run(path) for path in paths)
    check_comparable(a, b)
    if spoken:
        meta_a, meta_b = _meta(a), _meta(b)
        request = _request(meta_a, spoken)
        engines = Engines()
        with _engine_errors():
            configs = [_config(m, path, checkpoint) for m, path in zip((meta_a, meta_b), paths, strict=True)]
            bench = engines.bench(request, configs[0], configs[1], methods)
            found = investigate(a.side, b.side, bench)
    else:
        found = without_engine(a.side, b.side)
    conditions, reason = around(a, b)
    return found, Context(
        a=a.side.label,
        b=b.side.label,
        text_sha256=a.meta.text_sha256 if a.meta else None,
        runs=None,
        condition_differences=conditions,
        conditions_reason=reason,
        config=a.meta.config if a.meta else None,
        config_sha256=a.meta.config_sha256 if a.meta else None,
        in_force=None,
        provenance=collect_provenance(),
        notes=[run.note for run in (a, b) if run.note is not None],
    )


def _refuse_free(config: Config) -> None:
    for key in ("policy", "predictor_policy"):
        if getattr(config.sampling, key) == "free":
            raise InputError(
                f"sampling.{key} = 'free': every run draws anew, so that a difference needs no explanation",
                f"use --set sampling.{key}=seeded",
            )


def _meta(run: RecordedRun) -> DumpMeta:
    if run.meta is None:
        raise InputError(f"{run.side.label}: no meta beside it, so it cannot be run again", "leave out the text")
    return run.meta


def _request(meta: DumpMeta, spoken: Spoken) -> Request:
    """The request of a recorded run, with the one text of ``spoken`` that has its hash."""
    from ttsctl.dumps.meta import text_sha256

    text = next((text for _, text in spoken if text_sha256(text) == meta.text_sha256), None)
    if text is None:
        raise InputError(
            f"text: expected the one of the recorded runs, with sha256 {meta.text_sha256[:12]}…; none of the "
            f"{len(spoken)} given has it",
            "give the very text, or leave it out to compare the files alone",
        )
    voice = Voice(**meta.voice)  # type: ignore[arg-type]  # the meta's reader has seen that it has an id
    mode: TextMode = "whole" if meta.text_mode == "whole" else "streaming"
    return Request(text, voice, meta.text_id, mode)


def _config(meta: DumpMeta, path: Path, checkpoint: str | None) -> Config:
    """A recorded run's configuration; a run that drew freely is repeated from the seed that it reports.

    A run of code generation in a worker process is repeated in this one, where it can be looked into: whether it comes
    out the same is seen before anything is made of it.
    """
    from ttsctl.runs.resolve_config import chosen_sets, resolve_config

    sampling = meta.config.get("sampling", {})
    sets = [f"sampling.{key}=seeded" for key in ("policy", "predictor_policy") if sampling.get(key) == "free"]
    if sets and meta.seed is not None:
        sets += ["sampling.seed_mode=fixed", f"sampling.seed={meta.seed}"]
    if meta.config.get("stream", {}).get("overlap") == "process":
        sets.append("stream.overlap=none")
    return resolve_config(meta.config, path, chosen_sets(checkpoint, sets))


@contextlib.contextmanager
def _engine_errors() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # torch has no other word for a kernel or memory that is missing
        raise EngineError(f"the engine failed: {str(error).splitlines()[0]}") from error
