"""Routing against the ``scikeras`` package itself, and everything without it."""

import functools

import keras
import numpy as np
import pytest

from skdl.estimators.keras_models._arguments import CompileArguments, loss_name
from skdl.estimators.keras_models._routing import accepts, is_routed, made_of, routed_to
from tests.checks import name_without_address


@pytest.fixture(scope="module")
def scikeras():
    """SciKeras' own functions; what importing it puts onto Keras' classes is taken off again."""
    kinds = [keras.Model, keras.losses.Loss, keras.metrics.Metric, keras.optimizers.Optimizer]
    before = [(kind, name, vars(kind).get(name)) for kind in kinds
              for name in ("__reduce__", "__deepcopy__")]  # fmt: skip
    from scikeras import _utils, utils

    for kind, name, method in before:
        if method is not None:
            setattr(kind, name, method)
        elif name in vars(kind):
            delattr(kind, name)
    _utils.loss_name = utils.loss_name
    return _utils


class Part:
    """Remembers what it was called with."""

    def __init__(self, *args, **kwargs):
        self.called_with = args, kwargs

    def __eq__(self, other):
        return type(self) is type(other) and self.called_with == other.called_with

    __hash__ = object.__hash__

    def __repr__(self):
        return f"{type(self).__name__}{self.called_with}"


class Other(Part):
    pass


class Narrow:
    def __init__(self, rate=1):
        self.rate = rate


def function(rate=1):
    return rate


# ------------------------------------------------------------------------------ whose parameter

PARAMS = {
    "units": 1,
    "model__units": 2,
    "model__head__units": 3,
    "models__units": 4,
    "model_x__units": 5,
    "model": 6,
    "rate": 7,
    "fit__model__rate": 8,
    "model__": 9,
    "model____units": 10,
    "head__model__units": 11,
    "fit__callbacks__patience": 12,
    "callbacks__patience": 13,
    "callbacks__0__patience": 14,
    "callbacks__10__patience": 15,
    "callbacks__1__schedule__rate": 16,
    "fit__callbacks": 17,
}


@pytest.mark.parametrize("deep", [True, False])
@pytest.mark.parametrize("unrouted", [(), ("units",), ("units", "model", "rate"), ("model__units",),
                                      ("missing", "fit__callbacks")])  # fmt: skip
@pytest.mark.parametrize(
    "destination",
    ["model", "mod", "models", "fit", "callbacks", "fit__callbacks", "callbacks__1", "nobody"],
)
def test_routed_parameters_are_those_of_scikeras(scikeras, destination, unrouted, deep):
    expected = scikeras.route_params(
        PARAMS, destination=destination, pass_filter=set(unrouted), strict=not deep
    )
    assert routed_to(destination, PARAMS, unrouted=unrouted, deep=deep) == expected


@pytest.mark.parametrize("params", [
    {"model__units": 2, "units": 1}, {"units": 1, "model__units": 2},
])  # fmt: skip
def test_routed_parameters_win_over_those_without_prefix(params):
    assert routed_to("model", params, unrouted=["units"]) == {"units": 2}


def test_prefixes_that_are_known():
    assert is_routed("model__units")
    assert is_routed("callbacks__0__patience")
    assert not any(map(is_routed, ["units", "model", "model__", "models__units", "__units"]))


# ------------------------------------------------------------------------ what is made of classes

