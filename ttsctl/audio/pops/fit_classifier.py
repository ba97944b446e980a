"""Fit ``kind_weights`` to labelled sets: ``python -m ttsctl.audio.pops.fit_classifier SET... > kind_weights.py``.

A SET is a folder of wavs with a ``cases.json`` that lists, per case, ``name`` and ``events`` as
``[kind, start_s, end_s, salience_db, ignore]``. Candidates within 2 ms of an event take its kind, those farther
than 10 ms from every event are "none", the others and ignored events are left out.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from ttsctl.audio import lpc
from ttsctl.audio.lpc import Float
from ttsctl.audio.pops.candidates import candidates
from ttsctl.audio.pops.classifier import CLASSES, NONE, fit_softmax, terms
from ttsctl.audio.pops.features import evidence
from ttsctl.audio.pops.salience import Index, surprise
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


def label(at: Index, events: list[list], sample_rate: int) -> Index:
    """Candidates (C,) -> index into CLASSES, or UNUSED."""
    classes = np.full(len(at), CLASSES.index(NONE))
    for kind, start, stop, _, ignored in events:
        distance = np.maximum(np.maximum(start * sample_rate - at, at - stop * sample_rate), 0) / sample_rate
        classes[(distance <= CLEAR_S) & (classes == CLASSES.index(NONE))] = UNUSED
        if not ignored:
            classes[distance <= HIT_S] = CLASSES.index(KIND_OF_LABEL[kind])
    return classes


def labelled_rows(folder: Path) -> tuple[Float, Index]:
    """All usable candidates of a set: evidence rows (C, F) and classes (C,)."""
    rows, classes = [], []
    for case in read_json(folder / "cases.json")["cases"]:
        audio = read_audio(folder / f"{case['name']}.wav")
        signal = audio.pcm.astype(np.float64)
        prediction = lpc.predict(signal, audio.sample_rate)
        around = surprise(prediction, audio.sample_rate)
        at = candidates(signal, around, audio.sample_rate)
        wanted = label(at, case["events"], audio.sample_rate)
        used = wanted != UNUSED
        rows.append(evidence(signal, at[used], prediction, around, audio.sample_rate))
        classes.append(wanted[used])
    return np.concatenate(rows), np.concatenate(classes)


def fit(folders: list[str]) -> str:
    """The text of ``kind_weights`` for these sets."""
    rows, classes = (np.concatenate(part) for part in zip(*(labelled_rows(Path(f)) for f in folders), strict=True))
    centre, scale = rows.mean(axis=0), np.maximum(rows.std(axis=0), 1e-9)
    weights = fit_softmax(terms(rows, centre, scale), classes)
    lines = [
        '"""What ``kinds`` weighs, written by ``fit_kinds``: mean and deviation of each entry of ``evidence.NAMES``,',
        f"one row of weights a class of CLASSES. Fitted on {len(rows)} candidates, {np.sum(classes > 0)} of them pops.",
        '"""',
        "",
        "# fmt: off",
        f"CENTRE = {_tuple(centre, '')}",
        f"SCALE = {_tuple(scale, '')}",
        "WEIGHTS = (",
        *(f"    # {name}\n    {_tuple(row, '    ')}," for name, row in zip(CLASSES, weights, strict=True)),
        ")",
        "# fmt: on",
    ]
    return "".join(line + "\n" for line in lines)


def _tuple(values: Float, indent: str) -> str:
    """The values as a tuple, ten a line."""
    words = [f"{value:.4g}," for value in values]
    lines = [indent + "    " + " ".join(words[i : i + 10]) for i in range(0, len(words), 10)]
    return "\n".join(["(", *lines, indent + ")"])


if __name__ == "__main__":
    sys.stdout.write(fit(sys.argv[1:]))
