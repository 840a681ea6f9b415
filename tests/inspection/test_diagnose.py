"""Diagnosis: constructed cases of which the answer is known, and the rules one by one."""

import inspect
import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_circles, make_moons
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skdl
from skdl import MLPClassifier, MLPRegressor
from skdl.exceptions import InvalidParameterError
from skdl.inspection import Diagnosis, Finding, diagnose
from skdl.inspection._diagnosis import CODES
from skdl.inspection._loss_floor import entropy_of_smoothed_labels
from skdl.inspection._remedies import remedies_for, remedies_of
from skdl.inspection._shape import fall_at_end, jitter, mean_of, rise_after_best
from skdl.model_selection import cross_validate
from tests.checks import slow_case

DOCS = Path(__file__).resolve().parents[2] / "docs"

# ---------------------------------------------------------------------- constructed cases


def circles(seed, n_rows=300, noise=0.05):
    return make_circles(n_rows, noise=noise, factor=0.4, random_state=seed)


def underfit(seed):
    """A linear model of two half moons, which lie in each other: 87 % where 100 % is possible."""
    X, y = make_moons(400, noise=0.05, random_state=seed)
    return MLPClassifier(hidden_layers=0, epochs=60, learning_rate=0.05, random_state=seed), X, y


def overfit(seed):
    """More weights than 120 rows can determine, most features noise, nothing to hold it back."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(120, 30))
    y = (2 * X[:, 0] + X[:, 1] + rng.normal(size=120) > 0).astype(int)
    return MLPClassifier(64, epochs=60, learning_rate=0.005, random_state=seed), X, y


def good(seed):
    """Two circles apart, and a network that can bend around them."""
    X, y = circles(seed)
    return MLPClassifier(32, epochs=60, learning_rate=0.01, random_state=seed), X, y


def noisy(seed):
    """Steps so large that the loss jumps about instead of settling."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(300, 5))
    y = X @ [1.0, -1.0, 0.5, 0.0, 0.0] + np.abs(X[:, 3]) + rng.normal(0, 0.3, 300)
    rates = {"learning_rate": 0.1, "batch_size": 8}
    return MLPRegressor(16, epochs=40, **rates, random_state=seed), X, y


def too_early(seed):
    """What `good` is, ended after a few of its epochs."""
    network, X, y = good(seed)
    return network.set_params(epochs=8, learning_rate=0.002), X, y


def hopeless(seed):
    """Labels that have nothing to do with the features."""
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(200, 5)), rng.integers(0, 2, 200)
    return MLPClassifier(16, epochs=20, random_state=seed), X, y


# What must be found, and what else may be.
CASES = {
    "bias": (underfit, set()),
    "variance": (overfit, {"trained_too_long"}),
    "good": (good, set()),
    "noisy": (noisy, {"bias", "variance"}),
    "stopped_too_early": (too_early, {"bias"}),
    "no_better_than_baseline": (hopeless, {"bias", "variance", "trained_too_long"}),
}


def diagnosed(kind, seed):
    network, X, y = CASES[kind][0](seed)
    result = cross_validate(network, X, y, return_train_score=True)
    return diagnose(result)


def check_case(kind, seed):
    found = diagnosed(kind, seed)
    allowed = CASES[kind][1]
    assert kind in found.kinds, found
    assert set(found.kinds) <= {kind} | allowed, found
    if kind in {"bias", "variance", "good", "no_better_than_baseline"}:
        assert found.kinds[0] == kind, found


@pytest.mark.parametrize("kind", [slow_case(kind) if kind == "noisy" else kind for kind in CASES])
def test_constructed_cases_are_told_apart(kind):
    check_case(kind, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 3))
@pytest.mark.parametrize("kind", CASES)
def test_constructed_cases_are_told_apart_on_other_seeds(kind, seed):
    check_case(kind, seed)


# ---------------------------------------------------------------------- made results


