"""Reports: the right numbers at the right place, and a page that stands alone."""

import re
import warnings
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import log_loss, mean_absolute_error, r2_score
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

import skdl
from skdl import MLPClassifier, MLPRegressor
from skdl.exceptions import InvalidParameterError, NoImprovementWarning
from skdl.model_selection import (
    KFoldEnsembleClassifier,
    KFoldEnsembleRegressor,
    OptunaSearchCV,
    cross_validate,
)
from skdl.reporting._blocks import Items, Section, Table, Text
from skdl.reporting._curve_section import _spread_low_values, curve_section
from skdl.reporting._data_section import data_section
from skdl.reporting._numbers import number
from skdl.reporting._prediction_section import reliability, wilson_interval
from skdl.reporting._search_section import _placed, search_section
from skdl.reporting._subject import Subject

NETWORK = {"hidden_units": 4, "epochs": 3, "random_state": 0}


@pytest.fixture(scope="module")
def of_result(iris):
    network = make_pipeline(StandardScaler(), MLPClassifier(**NETWORK))
    return cross_validate(
        network, *iris, cv=3, return_train_score=True, return_predictions=True,
        scoring=["accuracy", "neg_log_loss"],
    )  # fmt: skip


@pytest.fixture(scope="module")
def of_search(iris):
    X, y = iris
    space = {"learning_rate": [0.01, 0.001], "dropout": [0.0, 0.2]}
    search = OptunaSearchCV(
        MLPClassifier(**NETWORK), space, n_trials=4, cv=2, random_state=0, pruner=None
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoImprovementWarning)
        return search.fit(X[:100], y[:100])


class Page(HTMLParser):
    """Checks that tags are closed, and gathers addresses and text."""

    EMPTY = frozenset({"meta", "br", "path", "use", "rect"})

    def __init__(self, page):
        super().__init__()
        self.open, self.addresses, self.words, self.ids = [], [], [], []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        if tag not in self.EMPTY:
            self.open.append(tag)
        self.addresses += [v for name, v in attrs if name in {"href", "src", "xlink:href"}]
        self.ids += [v for name, v in attrs if name == "id"]

    def handle_startendtag(self, tag, attrs):
        self.addresses += [v for name, v in attrs if name in {"href", "src", "xlink:href"}]
        self.ids += [v for name, v in attrs if name == "id"]

    def handle_endtag(self, tag):
        if tag not in self.EMPTY:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def titles(report):
    return [section.title for section in report.sections]


def tables(report, title):
    section = next(each for each in report.sections if each.title == title)
    return [block for block in section.blocks if isinstance(block, Table)]


def cells(table):
    return {row[0]: row[1:] for row in table.rows}


# ---------------------------------------------------------------------- the page


def test_the_page_stands_alone_and_is_well_formed(of_result, tmp_path):
    report = skdl.report(of_result)
    page = Page(report.html)
    assert page.addresses
    assert all(address.startswith("#") for address in page.addresses)
    assert {address[1:] for address in page.addresses} <= set(page.ids)
    assert len(set(page.ids)) == len(page.ids)
    assert not re.search(r"@import|url\((?!#)|<script|<img|<link", report.html)
    path = report.save(tmp_path / "page.html")
    assert path.read_text(encoding="utf-8") == report.html
    assert report.save(tmp_path / "page.md").read_text(encoding="utf-8") == report.markdown
    assert report._repr_html_() in report.html


def test_the_same_result_gives_the_same_page(of_result):
    assert skdl.report(of_result).html == skdl.report(of_result).html


def test_other_suffixes_are_refused(of_result, tmp_path):
    with pytest.raises(InvalidParameterError, match=r"ends in '\.pdf'\. Expected .*'\.html'"):
        skdl.report(of_result).save(tmp_path / "page.pdf")


def test_markdown_has_every_section_and_says_what_figures_show(of_result):
    report = skdl.report(of_result)
    text = report.markdown
    assert re.findall(r"(?m)^## (.*)$", text) == titles(report)
    assert "*Figure: loss by epoch" in text
    assert text.startswith("# Cross-validation of MLPClassifier\n")


