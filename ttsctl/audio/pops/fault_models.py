"""Fault models: how much of the prediction errors after a sample a gain jump, flip, step or impulse would explain.

The errors e = A * x of the p + 3 samples from n on are split into e = past + present: what the samples before n
contribute, and what the samples from n on contribute.

- A gain jump scales past by a constant; a polarity flip scales it by -1.
- A DC step adds a constant from n on, and so the running sum of A to the errors.
- An impulse of up to three samples adds shifted copies of A.

Each model is fitted by least squares; its strength is the error energy before over that after the fit, in dB.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ttsctl.audio.lpc import Float
from ttsctl.audio.pops.salience import Index

# The peak of the errors lies up to two samples after, or one before, the sample at which the fault begins.
OFFSETS = (-2, -1, 0, 1)
IMPULSE_SAMPLES = 3
TINY = 1e-12


@dataclass(frozen=True)
class FaultFits:
    """One value a candidate, (C,) float64: energies in dB, amplitudes in dB of full scale, each at its best offset.

    energy: error energy over p samples. step, impulse, flip, gain: how many dB of it that model explains.
    correlation: of the prediction from the past with the samples that follow, 1 for undisturbed speech, -1 for a flip.
    size: energy of the samples that follow over that of what the past would go on with, by the fitted gain, dB.
    """

    energy: Float
    step: Float
    step_level: Float
    impulse: Float
    impulse_level: Float
    flip: Float
    gain: Float
    correlation: Float
    size: Float


def decibel(energy: NDArray[np.floating]) -> Float:
    """Energies, full scale 1.0 -> dB, float64, at least -140."""
    return np.asarray(10 * np.log10(np.maximum(energy, 1e-14).astype(np.float64)))


def fit_fault_models(pcm: Float, candidates: Index, polynomials: Float) -> FaultFits:
    """Fit every model at each candidate (C,) of pcm (N,); polynomials (C, p + 1): the predictors of their frames."""
    order = polynomials.shape[1] - 1
    span = order + IMPULSE_SAMPLES
    margin = order - min(OFFSETS)
    padded = np.pad(pcm, (margin, span + max(OFFSETS)))
    results = []
    for offset in OFFSETS:
        around = padded[(candidates + offset + margin)[:, None] + np.arange(-order, span)]
        past, present = _split_errors(around, polynomials, order)
        results.append(_fit_at_offset(past, present, polynomials))
    return _best_offsets({name: np.stack([r[name] for r in results]) for name in results[0]}, order)


def _split_errors(around: Float, polynomials: Float, order: int) -> tuple[Float, Float]:
    """x[n-p .. n+p+2] (C, 2p + 3) -> contributions of past and present to the p + 3 errors, each (C, p + 3)."""
    taps = polynomials[:, ::-1]
    windows = np.lib.stride_tricks.sliding_window_view
    before, after = around.copy(), around.copy()
    before[:, order:] = 0
    after[:, :order] = 0
    past = np.zeros((len(around), around.shape[1] - order))
    past[:, :order] = np.einsum("cth,ch->ct", windows(before[:, : 2 * order], order + 1, axis=1), taps)
    return past, np.einsum("cth,ch->ct", windows(after, order + 1, axis=1), taps)


def _fit_at_offset(past: Float, present: Float, polynomials: Float) -> dict[str, Float]:
    """Energies and fitted amplitudes at one offset, each (C,)."""
    order = polynomials.shape[1] - 1
    error = past + present
    total = np.sum(error**2, axis=1) + TINY
    past, present = past[:, :order], present[:, :order]
    from_past = np.sum(past**2, axis=1) + TINY
    from_present = np.sum(present**2, axis=1) + TINY
    cross = np.sum(past * present, axis=1)
    energy = np.maximum(from_past + from_present + 2 * cross, TINY)
    shapes = _impulse_shapes(polynomials, error.shape[1])
    step_shape = np.cumsum(shapes[:, :, 0], axis=1)
    step = np.sum(error * step_shape, axis=1) / np.maximum(np.sum(step_shape**2, axis=1), TINY)
    normal = np.einsum("cti,ctj->cij", shapes, shapes) + 1e-9 * np.eye(IMPULSE_SAMPLES)
    projection = np.einsum("cti,ct->ci", shapes, error)
    impulse = np.linalg.solve(normal, projection[:, :, None])[:, :, 0]
    return {
        "energy": energy,
        "step": total / np.maximum(total - step**2 * np.sum(step_shape**2, axis=1), TINY),
        "step_level": np.abs(step),
        "impulse": total / np.maximum(total - np.sum(impulse * projection, axis=1), TINY),
        "impulse_level": np.abs(impulse).max(axis=1),
        "flip": energy / np.maximum(from_past + from_present - 2 * cross, TINY),
        "gain": energy / np.maximum(from_present - cross**2 / from_past, TINY),
        "correlation": -cross / np.sqrt(from_past * from_present),
        "size": cross**2 / from_past**2,
    }


def _impulse_shapes(polynomials: Float, span: int) -> Float:
    """(C, span, IMPULSE_SAMPLES): A, and A one and two samples later."""
    shapes = np.zeros((len(polynomials), span, IMPULSE_SAMPLES))
    for shift in range(IMPULSE_SAMPLES):
        shapes[:, shift : shift + polynomials.shape[1], shift] = polynomials
    return shapes


def _best_offsets(at: dict[str, Float], order: int) -> FaultFits:
    """Each model's value at its best offset; gain, its size and energy at the offset with the largest error energy."""
    each = np.arange(at["energy"].shape[1])
    worst, step, impulse = (at[name].argmax(axis=0) for name in ("energy", "step", "impulse"))
    return FaultFits(
        energy=decibel(at["energy"][worst, each] / order),
        step=decibel(at["step"][step, each]),
        step_level=2 * decibel(at["step_level"][step, each] + 1e-5),
        impulse=decibel(at["impulse"][impulse, each]),
        impulse_level=2 * decibel(at["impulse_level"][impulse, each] + 1e-5),
        flip=decibel(at["flip"].max(axis=0)),
        gain=decibel(at["gain"][worst, each]),
        correlation=at["correlation"].min(axis=0),
        size=decibel(at["size"][worst, each]),
    )