class Made(dict):
    """What `diagnose` reads of a cross-validation, with numbers of our choice."""

    def __init__(self, test, train=None, curves=None, *, baseline=0.5, metric="accuracy",
                 others=None, p_value=0.001, kept=None, network=None):  # fmt: skip
        super().__init__({f"test_{metric}": np.array(test)})
        if train is not None:
            self[f"train_{metric}"] = np.array(train)
        self.metrics, self.scoring = [metric], None
        self.unfitted_estimator = MLPClassifier(dropout=0.3) if network is None else network
        self.data = np.zeros((6, 1)), np.array([0, 1, 2] * 2)
        n_folds = len(test)
        curves = {"loss": [[1.0, 0.5, 0.5]], "test_loss": [[1.0, 0.5, 0.5]]} | (curves or {})
        self.histories = pd.DataFrame(
            [
                (0, fold, epoch, name, value)
                for name, values in curves.items()
                for fold in range(n_folds)
                for epoch, value in enumerate(values[fold % len(values)], 1)
            ],
            columns=["iteration", "fold", "epoch", "metric", "value"],
        )
        lengths = [len(curves["loss"][fold % len(curves["loss"])]) for fold in range(n_folds)]
        self.folds = pd.DataFrame(
            {
                "iteration": 0, "fold": range(n_folds), "n_train": 80, "n_test": 20,
                "n_epochs": lengths, "kept_epoch": kept or lengths,
            }
        )  # fmt: skip
        rows = [(metric, "MLPClassifier", np.mean(test), np.nan, np.nan)]
        rows.append((metric, "baseline", baseline, baseline - np.mean(test), p_value))
        for name, (mean, p) in (others or {}).items():
            rows.append((metric, name, mean, mean - np.mean(test), p))
        columns = ["metric", "estimator", "mean", "difference", "p_value"]
        self._summary = pd.DataFrame(rows, columns=columns).set_index(["metric", "estimator"])

    def summary(self):
        return self._summary


def finding(diagnosis, kind):
    return next(found for found in diagnosis.findings if found.kind == kind)


def test_bias_is_measured_to_the_score_to_reach_as_a_share_of_what_is_to_be_gained():
    made = Made(test=[0.7, 0.7, 0.7], train=[0.75, 0.75, 0.75])
    found = diagnose(made, target_score=0.9)
    bias, variance = found.findings
    assert (bias.kind, variance.kind) == ("bias", "variance")
    assert bias.numbers["size"] == pytest.approx((0.9 - 0.75) / (0.9 - 0.5))
    assert variance.numbers["size"] == pytest.approx((0.75 - 0.7) / (0.9 - 0.5))
    assert bias.numbers["share"] == pytest.approx(0.75)
    assert "dominates, with 75%" in bias.text


def test_without_a_score_to_reach_bias_may_be_noise():
    found = diagnose(Made(test=[0.8] * 3, train=[0.8] * 3))
    assert found.kinds == ("bias",)
    assert "noise that nothing could predict: pass target_score" in found.findings[0].text


def test_a_better_contender_stands_in_for_the_score_to_reach():
    made = Made(test=[0.8] * 3, train=[0.8] * 3, others={"forest": (0.82, 0.01)})
    assert "short of forest by 6%" in finding(diagnose(made), "bias").text
    by_chance = Made(test=[0.8] * 3, train=[0.8] * 3, others={"forest": (0.82, 0.2)})
    assert "forest" not in finding(diagnose(by_chance), "bias").text


def test_a_score_that_is_reached_is_good():
    found = diagnose(Made(test=[0.8] * 3, train=[0.95] * 3), target_score=0.8)
    assert found.kinds == ("good",)
    assert "The 0.8 that was to be reached is reached" in found.findings[0].text


def test_errors_are_read_with_the_sign_of_scikit_learn():
    made = Made(test=[-3.0] * 3, train=[-1.0] * 3, baseline=-4.0, metric="neg_mean_absolute_error")
    found = diagnose(made, target_score=-2.0)
    assert found.kinds == ("variance",)
    assert found.findings[0].numbers["size"] == pytest.approx((3 - 1) / (4 - 2))


def test_a_root_mean_squared_error_is_squared():
    made = Made(
        test=[-2.0] * 3, train=[-1.0] * 3, baseline=-4.0, metric="neg_root_mean_squared_error"
    )
    assert finding(diagnose(made), "bias").numbers["size"] == pytest.approx(1 / 16)
    assert finding(diagnose(made), "variance").numbers["size"] == pytest.approx(3 / 16)


