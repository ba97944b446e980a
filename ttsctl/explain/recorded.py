"""Explain two recorded runs: from their files alone or, with the text they spoke, with their engines too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ttsctl.core.config import Config
from ttsctl.core.errors import InputError
from ttsctl.core.machine import collect_provenance
from ttsctl.core.request import Request, TextMode, Voice
from ttsctl.dumps.matching import prompt_differences
from ttsctl.dumps.meta import DumpMeta, text_sha256
from ttsctl.explain.investigate import Investigation, Methods, investigate, investigate_files
from ttsctl.explain.live import Engines
from ttsctl.explain.sources import RecordedRun, check_comparable, differing_conditions, load_run
from ttsctl.explain.summary import ExplainContext
from ttsctl.runs.engines import engine_errors
from ttsctl.runs.requests import NamedText
from ttsctl.runs.resolve_config import chosen_sets, resolve_config


def explain_recorded(
    paths: Sequence[Path], texts: Sequence[NamedText], checkpoint: str | None, methods: Methods
) -> tuple[Investigation, ExplainContext]:
    """Explain the run at ``paths[1]`` against that at ``paths[0]``.

    ``texts`` are candidates for the text that both spoke; without one, no engine is loaded. ``checkpoint`` replaces
    the one that both were recorded with, for a checkpoint that has moved. InputError for what cannot be read, and if no
    text fits; CannotJudge if the runs answer different requests.
    """
    a, b = (load_run(path) for path in paths)
    check_comparable(a, b)
    if texts:
        found = _investigate_with_engines((a, b), paths, texts, checkpoint, methods)
    else:
        found = investigate_files(a.side, b.side)
    conditions, reason = differing_conditions(a, b)
    return found, ExplainContext(
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


def replay_config(meta: DumpMeta, path: Path, checkpoint: str | None) -> Config:
    """The configuration under which a recorded run is made again.

    A run that drew freely is repeated from the seed that it reported. Code generation in a worker process is repeated
    in this process, where it can be traced; whether the codes come out the same is checked before they are used.
    """
    sampling = meta.config.get("sampling", {})
    sets = [f"sampling.{key}=seeded" for key in ("policy", "predictor_policy") if sampling.get(key) == "free"]
    if sets and meta.seed is not None:
        sets += ["sampling.seed_mode=fixed", f"sampling.seed={meta.seed}"]
    if meta.config.get("stream", {}).get("overlap") == "process":
        sets.append("stream.overlap=none")
    return resolve_config(meta.config, path, chosen_sets(checkpoint, sets))


def _investigate_with_engines(
    runs: tuple[RecordedRun, RecordedRun],
    paths: Sequence[Path],
    texts: Sequence[NamedText],
    checkpoint: str | None,
    methods: Methods,
) -> Investigation:
    a, b = runs
    meta_a, meta_b = _require_meta(a), _require_meta(b)
    request = _request(meta_a, texts)
    with Engines() as engines, engine_errors():
        configs = [replay_config(m, path, checkpoint) for m, path in zip((meta_a, meta_b), paths, strict=True)]
        # Of one prompt, A's file serves both: B's may have been on another machine.
        voice_b = Voice.from_dict(meta_b.voice) if prompt_differences(meta_a, meta_b) else None
        setup = engines.replay_setup(request, configs[0], configs[1], methods, voice_b)
        return investigate(a.side, b.side, setup)


def _require_meta(run: RecordedRun) -> DumpMeta:
    if run.meta is None:
        raise InputError(f"{run.side.label}: no meta beside it, so it cannot be run again", "leave out the text")
    return run.meta


def _request(meta: DumpMeta, texts: Sequence[NamedText]) -> Request:
    """The request of a recorded run, with the text that has its hash. InputError if no text has it."""
    text = next((text for _, text in texts if text_sha256(text) == meta.text_sha256), None)
    if text is None:
        raise InputError(
            f"text: expected the one of the recorded runs, with sha256 {meta.text_sha256[:12]}…; none of the "
            f"{len(texts)} given has it",
            "give the very text, or leave it out to compare the files alone",
        )
    voice = Voice.from_dict(meta.voice)
    mode: TextMode = "whole" if meta.text_mode == "whole" else "streaming"
    return Request(text, voice, meta.text_id, mode)