def test_names_of_users_are_escaped():
    table = Table(("<b>", "n"), [("a|b<script>", "1")])
    assert "<script>" not in table.as_html()
    assert "a\\|b&lt;script&gt;" in table.as_markdown()
    assert "&lt;i&gt;" in Text("<i>").as_html()
    assert "&lt;i&gt;" in Items(["<i>"]).as_html()
    assert "&lt;i&gt;" in Section("<i>", ()).as_html()
    frame = pd.DataFrame({"<script>": [1, 1]})
    subject = Subject("estimator", None, LinearRegression(), frame)
    assert "<script>" not in data_section(subject).as_html()


# ---------------------------------------------------------------------- cross-validations


def test_scores_are_those_of_the_summary_beside_the_baseline(of_result):
    report = skdl.report(of_result)
    assert titles(report) == [
        "Scores", "Diagnosis", "Next", "Training curves", "Calibration and errors",
        "Parameters", "Data",
    ]  # fmt: skip
    summary = of_result.summary().loc["accuracy"]
    rows = cells(tables(report, "Scores")[0])
    assert rows["MLPClassifier"][0] == f"{summary.loc['MLPClassifier', 'mean']:.4g}"
    assert rows["baseline"][0] == f"{summary.loc['baseline', 'mean']:.4g}"
    assert dict(report.facts)["diagnosis"] == skdl.diagnose(of_result).headline.partition(":")[0]
    assert len(tables(report, "Scores")) == 2


def test_confusions_are_those_of_the_out_of_fold_predictions(of_result):
    table = of_result.predictions
    rows = cells(tables(skdl.report(of_result), "Calibration and errors")[0])
    for name in (0, 1, 2):
        expected = [
            ((table["y_true"] == name) & (table["y_pred"] == other)).sum() for other in (0, 1, 2)
        ]
        assert [int(cell) for cell in rows[str(name)][:3]] == expected


def test_without_predictions_it_says_how_to_have_them(iris):
    result = cross_validate(LogisticRegression(), *iris, cv=2)
    report = skdl.report(result)
    assert "return_predictions=True" in report.markdown
    assert "Parameters" not in titles(report)  # of a network


def test_the_score_of_no_scoring_says_what_it_is(iris, diabetes):
    report = skdl.report(cross_validate(LogisticRegression(), *iris, cv=2))
    assert next(name for name, _ in report.facts) == "accuracy, held out"
    report = skdl.report(cross_validate(LinearRegression(), *diabetes, cv=2))
    assert next(name for name, _ in report.facts) == "R², held out"
    assert "R² over 2 folds" in report.markdown


def test_what_was_automatic_is_named_where_no_network_was_kept(diabetes):
    model = MLPRegressor(4, epochs=2, batch_size="auto", random_state=0)
    report = skdl.report(cross_validate(model, *diabetes, cv=2))
    assert "Automatic: `batch_size`. Pass `return_estimator=True`" in report.markdown
    assert "not known" not in report.markdown


@pytest.mark.parametrize(
    ("values", "scale"),
    [([2.0, 1.5, 1.2, 1.0, 1.0], "linear"), ([9.0, 0.5, 0.2, 0.1, 0.1], "log")],
)
def test_curves_that_fall_far_at_first_get_powers_of_ten(values, scale):
    ax = Figure().add_subplot()
    ax.plot(range(1, 6), values)
    ax.axvline(3)
    _spread_low_values(ax)
    assert ax.get_yscale() == scale
    ax.plot(range(1, 6), [-each for each in values])
    ax.set_yscale("linear")
    _spread_low_values(ax)
    assert ax.get_yscale() == "linear"


# ---------------------------------------------------------------------- estimators


def test_scores_on_rows_that_were_passed(diabetes):
    X, y = diabetes
    model = MLPRegressor(**NETWORK).fit(X[:100], y[:100])
    report = skdl.report(model, X[100:], y[100:])
    rows = cells(tables(report, "Scores")[0])
    predicted = model.predict(X[100:])
    assert rows["R²"][0] == f"{r2_score(y[100:], predicted):.4g}".replace("-", "−")
    assert rows["MAE"][0] == f"{mean_absolute_error(y[100:], predicted):.4g}"
    assert rows["R²"][2] == "0"
    assert rows["RMSE"][2] == f"{y[100:].std():.4g}"
    assert "the scores are too good" in report.markdown
    assert "Residuals" in titles(report)