def test_a_gap_within_its_standard_error_is_no_variance():
    spread = Made(test=[1.0, 0.8, 1.0, 0.8], train=[1.0] * 4)
    even = Made(test=[0.9] * 4, train=[1.0] * 4)
    assert "variance" in diagnose(even).kinds
    # Deviation 0.115, so the corrected error is 0.115 * sqrt(1/4 + 20/80) = 0.082 < 0.1.
    assert "variance" in diagnose(spread).kinds
    wider = Made(test=[1.0, 0.6, 1.0, 1.0], train=[1.0] * 4)
    # Deviation 0.2, error 0.141 > 0.1.
    assert "variance" not in diagnose(wider).kinds


@pytest.mark.parametrize(
    ("baseline", "p_value", "is_better"),
    [(0.7, 0.09, True), (0.7, 0.11, False), (0.9, 0.001, False), (0.7, math.nan, True)],
)
def test_better_than_the_baseline_needs_a_one_sided_test(baseline, p_value, is_better):
    made = Made(test=[0.8] * 3, train=[0.8] * 3, baseline=baseline, p_value=p_value)
    assert ("no_better_than_baseline" not in diagnose(made).kinds) == is_better


def test_without_training_scores_losses_stand_for_errors_and_the_notes_say_so():
    curves = {"loss": [[1.0, 0.4, 0.1]], "test_loss": [[1.0, 0.8, 0.8]]}
    found = diagnose(Made(test=[0.8] * 3, curves=curves))
    assert finding(found, "variance").numbers["size"] == pytest.approx(0.7)
    assert any("return_train_score=True" in note for note in found.notes)
    assert any("with dropout on" in note for note in found.notes)


def test_a_loss_that_rises_after_its_best_was_trained_too_long():
    curves = {"test_loss": [[1.0, 0.5, 0.6], [1.0, 0.5, 0.7]], "loss": [[1.0, 0.5, 0.1]]}
    found = diagnose(Made(test=[0.8] * 4, train=[0.8] * 4, curves=curves))
    numbers = finding(found, "trained_too_long").numbers
    assert numbers["rise"] == pytest.approx(0.65 / 0.5 - 1)
    assert numbers["best_epoch"] == 2


def test_weights_brought_back_were_not_trained_too_long():
    curves = {"test_loss": [[1.0, 0.5, 0.7]], "loss": [[1.0, 0.5, 0.1]]}
    made = Made(test=[0.8] * 3, train=[0.8] * 3, curves=curves, kept=[2, 2, 2])
    assert "trained_too_long" not in diagnose(made).kinds


# ---------------------------------------------------------------------- the lowest loss

UNIFORM = -math.log(1 / 3)


@pytest.mark.parametrize(("smoothing", "n_classes"), [(0.15, 3), (0.2, 2), (0.0, 4)])
def test_the_lowest_loss_with_smoothed_labels_is_that_of_keras(smoothing, n_classes):
    import keras

    labels = np.eye(n_classes)
    perfect = labels * (1 - smoothing) + smoothing / n_classes
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=smoothing)
    expected = float(loss(labels, perfect))
    assert entropy_of_smoothed_labels(smoothing, n_classes) == pytest.approx(expected, abs=1e-6)


def test_a_loss_at_the_floor_of_smoothed_labels_is_no_bias():
    floor = -(0.9 * math.log(0.9) + 0.1 * math.log(0.05))
    network = MLPClassifier(label_smoothing=0.15)
    curves = {"loss": [[UNIFORM, floor]], "test_loss": [[UNIFORM, floor]]}
    found = diagnose(Made(test=[0.99] * 3, curves=curves, network=network), ignore="SKDL-E1")
    assert found.kinds == ("good",)
    assert found.scores["lowest possible loss"] == pytest.approx(floor)
    above = floor + 0.3
    curves = {"loss": [[UNIFORM, above]], "test_loss": [[UNIFORM, above]]}
    found = diagnose(Made(test=[0.9] * 3, curves=curves, network=network))
    bias = finding(found, "bias")
    assert bias.numbers["size"] == pytest.approx(0.3 / (UNIFORM - floor))
    assert "short of the lowest possible (label_smoothing=0.15)" in bias.text


def test_penalties_of_a_cross_validation_are_not_known_and_the_notes_say_so():
    found = diagnose(Made(test=[0.9] * 3, network=MLPClassifier(l2=0.01)))
    assert any("hold the penalties of l2" in note for note in found.notes)
    assert "lowest possible loss" not in found.scores


