"""Signatures of estimators as ``help()`` prints them."""

import inspect
import pickle
import pydoc

import pytest
from sklearn.base import clone

import skdl
from skdl._signatures import ReadableSignature
from skdl.model_selection import KFoldEnsembleClassifier, OptunaSearchCV

SHOWN = [
    skdl.CNNRegressor,
    skdl.KerasClassifier,
    skdl.MLPClassifier,
    skdl.TokenSequences,
    KFoldEnsembleClassifier,
    OptunaSearchCV,
]


@pytest.mark.parametrize("estimator", SHOWN)
def test_help_gives_each_parameter_a_line_and_no_quotes_to_types(estimator):
    printed = pydoc.render_doc(estimator, renderer=pydoc.plaintext).splitlines()
    start = next(
        n for n, line in enumerate(printed) if line.startswith(f" |  {estimator.__name__}(")
    )
    end = next(n for n, line in enumerate(printed) if n >= start and line.startswith(" |  )"))
    shown = printed[start : end + 1]
    assert max(len(line) for line in shown) < 130
    assert not [line for line in shown if ": '" in line or ': "' in line]
    names = [line.split(":")[0].strip(" |*") for line in shown[1:-1] if ":" in line]
    assert names == list(inspect.signature(estimator).parameters)


def written_by_hand(first, /, second: "int | None" = None, *rest: str, third="x" * 40, **more):
    del first, second, rest, third, more


def test_markers_of_kinds_stand_where_python_has_them():
    assert str(ReadableSignature.from_callable(written_by_hand)) == (
        "(\n    first,\n    /,\n    second: int | None = None,\n    *rest: str,\n"
        f"    third='{'x' * 40}',\n    **more,\n)"
    )


def test_short_signatures_stay_on_a_line():
    def short(a: "int", *, b: "str" = "c") -> "None":
        del a, b

    assert str(ReadableSignature.from_callable(short)) == "(a: int, *, b: str = 'c') -> None"


class Narrow(skdl.MLPRegressor):
    """A user's class with a parameter of its own."""

    def __init__(self, units: "int" = 4) -> "None":
        super().__init__(units)
        self.units = units


def test_a_class_of_a_user_has_its_own_signature():
    assert str(inspect.signature(Narrow)) == "(units: int = 4) -> None"
    assert clone(Narrow(8)).get_params() == {"units": 8}


def test_signatures_survive_pickle():
    signature = inspect.signature(skdl.MLPClassifier)
    again = pickle.loads(pickle.dumps(signature))
    assert again == signature
    assert str(again) == str(signature)
