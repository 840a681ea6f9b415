"""Bad input is told at the door: what was wrong, what was expected, what to do."""

import warnings

import keras
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse
from sklearn.exceptions import DataConversionWarning, NotFittedError

from skdl import MLPClassifier, MLPRegressor, SiameseTransformer
from skdl.exceptions import DivergenceError
from skdl.model_selection import cross_validate

SMALL = {"hidden_units": 4, "epochs": 2, "random_state": 0}
X = np.random.default_rng(0).normal(size=(30, 4))
Y = X[:, 0]
LABELS = np.where(Y > 0, "high", "low")


def with_entry(array, value):
    changed = array.copy()
    changed[(3,) + (0,) * (changed.ndim - 1)] = value
    return changed


BOTH = [
    ("hidden_units", 2.5, r"hidden_units=2\.5 .*integer"),
    ("hidden_units", [8, 2.5], r"hidden_units=\[8, 2\.5\] .*integer"),
    ("hidden_units", 0, "hidden_units=0 .*1"),
    ("hidden_units", "many", "hidden_units='many' .*integer"),
    ("hidden_units", True, "hidden_units=True .*integer"),
    ("hidden_layers", -1, "hidden_layers=-1 .*0"),
    ("hidden_layers", 1.5, r"hidden_layers=1\.5 .*integer"),
    ("activation", "rleu", "activation='rleu' .*'relu'"),
    ("dropout", -0.1, r"dropout=-0\.1 .*\[0, 1\)"),
    ("dropout", 1.0, r"dropout=1\.0 .*\[0, 1\)"),
    ("dropout", "0.2", r"dropout='0\.2' .*number"),
    ("input_dropout", 1, r"input_dropout=1 .*\[0, 1\)"),
    ("l1", float("nan"), "l1=nan .*>= 0"),
    ("l2", -1.0, r"l2=-1\.0 .*>= 0"),
    ("sparsity", 1.0, r"sparsity=1\.0 .*\[0, 1\)"),
    ("sparsity", 90, r"sparsity=90 .*\[0, 1\)"),
    ("batch_norm", "before", "batch_norm='before' .*'before_activation'"),
    ("batch_norm", True, "batch_norm=True .*'after_activation'"),
    ("input_batch_norm", "yes", "input_batch_norm='yes' .*True or False"),
    ("optimizer", "adm", "optimizer='adm' .*'adam'"),
    ("learning_rate", -0.1, r"learning_rate=-0\.1 .*>= 0"),
    ("batch_size", 0, "batch_size=0 .*1"),
    ("epochs", 0, "epochs=0 .*1"),
    ("epochs", 2.5, r"epochs=2\.5 .*integer"),
    ("shuffle", "yes", "shuffle='yes' .*True or False"),
    ("early_stopping", "auto", "early_stopping='auto' .*True or False"),
    ("validation_fraction", 20, r"validation_fraction=20 .*\(0, 1\)"),
    ("validation_fraction", 0.0, r"validation_fraction=0\.0 .*\(0, 1\)"),
    ("validation_fraction", 1.0, r"validation_fraction=1\.0 .*\(0, 1\)"),
    ("monitor", "val_los", "monitor='val_los' .*'val_loss'"),
    ("monitor", "val_accuracy", "monitor='val_accuracy' .*metrics"),
    ("patience", -1, "patience=-1 .*0"),
    ("min_delta", -0.1, r"min_delta=-0\.1 .*>= 0"),
    ("metrics", ["acuracy"], "metrics.*'acuracy'.*'accuracy'"),
    ("callbacks", [object()], "callbacks.*Callback"),
    ("warm_start", "yes", "warm_start='yes' .*True or False"),
    ("random_state", "seed", "random_state='seed'"),
    ("verbose", "loud", "verbose='loud'"),
]
REGRESSOR = [
    ("loss", "hubr", "loss='hubr' .*'huber'"),
    ("loss", 3, "loss=3 .*'mse'"),
    ("huber_delta", 0, "huber_delta=0 .*> 0"),
    ("quantile", 1.5, r"quantile=1\.5 .*\(0, 1\)"),
    ("quantiles", [0.9, 0.1], r"quantiles=\[0\.9, 0\.1\] .*increasing order.*\[0\.05, 0\.5"),
    ("quantiles", 0.5, r"quantiles=0\.5 .*a list of numbers in \(0, 1\)"),
    ("quantiles", [0.1, 0.9], r"quantiles=\[0\.1, 0\.9\] .*loss='mse'.*loss='quantile'"),
    ("target_scaling", "standard", "target_scaling='standard' .*True or False"),
]
CLASSIFIER = [
    ("loss", "crossentrpy", "loss='crossentrpy' .*'crossentropy'"),
    ("label_smoothing", 1.0, r"label_smoothing=1\.0 .*\[0, 1\)"),
    ("calibrate", "temprature", "calibrate='temprature' .*'temperature'"),
    ("class_weight", "balancd", "class_weight='balancd' .*'balanced'"),
    ("class_weight", {"high": -1, "low": 1}, "class_weight.*-1"),
    ("class_weight", {"hgih": 1}, "class_weight.*'hgih'.*'high'"),
]


