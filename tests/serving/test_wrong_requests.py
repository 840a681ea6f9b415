"""Wrong input gives an answer of 4xx that says what to do, and never a traceback."""

import asyncio
import json

import httpx
import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

import skdl
from skdl.serving import _app, create_app
from tests.serving.conftest import ROW, Client

RECORDS = "/predict"
TENSORS = "/v2/models/penguins/infer"


def rows(*changes, **change):
    """Return records that are right but for one change each."""
    changes = [*changes, change] if change else changes
    return json.dumps({"rows": [ROW | change for change in changes]})


def without(name):
    return {key: cell for key, cell in ROW.items() if key != name}


def tensor(name, data, datatype=None, **more):
    datatype = datatype or ("BYTES" if name in {"island", "sex"} else "FP64")
    return {"name": name, "shape": [len(data), 1], "datatype": datatype, "data": data} | more


def inputs(*changed, drop=None, **body):
    """Return a request of tensors in which some are others."""
    right = {name: tensor(name, [cell]) for name, cell in ROW.items() if name != drop}
    right |= {entry["name"]: entry for entry in changed}
    return json.dumps({"inputs": list(right.values())} | body)


WRONG = {
    # ------------------------------------------------------------- JSON
    "empty body": (RECORDS, b"", 400, "body is empty"),
    "cut JSON": (RECORDS, rows({})[:-3], 400, "body is not JSON"),
    "no JSON": (RECORDS, "rows=1&rows=2", 400, "body is not JSON"),
    "no UTF-8": (RECORDS, b'{"rows": ["\xff"]}', 400, "not UTF-8"),
    "UTF-16": (RECORDS, rows({}).encode("utf-16"), 400, "not UTF-8"),
    "deep nesting": (RECORDS, b"[" * 9000, 400, "nested too deeply"),
    "a number of 5000 digits": (RECORDS, '{"rows": ' + "9" * 5000 + "}", 400, "not JSON"),
    "a list": (RECORDS, "[]", 400, "body is a list. Expected a JSON object"),
    "null": (RECORDS, "null", 400, "body is null"),
    "infinity": (RECORDS, rows(mass=float("inf")), 400, "body holds Infinity. Expected finite"),
    # ------------------------------------------------------------- rows
    "no rows": (RECORDS, "{}", 400, "'rows' is missing. Expected a list"),
    "rows that are none": (RECORDS, '{"rows": "all"}', 400, "'rows' is a string"),
    "zero rows": (RECORDS, '{"rows": []}', 400, "no rows. Expected at least one"),
    "another key": (RECORDS, '{"rows": [], "data": 1}', 400, 'unknown keys "data"'),
    "a row that is a list": (RECORDS, '{"rows": [[1, 2]]}', 400, "row 0 of 'rows' holds a list"),
    "too many rows": (RECORDS, rows(*[{}] * 101), 413, "101 rows. Expected at most 100"),
    "too many bytes": (RECORDS, b" " * 20_001, 413, "too large. Expected at most 20000"),
    # ------------------------------------------------------------- columns
    "a missing column": (
        RECORDS, json.dumps({"rows": [ROW, without("mass")]}), 400,
        'row 1 lacks the columns "mass". Expected exactly',
    ),
    "an unknown column": (RECORDS, rows(lengths=1), 400, 'unknown columns "lengths"'),
    "text for a number": (
        RECORDS, rows({}, {"mass": "3750"}), 400,
        "row 1 of column 'mass' holds \"3750\". Expected a number, or null",
    ),
    "a list for a number": (RECORDS, rows(mass=[3750]), 400, "column 'mass' holds a list"),
    "an object for a text": (RECORDS, rows(sex={}), 400, "column 'sex' holds an object"),
    "a number for a text": (RECORDS, rows(island=3), 400, "holds 3. Expected a string"),
    "a boolean for a text": (RECORDS, rows(island=True), 400, "holds true. Expected a string"),
    "half a character": (RECORDS, rows(sex="\ud800"), 400, "half a character"),
    "a number beyond float64": (RECORDS, rows({}).replace("3750.0", "1e999"), 400, "beyond 1e308"),
    "an integer beyond float64": (RECORDS, rows(mass=10**400), 400, "beyond 1e308"),
    "a number beyond float32": (RECORDS, rows(mass=1e300), 400, "a number beyond 3.4e+38"),
    "an unknown category": (
        RECORDS, rows(island="Mars"), 400, "column 'island' holds ['Mars'], which the encoder",
    ),
    "a gap in a category": (RECORDS, rows(island=None), 400, "column 'island' holds ['']"),
    "a gap that is not filled": (
        RECORDS, rows({}, {"mass": None}), 400,
        "row 1 of column 'mass' has a missing value, which the estimator refuses",
    ),
    "NaN that is not filled": (RECORDS, rows(mass=float("nan")), 400, "'mass' has a missing"),
    # ------------------------------------------------------------- tensors
    "no inputs": (TENSORS, "{}", 400, "'inputs' is no list of objects"),
    "inputs that are none": (TENSORS, '{"inputs": [1]}', 400, "'inputs' is no list of objects"),
    "empty inputs": (TENSORS, '{"inputs": []}', 400, 'lacks the inputs "island", "length"'),
    "an input without a name": (TENSORS, '{"inputs": [{}]}', 400, "no 'name'. Expected a string"),
    "a missing input": (TENSORS, inputs(drop="sex"), 400, 'lacks the inputs "sex"'),
    "an unknown input": (TENSORS, inputs(tensor("age", [1])), 400, 'no inputs "age"'),
    "an input twice": (
        TENSORS, json.dumps({"inputs": [tensor(name, [cell]) for name, cell in ROW.items()] * 2}),
        400, "several of the inputs",
    ),
    "an unknown key of an input": (
        TENSORS, inputs(tensor("mass", [1], size=3)), 400, "input 'mass' has the unknown keys",
    ),
    "an identifier that is a number": (TENSORS, inputs(id=3), 400, "'id' is a number"),
    "no shape": (TENSORS, inputs(tensor("mass", [1], shape=None)), 400, "no valid 'shape'"),
    "a negative shape": (TENSORS, inputs(tensor("mass", [1], shape=[-1, 1])), 400, "no valid"),
    "a shape of floats": (TENSORS, inputs(tensor("mass", [1], shape=[1.0, 1])), 400, "no valid"),
    "another width": (
        TENSORS, inputs(tensor("mass", [1, 2], shape=[1, 2])), 400,
        "input 'mass' has shape [1, 2]. Expected [1, 1]",
    ),
    "unequal rows": (TENSORS, inputs(tensor("mass", [1, 2])), 400, "Expected the same number"),
    "fewer values than the shape says": (
        TENSORS, inputs(tensor("mass", [], shape=[1, 1])), 400, "has 0 values. Expected 1",
    ),
    "lists of another shape": (
        TENSORS, inputs(tensor("mass", [[1, 2]])), 400, "has lists of 2 on axis 1. Expected 1",
    ),
    "too deep lists": (TENSORS, inputs(tensor("mass", [[[1]]])), 400, "holds a list. Expected a"),
    "a huge shape": (
        TENSORS,
        json.dumps({"inputs": [tensor(name, [], shape=[10**30, 1]) for name in ROW]}),
        413, "Expected at most 100 in one request",
    ),
    "no data": (TENSORS, inputs(tensor("mass", [1]) | {"data": None}), 400, "no list 'data'"),
    "no datatype": (
        TENSORS, inputs(tensor("mass", [1]) | {"datatype": None}), 400, "datatype null",
    ),
    "an unknown datatype": (
        TENSORS, inputs(tensor("mass", [1], "FLOAT")), 400, "which the protocol does not have",
    ),
    "text for numbers": (
        TENSORS, inputs(tensor("mass", ["1"], "BYTES")), 400, "Expected one of BOOL, FP16, FP32",
    ),
    "numbers for text": (TENSORS, inputs(tensor("sex", [1], "INT8")), 400, "Expected one of BYTES"),
    "data of another datatype": (TENSORS, inputs(tensor("mass", ["1"])), 400, "Expected a number"),
    "booleans for floats": (TENSORS, inputs(tensor("mass", [True])), 400, "holds true"),
    "floats for integers": (TENSORS, inputs(tensor("mass", [1.5], "INT8")), 400, "an integer from"),
    "beyond the datatype": (
        TENSORS, inputs(tensor("mass", [128], "INT8")), 400, "Expected an integer from -128 to 127",
    ),
    "beyond half precision": (
        TENSORS, inputs(tensor("mass", [7e4], "FP16")), 400, "Expected numbers that FP16 can hold",
    ),
    "a gap among tensors": (TENSORS, inputs(tensor("mass", [None])), 400, "'mass' has a missing"),
    "an unknown output": (TENSORS, inputs(outputs=[{"name": "y"}]), 400, 'no outputs "y"'),
    "outputs that are none": (TENSORS, inputs(outputs=3), 400, "'outputs' is no list of objects"),
    "another model": ("/v2/models/x/infer", "{}", 404, 'no model "x". Expected "penguins"'),
    # ------------------------------------------------------------- addresses
    "another address": ("/predictions", "{}", 404, "Expected POST /predict, or the addresses"),
}  # fmt: skip


