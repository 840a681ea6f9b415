"""The same dense network, and the same training, in each library that is compared.

Every function imports what it needs when called: in a child process only the peer at hand is
loaded. Adam with a learning rate of 0.001 everywhere, ReLU, Glorot uniform initial weights (torch:
its own), rows shuffled in every epoch.
"""

import importlib
import warnings

from _harness import PeerMissingError

LABELS = {
    "skdl": "skdl",
    "scikeras": "SciKeras",
    "keras.wrappers": "keras.wrappers",
    "skorch": "skorch (torch, CPU)",
    "sklearn": "scikit-learn's MLP",
}

LIBRARIES = {
    "skdl": ("tensorflow", "keras", "skdl"),
    "scikeras": ("tensorflow", "keras", "scikeras.wrappers"),
    "keras.wrappers": ("tensorflow", "keras", "keras.wrappers"),
    "skorch": ("torch", "skorch"),
    "sklearn": ("sklearn.neural_network",),
}


def import_libraries(peer):
    """Import all that a peer needs, so that no timing holds an import."""
    warnings.simplefilter("ignore")  # the clock is running for the work, not for its remarks
    for name in ("pandas", "scipy.stats", "sklearn.pipeline", "sklearn.model_selection"):
        importlib.import_module(name)
    for name in LIBRARIES[peer]:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            raise PeerMissingError(f"{error.name} is not installed") from error
    if peer == "skdl":
        import skdl

        _ = (skdl.MLPClassifier, skdl.MLPRegressor, skdl.lockstep)  # the names load lazily


def make_classifier(peer, *, units=(64, 64), epochs, batch_size):
    """Return a classifier and the keyword arguments for its ``fit``."""
    options = {"units": units, "dropout": 0.0, "batch_norm": False, "l2": 0.0}
    if peer == "skdl":
        import skdl

        return skdl.MLPClassifier(hidden_units=units, epochs=epochs, batch_size=batch_size), {}
    if peer == "scikeras":
        from scikeras.wrappers import KerasClassifier

        def build(meta):
            return build_keras(meta["n_features_in_"], "sigmoid", 1, **options)

        return KerasClassifier(
            model=build,
            loss="binary_crossentropy",
            optimizer="adam",
            epochs=epochs,
            batch_size=batch_size,
            verbose=0,
        ), {}
    if peer == "keras.wrappers":
        from keras.wrappers import SKLearnClassifier

        def build(X, y):
            # The wrapper one-hot encodes the labels, also of two classes.
            model = build_keras(X.shape[1], "softmax", y.shape[1], **options)
            model.compile(optimizer="adam", loss="categorical_crossentropy")
            return model

        return SKLearnClassifier(model=build), _keras_fit_params(epochs, batch_size)
    if peer == "sklearn":
        from sklearn.neural_network import MLPClassifier

        return MLPClassifier(**_sklearn_options(units, epochs, batch_size)), {}
    raise ValueError(f"There is no classifier of the peer {peer!r}.")


def make_regressor(peer, *, units=(64, 64), dropout=0.0, batch_norm=False, l2=0.0, **training):
    """Return a regressor and the keyword arguments for its ``fit``.

    Parameters
    ----------
    peer : str
        A key of ``LABELS``.
    units : tuple of int
        Units of each hidden layer.
    dropout, l2 : float
        After each hidden layer; on each kernel. Scikit-learn's MLP has no dropout.
    batch_norm : bool
        After each dense layer, before its activation. Scikit-learn's MLP has none.
    **training
        ``epochs`` and ``batch_size``.
    """
    epochs, batch_size = training["epochs"], training["batch_size"]
    options = {"units": units, "dropout": dropout, "batch_norm": batch_norm, "l2": l2}
    if peer == "skdl":
        import skdl

        return skdl.MLPRegressor(
            hidden_units=units,
            dropout=dropout,
            batch_norm="before_activation" if batch_norm else None,
            l2=l2,
            epochs=epochs,
            batch_size=batch_size,
            target_scaling=False,  # all peers get a scaled target from the outside
            random_state=0,
        ), {}
    if peer == "scikeras":
        from scikeras.wrappers import KerasRegressor

        def build(meta):
            return build_keras(meta["n_features_in_"], "linear", 1, **options)

        return KerasRegressor(
            model=build,
            loss="mse",
            optimizer="adam",
            epochs=epochs,
            batch_size=batch_size,
            verbose=0,
        ), {}
    if peer == "keras.wrappers":
        from keras.wrappers import SKLearnRegressor

        def build(X, y):  # noqa: ARG001 (the wrapper passes both by name)
            model = build_keras(X.shape[1], "linear", 1, **options)
            model.compile(optimizer="adam", loss="mse")
            return model

        return SKLearnRegressor(model=build), _keras_fit_params(epochs, batch_size)
    if peer == "skorch":
        return _skorch_regressor(epochs=epochs, batch_size=batch_size, **options), {}
    if peer == "sklearn":
        from sklearn.neural_network import MLPRegressor

        return MLPRegressor(alpha=l2, **_sklearn_options(units, epochs, batch_size)), {}
    raise ValueError(f"There is no regressor of the peer {peer!r}.")


