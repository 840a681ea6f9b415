"""Temperatures: fitted on rows that were not learned from, and applied wherever predictions go."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import make_classification
from sklearn.metrics import log_loss
from sklearn.model_selection import KFold, ShuffleSplit

import skdl
from skdl.estimators.base import fitted_temperature, tempered
from skdl.exceptions import InvalidParameterError
from skdl.export import OnnxModel, to_onnx
from skdl.io import load, save
from skdl.model_selection import KFoldEnsembleClassifier


def too_sure(n_rows=5000, factor=2.5):
    """Return labels, their probabilities with logits multiplied by a factor, and the true ones."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(n_rows, 3)) * 1.5
    labels = (softmax(logits, axis=1).cumsum(1) > rng.uniform(size=(n_rows, 1))).argmax(1)
    return labels, softmax(factor * logits, axis=1), softmax(logits, axis=1)


@pytest.mark.parametrize("factor", [0.5, 2.5])
def test_temperature_undoes_a_known_factor(factor):
    labels, raw, true = too_sure(factor=factor)
    found = fitted_temperature(raw, np.eye(3)[labels], by_label=False)
    assert found == pytest.approx(factor, rel=0.05)
    np.testing.assert_allclose(tempered(raw, factor, by_label=False), true, atol=1e-2)


def test_temperature_is_that_of_least_log_loss():
    labels, raw, _ = too_sure()
    weight = np.random.default_rng(1).uniform(size=len(labels))

    def by_hand(log_temperature):
        scaled = raw ** np.exp(-log_temperature[0])
        scaled /= scaled.sum(1, keepdims=True)
        return log_loss(labels, scaled, sample_weight=weight)

    expected = np.exp(minimize(by_hand, [0.0], method="Nelder-Mead", tol=1e-8).x[0])
    found = fitted_temperature(raw, np.eye(3)[labels], by_label=False, weight=weight)
    # Targets are smoothed by 1 / 5001.
    assert found == pytest.approx(expected, rel=5e-3)


def test_labels_have_one_temperature_for_all():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(5000, 2))
    truth = rng.uniform(size=logits.shape) < 1 / (1 + np.exp(-logits))
    raw = 1 / (1 + np.exp(-3 * logits))
    assert fitted_temperature(raw, truth, by_label=True) == pytest.approx(3, rel=0.06)
    expected = 1 / (1 + np.exp(-logits))
    np.testing.assert_allclose(tempered(raw, 3, by_label=True), expected, atol=0.03)


def test_rows_that_are_all_right_do_not_make_certain():
    raw = np.full((20, 2), [0.9, 0.1])
    found = fitted_temperature(raw, np.tile([1, 0], (20, 1)), by_label=False)
    # Least where the probability is that of the smoothed target, (20 + 1/2) / 21.
    assert found == pytest.approx(np.log(9) / np.log(20.5 / 0.5), rel=2e-3)


def test_rows_keep_their_order_however_sure():
    sure = 1.0 - 2.0 ** -np.arange(1.0, 25)
    found = tempered(np.column_stack([1 - sure, sure]), 2.0, by_label=False)[:, 1]
    assert (np.diff(found) > 0).all()
    # With logits halved; in between 1e-4 is added to both.
    np.testing.assert_allclose(found[:3], 1 / (1 + np.sqrt([1, 1 / 3, 1 / 7])), atol=2e-4)


def test_certain_and_wrong_probabilities_stay_finite():
    raw = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert np.isfinite(fitted_temperature(raw, raw[::-1], by_label=False))
    assert np.isfinite(np.log(tempered(raw, 2.0, by_label=False))).all()


# ------------------------------------------------------------------ networks


def classes(n_classes=3, n_rows=240):
    X, y = make_classification(
        n_rows, 6, n_informative=4, n_classes=n_classes, flip_y=0.3, random_state=0
    )
    return X.astype(np.float32), np.array(["a", "b", "c"])[y]


def of_each_kind(kind):
    X, y = classes()
    targets = {"binary": y == "a", "classes": y, "labels": np.column_stack([y == "a", y != "c"])}
    return X, targets[kind].astype(int) if kind == "labels" else targets[kind]


