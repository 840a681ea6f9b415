"""Write the file that later versions must be able to read: ``python tests/io/make_fixture.py``.

Run it for a new version of the format only, under a new name: the files that are there stay.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import skdl
import skdl.io

FOLDER = Path(__file__).parent


def table():
    """Return 40 rows with numbers, categories, gaps and dates, and two kinds of targets."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "size": rng.normal(size=40),
            "colour": np.array(["red", "green", "blue"])[rng.integers(0, 3, 40)],
            "when": pd.date_range("2024-01-01", periods=40, unit="s"),
        }
    )
    X.loc[3, "size"] = np.nan
    return X, np.where(X["colour"] == "red", "yes", "no"), np.arange(40.0)


def estimators():
    """Return fitted estimators by the names of their files, with rows that they predict."""
    X, labels, numbers = table()
    plain = X[["colour"]].assign(size=X["size"].fillna(0.0))
    steps = make_column_transformer((StandardScaler(), ["size"]), (OneHotEncoder(), ["colour"]))
    settings = {"epochs": 2, "random_state": 0}
    pipeline = make_pipeline(steps, skdl.MLPClassifier(3, batch_norm="before_activation",
                                                       **settings))  # fmt: skip
    tabular = skdl.MLPRegressor.tabular(hidden_units=4, hidden_layers=1, n_bins=3, **settings)
    return {
        "pipeline": (pipeline.fit(plain, labels), plain),
        "tabular": (tabular.fit(X, numbers), X),
    }


def predictions(estimator, X):
    """Return what a file is held against."""
    method = getattr(estimator, "predict_proba", estimator.predict)
    return np.asarray(method(X), float)


if __name__ == "__main__":
    expected = {}
    for name, (estimator, X) in estimators().items():
        skdl.io.save(estimator, FOLDER / f"{name}_1.skops")
        expected[name] = predictions(estimator, X).tolist()
    (FOLDER / "expected_1.json").write_text(json.dumps(expected))
