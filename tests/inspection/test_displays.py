"""Displays: scikit-learn's conventions, and that what is drawn is what was learnt."""

import inspect

import matplotlib as mpl
import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingRegressor
from sklearn.exceptions import FitFailedWarning, NotFittedError
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, validation_curve
from sklearn.model_selection import cross_validate as sklearn_cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

import skdl.inspection
from skdl import MLPClassifier, MLPRegressor
from skdl.exceptions import InvalidParameterError
from skdl.inspection import TrainingCurveDisplay, ValidationCurveDisplay
from skdl.model_selection import cross_validate
from skdl.training.lockstep import lockstep

NETWORK = {"hidden_units": 4, "epochs": 4, "random_state": 0}
HISTORY = {"loss": [4.0, 3.0, 2.0], "val_loss": [4.0, 2.0, 3.0], "val_mae": [2.0, 1.0, 0.5]}


@pytest.fixture(autouse=True)
def pyplot():
    """Draw without a display, and leave no figure open."""
    import matplotlib.pyplot as plt

    before = mpl.get_backend()
    plt.switch_backend("agg")
    yield plt
    plt.close("all")
    plt.switch_backend(before)


@pytest.fixture(scope="module")
def result(diabetes):
    X, y = diabetes
    network = MLPRegressor(**NETWORK, metrics="mae")
    return cross_validate(make_pipeline(StandardScaler(), network), X, y, cv=3)


@pytest.fixture(scope="module")
def fitted(diabetes):
    X, y = diabetes
    network = MLPRegressor(**(NETWORK | {"epochs": 30}), early_stopping=True, patience=1)
    return network.set_params(learning_rate=0.05).fit(X, y)


@pytest.fixture
def curve(iris):
    X, y = iris
    tree = DecisionTreeClassifier(random_state=0)
    return ValidationCurveDisplay.from_estimator(
        tree, X, y, param_name="max_depth", param_range=[1, 3, 5], cv=3
    )


@pytest.fixture(params=["training", "validation"])
def display(request):
    """One display of each kind, made without an estimator."""
    if request.param == "training":
        return TrainingCurveDisplay.from_history([HISTORY, HISTORY])
    return ValidationCurveDisplay(
        param_name="l2",
        param_range=[0.0, 1e-4, 1e-2],
        train_scores=np.array([[0.9, 1.0], [0.8, 0.9], [0.5, 0.5]]),
        test_scores=np.array([[0.6, 0.7], [0.7, 0.8], [0.4, 0.5]]),
        score_name="accuracy",
    ).plot()


# ---------------------------------------------------------------------- scikit-learn's conventions


def displays():
    return [getattr(skdl.inspection, n) for n in skdl.inspection.__all__ if n.endswith("Display")]


@pytest.mark.parametrize("kind", displays())
def test_parameters_are_stored_under_their_names(kind):
    names = list(inspect.signature(kind).parameters)
    values = {name: object() for name in names}
    made = kind(**values)
    assert all(getattr(made, name) is values[name] for name in names)


def test_plot_returns_the_display_with_axes_and_figure(display):
    assert display.plot() is display
    assert isinstance(display.ax_, mpl.axes.Axes)
    assert display.figure_ is display.ax_.figure


def test_plot_draws_on_the_axes_given_and_opens_no_figure(display, pyplot):
    pyplot.close("all")
    _, (left, right) = pyplot.subplots(1, 2)
    display.plot(ax=right)
    assert display.ax_ is right
    assert not left.lines
    assert len(pyplot.get_fignums()) == 1


def test_plot_makes_a_new_figure_each_time_without_axes(display, pyplot):
    pyplot.close("all")
    display.plot()
    first = display.figure_
    display.plot()
    assert display.figure_ is not first


def test_nothing_is_shown(display, pyplot, monkeypatch):
    monkeypatch.setattr(pyplot, "show", lambda *_, **__: pytest.fail("show was called"))
    monkeypatch.setattr(mpl.figure.Figure, "show", lambda *_, **__: pytest.fail("show was called"))
    display.plot()


def test_subclasses_make_their_own_kind(result, fitted, iris):
    class Own(TrainingCurveDisplay):
        pass

    class OwnValidation(ValidationCurveDisplay):
        pass

    assert isinstance(Own.from_history(HISTORY), Own)
    assert isinstance(Own.from_estimator(fitted), Own)
    assert isinstance(Own.from_cross_validation(result), Own)
    X, y = iris
    made = OwnValidation.from_estimator(
        DecisionTreeClassifier(), X, y, param_name="max_depth", param_range=[1, 2]
    )
    assert isinstance(made, OwnValidation)


