"""Sequence networks as ONNX files against the estimators that they were made of."""

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skdl
from skdl.exceptions import ExportError
from skdl.export import OnnxModel, to_litert, to_onnx
from tests.checks import slow_but

SHORT = {"epochs": 2, "random_state": 0}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 6, 2)).astype(np.float32)
LABELS = np.where(X[:, 2, 0] > 0, "up", "down")
GAPS = np.where(np.arange(6)[:, None] < RNG.integers(1, 7, 40)[:, None, None], X, np.nan)
GAPS = GAPS.astype(np.float32)


SEQUENCES = {
    "lstm": skdl.RNNClassifier("lstm", units=3, bidirectional=True, **SHORT),
    "gru": skdl.RNNClassifier("gru", units=(3, 2), pooling="attention", mask_missing=True, **SHORT),
    "simple": skdl.RNNClassifier(
        "simple", units=3, pooling="max", input_batch_norm=True, mask_missing=True, **SHORT
    ),
    "cnn1d masked": skdl.CNN1DClassifier(3, normalization="batch", mask_missing=True, **SHORT),
    "cnn1d": skdl.CNN1DClassifier(
        (3, 2), kernel_size=(2, 3), pooling="max", input_batch_norm=True, **SHORT
    ),
    "transformer": skdl.TransformerClassifier(1, n_heads=2, width=4, mask_missing=True, **SHORT),
}


@pytest.mark.parametrize("kind", slow_but(SEQUENCES, "gru", "cnn1d masked", "transformer"))
def test_sequences_with_and_without_missing_steps(kind, tmp_path):
    network = SEQUENCES[kind]
    rows = GAPS if network.mask_missing else X
    network.fit(rows, LABELS)
    to_onnx(network, rows, tmp_path / "model.onnx")
    model = OnnxModel(tmp_path / "model.onnx")
    np.testing.assert_allclose(model.predict_proba(rows), network.predict_proba(rows), atol=1e-5)
    np.testing.assert_array_equal(model.predict(rows), network.predict(rows))


def test_flat_rows_through_a_scaler(tmp_path):
    flat = X.reshape(40, 12)
    pipeline = make_pipeline(
        StandardScaler(), skdl.RNNRegressor("gru", units=3, sequence_shape=(6, 2), **SHORT)
    ).fit(flat, X[:, :, 1].mean(1))
    to_onnx(pipeline, flat, tmp_path / "model.onnx")
    np.testing.assert_allclose(
        OnnxModel(tmp_path / "model.onnx").predict(flat), pipeline.predict(flat), atol=1e-5
    )


def test_lists_of_unequal_length_are_refused_with_the_cure(tmp_path):
    lists = [row[: 2 + i % 3] for i, row in enumerate(X)]
    network = SEQUENCES["lstm"].fit(lists, LABELS)
    with pytest.raises(ExportError, match=r"rows of unequal length.*mask_missing=True"):
        to_onnx(network, lists, tmp_path / "model.onnx")


def test_what_no_file_holds_is_told_by_its_own_reason(tmp_path):
    texts = ["good", "bad"] * 4
    y = [1, 0] * 4
    path = tmp_path / "model"
    network = skdl.TextClassifier(max_length=3, epochs=1).fit(pd.DataFrame({"t": texts}), y)
    for export in (to_onnx, to_litert):
        with pytest.raises(ExportError, match=r"token ids of texts in Python.*TokenSequences"):
            export(network, pd.DataFrame({"t": texts}), path)
    turned = X.transpose(0, 2, 1)
    network = skdl.RNNClassifier(units=2, channels="first", epochs=1).fit(turned, LABELS)
    with pytest.raises(ExportError, match=r"channels='last', and X\.transpose"):
        to_onnx(network, turned, path)
    siamese = skdl.SiameseTransformer(2, hidden_units=2, epochs=1)
    pipeline = make_pipeline(siamese, KNeighborsClassifier(3)).fit(turned[:, 0], LABELS)
    with pytest.raises(ExportError, match=r"SiameseTransformer: no file .*pipeline\[:1\]"):
        to_onnx(pipeline, turned[:, 0], path)