@pytest.mark.parametrize(("name", "value", "message"), BOTH + REGRESSOR)
def test_bad_parameter_of_a_regressor(name, value, message):
    # The parameter counts only with early stopping: say so, or refuse it always.
    model = MLPRegressor(**SMALL | {"early_stopping": True, name: value})
    with pytest.raises((ValueError, TypeError), match=rf"(?s)^MLPRegressor: .*{message}"):
        model.fit(X, Y)


@pytest.mark.parametrize(("name", "value", "message"), BOTH + CLASSIFIER)
def test_bad_parameter_of_a_classifier(name, value, message):
    model = MLPClassifier(**SMALL | {"early_stopping": True, name: value})
    with pytest.raises((ValueError, TypeError), match=rf"(?s)^MLPClassifier: .*{message}"):
        model.fit(X, LABELS)


def test_all_bad_parameters_are_reported_at_once():
    with pytest.raises(ValueError, match=r"(?s)dropout=-1.*epochs=0|epochs=0.*dropout=-1"):
        MLPRegressor(dropout=-1, epochs=0).fit(X, Y)


BAD_FITS = {
    "NaN in X": (with_entry(X, np.nan), LABELS, {}, "X contains NaN"),
    "infinity in X": (with_entry(X, np.inf), LABELS, {}, "X contains infinity"),
    "beyond float32": (with_entry(X, 1e300), LABELS, {}, "X contains .*too large .*float32"),
    "no rows": (X[:0], LABELS[:0], {}, r"0 sample\(s\)"),
    "no columns": (X[:, :0], LABELS, {}, r"0 feature\(s\)"),
    "one class": (X, np.full(30, "low"), {}, "1 class, 'low'.*at least 2 classes"),
    "lengths": (X, LABELS[:-1], {}, "inconsistent numbers of samples"),
    "3-d X": (X.reshape(30, 2, 2), LABELS, {}, "dim 3|3 dimensions|3-d"),
    "words in X": (np.full((30, 4), "word"), LABELS, {}, "could not convert string to float"),
    "no weights": (X, LABELS, {"sample_weight": np.zeros(30)}, "sample_weight.*zero"),
    "negative": (X, LABELS, {"sample_weight": -np.ones(30)}, "sample_weight.*negative"),
    "NaN weights": (X, LABELS, {"sample_weight": np.full(30, np.nan)}, "sample_weight.*NaN"),
    "too few weights": (X, LABELS, {"sample_weight": np.ones(3)}, "sample_weight"),
    "one class has weight": (
        X, LABELS, {"sample_weight": (LABELS == "low") * 1.0}, "1 class.*sample_weight > 0",
    ),
    "no X_val": (X, LABELS, {"y_val": LABELS}, "y_val .*without X_val"),
    "no y_val": (X, LABELS, {"X_val": X}, "X_val .*without y_val"),
    "only weights": (X, LABELS, {"sample_weight_val": np.ones(30)}, "sample_weight_val .*X_val"),
    "width of X_val": (X, LABELS, {"X_val": X[:, :3], "y_val": LABELS}, "X.* 3 features"),
    "NaN in X_val": (
        X, LABELS, {"X_val": with_entry(X, np.nan), "y_val": LABELS}, "X_val contains NaN",
    ),
    "label of y_val": (
        X, LABELS, {"X_val": X, "y_val": with_entry(LABELS.astype("<U9"), "mid")}, "'mid'.*'high'",
    ),
    "groups": (X, LABELS, {"groups": np.arange(3)}, "groups"),
}  # fmt: skip