def network(**params):
    fixed = {"hidden_units": 32, "hidden_layers": 1, "epochs": 30, "learning_rate": 0.02}
    return skdl.MLPClassifier(**fixed | {"random_state": 0} | params)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_network_learns_the_temperature_from_its_validation_rows(n_classes):
    X, y = classes(n_classes)
    rows = {"X_val": X[160:], "y_val": y[160:]}
    plain = network().fit(X[:160], y[:160], **rows)
    calibrated = network(calibrate="temperature").fit(X[:160], y[:160], **rows)
    raw = plain.predict_proba(X)
    truth = (y[160:, None] == plain.classes_).astype(float)
    expected = fitted_temperature(raw[160:], truth, by_label=False)
    assert plain.temperature_ == 1
    assert calibrated.temperature_ == pytest.approx(expected, rel=1e-4)
    assert expected > 1.2
    found = calibrated.predict_proba(X)
    np.testing.assert_allclose(found, tempered(raw, expected, by_label=False), rtol=1e-3)
    np.testing.assert_array_equal(calibrated.predict(X), plain.predict(X))
    assert log_loss(y[160:], found[160:]) < log_loss(y[160:], raw[160:])


def test_images_are_calibrated_on_rows_held_out_for_early_stopping():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4, 4)).astype(np.float32)
    cnn = skdl.CNNClassifier(
        conv_blocks=1, filters=2, hidden_units=4, epochs=3, early_stopping=True, random_state=0
    )
    y = X[:, 0, 0] > 0
    assert cnn.fit(X, y).temperature_ == 1
    assert cnn.set_params(calibrate="temperature").fit(X, y).temperature_ != 1


def test_calibrating_without_held_out_rows_says_what_to_write():
    X, y = classes()
    with pytest.raises(InvalidParameterError, match=r"early_stopping=True.*X_val.*KFoldEnsemble"):
        network(calibrate="temperature").fit(X, y)
    with pytest.raises(InvalidParameterError, match=r"calibrate='temperature' needs rows"):
        network(calibrate="temperature").partial_fit(X, y)


@pytest.mark.parametrize("kind", ["binary", "classes", "labels"])
def test_files_keep_the_temperature(kind, tmp_path):
    X, y = of_each_kind(kind)
    found = network(calibrate="temperature", epochs=10).fit(X, y, X_val=X, y_val=y)
    assert found.temperature_ != 1
    expected = found.predict_proba(X)
    save(found, tmp_path / "network.skdl")
    np.testing.assert_array_equal(load(tmp_path / "network.skdl").predict_proba(X), expected)
    to_onnx(found, X, tmp_path / "network.onnx")
    probabilities = OnnxModel(tmp_path / "network.onnx").predict_proba(X)
    np.testing.assert_allclose(probabilities, expected, atol=1e-6)


# ------------------------------------------------------------------ ensembles


