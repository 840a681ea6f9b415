"""Batch normalisation and a last batch of few rows."""

import keras
import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.model_selection import cross_val_score
from sklearn.preprocessing import StandardScaler

from skdl import KerasRegressor, MLPRegressor, lockstep
from skdl.exceptions import SingleRowBatchWarning
from skdl.training.engine._row_pool import batches


class OnBatches(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        pass


@pytest.fixture(scope="module")
def rows():
    X, y = load_diabetes(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(X))
    return StandardScaler().fit_transform(X)[order], y[order]


def normalised(**params):
    own = {"batch_norm": "after_activation", "batch_size": 32, "random_state": 0}
    return MLPRegressor(**own | params)


def steps_of(estimator, rows, n_rows):
    """Return the optimizer steps of an epoch."""
    X, y = rows
    return estimator.set_params(epochs=1).fit(X[:n_rows], y[:n_rows])._trained.n_steps


def test_rows_beyond_the_last_full_batch_join_it():
    # Members of 5, 6 and 4 rows, batches of 2: the first two leave a row, or none, to join.
    orders = [np.arange(5, dtype=np.int32), np.arange(10, 16, dtype=np.int32)]
    index, counts = batches(orders, 2, [1, 0])
    assert counts.tolist() == [[2, 2], [3, 2], [0, 2]]
    taken = [
        [index[step, member, : counts[step, member]].tolist() for step in range(3)]
        for member in range(2)
    ]
    assert taken == [[[0, 1], [2, 3, 4], []], [[10, 11], [12, 13], [14, 15]]]


@pytest.mark.parametrize(
    ("n_rows", "batch_size", "n_steps"),
    [(64, 32, 2), (65, 32, 2), (71, 32, 2), (72, 32, 3), (33, 32, 1), (31, 32, 1), (20, 3, 7)],
)
def test_few_rows_make_no_step_of_their_own(n_rows, batch_size, n_steps, rows):
    assert steps_of(normalised(batch_size=batch_size), rows, n_rows) == n_steps


def test_every_batch_counts_without_batch_normalisation(rows):
    assert steps_of(normalised(batch_norm=None), rows, 65) == 3


@pytest.mark.slow
def test_one_row_more_does_not_ruin_the_network(rows):
    X, y = rows
    scores = {}
    for n_rows in (64, 65, 66, 68):
        with lockstep():
            scores[n_rows] = np.mean(
                [
                    normalised(random_state=seed)
                    .fit(X[:n_rows], y[:n_rows])
                    .score(X[200:], y[200:])
                    for seed in range(3)
                ]
            )
    # With a batch of their own, 1, 2 and 4 rows cost 1.1, .7 and .2.
    assert min(scores.values()) > scores[64] - 0.15, scores


def test_five_folds_of_diabetes():
    X, y = load_diabetes(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    # 353 and 354 rows leave 1 and 2 behind full batches of 32.
    with lockstep():
        scores = [
            cross_val_score(
                normalised(hidden_units=32, epochs=30, random_state=seed), X, y, cv=5
            ).mean()
            for seed in range(2)
        ]
    # With batches of their own, .26 and .26; with the rows joined, .34 and .38.
    assert min(scores) > 0.3, scores


@pytest.mark.slow
def test_both_paths_join_the_same_rows(rows):
    X, y = rows
    params = {"epochs": 2, "metrics": ["mae", keras.metrics.R2Score()]}
    graph = normalised(**params).fit(X[:65], y[:65])
    by_keras = normalised(**params, callbacks=[OnBatches()]).fit(X[:65], y[:65])
    assert graph._trained.n_steps == by_keras._trained.n_steps == 4
    for name, values in graph.history_.items():
        np.testing.assert_allclose(by_keras.history_[name], values, rtol=1e-3, err_msg=name)


def test_company_changes_nothing(rows):
    X, y = rows
    sizes = (64, 65, 66, 96)
    params = {"epochs": 2, "dropout": 0.2, "metrics": [keras.metrics.R2Score()]}

    from joblib import Parallel, delayed

    def fitted(n_rows):
        return normalised(**params).fit(X[:n_rows], y[:n_rows])

    with lockstep() as session:
        together = Parallel()(delayed(fitted)(n_rows) for n_rows in sizes)
    assert session.batches == [len(sizes)]
    for n_rows, model in zip(sizes, together, strict=True):
        alone = fitted(n_rows)
        np.testing.assert_allclose(model.predict(X), alone.predict(X), rtol=1e-4)
        for name, values in alone.history_.items():
            np.testing.assert_allclose(model.history_[name], values, rtol=1e-4, err_msg=name)


def user_model():
    return keras.Sequential(
        [
            keras.Input((10,)),
            keras.layers.Dense(8, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(1),
        ]
    )


def test_users_model_keeps_the_batches_of_keras_and_is_warned_of(rows):
    model = KerasRegressor(user_model, loss="mse", batch_size=32, random_state=0)
    with pytest.warns(SingleRowBatchWarning, match=r"KerasRegressor.*65 rows.*at least 8"):
        assert steps_of(model, rows, 65) == 3
    assert steps_of(model, rows, 66) == 3


def test_batches_of_one_row_are_warned_of(rows):
    with pytest.warns(SingleRowBatchWarning, match="MLPRegressor: with batch_size=1 "):
        assert steps_of(normalised(batch_size=1), rows, 6) == 6
