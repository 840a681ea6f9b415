"""Convolutional networks on photographs and on a series, from scratch and pretrained.

Three tables: what convolutions, dropout and augmentation are worth on small photographs of ten
classes (a part of CIFAR-10); a week of weather as a signal; and a network pretrained on ImageNet
that learns ants from bees from 245 photographs.

Run all of it, or some: ``python examples/image_tables.py weather transfer``. The data come from
``skdl.datasets``, and those of CIFAR-10 from the folder that the environment variable ``SKDL_DATA``
names; what is not there is skipped.
"""

import argparse
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skdl
from skdl.datasets import fetch_ants_bees, fetch_mobilenet_weights, fetch_weather
from skdl.model_selection import cross_validate

SEED = 0

# %%
# Photographs
# -----------
# The order that tutorials teach: a dense network sees pixels, convolutions see shapes wherever they
# are, dropout and augmentation keep them from learning the photographs by heart.


def cifar():
    """Return the accuracy of four networks on 6,000 photographs, over 3 folds."""
    path = Path(os.environ.get("SKDL_DATA", "")) / "cifar10_subset.npz"
    with np.load(path, allow_pickle=False) as data:
        X, y = data["x_train"], data["y_train"]
    of_pixels = skdl.MLPClassifier(
        hidden_units=256, epochs=20, batch_size=64, learning_rate=5e-4, random_state=SEED
    )
    plain = {
        "conv_blocks": 3,
        "filters": 32,
        "batch_size": 64,
        "epochs": 25,
        "random_state": SEED,
    }
    dropout = {"conv_dropout": 0.2, "dropout": 0.5, "epochs": 40}
    augmented = {"augment": (("flip", "horizontal"), ("shift", 0.1)), "epochs": 60}
    networks = {
        "dense, 256-256 units": (of_pixels, X.reshape(len(X), -1) / np.float32(255)),
        "CNN, 32-64-128 filters": (skdl.CNNClassifier(**plain), X),
        "CNN with dropout": (skdl.CNNClassifier(**plain | dropout), X),
        "CNN with dropout and augmentation": (
            skdl.CNNClassifier(**plain | dropout | {"conv_dropout": 0.1} | augmented),
            X,
        ),
    }
    table = {}
    for name, (network, rows) in networks.items():
        started = time.perf_counter()
        scores = cross_validate(network, rows, y, cv=3, baseline=False)["test_score"]
        table[name] = {
            "accuracy": scores.mean(),
            "s.d. over folds": scores.std(ddof=1),
            "epochs": network.epochs,
            "seconds": round(time.perf_counter() - started),
        }
        print(f"  {name}: {scores.mean():.3f}", flush=True)
    table = pd.DataFrame(table).T
    assert table["accuracy"].is_monotonic_increasing
    return table


# %%
# A series
# --------
# A week of the weather of eleven cities in, tomorrow's hours of sunshine in Basel out. Folds are in
# the order of time, so that no network knows the future. Naive is to expect today's sunshine again.


def weather():
    """Return the RMSE, in hours, of forecasts of the sunshine, over 5 splits in order of time."""
    days, tomorrow = fetch_weather(return_X_y=True)
    values = days.to_numpy(np.float32)
    season = 2 * np.pi * days.index.month.to_numpy() / 12
    values = np.column_stack([values, np.sin(season), np.cos(season)])
    n_days, n_values = 7, values.shape[1]
    weeks = np.lib.stride_tricks.sliding_window_view(values, n_days, axis=0)
    X = weeks.transpose(0, 2, 1).reshape(len(weeks), -1)
    y = tomorrow.to_numpy()[n_days - 1 :]
    today = days["BASEL_sunshine"].to_numpy()[n_days - 1 :]
    shared = {"early_stopping": True, "patience": 5, "epochs": 60, "random_state": SEED}
    networks = {
        "MLP on the week": make_pipeline(
            StandardScaler(), skdl.MLPRegressor(64, dropout=0.3, l2=0.003, **shared)
        ),
        "CNN along the week": make_pipeline(
            StandardScaler(),
            skdl.CNNRegressor(
                1, filters=32, kernel_size=3, padding="valid", pooling=None,
                image_shape=(n_days, n_values), dimensions=1, hidden_units=64, conv_dropout=0.3,
                dropout=0.3, l2=0.003, **shared,
            ),
        ),
    }  # fmt: skip
    cv = TimeSeriesSplit(5)
    naive = [np.sqrt(np.mean((y[test] - today[test]) ** 2)) for _, test in cv.split(X)]
    rmse = {"naive: as today": naive, "naive, on all days": [np.sqrt(np.mean((y - today) ** 2))]}
    for name, network in networks.items():
        result = cross_validate(
            network, X, y, cv=cv, scoring="neg_root_mean_squared_error", baseline=False
        )
        rmse[name] = -result["test_score"]
    table = pd.DataFrame({n: {"RMSE (h)": np.mean(v), "s.d.": np.std(v)} for n, v in rmse.items()})
    table = table.T
    assert (table["RMSE (h)"].iloc[2:] < table["RMSE (h)"].iloc[0] - 0.3).all()
    return table


# %%
# Transfer learning
# -----------------
# A small MobileNet (218,544 weights) trained on ImageNet, against the same network with random
# weights. The backbone is frozen; then its last layers are trained too, at a low rate.


def transfer():
    """Return the accuracy on 153 photographs of ants and bees that no network has seen."""
    X, y = fetch_ants_bees(return_X_y=True)
    X_test, y_test = fetch_ants_bees(subset="test", return_X_y=True)
    weights = fetch_mobilenet_weights()
    shared = {"backbone_params": {"alpha": 0.25}, "hidden_layers": 0, "l2": 0.03, "epochs": 60}
    tuned = {"fine_tune": 12, "fine_tune_epochs": 5, "fine_tune_learning_rate": 1e-5}
    networks = {
        "random weights, frozen": {"weights": None},
        "ImageNet weights, frozen": {"weights": weights},
        "ImageNet weights, fine-tuned": {"weights": weights, **tuned},
    }
    scores = {}
    for name, parameters in networks.items():
        scores[name] = []
        for seed in range(3):
            network = skdl.PretrainedCNNClassifier(
                "MobileNet", **shared, **parameters, random_state=seed
            )
            scores[name].append(network.fit(X, y).score(X_test, y_test))
    table = pd.DataFrame(
        {n: {"accuracy": np.mean(v), "s.d. over seeds": np.std(v)} for n, v in scores.items()}
    ).T
    assert table["accuracy"].iloc[1] >= 0.78
    assert table["accuracy"].iloc[1] > table["accuracy"].iloc[0] + 0.1
    return table


# %%
# All of it
# ---------

TABLES = {"weather": weather, "transfer": transfer, "cifar": cifar}


def main():
    """Print the tables that the command line names, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(TABLES))
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(TABLES):
        parser.error(
            f"unknown: {', '.join(sorted(unknown))}. Expected some of {', '.join(TABLES)}."
        )
    for name in arguments.names or TABLES:
        started = time.perf_counter()
        try:
            table = TABLES[name]()
        except OSError as error:
            print(f"{name}: skipped. {error}")
            continue
        print(f"\n{TABLES[name].__doc__}\n\n{table.round(3)}\n")
        print(f"{name} took {time.perf_counter() - started:.0f} s.", flush=True)


if __name__ == "__main__":
    main()