def test_the_baseline_of_probabilities_is_the_entropy_of_the_classes(breast_cancer):
    X, y = breast_cancer
    model = LogisticRegression(max_iter=1000).fit(X, y)
    rows = cells(tables(skdl.report(model, X, y), "Scores")[0])
    share = y.mean()
    entropy = -(share * np.log(share) + (1 - share) * np.log(1 - share))
    assert rows["log loss"][2] == f"{entropy:.4g}"
    assert rows["log loss"][0] == f"{log_loss(y, model.predict_proba(X)):.4g}"
    assert rows["ROC AUC"][2] == "0.5"
    low, high = map(float, rows["accuracy"][1].split(" to "))
    assert 0 <= low <= float(rows["accuracy"][0]) <= high <= 1


def test_without_rows_there_are_curves_and_advice(diabetes):
    model = MLPRegressor(**NETWORK).fit(*diabetes)
    report = skdl.report(model)
    assert "Training curves" in titles(report)
    assert "skdl.report(estimator, X_test, y_test)" in report.markdown
    assert "Data" not in titles(report)


def test_what_was_automatic_is_shown(diabetes):
    X, y = diabetes
    model = MLPRegressor.tabular(epochs=2, random_state=0).fit(X, y)
    set_by_user, automatic = tables(skdl.report(model), "Parameters")
    became = {name: value for name, (value,) in cells(automatic).items()}
    expected = {name: repr(value) for name, value in model.effective_params_.items()}
    assert became == expected
    assert cells(set_by_user)["epochs"] == ("2",)
    assert "learning_rate" in cells(set_by_user)
    assert "l2" not in cells(set_by_user)


# ---------------------------------------------------------------------- ensembles


def test_an_ensemble_is_judged_out_of_fold_on_its_own_rows(diabetes):
    X, y = diabetes
    ensemble = KFoldEnsembleRegressor(MLPRegressor(**NETWORK), cv=3, random_state=0).fit(X, y)
    report = skdl.report(ensemble, X, y)
    assert report.markdown.startswith("# Ensemble of MLPRegressor\n")
    rows = cells(tables(report, "Scores")[0])
    assert rows["R²"][0] == f"{ensemble.oof_score_:.4g}".replace("-", "−")
    assert "out-of-fold predictions of" in report.markdown
    assert [name for name, _ in report.facts][:2] == ["out-of-fold R²", "baseline"]
    other = skdl.report(ensemble, X[::-1], y)
    assert "rows that were passed" in skdl.report(ensemble, X[:50], y[:50]).markdown
    assert "Training curves" in titles(other)
    told = "but not the same in the same order. So all members predict each row"
    assert told in skdl.report(ensemble, X[::-1], y[::-1]).markdown
    assert told not in report.markdown
    assert told not in skdl.report(ensemble, X[:50], y[:50]).markdown


def test_an_ensemble_of_classifiers_with_text_labels(iris):
    X, y = iris
    labels = np.array(["setosa", "versicolor", "virginica"])[y]
    ensemble = KFoldEnsembleClassifier(MLPClassifier(**NETWORK), cv=3, random_state=0)
    ensemble.fit(X, labels)
    report = skdl.report(ensemble, X, labels)
    assert cells(tables(report, "Scores")[0])["accuracy"][0] == f"{ensemble.oof_score_:.4g}"
    assert set(cells(tables(report, "Calibration and errors")[0])) == set(labels)


# ---------------------------------------------------------------------- searches


def test_a_search_shows_its_trials_and_what_mattered(of_search, iris):
    X, y = iris
    report = skdl.report(of_search, X[100:], y[100:])
    assert "Search" in titles(report)
    best = tables(report, "Search")[-1]
    assert best.rows[0][1] == f"{of_search.best_score_:.4g}".replace("-", "−")
    assert set(best.header[2:]) <= {"learning_rate", "dropout"}
    text = report.markdown
    for figure in ("Score of each trial", "Importance of each", "Parameters of each trial"):
        assert f"*Figure: {figure}" in text
    assert dict(report.facts)["best score"] == f"{of_search.best_score_:.4g}"
    # Hovering over a point or a line tells its trial.
    number = of_search.cv_results_["trial_number"][of_search.best_index_]
    assert f"<title>trial {number}: {of_search.best_score_:.4g}; " in report.html