MADE = [
    (Part, {}),
    (Part, {"a": 1, "b": 2}),
    (Part, {"a__b": 1, "c": 2}),  # `a` is nothing that was routed
    (Part, {"0": 1}),
    (Part, {"1": 1, "0": 0, "a": 2}),
    (Part, {"2": 1}),
    (Part, {"00": 1}),
    (Part, {"10": "last", "9": "first"}),
    (Part, {"a": Part}),
    (Part, {"a": Part, "a__b": 1}),
    (Part, {"a": Part, "b": 1}),
    (Part, {"a": Part, "a__b": Other, "a__b__c": 1}),
    (Part, {"a": Part, "a__b": Other, "ab__c": 1}),
    (Part, {"a": [Part, Other], "a__0__b": 1, "a__1__c": 2}),
    (Part, {"a": [Part, Other], "a__b": 1}),
    (Part, {"a": {"x": Part}, "a__x__b": 1}),
    (Part, {"a": (1, "two", None)}),
    (Part, {"0": Part, "0__b": 1}),
    (Part, {"a": Part, "0": 1}),
    ([Part, Other], {}),
    ([Part, Other], {"a": 1}),
    ([Part, Other], {"0__a": 1}),
    ([Part, Other], {"1__a": 1, "a": 2}),
    ([Part, Other], {"0": 1}),
    ([Part, Other], {"0__0": 1}),
    ([Part, Other], {"0__0__a": 1}),
    ([Part, Other], {"2__a": 1}),
    ([Part, Other], {"a": Narrow, "0__a": 5}),
    ([Part] * 11, {"1__a": 1, "10__a": 2}),
    ((Part, Other), {"a": 1, "1__b": 2}),
    ([[Part], [Other]], {"a": 1}),
    ([[Part], [Other]], {"0__0__a": 1, "1__a": 2, "a": 3}),
    ([(Part, {"x": Other})], {"0__1__x__a": 1, "0__0__a": 2}),
    ({"x": Part, "y": Other}, {"x__a": 1, "a": 2}),
    ({"x": Part, "xy": Other}, {"x__a": 1, "xy__a": 2}),
    ({"x": Part, "x__y": Other}, {"x__a": 1, "x__y__a": 2}),
    ({"x": [Part, Other]}, {"x__0__a": 1, "x__a": 2, "a": 3}),
    ({"x": {"y": Part}}, {"x__y__a": 1, "y__a": 2}),
    ({0: Part, 1: Other}, {"0__a": 1}),
    (Part(3), {}),
    ([Part(3), "adam", None, function, Part], {"4__a": 1}),
    ([], {"a": 1}),
    ({}, {"a": 1}),
    ("adam", {}),
    (None, {}),
    (function, {}),
    # Refused: parameters of what is no class, or that the class does not take.
    ("adam", {"a": 1}),
    (None, {"a": 1}),
    (Part(3), {"a": 1}),
    (function, {"rate": 2}),
    (functools.partial(Part, 1), {"a": 1}),
    ([Part, "adam"], {"a": 1}),
    ([Part, function], {"1__rate": 2}),
    (Part, {"a": "adam", "a__b": 1}),
    (Part, {"a": 1, "a__b": 1}),
    (Narrow, {"speed": 1}),
    ({Part}, {"a": 1}),
]


def outcome(call, *args):
    try:
        return call(*args)
    except TypeError:
        return TypeError


def without_narrow(made):
    """Return objects that can be compared."""
    if isinstance(made, Narrow):
        return "narrow", made.rate
    if isinstance(made, Part):
        args, kwargs = made.called_with
        return type(made), without_narrow(args), without_narrow(kwargs)
    if isinstance(made, dict):
        return {key: without_narrow(part) for key, part in made.items()}
    if isinstance(made, list | tuple):
        return type(made)(map(without_narrow, made))
    return made


@pytest.mark.parametrize(("given", "params"), MADE, ids=name_without_address)
def test_objects_made_of_classes_are_those_of_scikeras(scikeras, given, params):
    expected = outcome(scikeras.unflatten_params, given, params)
    made = outcome(made_of, given, params)
    assert without_narrow(made) == without_narrow(expected)


def test_given_containers_and_parameters_stay_as_they_were():
    given, params = [Part, {"x": Other}], {"a": 1, "1__x__b": [2]}
    assert made_of(given, params) == [Part(a=1), {"x": Other(b=[2])}]
    assert given == [Part, {"x": Other}]
    assert params == {"a": 1, "1__x__b": [2]}


def test_parameters_of_an_object_say_to_give_the_class():
    with pytest.raises(TypeError, match=r"'adam' is given the parameters \['rate'\].*the class"):
        made_of("adam", {"rate": 1})


# ------------------------------------------------------------------------ arguments of functions


class Caller:
    def __init__(self, units, **kwargs):
        pass

    def __call__(self, meta):
        pass

    def method(self, params, *, units=1):
        pass


def positional_only(units, /, meta, *params):
    pass


def keywords(units, *, meta, **params):
    pass


@pytest.mark.parametrize("name", ["units", "meta", "params", "self", "kwargs"])
@pytest.mark.parametrize(
    "taker",
    [
        function, positional_only, keywords, Caller, Caller(1), Caller(1).method,
        Caller.method, functools.partial(keywords, 1), functools.partial(keywords, meta=1),
        functools.partial(positional_only, 1), Part, Narrow, len,
        lambda units: units, lambda **units: units,
    ],
    ids=lambda taker: getattr(taker, "__qualname__", type(taker).__name__),
)  # fmt: skip
def test_accepted_arguments_are_those_of_scikeras(scikeras, taker, name):
    expected = scikeras.accepts_kwargs(taker) or scikeras.has_param(taker, name)
    assert accepts(taker, name) == expected