@pytest.mark.parametrize("kind", ["binary", "classes", "labels"])
def test_ensemble_calibrates_the_mean_of_members_on_rows_out_of_fold(kind, tmp_path):
    X, y = of_each_kind(kind)
    by_label = kind == "labels"
    plain, ensemble = (
        KFoldEnsembleClassifier(
            network(), 3, n_iterations=2, random_state=0, calibrate=calibrate
        ).fit(X, y)
        for calibrate in (None, "temperature")
    )
    truth = y if by_label else (np.array(y)[:, None] == plain.classes_).astype(float)
    raw = np.array([member.predict_proba(X) for member in plain.estimators_])
    # Which two of the six members did not learn from each row.
    raw = raw[plain._member_of, np.arange(len(X))]

    def by_hand(log_temperature):
        mean = np.mean(
            [tempered(one, np.exp(log_temperature[0]), by_label=by_label) for one in raw], 0
        )
        terms = truth * np.log(mean) + ((1 - truth) * np.log(1 - mean) if by_label else 0)
        return -terms.sum()

    expected = np.exp(minimize(by_hand, [0.0], method="Nelder-Mead", tol=1e-6).x[0])
    assert plain.temperature_ == 1
    assert ensemble.temperature_ == pytest.approx(expected, rel=0.02)
    assert expected > 1.1
    members = [
        tempered(member.predict_proba(X), ensemble.temperature_, by_label=by_label)
        for member in ensemble.estimators_
    ]
    mean, std = ensemble.predict_proba(X, return_std=True)
    np.testing.assert_allclose(mean, np.mean(members, 0))
    np.testing.assert_allclose(std, np.std(members, 0))
    np.testing.assert_array_equal(ensemble.predict_proba(X), mean)
    of_rows = np.mean([tempered(r, ensemble.temperature_, by_label=by_label) for r in raw], 0)
    np.testing.assert_allclose(ensemble.oof_predictions_, of_rows, atol=1e-3)
    save(ensemble, tmp_path / "ensemble.skdl")
    loaded = load(tmp_path / "ensemble.skdl")
    np.testing.assert_array_equal(loaded.predict_proba(X), mean)
    if not by_label:
        np.testing.assert_array_equal(loaded.predict_set(X), ensemble.predict_set(X))
    to_onnx(ensemble, X, tmp_path / "ensemble.onnx")
    probabilities = OnnxModel(tmp_path / "ensemble.onnx").predict_proba(X)
    np.testing.assert_allclose(probabilities, mean, atol=1e-5)


@pytest.mark.parametrize(("factor", "expected"), [(0.5, 0.5), (2.5, 1.0)])
def test_one_iteration_makes_probabilities_surer_but_never_less_sure(factor, expected):
    class Known(ClassifierMixin, BaseEstimator):
        def fit(self, X, y):
            self.classes_, self.n_features_in_ = np.unique(y), X.shape[1]
            return self

        def predict_proba(self, X):
            return X

    labels, raw, _ = too_sure(factor=factor)
    ensemble = KFoldEnsembleClassifier(Known(), 3, random_state=0, calibrate="temperature")
    found = ensemble.fit(raw, labels).temperature_
    assert found == pytest.approx(expected, rel=0.05)
    np.testing.assert_allclose(
        ensemble.predict_proba(raw), tempered(raw, found, by_label=False), rtol=1e-6
    )


def test_splitter_that_holds_some_rows_out_more_often_calibrates_on_those_it_holds_out():
    X, y = classes(2)
    splitter = ShuffleSplit(3, test_size=0.2, random_state=0)
    smooth = network(label_smoothing=0.5)
    ensemble = KFoldEnsembleClassifier(smooth, splitter, random_state=0, calibrate="temperature")
    assert 0.2 < ensemble.fit(X, y).temperature_ < 0.9


def test_class_that_a_member_has_not_seen_does_not_count():
    X, y = classes(2)
    y = y.astype("<U4")
    # In one fold alone, whose member therefore does not learn of it.
    y[:2] = "rare"
    smooth = network(label_smoothing=0.5)
    plain, ensemble = (
        KFoldEnsembleClassifier(smooth, KFold(3), random_state=0, calibrate=c).fit(X, y)
        for c in (None, "temperature")
    )
    assert (ensemble.oof_predictions_[:2, 2] == 0).all()
    np.testing.assert_allclose(ensemble.oof_predictions_.sum(1), 1)
    truth = (y[:, None] == ensemble.classes_).astype(float)
    expected = fitted_temperature(plain.oof_predictions_[2:], truth[2:], by_label=False)
    assert expected < 0.9
    assert ensemble.temperature_ == pytest.approx(expected, rel=1e-3)


def test_python_names_the_method_and_no_class_that_users_do_not_know():
    X, y = classes()
    ensemble = KFoldEnsembleClassifier(network(epochs=1), 2).fit(X, y)
    with pytest.raises(TypeError, match=r"^predict\(\) got an unexpected keyword"):
        ensemble.predict(X, return_std=True)
    with pytest.raises(TypeError, match=r"^fit\(\) missing"):
        ensemble.fit()
