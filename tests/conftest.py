"""Small real data for every test, read-only: writing to what the user passed is an error."""

import gc
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.preprocessing import StandardScaler

from tests.checks import name_without_address

PROJECT = Path(__file__).resolve().parents[1]
# What another run compiled must not stand in for what is tested.
os.environ.setdefault("SKDL_COMPILE_CACHE", "off")
# A shell starts what runs in the background with Ctrl-C ignored, and so is all that it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# Each process of pytest-xdist has one core for itself. Thread pools as wide as the machine, in each
# of them, would fight for the cores.
ONE_THREAD = (
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes():
    """Set before the processes start, which inherit it; a run with ``-n 0`` stays as it is."""
    for name in ONE_THREAD:
        os.environ.setdefault(name, "1")


def pytest_collection_modifyitems(items):
    """Refuse names that change with the process: pytest-xdist compares those of all processes."""
    bad = [item.nodeid for item in items if item.nodeid != name_without_address(item.nodeid)]
    if bad:
        raise pytest.UsageError(
            f"These names of tests hold an address or a temporary folder: {bad}. Expected the same "
            "name in every process. Give the parameters `ids`, as name_without_address does."
        )


def read_only(*arrays):
    for array in arrays:
        array.setflags(write=False)
    return arrays


def shuffled_rows(loader, n_rows):
    X, y = loader(return_X_y=True)
    rows = np.random.default_rng(0).permutation(len(X))[:n_rows]
    return read_only(StandardScaler().fit_transform(X[rows]), y[rows])


# Tests make millions of objects that live long; a look at all of them takes a tenth of a second.
gc.set_threshold(700, 10, 100)


@pytest.fixture(scope="module", autouse=True)
def traced_programs_out_of_the_way():
    """Spare later garbage collections the programs of earlier modules, which stay in caches.

    Tracing sets off full collections, and each goes through every object of every program.
    """
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def breast_cancer():
    """150 rows, 30 standardised features, two classes."""
    return shuffled_rows(load_breast_cancer, 150)


@pytest.fixture(scope="session")
def iris():
    """150 rows, 4 standardised features, three classes."""
    return shuffled_rows(load_iris, 150)


@pytest.fixture(scope="session")
def diabetes():
    """150 rows, 10 standardised features, a target between 25 and 346."""
    return shuffled_rows(load_diabetes, 150)


@pytest.fixture(scope="session")
def shared_data():
    """Return a function from the name of a file of shared/data to its path."""
    folder = Path(os.environ.get("SKDL_DATA", PROJECT.parent / "shared" / "data"))

    def path_of(name):
        if not (folder / name).is_file():
            pytest.skip(f"{folder / name} is missing; SKDL_DATA may name the folder that holds it")
        return folder / name

    return path_of


@pytest.fixture(scope="session")
def fresh_python():
    """Return a function that runs code in a new interpreter and returns the finished process."""

    def run(code, *arguments):
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)],
            capture_output=True,
            check=False,
            cwd=PROJECT,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done

    return run
