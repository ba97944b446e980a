"""From evidence to kind: softmax regression over the rows of ``evidence`` (multinomial logit).

Rows are standardised and clipped to LIMIT standard deviations, so that no unheard-of value decides alone; the log-odds
of each kind are linear in them and in their pairwise products, for what tells a step from an onset is two levels
together. ``kind_weights`` holds the fitted numbers, ``fit_kinds`` says how they were fitted.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ttsctl.audio.lpc import Float

# "dropped" is a join of two pieces that were not neighbours, whatever was lost between them.
KINDS = ("impulse", "dc_step", "gain_jump", "polarity", "dropped", "repeated", "zero_gap")
NONE = "none"
CLASSES = (NONE, *KINDS)
LIMIT = 3.0


def kind_probabilities(rows: Float) -> Float:
    """Evidence rows (C, len(NAMES)) -> probabilities (C, len(CLASSES)), each row summing to 1."""
    from ttsctl.audio.pops.classifier_weights import CENTRE, SCALE, WEIGHTS

    return softmax(terms(rows, np.array(CENTRE), np.array(SCALE)), np.array(WEIGHTS))


def terms(rows: Float, centre: Float, scale: Float) -> Float:
    """Rows (C, F), their usual mean and deviation (F,) -> (C, 1 + F + F (F + 1) / 2): 1, the rows, their products."""
    standard = np.clip((rows - centre) / scale, -LIMIT, LIMIT)
    first, second = np.triu_indices(rows.shape[1])
    return np.concatenate([np.ones((len(rows), 1)), standard, standard[:, first] * standard[:, second]], axis=1)


def softmax(values: Float, weights: Float) -> Float:
    """values (C, T), weights (classes, T) -> (C, classes)."""
    scores = values @ weights.T
    scores -= scores.max(axis=1, keepdims=True)
    odds = np.exp(scores)
    return odds / odds.sum(axis=1, keepdims=True)


def likeliest_kind(probabilities: Float) -> list[str | None]:
    """The kind of each candidate given that it is a pop; None where none of them has at least half the weight."""
    of_pops = probabilities[:, 1:]
    best = of_pops.argmax(axis=1)
    share = of_pops[np.arange(len(best)), best] / np.maximum(of_pops.sum(axis=1), 1e-300)
    return [KINDS[i] if s >= 0.5 else None for i, s in zip(best.tolist(), share.tolist(), strict=True)]


def fit_softmax(values: Float, classes: NDArray[np.int64], penalty: float = 40.0, most_steps: int = 500) -> Float:
    """Least negative log likelihood plus penalty / 2 times the squared weights, the first (of the 1) left free.

    values (C, T), classes (C,) indices into CLASSES -> weights (len(CLASSES), T).
    """
    from scipy.optimize import minimize

    wanted = np.eye(len(CLASSES))[classes]
    shape = (len(CLASSES), values.shape[1])
    free = np.ones(shape)
    free[:, 0] = 0.0

    def loss(flat: Float) -> tuple[float, Float]:
        weights = flat.reshape(shape)
        probabilities = softmax(values, weights)
        likelihood = np.sum(np.log(np.maximum(probabilities[wanted == 1], 1e-300)))
        gradient = (probabilities - wanted).T @ values + penalty * free * weights
        return float(penalty / 2 * np.sum(free * weights**2) - likelihood), gradient.ravel()

    found = minimize(loss, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B", options={"maxiter": most_steps})
    return np.asarray(found.x).reshape(shape)
