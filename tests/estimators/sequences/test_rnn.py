"""Recurrent networks as estimators: shapes, lengths, missing steps, parameters, what they learn."""

import keras
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import tensorflow as tf
from scipy import sparse
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skdl
from skdl import RNNClassifier, RNNRegressor
from skdl.estimators import describe_space
from skdl.exceptions import InvalidParameterError
from skdl.model_selection import KFoldEnsembleRegressor, OptunaSearchCV, cross_validate
from skdl.training import predict
from tests.checks import slow_but, slow_case

SMALL = {"cell": "gru", "units": 3, "epochs": 2, "random_state": 0}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 6, 2)).astype(np.float32)
LABELS = np.where(X[:, 2, 0] > 0, "up", "down")
NUMBERS = X[:, :, 1].mean(1)
LENGTHS = RNG.integers(1, 9, 40)
RAGGED = [RNG.normal(size=(n, 2)).astype(np.float32) for n in LENGTHS]


def layers_of(estimator):
    return [type(layer).__name__ for layer in estimator.model_.layers]


def padded(sequences, n_steps):
    """Return sequences in one array with NaN at the end, by NumPy."""
    rows = np.full((len(sequences), n_steps, sequences[0].shape[1]), np.nan, np.float32)
    for row, sequence in zip(rows, sequences, strict=True):
        row[: len(sequence)] = sequence
    return rows


# ---------------------------------------------------------------------------------- shapes


@pytest.mark.slow
def test_sequences_flat_rows_and_channels_first_learn_the_same():
    sequences = RNNClassifier(**SMALL).fit(X, LABELS)
    expected = sequences.predict_proba(X)
    flat = RNNClassifier(**SMALL, sequence_shape=(6, 2)).fit(X.reshape(40, 12), LABELS)
    np.testing.assert_array_equal(flat.predict_proba(X.reshape(40, 12)), expected)
    turned = X.transpose(0, 2, 1)
    first = RNNClassifier(**SMALL, channels="first").fit(turned, LABELS)
    np.testing.assert_array_equal(first.predict_proba(turned), expected)
    as_list = RNNClassifier(**SMALL).fit(list(X), LABELS)
    np.testing.assert_array_equal(as_list.predict_proba(list(X)), expected)
    assert sequences.sequence_shape_ == flat.sequence_shape_ == first.sequence_shape_ == (6, 2)
    assert (sequences.n_features_in_, flat.n_features_in_) == (2, 12)


def test_flat_rows_with_channels_first_hold_channel_after_channel():
    turned = X.transpose(0, 2, 1).reshape(40, 12)
    flat = RNNRegressor(**SMALL, channels="first", sequence_shape=(6, 2)).fit(turned, NUMBERS)
    expected = RNNRegressor(**SMALL).fit(X, NUMBERS).predict(X)
    np.testing.assert_array_equal(flat.predict(turned), expected)


def test_flat_rows_without_a_shape_have_one_channel():
    frame = pd.DataFrame(X[:, :, 0], columns=list("abcdef"))
    flat = RNNRegressor(**SMALL).fit(frame, NUMBERS)
    assert flat.sequence_shape_ == (6, 1)
    assert list(flat.feature_names_in_) == list("abcdef")
    np.testing.assert_array_equal(
        flat.predict(frame), RNNRegressor(**SMALL).fit(X[:, :, :1], NUMBERS).predict(X[:, :, :1])
    )


def test_a_refit_to_sequences_forgets_names_of_features():
    network = RNNRegressor(**SMALL).fit(pd.DataFrame(X[:, :, 0], columns=list("abcdef")), NUMBERS)
    network.fit(X, NUMBERS)
    assert not hasattr(network, "feature_names_in_")
    assert network.n_features_in_ == 2


def test_a_scaler_of_flat_rows_stands_in_front():
    pipeline = make_pipeline(StandardScaler(), RNNClassifier(**SMALL, sequence_shape=(6, 2)))
    assert pipeline.fit(X.reshape(40, 12), LABELS).predict(X.reshape(40, 12)).shape == (40,)