# --------------------------------------------------------------------------- names of Keras' own


LOSSES = [
    kind for kind in vars(keras.losses).values()
    if isinstance(kind, type) and issubclass(kind, keras.losses.Loss)
    and kind is not keras.losses.Loss
]  # fmt: skip


# Of words of capitals SciKeras makes a word for each letter, unlike Keras: "k_l_divergence".
IN_CAPITALS = {keras.losses.KLDivergence: "kl_divergence", keras.losses.CTC: "ctc"}


@pytest.mark.parametrize(
    "loss",
    [
        *(kind for kind in LOSSES if kind not in IN_CAPITALS),
        *("mse", "MSE", "bce", "huber", "mean_absolute_error", "MeanSquaredError", "kld", "ctc"),
        keras.losses.Huber(delta=2.0),
        keras.losses.mean_squared_error,
        function,
    ],
    ids=name_without_address,
)
def test_names_of_losses_are_those_of_scikeras(scikeras, loss):
    assert loss_name(loss) == scikeras.loss_name(loss)


@pytest.mark.parametrize(("kind", "name"), IN_CAPITALS.items())
def test_names_in_capitals_are_those_of_the_functions(kind, name):
    assert loss_name(kind) == name == getattr(keras.losses, name).__name__


def test_unknown_losses_are_refused_by_keras():
    with pytest.raises(ValueError, match="nobody"):
        loss_name("nobody")


def compiled(**params):
    return CompileArguments({"optimizer": None, "loss": None, "metrics": None, **params}).fresh()


def test_optimizers_by_name_or_class_get_what_is_routed():
    for optimizer in ("sgd", "SGD", keras.optimizers.SGD):
        made = compiled(optimizer=optimizer, optimizer__momentum=0.5)["optimizer"]
        assert isinstance(made, keras.optimizers.SGD)
        assert made.momentum == 0.5


def test_learning_rate_schedule_is_made_of_its_class():
    made = compiled(
        optimizer="sgd",
        optimizer__learning_rate=keras.optimizers.schedules.ExponentialDecay,
        optimizer__learning_rate__initial_learning_rate=0.5,
        optimizer__learning_rate__decay_steps=10,
        optimizer__learning_rate__decay_rate=0.1,
    )["optimizer"]
    made.iterations.assign(10)
    assert float(made.learning_rate) == pytest.approx(0.05)


@pytest.mark.parametrize("loss", ["huber", "Huber", keras.losses.huber, keras.losses.Huber])
def test_losses_by_name_function_or_class_get_what_is_routed(loss):
    made = compiled(loss=loss, loss__delta=2.0)["loss"]
    assert isinstance(made, keras.losses.Huber)
    # |error| = 3 > 2: 2 × (3 − 2 / 2)
    assert float(made(np.array([[3.0]]), np.array([[0.0]]))) == pytest.approx(4.0)


def test_losses_of_several_outputs_get_what_is_routed_to_each():
    made = compiled(loss={"a": keras.losses.Huber, "b": "mse"}, loss__a__delta=2.0)["loss"]
    assert isinstance(made["a"], keras.losses.Huber)
    assert isinstance(made["b"], keras.losses.MeanSquaredError)


def own_loss(y_true, y_pred):
    return keras.ops.mean(keras.ops.abs(y_true - y_pred), -1)


@pytest.mark.parametrize("loss", ["mse", "huber", keras.losses.Huber, keras.losses.huber, own_loss])
def test_losses_that_are_no_objects_are_averaged_by_the_sample_weights(loss):
    made = compiled(loss=loss)["loss"]
    assert made.reduction == "mean_with_sample_weight"
    weights = np.array([1.0, 3.0])
    mean = float(made(np.zeros((2, 1)), np.array([[1.0], [0.0]]), weights))
    full = float(made(np.zeros((1, 1)), np.array([[1.0]])))
    assert mean == pytest.approx(full / 4)
    assert compiled(loss=[loss])["loss"][0].reduction == "mean_with_sample_weight"


def test_reduction_that_the_user_chose_holds():
    given = keras.losses.Huber()
    assert compiled(loss=given)["loss"] is given
    assert compiled(loss={"a": [given]})["loss"]["a"][0] is given
    assert compiled(loss="huber", loss__reduction="sum")["loss"].reduction == "sum"
    kept = "sum_over_batch_size"
    made = compiled(loss=["huber", "mse"], loss__0__reduction=kept)["loss"]
    assert [loss.reduction for loss in made] == [kept, "mean_with_sample_weight"]


