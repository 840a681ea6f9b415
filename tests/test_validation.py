"""Parameters are checked at the door, in words that say what to do."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.utils import get_tags

from skdl import _compat
from skdl._validation import (
    AnyOf,
    Boolean,
    Instance,
    Integer,
    Names,
    OneOf,
    Predicate,
    Real,
    SequenceOf,
    check_parameters,
    nearest_name,
    show,
)
from skdl.exceptions import DivergenceError, InvalidParameterError

ACTIVATIONS = Names(["elu", "relu", "tanh"], what="activation")


def error_for(constraint, value):
    with pytest.raises(InvalidParameterError) as info:
        check_parameters("MLP", {"p": value}, {"p": constraint})
    return str(info.value)


@pytest.mark.parametrize(
    ("constraint", "allowed", "refused"),
    [
        (Integer(), [0, -3, np.int8(7), 10**400], [1.0, True, np.True_, "1", None, np.array(1)]),
        (Integer(1, 3), [1, 3, np.uint8(2)], [0, 4, np.int64(-1)]),
        (
            Real(),
            [0, -1.5, np.float32(0.1), np.int64(2), 10**400],
            [True, np.False_, np.nan, np.inf, -np.inf, np.float32("nan"), "0.5", None, 1j],
        ),
        (Real(0, 1, high_open=True), [0, 0.0, 0.99, np.float32(0.5)], [1, 1.0, -0.1, np.nan]),
        (Real(0, low_open=True), [1e-300, 5], [0, 0.0, np.float32(0), np.inf, np.nan]),
        (Real(high=2), [2, -1e300], [2.1, -np.inf, np.nan]),
        (Boolean(), [True, False, np.True_], [0, 1, "True", None]),
        (OneOf("a", None, 1), ["a", np.str_("a"), None, 1], ["b", True, 1.0, np.array(["a"])]),
        (ACTIVATIONS, ["relu", np.str_("elu")], ["ReLU", "", None, 3, ["relu"]]),
        (
            SequenceOf(Integer(1), min_length=1),
            [[1], (2, 3), np.array([4, 5])],
            [[], [0], (1, 2.0), "12", 3, {1}, np.ones((1, 1), dtype=int), np.array(3)],
        ),
        (Instance(dict, list), [{}, []], [(), "x", dict]),
        (Predicate(callable, "a callable"), [len], ["len", None]),
        (AnyOf(OneOf(None), Integer(1)), [None, 1], [0, "None"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_constraint_accepts_what_is_allowed_and_nothing_else(constraint, allowed, refused):
    assert [value for value in allowed if not constraint.accepts(value)] == []
    assert [value for value in refused if constraint.accepts(value)] == []


def test_one_bad_parameter_is_named_with_its_value_its_range_and_an_example():
    with pytest.raises(InvalidParameterError) as info:
        check_parameters(
            "MLPClassifier",
            {"dropout": 1.0, "epochs": 5},
            {"dropout": Real(0, 1, high_open=True, example=0.2), "epochs": Integer(1)},
        )
    assert str(info.value) == (
        "MLPClassifier: dropout=1.0 is not allowed. Expected a number in [0, 1), for example 0.2."
    )


def test_all_bad_parameters_are_reported_at_once():
    with pytest.raises(InvalidParameterError) as info:
        check_parameters(
            "MLP",
            {"epochs": 0, "shuffle": True, "activation": "tanhh"},
            {"epochs": Integer(1), "shuffle": Boolean(), "activation": ACTIVATIONS},
        )
    assert str(info.value) == (
        "MLP: 2 parameters need a change.\n"
        "- epochs=0 is not allowed. Expected an integer >= 1.\n"
        "- activation='tanhh' is not known. Did you mean 'tanh'? "
        "Expected one of the activation names 'elu', 'relu', 'tanh'."
    )


def test_parameters_without_a_constraint_are_left_to_the_subclass_that_adds_them():
    check_parameters("MLP", {"epochs": 1, "extra": object()}, {"epochs": Integer(1)})


@pytest.mark.parametrize("builtin", [ValueError, TypeError])
def test_a_bad_parameter_can_be_caught_as_value_error_and_as_type_error(builtin):
    with pytest.raises(builtin, match=r"Expected an integer >= 1\.$"):
        check_parameters("MLP", {"epochs": "5"}, {"epochs": Integer(1)})


@pytest.mark.parametrize("typo", ["rellu", "Relu", "relu "])
def test_a_mistyped_name_brings_up_the_nearest_spelling(typo):
    constraint = AnyOf(ACTIVATIONS, Predicate(callable, "a callable"))
    assert error_for(constraint, typo) == (
        f"MLP: p={typo!r} is not known. Did you mean 'relu'? "
        "Expected one of the activation names 'elu', 'relu', 'tanh', or a callable."
    )


def test_a_name_of_another_library_is_answered_by_what_to_write():
    cures = {"logistic": "Write 'sigmoid'.", "tanh": "It makes no sense here."}
    constraint = Names(["relu", "sigmoid", "tanh"], "activation", cures=cures)
    assert error_for(constraint, "logistic") == (
        "MLP: p='logistic' is not known. Write 'sigmoid'. "
        "Expected one of the activation names 'relu', 'sigmoid'."
    )
    assert error_for(AnyOf(OneOf(None), constraint), "tanh").startswith(
        "MLP: p='tanh' is not allowed. It makes no sense here. "
    )


def test_a_long_list_of_names_is_cut_and_says_where_all_are():
    names = [f"loss_{i}" for i in range(40)]
    message = error_for(Names(names, "loss", home="keras.losses"), 3)
    assert message.endswith("'loss_10', 'loss_11' and 28 more of keras.losses.")


def test_entries_of_a_sequence_get_their_hint_and_are_described_once():
    name = AnyOf(Names(["accuracy", "auc"], "metric"), Predicate(callable, "a callable"))
    message = error_for(AnyOf(OneOf(None), name, SequenceOf(name)), ["auc", "acuracy"])
    assert message == (
        "MLP: p=['auc', 'acuracy'] is not allowed. Did you mean 'accuracy'? Expected None, or one "
        "of the metric names 'accuracy', 'auc', or a callable, or a list of these."
    )


def test_sequences_may_have_a_greatest_length():
    constraint = SequenceOf(Integer(1), max_length=3)
    check_parameters("MLP", {"p": [1, 2, 3]}, {"p": constraint})
    assert error_for(constraint, [1] * 4).endswith(
        "Expected a sequence of 0 to 3 entries (each an integer >= 1)."
    )


def test_a_name_that_differs_in_capitals_goes_to_the_first_spelling():
    assert nearest_name("hubr", ["huber", "Huber"]) == "huber"


def test_a_value_whose_repr_raises_is_shown_by_its_class():
    class Odd:
        def __repr__(self):
            raise OSError

    assert show(Odd()) == "<Odd whose repr raises OSError>"


def test_a_name_like_no_other_is_answered_with_the_list_alone():
    assert error_for(OneOf("mse", "mae", None), "xxxxx") == (
        "MLP: p='xxxxx' is not known. Expected one of 'mse', 'mae', None."
    )


def test_names_are_looked_up_only_for_strings_and_for_errors():
    calls = []
    constraint = AnyOf(OneOf(None), Names(lambda: calls.append(1) or ["relu"], "activation"))
    check_parameters("MLP", {"p": None}, {"p": constraint})
    assert calls == []
    check_parameters("MLP", {"p": "relu"}, {"p": constraint})
    assert calls == [1]


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        (Integer(), "an integer"),
        (Integer(0, 9), "an integer in [0, 9]"),
        (Real(high=1), "a number <= 1"),
        (Real(0, low_open=True), "a number > 0"),
        (Real(0, 1, low_open=True, high_open=True), "a number in (0, 1)"),
        (Boolean(), "True or False"),
        (OneOf("balanced"), "'balanced'"),
        (Instance(dict, list), "an instance of dict or list"),
        (
            SequenceOf(Integer(1), min_length=2),
            "a sequence of 2 or more entries (each an integer >= 1)",
        ),
        (AnyOf(OneOf(None), Integer(1)), "None or an integer >= 1"),
        (AnyOf(OneOf("a", "b"), Integer()), "one of 'a', 'b', or an integer"),
    ],
)
def test_error_says_what_was_expected(constraint, expected):
    assert error_for(constraint, 1j) == f"MLP: p=1j is not allowed. Expected {expected}."


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (np.zeros((2, 3), dtype=np.float32), "<ndarray of shape (2, 3) and dtype float32>"),
        (np.float64(0.5), repr(np.float64(0.5))),
        (np.ndarray, "<class 'numpy.ndarray'>"),
        (list(range(1000)), "..."),
    ],
)
def test_error_shows_any_value_briefly(value, shown):
    message = error_for(Integer(), value)
    assert shown in message
    assert len(message) < 300


def test_divergence_error_says_epoch_and_remedy_also_after_pickling():
    error = pickle.loads(pickle.dumps(DivergenceError("MLP", 3, float("nan"))))
    assert (error.owner, error.epoch) == ("MLP", 3)
    assert re.match(r"MLP: .* became nan in epoch 3\..*learning_rate ten times smaller", str(error))


@pytest.mark.slow
def test_checks_load_neither_keras_nor_tensorflow():
    code = (
        "import sys, skdl._data_checks, skdl._validation, skdl._compat, skdl.exceptions\n"
        "assert not {'keras', 'tensorflow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def make_epoch_counter(mixin, with_callbacks):
    """Return an estimator written as the docstring of `skdl._compat` says."""

    class EpochCounter(mixin, BaseEstimator):
        def __init__(self, epochs=5):
            self.epochs = epochs

        @with_callbacks
        def fit(self, X, y=None):
            root = self._init_callback_context(max_subtasks=self.epochs)
            root.call_on_fit_task_begin(estimator=self, X=X, y=y, metadata={})
            self.n_iter_ = 0
            for _ in range(self.epochs):
                task = root.subcontext(task_name="epoch").call_on_fit_task_begin(estimator=self)
                self.n_iter_ += 1
                if task.call_on_fit_task_end(
                    estimator=self, X=X, y=y, reconstruction_attributes=dict
                ):
                    break
            root.call_on_fit_task_end(estimator=self, X=X, y=y, reconstruction_attributes={})
            return self

    return EpochCounter()


class StopAfterTwo:
    """A callback of scikit-learn's ``FitCallback`` protocol."""

    def __init__(self):
        self.events = []

    def setup(self, estimator, context):
        self.events.append("setup")

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        self.events.append(f"{context.task_name} {context.task_id}")
        return context.task_name == "epoch" and context.task_id == 1


