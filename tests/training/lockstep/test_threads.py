"""One backend of lockstep in several threads."""

import threading

import numpy as np
from joblib import parallel_config
from joblib.parallel import get_active_backend
from sklearn.model_selection import GridSearchCV, cross_val_score

from skdl import MLPRegressor, lockstep

PATIENCE = 300  # seconds until a deadlock is one


def nested(seed):
    network = MLPRegressor(4, epochs=2, random_state=seed)
    return GridSearchCV(network, {"l2": [0.0, 0.1]}, cv=2)


def in_threads(functions):
    """Run functions at once; return what they return or raise."""
    found = {}

    def run(i, function):
        try:
            found[i] = function()
        except Exception as error:  # noqa: BLE001 - compared by the test
            found[i] = error

    threads = [
        threading.Thread(target=run, args=(i, function), daemon=True)
        for i, function in enumerate(functions)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive(), "deadlock"
    return [found[i] for i in range(len(functions))]


def test_threads_share_a_backend(diabetes):
    X, y = diabetes[0][:60], diabetes[1][:60]

    def scores(seed):
        return cross_val_score(nested(seed), X, y, cv=2)

    expected = [scores(seed) for seed in range(3)]
    with lockstep() as session:
        backend, _ = get_active_backend()

        def shared(seed):
            with parallel_config(backend=backend, n_jobs=-1):
                return scores(seed)

        for _ in range(3):
            found = in_threads([lambda seed=seed: shared(seed) for seed in range(3)])
            np.testing.assert_allclose(found, expected, rtol=1e-3)
    # In each thread: the grids of both folds together, then what they chose.
    assert sorted(session.batches) == [2] * 9 + [8] * 9


def test_error_in_one_thread_leaves_the_others_alone(diabetes):
    X, y = diabetes[0][:60], diabetes[1][:60]

    def failing(*_):
        raise OSError("the disk is full")

    with lockstep():
        backend, _ = get_active_backend()

        def shared(scoring):
            with parallel_config(backend=backend, n_jobs=-1):
                return cross_val_score(nested(0), X, y, cv=2, scoring=scoring, error_score="raise")

        error, scores = in_threads([lambda: shared(failing), lambda: shared("r2")])
    assert isinstance(error, OSError)
    assert np.isfinite(scores).all()


def test_threads_inside_a_task_share_its_backend(diabetes):
    X, y = diabetes[0][:60], diabetes[1][:60]

    class Threaded(MLPRegressor):
        def fit(self, X, y):
            backend, _ = get_active_backend()

            def inner():
                with parallel_config(backend=backend, n_jobs=-1):
                    return cross_val_score(MLPRegressor(4, epochs=1), X, y, cv=2)

            found = in_threads([inner, inner])
            assert all(np.isfinite(scores).all() for scores in found), found
            return super().fit(X, y)

    with lockstep():
        scores = cross_val_score(Threaded(4, epochs=1), X, y, cv=2, error_score="raise")
    assert np.isfinite(scores).all()
