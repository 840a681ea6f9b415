"""What cross-validation returns: a dict, and what can be read from it and made of it."""

import copy
import pickle
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import is_classifier
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from skdl.estimators import MLPClassifier, MLPRegressor
from skdl.model_selection._networks import nested_networks
from skdl.model_selection.cross_validation._result import CrossValidationResult
from skdl.model_selection.cross_validation._statistics import corrected_interval, corrected_t_test
from skdl.model_selection.ensembles._averaging import AveragingClassifier, AveragingRegressor
from skdl.training.lockstep import lockstep

NETWORK = MLPRegressor(8, epochs=4, random_state=0)
# Its mean is lowest, 2.5, at epoch 2; the second fold stopped there.
HISTORIES = [{"test_loss": [4.0, 3.0, 3.5], "loss": [4.0, 2.0, 1.0]}, {"test_loss": [3.0, 2.0]}]


def made(estimator=NETWORK, **changed):
    """Return a result of two folds of 8 and 2 rows, with one contender."""
    rows = np.arange(10)
    values = {
        "scores": {
            "fit_time": np.array([1.0, 3.0]),
            "score_time": np.array([0.1, 0.1]),
            "test_score": np.array([0.8, 0.6]),
        },
        "metrics": ["score"],
        "estimator": estimator,
        "estimator_name": type(estimator).__name__,
        "splits": [(rows[:8], rows[8:]), (rows[2:], rows[:2])],
        "iterations": [0, 0],
        "folds": [0, 1],
        "histories": HISTORIES,
        "contenders": {"baseline": {"fit_time": np.zeros(2), "test_score": np.array([0.1, 0.0])}},
        "predictions": None,
        "X": rows[:, None] / 10.0,
        "y": rows**2.0,
        "fit_params": {},
    }
    return CrossValidationResult(**(values | changed))


def with_data(estimator, X, y, *, n_epochs=2, **changed):
    """Return a result on real rows whose best epoch is `n_epochs`."""
    losses = [1.0 / epoch for epoch in range(1, n_epochs + 1)]
    histories = [{"test_loss": losses}] * 2 if nested_networks(estimator) else [{}, {}]
    return made(estimator, X=X, y=y, histories=histories, **changed)


class Outline(HTMLParser):
    """The tags of a page, checked to be closed in order, and its text."""

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.text = [], [], ""
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.tags.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


# ---------------------------------------------------------------------- what was cross-validated


def test_each_fold_has_its_rows_and_epochs():
    result = made(kept_epochs=[2, None])
    expected = pd.DataFrame(
        {
            "iteration": [0, 0], "fold": [0, 1], "n_train": [8, 8], "n_test": [2, 2],
            "n_epochs": [3, 2], "kept_epoch": [2, 2],
        }
    )  # fmt: skip
    pd.testing.assert_frame_equal(result.folds, expected, check_dtype=False)
    without = made(Ridge(), histories=[{}, {}]).folds
    assert without["n_epochs"].tolist() == without["kept_epoch"].tolist() == [0, 0]


def test_it_says_what_was_scored():
    result = made(scoring="r2")
    assert (result.metrics, result.scoring) == (["score"], "r2")
    assert result.unfitted_estimator is NETWORK


# ---------------------------------------------------------------------- a dict of scores


def test_it_is_the_dict_that_scikit_learn_returns(diabetes):
    X, y = diabetes
    cv = KFold(3)
    scores = cross_validate(Ridge(), X, y, cv=cv, return_estimator=True, return_indices=True)
    result = made(Ridge(), scores=scores, X=X, y=y, splits=list(cv.split(X)), contenders={})
    assert isinstance(result, dict)
    assert list(result) == list(scores)
    assert all(result[key] is scores[key] for key in scores)
    assert type(dict(result)) is dict
    assert pd.DataFrame({k: result[k] for k in ("fit_time", "test_score")}).shape == (3, 2)


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda result: pickle.loads(pickle.dumps(result))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_copies_have_all_of_it(copied):
    result = made(predictions=pd.DataFrame({"prediction": [1.0]}))
    twin = copied(result)
    assert type(twin) is CrossValidationResult
    assert dict(twin).keys() == dict(result).keys()
    pd.testing.assert_frame_equal(twin.summary(), result.summary())
    pd.testing.assert_frame_equal(twin.histories, result.histories)
    pd.testing.assert_frame_equal(twin.predictions, result.predictions)
    assert repr(twin) == repr(result)


