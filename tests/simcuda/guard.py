"""Compiles and installs ``guard.cpp``: without it torch cannot index tensors of a device that it was not built for."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from pathlib import Path

import torch


def why_not() -> str | None:
    """Why the simulated device cannot be had here; None if it can."""
    if torch.cuda.is_available():
        return "a real CUDA device is here"
    return None if shutil.which("g++") else "g++ is not here to compile guard.cpp"


def install_guard() -> None:
    """Compile the guard and put it into torch's registry, until the process ends."""
    torch_folder = Path(torch.__file__).parent
    source = Path(__file__).with_name("guard.cpp")
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "guard.so"
        flags = ["-shared", "-fPIC", "-std=c++20", f"-I{torch_folder / 'include'}", f"-L{torch_folder / 'lib'}"]
        abi = f"-D_GLIBCXX_USE_CXX11_ABI={int(torch._C._GLIBCXX_USE_CXX11_ABI)}"
        command = ["g++", *flags, abi, str(source), "-o", str(library), "-lc10", f"-Wl,-rpath,{torch_folder / 'lib'}"]
        subprocess.run(command, check=True, capture_output=True, text=True)
        ctypes.CDLL(str(library)).install()
