"""Many fits in one process: memory stays, speed stays, nothing is traced again."""

import json

import pytest

pytestmark = pytest.mark.slow

# Row counts and values vary as they do over folds and trials; shapes of programs must not.
HUNDRED_FITS = """
import gc, json, time
import numpy as np, psutil
from skdl import MLPClassifier, MLPRegressor

rng = np.random.default_rng(0)
resident, seconds = [], []
for i in range(100):
    X = rng.normal(size=(150 + i % 7, 10))
    y = X[:, 0] + 0.1 * rng.normal(size=len(X))
    regression = i % 2
    Estimator = MLPRegressor if regression else MLPClassifier
    start = time.perf_counter()
    model = Estimator(
        hidden_units=8 + i % 3, dropout=0.01 * i, learning_rate=1e-3 * (1 + i), epochs=5,
        early_stopping=True,
    ).fit(X, y if regression else y > 0)
    model.predict(X[: 1 + i])
    seconds.append(time.perf_counter() - start)
    del model
    gc.collect()
    resident.append(psutil.Process().memory_info().rss / 2**20)
print(json.dumps({"resident": resident, "seconds": seconds}))
"""


@pytest.fixture(scope="module")
def hundred_fits(fresh_python):
    done = fresh_python(HUNDRED_FITS)
    return {**json.loads(done.stdout), "log": done.stderr}


def test_memory_grows_less_than_50_mib_from_the_10th_to_the_100th_fit(hundred_fits):
    resident = hundred_fits["resident"]
    assert resident[99] - resident[9] < 50


def test_later_fits_are_not_slower(hundred_fits):
    # Medians, and a factor of two, because the machine has other work too.
    seconds = hundred_fits["seconds"]
    assert sorted(seconds[70:])[15] < 2 * sorted(seconds[10:40])[15]


def test_no_function_is_traced_again(hundred_fits):
    assert "retracing" not in hundred_fits["log"]
