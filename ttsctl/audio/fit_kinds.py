"""Fit ``kind_weights`` to labelled sets: ``python -m ttsctl.audio.fit_kinds SET... > kind_weights.py``.

A SET is a folder of wavs with a ``cases.json`` that lists, per case, ``name`` and ``events`` as
``[kind, start_s, end_s, salience_db, ignore]``. Candidates within 2 ms of an event take its kind, those farther
than 10 ms from every event are "none", the others and ignored events are left out.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from ttsctl.audio import lpc
from ttsctl.audio.candidates import candidates
from ttsctl.audio.evidence import evidence
from ttsctl.audio.kinds import CLASSES, NONE, fit_softmax
from ttsctl.audio.lpc import Float
from ttsctl.audio.surprise import Index, surprise
from ttsctl.audio.wav import read_audio
from ttsctl.contract.files import read_json

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


def main(folders: list[str]) -> None:
    rows, classes = zip(*(labelled_rows(Path(folder)) for folder in folders), strict=True)
    weights = fit_softmax(np.concatenate(rows), np.concatenate(classes))
    out = sys.stdout
    out.write('"""Weights of ``kinds``, written by ``fit_kinds``: one row a class of CLASSES, one column an entry of\n')
    out.write(
        f'``evidence.NAMES`` (dB), the constant last. Fitted on {sum(len(c) for c in classes)} candidates.\n"""\n\n'
    )
    out.write("# fmt: off\nWEIGHTS = (\n")
    for name, row in zip(CLASSES, weights, strict=True):
        out.write(f"    # {name}\n    (\n")
        for i in range(0, len(row), 6):
            out.write("        " + " ".join(f"{value:.5g}," for value in row[i : i + 6]) + "\n")
        out.write("    ),\n")
    out.write(")\n# fmt: on\n")


if __name__ == "__main__":
    main(sys.argv[1:])
