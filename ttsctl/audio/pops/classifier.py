"""Which candidates are pops, and of which kind: multinomial logistic regression over the rows of ``features``.

Each feature is standardised and clipped to CLIP standard deviations, so that one extreme value cannot decide alone.
The log-odds of each class are linear in the features and in their pairwise products, because what tells a DC step from
an onset is two levels together. ``classifier_weights.json`` holds the weights that ``fit_classifier`` found.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from ttsctl.audio.lpc import Float
from ttsctl.audio.pops.features import FEATURE_NAMES
from ttsctl.core.errors import InputError

# "dropped" is a join of two pieces that were not neighbours, whatever was lost between them.
KINDS = ("impulse", "dc_step", "gain_jump", "polarity", "dropped", "repeated", "zero_gap")
NONE = "none"
CLASSES = (NONE, *KINDS)
CLIP = 3.0
WEIGHTS_FILE = "classifier_weights.json"


@dataclass(frozen=True, eq=False)
class ClassifierWeights:
    """A fitted classifier, float64: mean and standard deviation of each feature (F,), weights (classes, terms)."""

    centre: Float
    scale: Float
    weights: Float


@cache
def shipped_weights() -> ClassifierWeights:
    """The weights of the package, read once; InputError if the file has other features or classes than this code."""
    stored = json.loads(files("ttsctl.audio.pops").joinpath(WEIGHTS_FILE).read_text(encoding="utf-8"))
    for name, expected in (("features", FEATURE_NAMES), ("classes", CLASSES)):
        if tuple(stored[name]) != expected:
            raise InputError(f"{WEIGHTS_FILE}: expected {name} {expected}, got {stored[name]}", "install ttsctl again")
    return ClassifierWeights(*(np.array(stored[name]) for name in ("centre", "scale", "weights")))


def class_probabilities(rows: Float) -> Float:
    """Feature rows (C, F) of candidates -> probabilities (C, len(CLASSES)), each row summing to 1."""
    fitted = shipped_weights()
    return softmax(polynomial_terms(rows, fitted.centre, fitted.scale), fitted.weights)


def polynomial_terms(rows: Float, centre: Float, scale: Float) -> Float:
    """Rows (C, F) and their usual mean and deviation (F,) -> (C, 1 + F + F (F + 1) / 2): 1, the features, products."""
    standard = np.clip((rows - centre) / scale, -CLIP, CLIP)
    first, second = np.triu_indices(rows.shape[1])
    return np.concatenate([np.ones((len(rows), 1)), standard, standard[:, first] * standard[:, second]], axis=1)


def softmax(terms: Float, weights: Float) -> Float:
    """terms (C, T), weights (classes, T) -> probabilities (C, classes)."""
    scores = terms @ weights.T
    scores -= scores.max(axis=1, keepdims=True)
    odds = np.exp(scores)
    probabilities: Float = odds / odds.sum(axis=1, keepdims=True)
    return probabilities


def likeliest_kinds(probabilities: Float) -> list[str | None]:
    """The kind of each candidate if it is a pop; None if no kind has at least half of the probability of a pop."""
    of_pops = probabilities[:, 1:]
    best = of_pops.argmax(axis=1)
    share = of_pops[np.arange(len(best)), best] / np.maximum(of_pops.sum(axis=1), 1e-300)
    return [KINDS[i] if s >= 0.5 else None for i, s in zip(best.tolist(), share.tolist(), strict=True)]
