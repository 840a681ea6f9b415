"""A loss is known by its name in the one table and to its formula, and to nobody else."""

import ast
import collections
import inspect
from pathlib import Path

import keras
import pytest

import skdl
from skdl.networks import LOSS_FORMULAS, SHORT_NAMES, loss_names, loss_spellings

PACKAGE = Path(skdl.__file__).parent
# Where a loss's name is that of a number of it, a parameter that has to be spelled out.
OF_THE_NUMBER = {"quantile": {"_regression.py", "_quantile_loss.py"}}


def names_in(file):
    """Return the strings of a module that are no docstrings."""
    tree = ast.parse(file.read_text())
    holders = (ast.Module, ast.ClassDef, ast.FunctionDef)
    first = [n.body[0] for n in ast.walk(tree) if isinstance(n, holders) and n.body]
    docs = {id(n.value) for n in first if isinstance(n, ast.Expr)}
    return {
        n.value
        for n in ast.walk(tree)
        if isinstance(n, ast.Constant) and isinstance(n.value, str) and id(n) not in docs
    }


def test_each_loss_name_stands_in_two_modules_at_most():
    names = {name for of in (True, False) for name in loss_spellings(of_classes=of)}
    assert {"mse", "mean_squared_error", "crossentropy", "huber", "binary_crossentropy"} < names
    found = collections.defaultdict(list)
    for file in sorted(PACKAGE.rglob("*.py")):
        for name in names_in(file) & names:
            if file.name not in OF_THE_NUMBER.get(name, ()):
                found[name].append(file.name)
    assert "_loss_formulas.py" in found["mse"]
    assert {name: files for name, files in found.items() if len(files) > 2} == {}


@pytest.mark.parametrize(
    ("Estimator", "default"),
    [
        (skdl.MLPRegressor, "mse"),
        (skdl.CNNRegressor, "mse"),
        (skdl.PretrainedCNNRegressor, "mse"),
        (skdl.MLPClassifier, "crossentropy"),
        (skdl.CNNClassifier, "crossentropy"),
        (skdl.PretrainedCNNClassifier, "crossentropy"),
    ],
)
def test_signatures_show_the_default(Estimator, default):
    shown = inspect.signature(Estimator).parameters["loss"].default
    assert type(shown) is str
    assert shown == default


def test_spellings_are_those_of_the_table():
    numbers, classes = (loss_spellings(of_classes=of) for of in (False, True))
    assert {*loss_names(of_classes=False), *loss_names(of_classes=True)} <= {*numbers, *classes}
    assert not {*numbers} & {*classes}
    assert {*LOSS_FORMULAS} <= {*numbers, *classes}


def test_short_names_are_those_of_keras():
    for short, long in SHORT_NAMES.items():
        assert keras.losses.get(short) is getattr(keras.losses, long)
        assert keras.losses.get(short.upper()) is getattr(keras.losses, long)
        if short != "kld":
            assert keras.metrics.get(short) is not None
    with pytest.raises(ValueError, match="kld"):
        keras.metrics.get("kld")