def test_the_name_given_to_plot_replaces_the_own():
    display = TrainingCurveDisplay.from_history(HISTORY, name="first")
    assert display.name == "first"
    assert all(line.get_label().startswith("first: ") for line in display.lines_.values())
    display.plot(name="second")
    labels = display.ax_.get_legend_handles_labels()[1]
    assert labels == ["second: training", "second: validation", "second: best epoch 2"]
    assert display.name == "first"


def test_looks_can_be_set():
    display = TrainingCurveDisplay.from_history([HISTORY, HISTORY])
    display.plot(
        train_kw={"c": "red", "ls": ":"},
        val_kw={"color": "green", "label": "mine"},
        band_kw={"alpha": 0.7},
        best_kw={"linewidth": 3},
    )
    training, validation = display.lines_["training"], display.lines_["validation"]
    assert (training.get_color(), training.get_linestyle()) == ("red", ":")
    assert (validation.get_color(), validation.get_label()) == ("green", "mine")
    assert display.bands_["training"].get_alpha() == 0.7
    assert mpl.colors.same_color(display.bands_["training"].get_facecolor()[0][:3], "red")
    assert display.best_.get_linewidth() == 3


def test_looks_of_a_validation_curve_can_be_set(curve):
    curve.plot(line_kw={"lw": 3}, fill_between_kw={"alpha": 0.5})
    assert all(line.get_linewidth() == 3 for line in curve.lines_)
    assert all(band.get_alpha() == 0.5 for band in curve.fill_between_)


def test_lines_differ_in_dashes_as_well_as_in_colour():
    parts = {"training": np.ones((3, 1)), "validation": np.ones((3, 1)), "test": np.ones((3, 1))}
    lines = TrainingCurveDisplay(curves=parts).plot().lines_.values()
    assert len({line.get_linestyle() for line in lines}) == 3
    assert len({line.get_color() for line in lines}) == 3


# ---------------------------------------------------------------------- training curves


def test_lines_are_means_over_folds_and_bands_their_deviation():
    display = TrainingCurveDisplay.from_history([{"loss": [3.0, 1.0]}, {"loss": [5.0, 2.0]}])
    np.testing.assert_allclose(display.lines_["training"].get_ydata(), [4.0, 1.5])
    np.testing.assert_array_equal(display.lines_["training"].get_xdata(), [1, 2])
    low, high = display.bands_["training"].get_paths()[0].get_extents().intervaly
    np.testing.assert_allclose([low, high], [1.5 - np.sqrt(0.5), 4 + np.sqrt(2)])


def heights(band):
    return band.get_paths()[0].get_extents().intervaly


def test_bands_of_losses_stay_above_zero_and_those_of_accuracies_below_one():
    losses = TrainingCurveDisplay.from_history([{"loss": [3.0, 0.1]}, {"loss": [5.0, 1.9]}])
    assert heights(losses.bands_["training"])[0] == 0.0
    history = [{"accuracy": [0.5, 0.99]}, {"accuracy": [0.9, 0.6]}]
    accuracies = TrainingCurveDisplay.from_history(history, metric="accuracy")
    assert heights(accuracies.bands_["training"])[1] == 1.0
    # A loss that is negative has no floor at 0.
    below = TrainingCurveDisplay.from_history([{"loss": [3.0, -0.1]}, {"loss": [5.0, 1.9]}])
    mean, deviation = 0.9, np.sqrt(2.0)
    assert heights(below.bands_["training"])[0] == pytest.approx(mean - deviation)


@pytest.mark.parametrize("n_epochs", [1, 2, 15, 100])
def test_epochs_start_at_one(n_epochs):
    display = TrainingCurveDisplay.from_history({"loss": np.linspace(2, 1, n_epochs).tolist()})
    low, high = sorted(display.ax_.get_xlim())
    ticks = [tick for tick in display.ax_.get_xticks() if low <= tick <= high]
    assert min(ticks) == 1
    assert all(tick == int(tick) for tick in ticks)
    display.ax_.set_xlim(20, 40)
    assert min(display.ax_.get_xticks()) > 1