def test_penalties_of_a_fitted_network_are_no_bias(iris):
    network = MLPClassifier(4, epochs=2, l2=0.05, l1=0.01, random_state=0).fit(*iris)
    weights = [w for w in network.model_.get_weights() if w.ndim == 2]
    penalty = sum(0.05 * (w**2).sum() + 0.01 * np.abs(w).sum() for w in weights)
    found = diagnose(network)
    assert found.scores["lowest possible loss"] == pytest.approx(penalty, rel=1e-5)
    assert "(l1=0.01 and l2=0.05)" in finding(found, "bias").text


# ---------------------------------------------------------------------- codes


def test_codes_are_what_they_were():
    assert CODES == {
        "no_better_than_baseline": "SKDL-N1",
        "bias": "SKDL-B1",
        "variance": "SKDL-V1",
        "stopped_too_early": "SKDL-E1",
        "trained_too_long": "SKDL-E2",
        "noisy": "SKDL-E3",
        "good": "SKDL-G1",
    }
    assert set(CODES) == {*CASES, "trained_too_long"}


@pytest.mark.parametrize("code", CODES.values())
def test_every_code_has_a_section_of_its_own(code):
    page = (DOCS / "diagnosis.rst").read_text(encoding="utf-8")
    assert f"\n.. _{code.lower()}:\n\n{code}\n{'-' * len(code)}\n" in page
    assert code in inspect.getdoc(diagnose)


def test_messages_link_to_the_section_of_their_code(monkeypatch):
    monkeypatch.setenv("SKDL_DOCS_URL", "https://example.org/skdl/")
    found = diagnose(Made(test=[0.7] * 3, train=[1.0] * 3))
    address = "https://example.org/skdl/diagnosis.html"
    assert found.findings[0].link == f"{address}#skdl-v1"
    assert f"What a code means: {address}" in repr(found)
    assert f'<a href="{address}#skdl-v1">SKDL-V1</a>' in found._repr_html_()
    monkeypatch.setenv("SKDL_DOCS_URL", "")
    assert found.findings[0].link == ""
    assert "(SKDL-V1)" in repr(found)
    assert "href" not in found._repr_html_()


@pytest.mark.parametrize("ignore", ["SKDL-V1", "variance", ["SKDL-V1"], {"variance", "SKDL-E3"}])
def test_ignored_findings_are_left_out_and_the_notes_say_so(ignore):
    made = Made(test=[0.7] * 3, train=[0.75] * 3)
    assert diagnose(made).kinds == ("bias", "variance")
    found = diagnose(made, ignore=ignore)
    assert found.kinds == ("bias",)
    assert "Found, and left out as ignore asks: SKDL-V1 (variance)." in found.notes


def test_where_all_is_ignored_the_fit_is_not_praised():
    found = diagnose(Made(test=[0.7] * 3, train=[1.0] * 3), ignore="SKDL-V1")
    assert found.kinds == ("good",)
    assert found.headline == "Good fit: nothing was found but what is ignored."


@pytest.mark.parametrize(
    ("ignore", "message"),
    [
        ("SKDL-V2", r"ignore holds 'SKDL-V2'.*Expected codes such as 'SKDL-V1'.*Did you mean"),
        (["SKDL-V1", "varianc"], r"ignore holds 'varianc'.*Did you mean 'variance'"),
        (3, "ignore=3 is no list"),
    ],
)
def test_unknown_codes_are_refused(ignore, message):
    with pytest.raises(InvalidParameterError, match=message):
        diagnose(Made(test=[0.7] * 3), ignore=ignore)


def test_the_headline_comes_before_the_numbers():
    found = diagnose(Made(test=[0.7] * 3, train=[1.0] * 3))
    assert found.headline.startswith("Variance: the training score is 1, the held-out score 0.7:")
    lines = repr(found).splitlines()
    assert lines[2].startswith("1. Variance: the training score is 1")
    assert "held-out score" in repr(found).split("Try:", 1)[1]


# ---------------------------------------------------------------------- shapes of curves


