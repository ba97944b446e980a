"""Which candidates are pops, and of which kind: the mean of a few small neural networks over the rows of ``features``.

Each feature is standardised and clipped to CLIP standard deviations, so that one extreme value cannot decide alone.
Hidden layers let two features count together, because what tells a DC step from an onset is two levels together.
Several networks, which differ in their random start alone, raise fewer false alarms than one.
``classifier_weights.json`` holds the weights that ``fit_classifier`` found.
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


# A layer: weights (inputs, outputs) and one bias for each output.
Layer = tuple[Float, Float]


@dataclass(frozen=True, eq=False)
class ClassifierWeights:
    """A fitted classifier, float64: mean and standard deviation of each feature (F,), and networks of layers.

    The first layer of each network takes F inputs and the last gives len(CLASSES) scores.
    """

    centre: Float
    scale: Float
    networks: tuple[tuple[Layer, ...], ...]


@cache
def shipped_weights() -> ClassifierWeights:
    """The weights of the package, read once; InputError if the file has other features or classes than this code."""
    stored = json.loads(files("ttsctl.audio.pops").joinpath(WEIGHTS_FILE).read_text(encoding="utf-8"))
    for name, expected in (("features", FEATURE_NAMES), ("classes", CLASSES)):
        if tuple(stored[name]) != expected:
            raise InputError(f"{WEIGHTS_FILE}: expected {name} {expected}, got {stored[name]}", "install ttsctl again")
    networks = tuple(
        tuple((np.array(layer["weights"]), np.array(layer["biases"])) for layer in layers)
        for layers in stored["networks"]
    )
    return ClassifierWeights(np.array(stored["centre"]), np.array(stored["scale"]), networks)


def class_probabilities(rows: Float) -> Float:
    """Feature rows (C, F) of candidates -> probabilities (C, len(CLASSES)), each row summing to 1."""
    fitted = shipped_weights()
    standard = standardised(rows, fitted.centre, fitted.scale)
    return softmax(np.mean([network_scores(standard, layers) for layers in fitted.networks], axis=0))


def standardised(rows: Float, centre: Float, scale: Float) -> Float:
    """Rows (C, F) and their usual mean and deviation (F,) -> (C, F), at most CLIP deviations from the mean."""
    return np.clip((rows - centre) / scale, -CLIP, CLIP)


def network_scores(standard: Float, layers: tuple[Layer, ...]) -> Float:
    """Standardised rows (C, F) through one network -> log-odds of the classes (C, classes), up to a constant a row."""
    *hidden, (last, biases) = layers
    for weights, thresholds in hidden:
        standard = np.maximum(standard @ weights + thresholds, 0.0)
    return np.asarray(standard @ last + biases)


def softmax(scores: Float) -> Float:
    """Scores (C, classes) -> probabilities (C, classes)."""
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def likeliest_kinds(probabilities: Float) -> list[str | None]:
    """The kind of each candidate if it is a pop; None if no kind has at least half of the probability of a pop."""
    of_pops = probabilities[:, 1:]
    best = of_pops.argmax(axis=1)
    share = of_pops[np.arange(len(best)), best] / np.maximum(of_pops.sum(axis=1), 1e-300)
    return [KINDS[i] if s >= 0.5 else None for i, s in zip(best.tolist(), share.tolist(), strict=True)]