# The warning is NumPy's, in scikit-learn's check, right before that says no.
@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
@pytest.mark.parametrize("case", BAD_FITS)
def test_bad_data_in_fit(case):
    features, labels, fit_params, message = BAD_FITS[case]
    # early_stopping so that groups are used; where rows are given, they are the validation rows.
    model = MLPClassifier(**SMALL, early_stopping=True)
    with pytest.raises(ValueError, match=f"(?s){message}"):
        model.fit(features, labels, **fit_params)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (with_entry(Y, np.nan), "y contains NaN"),
        (with_entry(Y, np.inf), "y contains infinity"),
        (with_entry(np.column_stack([Y, Y]), np.nan), "y contains NaN"),
        (np.full(30, "word"), "could not convert string|y .*number"),
        (Y.reshape(30, 1, 1), "dim 3|3 dimensions|3-d|y should be"),
    ],
)
def test_bad_regression_target(y, message):
    with pytest.raises(ValueError, match=message):
        MLPRegressor(**SMALL).fit(X, y)


def test_negative_counts_are_refused_by_poisson():
    with pytest.raises(ValueError, match=r"(?i)poisson.*(negative|>= 0)"):
        MLPRegressor(**SMALL, loss="poisson").fit(X, Y)


@pytest.mark.parametrize("Estimator", [MLPClassifier, MLPRegressor])
def test_too_few_rows_to_split(Estimator):
    y = [0, 1] if Estimator is MLPClassifier else [0.0, 1.0]
    model = Estimator(**SMALL, early_stopping=True, validation_fraction=0.9)
    with pytest.raises(ValueError, match=r"validation_fraction=0\.9.*early_stopping=False"):
        model.fit(X[:2], y)


def test_one_group_cannot_be_split():
    model = MLPRegressor(**SMALL, early_stopping=True)
    with pytest.raises(ValueError, match="group"):
        model.fit(X, Y, groups=np.zeros(30))


@pytest.mark.parametrize("labels", [["high", "middle"], ["low", "middle"], ["middle", "middle"]])
def test_unseen_labels_count_as_wrong_in_score(labels):
    model = MLPClassifier(**SMALL).fit(X, LABELS)
    expected = np.mean(model.predict(X[:2]) == labels)
    assert model.score(X[:2], labels) == expected


@pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_log_proba"])
def test_features_that_differ_from_those_of_fit(method):
    frame = pd.DataFrame(X, columns=list("abcd"))
    predict = getattr(MLPClassifier(**SMALL).fit(frame, LABELS), method)
    with pytest.raises(ValueError, match=r"3 features.*expecting 4|feature names"):
        predict(frame[["a", "b", "c"]])
    with pytest.raises(ValueError, match="feature names"):
        predict(frame.rename(columns={"a": "z"}))
    with pytest.raises(ValueError, match="X contains NaN"):
        predict(frame.replace({frame.iloc[0, 0]: np.nan}))


def test_wrong_number_of_features():
    model = MLPRegressor(**SMALL).fit(X, Y)
    with pytest.raises(ValueError, match=r"3 features.*expecting 4 features"):
        model.predict(X[:, :3])
    with pytest.raises(ValueError, match=r"3 features.*expecting 4 features"):
        model.predict(sparse.csr_array(X[:, :3]))


@pytest.mark.parametrize("Estimator", [MLPClassifier, MLPRegressor])
def test_predictions_and_model_need_a_fit(Estimator):
    with pytest.raises(NotFittedError, match=Estimator.__name__):
        Estimator().predict(X)
    assert not hasattr(Estimator(), "model_")


