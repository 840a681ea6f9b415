"""What a server answers to requests that are right, and what it says of itself."""

import datetime as dt
import json
import re

import numpy as np
import pandas as pd
import pytest

import skdl
from skdl.serving import create_app
from tests.serving.conftest import ROW, Client


def records(X):
    """Return rows as JSON has them."""
    return json.loads(X.to_json(orient="records", double_precision=15))


def tensors(X):
    """Return rows in the Open Inference Protocol."""
    return [
        {
            "name": name,
            "shape": [len(X), 1],
            "datatype": "BYTES" if X[name].dtype.kind in "OU" or name == "sex" else "FP64",
            "data": [None if pd.isna(cell) else cell for cell in X[name].tolist()],
        }
        for name in X.columns
    ]


def test_records_are_predicted_as_the_pipeline_does(client, penguins):
    pipeline, X = penguins
    answer = client.post("/predict", json={"rows": records(X)}).json()
    assert list(answer) == ["predictions", "classes", "probabilities"]
    assert answer["predictions"] == pipeline.predict(X).tolist()
    assert answer["classes"] == ["Adelie", "Gentoo"]
    np.testing.assert_allclose(
        answer["probabilities"], pipeline.predict_proba(X), rtol=0, atol=1e-5
    )


def test_an_empty_text_is_missing_in_tensors_alone(client, penguins):
    pipeline, X = penguins
    empty, missing = (
        X.head(1).assign(sex=pd.Series([cell], dtype=object)) for cell in ("", np.nan)
    )
    known = [pipeline.predict_proba(row)[0] for row in (empty, missing)]
    assert abs(known[0] - known[1]).max() > 1e-4
    for row, expected in zip((empty, missing), known, strict=True):
        answer = client.post("/predict", json={"rows": records(row)}).json()
        np.testing.assert_allclose(answer["probabilities"][0], expected, rtol=0, atol=1e-5)
        answer = client.post("/v2/models/penguins/infer", json={"inputs": tensors(row)}).json()
        np.testing.assert_allclose(answer["outputs"][1]["data"], known[1], rtol=0, atol=1e-5)


def test_tensors_are_predicted_as_the_pipeline_does(client, penguins):
    pipeline, X = penguins
    inputs = tensors(X)
    for entry in inputs[:2]:
        entry["data"] = [[cell] for cell in entry["data"]]
    inputs[2]["shape"] = [len(X)]
    body = {"id": "42", "inputs": inputs[::-1]}
    answer = client.post("/v2/models/penguins/infer", json=body).json()
    assert (answer["model_name"], answer["id"]) == ("penguins", "42")
    label, probabilities = answer["outputs"]
    assert label == {
        "name": "label", "datatype": "BYTES", "shape": [60], "data": pipeline.predict(X).tolist(),
    }  # fmt: skip
    assert (probabilities["datatype"], probabilities["shape"]) == ("FP64", [60, 2])
    np.testing.assert_allclose(
        np.reshape(probabilities["data"], (60, 2)), pipeline.predict_proba(X), rtol=0, atol=1e-5
    )


def test_outputs_are_chosen_by_name(client, penguins):
    wanted = [{"name": "probabilities", "parameters": {"binary_data": True}}]
    body = {"inputs": tensors(penguins[1][:3]), "outputs": wanted}
    answer = client.post("/v2/models/penguins/infer", json=body).json()
    assert [output["name"] for output in answer["outputs"]] == ["probabilities"]


def test_nan_as_python_writes_it_is_a_missing_value(client):
    null = client.post("/predict", json={"rows": [ROW | {"length": None}]}).json()
    nan = client.post("/predict", content=json.dumps({"rows": [ROW | {"length": np.nan}]})).json()
    assert nan == null
    assert "predictions" in nan