def test_predictions_that_were_not_kept_say_how_to_keep_them():
    assert not hasattr(made(), "predictions")
    with pytest.raises(AttributeError, match="return_predictions=True"):
        _ = made().predictions


# ---------------------------------------------------------------------- the summary


def test_summary_has_our_estimator_first_and_each_contender_compared_with_it():
    table = made().summary()
    assert table.index.tolist() == [("score", "MLPRegressor"), ("score", "baseline")]
    ours, baseline = table.loc[("score", "MLPRegressor")], table.loc[("score", "baseline")]
    expected = corrected_interval([0.8, 0.6], n_train=8, n_test=2)
    # R² is never above 1, where the interval is cut.
    assert expected.high > 1
    cut = (expected.mean, expected.std, expected.low, 1.0)
    assert tuple(ours[["mean", "std", "ci_low", "ci_high"]]) == cut
    assert ours["n_folds"] == 2
    assert ours["fit_time"] == 2.0
    assert ours[["difference", "p_value"]].isna().all()
    # Worse by 0.7 and 0.6; of one degree of freedom the p-value is 1 - 2/pi * arctan(t).
    t = 0.65 / np.sqrt((1 / 2 + 2 / 8) * 0.005)
    assert baseline["difference"] == pytest.approx(-0.65)
    assert baseline["p_value"] == pytest.approx(1 - 2 / np.pi * np.arctan(t))


def test_summary_has_one_row_for_each_metric_and_estimator():
    scores = {"fit_time": [1.0, 1.0], "test_r2": [0.8, 0.6], "test_max_error": [-1.0, -2.0]}
    contenders = {"ridge": scores, "baseline": scores}
    table = made(scores=scores, metrics=["r2", "max_error"], contenders=contenders).summary()
    assert table.loc["max_error", "mean"].to_dict() == dict.fromkeys(
        ["MLPRegressor", "ridge", "baseline"], -1.5
    )
    assert table.index.names == ["metric", "estimator"]
    assert len(table) == 6
    assert (table.loc["r2", "p_value"].dropna() == 1).all()


def test_summary_leaves_failed_folds_out():
    failed = {"fit_time": [1.0, 1.0, 1.0], "test_score": np.array([0.5, np.nan, 0.7])}
    other = {"fit_time": [1.0, 1.0, 1.0], "test_score": np.array([0.4, 0.3, np.nan])}
    splits = [(np.arange(8), np.arange(2))] * 3
    table = made(scores=failed, contenders={"other": other}, splits=splits).summary()
    assert table["n_folds"].tolist() == [2, 2]
    assert table.loc[("score", "MLPRegressor"), "mean"] == pytest.approx(0.6)
    assert table.loc[("score", "other"), "difference"] == pytest.approx(-0.1)
    expected = corrected_t_test([0.4], [0.5], 8, 2).p_value
    assert np.isnan(expected)
    assert np.isnan(table.loc[("score", "other"), "p_value"])


def test_wider_confidence_gives_wider_intervals():
    width = [made().summary(c).eval("ci_high - ci_low").iloc[0] for c in (0.5, 0.95, 0.99)]
    assert width == sorted(width)


@pytest.mark.parametrize("confidence", [0, 1, 95, "high"])
def test_confidence_that_is_no_share_is_refused(confidence):
    with pytest.raises(ValueError, match=r"confidence=.* for example 0.95"):
        made().summary(confidence)


# ---------------------------------------------------------------------- curves and epochs


def test_histories_are_one_row_for_each_fold_epoch_and_metric():
    table = made(iterations=[0, 1], folds=[3, 4]).histories
    assert list(table) == ["iteration", "fold", "epoch", "metric", "value"]
    assert len(table) == 8
    losses = table[table["metric"] == "loss"]
    assert losses[["iteration", "fold", "epoch"]].to_numpy().tolist() == [
        [0, 3, 1], [0, 3, 2], [0, 3, 3],
    ]  # fmt: skip
    assert losses["value"].tolist() == [4.0, 2.0, 1.0]
    second = table.query("iteration == 1 and fold == 4")
    assert second["value"].tolist() == [3.0, 2.0]


