"""A small table of every kind of column, and what is fitted on it once."""

import numpy as np
import pandas as pd
import pytest

import skdl

N_ROWS = 90


@pytest.fixture(scope="session")
def table():
    """Return 90 rows: numbers with gaps, text with gaps, a category, booleans, dates, durations."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "length": rng.normal(40, 5, N_ROWS),
            "mass": rng.normal(4000, 800, N_ROWS).round(),
            "year": rng.integers(2007, 2010, N_ROWS),
            "island": rng.choice(["Biscoe", "Dream", "Torgersen"], N_ROWS),
            "sex": rng.choice(["female", "male"], N_ROWS),
            "grade": pd.Categorical(rng.choice([1, 2, 3], N_ROWS)),
            "tagged": rng.random(N_ROWS) < 0.5,
            "seen": pd.Timestamp("2020-05-01") + pd.to_timedelta(rng.integers(0, 900, N_ROWS), "h"),
            "stay": pd.to_timedelta(rng.integers(1, 90, N_ROWS), "min"),
        }
    )
    frame.loc[::7, "length"] = np.nan
    frame.loc[::9, "sex"] = None
    frame.loc[::11, "seen"] = pd.NaT
    return frame


@pytest.fixture(scope="session")
def species(table):
    """Return three labels that the table tells apart, somewhat."""
    rng = np.random.default_rng(1)
    of_island = table["island"].map({"Biscoe": 0, "Dream": 1, "Torgersen": 2}).to_numpy()
    picked = np.where(rng.random(N_ROWS) < 0.8, of_island, rng.integers(0, 3, N_ROWS))
    return np.array(["Adelie", "Chinstrap", "Gentoo"], object)[picked]


@pytest.fixture(scope="session")
def tabular(table, species):
    """Return a network fitted on the whole table."""
    return skdl.MLPClassifier.tabular(epochs=3, random_state=0).fit(table, species)
