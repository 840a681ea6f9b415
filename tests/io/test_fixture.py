"""Files of earlier versions are read by this one."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import sklearn
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.utils.fixes import parse_version

import skdl.io
from tests.io.make_fixture import estimators, predictions, table

FOLDER = Path(__file__).parent
EXPECTED = json.loads((FOLDER / "expected_1.json").read_text())


@pytest.mark.parametrize("name", EXPECTED)
def test_file_of_the_first_version_predicts_what_it_did(name):
    if name == "pipeline" and parse_version(sklearn.__version__) < parse_version("1.9"):
        pytest.skip("scikit-learn's own steps in it were written by 1.9")
    X, _, _ = table()
    if name == "pipeline":
        X = X[["colour"]].assign(size=X["size"].fillna(0.0))
    with warnings.catch_warnings():
        # Its steps are scikit-learn's own to read.
        warnings.simplefilter("ignore", InconsistentVersionWarning)
        estimator = skdl.io.load(FOLDER / f"{name}_1.skops")
    np.testing.assert_allclose(predictions(estimator, X), EXPECTED[name], rtol=0, atol=1e-5)


@pytest.mark.slow
def test_script_writes_such_files():
    assert set(estimators()) == set(EXPECTED)
