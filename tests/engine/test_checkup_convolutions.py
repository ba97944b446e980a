"""The kernels that a convolution really ran, read from the profiler and from oneDNN's own log."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import pytest
import torch

from ttsctl.engine.checkup.convolutions import find_convolutions, parse_onednn

LOG = """onednn_verbose,v1,info,cpu,isa:Intel AVX2
onednn_verbose,v1,primitive,create_nested:cache_miss,cpu,convolution,brgconv:avx2,backward_data,src
onednn_verbose,v1,primitive,exec,cpu,reorder,jit:uni,undef,src:f32
onednn_verbose,v1,primitive,exec,cpu,deconvolution,brg_deconv:avx2,forward_training,src:f32
onednn_verbose,v1,primitive,exec,cpu,deconvolution,brg_deconv:avx2,forward_training,src:f32
another line, exec,x
"""


def test_only_convolutions_that_ran_are_kernels() -> None:
    assert parse_onednn(LOG.splitlines()) == ("deconvolution brg_deconv:avx2",)


def onednn(enabled: bool) -> AbstractContextManager[Any]:
    flags: Any = torch.backends.mkldnn.flags
    switched: AbstractContextManager[Any] = flags(enabled=enabled, allow_tf32=False)
    return switched


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch is built without oneDNN")
def test_onednn_is_named_where_it_ran_and_torch_where_it_is_switched_off(capfd: pytest.CaptureFixture[str]) -> None:
    with onednn(True):
        found = find_convolutions(torch.device("cpu"), torch.float32)
    assert [c.operation for c in found] == ["conv1d", "conv_transpose1d"]
    assert all(c.library == "oneDNN" and c.kernels and c.reason is None for c in found)
    with onednn(False):
        found = find_convolutions(torch.device("cpu"), torch.float32)
    assert all(c.library == "torch" and "slow_conv" in c.kernels[0] for c in found)
    assert "onednn_verbose" not in capfd.readouterr().out, "the log is for this function, not for the user"


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cudnn_is_named_with_its_kernels() -> None:
    found = find_convolutions(torch.device("cuda"), torch.float32)
    assert all(c.library == "cuDNN" and c.kernels for c in found)
