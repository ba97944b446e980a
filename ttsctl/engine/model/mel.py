"""The log-mel spectrogram that the speaker encoder takes."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

# Of the released speaker encoder; config.json does not hold them.
FFT = 1024
HOP = 256
BANDS = 128
EDGE = (FFT - HOP) // 2
MAGNITUDE_FLOOR = 1e-9
LOG_FLOOR = 1e-5
# Slaney's mel scale (Auditory Toolbox, 1998): linear up to 1 kHz, 15 mel there, then 27 mel for a factor of 6.4.
LINEAR_HZ = 200.0 / 3.0
BREAK_HZ = 1000.0
LOG_STEP = math.log(6.4) / 27.0


def log_mel(pcm: Tensor, sample_rate: int) -> Tensor:
    """pcm (N,) float32, full scale 1.0, N > EDGE -> (1 + (N - 256) // 256, 128): log of mel magnitudes, at least 1e-5.

    STFT of 1024 points, hop 256, periodic Hann window, no centring, 384 samples reflected on both sides.
    """
    padded = F.pad(pcm[None, None], (EDGE, EDGE), mode="reflect")[0, 0]
    window = torch.hann_window(FFT, device=pcm.device, dtype=pcm.dtype)
    spectrum = torch.view_as_real(torch.stft(padded, FFT, HOP, FFT, window, center=False, return_complex=True))
    magnitude = torch.sqrt(spectrum.pow(2).sum(-1) + MAGNITUDE_FLOOR)
    filters = mel_filters(sample_rate).to(pcm.device, pcm.dtype)
    return torch.log((filters @ magnitude).clamp(min=LOG_FLOOR)).T


def mel_filters(sample_rate: int) -> Tensor:
    """Triangles (BANDS, FFT // 2 + 1) float32 from 0 Hz to half the rate on Slaney's scale, each of area 1."""
    top = hz_to_mel(sample_rate / 2)
    corners = mel_to_hz(torch.linspace(0.0, top, BANDS + 2, dtype=torch.float64))
    bins = torch.linspace(0.0, sample_rate / 2, FFT // 2 + 1, dtype=torch.float64)
    slopes = corners[:, None] - bins[None, :]
    widths = corners.diff()[:, None]
    rising, falling = -slopes[:-2] / widths[:-1], slopes[2:] / widths[1:]
    triangles = torch.minimum(rising, falling).clamp(min=0.0)
    return (triangles * (2.0 / (corners[2:] - corners[:-2]))[:, None]).float()


def hz_to_mel(hz: float) -> float:
    """A frequency on Slaney's scale."""
    if hz < BREAK_HZ:
        return hz / LINEAR_HZ
    return BREAK_HZ / LINEAR_HZ + math.log(hz / BREAK_HZ) / LOG_STEP


def mel_to_hz(mel: Tensor) -> Tensor:
    """Slaney's scale back to Hz."""
    broken = BREAK_HZ / LINEAR_HZ
    return torch.where(mel < broken, mel * LINEAR_HZ, BREAK_HZ * torch.exp(LOG_STEP * (mel - broken)))
