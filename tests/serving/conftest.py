"""Small pipelines as files, and a client that speaks to an application without a socket."""

import asyncio
import contextlib
import socket
import subprocess
import sys
import time

import httpx
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import skdl
from skdl.export import to_onnx
from skdl.serving import create_app

N_ROWS = 60
ROW = {"length": 39.1, "mass": 3750.0, "island": "Dream", "sex": None}


class Client:
    """Calls of one application; an exception inside it is one of the test."""

    def __init__(self, app):
        self._app = app

    def request(self, method, path, **options):
        async def sent():
            transport = httpx.ASGITransport(app=self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                return await client.request(method, path, **options)

        return asyncio.run(sent())

    def get(self, path):
        return self.request("GET", path)

    def post(self, path, **options):
        return self.request("POST", path, **options)


@pytest.fixture(scope="session")
def penguins():
    """Return a pipeline that fills gaps of `length` and `sex` alone, and its rows.

    It refuses islands that it has not seen.
    """
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "length": rng.normal(40, 5, N_ROWS),
            "mass": rng.normal(4000, 800, N_ROWS).round(),
            "island": rng.choice(["Biscoe", "Dream", "Torgersen"], N_ROWS),
            "sex": rng.choice(["female", "male"], N_ROWS),
        }
    )
    X.loc[::7, "length"] = np.nan
    X.loc[::9, "sex"] = None
    y = np.array(["Adelie", "Gentoo"], object)[(X["mass"] > 4000).astype(int)]
    fill = SimpleImputer(strategy="most_frequent")
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), ["length"]),
        (StandardScaler(), ["mass"]),
        (OneHotEncoder(), ["island"]),
        (make_pipeline(fill, OneHotEncoder(handle_unknown="ignore")), ["sex"]),
    )
    network = skdl.MLPClassifier(8, epochs=2, random_state=0)
    return make_pipeline(columns, network).fit(X, y), X


@pytest.fixture(scope="session")
def file(penguins, tmp_path_factory):
    path = tmp_path_factory.mktemp("serving") / "penguins.onnx"
    to_onnx(*penguins, path)
    return path


@pytest.fixture(scope="session")
def client(file):
    return Client(create_app(file, max_rows=100, max_bytes=20_000))


@pytest.fixture(scope="session")
def client_of(tmp_path_factory):
    """Return a function that serves an estimator."""

    def served(estimator, X, **options):
        path = tmp_path_factory.mktemp("serving") / "model.onnx"
        to_onnx(estimator, X, path)
        return Client(create_app(path, **options))

    return served


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture
def start():
    """Return a function that starts a server process and waits until it is ready."""
    with contextlib.ExitStack() as stack:

        def started(code, *arguments, cwd=None, python=sys.executable):
            address = f"http://127.0.0.1:{(port := free_port())}"
            process = subprocess.Popen(
                [python, "-c", code, *map(str, arguments), "--port", str(port)],
                cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )  # fmt: skip
            stack.callback(process.communicate)
            stack.callback(process.kill)
            ends = time.monotonic() + 60
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if httpx.get(f"{address}/v2/health/ready", timeout=5).json() == {"ready": True}:
                        return process, address
                assert process.poll() is None, process.communicate()[1]
                assert time.monotonic() < ends
                time.sleep(0.05)

        yield started