def test_range_bands_go_from_least_to_greatest():
    display = TrainingCurveDisplay.from_history(
        [{"loss": [3.0, 1.0]}, {"loss": [5.0, 2.0]}], band="range"
    )
    low, high = display.bands_["training"].get_paths()[0].get_extents().intervaly
    assert (low, high) == (1.0, 5.0)


def test_a_single_fold_has_no_band():
    assert TrainingCurveDisplay.from_history(HISTORY).bands_ == {}


def test_a_fold_that_stopped_goes_on_at_the_epoch_that_it_kept():
    display = TrainingCurveDisplay(
        curves={"test": np.array([[4.0, 4.0], [3.0, 1.0], [2.0, 2.0], [1.0, np.nan]])},
        kept_epochs=[4, 2],
    ).plot()
    np.testing.assert_allclose(display.lines_["test"].get_ydata(), [4.0, 2.0, 2.0, 1.0])
    assert display.best_epoch == 4
    np.testing.assert_array_equal(display.stops_.get_xdata(), [4, 2])


def test_what_is_more_the_better_has_its_best_epoch_at_the_top():
    history = {"accuracy": [0.1, 0.2, 0.3], "val_accuracy": [0.5, 0.9, 0.7]}
    assert TrainingCurveDisplay.from_history(history, metric="accuracy").best_epoch == 2


def test_held_out_rows_decide_on_the_best_epoch_before_validation_rows():
    history = {"val_loss": [3.0, 2.0, 1.0], "test_loss": [3.0, 1.0, 2.0]}
    assert TrainingCurveDisplay.from_history(history).best_epoch == 2


def test_without_rows_to_judge_by_there_is_no_best_epoch():
    display = TrainingCurveDisplay.from_history({"loss": [2.0, 1.0]})
    assert display.best_epoch is None
    assert display.best_ is None


def test_a_diverged_fold_stays_at_its_last_finite_value():
    display = TrainingCurveDisplay.from_history([{"loss": [2.0, 1.0, np.nan]}, {"loss": [2.0] * 3}])
    np.testing.assert_allclose(display.lines_["training"].get_ydata(), [2.0, 1.5, 1.5])


def test_curves_of_a_cross_validation_are_those_of_the_result(result):
    display = TrainingCurveDisplay.from_cross_validation(result)
    assert list(display.lines_) == ["training", "test"]
    np.testing.assert_allclose(display.lines_["test"].get_ydata(), result.curve()["mean"])
    assert display.best_epoch == result.best_epoch
    mae = TrainingCurveDisplay.from_cross_validation(result, metric="mae")
    np.testing.assert_allclose(mae.lines_["training"].get_ydata(), result.curve("mae")["mean"])
    assert mae.ax_.get_ylabel() == "mae"


def test_curves_of_a_fit_show_where_early_stopping_went_back_to(fitted):
    display = TrainingCurveDisplay.from_estimator(fitted)
    assert list(display.lines_) == ["training", "validation"]
    np.testing.assert_allclose(display.lines_["training"].get_ydata(), fitted.history_["loss"])
    assert fitted.best_epoch_ < fitted.n_iter_ < fitted.epochs
    assert display.best_epoch == fitted.best_epoch_
    np.testing.assert_array_equal(display.stops_.get_xdata(), [fitted.best_epoch_])


def test_networks_are_found_inside_what_holds_them(diabetes):
    X, y = diabetes
    pipe = make_pipeline(StandardScaler(), MLPRegressor(**NETWORK))
    search = GridSearchCV(pipe, {"mlpregressor__dropout": [0.0, 0.1]}, cv=2).fit(X, y)
    best = search.best_estimator_[-1].history_["loss"]
    lines = TrainingCurveDisplay.from_estimator(search).lines_
    np.testing.assert_allclose(lines["training"].get_ydata(), best)
    bagging = BaggingRegressor(pipe, n_estimators=3, random_state=0).fit(X, y)
    assert TrainingCurveDisplay.from_estimator(bagging).curves["training"].shape == (4, 3)


def test_one_epoch_is_drawn_as_a_point():
    line = TrainingCurveDisplay.from_history({"loss": [1.0]}).lines_["training"]
    assert line.get_marker() == "o"


def test_unfitted_networks_and_others_are_refused():
    with pytest.raises(NotFittedError, match="Call its fit first"):
        TrainingCurveDisplay.from_estimator(make_pipeline(StandardScaler(), MLPRegressor()))
    with pytest.raises(ValueError, match=r"Ridge holds no network.*Expected a fitted MLP"):
        TrainingCurveDisplay.from_estimator(Ridge().fit([[0.0], [1.0]], [0.0, 1.0]))


