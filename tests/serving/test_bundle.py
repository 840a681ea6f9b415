"""A folder that serves a pipeline where skdl, TensorFlow and scikit-learn cannot be imported."""

import importlib.metadata
import json
import re
import signal
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import httpx
import numpy as np
import pytest

from skdl.exceptions import ExportError
from skdl.serving import bundle
from skdl.serving._bundle import REQUIREMENTS

ALONE = """
import runpy, sys
for name in ("skdl", "tensorflow", "keras", "sklearn", "scipy", "pandas", "joblib", "onnx"):
    sys.modules[name] = None
runpy.run_module("server", run_name="__main__", alter_sys=True)
"""


@pytest.fixture(scope="module")
def folder(penguins, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle") / "penguins"
    report = bundle(*penguins, folder, name="penguins")
    assert report.path == folder / "penguins.onnx"
    assert report.largest_difference < 1e-5
    return folder


def test_it_runs_on_its_own(folder, penguins, start):
    check_requests(folder, penguins, *start(ALONE, "penguins.onnx", cwd=folder))


@pytest.mark.slow
def test_it_runs_in_an_environment_of_its_requirements_alone(folder, penguins, start, tmp_path):
    venv.create(tmp_path / "venv", with_pip=True)
    scripts = "Scripts" if sys.platform == "win32" else "bin"
    python = tmp_path / "venv" / scripts / "python"
    done = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "-r", folder / "requirements.txt"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        pytest.skip(f"pip cannot install here: {done.stderr[-200:]}")
    started = start(ALONE, "penguins.onnx", cwd=folder, python=python)
    check_requests(folder, penguins, *started)


def check_requests(folder, penguins, process, address):
    """Send the example requests, and stop the server."""
    pipeline, X = penguins
    request = (folder / "request.json").read_bytes()
    answer = httpx.post(f"{address}/predict", content=request).json()
    expected = pipeline.predict_proba(X[:2])
    np.testing.assert_allclose(answer["probabilities"], expected, rtol=0, atol=1e-5)
    request = (folder / "request_v2.json").read_bytes()
    answer = httpx.post(f"{address}/v2/models/penguins/infer", content=request).json()
    np.testing.assert_allclose(
        np.reshape(answer["outputs"][1]["data"], (2, 2)), expected, rtol=0, atol=1e-5
    )
    process.send_signal(signal.SIGTERM)
    assert "Traceback" not in process.communicate(timeout=60)[1]
    assert process.returncode == 0


def test_a_missing_package_points_at_its_requirements(folder):
    code = "import sys; sys.modules['uvicorn'] = None\n" + ALONE
    done = subprocess.run(
        [sys.executable, "-c", code, "penguins.onnx"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "'uvicorn' is not installed. Install it with pip install -r requirements.txt" in (
        done.stderr
    )


def test_what_it_holds(folder):
    lines = (folder / "requirements.txt").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines)
    assert pinned == {name: importlib.metadata.version(name) for name in REQUIREMENTS}
    assert "tensorflow" not in pinned
    docker = (folder / "Dockerfile").read_text()
    assert docker.startswith(f"FROM python:3.{sys.version_info.minor}-slim\n")
    assert '"penguins.onnx"' in docker
    readme = (folder / "README.md").read_text()
    assert "python -m server penguins.onnx" in readme
    code = "".join(path.read_text() for path in (folder / "server").iterdir() if path.is_file())
    assert not re.search(r"(?m)^\s*(from|import) skdl", code)
    rows = json.loads((folder / "request.json").read_text())["rows"]
    assert [list(row) for row in rows] == [["length", "mass", "island", "sex"]] * 2
    assert rows[0]["length"] is None


def test_nothing_is_written_over(folder, penguins):
    with pytest.raises(FileExistsError, match=r"not an empty folder.*nothing is written over"):
        bundle(*penguins, folder)


@pytest.mark.parametrize("name", ["../x", "a b", ""])
def test_a_name_that_is_none(name, penguins, tmp_path):
    with pytest.raises(ExportError, match=r"no name for a file and an address.*'penguins'"):
        bundle(*penguins, tmp_path / "new", name=name)
    assert not (tmp_path / "new").exists()


def test_a_failed_export_leaves_no_folder(penguins, tmp_path):
    with pytest.raises(ExportError, match="tolerance"):
        bundle(*penguins, tmp_path / "new", tolerance=1e-300)
    assert not (tmp_path / "new").exists()


def test_cells_of_every_kind_become_records():
    from skdl.serving._bundle import _records

    kinds = ["number", "string", "datetime", "timedelta"]
    described = [{"name": kind, "kind": kind} for kind in kinds]
    least = np.iinfo(np.int64).min
    arrays = {
        "number": np.array([[1.5], [np.nan]]),
        "string": np.array([["a"], [""]], object),
        "datetime": np.array([[1_717_156_800_000_000_000], [least]]),
        "timedelta": np.array([[1_500_000_000], [least]]),
    }
    right = {
        "number": 1.5, "string": "a", "datetime": "2024-05-31T12:00:00.000000", "timedelta": 1.5,
    }  # fmt: skip
    assert _records(described, arrays) == {"rows": [right, dict.fromkeys(kinds)]}


def test_requirements_are_those_of_the_extra():
    pyproject = Path(__file__).resolve().parents[2] / "pyproject.toml"
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    lines = project["optional-dependencies"]["serve"] + project["dependencies"]
    least = dict(line.split(">=") for line in lines)
    assert {name: least[name] for name in REQUIREMENTS} == REQUIREMENTS
