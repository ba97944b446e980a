"""Helpers to make dumps for the tests of codes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.fakes import PROVENANCE as FAKE
from tests.fakes import info_of, run_of
from ttsctl.core.codes import CodeArray
from ttsctl.core.config import Config
from ttsctl.core.provenance import Provenance
from ttsctl.core.request import Request, Voice
from ttsctl.dumps.meta import DumpMeta, build_meta
from ttsctl.dumps.write import write_dump

PROVENANCE = replace(FAKE, cpu="a cpu", packages={"numpy": "2.0", "torch": "2.6"})


@pytest.fixture
def codes() -> CodeArray:
    """(21, 16): five packets of 4 frames and one of 1."""
    return np.random.default_rng(7).integers(0, 2048, (21, 16))


@pytest.fixture
def make_meta() -> Callable[..., DumpMeta]:
    def make(
        codes: CodeArray,
        tag: str = "a",
        text: str = "hello",
        voice: str = "v1",
        text_id: str | None = "t1",
        packet_tokens: int = 4,
        codebook_size: int = 2048,
        provenance: Provenance = PROVENANCE,
    ) -> DumpMeta:
        config = Config()
        config = replace(config, stream=replace(config.stream, packet_tokens=packet_tokens))
        info = info_of(provenance, codebook_size=codebook_size)
        meta = build_meta(run_of(codes), Request(text, Voice(voice), text_id), config, info, tag)
        return replace(meta, timings={"ttfa_ms": 12.5, "rtf": None})

    return make


@pytest.fixture
def put(make_meta: Callable[..., DumpMeta]) -> Callable[..., Path]:
    """Write a dump; with ``only_meta`` its codes are taken away again. Returns the path that remains."""

    def write(folder: Path, codes: CodeArray, tag: str = "a", only_meta: bool = False, **about: object) -> Path:
        npy, sidecar = write_dump(folder, make_meta(codes, tag, **about), codes)
        if only_meta:
            npy.unlink()
            return sidecar
        return npy

    return write