def test_histories_of_an_estimator_without_epochs_are_an_empty_table():
    table = made(Ridge(), histories=[{}, {}]).histories
    assert list(table) == ["iteration", "fold", "epoch", "metric", "value"]
    assert table.empty


def test_curve_carries_folds_that_stopped_early_on_at_their_last_value():
    curve = made().curve()
    assert curve.index.tolist() == [1, 2, 3]
    assert curve["mean"].tolist() == [3.5, 2.5, 2.75]
    assert curve["n_folds"].tolist() == [2, 2, 1]
    np.testing.assert_allclose(curve["std"], [0.5**0.5, 0.5**0.5, 1.5 * 0.5**0.5])
    assert made().curve("loss")["mean"].tolist() == [4.0, 2.0, 1.0]


def test_curve_carries_folds_that_went_back_on_at_the_epoch_they_kept():
    # The second fold stopped after two epochs and went back to the first; the first ran to its end.
    curve = made(kept_epochs=[2, 1]).curve()
    assert curve["mean"].tolist() == [3.5, 2.5, 3.25]
    assert curve["n_folds"].tolist() == [2, 2, 1]
    assert made(kept_epochs=[None, None]).curve()["mean"].tolist() == [3.5, 2.5, 2.75]


def test_curve_carries_folds_that_diverged_on_at_their_last_finite_value():
    histories = [{"test_loss": [4.0, np.inf, np.nan]}, {"test_loss": [3.0, 2.0, 1.0]}]
    result = made(histories=histories)
    assert result.curve()["mean"].tolist() == [3.5, 3.0, 2.5]
    assert result.best_epoch == 3


def test_curve_of_an_unknown_metric_lists_those_there_are():
    with pytest.raises(ValueError, match=r"'val_mae'.*Expected one of \['loss', 'test_loss'\]"):
        made().curve("val_mae")


def test_best_epoch_is_the_first_of_lowest_mean_test_loss():
    assert made().best_epoch == 2
    assert made(histories=[{"test_loss": [2.0, 1.0, 1.0]}]).best_epoch == 2


def test_best_epoch_without_a_network_says_what_is_expected():
    with pytest.raises(AttributeError, match=r"Ridge holds no network.*MLPRegressor.*refit\(\)"):
        _ = made(Ridge(), histories=[{}, {}]).best_epoch


def test_best_epoch_of_folds_that_all_failed_says_how_to_see_why():
    with pytest.raises(AttributeError, match="error_score='raise'"):
        _ = made(histories=[{}, {}]).best_epoch


def test_best_epoch_of_losses_that_are_all_nan_is_refused():
    with pytest.raises(AttributeError, match=r"NaN in every epoch.*learning_rate"):
        _ = made(histories=[{"test_loss": [np.nan]}] * 2).best_epoch


# ---------------------------------------------------------------------- refit


def test_refit_is_a_fit_on_all_rows_for_the_best_number_of_epochs(diabetes):
    X, y = diabetes
    network = MLPRegressor(8, epochs=50, early_stopping=True, random_state=0)
    fitted = with_data(network, X, y, n_epochs=3).refit()
    assert fitted.n_iter_ == 3
    assert network.epochs == 50
    expected = MLPRegressor(8, epochs=3, random_state=0).fit(X, y)
    np.testing.assert_array_equal(fitted.predict(X), expected.predict(X))


@pytest.mark.parametrize(
    ("around", "prefix"),
    [
        (lambda network: make_pipeline(StandardScaler(), network), "mlpregressor__"),
        (lambda network: TransformedTargetRegressor(network, func=np.sqrt, inverse_func=np.square),
         "regressor__"),
        (lambda network: TransformedTargetRegressor(make_pipeline(StandardScaler(), network)),
         "regressor__mlpregressor__"),
    ],
)  # fmt: skip
def test_refit_finds_the_network_inside(diabetes, around, prefix):
    X, y = diabetes
    estimator = around(MLPRegressor(8, early_stopping=True, random_state=0))
    params = with_data(estimator, X, y).refit().get_params()
    assert (params[f"{prefix}epochs"], params[f"{prefix}early_stopping"]) == (2, False)
    assert list(nested_networks(estimator)) == [prefix]