def test_later_partial_fits_keep_the_classes_of_the_first():
    model = MLPClassifier(**SMALL).partial_fit(X, LABELS, classes=["high", "low"])
    with pytest.raises(ValueError, match="classes"):
        model.partial_fit(X, LABELS, classes=["high", "low", "middle"])
    with pytest.raises(ValueError, match="'middle'"):
        model.partial_fit(X[:2], ["high", "middle"])


@pytest.mark.parametrize("optimizer", ["sgd", keras.optimizers.SGD(1e12, clipvalue=1e30)])
def test_divergence_says_when_and_what_to_try(optimizer):
    # All rows are one batch: the first step goes wild, the loss of the second epoch shows it.
    rate = {"learning_rate": 1e12} if optimizer == "sgd" else {}
    model = MLPRegressor(**SMALL, optimizer=optimizer, **rate)
    with pytest.raises(DivergenceError, match=r"epoch 2\b.*learning_rate"):
        model.fit(X, Y)


def test_two_learning_rates_are_one_too_many():
    model = MLPRegressor(**SMALL, optimizer=keras.optimizers.Adam(0.1), learning_rate=0.01)
    with pytest.raises(ValueError, match=r"learning_rate=0\.01 .*optimizer"):
        model.fit(X, Y)


def test_divergence_in_a_later_epoch_names_that_epoch():
    # One step an epoch: the fourth step is the wild one, and the fifth epoch shows it.
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([2], [1e-3, 1e30])
    model = MLPRegressor(
        hidden_units=4,
        epochs=9,
        batch_size=30,
        optimizer="sgd",
        learning_rate=schedule,
        random_state=0,
    )
    with pytest.raises(DivergenceError, match="epoch 5"):
        model.fit(X, Y)


def test_divergence_in_the_very_last_step_does_not_end_in_nan_predictions():
    # The loss of the only epoch is that before its only step, hence finite.
    model = MLPRegressor(**SMALL | {"epochs": 1}, optimizer="sgd", learning_rate=1e38)
    with pytest.raises(DivergenceError, match="epoch 1"):
        model.fit(X, Y)


def test_keras_path_tells_divergence_too():
    class OnBatches(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            pass

    model = MLPRegressor(**SMALL, optimizer="sgd", learning_rate=1e12, callbacks=[OnBatches()])
    with pytest.raises(DivergenceError, match=r"epoch 2\b.*learning_rate"):
        model.fit(X, Y)


@pytest.mark.parametrize("Estimator", [MLPRegressor, MLPClassifier])
def test_refused_rows_leave_an_earlier_fit_as_it_was(Estimator):
    y = Y if Estimator is MLPRegressor else LABELS
    network = Estimator(**SMALL).fit(X, y)
    expected = network.predict(X)
    with pytest.raises(ValueError, match="NaN"):
        network.fit(with_entry(X, np.nan), y)
    np.testing.assert_array_equal(network.predict(X), expected)


FRAME = pd.DataFrame(
    {"size": X[:, 0], "town": ["Rome", "Oslo"] * 15, "age": np.where(X[:, 1] > 0, np.nan, 1.0)}
)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (FRAME[["size", "town"]], r"float: 'Rome'\. Columns \['town'\] of X hold text.*from_dtype"),
        (FRAME[["town", "size"]], r"\['town'\] .*categorical_features=.*MLPRegressor\.tabular\(\)"),
        (FRAME[["size", "age"]], r"X contains NaN, in columns \['age'\].*missing_numbers='learn'"),
        (with_entry(X, np.nan), r"X contains NaN, in columns \[0\].*tabular\(\)"),
        (X.astype(str).astype(object)[:, :2] + "m", r"Columns \[0, 1\] of X hold text"),
        (FRAME.assign(town=[[1, 2]] * 30)[["size", "town"]], r"\['town'\] of X hold a list"),
    ],
)  # fmt: skip
def test_rows_that_are_refused_name_their_columns(rows, message):
    with pytest.raises(ValueError, match=f"^MLPRegressor: .*{message}"):
        MLPRegressor(**SMALL).fit(rows, Y)