BAD_ROWS = [
    ({"sequence_shape": (5, 2)}, X.reshape(40, 12), r"5 × 2 = 10 values, .* 12 .*multiply out"),
    ({"sequence_shape": (5, 2)}, X, r"differs from .*\(6, 2\)\. Expected the same"),
    ({}, X[:, :0], r"\(40, 0, 2\)\. Expected sequences \(n_samples, timesteps, channels\)"),
    ({"channels": "first"}, X[..., None], r"\(40, 6, 2, 1\)\. .*n_samples, channels, timesteps"),
    ({}, np.where(X > 2, np.nan, X), "contains NaN"),
    ({}, [*RAGGED[:-1], np.ones((0, 2))], r"X\[39\] has shape \(0, 2\)\. .*leave empty"),
    ({}, [*RAGGED[:-1], np.ones((3, 1))], r"X\[0\] has 2 channels and X\[39\] has 1\. .*'first'"),
    ({}, [*RAGGED[:-1], [["a", "b"]]], r"X\[39\] is not an array of numbers"),
    ({}, [*RAGGED[:-1], np.full((3, 2), np.nan)], r"NaN or infinity in 1 .*X\[39\].*mask_missing"),
    ({"mask_missing": True}, np.where(X > 2, np.nan, X), "NaN in some channels .*fill the others"),
    (
        {"mask_missing": True},
        np.where(np.arange(40)[:, None, None] == 7, np.nan, X),
        "all steps of X are NaN in 1 of 40 sequences, the first of them row 7.*leave these",
    ),
    (
        {"mask_missing": True},
        [*RAGGED[:-1], np.array([[0, 1], [np.nan, 1]])],
        "NaN in some channels of a step in 1 of 40 .*row 39",
    ),
    (
        {"mask_missing": True},
        [*RAGGED[:-1], np.full((3, 2), np.nan)],
        "all steps of X are NaN in 1 of 40 sequences, the first of them row 39",
    ),
]


@pytest.mark.parametrize(("parameters", "rows", "message"), BAD_ROWS)
def test_rows_that_cannot_be_sequences(parameters, rows, message):
    with pytest.raises(ValueError, match=f"(?s)^(RNNRegressor: |Input X ).*{message}"):
        RNNRegressor(**SMALL, **parameters).fit(rows, NUMBERS)


def test_rows_to_predict_have_the_channels_of_those_learned():
    fitted = RNNClassifier(**SMALL).fit(X, LABELS)
    with pytest.raises(ValueError, match=r"1 channels .*Expected 2, as in fit"):
        fitted.predict(X[:, :, :1])
    with pytest.raises(ValueError, match=r"flat rows, but fit saw .*\(6, 2\)\. Expected sequences"):
        fitted.predict(X.reshape(40, 12))


@pytest.mark.parametrize(("steps", "message"), [(1, "some channels"), (slice(None), "all steps")])
def test_lists_to_predict_have_no_other_gaps_than_arrays(steps, message):
    fitted = RNNClassifier(**SMALL, mask_missing=True).fit(RAGGED, LABELS)
    rows = [X[0].copy(), X[1, :4]]
    rows[0][steps, 0 if steps == 1 else slice(None)] = np.nan
    for predicted in (rows, padded(rows, 6)):
        with pytest.raises(ValueError, match=message):
            fitted.predict(predicted)


def test_sparse_rows_are_refused():
    with pytest.raises(TypeError, match="dense data is required"):
        RNNClassifier(**SMALL).fit(sparse.csr_matrix(X[:, :, 0]), LABELS)


BAD_PARAMETERS = [
    ("cell", "rnn", "cell='rnn' .*'lstm'"),
    ("units", 0, "units=0 .*1"),
    ("units", [], r"units=\[\] .*1 to 1000"),
    ("layers", 0, "layers=0 .*1"),
    ("pooling", "average", "pooling='average' .*'mean'"),
    ("hidden_units", 0, "hidden_units=0 .*1"),
    ("sequence_shape", (3, 2, 1), "sequence_shape=.*1 to 2 entries"),
    ("channels", "middle", "channels='middle' .*'first'"),
    ("normalization", "group", "normalization='group' .*'layer'"),
]


@pytest.mark.parametrize(("name", "value", "message"), BAD_PARAMETERS)
def test_bad_parameter(name, value, message):
    with pytest.raises(InvalidParameterError, match=f"RNNClassifier: {message}"):
        RNNClassifier(**SMALL | {name: value}).fit(X, LABELS)


# --------------------------------------------------------------------------------- lengths


@pytest.fixture(scope="module")
def ragged():
    return RNNRegressor(**SMALL, pooling="mean").fit(RAGGED, LENGTHS)