def test_refit_takes_another_number_of_epochs(diabetes):
    assert with_data(NETWORK, *diabetes).refit(epochs=1).n_iter_ == 1


def test_refit_passes_fit_parameters_on(diabetes):
    X, y = diabetes
    weight = np.arange(len(y), dtype=float)
    result = with_data(NETWORK, X, y, fit_params={"sample_weight": weight})
    expected = MLPRegressor(8, epochs=2, random_state=0).fit(X, y, sample_weight=weight)
    np.testing.assert_array_equal(result.refit().predict(X), expected.predict(X))
    seeds = [member.random_state for member in result.refit(2).estimators_]
    alone = [
        MLPRegressor(8, epochs=2, random_state=seed).fit(X, y, sample_weight=weight).predict(X)
        for seed in seeds
    ]
    np.testing.assert_allclose(result.refit(2).predict(X), np.mean(alone, 0), atol=1e-3 * y.std())


def test_refit_passes_routed_fit_parameters_on_under_the_name_of_the_members(diabetes):
    X, y = diabetes
    weight = np.arange(len(y), dtype=float)
    with sklearn.config_context(enable_metadata_routing=True):
        ridge = Ridge().set_fit_request(sample_weight="importance")
        result = with_data(ridge, X, y, fit_params={"sample_weight": weight})
        fitted = result.refit(2)
    expected = Ridge().fit(X, y, sample_weight=weight).predict(X)
    np.testing.assert_allclose(fitted.predict(X), expected)


def test_refit_of_several_members_trains_them_together_and_reproducibly(diabetes):
    X, y = diabetes
    result = with_data(make_pipeline(StandardScaler(), NETWORK), X, y)
    with lockstep() as session:
        ensemble = result.refit(3)
    assert session.batches == [3]
    assert isinstance(ensemble, AveragingRegressor)
    assert [member[-1].n_iter_ for member in ensemble.estimators_] == [2, 2, 2]
    assert len({member[-1].random_state for member in ensemble.estimators_}) == 3
    np.testing.assert_array_equal(ensemble.predict(X), result.refit(3).predict(X))


def test_refit_without_a_random_state_gives_another_ensemble_each_time(diabetes):
    X, y = diabetes
    result = with_data(MLPRegressor(4), X, y)
    assert not np.array_equal(result.refit(2).predict(X), result.refit(2).predict(X))


def test_refit_of_a_classifier_averages_probabilities(iris):
    X, y = iris
    ensemble = with_data(MLPClassifier(4, random_state=0), X, y).refit(2)
    assert isinstance(ensemble, AveragingClassifier)
    assert is_classifier(ensemble)
    np.testing.assert_allclose(ensemble.predict_proba(X).sum(1), 1)


def test_refit_of_other_estimators_fits_them_as_they_are(diabetes):
    X, y = diabetes
    assert with_data(Ridge(2.0), X, y).refit().alpha == 2.0
    tree = DecisionTreeRegressor(splitter="random", random_state=0)
    result = with_data(tree, X, y)
    assert len({member.random_state for member in result.refit(2).estimators_}) == 2
    np.testing.assert_array_equal(result.refit(2).predict(X), result.refit(2).predict(X))


def test_refit_refuses_epochs_where_there_is_no_network(iris):
    with pytest.raises(ValueError, match=r"epochs=5 .* LogisticRegression holds no network"):
        with_data(LogisticRegression(), *iris).refit(epochs=5)


@pytest.mark.parametrize("bad", [{"n_members": 0}, {"epochs": 0}, {"epochs": 2.5}])
def test_refit_refuses_bad_parameters(bad):
    with pytest.raises(ValueError, match=r"refit: .* an integer >= 1"):
        made().refit(**bad)


# ---------------------------------------------------------------------- looks


