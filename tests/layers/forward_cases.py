"""Networks of one layer or few, that show what each kind of layer computes in prediction."""

import keras
import numpy as np

from skdl.layers import blueprint_of
from skdl.networks import KerasObject, Layer, Loss, Network

PENALTY = {"l1": 0.0, "l2": 0.0}


def dense(units=4, **config):
    return Layer.of("Dense", units=units, **PENALTY, **config)


def conv(n_axes, **config):
    config = {"filters": 4, "kernel_size": (3,) * n_axes, "padding": "valid", **PENALTY, **config}
    return Layer.of(f"Conv{n_axes}D", **config)


def batch_norm(**config):
    return Layer.of("BatchNormalization", momentum=0.9, **config)


def function(name):
    return Layer.of("Activation", function=name)


def keras_object(layer):
    return Layer.of("Keras", layer=KerasObject.of("layers", layer))


def shared(*, is_first, **config):
    return Layer.of("SharedDense", units=4, n_shared=3, is_first=is_first, **PENALTY, **config)


def periodic(form, n_numeric=None):
    return Layer.of(
        "PeriodicEmbedding", form=form, n_frequencies=5, units=3, frequency_scale=0.1,
        n_numeric=n_numeric,
    )  # fmt: skip


def masked_conv(size):
    return Layer.of(
        "MaskedConv1D", filters=3, kernel_size=(size,), padding="same", **PENALTY
    )  # fmt: skip


def recurrent(kind, **config):
    return Layer.of(kind, units=4, **PENALTY, **config)


def both(kind, merge_mode="concat", **config):
    forward = Layer.of(kind, units=4, **config)
    return Layer.of("Bidirectional", forward=forward, merge_mode=merge_mode, **PENALTY)


def attention(**config):
    return Layer.of("MultiHeadAttention", num_heads=2, key_dim=3, **PENALTY, **config)


# What makes a graph of a chain: a layer of Keras that attends is called with two tensors.
CHAIN = ((0,), (1,), (2,))
STEP_MASK = Layer.of("StepMask")
HEADS = Layer.of("SharedHeads", units=2, n_shared=3, **PENALTY)
BINS = Layer.of("PiecewiseLinearEmbedding", n_bins=6, n_numeric=None)
BINS_OF_SOME = Layer.of("PiecewiseLinearEmbedding", n_bins=6, with_number=True, n_numeric=3)
CATEGORIES = Layer.of("Categories", n_numeric=2, one_hot=(3, 2), embedded=(9,), units=3)
IMAGE, SIGNAL = (9, 8, 3), (9, 3)