DATES = pd.date_range("2026-01-01", periods=30)
KINDS_OF_DATES = {
    "naive": DATES, "zone": DATES.tz_localize("UTC"), "durations": DATES - DATES[0],
    "periods": DATES.to_period(), "objects": pd.Series(DATES.date),
}  # fmt: skip


@pytest.mark.parametrize("dates", KINDS_OF_DATES.values(), ids=KINDS_OF_DATES)
@pytest.mark.parametrize("others", [["size"], []], ids=["beside numbers", "alone"])
def test_dates_are_refused_with_what_takes_them(dates, others):
    rows = FRAME[others].assign(day=dates)
    with pytest.raises(ValueError, match=r"columns \['day'\] of X hold dates.*dt\.year") as caught:
        MLPRegressor(**SMALL).fit(rows, Y)
    assert "MLPRegressor.tabular()" in str(caught.value)


def test_what_takes_dates_takes_all_kinds():
    rows = FRAME[["size"]].assign(**KINDS_OF_DATES)
    assert np.isfinite(MLPRegressor.tabular(epochs=1).fit(rows, Y).predict(rows)).all()


def test_an_array_of_dates_is_refused_too():
    rows = DATES.to_numpy()[:, None]
    with pytest.raises(ValueError, match=r"columns \[0\] of X hold dates"):
        MLPRegressor(**SMALL).fit(rows, Y)
    with pytest.raises(ValueError, match=r"columns \[0\] of X hold dates"):
        MLPRegressor(**SMALL).fit(X[:, :1], Y).predict(rows)


def test_validation_rows_that_are_refused_name_their_columns():
    with pytest.raises(ValueError, match=r"X_val contains NaN, in columns \['age'\]"):
        MLPRegressor(**SMALL).fit(
            FRAME[["size", "age"]].fillna(0), Y, X_val=FRAME[["size", "age"]], y_val=Y
        )


@pytest.mark.parametrize("container", [list, np.array, pd.Series])
@pytest.mark.parametrize("Estimator", [MLPClassifier, MLPRegressor])
def test_none_among_the_targets_is_told_as_missing(Estimator, container):
    good = (LABELS if Estimator is MLPClassifier else Y).astype(object)
    bad = with_entry(good, None)
    bad = container(bad) if container is not np.array else bad
    with pytest.raises(ValueError, match=r"y contains NaN .* 1 of 30 rows, the first .* row 3"):
        Estimator(**SMALL).fit(X, bad)
    with pytest.raises(ValueError, match=r"y_val contains NaN .* 1 of 30 rows"):
        Estimator(**SMALL).fit(X, good, X_val=X, y_val=bad)


@pytest.mark.parametrize("value", [np.nan, np.inf], ids=["NaN", "infinity"])
def test_rows_of_targets_that_are_no_numbers_are_told(value):
    bad = with_entry(np.column_stack([Y, Y]), value)
    told = f"contains {'NaN' if np.isnan(value) else 'infinity'} in 1 of 30 rows, .* row 3"
    with pytest.raises(ValueError, match=f"^MLPRegressor: y {told}"):
        MLPRegressor(**SMALL).fit(X, bad)
    with pytest.raises(ValueError, match=f"^MLPRegressor: y_val {told}"):
        MLPRegressor(**SMALL).fit(X, Y, X_val=X, y_val=bad)


@pytest.mark.parametrize("rows", [X, pd.DataFrame(X)], ids=["array", "frame"])
@pytest.mark.parametrize(("y", "told"), [(Y * 1j, "Complex data"), (Y[:, None, None], "dim 3")])
def test_errors_of_targets_are_not_told_of_rows(rows, y, told):
    model = MLPRegressor.tabular(epochs=1)
    with pytest.raises(ValueError, match=f"^MLPRegressor: y is not as expected.*{told}"):
        model.fit(rows, y)
    with pytest.raises(ValueError, match=f"^MLPRegressor: y_val is not as expected.*{told}"):
        model.fit(rows, Y, X_val=rows, y_val=y)


