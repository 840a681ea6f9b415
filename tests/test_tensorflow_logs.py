"""Standard error: TensorFlow's notes stay away, all else comes through."""

import os
import subprocess
import sys
import threading

import pytest

from skdl import _tensorflow_import, _tensorflow_logs
from skdl._tensorflow_logs import is_note, without_notes

NOTES = """\
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1795958439.269563   28400 cudart_stub.cc:31] Could not find cuda drivers.
To enable the following instructions: AVX2 FMA, in other operations, rebuild TensorFlow
E0000 00:00:1795958447.407952   28400 cuda_platform.cc:52] failed call to cuInit: INTERNAL: \
CUDA error: Failed call to cuInit: UNKNOWN ERROR (303)
2026-11-29 12:00:00.12: I tensorflow/core/util/port.cc:153] oneDNN custom operations are on
E0000 00:00:1795958479.770330   28678 text_format.cc:378] Error parsing text-format \
tensorflow.XlaSerializedCacheEntry: 2:1: Expected identifier, got: 6
W0000 00:00:1 1 op_level_cost_estimator.cc:699] Error in PredictCost() for the op: "Softmax"
""".splitlines()
LINES = """\
E0000 00:00:1795958447.407952   28400 cuda_platform.cc:52] failed call to cuInit: INTERNAL: \
CUDA error: Failed call to cuInit: CUDA_ERROR_UNKNOWN
W0000 00:00:1 1 gpu_device.cc:2344] Cannot dlopen some GPU libraries.
2026-11-29 12:00:00.12: W tensorflow/core/framework/op_kernel.cc:1] OP_REQUIRES failed
a line of the user's own
I mean it

""".splitlines()


@pytest.mark.parametrize("line", NOTES)
def test_notes_are_known(line):
    assert is_note(line.encode())


@pytest.mark.parametrize("line", LINES)
def test_other_lines_are_kept(line):
    assert not is_note(line.encode())


def write(text):
    os.write(2, text.encode())


def test_only_notes_are_kept_away(capfd, monkeypatch):
    monkeypatch.delenv(_tensorflow_logs.SWITCH, raising=False)
    with without_notes() as is_quiet:
        assert is_quiet
        for line in [*NOTES, *LINES]:
            write(f"{line}\n")
        write("no end of line")
    write("\nafterwards\n")
    assert capfd.readouterr().err == "\n".join([*LINES, "no end of line", "afterwards", ""])


def test_everything_is_there_for_those_who_want_to_see_it(capfd, monkeypatch):
    monkeypatch.setenv(_tensorflow_logs.SWITCH, "1")
    with without_notes() as is_quiet:
        assert not is_quiet
        write(f"{NOTES[0]}\n")
    assert capfd.readouterr().err == f"{NOTES[0]}\n"


def test_threads_that_overlap_lose_no_line(capfd):
    barrier = threading.Barrier(4)

    def work(number):
        barrier.wait()
        for i in range(50):
            with without_notes():
                write(f"{NOTES[0]}\n{number} {i}\n")

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = sorted(capfd.readouterr().err.splitlines())
    assert found == sorted(f"{n} {i}" for n in range(4) for i in range(50))
    assert "skdl-tensorflow-logs" not in {thread.name for thread in threading.enumerate()}


def test_child_that_was_started_meanwhile_can_write_on(capfd):
    code = "import sys; sys.stdin.read(); sys.stderr.write('of the child')"
    with without_notes():
        child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    child.communicate()
    assert child.returncode == 0
    for thread in threading.enumerate():
        if thread.name == "skdl-tensorflow-logs":
            thread.join()
    assert capfd.readouterr().err == "of the child"


def test_nothing_is_prepared_where_tensorflow_is_loaded():
    import tensorflow as tf

    before = list(sys.meta_path)
    _tensorflow_import.prepare()
    assert sys.meta_path == before
    assert tf.__spec__.loader is not None


FIRST_EXAMPLE = """
import numpy as np
{imports}
from sklearn.datasets import load_iris

X, y = load_iris(return_X_y=True)
network = skdl.MLPClassifier(8, epochs=3, random_state=0).fit(X, y)
network.predict_proba(np.tile(X, (3, 1)))
"""


@pytest.mark.parametrize(
    "imports",
    [
        "import skdl",
        pytest.param("import skdl, tensorflow", marks=pytest.mark.slow),
        pytest.param("import skdl, keras", marks=pytest.mark.slow),
    ],
)
def test_a_first_fit_prints_nothing(imports):
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("TF_") and name != _tensorflow_logs.SWITCH
    }
    done = subprocess.run(
        [sys.executable, "-c", FIRST_EXAMPLE.format(imports=imports)],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == ""
    assert done.stderr == ""


@pytest.mark.slow
def test_notes_are_there_if_asked_for():
    done = subprocess.run(
        [sys.executable, "-c", "import skdl, tensorflow"],
        env={**os.environ, _tensorflow_logs.SWITCH: "1", "TF_CPP_MIN_LOG_LEVEL": "0"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert any(is_note(line.encode()) for line in done.stderr.splitlines())
