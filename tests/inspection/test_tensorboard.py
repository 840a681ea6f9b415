"""TensorBoard: each fit in a run of its own, with the numbers of its history."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdl import MLPRegressor, lockstep
from skdl.exceptions import DivergenceError, InvalidParameterError
from skdl.inspection import TensorBoard
from skdl.model_selection import cross_validate

NETWORK = {"hidden_units": 4, "epochs": 3, "random_state": 0}


def written(folder):
    """Return {tag: values by epoch} of one run's part."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    events = EventAccumulator(str(folder))
    events.Reload()
    return {
        tag: [float(make_ndarray(event.tensor_proto)) for event in events.Tensors(tag)]
        for tag in events.Tags()["tensors"]
    }


def runs(folder):
    return sorted(run.name for run in folder.iterdir())


def test_a_fit_writes_its_history(diabetes, tmp_path):
    network = MLPRegressor(**NETWORK, callbacks=TensorBoard(tmp_path / "logs"), metrics="mae")
    network.set_params(early_stopping=True).fit(*diabetes)
    assert runs(tmp_path / "logs") == ["fit_00"]
    train = written(tmp_path / "logs" / "fit_00" / "train")
    validation = written(tmp_path / "logs" / "fit_00" / "validation")
    history = network.history_
    np.testing.assert_allclose(train["epoch_loss"], history["loss"], rtol=1e-6)
    np.testing.assert_allclose(train["epoch_mae"], history["mae"], rtol=1e-6)
    np.testing.assert_allclose(validation["epoch_loss"], history["val_loss"], rtol=1e-6)
    np.testing.assert_allclose(train["epoch_learning_rate"], [1e-3] * 3, rtol=1e-6)


def test_each_fold_has_a_run_under_its_number(diabetes, tmp_path):
    X, y = diabetes
    pipe = make_pipeline(StandardScaler(), MLPRegressor(**NETWORK, callbacks=TensorBoard(tmp_path)))
    result = cross_validate(pipe, X, y, cv=3)
    assert runs(tmp_path) == ["fold_00", "fold_01", "fold_02"]
    table = result.histories
    for number in range(3):
        own = table[(table["fold"] == number) & (table["metric"] == "test_loss")]["value"]
        test = written(tmp_path / f"fold_{number:02d}" / "test")
        np.testing.assert_allclose(test["epoch_loss"], own, rtol=1e-6)


def test_nothing_is_written_over(diabetes, tmp_path):
    X, y = diabetes
    network = MLPRegressor(**NETWORK, callbacks=TensorBoard(tmp_path, run="wide"))
    cross_validate(network, X, y, cv=2)
    cross_validate(network, X, y, cv=2)
    network.fit(X, y)
    network.fit(X, y)
    assert runs(tmp_path) == [
        "wide_fit_00", "wide_fit_01",
        "wide_fold_00", "wide_fold_00-2", "wide_fold_01", "wide_fold_01-2",
    ]  # fmt: skip


def test_folds_of_scikit_learns_functions_have_runs_of_their_own(diabetes, tmp_path):
    with lockstep():
        cross_val_score(MLPRegressor(**NETWORK, callbacks=TensorBoard(tmp_path)), *diabetes, cv=4)
    assert runs(tmp_path) == ["fit_00", "fit_01", "fit_02", "fit_03"]
    losses = [tuple(written(run / "train")["epoch_loss"]) for run in tmp_path.iterdir()]
    assert len(set(losses)) == 4
    assert all(len(loss) == 3 for loss in losses)


def test_the_parameter_is_not_changed_by_a_fit_and_copies_begin_anew(diabetes, tmp_path):
    callback = TensorBoard(tmp_path)
    before = dict(vars(callback))
    network = MLPRegressor(**NETWORK, callbacks=callback).fit(*diabetes)
    assert vars(callback) == before
    twin = pickle.loads(pickle.dumps(clone(network).callbacks))
    assert twin.log_dir == tmp_path
    assert vars(twin) == before


def test_what_a_diverged_fit_has_written_is_kept(diabetes, tmp_path):
    X, y = diabetes
    network = MLPRegressor(**NETWORK, callbacks=TensorBoard(tmp_path), optimizer="sgd")
    network.set_params(learning_rate=1e6, epochs=50, target_scaling=False)
    with pytest.raises(DivergenceError):
        network.fit(X * 1e3, y * 1e3)
    assert runs(tmp_path) == ["fit_00"]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"log_dir": 3}, "log_dir=3"),
        ({"log_dir": "x", "run": "a/b"}, "run='a/b'"),
        ({"log_dir": ""}, "log_dir=''"),
        ({"log_dir": "x", "run": ""}, "run=''"),
        ({"log_dir": "x", "run": ".."}, "run='..'"),
    ],
)
def test_bad_names_are_refused(wrong, named):
    with pytest.raises(InvalidParameterError, match=f"TensorBoard: {named} is not allowed"):
        TensorBoard(**wrong)
