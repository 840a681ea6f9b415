"""The ways in which SciKeras' documentation and tests use its estimators, with ours in their place.

Written anew, in the shape of the guides: parameters and routing, meta, compile_kwargs, classes
with a builder of their own, several inputs and outputs through encoders, sparse rows, searches,
ensembles, warm starts and pickles.
"""

import functools
import pickle

import keras
import numpy as np
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import AdaBoostClassifier, BaggingRegressor
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, LabelEncoder, OneHotEncoder, StandardScaler

from skdl import KerasClassifier, KerasRegressor, lockstep

# Keras 3.15 with NumPy 2.4, in whatever reads a Keras variable as an array.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")

layers = keras.layers


@pytest.fixture(scope="module")
def classes():
    X, y = make_classification(120, 8, n_informative=5, random_state=0)
    return X.astype(np.float32), y


@pytest.fixture(scope="module")
def three_classes():
    X, y = make_classification(150, 8, n_informative=5, n_classes=3, random_state=0)
    return X.astype(np.float32), np.array(["ant", "bee", "cow"])[y]


@pytest.fixture(scope="module")
def numbers():
    X, y = make_regression(120, 8, n_informative=5, random_state=0)
    return X.astype(np.float32), (y / y.std()).astype(np.float32)


def dynamic_classifier(hidden_layer_sizes, meta, compile_kwargs):
    """A classifier for whatever targets there are, compiled by itself."""
    inputs = x = keras.Input((meta["n_features_in_"],))
    for units in hidden_layer_sizes:
        x = layers.Dense(units, activation="relu")(x)
    if meta["target_type_"] == "binary":
        output = layers.Dense(1, activation="sigmoid")(x)
        loss = "binary_crossentropy"
    elif meta["target_type_"] == "multiclass":
        output = layers.Dense(meta["n_classes_"], activation="softmax")(x)
        loss = "sparse_categorical_crossentropy"
    else:
        output = layers.Dense(meta["n_classes_"], activation="sigmoid")(x)
        loss = "binary_crossentropy"
    compile_kwargs["loss"] = compile_kwargs["loss"] or loss
    model = keras.Model(inputs, output)
    model.compile(**compile_kwargs)
    return model


def dynamic_regressor(hidden_layer_sizes, meta, compile_kwargs):
    inputs = x = keras.Input((meta["n_features_in_"],))
    for units in hidden_layer_sizes:
        x = layers.Dense(units, activation="relu")(x)
    model = keras.Model(inputs, layers.Dense(meta["n_outputs_"])(x))
    model.compile(**compile_kwargs)
    return model


def classifier(**params):
    fixed = {"hidden_layer_sizes": (16,), "optimizer": "adam", "epochs": 40, "random_state": 0}
    return KerasClassifier(
        dynamic_classifier, **fixed | {"optimizer__learning_rate": 0.01} | params
    )


def regressor(**params):
    fixed = {"hidden_layer_sizes": (16,), "optimizer": "adam", "loss": "mse", "epochs": 40}
    routed = {"optimizer__learning_rate": 0.01, "random_state": 0}
    return KerasRegressor(dynamic_regressor, **fixed | routed | params)


# ------------------------------------------------------------------------------- basic usage


def test_binary_and_multiclass_classifiers_that_compile_themselves(classes, three_classes):
    for X, y in (classes, three_classes):
        fitted = classifier().fit(X, y)
        assert fitted.score(X, y) > 0.8
        assert fitted.predict_proba(X).shape == (len(X), len(np.unique(y)))
        assert set(fitted.predict(X)) <= set(y)


def test_multilabel_targets(classes):
    X, y = classes
    labels = np.column_stack([y, X[:, 0] > 0]).astype(int)
    fitted = classifier().fit(X, labels)
    assert fitted.predict(X).shape == labels.shape
    assert fitted.score(X, labels) > 0.6


def test_one_hot_targets_with_a_softmax(three_classes):
    X, y = three_classes
    one_hot = OneHotEncoder(sparse_output=False).fit_transform(y[:, None])

    def build(meta):
        return keras.Sequential(
            [
                keras.Input((meta["n_features_in_"],)),
                layers.Dense(16, activation="relu"),
                layers.Dense(meta["n_classes_"], activation="softmax"),
            ]
        )

    fitted = KerasClassifier(
        build, loss="categorical_crossentropy", optimizer="adam", epochs=60, random_state=0
    ).fit(X, one_hot)
    predicted = fitted.predict(X)
    np.testing.assert_array_equal(predicted.sum(1), 1)
    assert fitted.score(X, one_hot) > 0.7
    np.testing.assert_allclose(fitted.predict_proba(X).sum(1), 1)


