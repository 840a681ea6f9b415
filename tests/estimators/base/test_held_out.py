"""A network sees its fold's held-out rows through whatever stands around it."""

import threading

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import BaggingRegressor
from sklearn.metrics import get_scorer, make_scorer, mean_squared_error
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from skdl import MLPClassifier, MLPRegressor
from skdl.estimators.base._held_out import HeldOutScoring
from skdl.training import Observer

TINY = {"hidden_units": (5,), "epochs": 3, "learning_rate": 0.02, "random_state": 0}
NETWORK = MLPRegressor(**TINY)
LOGARITHM = {"func": np.log, "inverse_func": np.exp}

AROUND = {
    "itself": NETWORK,
    "pipeline": make_pipeline(StandardScaler(), NETWORK),
    "pipeline in a pipeline": make_pipeline(
        MinMaxScaler(), make_pipeline("passthrough", StandardScaler(), NETWORK)
    ),
    "pipeline of one step": Pipeline([("network", NETWORK)]),
    "cached pipeline": "cached",
    "target of a pipeline": TransformedTargetRegressor(
        make_pipeline(StandardScaler(), NETWORK), **LOGARITHM
    ),
    "pipeline around a target": make_pipeline(
        StandardScaler(), TransformedTargetRegressor(NETWORK, transformer=StandardScaler())
    ),
    "target of a target": TransformedTargetRegressor(
        TransformedTargetRegressor(NETWORK, **LOGARITHM), transformer=MinMaxScaler((1, 2))
    ),
}


def followed(estimator, X, y, **options):
    """Fit on the first 60 rows; return the fitted estimator and what was seen of the others."""
    estimator = clone(estimator)
    with HeldOutScoring(estimator, X[60:], y[60:], **options) as held_out:
        estimator.fit(X[:60], y[:60])
    return estimator, held_out


@pytest.mark.parametrize("name", AROUND)
def test_the_last_score_is_that_of_the_fitted_estimator(name, diabetes, tmp_path):
    X, y = diabetes
    estimator = AROUND[name]
    if estimator == "cached":
        estimator = make_pipeline(StandardScaler(), NETWORK, memory=str(tmp_path))
    for _ in range(2 if name == "cached pipeline" else 1):
        fitted, held_out = followed(estimator, X, y, scorer=get_scorer("neg_mean_absolute_error"))
        error = np.abs(fitted.predict(X[60:]) - y[60:]).mean()
        assert set(held_out.history) == {"loss", "test_loss", "test_score"}
        assert held_out.history["test_score"][-1] == pytest.approx(-error, rel=1e-4)
        assert [len(values) for values in held_out.history.values()] == [3] * 3
        assert held_out.kept_epoch == 3
        np.testing.assert_array_equal(
            fitted.predict(X), clone(estimator).fit(X[:60], y[:60]).predict(X)
        )


def test_several_outputs_and_weights_of_the_scorer(diabetes):
    X, y = diabetes
    targets = np.stack([y, y**2, -y], 1)
    weights = np.random.default_rng(0).uniform(size=len(X) - 60)
    for estimator in (NETWORK, TransformedTargetRegressor(NETWORK, transformer=StandardScaler())):
        fitted, held_out = followed(
            estimator,
            X,
            targets,
            scorer=make_scorer(mean_squared_error),
            score_params={"sample_weight": weights},
        )
        errors = ((fitted.predict(X[60:]) - targets[60:]) ** 2).mean(1)
        expected = np.average(errors, weights=weights)
        assert held_out.history["test_score"][-1] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("scoring", ["accuracy", "neg_log_loss", "roc_auc_ovr"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_classifiers_are_scored_by_labels_and_probabilities(scoring, n_classes, iris):
    X, y = iris
    labels = np.array(["one", "two", "two" if n_classes == 2 else "three"])[y]
    model = make_pipeline(StandardScaler(), MLPClassifier(**TINY))
    scorer = get_scorer(scoring)
    fitted, held_out = followed(model, X, labels, scorer=scorer)
    expected = scorer(fitted, X[60:], labels[60:])
    assert held_out.history["test_score"][-1] == pytest.approx(expected, rel=1e-4)


def test_a_scorer_that_fails_gives_nan_and_fails_no_fit(diabetes):
    def scorer(estimator, X, y):
        raise LookupError("no such score")

    fitted, held_out = followed(NETWORK, *diabetes, scorer=scorer)
    assert np.isnan(held_out.history["test_score"]).all()
    assert fitted.n_iter_ == 3


@pytest.mark.parametrize(
    "estimator", [BaggingRegressor(NETWORK, n_estimators=2, random_state=0), DummyRegressor()]
)
def test_networks_elsewhere_are_not_followed(estimator, diabetes):
    _, held_out = followed(estimator, *diabetes)
    assert held_out.history == {}
    assert held_out.kept_epoch is None


def test_the_epoch_that_was_kept(diabetes):
    params = {"epochs": 30, "learning_rate": 0.3, "early_stopping": True, "patience": 2}
    kept = []
    for restore in (True, False):
        model = MLPRegressor(**TINY | params, restore_best_weights=restore)
        fitted, held_out = followed(model, *diabetes, scorer=get_scorer("r2"))
        assert fitted.best_epoch_ < fitted.n_iter_
        assert held_out.kept_epoch == (fitted.best_epoch_ if restore else fitted.n_iter_)
        found = held_out.history["test_score"][held_out.kept_epoch - 1]
        assert found == pytest.approx(fitted.score(diabetes[0][60:], diabetes[1][60:]), rel=1e-4)
        kept.append(held_out.kept_epoch)
    assert kept[0] < kept[1]


def test_observers_are_told_once_the_rows_are_scored(diabetes):
    seen = []

    class Told(Observer):
        def on_epoch_end(self, member, epoch, logs):
            seen.append((epoch, dict(member.held_out)))

    _, held_out = followed(NETWORK, *diabetes, observers=[Told()])
    assert seen == [(i, {"loss": loss}) for i, loss in enumerate(held_out.history["test_loss"])]


def test_contexts_nest_and_belong_to_their_thread(diabetes):
    X, y = diabetes
    outer, inner = HeldOutScoring(NETWORK, X, y), HeldOutScoring(NETWORK, X, y)
    with outer:
        with inner:
            assert HeldOutScoring.current() is inner
            elsewhere = []
            thread = threading.Thread(target=lambda: elsewhere.append(HeldOutScoring.current()))
            thread.start()
            thread.join()
            assert elsewhere == [None]
        assert HeldOutScoring.current() is outer
        with pytest.raises(LookupError), inner:
            raise LookupError
        assert HeldOutScoring.current() is outer
    assert HeldOutScoring.current() is None
