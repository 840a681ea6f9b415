"""Memory that is freed between steps, where glibc was told to give all of it back at once."""

import json
import os
import pickle
import platform
import subprocess
import sys

import keras
import pytest

from skdl import MLPRegressor
from skdl.training.engine import _heap
from skdl.training.lockstep._shipping import Cargo, pack
from skdl.training.lockstep._worker import Order, run_chunk, this_process

TRIMS = {"MALLOC_TRIM_THRESHOLD_": "65536"}

needs_glibc = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="thresholds are those of glibc"
)

# Pages that the kernel had to give while 4 MiB were written and freed twenty times. The module
# stands by itself: without the package, a process starts at once.
FAULTS = """
import json, os, resource, runpy, sys
freed_memory_kept = runpy.run_path(sys.argv[1])["freed_memory_kept"]

def faults():
    n_bytes = int("4194304")  # no constant, which would be made once
    b"a" * n_bytes
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        b"a" * n_bytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

os.environ |= json.loads(sys.argv[2])
found = [faults()]
with freed_memory_kept():
    with freed_memory_kept():
        found.append(faults())
    found.append(faults())
print(json.dumps([*found, faults()]))
"""
OF_TWENTY = 20 * 2**22 // os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0


def faults(set_late=(), **variables):
    """Return page faults before, in an inner and an outer context, and after."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    found = subprocess.run(
        [sys.executable, "-c", FAULTS, _heap.__file__, json.dumps(dict(set_late))],
        env=clean | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(found.stdout)


@needs_glibc
def test_arrays_are_not_mapped_anew_where_all_memory_is_trimmed():
    before, inner, outer, after = faults(**TRIMS)
    assert min(before, after) > 0.9 * OF_TWENTY
    assert max(inner, outer) < 0.1 * OF_TWENTY


@needs_glibc
def test_thresholds_of_ones_own_choice_are_kept():
    assert min(faults(**TRIMS, MALLOC_MMAP_THRESHOLD_="131072")) > 0.9 * OF_TWENTY


@needs_glibc
def test_variable_that_came_too_late_for_glibc_changes_nothing():
    # Otherwise all memory would be trimmed from the end of the first training on.
    assert max(faults(set_late=TRIMS)) < 0.1 * OF_TWENTY


def test_variables_are_found_where_a_title_was_written_over_those_of_the_start(
    tmp_path, monkeypatch
):
    titled = tmp_path / "environ"
    titled.write_bytes(b"dask worker" + bytes(1000))
    monkeypatch.setattr(_heap, "_STARTED_WITH", titled)
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "65536")
    assert _heap._environment_at_start()["MALLOC_TRIM_THRESHOLD_"] == "65536"
    titled.write_bytes(b"MALLOC_TRIM_THRESHOLD_=7\0A=b=c\0")
    assert _heap._environment_at_start() == {"MALLOC_TRIM_THRESHOLD_": "7", "A": "b=c"}


@pytest.fixture
def thresholds(monkeypatch):
    """Thresholds that were set, in order; the process's own stay as they are."""
    set_to = []
    monkeypatch.setattr(_heap, "_trim_threshold", lambda: 65536)
    monkeypatch.setattr(_heap, "_set_thresholds", lambda *pair: set_to.append(pair))
    return set_to


KEPT, TOLD = (2**25, 2**26), (2**17, 65536)


def depth():
    return _heap._n_inside


@needs_glibc
def test_freed_memory_is_kept_while_a_chunk_runs_and_its_folds_are_scored(thresholds):
    pickled, _ = pack([[(depth, (), {})]], Cargo())
    _, report = run_chunk(0, pickled, {}, Order(this_process(), 1, None))
    assert pickle.loads(report).results == [[1]]
    assert thresholds == [KEPT, TOLD]


@needs_glibc
def test_freed_memory_is_kept_while_a_network_trains(thresholds):
    seen = []
    watcher = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: seen.append(depth()))
    MLPRegressor(2, epochs=1, callbacks=[watcher]).fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0])
    assert seen == [1]
    assert thresholds == [KEPT, TOLD]