# By what they show: the shape of a row and the layers.
CHAINS = {
    "Dense": ((5,), [dense(), function("relu"), dense(2)]),
    "Dense without bias": ((5,), [dense(use_bias=False), batch_norm(), dense(2)]),
    "Dense by positions": (SIGNAL, [dense(), Layer.of("Flatten"), dense(2)]),
    "Dropout": ((5,), [Layer.of("Dropout", rate=0.5), dense()]),
    "BatchNormalization behind Dense": ((5,), [dense(), batch_norm(), function("relu"), dense()]),
    "BatchNormalization in front": ((5,), [batch_norm(), dense()]),
    "BatchNormalization alone": ((5,), [function("tanh"), batch_norm(), function("relu"), dense()]),
    "BatchNormalization plain": (
        (5,),
        [dense(), batch_norm(scale=False, epsilon=0.1), function("relu"), batch_norm(center=False)],
    ),
    "BatchNormalization twice": ((5,), [batch_norm(), batch_norm(), dense(), batch_norm()]),
    "LayerNormalization": (
        (5,),
        [dense(), Layer.of("LayerNormalization", epsilon=1e-3, scale=True, center=True)],
    ),
    "LayerNormalization plain": (
        SIGNAL,
        [Layer.of("LayerNormalization", epsilon=1e-3, scale=False, center=False)],
    ),
    "ParametricActivation": ((5,), [dense(), Layer.of("ParametricActivation", function="mish")]),
    "FeatureScale": ((5,), [Layer.of("FeatureScale", gain=6.0), dense()]),
    "SmoothClip": ((5,), [Layer.of("SmoothClip"), dense()]),
    "SmoothClip of some": ((5,), [Layer.of("SmoothClip", n_numeric=3), dense()]),
    "periodic": ((5,), [periodic("periodic"), dense()]),
    "plr": ((5,), [periodic("plr", 3), dense()]),
    "pbld": ((5,), [periodic("pbld"), dense()]),
    "PiecewiseLinearEmbedding": ((5,), [BINS, dense()]),
    "PiecewiseLinearEmbedding with numbers": ((5,), [BINS_OF_SOME, dense()]),
    "SharedDense": (
        (5,),
        [shared(is_first=True), batch_norm(), function("selu"), shared(is_first=False), HEADS],
    ),
    "SharedDense behind an embedding": (
        (5,),
        [BINS, Layer.of("FeatureScale", gain=2.0),
         shared(is_first=True, embedding_width=6, n_numeric=None), HEADS],
    ),
    "SharedDense behind one of some": (
        (5,),
        [periodic("pbld", 3), shared(is_first=True, embedding_width=3, n_numeric=3), HEADS],
    ),
    "SharedDense behind bins with numbers": (
        (5,),
        [BINS_OF_SOME, shared(is_first=True, embedding_width=7, n_numeric=3), HEADS],
    ),
    "SharedDense behind BatchNormalization": ((5,), [batch_norm(), shared(is_first=True), HEADS]),
    "Embedding": ((5,), [Layer.of("Embedding", input_dim=9, output_dim=3), Layer.of("Flatten")]),
    "Conv1D": (SIGNAL, [conv(1), batch_norm(), function("relu"), Layer.of("Flatten"), dense()]),
    "Conv2D": (IMAGE, [conv(2, padding="same", kernel_size=(2, 3)), Layer.of("Flatten")]),
    "Conv2D of an even kernel": (IMAGE, [conv(2, padding="same", kernel_size=(4, 2))]),
    "Rescaling": (IMAGE, [Layer.of("Rescaling", scale=1 / 255), conv(2, padding="same")]),
    "BatchNormalization in front of Conv2D": (IMAGE, [batch_norm(), conv(2), batch_norm()]),
    "BatchNormalization in front of padding": (IMAGE, [batch_norm(), conv(2, padding="same")]),
    "Conv1D of sequences": (SIGNAL, [masked_conv(4), Layer.of("Flatten")]),
    "MaskedConv1D behind a mask": (
        SIGNAL,
        [STEP_MASK, batch_norm(), masked_conv(4), batch_norm(), masked_conv(3),
         Layer.of("SequencePooling", mode="mean")],
    ),
    "MaxPooling1D": (SIGNAL, [Layer.of("MaxPooling1D", pool_size=(2,))]),
    "MaxPooling2D": (IMAGE, [Layer.of("MaxPooling2D", pool_size=(2, 3))]),
    "AveragePooling1D": (SIGNAL, [Layer.of("AveragePooling1D", pool_size=(2,))]),
    "AveragePooling2D": (IMAGE, [Layer.of("AveragePooling2D", pool_size=(2, 3))]),
    "GlobalAveragePooling1D": (SIGNAL, [Layer.of("GlobalAveragePooling1D")]),
    "GlobalAveragePooling2D": (IMAGE, [Layer.of("GlobalAveragePooling2D")]),
    "GlobalMaxPooling1D": (SIGNAL, [Layer.of("GlobalMaxPooling1D")]),
    "GlobalMaxPooling2D": (IMAGE, [Layer.of("GlobalMaxPooling2D")]),
    "PositionEncoding": (SIGNAL, [Layer.of("PositionEncoding", form="learned"), dense()]),
    "augmentation": (
        IMAGE,
        [Layer.of("RandomFlip", mode="horizontal"), Layer.of("RandomRotation", factor=0.1),
         Layer.of("RandomTranslation", height_factor=0.1, width_factor=0.1),
         Layer.of("RandomZoom", height_factor=0.1), Layer.of("RandomContrast", factor=0.1)],
    ),
    "SimpleRNN": (SIGNAL, [recurrent("SimpleRNN", activation="relu"), dense()]),
    "LSTM": (SIGNAL, [recurrent("LSTM"), dense()]),
    "LSTM without bias": (SIGNAL, [recurrent("LSTM", use_bias=False, go_backwards=True)]),
    "GRU": (SIGNAL, [recurrent("GRU"), dense()]),
    "GRU reset before": (SIGNAL, [recurrent("GRU", reset_after=False)]),
    "GRU without bias": (SIGNAL, [recurrent("GRU", use_bias=False, activation="selu")]),
    "GRU of all steps": (
        SIGNAL,
        [recurrent("GRU", return_sequences=True, go_backwards=True), recurrent("LSTM")],
    ),
    "Bidirectional": (
        SIGNAL,
        [both("LSTM", return_sequences=True), both("GRU", "sum", return_sequences=True),
         both("SimpleRNN", "ave", return_sequences=True), both("LSTM", "mul")],
    ),
    "LSTM masked": (SIGNAL, [STEP_MASK, recurrent("LSTM", dropout=0.2), dense()]),
    "GRU masked": (SIGNAL, [STEP_MASK, recurrent("GRU", go_backwards=True)]),
    "Bidirectional masked": (
        SIGNAL, [STEP_MASK, both("GRU", return_sequences=True), dense(), both("LSTM")],
    ),
    "Masking": (SIGNAL, [Layer.of("Masking", mask_value=0.0), recurrent("SimpleRNN")]),
    "Embedding of masked ids": (
        (9,),
        [Layer.of("Embedding", input_dim=9, output_dim=3, mask_zero=True), recurrent("GRU")],
    ),
    "GlobalAveragePooling1D masked": (SIGNAL, [STEP_MASK, Layer.of("GlobalAveragePooling1D")]),
    **{
        f"SequencePooling {mode}{masked}": (
            SIGNAL, [*[STEP_MASK] * bool(masked), dense(), Layer.of("SequencePooling", mode=mode)],
        )
        for mode in ("last", "mean", "max", "attention")
        for masked in ("", " masked")
    },
    "MultiHeadAttention": (SIGNAL, [dense(6), attention(), dense()], "linear", CHAIN),
    "MultiHeadAttention masked": (
        SIGNAL, [STEP_MASK, attention(value_dim=2), Layer.of("SequencePooling", mode="mean")],
        "linear", CHAIN,
    ),
    "MultiHeadAttention without bias": (
        SIGNAL,
        [STEP_MASK, attention(use_bias=False), dense(3), Layer.of("Add"), recurrent("LSTM")],
        "linear", ((0,), (1,), (1,), (2, 3), (4,)),
    ),
    "LeakyReLU": ((5,), [dense(), keras_object(keras.layers.LeakyReLU(0.3))]),
    "ELU": ((5,), [dense(), keras_object(keras.layers.ELU(0.5))]),
    "PReLU": ((5,), [dense(), keras_object(keras.layers.PReLU())]),
}  # fmt: skip
TABLES = {
    "Categories": [CATEGORIES, dense()],
    "MissingNumbers": [CATEGORIES, Layer.of("MissingNumbers", n_numeric=2, shown=(1,)), dense()],
}
MERGES = ["Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract"]