def test_predictions_depend_on_neither_padding_nor_company(ragged):
    together = ragged.predict(RAGGED)
    alone = np.concatenate([ragged.predict([sequence]) for sequence in RAGGED[:8]])
    np.testing.assert_allclose(alone, together[:8], atol=1e-6)
    longer = [*RAGGED, np.ones((30, 2), np.float32)]
    np.testing.assert_allclose(ragged.predict(longer)[:-1], together, atol=1e-6)
    same_length = np.stack([s for s in RAGGED if len(s) == 8])
    np.testing.assert_allclose(ragged.predict(same_length), together[LENGTHS == 8], atol=1e-6)


def test_short_sequences_are_predicted_apart_from_long_ones(ragged, monkeypatch):
    shapes = []

    def recorded(trained, rows):
        shapes.append(rows.shape)
        return predict(trained, rows)

    together = ragged.predict(RAGGED)
    monkeypatch.setattr("skdl.training.predict", recorded)
    found = ragged.predict([sequence for sequence in RAGGED for _ in range(8)])
    # Of up to 2, 4 and 8 steps; the 40 of one step are too few for a block of their own.
    counts = [8 * int(((longest / 2 < LENGTHS) & (longest >= LENGTHS)).sum()) for longest in (4, 8)]
    assert shapes == [(320 - sum(counts), 2, 2), (counts[0], 4, 2), (counts[1], 8, 2)]
    np.testing.assert_allclose(found, together.repeat(8), atol=1e-6)


@pytest.mark.parametrize("pooling", slow_but(["last", "mean", "max", "attention"], "attention"))
def test_masked_network_equals_an_unmasked_one_on_each_length(pooling):
    """Keras itself computes each sequence, at its own length, without any mask."""
    network = RNNRegressor(**SMALL, pooling=pooling, bidirectional=True, hidden_units=2)
    network.fit(RAGGED, LENGTHS)
    whole = RNNRegressor(**network.get_params()).fit(X, NUMBERS).model_
    whole.set_weights(network.model_.get_weights())
    for sequence, found in zip(RAGGED[:6], network.predict(RAGGED[:6]), strict=True):
        tensor = sequence[None]
        for layer in whole.layers:
            tensor = layer(tensor)
        expected = float(tensor[0, 0]) * network.target_scale_[0] + network.target_offset_[0]
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_lists_and_arrays_padded_by_hand_learn_the_same(ragged):
    by_hand = RNNRegressor(**SMALL, pooling="mean", mask_missing=True)
    by_hand.fit(padded(RAGGED, 8), LENGTHS)
    np.testing.assert_array_equal(by_hand.predict(RAGGED), ragged.predict(RAGGED))
    np.testing.assert_array_equal(
        ragged.predict(RAGGED), ragged.predict(np.array([*RAGGED, None], object)[:-1])
    )
    np.testing.assert_array_equal(ragged.predict(RAGGED), ragged.predict(pd.Series(RAGGED)))


def test_a_missing_step_in_the_middle_is_left_out():
    missing = X.copy()
    missing[:, 3] = np.nan
    network = RNNRegressor(**SMALL, mask_missing=True).fit(X, NUMBERS)
    without = np.delete(X, 3, axis=1)
    np.testing.assert_allclose(network.predict(missing), network.predict(without), atol=1e-6)


def test_sequences_of_one_channel_need_no_second_axis():
    one = [sequence[:, 0] for sequence in RAGGED]
    network = RNNRegressor(**SMALL).fit(one, LENGTHS)
    assert network.sequence_shape_ == (8, 1)
    expected = network.predict([sequence[:, :1] for sequence in RAGGED])
    np.testing.assert_array_equal(network.predict(one), expected)
    # One alone looks like a table of one row.
    np.testing.assert_allclose(network.predict(one[:1]), expected[:1], atol=1e-6)
    np.testing.assert_allclose(network.predict(np.stack(one[:1])), expected[:1], atol=1e-6)


def of_arrays(sequences):
    column = np.empty(len(sequences), object)
    column[:] = sequences
    return column


@pytest.mark.parametrize(
    "as_container",
    [
        tuple, pd.Series, of_arrays, lambda s: of_arrays(s)[:, None],
        lambda s: pd.DataFrame({"s": s}), lambda s: [pl.DataFrame(row) for row in s],
        lambda s: pl.Series([row.tolist() for row in s]),
        lambda s: pl.DataFrame({"s": [row.tolist() for row in s]}),
        lambda s: pa.array([row.tolist() for row in s]),
        lambda s: pa.table({"s": [row.tolist() for row in s]}),
        lambda s: tf.RaggedTensor.from_row_lengths(np.concatenate(s), LENGTHS),
    ],
)  # fmt: skip
def test_sequences_come_in_any_container(as_container, ragged):
    expected = ragged.predict(RAGGED)
    np.testing.assert_array_equal(ragged.predict(as_container(RAGGED)), expected)
    network = clone(ragged).fit(as_container(RAGGED), LENGTHS)
    np.testing.assert_array_equal(network.predict(RAGGED), expected)


