"""Ctrl-C: what was learned is kept, and nothing that was cut short is used again."""

import keras
import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdl import MLPRegressor, lockstep
from skdl.training.engine import _program

PLAIN = {"hidden_units": 8, "epochs": 6, "random_state": 0}


class Interrupting(keras.callbacks.Callback):
    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch
        self.ended = False

    def on_epoch_end(self, epoch, logs=None):
        if epoch == self.epoch:
            raise KeyboardInterrupt

    def on_train_end(self, logs=None):
        self.ended = True


class InterruptingBatches(Interrupting):
    def on_train_batch_end(self, batch, logs=None):
        pass

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch + 1:
            raise KeyboardInterrupt

    def on_epoch_end(self, epoch, logs=None):
        pass


@pytest.mark.parametrize("Callback", [Interrupting, InterruptingBatches])
def test_lone_fit_keeps_what_it_has_learned(Callback, diabetes):
    X, y = diabetes
    model = MLPRegressor(**PLAIN, callbacks=[Callback(1)])
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert model.n_iter_ == len(model.history_["loss"]) == 2
    expected = MLPRegressor(**PLAIN | {"epochs": 2}).fit(X, y).predict(X)
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-4)


def test_callbacks_are_told_of_the_end(diabetes):
    model = MLPRegressor(**PLAIN, callbacks=[Interrupting(1)])
    with pytest.raises(KeyboardInterrupt):
        model.fit(*diabetes)
    assert model.callbacks_[0].ended


def test_interrupted_fit_ends_with_its_best_weights(diabetes):
    X, y = diabetes
    params = {**PLAIN, "early_stopping": True, "patience": 3, "learning_rate": 0.03}
    data = {"X": X[:100], "y": y[:100], "X_val": X[100:], "y_val": y[100:]}
    model = MLPRegressor(**params, callbacks=[Interrupting(2)])
    with pytest.raises(KeyboardInterrupt):
        model.fit(**data)
    losses = model.history_["val_loss"]
    assert len(losses) == 3
    assert model.best_epoch_ == np.argmin(losses) + 1
    best = MLPRegressor(**PLAIN | {"epochs": model.best_epoch_, "learning_rate": 0.03})
    np.testing.assert_allclose(model.predict(X), best.fit(**data).predict(X), rtol=1e-4)


def test_warm_start_goes_on_after_it(diabetes):
    X, y = diabetes
    model = MLPRegressor(**PLAIN, warm_start=True, callbacks=[Interrupting(1)])
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert model.set_params(callbacks=None).fit(X, y).n_iter_ == 2 + 6


def test_nothing_is_fitted_before_the_first_epoch_ends(diabetes):
    X, y = diabetes
    model = MLPRegressor(**PLAIN, callbacks=[InterruptingBatches(-1)])
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    with pytest.raises(NotFittedError):
        model.predict(X)


def test_pipeline_is_interrupted_too(diabetes):
    pipeline = make_pipeline(StandardScaler(), MLPRegressor(**PLAIN, callbacks=[Interrupting(0)]))
    with pytest.raises(KeyboardInterrupt):
        pipeline.fit(*diabetes)
    assert pipeline[-1].n_iter_ == 1


def test_call_in_lockstep_is_interrupted_as_a_whole(diabetes):
    from sklearn.model_selection import cross_val_score

    with lockstep(), pytest.raises(KeyboardInterrupt):
        cross_val_score(MLPRegressor(**PLAIN, callbacks=[Interrupting(0)]), *diabetes, cv=2)
    with lockstep() as session:
        cross_val_score(MLPRegressor(**PLAIN), *diabetes, cv=2)
    assert session.batches == [2]


CODE = """
import os, signal, threading
import numpy as np
import skdl
X = np.random.default_rng(0).normal(size=(64, 3)); y = X[:, 0]
reached = threading.Event()
class Told(skdl.training.Observer):
    def on_epoch_end(self, member, epoch, logs):
        if epoch == 2:
            reached.set()
    def __deepcopy__(self, memo):
        return self
def interrupt():
    reached.wait(300)
    os.kill(os.getpid(), signal.SIGINT)
model = skdl.MLPRegressor(4, epochs=100_000, random_state=0, callbacks=[Told()])
threading.Thread(target=interrupt).start()
try:
    model.fit(X, y)
except KeyboardInterrupt:
    assert 3 <= model.n_iter_ == len(model.history_["loss"]) < 100_000
    assert np.isfinite(model.predict(X)).all()
    # The same structure trains again.
    skdl.MLPRegressor(4, epochs=2).fit(X, y)
    print("kept")
"""


@pytest.mark.slow
def test_signal_in_a_fit(fresh_python):
    code = CODE.replace("import skdl\n", "import skdl, skdl.training\n")
    assert "kept" in fresh_python(code).stdout


@pytest.mark.parametrize("name", ["_training", "_prediction"])
def test_program_that_was_cut_short_is_not_used_again(name, diabetes, monkeypatch):
    X, y = diabetes
    other = MLPRegressor(**PLAIN).fit(X, y)
    expected = other.predict(X)
    programs = set(map(id, _program._programs.values()))

    def cut_short(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        for program in list(_program._programs.values()):
            if hasattr(program, name):
                patch.setattr(program, name, cut_short)
        with pytest.raises(KeyboardInterrupt):
            other.predict(X) if name == "_prediction" else MLPRegressor(**PLAIN).fit(X, y)
        left = {id(program) for program in _program._programs.values()}
        assert programs - left
        # Still patched: whatever is used now is new.
        if name == "_prediction":
            np.testing.assert_array_equal(other.predict(X), expected)
        else:
            MLPRegressor(**PLAIN).fit(X, y)


def test_program_with_an_error_stays(diabetes, monkeypatch):
    X, y = diabetes
    model = MLPRegressor(**PLAIN).fit(X, y)
    model.predict(X)

    def failed(*_):
        raise ValueError("out of memory")

    with monkeypatch.context() as patch:
        for program in _program._programs.values():
            patch.setattr(program, "_prediction", failed)
        programs = list(_program._programs.values())
        with pytest.raises(ValueError, match="out of memory"):
            model.predict(X)
    assert list(_program._programs.values()) == programs
