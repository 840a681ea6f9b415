"""What a classifier's outputs are: probabilities, or numbers with a border of the loss's own."""

import keras
import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.model_selection import cross_val_score

from skdl import KerasClassifier, KerasRegressor, MLPClassifier
from skdl.exceptions import InvalidParameterError
from tests.checks import slow_case

# Keras 3.15 with NumPy 2.4, in whatever reads a Keras variable as an array.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")

layers = keras.layers
X, Y = make_classification(200, 6, n_informative=4, random_state=1)
X = X.astype(np.float32)
Y3 = np.digitize(X[:, 0], [-0.5, 0.5])


def build(meta, activation="linear", n_outputs=1):
    return keras.Sequential(
        [keras.Input((meta["n_features_in_"],)), layers.Dense(n_outputs, activation=activation)]
    )


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(1)

    def call(self, rows):
        return self.dense(rows)


def fitted(model=build, y=Y, **params):
    fixed = {"optimizer": "Adam", "optimizer__learning_rate": 0.02, "epochs": 15}
    return KerasClassifier(model, random_state=0, **fixed | params).fit(X, y)


def raw(estimator):
    return np.asarray(estimator.model_(X))


@pytest.mark.parametrize(
    ("model", "loss"),
    [
        slow_case((build, "hinge")),
        (build, "squared_hinge"),
        slow_case((build, keras.losses.Hinge())),
        slow_case((Subclassed, "hinge")),
    ],
    ids=["name", "squared", "object", "model that only Keras trains"],
)
def test_the_border_of_a_hinge_loss_is_0(model, loss):
    own = fitted(model, loss=loss)
    outputs = raw(own)[:, 0]
    np.testing.assert_array_equal(own.predict(X), outputs > 0)
    np.testing.assert_allclose(own.decision_function(X), outputs, rtol=1e-4, atol=1e-5)
    assert not hasattr(own, "predict_proba")
    assert not hasattr(own, "predict_log_proba")
    assert 0.5 < cross_val_score(own, X, Y, cv=2, scoring="roc_auc").mean() <= 1


def test_a_missing_predict_proba_says_what_to_use():
    own = fitted(loss="hinge", epochs=1)
    with pytest.raises(AttributeError) as error:
        own.predict_proba(X)
    assert "decision_function" in str(error.value.__cause__)
    assert not hasattr(KerasClassifier(build, loss="hinge"), "predict_proba")
    assert hasattr(KerasClassifier(build, loss="mse"), "predict_proba")


def test_a_hinge_loss_behind_a_sigmoid_has_the_border_of_the_sigmoid():
    own = fitted(loss="hinge", activation="sigmoid")
    np.testing.assert_array_equal(own.predict(X), raw(own)[:, 0] > 0.5)
    assert not hasattr(own, "decision_function")
    assert own.predict_proba(X).min() >= 0


def test_several_classes_of_a_hinge_loss():
    own = fitted(y=Y3, loss="categorical_hinge", n_outputs=3)
    np.testing.assert_array_equal(own.predict(X), raw(own).argmax(1))
    assert own.decision_function(X).shape == (200, 3)


def test_labels_of_a_hinge_loss():
    labels = np.column_stack([Y, X[:, 2] > 0]).astype(int)
    own = fitted(y=labels, loss="hinge", n_outputs=2)
    np.testing.assert_array_equal(own.predict(X), raw(own) > 0)


def test_numbers_that_are_trained_on_0_and_1_have_the_border_between():
    own = fitted(loss="mse")
    np.testing.assert_array_equal(own.predict(X), raw(own)[:, 0] > 0.5)
    np.testing.assert_allclose(own.decision_function(X), raw(own)[:, 0] - 0.5, atol=1e-5)
    assert not hasattr(own, "predict_proba")


def test_what_a_cross_entropy_clips_is_clipped():
    own = fitted(loss="binary_crossentropy", epochs=30)
    outputs = raw(own)[:, 0]
    assert outputs.min() < 0
    probabilities = own.predict_proba(X)
    np.testing.assert_allclose(probabilities[:, 1], np.clip(outputs, 0, 1), atol=1e-5)
    np.testing.assert_array_equal(own.predict(X), probabilities.argmax(1))


def test_logits_become_probabilities():
    own = fitted(loss=keras.losses.BinaryCrossentropy(from_logits=True))
    np.testing.assert_array_equal(own.predict(X), own.predict_proba(X).argmax(1))
    assert own.predict_proba(X).min() >= 0
    assert own.score(X, Y) > 0.7