@pytest.mark.parametrize("rate", [0.5, 1.0, 2.0, 3.0, 3.3, 3.4, 4.0, 6.0])
def test_over_three_percent_of_an_exponential_fall_is_to_come_where_it_stopped_too_early(rate):
    curve = np.exp(-rate * np.linspace(0, 1, 100))
    to_come = curve[-1] / (curve[0] - curve[-1])
    if fall_at_end(curve) > 0.05:
        assert to_come > 0.03
    else:
        assert to_come < 0.05


def test_fall_at_end_compares_the_last_two_fifths():
    assert fall_at_end(np.array([10.0, 8, 6, 4, 2])) == pytest.approx(2 / 8)
    assert fall_at_end(np.array([1.0, 2, 3, 4, 5])) == 0.0
    assert math.isnan(fall_at_end(np.array([1.0])))


def test_jitter_sees_noise_and_no_trend():
    rng = np.random.default_rng(0)
    level = np.full(2000, 2.0)
    assert jitter(level + rng.normal(0, 0.2, 2000)) == pytest.approx(0.1, rel=0.1)
    assert jitter(np.linspace(10, 1, 50)) == pytest.approx(0, abs=1e-12)
    assert math.isnan(jitter(np.ones(10)))


def test_jitter_of_a_loss_next_to_zero_is_measured_by_where_it_began():
    curve = np.r_[1.0, np.tile([1e-4, 2e-4], 20)]
    assert jitter(curve) < 0.01


def test_the_mean_over_folds_has_the_corrected_error():
    mean = mean_of([1.0, 2.0, 3.0, np.nan], ratio=0.25)
    assert mean.value == 2.0
    assert mean.error == pytest.approx(math.sqrt(1 / 3 + 0.25))
    assert mean.exceeds(1.0)
    assert not mean.exceeds(2.0)
    assert not mean_of([-1.0, 2.0, 3.0], 0.25).exceeds(0.0)
    assert mean_of([2.0], 0.25).exceeds(1.0)
    assert rise_after_best(1.1, 1.0) == pytest.approx(0.1)


# ---------------------------------------------------------------------- fitted estimators


def test_a_fitted_network_is_judged_by_its_curves(iris):
    X, y = iris
    network = MLPClassifier(8, epochs=6, early_stopping=True, random_state=0).fit(X, y)
    found = diagnose(make_pipeline(StandardScaler(), network))
    assert "stopped_too_early" in found.kinds
    assert "bias" in found.kinds
    assert found.scores["validation loss"] == pytest.approx(min(network.history_["val_loss"]))
    assert any("no baseline" in note for note in found.notes)


def test_a_network_that_learns_all_in_its_first_epoch_is_not_called_biased(iris):
    X, y = iris
    network = MLPClassifier(8, epochs=6, early_stopping=True, random_state=0).fit(X, y)
    network.history_ = {
        "loss": [0.3, 0.0021, 0.0020, 0.0020, 0.0020, 0.0020],
        "val_loss": [0.0025, 0.0021, 0.0021, 0.0021, 0.0021, 0.0021],
    }
    assert "bias" not in diagnose(network).kinds


def test_a_fitted_network_without_validation_rows_says_what_is_missing(iris):
    network = MLPClassifier(8, epochs=6, random_state=0).fit(*iris)
    found = diagnose(network)
    assert "variance" not in found.kinds
    assert any("early_stopping=True or X_val" in note for note in found.notes)


def test_metrics_of_the_history_can_be_asked_for(iris):
    network = MLPClassifier(8, epochs=6, metrics="accuracy", random_state=0)
    network.set_params(early_stopping=True).fit(*iris)
    found = diagnose(network, target_score=0.1, metric="accuracy")
    assert found.kinds[0] == "good"
    with pytest.raises(ValueError, match=r"metric='auc' is not in the history.*'accuracy'"):
        diagnose(network, metric="auc")


def test_bad_input_is_told_at_the_door(diabetes):
    with pytest.raises(NotFittedError, match="Call its fit first"):
        diagnose(MLPRegressor())
    with pytest.raises(ValueError, match="holds no network of skdl"):
        diagnose(Ridge())
    result = cross_validate(Ridge(), *diabetes, return_train_score=True)
    with pytest.raises(ValueError, match=r"metric='r2' was not scored.*\['score'\]"):
        diagnose(result, metric="r2")
    with pytest.raises(InvalidParameterError, match="target_score='high'"):
        diagnose(result, target_score="high")
    for scores in (dict(result), {"loss": [1.0]}):
        with pytest.raises(TypeError, match=r"got a dict.*skdl\.model_selection\.cross_validate"):
            diagnose(scores)