def test_every_kind_of_column(client_of):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "seen": pd.Timestamp("2020-05-01") + pd.to_timedelta(rng.integers(0, 900, 40), "h"),
            "stay": pd.to_timedelta(rng.integers(1, 90, 40), "min"),
            "tagged": rng.random(40) < 0.5,
        }
    )
    frame.loc[::5, "seen"] = pd.NaT
    frame.loc[::6, "stay"] = pd.NaT
    network = skdl.MLPRegressor.tabular(epochs=1, random_state=0).fit(frame, rng.normal(size=40))
    client = client_of(network, frame)
    rows = [
        {
            "seen": None if pd.isna(row.seen) else row.seen.isoformat(),
            "stay": None if pd.isna(row.stay) else row.stay.total_seconds(),
            "tagged": row.tagged,
        }
        for row in frame.itertuples()
    ]
    answer = client.post("/predict", json={"rows": rows}).json()
    expected = network.predict(frame)
    assert list(answer) == ["predictions"]
    np.testing.assert_allclose(answer["predictions"], expected, rtol=0, atol=1e-5)
    nanoseconds = {
        "seen": frame["seen"].to_numpy("datetime64[ns]").astype("int64"),
        "stay": frame["stay"].to_numpy("timedelta64[ns]").astype("int64"),
    }
    inputs = [
        {"name": name, "shape": [40, 1], "datatype": "INT64", "data": times.tolist()}
        for name, times in nanoseconds.items()
    ]
    tagged = frame["tagged"].tolist()
    inputs += [{"name": "tagged", "shape": [40, 1], "datatype": "BOOL", "data": tagged}]
    answer = client.post("/v2/models/model/infer", json={"inputs": inputs}).json()
    np.testing.assert_allclose(answer["outputs"][0]["data"], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("zone", ["Z", "+02:00", ""])
def test_dates_with_a_zone_are_taken_to_universal_time(zone):
    from skdl.serving._cells import as_column

    column = as_column({"kind": "datetime"}, [f"2024-05-31T12:00:00.25{zone}"], "column 'seen'")
    hours = 10 if zone == "+02:00" else 12
    expected = dt.datetime(2024, 5, 31, hours, 0, 0, 250_000)  # noqa: DTZ001 - as NumPy has them
    assert column[0] == np.datetime64(expected)


def test_images_of_bytes(client_of):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (12, 6, 6, 1)).astype("uint8")
    network = skdl.CNNClassifier(filters=2, hidden_units=4, epochs=1, random_state=0)
    network.fit(X, np.arange(12) % 3)
    client = client_of(network, X)
    expected = network.predict_proba(X)
    answer = client.post("/predict", json={"rows": X.tolist()}).json()
    np.testing.assert_allclose(answer["probabilities"], expected, rtol=0, atol=1e-5)
    assert answer["classes"] == [0, 1, 2]
    tensor = {
        "name": "X", "shape": [12, 6, 6, 1], "datatype": "UINT8", "data": X.ravel().tolist(),
    }  # fmt: skip
    answer = client.post("/v2/models/model/infer", json={"inputs": [tensor]}).json()
    data = answer["outputs"][1]["data"]
    np.testing.assert_allclose(np.reshape(data, (12, 3)), expected, rtol=0, atol=1e-5)
    for wrong in ([256], [0.5], [-1], [None]):
        rows = [[[wrong] * 6] * 6]
        refused = client.post("/predict", json={"rows": rows})
        assert refused.status_code == 400
        assert "Expected an integer from 0 to 255" in refused.json()["error"]
    refused = client.post("/predict", json={"rows": [[[[1]] * 6] * 5]})
    assert "has lists of 5 on axis 1. Expected 6" in refused.json()["error"]
    refused = client.post("/predict", json={"rows": [{"X": 1}]})
    assert "Expected a list of shape [6, 6, 1]" in refused.json()["error"]


def test_health_and_metadata(client):
    assert client.get("/v2").json()["name"] == "skdl"
    assert client.get("/v2").json()["extensions"] == []
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}
    assert client.get("/v2/models/penguins/ready").json() == {"name": "penguins", "ready": True}
    metadata = client.get("/v2/models/penguins").json()
    assert [entry["name"] for entry in metadata["inputs"]] == list(ROW)
    assert metadata["inputs"][0] == {
        "name": "length", "datatype": "FP64", "shape": [-1, 1], "parameters": {"kind": "number"},
    }  # fmt: skip
    assert metadata["inputs"][2]["parameters"]["levels"] == ["Biscoe", "Dream", "Torgersen"]
    assert metadata["outputs"] == [
        {"name": "label", "datatype": "BYTES", "shape": [-1]},
        {"name": "probabilities", "datatype": "FP64", "shape": [-1, 2]},
    ]
    assert metadata["properties"]["classes"] == ["Adelie", "Gentoo"]


def test_the_schema_describes_a_record(client):
    paths = client.get("/openapi.json").json()["paths"]
    schema = paths["/predict"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    row = schema["properties"]["rows"]["items"]
    assert row["required"] == list(ROW)
    assert row["properties"]["island"]["enum"] == ["Biscoe", "Dream", "Torgersen"]
    assert schema["properties"]["rows"]["maxItems"] == 100


def test_metrics_count_requests_and_rows(file):
    client = Client(create_app(file, name="other"))
    for rows in ([ROW] * 3, [ROW] * 4, [{}]):
        client.post("/predict", json={"rows": rows})
    client.post("/v2/models/other/infer", content=b"{")
    lines = client.get("/metrics").text.splitlines()
    assert 'skdl_requests_total{route="/predict",status="200"} 2.0' in lines
    assert 'skdl_requests_total{route="/predict",status="400"} 1.0' in lines
    assert 'skdl_requests_total{route="/v2/models/{name}/infer",status="400"} 1.0' in lines
    assert 'skdl_rows_total{route="/predict"} 7.0' in lines
    assert 'skdl_request_seconds_count{route="/predict"} 3.0' in lines
    assert any(re.match(r'skdl_model\{name="other",sha256="[0-9a-f]{64}"\} 1\.0', o) for o in lines)


def test_a_long_request_is_predicted_as_short_ones_are(file, penguins):
    """Beyond some bytes, a thread does it."""
    client = Client(create_app(file))
    rows = records(penguins[1]) * 10
    assert len(json.dumps(rows)) > 16_384
    answer = client.post("/predict", json={"rows": rows}).json()
    assert answer["predictions"] == penguins[0].predict(penguins[1]).tolist() * 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_rows": 0}, r"max_rows=0\. Expected an integer of at least 1"),
        ({"max_bytes": 1.5}, r"max_bytes=1\.5\. Expected an integer"),
        ({"name": "a/b"}, r"name='a/b' cannot stand in an address\. Expected text without"),
    ],
    ids=["rows", "bytes", "name"],
)
def test_limits_are_checked(options, message, file):
    with pytest.raises(ValueError, match=message):
        create_app(file, **options)


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file.*to_onnx wrote"):
        create_app(tmp_path / "none.onnx")
