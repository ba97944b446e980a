"""Fit the classifier's weights: ``python -m ttsctl.audio.pops.fit_classifier SET... > classifier_weights.json``.

A SET is a folder of wavs with a ``cases.json`` that lists, for each case, its ``name`` and its ``events`` as
``[kind, start_s, end_s, salience_db, ignore]``. Candidates within 2 ms of an event have its kind; those farther than
10 ms from every event are "none". Candidates in between, and those of ignored events, are left out. Needs scikit-learn
(the dev extra).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from ttsctl.audio import lpc
from ttsctl.audio.lpc import Float
from ttsctl.audio.pops.classifier import CLASSES, NONE, polynomial_terms
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
PENALTY = 40.0
MOST_STEPS = 2000


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


def fit_weights(terms: Float, classes: Index, penalty: float = PENALTY) -> Float:
    """Weights with the least negative log likelihood plus ``penalty`` / 2 times their squares.

    terms (C, T), the first of them 1 and its weight free of the penalty; classes (C,) indices into CLASSES
    -> (len(CLASSES), T).
    """
    from sklearn.linear_model import LogisticRegression

    # One row of each class that counts for nothing: scikit-learn then fits a class that the data lack, too.
    every_class = np.arange(len(CLASSES))
    rows = np.concatenate([terms, np.zeros((len(CLASSES), terms.shape[1]))])
    counts = np.concatenate([np.ones(len(terms)), np.zeros(len(CLASSES))])
    model = LogisticRegression(C=1 / penalty, max_iter=MOST_STEPS, tol=1e-6)
    model.fit(rows[:, 1:], np.concatenate([classes, every_class]), sample_weight=counts)
    return np.column_stack([model.intercept_, model.coef_])


def fit_weights_file(folders: list[str]) -> str:
    """The text of ``classifier_weights.json`` for these sets: four digits of each number, one class a line."""
    rows, classes = (np.concatenate(part) for part in zip(*(labelled_rows(Path(f)) for f in folders), strict=True))
    centre, scale = rows.mean(axis=0), np.maximum(rows.std(axis=0), 1e-9)
    weights = fit_weights(polynomial_terms(rows, centre, scale), classes)
    facts = {
        "features": FEATURE_NAMES,
        "classes": CLASSES,
        "candidates": len(rows),
        "pops": int(np.sum(classes > 0)),
        "centre": _four_digits(centre),
        "scale": _four_digits(scale),
    }
    lines = [f' "{name}": {json.dumps(value)},\n' for name, value in facts.items()]
    table = ",\n".join(f"  {json.dumps(_four_digits(row))}" for row in weights)
    return "".join(["{\n", *lines, f' "weights": [\n{table}\n ]\n', "}\n"])


def _four_digits(values: Float) -> list[float]:
    return [float(f"{value:.4g}") for value in values]


if __name__ == "__main__":
    sys.stdout.write(fit_weights_file(sys.argv[1:]))