@pytest.mark.parametrize(
    ("metric", "target", "meant"),
    [("accuracy", 95, "0.95"), ("r2", 1.5, "0.9"), ("neg_root_mean_squared_error", 50, "-50")],
)
def test_a_score_that_nothing_can_reach_is_refused(metric, target, meant):
    sign = -1 if metric.startswith("neg_") else 1
    made = Made(test=[sign * 0.7] * 2, train=[sign * 0.8] * 2, metric=metric)
    with pytest.raises(ValueError, match=f"never above [01].*such as {meant}"):
        diagnose(made, target_score=target)


def test_a_percentage_is_suspected_where_the_scorer_has_no_name():
    made = Made(test=[0.7] * 2, train=[0.8] * 2, metric="score")
    assert any("target_score=0.95" in note for note in diagnose(made, target_score=95).notes)
    assert not any("percentage" in note for note in diagnose(made, target_score=0.95).notes)
    own = Made(test=[70.0] * 2, train=[80.0] * 2, metric="score")
    assert not any("percentage" in note for note in diagnose(own, target_score=95).notes)


def test_estimators_without_a_network_are_judged_by_their_scores(diabetes):
    result = cross_validate(Ridge(), *diabetes, return_train_score=True)
    found = diagnose(result)
    assert "bias" in found.kinds
    assert any("nothing can be said of the curves" in note for note in found.notes)


# ---------------------------------------------------------------------- looks and remedies


def test_remedies_name_the_parameters_and_their_values():
    found = diagnose(Made(test=[0.7] * 3, train=[1.0] * 3))
    remedies = finding(found, "variance").remedies
    assert remedies[0] == "more dropout, up to 0.5 (now 0.3)"
    assert remedies[1].startswith("l2=1e-4 to 1e-2 (now 0)")
    assert remedies[-1] == "more rows to train on (now 80)"
    found = diagnose(Made(test=[0.7] * 3, train=[0.7] * 3))
    remedies = finding(found, "bias").remedies
    assert remedies[0] == ("a bigger network: hidden_units=256, hidden_layers=3 (now 128 and 2)")
    assert remedies[1] == "longer training: epochs=200 (now 100)"
    assert remedies[2] == "less of dropout (now 0.3)"


@pytest.mark.parametrize(
    ("patience", "epochs", "is_told"),
    [(5, 100, True), (100, 100, False), (200, 8, False), (5, "auto", True), (256, "auto", False)],
)
def test_more_patience_is_no_remedy_where_it_ends_no_training(patience, epochs, is_told):
    network = MLPClassifier(epochs=epochs, early_stopping=True, patience=patience)
    remedies = remedies_for("stopped_too_early", network, None)
    assert any(remedy.startswith("more patience") for remedy in remedies) is is_told


def words_of(remedies):
    return {kind: " ".join(texts) for kind, texts in remedies.items()}


@pytest.mark.parametrize(
    ("kinds", "present", "absent"),
    [
        # The larger gap rules.
        (("variance", "bias"), "smaller", "bigger"),
        (("bias", "variance"), "bigger", "smaller"),
        (("bias", "variance"), "less of dropout", "more dropout"),
        (("bias", "variance"), "longer training", "early stopping"),
        # Of the length of training the curves know more than the gap, whatever comes first.
        (("variance", "stopped_too_early"), "longer training", "fewer epochs"),
        (("bias", "trained_too_long"), "fewer epochs", "longer training"),
        # A gap knows more of the network's size than that it is no better than the baseline.
        (("no_better_than_baseline", "variance"), "a smaller network", "a bigger network"),
        (("no_better_than_baseline", "noisy"), "a lower learning rate", "another learning rate"),
    ],
)
def test_remedies_never_contradict_each_other(kinds, present, absent):
    network = MLPClassifier(dropout=0.3)
    alone = " ".join(" ".join(remedies_for(kind, network, 100)) for kind in kinds)
    assert present in alone
    assert absent in alone
    remedies, is_complete = remedies_of(kinds, network, 100)
    together = " ".join(words_of(remedies).values())
    assert present in together
    assert absent not in together
    assert not is_complete


