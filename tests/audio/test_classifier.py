"""What each fault model explains, against plain least squares; and the networks that classify candidates."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from tests.audio.audio_helpers import RATE, even_voice, loud_places, speech
from ttsctl.audio import lpc
from ttsctl.audio.pops import classifier, fault_models, fit_classifier
from ttsctl.audio.pops.clean_prediction import clean_features
from ttsctl.audio.pops.features import FEATURE_NAMES, feature_rows
from ttsctl.audio.pops.fit_classifier import fit_networks
from ttsctl.audio.pops.pitch_cycles import pitch_features
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


def feature_row(sound: np.ndarray, at: int) -> dict[str, float]:
    prediction = lpc.predict(sound, RATE)
    row = feature_rows(sound.astype(np.float64), np.array([at]), prediction, measure_salience(prediction, RATE), RATE)
    return dict(zip(FEATURE_NAMES, row[0].tolist(), strict=True))


def test_pitch_cycles_go_on_unless_a_fault_turns_or_scales_them() -> None:
    clean = even_voice()
    at = RATE // 2
    flipped, louder = clean.copy(), clean.copy()
    flipped[at:] *= -1
    louder[at:] *= 2
    as_it_is, turned, scaled = (feature_row(sound, at) for sound in (clean, flipped, louder))
    for side, sign in (("before", 1), ("after", -1)):
        assert as_it_is[f"periodic_{side}"] > 0.9
        assert as_it_is[f"like_long_{side}"] > 0.9
        assert abs(as_it_is[f"size_long_{side}"]) < 2
        assert turned[f"unlike_long_{side}"] < -0.9
        assert scaled[f"like_long_{side}"] > 0.9
        assert scaled[f"size_long_{side}"] == pytest.approx(sign * 6, abs=2)


def test_a_model_of_both_sides_is_surprised_by_a_fault_alone() -> None:
    clean = speech()
    at = loud_places(clean, 1, level=0.08)[0]
    impulse, step = clean.copy(), clean.copy()
    impulse[at] += 0.1
    step[at:] += 0.1
    undisturbed = feature_row(clean, at)
    for sound, name in ((impulse, "clean_impulse"), (step, "clean_step")):
        faulty = feature_row(sound, at)
        for peak in ("clean_forward_before", "clean_backward_after", "clean_mean_before", name):
            assert faulty[peak] > undisturbed[peak] + 6, peak


def test_new_features_see_no_farther_than_the_halo() -> None:
    sound = speech().astype(np.float64)
    at = loud_places(sound, 3)
    reach = round(0.06 * RATE)
    for features in (pitch_features, clean_features):
        whole = features(sound, np.array(at), RATE)
        for n, k in zip(at, range(3), strict=True):
            alone = features(sound[n - reach : n + reach], np.array([reach]), RATE)
            assert all(alone[name][0] == pytest.approx(whole[name][k], abs=1e-6) for name in whole)


def test_softmax_is_a_distribution_and_survives_large_scores() -> None:
    result = classifier.softmax(np.array([[1000.0, -1000.0], [-1000.0, 1000.0], [0.0, 0.0]]))
    assert np.allclose(result, np.array([[1, 0], [0, 1], [0.5, 0.5]]))


def test_a_network_is_layers_with_what_is_negative_set_to_zero_between_them() -> None:
    standard = classifier.standardised(np.array([[2.0, 30.0]]), np.array([1.0, 0.0]), np.array([1.0, 5.0]))
    assert standard.tolist() == [[1, classifier.CLIP]]
    hidden = (np.array([[1.0, -1.0], [2.0, 0.0]]), np.array([0.5, 0.5]))
    last = (np.array([[2.0], [100.0]]), np.array([-1.0]))
    assert classifier.network_scores(standard, (hidden, last)).tolist() == [[14.0]]


def test_fit_finds_classes_that_no_line_parts_and_scores_those_it_never_saw(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit_classifier, "NETWORKS", 2)
    values = np.random.default_rng(0).standard_normal((6000, 2))
    classes = (values[:, 0] * values[:, 1] > 0).astype(np.int64)
    networks = fit_networks(values, classes)
    scores = np.mean([classifier.network_scores(values, layers) for layers in networks], axis=0)
    assert scores.shape == (6000, len(classifier.CLASSES))
    assert np.mean(scores.argmax(axis=1) == classes) > 0.95
    again = fit_networks(values, classes)
    first, second = (
        np.concatenate([part.ravel() for layer in found[0] for part in layer]) for found in (networks, again)
    )
    assert np.array_equal(first, second)


def test_the_shipped_weights_are_those_that_were_measured() -> None:
    """The detector's threshold and its published rates hold for these numbers and no others."""
    fitted = classifier.shipped_weights()
    parts = [fitted.centre, fitted.scale, *(part for layers in fitted.networks for layer in layers for part in layer)]
    digest = hashlib.sha256(b"".join(part.astype("<f8").tobytes() for part in parts)).hexdigest()
    assert digest == "0ffe6a7a3dd4b35ddd3911bd520458c49c0485f29049027bacecc1718a29373f"
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
