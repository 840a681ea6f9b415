"""CSR rows of few numbers are trained on without their zeros."""

import keras
import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.model_selection import KFold

from skdl import KerasRegressor, MLPClassifier, MLPRegressor
from skdl.layers import SparseRows
from skdl.model_selection import cross_validate
from tests.checks import slow_but

RNG = np.random.default_rng(0)
X = sparse.random(96, 200, 0.02, "csr", np.float32, rng=RNG)
Y = np.asarray(X[:, :100].sum(1) - X[:, 100:].sum(1)).ravel()
SHORT = {"epochs": 4, "batch_size": 16, "random_state": 0}

NETWORKS = {
    "plain": MLPRegressor(8, hidden_layers=2, **SHORT),
    "all at once": MLPRegressor(
        8, batch_norm="before_activation", l1=1e-3, l2=1e-2, optimizer="nadam",
        early_stopping=True, **SHORT,
    ),
    "no hidden layer": MLPRegressor(hidden_layers=0, optimizer="sgd", learning_rate=0.1, **SHORT),
    "classifier": MLPClassifier(4, class_weight="balanced", metrics=["accuracy"], **SHORT),
}  # fmt: skip


@pytest.fixture
def no_dense(monkeypatch):
    def refuse(*_):
        raise AssertionError("a batch got its zeros")

    monkeypatch.setattr(SparseRows, "dense", refuse)


@pytest.mark.usefixtures("no_dense")
@pytest.mark.parametrize("name", slow_but(NETWORKS, "all at once"))
def test_they_learn_what_dense_rows_learn(name):
    y = Y > 0 if name == "classifier" else Y
    found, expected = (clone(NETWORKS[name]).fit(rows, y) for rows in (X, X.toarray()))
    for own, other in zip(found.model_.get_weights(), expected.model_.get_weights(), strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-3, atol=2e-5)
    for key, values in expected.history_.items():
        np.testing.assert_allclose(found.history_[key], values, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
@pytest.mark.usefixtures("no_dense")
def test_models_of_the_user_take_them_too():
    def build():
        keras.utils.set_random_seed(0)
        return keras.Sequential(
            [keras.Input((200,)), keras.layers.Dense(4, "tanh"), keras.layers.Dense(1)]
        )

    options = {"loss": "mse", "optimizer": "sgd", "shuffle": False, **SHORT}
    found, expected = (
        KerasRegressor(build, **options).fit(rows, Y).predict(X) for rows in (X, X.toarray())
    )
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("no_dense")
@pytest.mark.filterwarnings("ignore::skdl.exceptions.DuplicateRowsWarning")  # rows of zeros
def test_folds_learn_the_same_alone_and_together():
    network = MLPRegressor(8, dropout=0.3, **SHORT)
    splits = list(KFold(3).split(X))
    together = cross_validate(network, X, Y, cv=splits, return_estimator=True, baseline=False)
    for fitted, (train, _) in zip(together["estimator"], splits, strict=True):
        alone = clone(network).fit(X[train], Y[train])
        for own, other in zip(fitted.model_.get_weights(), alone.model_.get_weights(), strict=True):
            np.testing.assert_allclose(own, other, rtol=1e-5, atol=1e-7)


OTHERS = {
    "many numbers": (sparse.random(96, 50, 0.2, "csr", np.float32, rng=RNG), {}),
    "another layer first": (X, {"input_batch_norm": True}),
    "dropout of inputs": (X, {"input_dropout": 0.2}),
}


@pytest.mark.parametrize("kind", slow_but(OTHERS, "dropout of inputs"))
def test_others_become_dense_batch_by_batch(kind, monkeypatch):
    rows, options = OTHERS[kind]
    calls = []
    dense = SparseRows.dense
    monkeypatch.setattr(SparseRows, "dense", lambda *args: calls.append(1) or dense(*args))
    MLPRegressor(5, hidden_layers=1, activation="elu", **options, **SHORT).fit(rows, Y)
    assert calls


@pytest.mark.usefixtures("no_dense")
def test_many_hashed_features_take_no_room_for_their_zeros():
    words = [f"a{i % 7} b{i % 11} c{i % 13}" for i in range(64)]
    rows = HashingVectorizer(n_features=2**18).transform(words)
    y = np.arange(64) % 7 == 0
    network = MLPClassifier(4, learning_rate=0.05, epochs=20, random_state=0).fit(rows, y)
    assert network.score(rows, y) == 1.0