def test_what_is_left_out_is_said():
    both = diagnose(Made(test=[0.7] * 3, train=[0.75] * 3))
    assert any("contradict those of a more important finding" in note for note in both.notes)
    assert finding(both, "variance").remedies == ("more rows to train on (now 80)",)
    alone = diagnose(Made(test=[0.7] * 3, train=[1.0] * 3))
    assert not any("contradict" in note for note in alone.notes)


def test_remedies_leave_out_what_is_there_already():
    network = MLPRegressor(dropout=0.5, l2=0.01, learning_rate_schedule="cosine")
    advice = " ".join(remedies_for("variance", network, 100))
    assert "dropout" not in advice
    assert "l2" not in advice
    assert "rate that falls" not in " ".join(remedies_for("noisy", network, 100))
    advice = " ".join(remedies_for("noisy", MLPRegressor(), 100))
    assert 'learning_rate_schedule="cosine"' in advice


def test_text_and_html_hold_every_finding_and_escape_it():
    found = Diagnosis(
        "Diagnosis of <b>",
        {"training score": 0.5},
        (Finding("bias", "a < b", {"size": 0.2}, ("more & more",)), Finding("noisy", "c", {})),
        ("a note",),
    )
    assert found.kinds == ("bias", "noisy")
    text = repr(found)
    for words in ("training score", "1. Bias: a < b", "Try: more & more", "2. Noisy", "a note"):
        assert words in text
    page = found._repr_html_()
    for words in ("&lt;b&gt;", "a &lt; b", "more &amp; more", "<ol", "a note"):
        assert words in page


def test_it_is_a_public_name_at_the_top():
    assert skdl.diagnose is diagnose


def test_what_the_underfit_case_misses_can_be_learnt():
    _, X, y = underfit(0)
    forest = cross_validate(RandomForestClassifier(random_state=0), X, y, baseline=False)
    assert forest["test_score"].mean() > 0.97


def test_remedies_name_no_present_value_of_what_follows_the_rows():
    network = MLPRegressor.tabular()
    for kind in ("bias", "variance", "noisy"):
        advice = " ".join(remedies_for(kind, network, 100))
        assert "auto" not in advice
    assert "a smaller network" in remedies_for("variance", network, 100)


@pytest.mark.parametrize(
    ("network", "bigger", "smaller"),
    [
        (
            skdl.RNNRegressor(),
            "units=64, layers=2 (now 32 and 1)",
            "units=16 (now 32)",
        ),
        (skdl.RNNClassifier(units=(32, 16)), "units=(64, 32) (now (32, 16))", "units=(16, 8)"),
        (
            skdl.TransformerClassifier(width=12),
            "width=24, n_blocks=3 (now 12 and 2)",
            "width=8 (now 12)",  # four heads
        ),
        (skdl.CNN1DRegressor(), "filters=128, layers=4 (now 64 and 3)", "filters=32"),
        (skdl.CNNClassifier(), "hidden_units=256, hidden_layers=2", "hidden_units=64"),
        (skdl.TextRegressor(), "embedding_dim=64, hidden_layers=1", "embedding_dim=16"),
        (skdl.PretrainedCNNClassifier(), "hidden_units=256, hidden_layers=2", "hidden_units=64"),
        (skdl.KerasRegressor(), "a bigger network", "a smaller network"),
    ],
)
def test_every_network_is_told_its_own_size(network, bigger, smaller):
    assert bigger in remedies_for("bias", network, 100)[0]
    assert smaller in " ".join(remedies_for("variance", network, 100))
    for kind in CODES:
        for name in re.findall(r"(\w+)=", " ".join(remedies_for(kind, network, 100))):
            known = isinstance(network, skdl.KerasRegressor) or name in network.get_params()
            assert known | (name == "n_iterations"), name


def test_a_network_of_one_unit_cannot_be_smaller():
    assert "smaller" not in " ".join(remedies_for("variance", skdl.RNNClassifier(units=1), 9))


def test_dropout_inside_a_recurrent_network_is_among_what_to_lessen():
    advice = " ".join(remedies_for("bias", skdl.RNNClassifier(recurrent_dropout=0.25), 100))
    assert "less of recurrent_dropout (now 0.25)" in advice