def test_regressor_with_one_and_with_several_targets(numbers):
    X, y = numbers
    assert regressor().fit(X, y).score(X, y) > 0.8
    both = np.column_stack([y, -y])
    fitted = regressor().fit(X, both)
    assert fitted.predict(X).shape == both.shape
    assert fitted.score(X, both) > 0.8


def test_uncompiled_model_is_compiled_with_the_parameters(numbers):
    X, y = numbers

    def build(units=8):
        return keras.Sequential([layers.Dense(units, activation="relu"), layers.Dense(1)])

    fitted = KerasRegressor(
        build, loss="mae", optimizer="sgd", optimizer__momentum=0.9, metrics=["mse"], units=4
    ).fit(X, y)
    assert fitted.model_.loss.name == "mean_absolute_error"
    assert fitted.model_.optimizer.momentum == 0.9
    assert fitted.model_.layers[0].units == 4
    assert set(fitted.history_) == {"loss", "mse"}


def test_partial_of_a_function_and_arguments_by_keyword(numbers):
    X, y = numbers

    def build(**arguments):
        assert {"meta", "compile_kwargs", "params", "width"} <= set(arguments)
        model = keras.Sequential([layers.Dense(arguments["width"]), layers.Dense(1)])
        model.compile(**arguments["compile_kwargs"])
        return model

    fitted = KerasRegressor(build, loss="mse", width=3).fit(X, y)
    assert fitted.model_.layers[0].units == 3
    partial = functools.partial(dynamic_regressor, hidden_layer_sizes=(7,))
    fitted = KerasRegressor(partial, loss="mse").fit(X, y)
    assert fitted.model_.layers[1].units == 7


# ---------------------------------------------------------------------------------- routing


def test_routed_parameter_wins_over_the_plain_one(numbers):
    X, y = numbers
    estimator = regressor(
        model__hidden_layer_sizes=(5,), fit__epochs=3, epochs=9, fit__batch_size=60,
        fit__validation_split=0.25,
    ).fit(X, y)  # fmt: skip
    assert estimator.n_iter_ == 3
    assert estimator.model_.layers[1].units == 5
    assert len(estimator.history_["val_loss"]) == 3


def test_routing_to_classes_of_loss_optimizer_metrics_and_callbacks(numbers):
    X, y = numbers
    estimator = KerasRegressor(
        dynamic_regressor,
        hidden_layer_sizes=(4,),
        loss=keras.losses.Huber,
        loss__delta=0.25,
        optimizer=keras.optimizers.Adam,
        optimizer__learning_rate=0.5,
        metrics=[keras.metrics.MeanAbsoluteError],
        metrics__0__name="error",
        callbacks=[keras.callbacks.EarlyStopping],
        callbacks__0__monitor="loss",
        callbacks__0__patience=0,
        callbacks__0__min_delta=1e6,
        epochs=10,
        random_state=0,
    ).fit(X, y)
    loss = estimator.model_.loss(np.zeros((1, 1)), np.full((1, 1), 2.0))
    assert float(loss) == pytest.approx(0.25 * (2 - 0.5 * 0.25))
    assert float(estimator.model_.optimizer.learning_rate) == 0.5
    assert "error" in estimator.history_
    assert estimator.n_iter_ == 2


def test_callbacks_in_a_dict_and_by_their_keys(numbers):
    X, y = numbers
    callbacks = {"stop": keras.callbacks.EarlyStopping, "rest": [keras.callbacks.Callback()]}
    estimator = regressor(
        callbacks=callbacks, callbacks__stop__monitor="loss", callbacks__stop__min_delta=1e6,
        callbacks__stop__patience=2,
    ).fit(X, y)  # fmt: skip
    assert estimator.n_iter_ == 3


def test_what_was_routed_can_be_set_searched_and_cloned(numbers):
    X, y = numbers
    estimator = regressor().set_params(model__hidden_layer_sizes=(3,), fit__epochs=2)
    assert clone(estimator).get_params()["model__hidden_layer_sizes"] == (3,)
    with pytest.raises(ValueError, match="model__hidden_sizes"):
        estimator.set_params(hidden_sizes=3)
    search = GridSearchCV(
        regressor(epochs=5),
        {
            "hidden_layer_sizes": [(4,), (8, 4)],
            "optimizer": ["sgd", "adam"],
            "optimizer__learning_rate": [0.01, 0.001],
        },
        cv=2,
    )
    with lockstep() as session:
        search.fit(X, y)
    assert session.batches[0] == 16
    assert search.best_estimator_.get_params()["hidden_layer_sizes"] in {(4,), (8, 4)}


