"""Quantiles of columns, NaN left out."""

import time
import warnings

import numpy as np
import pytest

from skdl.layers import _quantiles, robust_units
from skdl.layers._quantiles import column_quantiles

SHARES = np.linspace(0, 1, 9)


def table(shape, share_of_gaps, dtype):
    rng = np.random.default_rng(0)
    X = rng.normal(1e3, 5, shape).astype(dtype)
    X[rng.random(shape) < share_of_gaps] = np.nan
    X[:, 1] = 7
    return X


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("share_of_gaps", [0, 0.01, 0.4])
@pytest.mark.parametrize("shape", [(40, 300), (301, 7), (1, 3)])
def test_quantiles_are_those_of_numpy_to_the_bit(shape, share_of_gaps, dtype, monkeypatch):
    monkeypatch.setattr(_quantiles, "_BLOCK_CELLS", 100)
    X = table(shape, share_of_gaps, dtype)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice")
        expected = np.nanquantile(X.astype(np.float64), SHARES, axis=0)
    np.testing.assert_array_equal(column_quantiles(X, SHARES), np.nan_to_num(expected))


def test_columns_without_numbers_give_zeros_and_constants_an_infinite_scale():
    center, scale = robust_units(np.array([[np.nan, 3.0], [np.nan, 3.0]]))
    np.testing.assert_array_equal(center, [0, 3])
    np.testing.assert_array_equal(scale, [np.inf, np.inf])


@pytest.mark.parametrize("share_of_gaps", [0, 0.1])
def test_wide_tables_take_no_call_for_each_column(share_of_gaps):
    X = table((40, 20_000), share_of_gaps, np.float64)
    start = time.process_time()
    robust_units(X)
    ours = time.process_time() - start
    start = time.process_time()
    np.nanquantile(X[:, :2_000], [0.25, 0.5, 0.75], axis=0)
    # A tenth of the columns: it took 0.03 to 0.06 s in all, where NumPy takes 2 s.
    assert ours < 5 * (time.process_time() - start)
