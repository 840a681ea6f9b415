"""Types: what a checker such as mypy, and with it an editor, finds in a user's script."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Literal, get_args, get_type_hints

import pytest

from skdl import CNNClassifier, MLPClassifier, MLPRegressor
from skdl._validation import AnyOf, OneOf, WithCures

PROJECT = Path(__file__).resolve().parents[1]

# A mistake a line, each marked by a comment; the last is in a dict, which no checker sees.
SCRIPT = """
import skdl
from skdl.model_selection import KFoldEnsembleRegressor, OptunaSearchCV, cross_validate

X, y = [[0.0]] * 20, [0, 1] * 10
first = skdl.MLPClassifier(batch_norm="before")  # mistake
second = skdl.MLPRegressor(dropout="0.2")  # mistake
third = skdl.MLPClassifier(hidden_layer=3)  # mistake
fourth = skdl.MLPRegressor(learning_rate_schedule="cosin")  # mistake
fifth = skdl.CNNClassifier(padding="sam")  # mistake
cross_validate(skdl.MLPClassifier(), X, y, folds=3)  # mistake
result = cross_validate(skdl.MLPClassifier(), X, y)
print(result.sumary())  # mistake
search = OptunaSearchCV(skdl.MLPClassifier(), n_trials="50")  # mistake
diagnosis = skdl.diagnose(result, target_score="0.9")  # mistake
print(result["test_scores"])  # mistake
fine = skdl.MLPClassifier(16, batch_norm="before_activation", epochs="auto")
also_fine = skdl.MLPClassifier(class_weight="balanced", calibrate="temperature")
ensemble = KFoldEnsembleRegressor(skdl.MLPRegressor(quantiles=[0.1, 0.9]))
skdl.report(result).save("report.html")
"""


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT, encoding="utf-8")
    return path


def found_by(*command):
    """Return the lines in which a checker finds errors, and what it printed."""
    done = subprocess.run(command, capture_output=True, check=False, cwd=PROJECT, text=True)
    told = {int(n) for n in re.findall(r"script\.py:(\d+):(?:\d+ -)? error", done.stdout)}
    return told, done.stdout + done.stderr


def mistakes_in_types():
    """Return the lines with mistakes; in the last a key of a dict is misspelt, not a type."""
    lines = enumerate(SCRIPT.splitlines(), 1)
    mistakes = [n for n, line in lines if line.endswith("# mistake")]
    assert len(mistakes) == 10
    return set(mistakes[:-1])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_mypy_finds_nine_of_ten_mistakes_and_nothing_else(script, tmp_path):
    told, printed = found_by(
        sys.executable, "-m", "mypy", "--config-file", str(PROJECT / "pyproject.toml"),
        "--no-strict-optional", "--cache-dir", str(tmp_path / "cache"), str(script),
    )  # fmt: skip
    assert told == mistakes_in_types(), printed


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_pyright_finds_nine_of_ten_mistakes_and_nothing_else(script, tmp_path):
    pytest.importorskip("basedpyright", reason="pyright, as a package that brings Node.js along")
    settings = {"typeCheckingMode": "standard", "extraPaths": [str(PROJECT)]}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    told, printed = found_by(
        sys.executable, "-m", "basedpyright", "--project", str(tmp_path),
        "--pythonpath", sys.executable, str(script),
    )  # fmt: skip
    assert told == mistakes_in_types(), printed


def words_of(annotation):
    """Return the values of the literals in a type."""
    found = set()
    for part in [annotation, *get_args(annotation)]:
        if getattr(part, "__origin__", None) is Literal:
            found |= set(get_args(part))
    return found


def words_allowed(constraint):
    if isinstance(constraint, AnyOf):
        return {word for part in constraint.constraints for word in words_allowed(part)}
    if isinstance(constraint, WithCures):
        return words_allowed(constraint.constraint)
    return set(constraint.values) if isinstance(constraint, OneOf) else set()


@pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor, CNNClassifier])
def test_types_name_the_words_that_are_allowed(estimator):
    import collections.abc

    import numpy as np

    names = {"Mapping": collections.abc.Mapping, "Sequence": collections.abc.Sequence, "np": np}
    hints = get_type_hints(estimator.__init__, None, names)
    constraints = estimator._constraints
    of_words = {name: words_of(hint) for name, hint in hints.items() if words_of(hint)}
    assert len(of_words) > 4
    for name, words in of_words.items():
        allowed = words_allowed(constraints[name]) - {None}
        assert words == allowed, name
