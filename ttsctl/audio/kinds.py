"""From evidence to kind: softmax regression over the rows of ``evidence`` (multinomial logit).

Log-odds that are linear in decibels: each kind has one weight per row entry, so a verdict can be read term by term.
``kind_weights`` holds the fitted numbers, ``fit_kinds`` says how they were fitted.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ttsctl.audio.lpc import Float

# "dropped" is a join of two pieces that were not neighbours, whatever was lost between them.
KINDS = ("impulse", "dc_step", "gain_jump", "polarity", "dropped", "repeated", "zero_gap")
NONE = "none"
CLASSES = (NONE, *KINDS)


def kind_probabilities(rows: Float) -> Float:
    """Evidence rows (C, len(NAMES)) -> probabilities (C, len(CLASSES)), each row summing to 1."""
    from ttsctl.audio.kind_weights import WEIGHTS

    return softmax(rows, np.array(WEIGHTS))


def softmax(rows: Float, weights: Float) -> Float:
    """rows (C, F), weights (classes, F + 1) with the constant last -> (C, classes)."""
    scores = rows @ weights[:, :-1].T + weights[:, -1]
    scores -= scores.max(axis=1, keepdims=True)
    odds = np.exp(scores)
    return odds / odds.sum(axis=1, keepdims=True)


def likeliest_kind(probabilities: Float) -> list[str | None]:
    """The kind of each candidate given that it is a pop; None where none of them has at least half the weight."""
    of_pops = probabilities[:, 1:]
    best = of_pops.argmax(axis=1)
    share = of_pops[np.arange(len(best)), best] / np.maximum(of_pops.sum(axis=1), 1e-300)
    return [KINDS[i] if s >= 0.5 else None for i, s in zip(best.tolist(), share.tolist(), strict=True)]


def fit_softmax(rows: Float, classes: NDArray[np.int64], penalty: float = 20.0) -> Float:
    """Least negative log likelihood plus penalty / 2 times the squared weights of standardised rows -> weights.

    rows (C, F), classes (C,) indices into CLASSES -> (len(CLASSES), F + 1) for unstandardised rows.
    """
    from scipy.optimize import minimize

    centre, scale = rows.mean(axis=0), np.maximum(rows.std(axis=0), 1e-9)
    standard = (rows - centre) / scale
    wanted = np.eye(len(CLASSES))[classes]
    shape = (len(CLASSES), rows.shape[1] + 1)

    def loss(flat: Float) -> tuple[float, Float]:
        weights = flat.reshape(shape)
        probabilities = softmax(standard, weights)
        free = weights[:, :-1]
        value = -np.sum(np.log(np.maximum(probabilities[wanted == 1], 1e-300))) + penalty / 2 * np.sum(free**2)
        error = probabilities - wanted
        gradient = np.concatenate([error.T @ standard + penalty * free, error.sum(axis=0)[:, None]], axis=1)
        return float(value), gradient.ravel()

    found = minimize(loss, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 2000})
    weights = found.x.reshape(shape)
    slopes = weights[:, :-1] / scale
    constant = weights[:, -1] - slopes @ centre
    return np.concatenate([slopes, constant[:, None]], axis=1)