def make_pipeline(regressor, fit_params):
    """Return features and target scaled around a regressor, and ``fit``'s arguments for the whole.

    All peers get the same scaled target, so that their errors can be compared. Ours could do that
    by itself (``target_scaling=True``, its default).
    """
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    inner = Pipeline([("scale", StandardScaler()), ("net", regressor)])
    return (
        TransformedTargetRegressor(inner, transformer=StandardScaler()),
        {f"net__{name}": value for name, value in fit_params.items()},
    )


def build_keras(n_features, last_activation, n_outputs, *, units, dropout, batch_norm, l2):
    """Return an uncompiled Keras network."""
    import keras

    regularizer = keras.regularizers.L2(l2) if l2 else None
    layers = [keras.Input((n_features,))]
    for n_units in units:
        layers.append(keras.layers.Dense(n_units, kernel_regularizer=regularizer))
        if batch_norm:
            layers.append(keras.layers.BatchNormalization())
        layers.append(keras.layers.Activation("relu"))
        if dropout:
            layers.append(keras.layers.Dropout(dropout))
    layers.append(
        keras.layers.Dense(n_outputs, activation=last_activation, kernel_regularizer=regularizer)
    )
    return keras.Sequential(layers)


def _keras_fit_params(epochs, batch_size):
    # Not as the wrapper's `fit_kwargs`: those are lost when scikit-learn clones it, and every
    # fold would train for one epoch only.
    return {"epochs": epochs, "batch_size": batch_size, "verbose": 0}


def _sklearn_options(units, epochs, batch_size):
    return {
        "hidden_layer_sizes": tuple(units),
        "batch_size": batch_size,
        "max_iter": epochs,
        "n_iter_no_change": epochs,  # never stop before the last epoch
        "random_state": 0,
    }


def _skorch_regressor(*, units, dropout, batch_norm, l2, epochs, batch_size):
    import numpy as np
    import torch
    from skorch import NeuralNetRegressor

    class Regressor(NeuralNetRegressor):
        """Takes and gives what scikit-learn does: float64, and targets of one dimension."""

        def fit(self, X, y):
            X = X.astype(np.float32)
            self.set_params(module__n_features=X.shape[1])
            return super().fit(X, y.astype(np.float32).reshape(-1, 1))

        def predict(self, X):
            return super().predict(X.astype(np.float32)).ravel()

    return Regressor(
        TorchNetwork(),
        module__units=units,
        module__dropout=dropout,
        module__batch_norm=batch_norm,
        max_epochs=epochs,
        batch_size=batch_size,
        optimizer=torch.optim.Adam,
        optimizer__weight_decay=2 * l2,  # the gradient of l2 * sum(w ** 2)
        lr=0.001,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
        callbacks__print_log=None,
    )


def TorchNetwork():  # noqa: N802 (stands for a class, which torch must be loaded to define)
    """Return the class of the network in torch."""
    from torch import nn

    class Network(nn.Module):
        def __init__(self, n_features=1, units=(64, 64), dropout=0.0, batch_norm=False):
            super().__init__()
            layers = []
            for n_inputs, n_units in zip((n_features, *units), units, strict=False):
                layers.append(nn.Linear(n_inputs, n_units))
                if batch_norm:
                    layers.append(nn.BatchNorm1d(n_units))
                layers.append(nn.ReLU())
                if dropout:
                    layers.append(nn.Dropout(dropout))
            layers.append(nn.Linear((n_features, *units)[-1], 1))
            self.network = nn.Sequential(*layers)

        def forward(self, X):
            return self.network(X)

    return Network