@pytest.mark.parametrize("as_container", [list, pd.Series, lambda s: pd.DataFrame({"s": s})])
def test_series_may_have_one_length_in_a_fold_and_another_in_the_next(as_container):
    series = as_container([np.arange(4.0)] * 8 + [np.arange(3.0)] * 4)
    y = np.arange(12) % 2
    cv = KFold(3)
    apart = cross_val_predict(RNNClassifier(**SMALL), series, y, cv=cv, method="predict_proba")
    with skdl.lockstep():
        together = cross_val_predict(
            RNNClassifier(**SMALL), series, y, cv=cv, method="predict_proba"
        )
    np.testing.assert_allclose(apart, together, atol=1e-6)


def test_a_network_of_one_length_predicts_others():
    network = RNNRegressor(**SMALL, pooling="max").fit(X, NUMBERS)
    assert "StepMask" not in layers_of(network)
    shorter, longer = X[:, :4], np.concatenate([X, X], 1)
    mixed = network.predict([*shorter, *longer])
    np.testing.assert_allclose(mixed[:40], network.predict(shorter), atol=1e-6)
    np.testing.assert_allclose(mixed[40:], network.predict(longer), atol=1e-6)


def test_validation_rows_may_be_longer():
    network = RNNRegressor(**SMALL).fit(X, NUMBERS, X_val=RAGGED, y_val=LENGTHS)
    assert network.sequence_shape_ == (8, 2)
    assert len(network.history_["val_loss"]) == 2
    longest = np.concatenate([X, X], 1)
    network.set_params(warm_start=True).fit(longest, NUMBERS)
    assert (network.n_iter_, network.sequence_shape_) == (4, (12, 2))
    network.partial_fit(X, NUMBERS)
    assert (network.n_iter_, network.sequence_shape_) == (5, (12, 2))


def test_a_refused_call_of_partial_fit_leaves_the_network_as_it_was():
    network = RNNRegressor(**SMALL).fit(X, NUMBERS)
    expected = network.predict(X)
    with pytest.raises(ValueError, match="NaN"):
        network.partial_fit(np.concatenate([X, X], 1), np.full(40, np.nan))
    np.testing.assert_array_equal(network.predict(X), expected)


def test_ensembles_of_folds_take_lists():
    ensemble = KFoldEnsembleRegressor(RNNRegressor(**SMALL), cv=2).fit(RAGGED, LENGTHS)
    assert ensemble.predict(RAGGED).shape == (40,)


@pytest.mark.filterwarnings("ignore::skdl.exceptions.NoImprovementWarning")
def test_lists_go_through_cross_validation_and_searches():
    """skdl's keep them in one place, scikit-learn's index the list."""
    network = RNNRegressor(**SMALL)
    ours = cross_validate(network, RAGGED, LENGTHS, cv=3, return_predictions=True)
    theirs = cross_val_predict(network, RAGGED, LENGTHS, cv=3)
    found = ours.predictions.sort_values("row")["y_pred"]
    np.testing.assert_allclose(found, theirs, atol=1e-5)
    assert list(ours.curve().index) == [1, 2]
    grid = GridSearchCV(network, {"units": [2, 3]}, cv=2).fit(RAGGED, LENGTHS)
    assert grid.predict(RAGGED).shape == (40,)
    search = OptunaSearchCV(network, n_trials=2, cv=2, random_state=0).fit(RAGGED, LENGTHS)
    assert search.predict(RAGGED).shape == (40,)


def test_bad_lists_fail_in_each_fold():
    with pytest.raises(ValueError, match=r"X\[0\] has shape"):
        cross_validate(RNNRegressor(**SMALL), [np.ones((0, 2))] * 40, LENGTHS, error_score="raise")


# -------------------------------------------------------------------------------- parameters


