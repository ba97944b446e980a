"""What the built-in checkpoint promises: the same bytes, clear winners, speech that ends, healthy audio."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.engine_help import make_engine
from ttsctl.core.request import Request, TextMode, Voice
from ttsctl.engine.local import LocalEngine
from ttsctl.engine.model.build_builtin import build
from ttsctl.engine.model.checkpoint import BUILTIN
from ttsctl.runs.run_stream import run_stream
from ttsctl.runs.texts import load_texts

TEXTS = load_texts(Path(__file__).parents[2] / "manifests" / "texts_base.json")
GROUP0_GAP = 1e-3
# float64 moves this network's logits by about 1e-5, so a gap of 5e-4 keeps its winner on any CPU.
OTHER_GAP = 5e-4
LARGEST_BYTES = 6_000_000

Spoken = list[tuple[np.ndarray, bool, np.ndarray, float, float]]


def _digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "corpus.txt"
    }


def test_anyone_rebuilds_the_same_bytes(tmp_path: Path) -> None:
    build(tmp_path)
    assert _digests(tmp_path) == _digests(BUILTIN)


def test_it_is_small() -> None:
    assert sum(path.stat().st_size for path in BUILTIN.rglob("*") if path.is_file()) <= LARGEST_BYTES


@pytest.fixture(scope="module")
def spoken() -> Spoken:
    """For each base text, streamed: codes, truncated, pcm, and the smallest gap of group 0 and of the others."""
    engine = make_engine("builtin", "record.trace=codes")
    results = []
    for text in TEXTS:
        run = run_stream(engine, Request(text.text, Voice("vivian", "vivian")), threading.Event())
        assert run.trace is not None and run.truncated is not None
        draws = run.trace.draws
        group0 = float(draws.gap[draws.codebook == 0].min())
        others = float(draws.gap[draws.codebook > 0].min())
        results.append((run.require_codes(), run.truncated, run.require_pcm(), group0, others))
    return results


@pytest.mark.slow
def test_base_texts_end_by_the_end_token(spoken: Spoken) -> None:
    assert [truncated for _, truncated, *_ in spoken] == [False] * 5
    assert all(len(codes) >= 10 for codes, *_ in spoken)


@pytest.mark.slow
def test_every_greedy_draw_has_a_clear_winner(spoken: Spoken) -> None:
    assert min(group0 for *_, group0, _ in spoken) >= GROUP0_GAP
    assert min(others for *_, others in spoken) >= OTHER_GAP


@pytest.mark.slow
def test_audio_is_healthy(spoken: Spoken) -> None:
    for _, _, pcm, *_ in spoken:
        level = 20 * np.log10(np.sqrt(np.mean(pcm.astype(np.float64) ** 2)))
        assert -30 <= level <= -12
        assert np.abs(pcm).max() < 0.99
        assert abs(pcm.mean()) < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["engine.codegen_dtype=float64", "determinism.level=strict"])
def test_codes_hold_in_other_arithmetic(setting: str, spoken: Spoken) -> None:
    engine: LocalEngine = make_engine("builtin", setting)
    codes = engine.offline(Request(TEXTS[-1].text, Voice("vivian", "vivian"))).require_codes()
    torch.use_deterministic_algorithms(False)
    assert np.array_equal(codes, spoken[-1][0])


@pytest.mark.slow
def test_codes_hold_with_two_threads(spoken: Spoken) -> None:
    torch.set_num_threads(2)
    try:
        codes = make_engine().offline(Request(TEXTS[-1].text, Voice("vivian", "vivian"))).require_codes()
    finally:
        torch.set_num_threads(1)
    assert np.array_equal(codes, spoken[-1][0])


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["streaming", "whole"])
def test_every_released_speaker_speaks(mode: TextMode, builtin: LocalEngine) -> None:
    for speaker in ("serena", "uncle_fu", "eric", "dylan"):
        run = builtin.offline(Request("Good morning.", Voice(speaker, speaker, "Chinese"), text_mode=mode))
        assert not run.truncated
