"""The tables of the accuracy benchmark, each with its splits and its score."""

import dataclasses

import numpy as np
import pandas as pd
from _harness import data_folder
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.impute import SimpleImputer
from sklearn.model_selection import KFold, ShuffleSplit, StratifiedShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


@dataclasses.dataclass
class Table:
    """One table.

    Parameters
    ----------
    X : DataFrame
        As it is: with gaps, and texts in columns of categories.
    y : ndarray
    score : {"RMSE", "log loss", "accuracy"}
    splits : list of (train, test)
    about : str
        What the rows and splits are.
    """

    X: pd.DataFrame
    y: np.ndarray
    score: str
    splits: list
    about: str


def california():
    """Return the eight classic features, rebuilt; the target in 100,000 dollars."""
    raw = pd.read_csv(data_folder() / "housing.csv.gz")
    bedrooms = raw["total_bedrooms"].fillna(
        raw["total_rooms"] * (raw["total_bedrooms"] / raw["total_rooms"]).median()
    )
    X = pd.DataFrame(
        {
            "MedInc": raw["median_income"],
            "HouseAge": raw["housing_median_age"],
            "AveRooms": raw["total_rooms"] / raw["households"],
            "AveBedrms": bedrooms / raw["households"],
            "Population": raw["population"],
            "AveOccup": raw["population"] / raw["households"],
            "Latitude": raw["latitude"],
            "Longitude": raw["longitude"],
        }
    )
    y = raw["median_house_value"].to_numpy() / 1e5
    splits = list(ShuffleSplit(5, test_size=0.2, random_state=0).split(X))
    about = "20,640 rows, random 64/16/20 splits"
    return Table(X, y, "RMSE", splits, about)


def california_few():
    """Return the same rows, few of which are there to train on."""
    whole = california()
    split = ShuffleSplit(20, train_size=2_000, test_size=4_000, random_state=0).split
    about = "20 random splits of 2,000 rows to train on and 4,000 to test"
    return Table(whole.X, whole.y, "RMSE", list(split(whole.X)), about)


def _red_wine():
    return pd.read_csv(data_folder() / "winequality-red.csv", sep=";")


def red_wine():
    """Return all rows; twins stand on both sides of the splits."""
    rows = _red_wine()
    X, y = rows.drop(columns="quality"), rows["quality"].to_numpy(float)
    splits = list(ShuffleSplit(20, test_size=0.1, random_state=0).split(X))
    return Table(X, y, "RMSE", splits, "1,599 rows with 240 twins, 20 random 90/10 splits")


def red_wine_unique():
    """Return each wine once."""
    rows = _red_wine().drop_duplicates()
    X, y = rows.drop(columns="quality"), rows["quality"].to_numpy(float)
    splits = [
        split for seed in (0, 1) for split in KFold(10, shuffle=True, random_state=seed).split(X)
    ]
    return Table(X, y, "RMSE", splits, f"{len(X):,} rows without twins, 10-fold, twice")


def diabetes():
    """Return the progression of the disease after a year."""
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    splits = list(ShuffleSplit(20, test_size=0.2, random_state=0).split(X))
    return Table(X, y.to_numpy(float), "RMSE", splits, "442 rows, 20 random 80/20 splits")


def breast_cancer():
    """Return tumours, malignant or benign."""
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    splits = list(StratifiedShuffleSplit(10, test_size=0.2, random_state=0).split(X, y))
    return Table(X, y.to_numpy(), "log loss", splits, "569 rows, 10 stratified 80/20 splits")


def penguins():
    """Return three species, with gaps."""
    rows = pd.read_csv(data_folder() / "penguins.csv")
    X, y = rows.drop(columns="species"), rows["species"].to_numpy()
    splits = list(StratifiedShuffleSplit(10, test_size=0.2, random_state=0).split(X, y))
    return Table(X, y, "log loss", splits, "344 rows, 10 stratified 80/20 splits")


def adult():
    """Return who has an income above 50,000 dollars."""
    rows = pd.read_csv(data_folder() / "adult_train.csv.gz", skipinitialspace=True, na_values="?")
    y = rows.iloc[:, -1].astype(str).str.strip().to_numpy()
    X = rows.iloc[:, :-1]
    splits = list(StratifiedShuffleSplit(3, test_size=0.2, random_state=0).split(X, y))
    return Table(X, y, "log loss", splits, "32,561 rows, 3 stratified 80/20 splits")


def sunshine():
    """Return days, and the hours of sunshine in Basel on the next one."""
    rows = pd.read_csv(data_folder() / "weather_prediction_dataset_light.csv.gz")
    X = rows.drop(columns="DATE").iloc[:-1]
    y = rows["BASEL_sunshine"].to_numpy(float)[1:]
    cuts = [int(len(X) * share) for share in (0.6, 0.7, 0.8)]
    size = int(len(X) * 0.2)
    splits = [(np.arange(cut), np.arange(cut, min(cut + size, len(X)))) for cut in cuts]
    return Table(X, y, "RMSE", splits, "3,653 days, 3 splits in order of time")


def by_column():
    """Return the usual preparation of numbers and categories, for networks of any kind."""
    return make_column_transformer(
        (
            make_pipeline(SimpleImputer(), StandardScaler()),
            make_column_selector(dtype_include="number"),
        ),
        (
            OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=5),
            make_column_selector(dtype_exclude="number"),
        ),
        sparse_threshold=0,
    )


TABLES = {
    "california": california,
    "california_few": california_few,
    "red_wine": red_wine,
    "red_wine_unique": red_wine_unique,
    "diabetes": diabetes,
    "breast_cancer": breast_cancer,
    "penguins": penguins,
    "adult": adult,
    "sunshine": sunshine,
}
