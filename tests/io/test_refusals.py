"""Files of strangers are refused before anything of them has run, with an error that says why."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import skops.io
from skops.io.exceptions import UntrustedTypesFoundException

import skdl
import skdl.io
from skdl.exceptions import UnsafeFileError
from tests.io.crafted import CRAFTED, SENTINEL, Archive

_READ = """
import json, sys
from pathlib import Path
import skdl.io
from skdl.exceptions import UnsafeFileError

found = {}
for path in sorted(Path(sys.argv[1]).glob("*.skops")):
    try:
        loaded = skdl.io.load(path)
        found[path.stem] = ["loaded", type(loaded).__name__]
    except UnsafeFileError as error:
        found[path.stem] = ["refused", str(error)]
    except BaseException as error:
        found[path.stem] = [type(error).__name__, str(error)]
imported = [name for name in ("tensorflow", "keras", "sentinel_module") if name in sys.modules]
print(json.dumps([found, imported]))
"""
_SENTINEL = """
from pathlib import Path

Path(__file__).with_name("harm").write_text("imported")


def run(*arguments):
    Path(__file__).with_name("harm").write_text("called")


class Evil:
    def __init__(self, *arguments):
        run()

    def __setstate__(self, state):
        run()
"""


@pytest.fixture(scope="module")
def network():
    rows = np.arange(12.0).reshape(6, 2)
    return skdl.MLPClassifier(4, dropout=0.1, epochs=1, random_state=0).fit(rows, [0, 1] * 3)


@pytest.fixture(scope="module")
def honest(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("honest") / "network.skops"
    skdl.io.save(network, path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def read(honest, tmp_path_factory):
    """Load all of them in a process of its own; return folder, results and imported modules."""
    folder = tmp_path_factory.mktemp("crafted")
    (folder / "an honest file.skops").write_bytes(Archive(honest).data())
    for name, (spoil, *_) in CRAFTED.items():
        archive = Archive(honest)
        data = spoil(archive)
        (folder / f"{name}.skops").write_bytes(archive.data() if data is None else data)
    (folder / f"{SENTINEL}.py").write_text(_SENTINEL)
    root = str(Path(skdl.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([root, str(folder)])}
    done = subprocess.run(
        [sys.executable, "-c", _READ, str(folder)], env=environment, cwd=folder,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found, imported = json.loads(done.stdout.splitlines()[-1])
    return folder, found, imported


@pytest.mark.slow
def test_what_the_files_are_made_of_is_loaded(read):
    _, found, _ = read
    assert found["an honest file"] == ["loaded", "MLPClassifier"]


@pytest.mark.parametrize("name", CRAFTED)
def test_crafted_file_is_refused(name, read):
    _, found, _ = read
    outcome, message = found[name]
    assert (outcome, message) == ("refused", message)
    with pytest.raises(UnsafeFileError, match=f"(?s){name}.skops: .*({CRAFTED[name][1]})"):
        raise UnsafeFileError(message)
    assert "Expected" in message
    assert len(message) < 5_000


def test_nothing_of_them_has_run(read):
    folder, found, imported = read
    assert len(found) == len(CRAFTED) + 1 > 60
    assert imported == []
    assert not (folder / "harm").exists()


@pytest.mark.parametrize("name", [name for name in CRAFTED if not CRAFTED[name][2]])
def test_plain_skops_refuses_what_our_classes_hold(name, honest):
    """With `trusted_types`, as MLflow loads, no crafted file becomes an estimator either."""
    archive = Archive(honest)
    spoiled = CRAFTED[name][0](archive)
    data = archive.data() if spoiled is None else spoiled
    with pytest.raises((UnsafeFileError, UntrustedTypesFoundException)):
        skops.io.loads(data, trusted=skdl.io.trusted_types())


def test_error_tells_the_version_of_the_writer(honest, tmp_path):
    archive = Archive(honest)
    archive.state["format"] = 2
    archive.members["skdl.json"] = json.dumps({"skdl": "99.0"}).encode()
    (tmp_path / "new.skops").write_bytes(archive.data())
    with pytest.raises(UnsafeFileError, match=r"written by skdl 99\.0, this is skdl"):
        skdl.io.load(tmp_path / "new.skops")


def test_text_as_trusted_is_refused(honest, tmp_path):
    (tmp_path / "network.skops").write_bytes(honest)
    with pytest.raises(TypeError, match=r"Expected a list of names: \['sklearn\.x'\]"):
        skdl.io.load(tmp_path / "network.skops", trusted="sklearn.x")


def test_a_pickle_is_called_one(tmp_path):
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(UnsafeFileError, match=r"model.pkl: .*It is a pickle.*joblib\.load"):
        skdl.io.load(path)


def test_missing_file_is_no_unsafe_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        skdl.io.load(tmp_path / "missing.skops")


def test_old_skops_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(skops, "__version__", "0.14.1")
    with pytest.raises(ImportError, match=r'skops 0\.14\.1, .* pip install "skdl\[io\]"'):
        skdl.io.load(tmp_path / "network.skops")


def test_missing_skops_is_told(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "skops", None)
    monkeypatch.setitem(sys.modules, "skops.io", None)
    with pytest.raises(ImportError, match=r'pip install "skdl\[io\]"'):
        skdl.io.save(skdl.MLPClassifier(), tmp_path / "network.skops")