@pytest.mark.parametrize("unit", ["datetime64[s]", "timedelta64[s]"])
def test_dates_as_targets_are_refused(unit):
    with pytest.raises(ValueError, match=r"y is of dtype .*np\.timedelta64\(1, 'D'\)"):
        MLPRegressor(**SMALL).fit(X, (1e9 * Y).astype(np.int64).astype(unit))


def test_classes_as_columns_are_warned_of():
    columns = np.eye(3, dtype=int)[X[:, :3].argmax(1)]
    with pytest.warns(DataConversionWarning, match=r"exactly one 1.*y\.argmax\(axis=1\)"):
        MLPClassifier(**SMALL).fit(X, columns)
    columns[0] = 1
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataConversionWarning)
        MLPClassifier(**SMALL).fit(X, columns)


@pytest.mark.parametrize("Estimator", [MLPClassifier, MLPRegressor])
def test_one_weight_counts_for_all_rows(Estimator):
    y = LABELS if Estimator is MLPClassifier else Y
    expected = Estimator(**SMALL).fit(X, y, sample_weight=np.full(30, 2.0)).predict(X)
    np.testing.assert_array_equal(
        Estimator(**SMALL).fit(X, y, sample_weight=2.0).predict(X), expected
    )
    with pytest.raises(ValueError, match=r"sample_weight .*negative"):
        Estimator(**SMALL).fit(X, y, sample_weight=-2.0)


@pytest.mark.parametrize("weights", [{"high": 0, "low": 0}, {"high": 0.0, "low": 0}])
def test_weights_of_classes_must_leave_rows(weights):
    with pytest.raises(ValueError, match=r"class_weight=.* every row the weight 0.*factor > 0"):
        MLPClassifier(**SMALL, class_weight=weights).fit(X, LABELS)


TOO_SMALL = r"weights of 1e-100 at the most, too small for float32.*multiply them all by one"


@pytest.mark.parametrize("weights", [None, np.ones(30)], ids=["alone", "with_sample_weight"])
def test_weights_of_classes_too_small_for_float32_are_refused(weights):
    model = MLPClassifier(**SMALL, class_weight={"high": 1e-100, "low": 1e-110})
    with pytest.raises(ValueError, match=rf"class_weight=.* leaves .*{TOO_SMALL}"):
        model.fit(X, LABELS, sample_weight=weights)


@pytest.mark.parametrize("Estimator", [MLPClassifier, MLPRegressor])
def test_weights_of_the_rows_to_train_on_too_small_for_float32_are_refused(Estimator):
    y = LABELS if Estimator is MLPClassifier else Y
    with pytest.raises(ValueError, match=r"sample_weight holds .*too small for float32"):
        Estimator(**SMALL).fit(X, y, sample_weight=1e-50)
    weights = np.where(np.arange(30) < 24, 1e-100, 1.0)
    model = Estimator(**SMALL, early_stopping=True, validation_fraction=0.2)
    with pytest.raises(ValueError, match=f"sample_weight leaves .*{TOO_SMALL}"):
        model.fit(X, y, sample_weight=weights, time=np.arange(30))


@pytest.mark.parametrize(
    ("labels", "weights", "told"),
    [
        ([0, 1], {"0": 1, "1": 2}, r"Did you mean 0\? Labels in y are of type int\. Expected some"),
        (["0", "1"], {0: 1}, r"Did you mean '0'\? Labels in y are of type str\. Expected some"),
        ([0, 10], {100: 1}, r"Did you mean 10\? Expected some of \[0, 10\]"),
        (["b", "c"], {"bb": 1}, r"Did you mean 'b'\? Expected some of \['b', 'c'\]"),
    ],
)
def test_weights_of_classes_that_are_no_labels_are_told_of_labels(labels, weights, told):
    with pytest.raises(ValueError, match=rf"^MLPClassifier: class_weight names .* {told}"):
        MLPClassifier(**SMALL, class_weight=weights).fit(X, np.repeat(labels, 15))