@pytest.mark.slow
def test_layers_follow_from_the_parameters():
    network = RNNClassifier(
        "lstm", units=(4, 3), bidirectional=True, pooling="mean", hidden_units=(5,), epochs=1,
        normalization="layer", dropout=0.1,
    ).fit(RAGGED, LABELS)  # fmt: skip
    both_ways = ["Bidirectional", "LayerNormalization"]
    dense = ["Dense", "LayerNormalization", "Activation", "Dropout"]
    assert layers_of(network) == [
        "StepMask", *both_ways, "Dropout", *both_ways, "SequencePooling", "Dropout", *dense,
        "Dense", "Activation",
    ]  # fmt: skip
    inner = [layer.forward_layer for layer in network.model_.layers if "idirec" in layer.name]
    assert [(type(layer), layer.units) for layer in inner] == [
        (keras.layers.LSTM, 4),
        (keras.layers.LSTM, 3),
    ]


@pytest.mark.parametrize("bidirectional", [slow_case(case=False), True])
@pytest.mark.slow
def test_recurrent_dropout_is_that_of_keras(bidirectional):
    options = {**SMALL, "bidirectional": bidirectional}
    network = RNNRegressor(**options, recurrent_dropout=0.3).fit(X, NUMBERS)
    layer = network.model_.layers[0]
    assert (layer.forward_layer if bidirectional else layer).recurrent_dropout == 0.3
    without = RNNRegressor(**options).fit(X, NUMBERS)
    assert not np.allclose(network.predict(X), without.predict(X), atol=1e-4)


@pytest.mark.parametrize("cell", slow_but(["lstm", "gru", "simple"], "gru"))
@pytest.mark.slow
def test_model_predicts_what_the_estimator_predicts(cell):
    network = RNNClassifier(cell, units=3, layers=2, normalization="batch", epochs=2)
    network.fit(RAGGED, LABELS)
    rows = padded(RAGGED, network.sequence_shape_[0])
    np.testing.assert_allclose(
        np.asarray(network.model_(rows))[:, 0], network.predict_proba(RAGGED)[:, 1], atol=1e-6
    )


def test_input_batch_norm_scales_channels_by_the_steps_that_are_there():
    """The moving moments of one epoch of one batch, with Keras' initial 0 and 1."""
    network = RNNRegressor(**SMALL | {"epochs": 1}, input_batch_norm=True, batch_size=40)
    layer = network.fit(RAGGED, LENGTHS).model_.layers[1]
    steps = np.concatenate(RAGGED)
    np.testing.assert_allclose(layer.moving_mean, 0.1 * steps.mean(0), atol=1e-5)
    np.testing.assert_allclose(layer.moving_variance, 0.9 + 0.1 * steps.var(0), atol=1e-5)


@pytest.mark.slow
def test_penalties_concern_the_kernels_of_inputs():
    layer = RNNRegressor(**SMALL, l1=0.1, l2=0.2).fit(X, NUMBERS).model_.layers[0]
    assert layer.kernel_regularizer.get_config() == {"l1": 0.1, "l2": 0.2}
    assert layer.recurrent_regularizer is None


def test_search_space_keeps_the_units_that_a_user_listed():
    assert {"units", "layers", "dropout", "l2"} <= dict(describe_space(RNNClassifier())).keys()
    assert not {"units", "layers"} & dict(describe_space(RNNRegressor(units=(8, 8)))).keys()


@pytest.mark.slow
def test_the_order_of_steps_is_learned():
    """Rows with the same values in another order: a mean over the steps says nothing."""
    rng = np.random.default_rng(0)
    rows = np.sort(rng.normal(size=(300, 10)), 1)
    y = rng.integers(0, 2, 300)
    rows[y == 1] = rows[y == 1, ::-1]
    scores = cross_validate(
        RNNClassifier("gru", units=8, learning_rate=0.01, epochs=20, random_state=0), rows, y, cv=3
    )
    assert scores["test_score"].min() > 0.95


def test_models_that_are_compared_keep_their_own_reading_of_sequences():
    sequences = [RNG.normal(size=(4, 4)).astype(np.float32) for _ in range(40)]
    last, first = (RNNRegressor(**SMALL, channels=channels) for channels in ("last", "first"))
    result = cross_validate(last, sequences, NUMBERS, cv=3, compare_with={"first": first})
    turned = [sequence.T for sequence in sequences]
    alone = cross_validate(last, turned, NUMBERS, cv=3)
    np.testing.assert_allclose(
        result._contenders["first"]["test_score"], alone["test_score"], rtol=1e-5
    )
    assert not np.allclose(result["test_score"], alone["test_score"], rtol=1e-3)