def test_text_shows_scores_interval_contenders_and_best_epoch():
    lines = repr(made()).splitlines()
    assert lines[:2] == [
        "Cross-validation of MLPRegressor",
        "2 folds, 8 rows to train on, 2 to test on",
    ]
    # Ours: S² = 0.02, t(0.975, 1) = 12.7062. The baseline's differences are -0.7 and -0.6, so
    # S² = 0.005, t = 0.65 / sqrt(0.75 · 0.005) = 10.61 and p = 1 - 2/pi · arctan(10.61) = 0.0598.
    half_width = 12.7062 * np.sqrt((1 / 2 + 1 / 4) * 0.02)
    ours, baseline = (line.split() for line in lines[5:7])
    # 0.7 + 0.75 is more than R² can be.
    cut = [f"({0.7 - half_width:.2f}", "to", "1.00)"]
    assert ours == ["MLPRegressor", "0.70", *cut, "2.00", "s"]
    assert baseline[0] == "baseline"
    assert baseline[4:6] == ["-0.65", "0.060"]
    assert "Best epoch: 2 of 3 (mean test loss 2.5)." in lines


@pytest.mark.parametrize(
    ("scoring", "scores", "low", "high"),
    [
        ("accuracy", [0.9, 1.0], None, 1.0),
        ("neg_log_loss", [-0.01, -0.2], None, 0.0),
        ("matthews_corrcoef", [0.0, 0.99], -1.0, 1.0),
        # A name of scikit-learn's with other numbers is another metric.
        ("accuracy", [90.0, 100.0], None, None),
        ("profit", [0.9, 1.0], None, None),
    ],
)
def test_intervals_end_where_the_metric_ends(scoring, scores, low, high):
    given = {"fit_time": np.ones(2), "test_score": np.array(scores)}
    table = made(scores=given, contenders={}, scoring=scoring).summary()
    free = corrected_interval(scores, n_train=8, n_test=2)
    assert table["ci_low"].iloc[0] == (free.low if low is None else low)
    assert table["ci_high"].iloc[0] == (free.high if high is None else high)


def test_an_interval_that_is_not_cut_is_shown_with_plus_and_minus():
    scores = {"fit_time": np.ones(2), "test_score": np.array([0.5, 0.51])}
    ours = repr(made(scores=scores, contenders={})).splitlines()[5]
    half_width = 12.7062 * np.sqrt((1 / 2 + 1 / 4) * 0.00005)
    assert f"0.5050 ± {half_width:.4f}" in ours


def test_text_names_iterations_and_failed_folds():
    scores = {"fit_time": np.ones(4), "test_score": np.array([0.5, np.nan, 0.7, np.nan])}
    result = made(
        scores=scores,
        contenders={},
        splits=[(np.arange(8000), np.arange(2000))] * 4,
        iterations=[0, 0, 1, 1],
        folds=[0, 1, 0, 1],
    )
    assert "2 × 2 folds, 8,000 rows to train on, 2,000 to test on" in repr(result)
    assert "MLPRegressor: 2 of 4 folds failed and are left out." in repr(result)


def test_text_fits_a_terminal_of_100_columns():
    scores = {"fit_time": [1e4, 1e4], "test_score": np.array([-123456.7, -123400.1])}
    contenders = {"a contender with a very long name, given by the user": scores}
    text = repr(made(scores=scores, contenders=contenders))
    assert max(map(len, text.splitlines())) <= 100
    assert "a contender with a very long name" in text


def test_looks_of_an_estimator_without_epochs_and_of_failed_folds_have_no_curve():
    failed = {"fit_time": np.ones(2), "test_score": np.full(2, np.nan)}
    for result in (made(Ridge(), histories=[{}, {}]), made(scores=failed, histories=[{}, {}])):
        assert "Best epoch" not in repr(result)
        assert "svg" not in Outline(result._repr_html_()).tags
    assert "failed" in repr(result)


def test_html_is_one_closed_block_with_style_table_and_curve():
    outline = Outline(made()._repr_html_())
    assert outline.tags[0] == "div"
    for tag in ("style", "table", "svg", "path", "circle"):
        assert outline.tags.count(tag) == 1, tag
    assert not {"script", "link", "img"} & set(outline.tags)
    assert "baseline" in outline.text


def test_html_escapes_names():
    contenders = {"<b>bold</b>": made()}
    page = made(estimator_name="A & B", contenders=contenders)._repr_html_()
    assert "b" not in Outline(page).tags
    assert "<b>bold</b>" in Outline(page).text
    assert "A &amp; B" in page


def test_html_curve_of_many_epochs_is_short():
    page = made(histories=[{"test_loss": np.linspace(2, 1, 10_000)}] * 2)._repr_html_()
    assert len(page) < 10_000
