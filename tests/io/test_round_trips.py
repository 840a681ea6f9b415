"""What is saved and loaded is the same estimator: bit by bit in its predictions."""

import copy
import pickle

import keras
import numpy as np
import optuna
import pandas as pd
import pytest
import skops.io
from sklearn.base import BaseEstimator, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import (
    ColumnTransformer,
    TransformedTargetRegressor,
    make_column_selector,
    make_column_transformer,
)
from sklearn.ensemble import RandomForestClassifier, StackingClassifier, VotingClassifier
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, TunedThresholdClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import skdl
import skdl.io
from skdl import model_selection
from skdl.exceptions import UnsafeFileError
from skdl.model_selection.ensembles import TrialEnsembleClassifier, TrialEnsembleRegressor
from tests.checks import slow_but
from tests.io import own_code

pytestmark = pytest.mark.filterwarnings("ignore:.*DEFAULT_SIZE", "ignore::UserWarning")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 4)).astype(np.float32)
LABELS = np.where(X[:, 0] + X[:, 1] > 0, "high", "low")
THREE = np.array(["a", "b", "c"])[np.argsort(np.argsort(X[:, 0])) % 3]
NUMBERS = 2.0 * X[:, 0] + 1.0
IMAGES = RNG.integers(0, 256, (20, 8, 8, 1), dtype=np.uint8)
LARGE = RNG.integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)
REVIEWS = [f"{'good' if label == 'high' else 'bad'} film {i % 7}" for i, label in enumerate(LABELS)]
TEXT = {"embedding_dim": 2, "max_length": 4}
SMALL = {"epochs": 2, "random_state": 0}
BACKBONE = {"weights": None, "backbone_params": {"alpha": 0.25}, "random_state": 0}
HEAD = {"hidden_units": 3, "epochs": 2}


def table():
    frame = pd.DataFrame(
        {
            "size": X[:, 0],
            "kind": pd.Categorical(np.array(["x", "y", "z"])[np.arange(40) % 3]),
            "code": [f"k{i % 12}" for i in range(40)],
            "number": np.arange(40) % 4 > 1,
            "when": pd.date_range("2024-01-01", periods=40, tz="Europe/Berlin"),
        }
    )
    frame.loc[::3, "size"] = np.nan
    return frame


def search(estimator, **options):
    space = {"hidden_units": optuna.distributions.IntDistribution(2, 4)}
    return model_selection.OptunaSearchCV(
        estimator, space, n_trials=2, cv=2, random_state=0, **options
    )


def mlp_classifiers():
    yield skdl.MLPClassifier(3, **SMALL), X, LABELS
    yield skdl.MLPClassifier.tabular(hidden_units=4, n_bins=4, **SMALL), table(), LABELS
    yield skdl.MLPClassifier(3, batch_norm="after_activation", dropout=0.2, **SMALL), X, THREE
    yield skdl.MLPClassifier(3, **SMALL), X, np.stack([X[:, 0] > 0, X[:, 1] > 0], 1).astype(int)
    yield (
        skdl.MLPClassifier(
            3, activation=keras.layers.LeakyReLU(0.2), optimizer=keras.optimizers.Adam(0.01),
            loss=keras.losses.BinaryFocalCrossentropy(gamma=3.0),
            metrics=["accuracy", keras.metrics.AUC()], **SMALL,
        ),
        X, LABELS,
    )  # fmt: skip


def mlp_regressors():
    yield (
        skdl.MLPRegressor(
            3, activation=keras.activations.softsign, loss=keras.losses.LogCosh,
            optimizer=keras.optimizers.SGD, **SMALL,
        ),
        X, NUMBERS,
    )  # fmt: skip
    yield skdl.MLPRegressor(3, **SMALL), X, NUMBERS
    yield skdl.MLPRegressor(3, loss="quantile", quantile=0.9, **SMALL), X, NUMBERS
    yield skdl.MLPRegressor(3, **SMALL), X, np.stack([NUMBERS, -NUMBERS], 1)
    for embedding in ("plr", "pbld", "periodic"):
        network = skdl.MLPRegressor(
            3, numeric_embedding=embedding, n_frequencies=2, missing_numbers="learn",
            input_scaling="smooth_clip", feature_scale=True, parametric_activation=True, **SMALL,
        )  # fmt: skip
        yield network, X, NUMBERS


def given_model():
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(2), keras.layers.Dense(1)])