def test_searches_of_scikit_learn_are_reported_too(iris):
    search = GridSearchCV(LogisticRegression(max_iter=1000), {"C": [0.1, 1.0, 10.0]}, cv=3)
    report = skdl.report(search.fit(*iris))
    best = tables(report, "Search")[-1]
    assert best.header == ("trial", "score", "C")
    assert len(best.rows) == 3
    assert "Diagnosis" not in titles(report)


def test_a_search_without_refit_is_reported_by_its_trials(iris):
    search = OptunaSearchCV(
        MLPClassifier(**NETWORK), {"dropout": [0.0, 0.5]}, n_trials=2, cv=2, refit=False,
        random_state=0, pruner=None, start_trial=False,
    )  # fmt: skip
    assert "Search" in titles(skdl.report(search.fit(*iris)))


def test_parallel_coordinates_place_numbers_words_and_none():
    heights, ticks = _placed([1.0, 10.0, 100.0])
    assert heights == pytest.approx([0.0, 0.5, 1.0])
    assert [label for _, label in ticks] == ["1", "10", "100"]
    assert _placed([2, 3, 4])[0] == pytest.approx([0.0, 0.5, 1.0])
    assert _placed(["relu", "elu"])[0] == [1.0, 0.0]
    heights, ticks = _placed([None, 1.0, 2.0])
    assert heights == pytest.approx([0.0, 0.2, 1.0])
    assert ticks[0] == (0.0, "None")
    assert _placed([5, 5])[0] == [0.0, 0.0]


# ---------------------------------------------------------------------- what is left out, and why


def test_classes_that_fit_did_not_see_are_named(iris):
    X, y = iris
    known = np.flatnonzero(y < 2)
    model = LogisticRegression(max_iter=1000).fit(X[known], y[known])
    text = skdl.report(model, X, y).markdown
    assert text.count(
        "Predictions are left out: the targets hold a class that `fit` did not see: '2', in "
        "50 rows. It saw '0', '1'. Leave these rows out, or fit on rows of every class."
    ) == 2  # fmt: skip
    assert "The rows are not scored." in text
    assert "No rows were passed" not in text
    assert "| log loss |" not in text


def test_several_targets_are_said_not_to_be_shown(diabetes):
    X, y = diabetes
    both = np.column_stack([y, -y])
    report = skdl.report(LinearRegression().fit(X, both), X, both)
    assert f"for one target, and here are targets of shape {both.shape}." in report.markdown
    assert f"The targets, of shape {both.shape}, are not described" in report.markdown
    result = cross_validate(LinearRegression(), X, both, cv=2, return_predictions=True)
    text = skdl.report(result).markdown
    assert "for one target, and here are 2 targets." in text
    assert "Pass `return_predictions=True`" not in text


def test_rows_without_targets_are_said_to_lack_them(diabetes):
    X, y = diabetes
    text = skdl.report(LinearRegression().fit(X, y), X).markdown
    assert text.count("rows were passed without their targets. Pass both") == 2


def test_probabilities_that_are_missing_are_explained(iris):
    X, y = iris
    report = skdl.report(LinearSVC().fit(X, y), X, y)
    told = "left out: the estimator has no `predict_proba`."
    assert f"log loss and ROC AUC need probabilities, and are {told}" in report.markdown
    assert list(cells(tables(report, "Scores")[0])) == ["accuracy"]
    # Every fold lacks the class that it is to predict.
    by_class = np.argsort(y)
    result = cross_validate(
        GaussianNB(), X[by_class], y[by_class], cv=KFold(3), return_predictions=True
    )
    text = skdl.report(result).markdown
    assert "some folds had no row of '0', '1', '2' to train on. `StratifiedKFold`" in text


def test_a_table_of_too_many_classes_is_said_to_be_left_out():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(130, 2)), np.arange(130) % 13
    text = skdl.report(GaussianNB().fit(X, y), X, y).markdown
    assert "left out: 13 classes are more than the 12 that it has room for." in text
    assert "| true class |" not in text


