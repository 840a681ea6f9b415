"""Robust scaling with smooth clipping."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from skdl import SmoothClipScaler


@parametrize_with_checks([SmoothClipScaler()])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_values_by_hand():
    # Median 3, quartiles 2 and 4: z = (x - 3) / 2.
    scaled = SmoothClipScaler().fit([[1.0], [2.0], [3.0], [4.0], [5.0]]).transform([[3.0], [11.0]])
    assert scaled[0, 0] == 0
    assert scaled[1, 0] == pytest.approx(4 / np.sqrt(1 + (4 / 3) ** 2))  # = 2.4


def test_equal_quartiles_leave_half_the_range_and_constants_become_zero():
    X = np.column_stack([[0, 0, 0, 0, 0, 0, 0, 4], np.full(8, 7.0)]).astype(float)
    scaler = SmoothClipScaler().fit(X)
    np.testing.assert_array_equal(scaler.center_, [0, 7])
    np.testing.assert_array_equal(scaler.scale_, [2, np.inf])
    assert scaler.transform(X)[-1, 0] == pytest.approx(2 / np.sqrt(1 + (2 / 3) ** 2))
    assert (scaler.transform([[0, 8]])[:, 1] == 0).all()


def test_outliers_stay_apart_and_within_three():
    X = np.append(np.arange(100.0), [1e4, 1e5])[:, None]
    scaled = SmoothClipScaler().fit_transform(X)
    assert (np.diff(scaled[:, 0]) > 0).all()
    assert 2.9 < scaled[-1, 0] < 3


def test_missing_values_do_not_count_and_stay():
    X = np.array([[1.0, np.nan], [2.0, np.nan], [3.0, np.nan], [np.nan, np.nan]])
    scaled = SmoothClipScaler().fit_transform(X)
    np.testing.assert_array_equal(np.isnan(scaled), np.isnan(X))
    np.testing.assert_allclose(scaled[:3], SmoothClipScaler().fit(X[:3]).transform(X[:3]))


def test_frames_keep_their_names_and_float32_its_type():
    X = pd.DataFrame({"size": [1.0, 2.0, 4.0], "price": [3.0, 1.0, 2.0]})
    scaler = SmoothClipScaler().set_output(transform="pandas").fit(X)
    assert scaler.transform(X).columns.tolist() == ["size", "price"]
    assert scaler.get_feature_names_out().tolist() == ["size", "price"]
    small = X.to_numpy(np.float32)
    assert SmoothClipScaler().fit_transform(small).dtype == np.float32


def test_sparse_rows_are_refused():
    with pytest.raises(TypeError, match=r"[Dd]ense"):
        SmoothClipScaler().fit(sparse.eye(4, format="csr"))


def test_works_in_a_pipeline(diabetes):
    X, y = diabetes
    model = make_pipeline(SmoothClipScaler(), LinearRegression())
    assert clone(model).fit(X, y).score(X, y) > 0.4