def network_of(shape, layers, output_activation="linear", inputs=()):
    return Network(shape, tuple(layers), output_activation, Loss("mse"), inputs)


def random_arrays(network, seed=0):
    """Draw all variables, moving variances among them, from numbers that are nowhere 0."""
    rng = np.random.default_rng(seed)
    arrays = []
    for variable in blueprint_of(network).layout.variables:
        values = rng.uniform(0.3, 1.5, variable.shape)
        if "variance" not in variable.name and "factor" not in variable.name:
            values *= rng.choice([-0.7, 0.7], variable.shape)
        arrays.append(values.astype(np.float32))
    return arrays


def rows_of(shape, seed=1):
    return np.random.default_rng(seed).normal(size=(11, *shape)).astype(np.float32)


def rows_for(name):
    """Return rows for one of the cases: levels and gaps where it is of tables."""
    if name in CHAINS:
        X = rows_of(CHAINS[name][0])
        if "Mask" in name or "mask" in name or name == "MultiHeadAttention without bias":
            X[:, 6:] = X[2, 1] = X[3] = 0 if name.startswith("Masking") else np.nan
            X[4:6, 3:] = X[2, 1]
        if name.startswith("GlobalAveragePooling1D"):
            X[3, 0] = 1  # of no step, Keras has NaN
        if "masked ids" in name:
            X = np.trunc(np.nan_to_num(rows_of((9,))))
        return np.abs(X * 3) if name.startswith("Embedding") else X
    X = rows_of((5,))
    rng = np.random.default_rng(2)
    for column, n_levels in enumerate((3, 2, 9), 2):
        X[:, column] = rng.integers(0, n_levels + 1, len(X))
    if name == "MissingNumbers":
        X[::3, 0] = X[1::3, 1] = np.nan
    return X


def network_for(name):
    """Return the network of one of the cases."""
    return network_of(*CHAINS.get(name, ((5,), TABLES.get(name))))


def merging(kind):
    """Return a network in which two layers take one tensor, and one takes two."""
    layers = [dense(), function("tanh"), dense(), Layer.of(kind), dense(2)]
    return network_of((5,), layers, inputs=((0,), (1,), (1,), (2, 3), (4,)))