def test_what_a_search_did_not_keep_or_know_is_explained(iris):
    search = OptunaSearchCV(
        MLPClassifier(**NETWORK), {"dropout": [0.0, 0.5]}, n_trials=1, cv=2, refit=False,
        random_state=0, pruner=None, start_trial=False,
    )  # fmt: skip
    X, y = iris
    text = skdl.report(search.fit(X, y), X, y).markdown
    assert "this OptunaSearchCV kept no estimator that predicts. Pass `refit=True`" in text
    assert "Training curves and the diagnosis are left out: no fitted network was kept." in text
    grid = GridSearchCV(GaussianNB(), {"var_smoothing": np.logspace(-9, -1, 12)}, cv=2)
    text = skdl.report(grid.fit(X, y)).markdown
    assert "Importances are left out: they are worked out from a study of Optuna" in text
    assert "The best trials; 2 more not shown" in text


def test_parameters_and_curves_that_are_not_drawn_are_counted(iris):
    X, y = iris
    params = {f"step__p{i}": [0, 1] for i in range(9)}
    results = {
        "params": [dict.fromkeys(params, i) for i in range(2)],
        "mean_test_score": np.array([0.5, 0.6]),
    }
    search = SimpleNamespace(cv_results_=results, refit=False)
    blocks = search_section(Subject("search", search, LinearRegression())).blocks
    assert any("2 more parameters differ between trials" in b.as_markdown() for b in blocks)
    metrics = ["accuracy", "mae", "mse", "AUC"]
    model = MLPClassifier(4, epochs=1, metrics=metrics, random_state=0).fit(X, y)
    blocks = curve_section(Subject("estimator", model, model)).blocks
    assert blocks[-1].as_markdown().startswith("Recorded too, but not drawn: `")


def test_rows_whose_twins_cannot_be_counted_say_so():
    frame = pd.DataFrame({"x": [1, 2], "tags": [["a"], ["b"]]})
    told = facts_of(frame)[0]["rows that repeat an earlier row"]
    assert told.startswith("not counted: duplicate_groups: the data hold cells that cannot be")


# ---------------------------------------------------------------------- data


def test_sequences_of_unequal_length_and_texts_have_facts_of_their_own():
    rng = np.random.default_rng(0)
    sequences = [rng.normal(size=(n, 2)) for n in (3, 5, 4)]
    sequences[1][0, 0] = np.nan
    assert facts_of([*sequences, sequences[0]])[0] == {
        "rows": "4",
        "steps of a sequence": "3 to 5, 3.75 on average",
        "numbers in a step": "2",
        "missing values": "1",
        "rows that repeat an earlier row": "1 (25 %)",
    }
    assert facts_of(["a bad film", "good"])[0] == {
        "rows": "2",
        "characters of a text": "4 to 10, 7 on average",
        "rows that repeat an earlier row": "none",
    }


def facts_of(X, y=None, *, estimator=None, groups=None):
    subject = Subject("estimator", None, estimator or LinearRegression(), X, y, groups)
    section = data_section(subject)
    facts = cells(next(block for block in section.blocks if isinstance(block, Table)))
    warnings = [b.text for b in section.blocks if isinstance(b, Text) and b.kind == "warning"]
    return {name: value for name, (value,) in facts.items()}, warnings


def test_rows_columns_gaps_and_duplicates_are_counted():
    frame = pd.DataFrame({
        "age": [1.0, np.nan, 3.0, 1.0],
        "name": ["a", None, "c", "a"],
        "day": pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-01"]),
        "same": [7, 7, 7, 7],
    })  # fmt: skip
    facts, warnings = facts_of(frame, groups=[0, 0, 0, 1])
    assert facts["rows"] == "4"
    assert facts["columns"] == "4 (2 of numbers, 1 of dates, 1 of categories and texts)"
    assert facts["missing values"] == "2 (12 % of the cells), in 1 row and 2 columns"
    assert facts["rows that repeat an earlier row"] == "1 (25 %)"
    assert facts["groups"] == "2, of 1 to 3 rows"
    assert any("Constant columns, which say nothing: same." in warning for warning in warnings)