@pytest.mark.parametrize(("path", "body", "status", "message"), WRONG.values(), ids=WRONG)
def test_wrong_input(path, body, status, message, client):
    answer = client.post(path, content=body)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    assert message in answer.json()["error"]
    assert "Traceback" not in answer.text


def test_there_are_more_than_thirty_kinds():
    assert len(WRONG) > 2 * 30


def test_the_right_ones_are_predicted(client):
    assert client.post(RECORDS, content=rows({})).status_code == 200
    assert client.post(TENSORS, content=inputs()).status_code == 200


@pytest.mark.parametrize(
    ("path", "status"), [("/predict", 405), ("/v2/models/x", 404), ("/v2/models/x/ready", 404)]
)
def test_other_methods_and_other_models(path, status, client):
    answer = client.get(path)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"Content-Encoding": "gzip"}, "encoded by 'gzip'. Expected plain JSON"),
        ({"Inference-Header-Content-Length": "9"}, "binary. Expected JSON"),
    ],
    ids=["gzip", "binary tensors"],
)
def test_encodings(header, message, client):
    answer = client.post(RECORDS, content=rows({}), headers=header)
    assert answer.status_code == 415
    assert message in answer.json()["error"]


def test_a_body_of_unknown_length_is_cut_off(client):
    n_sent = []

    async def body():
        while True:
            n_sent.append(1)
            yield b" " * 1000

    answer = client.post(RECORDS, content=body())
    assert answer.status_code == 413
    assert len(n_sent) < 30


