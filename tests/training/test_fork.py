"""Processes forked off one that has used TensorFlow, which would wait for its threads for ever."""

import os

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows does not fork")

START = """
import multiprocessing, sys, warnings
import numpy as np
import skdl
warnings.simplefilter("ignore")
X = np.random.default_rng(0).normal(size=(20, 3)); y = X[:, 0]
network = skdl.MLPRegressor(4, epochs=1)
context = multiprocessing.get_context("fork")
told = context.SimpleQueue()

def said(call):
    try:
        call()
    except RuntimeError as error:
        told.put(str(error))
    else:
        told.put("worked")

def in_child(call):
    child = context.Process(target=said, args=(call,))
    child.start()
    child.join(120)
    assert not child.is_alive(), child.kill()
    return told.get()
"""

AFTER = """
network.fit(X, y)
def build():
    import keras
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
calls = {
    "MLPRegressor: ": lambda: network.predict(X),
    "MLPRegressor:": lambda: skdl.MLPRegressor(4, epochs=1).fit(X, y),
    "keras.Model:": lambda: network.model_,
    "KerasRegressor:": lambda: skdl.KerasRegressor(build, loss="mse").fit(X, y),
}
for owner, call in calls.items():
    message = in_child(call)
    assert message.startswith(owner), message
    for cure in ("spawn", "loky", "--preload"):
        assert cure in message
network.predict(X)
"""

BEFORE = """
import tensorflow  # loaded, but not used
message = in_child(lambda: network.fit(X, y).predict(X))
assert message == "worked", message
network.fit(X, y)
"""


@pytest.mark.slow
@pytest.mark.parametrize("code", [AFTER, BEFORE], ids=["after", "before"])
def test_forked_process_is_told_where_it_would_hang(code, fresh_python):
    fresh_python(START + code)


@pytest.mark.slow
def test_joblibs_processes_are_told(fresh_python):
    fresh_python(
        START
        + """
from joblib import Parallel, delayed
network.fit(X, y)
try:
    Parallel(n_jobs=2, backend="multiprocessing", timeout=120)(
        delayed(skdl.MLPRegressor(4, epochs=1).fit)(X, y) for _ in range(2)
    )
except RuntimeError as error:
    assert "loky" in str(error), error
else:
    raise AssertionError("it trained")
"""
    )