def test_times_are_told_and_their_order():
    X, y = np.zeros((4, 2)), np.arange(4.0)
    network = MLPRegressor(2, epochs=1, random_state=0).fit(X, y)
    for time, order in (
        (["2026-01-02", "2026-01-02", "2026-01-03", "2026-01-09"], "in order of time"),
        (["2026-01-09", "2026-01-02", "2026-01-03", "2026-01-02"], "not in order of time"),
    ):
        text = skdl.report(network, X, y, groups=[0, 0, 1, 1], time=time).markdown
        assert "2026-01-02 00:00:00 to 2026-01-09 00:00:00, 3 distinct" in text
        assert f"| {order} |" in text
        assert "2, of 2 to 2 rows" in text
    with pytest.raises(ValueError, match=r"report: time is of shape \(3,\)"):
        skdl.report(network, X, y, time=[1, 2, 3])


def test_images_and_sparse_matrices_are_described():
    from scipy import sparse

    facts, _ = facts_of(np.zeros((3, 4, 5, 1), np.uint8))
    assert facts["shape of a row"] == "4 × 5 × 1"
    facts, _ = facts_of(sparse.csr_matrix(np.eye(4)))
    assert facts["cells that are not 0"] == "25 %"


def test_sorted_rows_are_told_of_and_shuffled_ones_are_not():
    X, y = load_iris(return_X_y=True)
    shuffled = np.random.default_rng(0).permutation(len(y))
    assert any("order of the rows" in w for w in facts_of(X, y, estimator=LogisticRegression())[1])
    told = facts_of(X[shuffled], y[shuffled], estimator=LogisticRegression())[1]
    assert not any("order of the rows" in warning for warning in told)
    walk = np.random.default_rng(0).normal(size=300).cumsum()
    assert any("order of the rows" in warning for warning in facts_of(walk[:, None], walk)[1])


def test_rows_in_the_order_of_a_date_are_told_of():
    frame = pd.DataFrame({"day": pd.date_range("2024-01-01", periods=5), "x": range(5)})
    assert any("in the order of day" in warning for warning in facts_of(frame)[1])


# ---------------------------------------------------------------------- numbers


def test_calibration_is_counted_by_bins():
    told = np.array([0.05, 0.05, 0.95, 0.95, 1.0])
    is_so = np.array([False, True, True, True, True])
    means, shares, errors, counts = reliability(told, is_so)
    assert counts.tolist() == [2, 3]
    assert means == pytest.approx([0.05, (0.95 * 2 + 1.0) / 3])
    assert shares == pytest.approx([0.5, 1.0])
    assert ((errors >= 0) & (errors <= 1)).all()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.000012345, "1.234e−05"), (-0.25, "−0.25"), (1234.56, "1,235"), (9999.4, "9,999"),
        (9999.6, "10,000"), (39_574.2, "39,570"), (-1_234_567, "−1,235,000"), (2.5e12, "2.5e+12"),
        (float("nan"), ""),
    ],
)  # fmt: skip
def test_numbers_have_four_digits_and_no_powers_of_ten_where_they_need_none(value, text):
    assert number(value) == text


def test_the_interval_of_a_share_is_wilsons():
    # Of 8 out of 10: Wilson (1927), by hand with z = 1.96.
    z2 = 1.959964**2
    centre = (0.8 + z2 / 20) / (1 + z2 / 10)
    half = 1.959964 * np.sqrt(0.8 * 0.2 / 10 + z2 / 400) / (1 + z2 / 10)
    assert wilson_interval(8, 10) == pytest.approx((centre - half, centre + half))
    assert wilson_interval(10, 10)[1] == pytest.approx(1.0)
    assert wilson_interval(0, 10)[0] == pytest.approx(0.0, abs=1e-12)


# ---------------------------------------------------------------------- the door


@pytest.mark.parametrize("given", [{"test_score": [1.0]}, MLPClassifier, 3, None])
def test_what_cannot_be_reported_is_refused(given):
    with pytest.raises(TypeError, match=r"report: got .*Expected a fitted estimator"):
        skdl.report(given)


def test_unfitted_estimators_are_refused():
    with pytest.raises(NotFittedError):
        skdl.report(MLPClassifier())
