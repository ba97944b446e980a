"""Given codes through a decoder: what is clamped on the way is counted and said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.fakes import CODEBOOK, FakeEngine, codes_of
from ttsctl.core.config import Config, DeterminismConfig
from ttsctl.core.errors import InputError
from ttsctl.runs.run_decode import run_decode, run_decode_offline

CLAMPS = replace(Config(), determinism=DeterminismConfig(clamp_codes=True))


@pytest.mark.parametrize("decode", [run_decode, run_decode_offline])
def test_clamped_ids_are_counted_and_said(decode: type) -> None:
    codes = codes_of("x", 8)
    codes[1, 2], codes[3, 4] = CODEBOOK, -1
    run = decode(FakeEngine(config=CLAMPS), codes, "codes")
    assert (run.clamped, run.notes) == (2, ("determinism.clamp_codes: 2 ids were moved into range",))
    well = decode(FakeEngine(config=CLAMPS), codes_of("x", 8), "codes")
    assert (well.clamped, well.notes) == (0, ())
    with pytest.raises(InputError, match=r"codes: id .* is outside 0\.\.\d+ \(2 such ids\)"):
        decode(FakeEngine(), codes, "codes")
    assert np.array_equal(codes[1, 2], CODEBOOK), "the caller's codes stay as they are"