def test_function_is_given_targets_of_the_rank_of_the_outputs():
    made = compiled(loss=own_loss)["loss"]
    outputs = np.array([[1.0], [2.0]])
    assert float(made(np.array([1.0, 4.0]), outputs)) == pytest.approx(1.0)
    assert float(made(outputs, np.array([1.0, 4.0]))) == pytest.approx(1.0)


def test_metrics_by_name_or_class_get_what_is_routed():
    made = compiled(
        metrics=["AUC", keras.metrics.AUC, "accuracy"],
        metrics__0__num_thresholds=7, metrics__1__name="area",
    )["metrics"]  # fmt: skip
    assert made[0].num_thresholds == 7
    assert made[1].name == "area"
    assert made[2] == "accuracy"


def test_names_of_metrics_stay_names_where_nothing_is_routed_to_them():
    assert compiled(metrics="mae")["metrics"] == ["mae"]


# ------------------------------------------------------------------------------ without SciKeras

WITHOUT = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "scikeras":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())

import pickle
import keras
import numpy as np
from sklearn.base import clone
from skdl import KerasClassifier, KerasRegressor, KerasTransformer, from_scikeras
from skdl.model_selection import cross_validate

X = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")

def build(units, meta, compile_kwargs):
    model = keras.Sequential([
        keras.Input((meta["n_features_in_"],)), keras.layers.Dense(units, name="hidden"),
        keras.layers.Dense(meta.get("n_outputs_", 1), "sigmoid"),
    ])
    model.compile(**compile_kwargs)
    return model

class Own(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(1)

    def call(self, rows):
        return self.dense(rows)

routed = {
    "model__units": 4, "optimizer": "sgd", "optimizer__momentum": 0.5, "epochs": 2,
    "callbacks": keras.callbacks.EarlyStopping, "callbacks__monitor": "loss",
}
regressor = KerasRegressor(build, loss="huber", loss__delta=2.0, **routed)
classifier = KerasClassifier(build, loss="binary_crossentropy", **routed)
opaque = KerasRegressor(lambda: Own(), loss="mse", epochs=2)
for network, y in (regressor, X[:, 0]), (classifier, X[:, 0] > 0), (opaque, X[:, 0]):
    assert clone(network).fit(X, y).predict(X).shape == (40,)
twin = pickle.loads(pickle.dumps(clone(regressor).fit(X, X[:, 0])))
assert twin.predict(X).shape == (40,)
assert cross_validate(regressor, X, X[:, 0], cv=2)["test_score"].shape == (2,)
coder = KerasTransformer(build, layer="hidden", loss="mse", units=4, epochs=1)
assert coder.fit(X, X[:, 0]).transform(X).shape == (40, 4)
try:
    from_scikeras(regressor)
except ImportError as error:
    print(error)
"""


@pytest.mark.slow
def test_all_but_from_scikeras_works_without_the_package(fresh_python):
    done = fresh_python(WITHOUT)
    assert done.stdout.splitlines()[-1] == (
        "from_scikeras needs the package scikeras, which cannot be imported here: No module named "
        "'scikeras'. Install it, for example with `pip install scikeras`."
    )


@pytest.mark.slow
def test_keras_classes_are_left_alone_until_from_scikeras_is_called(fresh_python):
    done = fresh_python(
        "import sys, keras, numpy as np\n"
        "from skdl import KerasRegressor, from_scikeras\n"
        "kinds = [keras.Model, keras.losses.Loss, keras.metrics.Metric]\n"
        "kinds.append(keras.optimizers.Optimizer)\n"
        "names = '__reduce__', '__deepcopy__'\n"
        "def methods(): return [getattr(kind, name, None) for kind in kinds for name in names]\n"
        "before = methods()\n"
        "layer = keras.layers.Dense(1)\n"
        "model = keras.Sequential([keras.Input((2,)), layer])\n"
        "X = np.ones((8, 2), 'float32')\n"
        "network = KerasRegressor(\n"
        "    model, loss='mse', optimizer='sgd', optimizer__learning_rate=0.1,\n"
        "    callbacks=keras.callbacks.EarlyStopping, callbacks__patience=2)\n"
        "network.fit(X, X[:, 0]).predict(X)\n"
        "assert methods() == before\n"
        "assert 'scikeras' not in sys.modules\n"
        "try:\n"
        "    from_scikeras(network)\n"
        "except TypeError as error:\n"
        "    print(error)\n"
        "assert methods() != before\n"
    )
    assert "Expected a KerasClassifier or KerasRegressor of scikeras" in done.stdout