def test_randomized_search_in_a_pipeline(classes):
    X, y = classes
    pipeline = Pipeline([("scale", StandardScaler()), ("network", classifier(epochs=5))])
    search = RandomizedSearchCV(
        pipeline,
        {"network__model__hidden_layer_sizes": [(4,), (6,), (8,)]},
        n_iter=2, cv=2, random_state=0,
    ).fit(X, y)  # fmt: skip
    assert search.best_score_ > 0.4


# --------------------------------------------------------------------- classes of their own


class OwnClassifier(KerasClassifier):
    """An estimator with parameters and a builder of its own."""

    def __init__(
        self,
        hidden_layer_sizes=(16,),
        optimizer="adam",
        optimizer__learning_rate=0.01,
        epochs=40,
        verbose=0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.hidden_layer_sizes = hidden_layer_sizes
        self.optimizer = optimizer
        self.optimizer__learning_rate = optimizer__learning_rate
        self.epochs = epochs
        self.verbose = verbose

    def _keras_build_fn(self, compile_kwargs):
        model = keras.Sequential([keras.Input((self.n_features_in_,))])
        for units in self.hidden_layer_sizes:
            model.add(layers.Dense(units, activation="relu"))
        if self.target_type_ == "binary":
            model.add(layers.Dense(1, activation="sigmoid"))
            loss = "binary_crossentropy"
        else:
            model.add(layers.Dense(self.n_classes_, activation="softmax"))
            loss = "sparse_categorical_crossentropy"
        model.compile(loss=loss, optimizer=compile_kwargs["optimizer"])
        return model


def test_class_that_builds_its_model(classes, three_classes):
    for X, y in (classes, three_classes):
        own = OwnClassifier(hidden_layer_sizes=(12,), random_state=0)
        assert own.fit(X, y).score(X, y) > 0.8
        twin = clone(own).set_params(hidden_layer_sizes=(4, 4))
        assert twin.get_params()["optimizer__learning_rate"] == 0.01
        assert len(twin.fit(X, y).model_.layers) == 3
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(own)).predict(X), own.predict(X))


# ------------------------------------------------------------- several outputs and inputs


class TwoTargets(BaseEstimator, TransformerMixin):
    """Splits a table of a binary and a multiclass target, and joins the predictions."""

    def fit(self, y):
        self.binary_ = LabelEncoder().fit(y[:, 0])
        self.multiclass_ = LabelEncoder().fit(y[:, 1])
        self.classes_ = [self.binary_.classes_, self.multiclass_.classes_]
        self.n_outputs_ = self.n_outputs_expected_ = 2
        return self

    def transform(self, y):
        return [
            self.binary_.transform(y[:, 0]).astype(np.float32)[:, None],
            self.multiclass_.transform(y[:, 1]).astype(np.float32)[:, None],
        ]

    def inverse_transform(self, y, return_proba=False):
        if return_proba:
            return y
        binary = self.binary_.inverse_transform((y[0][:, 0] > 0.5).astype(int))
        return np.column_stack([binary, self.multiclass_.inverse_transform(y[1].argmax(1))])

    def get_metadata(self):
        return {
            "classes_": self.classes_,
            "n_outputs_": self.n_outputs_,
            "n_outputs_expected_": self.n_outputs_expected_,
        }


class MultiOutputClassifier(KerasClassifier):
    @property
    def target_encoder(self):
        return TwoTargets()

    @staticmethod
    def scorer(y_true, y_pred, **kwargs):
        return np.mean([accuracy_score(y_true[:, i], y_pred[:, i]) for i in range(2)])


def two_headed(meta):
    inputs = keras.Input((meta["n_features_in_"],))
    x = layers.Dense(16, activation="relu")(inputs)
    assert meta["n_outputs_expected_"] == 2
    return keras.Model(
        inputs, [layers.Dense(1, activation="sigmoid")(x), layers.Dense(3, "softmax")(x)]
    )


@pytest.mark.slow
def test_classifier_of_two_targets_through_an_encoder(classes):
    X, y = classes
    third = np.digitize(X[:, 0], [-0.5, 0.5])
    targets = np.column_stack([y, third])
    fitted = MultiOutputClassifier(
        two_headed,
        loss=["binary_crossentropy", "sparse_categorical_crossentropy"],
        optimizer="adam", optimizer__learning_rate=0.01, epochs=40, random_state=0,
    ).fit(X, targets)  # fmt: skip
    assert fitted.predict(X).shape == targets.shape
    assert fitted.score(X, targets) > 0.75
    assert [part.shape for part in fitted.predict_proba(X)] == [(120, 1), (120, 3)]
    twin = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(twin.predict(X), fitted.predict(X))


class MultiInputRegressor(KerasRegressor):
    @property
    def feature_encoder(self):
        return FunctionTransformer(lambda X: {"left": X[:, :3], "right": X[:, 3:]})