# ----------------------------------------------------------------------- metrics of classes


@pytest.mark.parametrize("y", [Y, Y3], ids=["2 classes", "3 classes"])
def test_metrics_of_classes_get_the_targets_that_they_take(y):
    names = ["sparse_categorical_accuracy", "categorical_accuracy", "accuracy"]
    own = MLPClassifier(hidden_units=4, epochs=2, metrics=names, random_state=0)
    history = own.fit(X, y, X_val=X, y_val=y).history_
    for name in names:
        assert history[f"val_{name}"][-1] == pytest.approx(own.score(X, y))


def test_cross_entropy_as_a_metric_is_that_of_the_classes():
    names = ["sparse_categorical_crossentropy", "categorical_crossentropy"]
    own = MLPClassifier(hidden_units=4, epochs=1, metrics=names, random_state=0)
    history = own.fit(X, Y3, X_val=X, y_val=Y3).history_
    expected = -np.log(own.predict_proba(X)[np.arange(200), Y3]).mean()
    for name in names:
        assert history[f"val_{name}"][-1] == pytest.approx(expected, rel=1e-4)


# ----------------------------------------------------------------------- misspelt parameters


@pytest.mark.parametrize(
    ("params", "hint"),
    [
        ({"optimzer__learning_rate": 1.0}, "Did you mean optimizer__learning_rate?"),
        ({"modle__activation": "tanh"}, "Did you mean model__activation?"),
        ({"callback__patience": 1}, "Did you mean callbacks__patience?"),
        ({"metric__name": "a"}, "Did you mean metrics__name?"),
        ({"fit__epoch": 1}, "Did you mean fit__epochs?"),
        ({"predict__batchsize": 1}, "Did you mean predict__batch_size?"),
        ({"compile__optimiser": "sgd"}, "Did you mean compile__optimizer?"),
        ({"epoch": 1}, "Did you mean epochs?"),
        ({"activaton": "tanh"}, "neither a parameter nor an argument"),
        ({"xyz__units": 1}, "unknown prefix"),
    ],
)
def test_misspelt_parameters_are_told_with_the_name_that_was_meant(params, hint):
    with pytest.raises(InvalidParameterError) as error:
        KerasClassifier(build, loss="hinge", **params).fit(X, Y)
    assert hint in str(error.value)


def test_arguments_of_the_users_own_function_stay_accepted():
    def taking(meta, modle__width=1, **rest):
        assert (modle__width, rest["modle"]) == (3, 2)
        return build(meta)

    own = KerasClassifier(taking, loss="hinge", modle__width=3, modle=2)
    own.fit(X, Y)


def test_parameters_beside_a_given_model_are_told():
    model = keras.Sequential([keras.Input((6,)), layers.Dense(1)])
    with pytest.raises(InvalidParameterError, match=r"units is neither .* of a keras\.Model"):
        KerasClassifier(model, loss="hinge", units=3).fit(X, Y)


def test_routed_arguments_that_a_compiled_model_ignores_are_told():
    def compiled(meta):
        model = build(meta)
        model.compile("sgd", "hinge")
        return model

    own = KerasClassifier(compiled, optimizer__learning_rate=0.5)
    with pytest.warns(UserWarning, match="optimizer__learning_rate changed nothing"):
        own.fit(X, Y)


@pytest.mark.parametrize("end", [
    lambda: [layers.Dense(1, "softmax")], lambda: [layers.Dense(1), layers.Softmax()],
    lambda: [layers.Dense(1), layers.Activation(keras.activations.softmax)],
])  # fmt: skip
@pytest.mark.parametrize("Estimator", [KerasClassifier, KerasRegressor])
def test_softmax_over_one_unit_is_refused_with_the_cure(Estimator, end):
    def one_unit():
        return keras.Sequential([keras.Input((6,)), *end()])

    own = Estimator(one_unit, loss="binary_crossentropy")
    with pytest.raises(ValueError, match=r"always 1.*Dense\(1, activation='sigmoid'\)"):
        own.fit(X, Y)


@pytest.mark.slow
def test_softmax_over_two_units_is_taken():
    two = keras.Sequential([keras.Input((6,)), layers.Dense(2, "softmax")])
    probabilities = KerasClassifier(two, loss="sparse_categorical_crossentropy").fit(X, Y)
    assert probabilities.predict_proba(X).shape == (len(X), 2)
