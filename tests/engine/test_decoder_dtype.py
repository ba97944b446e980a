"""The decoder is float32 unless set, and what bfloat16 would cost it."""

from __future__ import annotations

import pytest
import torch

from ttsctl.engine.decode.sessions import IncrementalSession
from ttsctl.engine.loading import open_decoder
from ttsctl.engine.model import row_conv
from ttsctl.engine.model.checkpoint import open_checkpoint
from ttsctl.engine.placement import Placement, place
from ttsctl.runs.resolve_config import resolve_config

CPU = torch.device("cpu")
# dB. Eight frames of random ids on the built-in codec gave 30.0 to 31.2, over seeds and both forms of the convolutions.
LEAST_DB, MOST_DB = 28.0, 33.0


def placed(*sets: str) -> Placement:
    return place(resolve_config({}, None, list(sets)))


@pytest.mark.parametrize("device", ["cpu", "cuda", "cuda:0"])
def test_the_decoder_is_float32_on_every_device(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert placed(f"engine.device={device}").decoder_dtype == torch.float32
    codegen = torch.float32 if device == "cpu" else torch.bfloat16
    assert placed(f"engine.device={device}").codegen_dtype == codegen


def test_another_dtype_is_taken_where_it_is_asked_for() -> None:
    assert placed("engine.device=cpu", "engine.decoder_dtype=bfloat16").decoder_dtype == torch.bfloat16


def decoded(dtype: torch.dtype) -> torch.Tensor:
    checkpoint = open_checkpoint("builtin")
    generator = torch.Generator().manual_seed(0)
    codes = torch.randint(0, checkpoint.codec_sizes.codebook_size, (8, 16), generator=generator)
    with torch.inference_mode():
        return IncrementalSession(open_decoder(checkpoint, Placement(CPU, dtype, CPU, dtype))).push(codes).double()


def snr_db(pcm: torch.Tensor, wanted: torch.Tensor) -> float:
    return float(10 * torch.log10(wanted.pow(2).sum() / (pcm - wanted).pow(2).sum()))


@pytest.mark.parametrize("form", ["sum_shifted_products", "multiply_gathered_windows"])
def test_bfloat16_costs_the_decoder_about_30_db(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In both forms of the convolutions: that of the CPU and that of CUDA. Control: float64 is far closer."""
    exact = decoded(torch.float32)
    monkeypatch.setattr(row_conv, "sum_shifted_products", getattr(row_conv, form))
    assert LEAST_DB <= snr_db(decoded(torch.bfloat16), exact) <= MOST_DB
    assert snr_db(decoded(torch.float64), exact) > 100
