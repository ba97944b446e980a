"""Given codes of a cloned voice: the decoder gets its reference only if it had it when they were spoken."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.engine_help import ORACLE, make_engine
from ttsctl.core.errors import InputError
from ttsctl.core.request import Request, Voice
from ttsctl.dumps.meta import build_meta
from ttsctl.dumps.write import write_dump
from ttsctl.runs.references import with_references
from ttsctl.sweep.given_codes import read_given_codes

REF = str(ORACLE / "base_clone" / "expected" / "ref_en.wav")


def _dump(folder: Path, voice: Voice) -> Path:
    engine = make_engine("base_clone", "sampling.max_new_tokens=3")
    request = Request("Hello.", with_references([voice])[0])
    run = engine.offline(request)
    meta = build_meta(run, request, engine.config, engine.info, "a")
    write_dump(folder, meta, run.require_codes())
    return folder / "codes_a.npy"


@pytest.mark.parametrize("x_vector_only", [False, True])
def test_a_voice_in_context_keeps_its_reference(tmp_path: Path, x_vector_only: bool) -> None:
    text = None if x_vector_only else "This is the voice that should be kept."
    path = _dump(tmp_path, Voice("v", ref_audio=REF, ref_text=text, x_vector_only=x_vector_only))
    (case,) = read_given_codes([path]).cases()
    assert case.request.voice.is_cloned is not x_vector_only
    reference = make_engine("base_clone").reference_codes(case.request) if not x_vector_only else None
    assert x_vector_only or np.array_equal(reference, np.load(REF.replace(".wav", "_codes.npy")))  # type: ignore[arg-type]


def test_a_reference_that_is_gone_is_told_at_once(tmp_path: Path) -> None:
    gone = tmp_path / "gone.wav"
    gone.write_bytes(Path(REF).read_bytes())
    path = _dump(tmp_path, replace(Voice("v", ref_text="This is the voice."), ref_audio=str(gone)))
    gone.unlink()
    with pytest.raises(InputError, match=r"gone\.wav"):
        read_given_codes([path])