def recurrent_model():
    both_ways = keras.layers.Bidirectional(keras.layers.LSTM(2, return_sequences=True))
    model = keras.Sequential(
        [
            keras.Input((4,)), keras.layers.Reshape((4, 1)), both_ways, keras.layers.GRU(2),
            keras.layers.Dense(1),
        ]
    )  # fmt: skip
    model.compile("adam", "mse")
    return model


# By class, estimators with rows and targets; every public estimator has some.
CASES = {
    skdl.MLPClassifier: mlp_classifiers,
    skdl.MLPRegressor: mlp_regressors,
    skdl.CNNClassifier: lambda: [
        (
            skdl.CNNClassifier(
                conv_blocks=1, filters=2, augment=("flip", "shift", "rotate", "zoom", "contrast"),
                **HEAD, random_state=0,
            ),
            IMAGES, np.arange(20) % 3,
        ),
        (
            skdl.CNNClassifier(
                conv_blocks=1, filters=2, dimensions=1, global_pooling="max", **HEAD,
                random_state=0,
            ),
            IMAGES[:, :, 0], np.arange(20) % 2,
        ),
    ],
    skdl.CNNRegressor: lambda: [
        (
            skdl.CNNRegressor(conv_blocks=1, filters=2, batch_norm="before_activation", **HEAD,
                              random_state=0),
            IMAGES, np.arange(20.0),
        )
    ],
    skdl.KerasClassifier: lambda: [(skdl.KerasClassifier(own_code.build, **SMALL), X, LABELS)],
    skdl.KerasRegressor: lambda: [
        (skdl.KerasRegressor(own_code.build, **SMALL), X, NUMBERS),
        (skdl.KerasRegressor(given_model(), loss="mse", **SMALL), X, NUMBERS),
        (skdl.KerasRegressor(recurrent_model(), **SMALL), X, NUMBERS),
    ],
    skdl.KerasTransformer: lambda: [
        (
            skdl.KerasTransformer(own_code.build, layer="codes", supervised=True, **SMALL),
            X, NUMBERS,
        )
    ],
    skdl.PretrainedCNNClassifier: lambda: [
        (skdl.PretrainedCNNClassifier("MobileNet", **BACKBONE, **HEAD), LARGE, np.arange(12) % 2)
    ],
    skdl.PretrainedCNNRegressor: lambda: [
        (
            skdl.PretrainedCNNRegressor("MobileNet", fine_tune=2, **BACKBONE, **HEAD),
            LARGE, np.arange(12.0),
        )
    ],
    skdl.PretrainedFeatures: lambda: [
        (skdl.PretrainedFeatures("MobileNet", **BACKBONE), LARGE, None)
    ],
    skdl.RNNClassifier: lambda: [
        (skdl.RNNClassifier(units=2, layers=2, bidirectional=True, pooling="mean", **SMALL),
         IMAGES[..., 0], np.arange(20) % 3),
        (skdl.RNNClassifier("simple", units=2, sequence_shape=(2, 2), channels="first", **SMALL),
         X, LABELS),
    ],
    skdl.RNNRegressor: lambda: [
        (skdl.RNNRegressor("gru", units=2, normalization="layer", hidden_units=3, **SMALL),
         X, NUMBERS),
    ],
    skdl.SmoothClipScaler: lambda: [(skdl.SmoothClipScaler(), X, None)],
    skdl.TextClassifier: lambda: [
        (skdl.TextClassifier(**TEXT, **SMALL), REVIEWS, LABELS),
        (
            skdl.TextClassifier("gru", pooling="attention", **TEXT, **SMALL),
            np.abs(X * 9) // 1, THREE,
        ),
    ],
    skdl.TextRegressor: lambda: [
        (skdl.TextRegressor("conv", encoder_units=3, **TEXT, **SMALL), REVIEWS, NUMBERS)
    ],
    skdl.TokenSequences: lambda: [
        (skdl.TokenSequences(max_length=3), REVIEWS, None),
        (skdl.TokenSequences(7, analyzer="char", truncation="end"), REVIEWS, None),
    ],
    skdl.TransformerClassifier: lambda: [
        (skdl.TransformerClassifier(1, n_heads=2, width=4, hidden_units=3, **SMALL),
         IMAGES[..., 0], np.arange(20) % 3),
    ],
    skdl.TransformerRegressor: lambda: [
        (skdl.TransformerRegressor(1, width=8, pooling="attention", **SMALL), X, NUMBERS),
    ],
    model_selection.AveragingClassifier: lambda: [
        (model_selection.AveragingClassifier(skdl.MLPClassifier(3, **SMALL), 2), X, LABELS)
    ],
    model_selection.AveragingRegressor: lambda: [
        (model_selection.AveragingRegressor(skdl.MLPRegressor(3, **SMALL), 2), X, NUMBERS)
    ],
    model_selection.KFoldEnsembleClassifier: lambda: [
        (model_selection.KFoldEnsembleClassifier(skdl.MLPClassifier(3, **SMALL), cv=2), X, THREE)
    ],
    model_selection.KFoldEnsembleRegressor: lambda: [
        (
            model_selection.KFoldEnsembleRegressor(skdl.MLPRegressor(3, **SMALL), cv=KFold(2)),
            X, NUMBERS,
        )
    ],
    model_selection.OptunaSearchCV: lambda: [
        (search(skdl.MLPClassifier(3, **SMALL), refit="ensemble"), X, LABELS),
        (search(skdl.MLPRegressor(3, **SMALL), scoring=["r2", "neg_mean_squared_error"],
                refit="r2"), X, NUMBERS),
    ],
}  # fmt: skip
PUBLIC = [
    kind
    for package in (skdl, model_selection)
    for kind in (getattr(package, name) for name in package.__all__)
    if isinstance(kind, type) and issubclass(kind, BaseEstimator)
]
TRUSTED = ["tests.io.own_code.build", own_code.bent, own_code.Doubled]