@pytest.mark.skipif(not _compat.HAS_CALLBACKS, reason="callbacks came with scikit-learn 1.9")
def test_scikit_learn_callbacks_see_every_epoch_and_can_stop():
    callback = StopAfterTwo()
    estimator = make_epoch_counter(_compat.CallbackSupportMixin, _compat.with_callbacks)
    estimator.set_callbacks(callback).fit([[0.0]])
    assert estimator.n_iter_ == 2
    assert callback.events == ["setup", "epoch 0", "epoch 1", "fit 0", "teardown"]


def test_stand_ins_run_the_same_fit_without_callbacks():
    estimator = make_epoch_counter(
        _compat._SilentCallbackSupportMixin, _compat._silent_with_callbacks
    )
    assert clone(estimator).set_callbacks().fit([[0.0]]).n_iter_ == 5
    assert get_tags(estimator) is not None
    with _compat._SilentContext().propagate_callback_context(estimator):
        pass


def test_stand_ins_refuse_callbacks_rather_than_ignore_them():
    estimator = make_epoch_counter(
        _compat._SilentCallbackSupportMixin, _compat._silent_with_callbacks
    )
    with pytest.raises(NotImplementedError, match=r"1\.9 or newer.*use verbose=1"):
        estimator.set_callbacks(StopAfterTwo())
