"""Several quantiles by one network: they do not cross, and come back through all that wraps it."""

import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import make_scorer, mean_pinball_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skdl
from skdl.estimators.base import predicted_quantiles
from skdl.exceptions import NoImprovementWarning
from skdl.export import OnnxModel, to_onnx
from skdl.io import load, save
from skdl.model_selection import (
    AveragingRegressor,
    KFoldEnsembleRegressor,
    OptunaSearchCV,
    cross_validate,
)

QUANTILES = [0.1, 0.5, 0.9]
# The standard normal distribution's.
OF_NORMAL = np.array([-1.2816, 0.0, 1.2816])


def regressor(**params):
    fixed = {"hidden_units": 8, "hidden_layers": 1, "epochs": 2, "random_state": 0}
    return skdl.MLPRegressor(**fixed | {"loss": "quantile", "quantiles": QUANTILES} | params)


def noisy_rows(n_rows, seed=0):
    """Return rows whose targets are the more noisy the larger the only feature is."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(0, 1, (n_rows, 1)).astype(np.float32)
    noise = 5 + 20 * X[:, 0]
    return X, 100 + 30 * X[:, 0] + noise * rng.normal(size=n_rows), noise


def test_quantiles_of_known_noise_are_learned():
    X, y, _ = noisy_rows(4000)
    network = regressor(hidden_units=32, epochs=40, batch_size=128, learning_rate=0.01).fit(X, y)
    rows = np.linspace(0.1, 0.9, 9, dtype=np.float32)[:, None]
    true = 100 + 30 * rows + (5 + 20 * rows) * OF_NORMAL
    np.testing.assert_allclose(network.predict_quantiles(rows), true, atol=4)
    np.testing.assert_allclose(network.predict(rows), true[:, 1], atol=4)


def test_quantiles_never_cross():
    X, y, _ = noisy_rows(60)
    # Hardly trained, so that outputs cross for many rows.
    network = regressor(quantiles=[0.2, 0.4, 0.6, 0.8], epochs=1).fit(X, y)
    rows = np.random.default_rng(1).normal(size=(500, 1)).astype(np.float32)
    outputs = network.model_.predict(rows, verbose=0)
    assert (np.diff(outputs, axis=1) < 0).any()
    found = network.predict_quantiles(rows)
    assert (np.diff(found, axis=1) >= 0).all()
    expected = np.sort(outputs, 1) * network.target_scale_ + network.target_offset_
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("quantiles", "weights"),
    [
        ([0.1, 0.5, 0.9], [0, 1, 0]),
        ([0.1, 0.9], [0.5, 0.5]),
        ([0.2, 0.4, 0.8], [0, 0.75, 0.25]),
        ([0.7, 0.9], [1, 0]),
        ([0.3], [1]),
    ],
)
def test_median_is_interpolated_between_neighbours(quantiles, weights):
    X, y, _ = noisy_rows(60)
    network = regressor(quantiles=quantiles).fit(X, y)
    np.testing.assert_allclose(network.predict(X), network.predict_quantiles(X) @ weights)


def test_several_targets_are_refused():
    X, y, _ = noisy_rows(60)
    with pytest.raises(ValueError, match=r"y has 2 columns.*Expected one column"):
        regressor().fit(X, np.column_stack([y, y]))


def test_one_quantile_has_no_method_for_several():
    assert not hasattr(regressor(quantiles=None), "predict_quantiles")
    with pytest.raises(AttributeError) as caught:
        skdl.MLPRegressor().predict_quantiles  # noqa: B018
    assert "quantiles=[0.05, 0.5, 0.95]" in str(caught.value.__cause__)


def test_images_have_quantiles_too():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 4, 4)).astype(np.float32)
    network = skdl.CNNRegressor(
        conv_blocks=1, filters=2, hidden_units=4, epochs=1, loss="quantile", quantiles=QUANTILES
    )
    assert network.fit(X, X[:, 0, 0]).predict_quantiles(X).shape == (40, 3)


def test_copies_and_files_keep_the_quantiles(tmp_path):
    X, y, _ = noisy_rows(60)
    network = regressor().fit(X, y)
    expected = network.predict_quantiles(X)
    assert clone(network).quantiles == QUANTILES
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(network)).predict_quantiles(X), expected
    )
    ensemble = KFoldEnsembleRegressor(network, 2, random_state=0).fit(X, y)
    save(ensemble, tmp_path / "ensemble.skdl")
    np.testing.assert_array_equal(
        load(tmp_path / "ensemble.skdl").predict_interval(X, 0.8), ensemble.predict_interval(X, 0.8)
    )
    save(network, tmp_path / "network.skdl")
    np.testing.assert_array_equal(load(tmp_path / "network.skdl").predict_quantiles(X), expected)


def mean_pinball(estimator, X, y):
    found = predicted_quantiles(estimator, X)
    losses = [mean_pinball_loss(y, found[:, i], alpha=q) for i, q in enumerate(QUANTILES)]
    return -np.mean(losses)


def test_cross_validation_in_lockstep_equals_fits_one_by_one():
    X, y, _ = noisy_rows(90)
    pipeline = make_pipeline(StandardScaler(), regressor())
    median = make_scorer(mean_pinball_loss, alpha=0.5, greater_is_better=False)
    scoring = {"all": mean_pinball, "median": median}
    result = cross_validate(
        pipeline, X, y, scoring=scoring, cv=3, baseline=False, return_estimator=True,
        return_indices=True,
    )  # fmt: skip
    for i, member in enumerate(result["estimator"]):
        train, test = (result["indices"][side][i] for side in ("train", "test"))
        alone = clone(pipeline).fit(X[train], y[train])
        np.testing.assert_allclose(
            predicted_quantiles(member, X), predicted_quantiles(alone, X), rtol=1e-4
        )
        by_hand = y[test][:, None] - predicted_quantiles(alone, X[test])
        pinball = np.maximum(np.array(QUANTILES) * by_hand, (np.array(QUANTILES) - 1) * by_hand)
        np.testing.assert_allclose(result["test_all"][i], -pinball.mean(), rtol=1e-4)
        np.testing.assert_allclose(result["test_median"][i], -pinball[:, 1].mean(), rtol=1e-4)


def test_networks_that_differ_in_their_quantiles_train_in_one_stack():
    X, y, _ = noisy_rows(60)
    search = OptunaSearchCV(
        regressor(target_scaling=False), {"quantiles": [[0.1, 0.9], [0.4, 0.6]]}, n_trials=2, cv=2,
        scoring=lambda network, X, y: -abs(network.quantiles[0] - 0.4), random_state=0,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoImprovementWarning)
        search.fit(X, y)
    chosen = search.best_params_["quantiles"]
    alone = regressor(
        target_scaling=False, quantiles=chosen, random_state=search.best_estimator_.random_state
    )
    expected = alone.fit(X, y).predict_quantiles(X)
    np.testing.assert_allclose(predicted_quantiles(search, X), expected, rtol=1e-4)


def test_onnx_file_holds_the_quantiles(tmp_path):
    X, y, _ = noisy_rows(60)
    pipeline = make_pipeline(StandardScaler(), regressor(epochs=1)).fit(X, y)
    ensemble = AveragingRegressor(pipeline, n_members=2, random_state=0).fit(X, y)
    for estimator in (pipeline, ensemble):
        to_onnx(estimator, X, tmp_path / "quantiles.onnx")
        model = OnnxModel(tmp_path / "quantiles.onnx")
        np.testing.assert_allclose(model.predict(X), estimator.predict(X), rtol=1e-5)
        found = model.predict_quantiles(X)
        np.testing.assert_allclose(found, predicted_quantiles(estimator, X), rtol=1e-5)
    members = [predicted_quantiles(member, X) for member in ensemble.estimators_]
    np.testing.assert_allclose(ensemble.predict_quantiles(X), np.mean(members, 0))


def test_onnx_file_without_quantiles_says_so(tmp_path):
    X, y, _ = noisy_rows(60)
    to_onnx(regressor(quantiles=None).fit(X, y), X, tmp_path / "median.onnx")
    with pytest.raises(AttributeError, match=r"holds no quantiles.*quantiles=\[0\.05"):
        OnnxModel(tmp_path / "median.onnx").predict_quantiles(X)