def outputs(estimator, rows):
    """Return all that an estimator gives for rows."""
    names = ("predict", "predict_proba", "transform", "predict_std", "decision_function")
    methods = [getattr(estimator, name, None) for name in names]
    return [np.asarray(method(rows)) for method in methods if method is not None]


def assert_same(one, other, rows):
    expected, found = outputs(one, rows), outputs(other, rows)
    assert len(expected) == len(found) > 0
    for own, theirs in zip(expected, found, strict=True):
        np.testing.assert_array_equal(own, theirs, strict=True)


def fitted(case):
    estimator, rows, targets = case
    return (estimator.fit(rows) if targets is None else estimator.fit(rows, targets)), rows


# Each of the others has a class of the same kind among them.
DEAR = ("CNNC", "Pretrained", "RNNR", "TextR", "TransformerR")
QUICK = [kind for kind in PUBLIC if not kind.__name__.startswith(DEAR)]


def through_file(estimator, folder, trusted=TRUSTED):
    skdl.io.save(estimator, folder / "estimator.skops")
    return skdl.io.load(folder / "estimator.skops", trusted=trusted)


@pytest.mark.parametrize(
    "some",
    [
        pytest.param(slice(0, 2), id="first"),
        pytest.param(slice(2, None), id="others", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize(
    "kind", slow_but(dict.fromkeys(PUBLIC), *QUICK), ids=lambda kind: kind.__name__
)
def test_loaded_estimator_predicts_the_same_bits(kind, some, tmp_path):
    assert kind in CASES, f"{kind.__name__} is public: add a case to CASES"
    for case in list(CASES[kind]())[some]:
        estimator, rows = fitted(case)
        loaded = through_file(estimator, tmp_path)
        assert type(loaded) is type(estimator)
        assert_same(estimator, loaded, rows)
        public = {n for n in vars(estimator) if n.endswith("_") and not n.startswith("_")}
        assert {n for n in public if n != "callbacks_"} <= set(vars(loaded))


@pytest.mark.parametrize("kind", dict.fromkeys(PUBLIC), ids=lambda kind: kind.__name__)
def test_unfitted_estimator_keeps_its_parameters(kind, tmp_path):
    estimator = next(iter(CASES[kind]()))[0]
    loaded = through_file(clone(estimator), tmp_path)
    for name, value in estimator.get_params(deep=False).items():
        other = getattr(loaded, name)
        assert type(other) is type(value)
        if isinstance(value, str | int | float | None):
            assert repr(other) == repr(value)  # NaN is not equal to itself


def test_loaded_estimator_is_skops_own_too(tmp_path):
    """Plain skops, as MLflow uses it, reads and writes the same."""
    estimator, rows = fitted(next(mlp_classifiers()))
    pipeline = make_pipeline(StandardScaler(), clone(estimator)).fit(rows, LABELS)
    data = skops.io.dumps(pipeline)
    asked = skops.io.get_untrusted_types(data=data)
    assert set(asked) <= set(skdl.io.trusted_types())
    loaded = skops.io.loads(data, trusted=skdl.io.trusted_types())
    assert_same(pipeline, loaded, rows)


def test_loaded_estimator_trains_on_as_the_saved_one(tmp_path):
    network = skdl.MLPRegressor(3, warm_start=True, **SMALL)
    network.partial_fit(X, NUMBERS)
    loaded = through_file(network, tmp_path)
    for own in (network, loaded):
        own.partial_fit(X, NUMBERS)
    assert_same(network, loaded, X)


def test_loaded_estimator_builds_the_same_keras_model(tmp_path):
    for case in ((skdl.MLPClassifier(3, **SMALL), X, LABELS),
                 (skdl.KerasClassifier(own_code.build, **SMALL), X, LABELS)):  # fmt: skip
        estimator, rows = fitted(case)
        model = through_file(estimator, tmp_path).model_
        own = estimator.model_.predict(rows, verbose=0)
        np.testing.assert_array_equal(model.predict(rows, verbose=0), own)


def test_loaded_estimator_can_be_fitted_anew(tmp_path):
    loaded = through_file(fitted((skdl.KerasRegressor(recurrent_model()), X, NUMBERS))[0], tmp_path)
    assert clone(loaded).fit(X, NUMBERS).n_iter_ == 1


META = {
    "pipeline": lambda: (
        make_pipeline(
            ColumnTransformer([
                ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["size"]),
                ("others", OneHotEncoder(handle_unknown="ignore"), ["kind", "code"]),
            ]),
            skdl.MLPClassifier(3, **SMALL),
        ),
        table(), LABELS,
    ),
    "calibrated": lambda: (CalibratedClassifierCV(skdl.MLPClassifier(3, **SMALL), cv=2), X, LABELS),
    "grid": lambda: (
        GridSearchCV(skdl.MLPClassifier(3, **SMALL), {"dropout": [0.0, 0.1]}, cv=2,
                     scoring=["accuracy", "roc_auc"], refit="accuracy"),
        X, LABELS,
    ),
    "targets": lambda: (
        TransformedTargetRegressor(skdl.MLPRegressor(3, **SMALL), transformer=StandardScaler()),
        X, NUMBERS,
    ),
    "threshold": lambda: (
        TunedThresholdClassifierCV(skdl.MLPClassifier(3, **SMALL), cv=2), X, LABELS == "high",
    ),
    "vote": lambda: (
        VotingClassifier([("net", skdl.MLPClassifier(3, **SMALL)), ("line", LogisticRegression())],
                         voting="soft"),
        X, LABELS,
    ),
    "selected features": lambda: (
        make_pipeline(
            make_column_transformer((StandardScaler(), make_column_selector("[ac]"))),
            SelectKBest(f_classif, k=1),
            skdl.MLPClassifier(3, **SMALL),
        ),
        pd.DataFrame(X[:, :3], columns=["a", "b", "c"]), LABELS,
    ),
    "stack": lambda: (
        StackingClassifier([("net", skdl.MLPClassifier(3, **SMALL))], cv=2), X, LABELS,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", META)
def test_meta_estimators_around_a_network_need_no_trust(name, tmp_path):
    estimator, rows = fitted(META[name]())
    loaded = through_file(estimator, tmp_path, trusted=())
    np.testing.assert_array_equal(estimator.predict(rows), loaded.predict(rows))


def test_forest_beside_a_network_must_be_trusted_by_name(tmp_path):
    parts = [("net", skdl.MLPClassifier(3, **SMALL)), ("trees", RandomForestClassifier(3))]
    votes = VotingClassifier(parts, voting="soft").fit(X, LABELS)
    with pytest.raises(UnsafeFileError, match=r"sklearn\.tree\._tree\.Tree.*trusted="):
        through_file(votes, tmp_path, trusted=())
    assert_same(votes, through_file(votes, tmp_path, trusted=["sklearn.tree._tree.Tree"]), X)


OWN = {
    "activation": lambda: skdl.MLPClassifier(3, activation=own_code.bent, **SMALL),
    "layer": lambda: skdl.MLPClassifier(3, activation=own_code.Doubled(), **SMALL),
    "lambda layer": lambda: skdl.MLPClassifier(
        3, activation=keras.layers.Lambda(own_code.bent), **SMALL
    ),
    "model": lambda: skdl.KerasClassifier(own_code.build, **SMALL),
}


@pytest.mark.parametrize("name", OWN)
def test_code_of_the_user_is_loaded_only_when_it_is_trusted(name, tmp_path):
    estimator, rows = fitted((OWN[name](), X, LABELS))
    assert_same(estimator, through_file(estimator, tmp_path), rows)
    with pytest.raises(UnsafeFileError, match=r"'tests\.io\.own_code\.\w+'.*load it with trusted"):
        through_file(estimator, tmp_path, trusted=())


def test_what_cannot_be_found_again_is_not_saved(tmp_path):
    network = skdl.MLPClassifier(3, activation=lambda x: x, **SMALL).fit(X, LABELS)
    with pytest.raises(TypeError, match=r"no lambdas.*use pickle"):
        skdl.io.save(network, tmp_path / "network.skops")
    assert not list(tmp_path.iterdir())


def test_model_with_own_layers_is_not_saved(tmp_path):
    layers = [keras.Input((4,)), own_code.Doubled(), keras.layers.Dense(1)]
    network = skdl.KerasRegressor(keras.Sequential(layers), loss="mse", **SMALL).fit(X, NUMBERS)
    with pytest.raises(TypeError, match=r"KerasRegressor: .*a function that builds the model"):
        skdl.io.save(network, tmp_path / "network.skops")


def test_search_keeps_its_study_and_results(tmp_path, caplog):
    estimator, _ = fitted(list(CASES[model_selection.OptunaSearchCV]())[1])
    caplog.clear()
    with caplog.at_level("INFO"):
        loaded = through_file(estimator, tmp_path)
    assert caplog.messages == []  # it is no new study
    for own, other in zip(estimator.study_.trials, loaded.study_.trials, strict=True):
        for name in ("number", "state", "values", "params"):
            assert getattr(own, name) == getattr(other, name)
        assert (own.user_attrs, own.system_attrs) == (other.user_attrs, other.system_attrs)
        assert own.intermediate_values == other.intermediate_values
        assert own.distributions == other.distributions
        assert own.duration == other.duration
    assert loaded.study_.best_trials[0].number == estimator.study_.best_trials[0].number
    assert loaded.best_params_ == estimator.best_params_
    for name, column in estimator.cv_results_.items():
        assert np.ma.asarray(column).tolist() == np.ma.asarray(loaded.cv_results_[name]).tolist()
    assert loaded.score(X, NUMBERS) == estimator.score(X, NUMBERS)


def test_files_hold_no_rows_of_the_search(tmp_path):
    marker = "a value that stands in the rows alone"
    frame = pd.DataFrame({"size": X[:, 0], "kind": [marker, "other"] * 20})
    rows = [OneHotEncoder(categories=[["other"]], handle_unknown="ignore")]
    pipeline = make_pipeline(ColumnTransformer([("kind", *rows, ["kind"])]),
                             skdl.MLPClassifier(3, **SMALL))  # fmt: skip
    found = model_selection.OptunaSearchCV(
        pipeline, {"mlpclassifier__dropout": [0.0, 0.1]}, n_trials=2, cv=2, refit="ensemble"
    ).fit(frame, LABELS)
    assert marker.encode() in pickle.dumps(found._library)
    for data in (skops.io.dumps(found), pickle.dumps(found)):
        assert marker.encode() not in data


@pytest.mark.parametrize("kind", [TrialEnsembleClassifier, TrialEnsembleRegressor])
def test_ensembles_of_trials_are_known(kind):
    assert f"{kind.__module__}.{kind.__name__}" in skdl.io.trusted_types()


def test_pickles_and_copies_hold_objects_as_they_are():
    network = skdl.MLPClassifier(3, activation=lambda x: x, **SMALL).fit(X, LABELS)
    assert copy.deepcopy(network)._trained is not network._trained
    assert copy.deepcopy(network)._trained.network.layers == network._trained.network.layers
    assert set(network.__getstate__()) == {"skdl", "parts"}
    assert "_trained" in network.__reduce_ex__(4)[2]


def test_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "network.skops"
    skdl.io.save(skdl.MLPRegressor(3), path)
    before = path.read_bytes()
    with pytest.raises(TypeError, match="no lambdas"):
        skdl.io.save(skdl.MLPRegressor(3, activation=lambda x: x), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
