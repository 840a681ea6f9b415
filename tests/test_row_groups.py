"""Groups of rows come in many forms; what cannot be split by is told at the door."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from skdl import MLPClassifier
from skdl._row_groups import checked_groups
from skdl.exceptions import InvalidParameterError
from skdl.model_selection import (
    IteratedKFold,
    KFoldEnsembleClassifier,
    OptunaSearchCV,
    Windows,
    cross_validate,
    train_validation_test_split,
)

NAMES = ["b", "a", "b", "c", "c", "a"]
X = np.arange(12.0).reshape(6, 2)
y = np.array([0, 1, 0, 1, 0, 1])
# All that take groups.
TAKERS = {
    "MLPClassifier": lambda g: MLPClassifier(3, early_stopping=True).fit(X, y, groups=g),
    "KFoldEnsembleClassifier": lambda g: KFoldEnsembleClassifier(LogisticRegression(), cv=2).fit(
        X, y, groups=g
    ),
    "OptunaSearchCV": lambda g: OptunaSearchCV(LogisticRegression(), {}, cv=2).fit(X, y, groups=g),
    "cross_validate": lambda g: cross_validate(LogisticRegression(), X, y, groups=g, cv=2),
    "IteratedKFold": lambda g: next(IteratedKFold(2).split(X, y, groups=g)),
    "train_validation_test_split": lambda g: train_validation_test_split(X, groups=g),
    "Windows": lambda g: Windows(X, length=1, groups=g),
}


@pytest.mark.parametrize(
    "groups",
    [
        NAMES,
        tuple(NAMES),
        np.array(NAMES),
        np.array(NAMES, object),
        np.array(NAMES)[:, None],
        pd.Series(NAMES, dtype="string", index=range(6, 12)),
        pd.Series(NAMES, dtype="category"),
        pd.DataFrame({"group": NAMES}),
    ],
    ids=["list", "tuple", "texts", "objects", "column", "strings", "categories", "frame"],
)
def test_groups_of_any_form_become_an_array(groups):
    assert checked_groups("A", groups, 6).tolist() == NAMES


def test_numbers_stay_numbers():
    assert checked_groups("A", [2, 1, 2], 3).dtype.kind == "i"
    assert checked_groups("A", np.array([1, 2.5], object), 2).tolist() == [1, 2.5]


@pytest.mark.parametrize(
    "groups",
    [
        np.array([None, *NAMES[1:]], object),
        [np.nan, *NAMES[1:]],
        np.array([np.nan, 1, 2, 3, 4, 5]),
        pd.Series([None, *NAMES[1:]], dtype="string"),
        pd.Series([None, 1, 2, 3, 4, 5], dtype="Int64"),
    ],
    ids=["None", "list with NaN", "NaN", "strings with NA", "integers with NA"],
)
@pytest.mark.parametrize("name", TAKERS)
def test_missing_groups_are_refused_everywhere(name, groups):
    told = r"groups holds 1 missing value \(None or NaN\), the first in row 0\. .*remove those rows"
    with pytest.raises(ValueError, match=f"^{name}: {told}"):
        TAKERS[name](groups)


@pytest.mark.parametrize("name", TAKERS)
def test_what_is_no_array_of_groups_is_refused_everywhere(name):
    for groups, told in [
        ("a", r"groups='a' is not allowed\. Expected an array with a group for each row"),
        (np.zeros((6, 2)), r"groups is of shape \(6, 2\)\. Expected an array with a group"),
        (np.array([1, "a"] * 3, object), r"several types \(int, str\).*groups\.astype\(str\)"),
    ]:
        with pytest.raises(InvalidParameterError, match=f"^{name}: .*{told}"):
            TAKERS[name](groups)


def test_groups_of_fewer_rows_are_refused():
    with pytest.raises(
        InvalidParameterError, match=r"^A: groups has 2 entries\..*one per row .* 3"
    ):
        checked_groups("A", ["a", "b"], 3)
