"""The one table of losses: nothing else in the package repeats their names."""

import ast
import inspect
from collections import defaultdict
from pathlib import Path

import pytest

import skdl
from skdl.networks import LOSS_FORMULAS

ROOT = Path(skdl.__file__).parent
# The table, and the formulas in `skdl.training`; "crossentropy" is a metric's name there, too.
MOST = 2
# The loss has a number of the same name, which is a parameter of regressors and of the Keras loss.
OF_THE_NUMBER = {"quantile": {"estimators/base/_regression.py", "networks/_quantile_loss.py"}}
NAMES = sorted(
    {
        name
        for formula in LOSS_FORMULAS.values()
        for name in (formula.name, formula.public_name, *formula.aliases)
        if name
    }
)


def strings_in(source):
    """Return the strings of a module that are not docstrings."""
    tree = ast.parse(source)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if id(node) not in docstrings
    }


@pytest.fixture(scope="module")
def modules_by_string():
    found = defaultdict(set)
    for path in ROOT.rglob("*.py"):
        for string in strings_in(path.read_text("utf-8")):
            found[string].add(path.relative_to(ROOT).as_posix())
    return found


def test_docstrings_do_not_count_as_mentions():
    source = 'def f(loss="huber"):\n    """mse"""\n    return "mae"\n'
    assert strings_in(source) == {"huber", "mae"}


@pytest.mark.parametrize("name", NAMES)
def test_a_loss_is_named_in_the_table_and_beside_its_formula_only(name, modules_by_string):
    modules = modules_by_string[name] - OF_THE_NUMBER.get(name, set())
    assert "networks/_loss_formulas.py" in modules
    assert len(modules) <= MOST, sorted(modules)


@pytest.mark.parametrize(
    ("kind", "default"),
    [
        (skdl.MLPClassifier, "crossentropy"),
        (skdl.CNNClassifier, "crossentropy"),
        (skdl.PretrainedCNNClassifier, "crossentropy"),
        (skdl.MLPRegressor, "mse"),
        (skdl.CNNRegressor, "mse"),
        (skdl.PretrainedCNNRegressor, "mse"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_signatures_show_the_name_of_the_default_loss(kind, default):
    assert inspect.signature(kind).parameters["loss"].default == default
    assert f"loss: 'Any' = {default!r}" in str(inspect.signature(kind))
