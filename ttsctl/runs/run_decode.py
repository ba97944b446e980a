"""Given codes through an engine's decoder to a run, packet by packet or in one call, and how many ids were clamped."""

from __future__ import annotations

import time
from dataclasses import replace

from ttsctl.core.capabilities import decoder_of, encoder_of
from ttsctl.core.codes import CodeArray, clamp_notes, code_range
from ttsctl.core.config import Config
from ttsctl.core.engine import Engine
from ttsctl.core.request import Request
from ttsctl.core.run import Run
from ttsctl.core.timing import whole_timing
from ttsctl.runs.check_codes import check_fit


def run_decode(
    engine: Engine,
    codes: CodeArray,
    label: str,
    config: Config | None = None,
    reference: tuple[CodeArray, str] | None = None,
) -> Run:
    """codes (T, Q) int64 in packets, as ``config`` or else the engine's own says -> a run of kind ``decode``.

    ``reference``: the codes (R, Q) of a cloned voice's reference, and their label. InputError unless all fit the
    checkpoint; ``label`` names the codes in it.
    """
    check_fit(engine, codes, label)
    if reference is not None:
        check_fit(engine, *reference)
    before = None if reference is None else reference[0]
    return _with_clamped(decoder_of(engine).decode(codes, config or engine.config, before), engine, codes)


def reference_of(engine: Engine, request: Request) -> CodeArray | None:
    """The codes (R, Q) int64 that the decoder gets before those of a request; None where no voice is cloned."""
    return encoder_of(engine).reference_codes(request) if request.voice.is_cloned else None


def run_decode_offline(engine: Engine, codes: CodeArray, label: str, reference: CodeArray | None = None) -> Run:
    """codes (T, Q) int64 in one call -> a run of kind ``decode_offline``; errors as of ``run_decode``."""
    check_fit(engine, codes, label)
    started = time.perf_counter()
    pcm = decoder_of(engine).decode_offline(codes, reference)
    decode_ms = (time.perf_counter() - started) * 1e3
    timing = whole_timing(None, decode_ms, len(pcm), engine.info.sample_rate)
    return _with_clamped(Run("decode_offline", None, pcm, None, None, timing), engine, codes)


def clamped_ids(engine: Engine, codes: CodeArray) -> int:
    """How many ids of codes (T, Q) the engine moves into range: none without ``determinism.clamp_codes``."""
    if not engine.config.determinism.clamp_codes:
        return 0
    return code_range(codes, engine.info.codebook_size).out_of_range_count


def _with_clamped(run: Run, engine: Engine, codes: CodeArray) -> Run:
    clamped = clamped_ids(engine, codes)
    return replace(run, clamped=clamped, notes=(*run.notes, *clamp_notes(clamped)))