def test_a_body_that_never_ends_is_given_up(client, monkeypatch):
    monkeypatch.setattr(_app, "_BODY_SECONDS", 0.05)

    async def body():
        yield b"{"
        await asyncio.sleep(30)
        yield b"}"

    answer = client.post(RECORDS, content=body())
    assert answer.status_code == 408
    assert "took more than 0.05 seconds" in answer.json()["error"]


def test_a_category_that_only_the_graph_knows(client_of):
    """Behind another step no column of the rows has the levels: onnxruntime refuses it."""
    X = np.arange(12.0).reshape(12, 1) % 3
    encoder = make_pipeline(FunctionTransformer(np.square), OneHotEncoder())
    pipeline = make_pipeline(encoder, skdl.MLPClassifier(4, epochs=1)).fit(X, X[:, 0] > 0)
    client = client_of(pipeline, X)
    assert client.post(RECORDS, json={"rows": [[2]]}).status_code == 200
    answer = client.post(RECORDS, json={"rows": [[7]]})
    assert answer.status_code == 400
    assert "category that an encoder did not see in fit" in answer.json()["error"]


def test_a_fault_of_the_server_is_json_too(file, monkeypatch):
    def broken(model, body):
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(_app, "predict_records", broken)
    app = create_app(file)

    async def sent():
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.post(RECORDS, content=b"{}")

    answer = asyncio.run(sent())
    assert answer.status_code == 500
    assert answer.json() == {"error": "/predict: the server failed, and its log says why."}
    metrics = Client(app).get("/metrics").text
    assert 'skdl_requests_total{route="/predict",status="500"} 1.0' in metrics