def test_results_of_other_functions_are_refused(diabetes):
    scores = sklearn_cross_validate(Ridge(), *diabetes)
    with pytest.raises(TypeError, match=r"got a dict.*skdl\.model_selection\.cross_validate"):
        TrainingCurveDisplay.from_cross_validation(scores)
    with pytest.raises(ValueError, match="the estimator holds no network"):
        TrainingCurveDisplay.from_cross_validation(cross_validate(Ridge(), *diabetes))


def test_each_way_to_make_a_display_names_the_other_ones(result, fitted):
    with pytest.raises(TypeError, match="Use from_cross_validation"):
        TrainingCurveDisplay.from_estimator(result)
    for given in (result, fitted, None, "loss"):
        with pytest.raises(TypeError, match="from_estimator takes estimators"):
            TrainingCurveDisplay.from_history(given)
    with pytest.raises(TypeError, match="got the class MLPRegressor"):
        TrainingCurveDisplay.from_estimator(MLPRegressor)


def test_a_search_that_kept_no_network_says_why(diabetes):
    search = GridSearchCV(MLPRegressor(epochs=1), {"l2": [0.0]}, cv=2, refit=False)
    search.fit(*diabetes)
    with pytest.raises(NotFittedError, match=r"refit is False\. Pass refit=True"):
        TrainingCurveDisplay.from_estimator(search)


def test_networks_are_found_behind_calibration(iris):
    X, y = iris
    network = MLPClassifier(4, epochs=2, random_state=0)
    calibrated = CalibratedClassifierCV(network, cv=2).fit(X, y)
    assert TrainingCurveDisplay.from_estimator(calibrated).curves["training"].shape == (2, 2)


def test_unknown_metrics_and_bands_are_refused():
    with pytest.raises(ValueError, match=r"no curve of 'auc'.*\['loss', 'mae'\].*metrics="):
        TrainingCurveDisplay.from_history(HISTORY, metric="auc")
    with pytest.raises(InvalidParameterError, match=r"band='sd' is not.*'std', 'range', None"):
        TrainingCurveDisplay.from_history(HISTORY, band="sd")


# ---------------------------------------------------------------------- validation curves


def test_scores_are_those_of_scikit_learn(iris):
    X, y = iris
    pipe = make_pipeline(StandardScaler(), MLPClassifier(**NETWORK))
    values = [0.0, 0.5]
    display = ValidationCurveDisplay.from_estimator(
        pipe, X, y, param_name="dropout", param_range=values, cv=3
    )
    train, test = validation_curve(
        pipe, X, y, param_name="mlpclassifier__dropout", param_range=values, cv=3
    )
    np.testing.assert_allclose(display.train_scores, train, atol=1e-6)
    np.testing.assert_allclose(display.test_scores, test, atol=1e-6)
    assert display.ax_.get_xlabel() == "mlpclassifier__dropout"
    drawn = dict(zip(["train", "test"], display.lines_, strict=True))
    np.testing.assert_allclose(drawn["test"].get_ydata(), test.mean(axis=1), atol=1e-6)


def test_the_fits_of_all_values_train_together(iris):
    X, y = iris
    with lockstep() as session:
        ValidationCurveDisplay.from_estimator(
            MLPClassifier(**NETWORK), X, y, param_name="l2", param_range=[0.0, 0.1], cv=3
        )
    assert session.batches == [6]


def test_the_best_value_is_marked(display):
    if isinstance(display, ValidationCurveDisplay):
        assert display.best_index == 1
        assert display.best_.get_label() == "best: 0.0001"


def test_values_of_any_kind_stand_side_by_side():
    display = ValidationCurveDisplay(
        param_name="batch_norm",
        param_range=[None, "before_activation"],
        train_scores=np.ones((2, 2)),
        test_scores=np.array([[0.1, 0.1], [0.2, 0.2]]),
    ).plot()
    assert [label.get_text() for label in display.ax_.get_xticklabels()] == [
        "None",
        "before_activation",
    ]
    np.testing.assert_array_equal(display.lines_[0].get_xdata(), [0, 1])


