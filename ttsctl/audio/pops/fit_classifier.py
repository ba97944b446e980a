"""Fit the classifier's weights: ``python -m ttsctl.audio.pops.fit_classifier SET... > classifier_weights.json``.

A SET is a folder of wavs with a ``cases.json`` that lists, for each case, its ``name`` and its ``events`` as
``[kind, start_s, end_s, salience_db, ignore]``. Candidates within 2 ms of an event have its kind; those farther than
10 ms from every event are "none". Candidates in between, and those of ignored events, are left out. Needs scikit-learn
(the dev extra).
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from ttsctl.audio import lpc
from ttsctl.audio.lpc import Float
from ttsctl.audio.pops.classifier import CLASSES, NONE, Layer, standardised
from ttsctl.audio.pops.features import FEATURE_NAMES, feature_rows
from ttsctl.audio.pops.salience import Index, measure_salience
from ttsctl.audio.pops.search import find_candidates
from ttsctl.audio.wav import read_audio
from ttsctl.core.files import read_json

KIND_OF_LABEL = {
    "impulse": "impulse",
    "dc_step": "dc_step",
    "gain_jump": "gain_jump",
    "polarity": "polarity",
    "drop": "dropped",
    "seam": "dropped",
    "seam_var": "dropped",
    "dup": "repeated",
    "zero_gap": "zero_gap",
}
HIT_S = 0.002
CLEAR_S = 0.010
UNUSED = -1
# Chosen on sets that the networks were not fitted on. Smaller networks and a weaker penalty gain nothing there.
NETWORKS = 3
HIDDEN = (64, 32)
PENALTY = 0.1
BATCH = 512
LEARNING_RATES = (8e-3, 4e-3, 2e-3, 1e-3, 5e-4, 2e-4, 1e-4)
# Passes over the data at each rate.
PASSES = 3


def label_candidates(at: Index, events: list[list[Any]], sample_rate: int) -> Index:
    """Candidates (C,) and the events of their case -> the index of each into CLASSES, or UNUSED, (C,)."""
    classes = np.full(len(at), CLASSES.index(NONE))
    for kind, start, stop, _, ignored in events:
        distance = np.maximum(np.maximum(start * sample_rate - at, at - stop * sample_rate), 0) / sample_rate
        classes[(distance <= CLEAR_S) & (classes == CLASSES.index(NONE))] = UNUSED
        if not ignored:
            classes[distance <= HIT_S] = CLASSES.index(KIND_OF_LABEL[kind])
    return classes


def labelled_rows(folder: Path) -> tuple[Float, Index]:
    """All usable candidates of a set: feature rows (C, F) and indices into CLASSES (C,)."""
    rows, classes = [], []
    for case in read_json(folder / "cases.json")["cases"]:
        audio = read_audio(folder / f"{case['name']}.wav")
        signal = audio.pcm.astype(np.float64)
        prediction = lpc.predict(signal, audio.sample_rate)
        salience = measure_salience(prediction, audio.sample_rate)
        at = find_candidates(signal, salience, audio.sample_rate)
        wanted = label_candidates(at, case["events"], audio.sample_rate)
        used = wanted != UNUSED
        rows.append(feature_rows(signal, at[used], prediction, salience, audio.sample_rate))
        classes.append(wanted[used])
    return np.concatenate(rows), np.concatenate(classes)


def fit_networks(standard: Float, classes: Index) -> list[tuple[Layer, ...]]:
    """NETWORKS multilayer perceptrons, each fitted by Adam with falling learning rates from a random start of its own.

    standard (C, F): standardised rows; classes (C,): indices into CLASSES. The result is the same every time on one
    machine with one version of scikit-learn.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    # One usual candidate of each class that the data lack, so that every network gives a score for each class.
    lacking = np.setdiff1d(np.arange(len(CLASSES)), classes)
    rows = np.concatenate([standard, np.zeros((len(lacking), standard.shape[1]))]).astype(np.float32)
    wanted = np.concatenate([classes, lacking])
    networks = []
    for seed in range(NETWORKS):
        model = MLPClassifier(
            HIDDEN, alpha=PENALTY, batch_size=min(BATCH, len(rows)), max_iter=PASSES, random_state=seed, warm_start=True
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            for rate in LEARNING_RATES:
                model.set_params(learning_rate_init=rate).fit(rows, wanted)
        networks.append(tuple(zip(model.coefs_, model.intercepts_, strict=True)))
    return networks


def fit_weights_file(folders: list[str]) -> str:
    """The text of ``classifier_weights.json`` for these sets: four digits of each number, one layer's input a line."""
    rows, classes = (np.concatenate(part) for part in zip(*(labelled_rows(Path(f)) for f in folders), strict=True))
    centre, scale = rows.mean(axis=0), np.maximum(rows.std(axis=0), 1e-9)
    networks = fit_networks(standardised(rows, centre, scale), classes)
    facts = {
        "features": FEATURE_NAMES,
        "classes": CLASSES,
        "candidates": len(rows),
        "pops": int(np.sum(classes > 0)),
        "centre": _four_digits(centre),
        "scale": _four_digits(scale),
    }
    lines = [f' "{name}": {json.dumps(value)},\n' for name, value in facts.items()]
    texts = ",\n".join("[" + ",\n".join(_layer_text(*layer) for layer in layers) + "]" for layers in networks)
    return "".join(["{\n", *lines, f' "networks": [\n{texts}\n ]\n', "}\n"])


def _layer_text(weights: Float, biases: Float) -> str:
    rows = ",\n".join(f"   {json.dumps(_four_digits(row))}" for row in weights)
    return f'  {{"weights": [\n{rows}],\n   "biases": {json.dumps(_four_digits(biases))}}}'


def _four_digits(values: Float) -> list[float]:
    return [float(f"{value:.4g}") for value in values]


if __name__ == "__main__":
    sys.stdout.write(fit_weights_file(sys.argv[1:]))
