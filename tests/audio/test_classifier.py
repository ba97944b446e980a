"""What each fault model explains, against plain least squares; and the regression that classifies candidates."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from tests.audio.audio_helpers import RATE, loud_places, speech
from ttsctl.audio import lpc
from ttsctl.audio.pops import classifier, fault_models
from ttsctl.audio.pops.features import FEATURE_NAMES, feature_rows
from ttsctl.audio.pops.fit_classifier import fit_weights
from ttsctl.audio.pops.salience import measure_salience
from ttsctl.core.errors import InputError

ORDER = lpc.ORDER


def fitted(sound: np.ndarray, at: int) -> fault_models.FaultFits:
    prediction = lpc.predict(sound, RATE)
    polynomials = prediction.polynomials[prediction.frames[[at]]]
    return fault_models.fit_fault_models(sound.astype(np.float64), np.array([at]), polynomials)


def plain_errors(sound: np.ndarray, at: int, taps: np.ndarray, count: int) -> np.ndarray:
    return np.array([sum(taps[k] * sound[at + t - k] for k in range(len(taps))) for t in range(count)])


def test_fits_against_plain_least_squares(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = speech().astype(np.float64)
    at = loud_places(sound, 1)[0]
    prediction = lpc.predict(sound, RATE)
    taps = prediction.polynomials[prediction.frames[at]]
    monkeypatch.setattr(fault_models, "OFFSETS", (-2, 0))
    fits = fitted(sound, at)
    best: dict[str, float] = {}
    for offset in (-2, 0):
        n = at + offset
        error = plain_errors(sound, n, taps, ORDER + 3)
        full = np.concatenate([taps, np.zeros(2)])
        step = np.cumsum(full)[:, None]
        shapes = np.stack([full, np.roll(full, 1), np.roll(full, 2)], axis=1)
        for name, shape in [("step", step), ("impulse", shapes)]:
            _, residual, *_ = np.linalg.lstsq(shape, error, rcond=None)
            gain = 10 * np.log10(np.sum(error**2) / residual[0])
            best[name] = max(best.get(name, -np.inf), gain)
        flipped = np.where(np.arange(len(sound)) < n, -sound, sound)
        kept, other = error[:ORDER], plain_errors(flipped, n, taps, ORDER)
        best["flip"] = max(best.get("flip", -np.inf), 10 * np.log10(np.sum(kept**2) / np.sum(other**2)))
    assert fits.step[0] == pytest.approx(best["step"], abs=1e-4)
    assert fits.impulse[0] == pytest.approx(best["impulse"], abs=1e-4)
    assert fits.flip[0] == pytest.approx(best["flip"], abs=1e-4)


def test_each_fault_is_explained_by_its_own_model() -> None:
    clean = speech()
    at = loud_places(clean, 1, level=0.08)[0]
    undisturbed = fitted(clean, at)
    impulse, step, flip = clean.copy(), clean.copy(), clean.copy()
    impulse[at] += 0.2
    step[at:] += 0.15
    flip[at:] *= -1
    assert fitted(impulse, at).impulse[0] > undisturbed.impulse[0] + 9
    assert fitted(impulse, at).impulse_level[0] == pytest.approx(20 * np.log10(0.2), abs=1)
    assert fitted(step, at).step[0] > undisturbed.step[0] + 10
    assert fitted(step, at).step_level[0] == pytest.approx(20 * np.log10(0.15), abs=1)
    assert fitted(flip, at).flip[0] > undisturbed.flip[0] + 6
    assert fitted(flip, at).correlation[0] < 0 < undisturbed.correlation[0]


def test_features_have_one_bounded_row_a_candidate() -> None:
    sound = speech().astype(np.float64)
    prediction = lpc.predict(sound, RATE)
    at = np.array([0, 1, 5000, len(sound) - 1])
    salience = measure_salience(prediction, RATE)
    rows = feature_rows(sound, at, prediction, salience, RATE)
    assert rows.shape == (4, len(FEATURE_NAMES))
    assert np.isfinite(rows).all()
    assert np.abs(rows).max() <= 80
    assert feature_rows(sound, at[:0], prediction, salience, RATE).shape == (
        0,
        len(FEATURE_NAMES),
    )


def test_softmax_is_a_distribution_and_survives_large_scores() -> None:
    values = np.array([[1.0, 1000.0], [1.0, -1000.0], [1.0, 0.0]])
    result = classifier.softmax(values, np.array([[0.0, 1.0], [0.0, -1.0]]))
    assert np.allclose(result, np.array([[1, 0], [0, 1], [0.5, 0.5]]))


def test_terms_are_the_row_and_its_products() -> None:
    result = classifier.polynomial_terms(np.array([[2.0, 30.0]]), np.array([1.0, 0.0]), np.array([1.0, 5.0]))
    assert result.tolist() == [[1, 1, 3, 1, 3, 9]]


def test_fit_finds_the_weights_that_made_the_classes() -> None:
    generator = np.random.default_rng(0)
    values = np.c_[np.ones(6000), generator.standard_normal((6000, 2))]
    truth = np.zeros((len(classifier.CLASSES), 3))
    truth[0], truth[1] = [0.5, 1.0, -1.0], [0.0, -1.0, 1.0]
    truth[2:, 0] = -20
    odds = classifier.softmax(values, truth)
    classes = np.array([generator.choice(len(classifier.CLASSES), p=row) for row in odds])
    found = fit_weights(values, classes, penalty=0.1)
    # Only differences between classes are determined; three standard errors of about 0.05.
    assert np.allclose((found[0] - found[1])[[0, 1, 2]], (truth[0] - truth[1])[[0, 1, 2]], atol=0.15)


def test_the_shipped_weights_are_those_that_were_measured() -> None:
    """The detector's threshold and its published rates hold for these numbers and no others."""
    fitted = classifier.shipped_weights()
    digest = hashlib.sha256(b"".join(part.astype("<f8").tobytes() for part in vars(fitted).values())).hexdigest()
    assert digest == "4ee95c0a9f2bf9f89c01ace2f13b39521c007a7150356a941ccdb102970071d8"
    assert classifier.shipped_weights() is fitted


def test_weights_of_other_features_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classifier, "FEATURE_NAMES", ("level",))
    with pytest.raises(InputError, match="expected features"):
        classifier.shipped_weights.__wrapped__()


def test_the_shipped_weights_fit_the_features() -> None:
    rows = np.zeros((3, len(FEATURE_NAMES)))
    probabilities = classifier.class_probabilities(rows)
    assert probabilities.shape == (3, len(classifier.CLASSES))
    assert np.allclose(probabilities.sum(axis=1), 1)


def test_a_kind_needs_half_the_weight() -> None:
    rows = np.zeros((2, len(classifier.CLASSES)))
    rows[0, [0, 1, 2]] = [0.4, 0.5, 0.1]
    rows[1, [0, 1, 2, 3]] = [0.1, 0.3, 0.3, 0.3]
    assert classifier.likeliest_kinds(rows) == [classifier.KINDS[0], None]
