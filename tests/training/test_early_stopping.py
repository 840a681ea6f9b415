"""Early stopping: when it stops, what it restores, which rows it holds out."""

import numpy as np
import pytest
from sklearn.metrics import log_loss, mean_squared_error

from skdl import MLPClassifier, MLPRegressor
from tests.checks import slow_but

# Wide and fast against few noisy rows: overfits within some epochs.
OVERFITS = {
    "hidden_units": 32,
    "learning_rate": 0.01,
    "epochs": 300,
    "early_stopping": True,
    "patience": 5,
    "random_state": 0,
}


@pytest.fixture(scope="module")
def noisy():
    """Return training and validation rows of which only one feature says something."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 10))
    y = X[:, 0] + rng.normal(size=120)
    return {"X": X[:60], "y": y[:60], "X_val": X[60:], "y_val": y[60:]}


def as_classes(data):
    return {name: values > 0 if name.startswith("y") else values for name, values in data.items()}


def test_stops_when_patience_runs_out_and_says_which_epoch_was_best(noisy):
    model = MLPRegressor(**OVERFITS, target_scaling=False).fit(**noisy)
    assert 1 < model.best_epoch_ < model.n_iter_ < 300
    assert model.n_iter_ == model.best_epoch_ + 5
    assert len(model.history_["loss"]) == len(model.history_["val_loss"]) == model.n_iter_
    assert model.best_epoch_ == 1 + np.argmin(model.history_["val_loss"])


def test_restored_weights_are_those_of_the_best_epoch(noisy):
    model = MLPRegressor(**OVERFITS, target_scaling=False).fit(**noisy)
    loss = mean_squared_error(noisy["y_val"], model.predict(noisy["X_val"]))
    np.testing.assert_allclose(loss, min(model.history_["val_loss"]), rtol=1e-5)
    by_keras = model.model_.predict(noisy["X_val"], verbose=0)[:, 0]
    np.testing.assert_allclose(by_keras, model.predict(noisy["X_val"]), rtol=1e-4, atol=1e-6)


def test_last_weights_are_kept_unless_restored(noisy):
    model = MLPRegressor(**OVERFITS, target_scaling=False, restore_best_weights=False).fit(**noisy)
    loss = mean_squared_error(noisy["y_val"], model.predict(noisy["X_val"]))
    np.testing.assert_allclose(loss, model.history_["val_loss"][-1], rtol=1e-5)
    assert loss > min(model.history_["val_loss"])
    assert model.best_epoch_ == 1 + np.argmin(model.history_["val_loss"])


def test_batch_normalisation_is_restored_with_the_weights(noisy):
    model = MLPClassifier(**OVERFITS, batch_norm="before_activation").fit(**as_classes(noisy))
    loss = log_loss(noisy["y_val"] > 0, model.predict_proba(noisy["X_val"]))
    assert model.best_epoch_ < model.n_iter_
    np.testing.assert_allclose(loss, min(model.history_["val_loss"]), rtol=1e-4)


def test_accuracy_is_maximised(noisy):
    model = MLPClassifier(**OVERFITS, metrics=["accuracy"], monitor="val_accuracy")
    model.fit(**as_classes(noisy))
    accuracy = model.history_["val_accuracy"]
    assert model.best_epoch_ == 1 + np.argmax(accuracy)
    assert model.n_iter_ == model.best_epoch_ + 5
    assert model.score(noisy["X_val"], noisy["y_val"] > 0) == pytest.approx(max(accuracy))


def test_training_loss_can_be_monitored_without_validation_rows_of_its_own(noisy):
    model = MLPRegressor(**OVERFITS | {"epochs": 30}, monitor="loss", min_delta=0.01).fit(**noisy)
    assert model.n_iter_ == min(30, model.best_epoch_ + 5)


def test_smaller_improvements_than_min_delta_do_not_count(noisy):
    model = MLPRegressor(**OVERFITS, min_delta=1e9).fit(**noisy)
    assert (model.best_epoch_, model.n_iter_) == (1, 6)


def test_without_early_stopping_all_epochs_run_and_validation_is_only_reported(noisy):
    params = OVERFITS | {"epochs": 8, "early_stopping": False}
    watched = MLPRegressor(**params).fit(**noisy)
    alone = MLPRegressor(**params).fit(noisy["X"], noisy["y"])
    assert watched.n_iter_ == alone.n_iter_ == len(watched.history_["val_loss"]) == 8
    assert "val_loss" not in alone.history_
    np.testing.assert_array_equal(watched.predict(noisy["X"]), alone.predict(noisy["X"]))


def test_validation_rows_of_weight_zero_do_not_count(noisy):
    weights = np.repeat([1.0, 0.0], 30)
    weighted = MLPRegressor(**OVERFITS).fit(**noisy, sample_weight_val=weights)
    fewer = noisy | {"X_val": noisy["X_val"][:30], "y_val": noisy["y_val"][:30]}
    np.testing.assert_allclose(
        weighted.history_["val_loss"],
        MLPRegressor(**OVERFITS).fit(**fewer).history_["val_loss"],
        rtol=1e-4,
    )


def test_held_out_rows_are_not_learned_from():
    # One-hot rows: a row that is held out is a feature whose weights never see a gradient.
    y = np.random.default_rng(0).normal(size=40)
    model = MLPRegressor(
        hidden_layers=0,
        learning_rate=0.1,
        epochs=100,
        early_stopping=True,
        patience=100,
        validation_fraction=0.25,
        random_state=0,
    ).fit(np.eye(40), y)
    assert model.history_["loss"][-1] < 0.01
    assert model.history_["val_loss"][-1] > 0.1


@pytest.mark.parametrize("Estimator", slow_but([MLPRegressor, MLPClassifier], MLPClassifier))
def test_a_group_stays_on_one_side_of_the_split(Estimator):
    # The only feature that differs is the group's own: learnable unless the group is held out.
    rng = np.random.default_rng(0)
    groups = rng.permutation(np.repeat(np.arange(20), 5))
    y_of_group = rng.normal(size=20) if Estimator is MLPRegressor else np.tile([0, 1], 10)
    y = y_of_group[groups]
    params = {
        "hidden_layers": 0,
        "learning_rate": 0.1,
        "epochs": 100,
        "early_stopping": True,
        "patience": 100,
        "validation_fraction": 0.3,
        "random_state": 0,
    }
    apart = Estimator(**params).fit(np.eye(20)[groups], y, groups=groups).history_
    mixed = Estimator(**params).fit(np.eye(20)[groups], y).history_
    assert mixed["val_loss"][-1] < 0.1
    assert apart["loss"][-1] < 0.1
    assert apart["val_loss"][-1] > 0.3


@pytest.mark.parametrize("seed", slow_but(range(4), 0, 1))
def test_inner_split_is_stratified(seed):
    # Rows are alike, so the network can learn nothing but the share of each class: the two
    # losses meet at its entropy if, and only if, both sides hold the same share.
    y = np.repeat([0, 1], [90, 10])
    model = MLPClassifier(
        hidden_layers=0,
        learning_rate=0.1,
        batch_size=100,
        epochs=200,
        early_stopping=True,
        patience=200,
        validation_fraction=0.2,
        random_state=seed,
    ).fit(np.zeros((100, 1)), y)
    entropy = -0.1 * np.log(0.1) - 0.9 * np.log(0.9)
    assert model.history_["loss"][-1] == pytest.approx(entropy, rel=1e-3)
    assert model.history_["val_loss"][-1] == pytest.approx(entropy, rel=1e-3)


def test_held_out_rows_follow_random_state(noisy):
    def validation_losses(seed):
        model = MLPRegressor(**OVERFITS | {"random_state": seed, "epochs": 2})
        return model.fit(noisy["X"], noisy["y"]).history_["val_loss"]

    assert validation_losses(0) == validation_losses(0)
    assert validation_losses(0) != validation_losses(1)
