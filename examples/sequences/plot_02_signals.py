"""
RNN, transformer or 1-d CNN for signals?
========================================

Four hundred noisy signals of unequal length. Each holds one pulse, somewhere: a rise and a fall, a
fall and a rise, or a rise and a fall with a notch. Which of the three it is, the network must see
from the shape alone.

The three families take the same list of arrays, so they can be compared in one table, on the same
folds. What flat rows need, a common length, is made by interpolation for the peers.
"""

import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skdl
from skdl.model_selection import cross_validate

rng = np.random.default_rng(0)
t = np.linspace(0, 1, 16)
SHAPES = {
    "up and down": np.sin(2 * np.pi * t),
    "down and up": -np.sin(2 * np.pi * t),
    "notched": np.sin(2 * np.pi * t) * np.where(abs(t - 0.25) < 0.1, 0.2, 1),
}
labels = rng.choice(list(SHAPES), 400)
signals = []
for label in labels:
    signal = 0.3 * rng.normal(size=rng.integers(30, 81))
    start = rng.integers(0, len(signal) - 16)
    signal[start : start + 16] += 1.5 * SHAPES[label]
    signals.append(signal.astype(np.float32))

figure, axes = plt.subplots(1, 3, figsize=(9, 2.4), sharey=True, layout="constrained")
for ax, name in zip(axes, SHAPES, strict=True):
    ax.plot(signals[list(labels).index(name)])
    ax.set_title(name)
plt.show()

# %%
# Three families on one table
# ---------------------------

training = {"learning_rate": 0.005, "epochs": 30, "random_state": 0}
networks = {
    "1-d CNN": skdl.CNN1DClassifier(
        32, layers=2, kernel_size=7, pooling="max", normalization="batch", **training
    ),
    "GRU": skdl.RNNClassifier("gru", units=32, pooling="max", **training),
    "transformer": skdl.TransformerClassifier(1, width=32, pooling="max", **training),
}
folds = StratifiedKFold(3, shuffle=True, random_state=0)
scores, seconds = {}, {}
for name, network in networks.items():
    start = time.perf_counter()
    scores[name] = cross_validate(network, signals, labels, cv=folds)["test_score"]
    seconds[name] = time.perf_counter() - start

stretched = np.array([np.interp(np.linspace(0, 1, 80), np.linspace(0, 1, len(s)), s)
                      for s in signals])  # fmt: skip
for name, peer in {
    "nearest neighbour": KNeighborsClassifier(1),
    "LogisticRegression": LogisticRegression(max_iter=1000),
}.items():
    scores[name] = cross_val_score(make_pipeline(StandardScaler(), peer), stretched, labels,
                                   cv=folds)  # fmt: skip

table = pd.DataFrame(scores).agg(["mean", "std"]).T.rename(columns={"mean": "accuracy"})
table["seconds"] = pd.Series(seconds)
table.round(3)

# %%
# A filter of seven steps sees a shape wherever it stands, and the maximum over all steps says
# whether it was seen: that is what these signals ask for. The GRU learns the same with a memory.
# The transformer has to learn first which steps are neighbours, and needs more rows for it. The
# nearest of the stretched signals comes close to it; to a linear model, the position of the pulse
# hides its shape.

accuracy = table["accuracy"]
assert accuracy["1-d CNN"] > 0.95
assert accuracy["GRU"] > 0.95
assert min(accuracy["1-d CNN"], accuracy["GRU"]) > accuracy["transformer"] + 0.03
assert abs(accuracy["transformer"] - accuracy["nearest neighbour"]) < 0.1
assert accuracy["LogisticRegression"] < accuracy["nearest neighbour"] - 0.1

# %%
# How sure it is does not depend on what stands behind
# ----------------------------------------------------
# Predictions of a signal are the same alone, in any company and at any padding.

network = networks["1-d CNN"].fit(signals[:300], labels[:300])
together = network.predict_proba(signals[300:])
alone = np.concatenate([network.predict_proba([signal]) for signal in signals[300:320]])
assert np.abs(alone - together[:20]).max() < 1e-5