@pytest.mark.slow
def test_regressor_of_two_inputs_through_an_encoder(numbers):
    X, y = numbers

    def build(meta):
        left, right = keras.Input((3,), name="left"), keras.Input((5,), name="right")
        x = layers.Concatenate()([layers.Dense(8, "relu")(left), layers.Dense(8, "relu")(right)])
        return keras.Model({"left": left, "right": right}, layers.Dense(1)(x))

    ours = MultiInputRegressor(
        build, loss="mse", optimizer="adam", optimizer__learning_rate=0.01, epochs=40,
        random_state=0,
    )  # fmt: skip
    assert ours.fit(X, y).score(X, y) > 0.8
    assert np.isfinite(cross_val_score(ours.set_params(epochs=2), X, y, cv=2)).all()


def test_model_of_two_inputs_without_an_encoder_says_what_to_do(numbers):
    X, y = numbers

    def build():
        one, other = keras.Input((4,)), keras.Input((4,))
        return keras.Model([one, other], layers.Dense(1)(layers.Add()([one, other])))

    with pytest.raises(ValueError, match="feature_encoder"):
        KerasRegressor(build, loss="mse").fit(X, y)


# ------------------------------------------------------------------ other ways of using them


@pytest.mark.parametrize("is_sparse_input", [False, True])
def test_sparse_rows(is_sparse_input):
    rng = np.random.default_rng(0)
    words = rng.integers(0, 4, (200, 3))
    X = OneHotEncoder().fit_transform(words)
    y = words[:, 0] + 0.5 * (words[:, 1] == 2)

    def build(meta):
        return keras.Sequential([
            keras.Input((meta["n_features_in_"],), sparse=is_sparse_input), layers.Dense(1)
        ])  # fmt: skip

    ours = KerasRegressor(
        build, loss="mse", optimizer="adam", optimizer__learning_rate=0.05, epochs=60,
        random_state=0,
    )  # fmt: skip
    assert sparse.issparse(X)
    assert ours.fit(X, y).score(X, y) > 0.9


def test_ensembles_of_scikit_learn(classes, numbers):
    X, y = numbers
    bagging = BaggingRegressor(regressor(epochs=20), n_estimators=4, random_state=0)
    with lockstep() as session:
        assert bagging.fit(X, y).score(X, y) > 0.5
    assert session.batches == [4]
    X, y = classes
    boosting = AdaBoostClassifier(classifier(epochs=10), n_estimators=2, random_state=0)
    assert boosting.fit(X, y).score(X, y) > 0.7


def test_warm_start_and_partial_fit_go_on(numbers):
    X, y = numbers
    ours = regressor(warm_start=True, epochs=3).fit(X, y)
    first = ours.history_["loss"]
    assert ours.fit(X, y).n_iter_ == 6
    assert ours.history_["loss"][:3] == first
    ours = regressor()
    for _ in range(3):
        ours.partial_fit(X, y)
    assert ours.n_iter_ == 3
    assert ours.history_["loss"][-1] < ours.history_["loss"][0]


def test_class_weight_and_sample_weight_are_felt(classes):
    X, y = classes
    heavy = np.where(y == 1, 10.0, 1.0)

    def mean_probability(weight=None, **params):
        fitted = classifier(epochs=10, **params).fit(X, y, sample_weight=weight)
        return fitted.predict_proba(X)[:, 1].mean()

    assert mean_probability(heavy) > mean_probability() + 0.05
    assert mean_probability(class_weight={0: 1, 1: 10}) == pytest.approx(mean_probability(heavy))


def test_equal_random_states_give_equal_models(classes):
    X, y = classes
    one, same, other = (
        classifier(epochs=3, random_state=state).fit(X, y).predict_proba(X) for state in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other)


def test_images_reach_the_model_in_their_shape():
    X = np.random.default_rng(0).normal(size=(60, 6, 6, 1)).astype(np.float32)
    y = X.mean((1, 2, 3)) > 0

    def build(meta):
        return keras.Sequential(
            [
                keras.Input(meta["X_shape_"][1:]),
                layers.Conv2D(4, 3, activation="relu"),
                layers.Conv2D(4, 3, strides=2, activation="relu"),
                layers.GlobalAveragePooling2D(),
                layers.Dense(1, activation="sigmoid"),
            ]
        )

    ours = KerasClassifier(build, loss="binary_crossentropy", optimizer="adam", epochs=2)
    assert ours.fit(X, y).predict(X).shape == (60,)


def test_pipeline_with_a_scaler(numbers):
    X, y = numbers
    assert (
        make_pipeline(StandardScaler(), regressor()).fit(X * 100 + 5, y).score(X * 100 + 5, y) > 0.8
    )