@pytest.mark.parametrize("make", [MLPClassifier, MLPClassifier.tabular])
def test_rows_too_large_for_float32_are_refused_without_warnings(make):
    model = make(hidden_units=4, epochs=1)
    for rows in (X * 1e40, pd.DataFrame(X * 1e40)):
        with pytest.raises(ValueError, match="Input X contains infinity or a value too large"):
            model.fit(rows, LABELS)
        with pytest.raises(ValueError, match="Input X_val contains infinity or a value too large"):
            model.fit(X, LABELS, X_val=rows, y_val=LABELS)
        with pytest.raises(ValueError, match="value too large"):
            cross_validate(make(hidden_units=4, epochs=1), rows, LABELS, cv=2)


def test_balanced_classes_need_not_all_have_rows():
    model = MLPClassifier(**SMALL, class_weight="balanced")
    targets = model._make_targets(np.array(["high", "low", "middle"]))
    codes = targets.encode(np.array(["high", "low", "low", "low"]), reset=True)
    # 4 rows of 2 classes: 4 / (2 * 1) and 4 / (2 * 3), as of scikit-learn.
    np.testing.assert_allclose(targets.weighted(codes, None, reset=True), [2, *[2 / 3] * 3])
    model.partial_fit(X, LABELS, classes=["high", "low", "middle"])
    model.partial_fit(X[:2], ["middle", "middle"])
    again = MLPClassifier(**SMALL, class_weight="balanced", warm_start=True).fit(X, LABELS)
    again.fit(X[:2], ["low", "low"])
    assert again.classes_.tolist() == ["high", "low"]


SIZES = [1e-310, 1e-200, 1e-60, 1e36, 1e100, 1e290, 1e305]


@pytest.mark.parametrize("size", SIZES)
def test_targets_of_any_size_are_predicted(size):
    options = {**SMALL, "metrics": ["mae"], "epochs": 3}
    expected = MLPRegressor(**options).fit(X, Y).predict(X)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DataConversionWarning)
        model = MLPRegressor(**options).fit(X, Y * size)
    # Denormal numbers have few digits.
    rtol = 1e-3 if size < 1e-300 else 1e-4
    np.testing.assert_allclose(model.predict(X) / size, expected, rtol=rtol, atol=1e-4)
    told = [str(one.message) for one in caught if one.category is DataConversionWarning]
    assert len(told) == (size != 1e36)
    assert all("beyond what float32 holds" in message for message in told)
    assert np.isfinite(model.history_["mae"]).all()
    assert min(model.history_["mae"]) > 0


def test_targets_that_only_scaling_takes():
    with pytest.raises(ValueError, match=r"y holds numbers of size .*target_scaling=True"):
        MLPRegressor(**SMALL, target_scaling=False).fit(X, Y * 1e100)


@pytest.mark.parametrize("method", ["predict", "predict_proba"])
def test_predictions_that_are_no_numbers_are_told(method):
    model = MLPClassifier(**SMALL | {"hidden_units": 16}).fit(X, LABELS)
    far = X.copy()
    far[3] = [3e38, -3e38, 3e38, -3e38]
    with pytest.raises(ValueError, match=r"1 of 30 rows, the first of them row 3.*smooth_clip"):
        getattr(model, method)(far)
    scaled = MLPClassifier(**SMALL, input_scaling="smooth_clip").fit(X, LABELS)
    assert np.isfinite(scaled.predict_proba(far)).all()


MISSING = [None, "a", "b", *"ab" * 6]


@pytest.mark.parametrize(
    "y",
    [
        MISSING, pd.Series(MISSING, dtype="category"), pl.Series(MISSING), pa.array(MISSING),
        pl.DataFrame({"y": MISSING}), pl.Series([None, 0, 1, *[0, 1] * 6]),
    ],
    ids=["list", "categorical", "polars", "pyarrow", "polars frame", "polars numbers"],
)  # fmt: skip
@pytest.mark.parametrize("network", [MLPClassifier, SiameseTransformer])
def test_missing_targets_of_any_library_are_told_by_their_rows(network, y):
    with pytest.raises(ValueError, match=r"y contains NaN .*in 1 of 15 rows, .* row 0\. Expected"):
        network(hidden_units=4, epochs=1).fit(X[:15], y)