@pytest.mark.parametrize(
    ("values", "scale"),
    [([0.0, 0.2, 0.4], "linear"), ([1, 10, 1000], "log"), ([0.0, 1e-4, 1e-2], "symlog")],
)
def test_scale_follows_from_the_values(values, scale):
    scores = np.ones((3, 2))
    display = ValidationCurveDisplay(
        param_name="x", param_range=values, train_scores=scores, test_scores=scores
    )
    assert display.plot().ax_.get_xscale() == scale


@pytest.mark.parametrize(
    ("style", "filled"),
    [("fill_between", "fill_between_"), ("errorbar", "errorbar_"), (None, None)],
)
def test_spread_styles_fill_the_attributes_of_scikit_learn(curve, style, filled):
    curve.plot(std_display_style=style)
    given = {name for name in ("fill_between_", "errorbar_") if getattr(curve, name) is not None}
    assert given == ({filled} if filled else set())
    assert (curve.lines_ is None) == (style == "errorbar")


def test_errors_are_drawn_the_right_way_up(diabetes):
    X, y = diabetes
    display = ValidationCurveDisplay.from_estimator(
        Ridge(), X, y, param_name="alpha", param_range=[0.1, 1.0],
        scoring="neg_mean_absolute_error", negate_score=True,
    )  # fmt: skip
    assert (display.lines_[1].get_ydata() > 0).all()
    np.testing.assert_allclose(display.lines_[1].get_ydata(), -display.test_scores.mean(axis=1))


@pytest.mark.parametrize("wrong", [{"std_display_style": "invalid"}, {"score_type": "invalid"}])
def test_unknown_styles_are_refused_in_the_words_of_scikit_learn(curve, wrong):
    with pytest.raises(ValueError, match=f"Unknown {next(iter(wrong))}: 'invalid'. Expected one"):
        curve.plot(**wrong)


def test_failed_values_leave_a_gap(iris):
    X, y = iris

    class Failing(DecisionTreeClassifier):
        def fit(self, X, y, sample_weight=None, check_input=True):
            if self.max_depth == 2:
                raise ValueError("no")
            return super().fit(X, y)

    with pytest.warns(FitFailedWarning, match="5 of 15 fits or scores failed"):
        display = ValidationCurveDisplay.from_estimator(
            Failing(), X, y, param_name="max_depth", param_range=[1, 2, 3]
        )
    assert np.isnan(display.lines_[1].get_ydata()).tolist() == [False, True, False]
    assert display.best_index == 2


def test_a_parameter_of_two_networks_must_be_named_in_full(iris):
    from sklearn.ensemble import VotingClassifier

    X, y = iris
    both = VotingClassifier([("a", MLPClassifier()), ("b", MLPClassifier())])
    assert isinstance(both, BaseEstimator)
    with pytest.raises(ValueError, match="Expected 'a__dropout' or 'b__dropout'"):
        ValidationCurveDisplay.from_estimator(
            both, X, y, param_name="dropout", param_range=[0.1], error_score="raise"
        )


@pytest.mark.parametrize(
    ("error", "param_name", "values", "words"),
    [
        (ValueError, "droput", [0.1], "no single parameter 'droput'.*'mlpclassifier__dropout'"),
        (ValueError, "mlpclassifier__droput", [0.1], "Expected 'mlpclassifier__dropout'"),
        (ValueError, "dropout", [], "param_range is empty"),
        (TypeError, "dropout", 0.1, "param_range=0.1 is no list"),
        (TypeError, "batch_norm", "none", "param_range='none' is no list"),
    ],
)
def test_what_cannot_be_varied_is_refused_before_any_fit(error, param_name, values, words, iris):
    pipe = make_pipeline(StandardScaler(), MLPClassifier())
    with pytest.raises(error, match=words):
        ValidationCurveDisplay.from_estimator(
            pipe, *iris, param_name=param_name, param_range=values
        )


def test_tuples_of_units_are_values(iris):
    tuples = [(4,), (4, 2)]
    display = ValidationCurveDisplay.from_estimator(
        MLPClassifier(epochs=1, random_state=0),
        *iris,
        param_name="hidden_units",
        param_range=tuples,
        cv=2,
    )
    assert list(display.param_range) == tuples
    assert [label.get_text() for label in display.ax_.get_xticklabels()] == ["(4,)", "(4, 2)"]


@pytest.mark.parametrize("values", [5, [], ["a"], [[1.0], [2.0]], None])
def test_what_is_no_curve_is_told(values):
    with pytest.raises(ValueError, match=r"history\['loss'\]=.* is no curve.*one for each epoch"):
        TrainingCurveDisplay.from_history({"loss": values})
