"""
What does a pretrained network bring?
=====================================

Ants or bees? 245 photographs are too few to learn what an eye, a wing or a petal is. A small
MobileNet learnt that from a million photographs of ImageNet. Its features are computed once for
each photograph; what is trained is a layer on top of them. Beside it the same network with random
weights, and a small convolutional network that starts from nothing.

The photographs are those of PyTorch's "Transfer learning for computer vision". There a ResNet-18,
fifty times as large, on 224 × 224 pixels, gets 93 to 96 % of them right, in the best of 25 epochs.
Ours are 128 × 128.

Data: :func:`~skdl.datasets.fetch_ants_bees` and the weights of
:func:`~skdl.datasets.fetch_mobilenet_weights`.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import skdl
from skdl.datasets import fetch_ants_bees, fetch_mobilenet_weights
from skdl.inspection import TrainingCurveDisplay
from skdl.model_selection import cross_validate

X, y = fetch_ants_bees(return_X_y=True)
X_test, y_test = fetch_ants_bees(subset="test", return_X_y=True)
weights = fetch_mobilenet_weights()

figure, axes = plt.subplots(1, 6, figsize=(9, 1.8), layout="constrained")
for ax, i in zip(axes, range(0, 240, 40), strict=True):
    ax.imshow(X[i])
    ax.set_title(y[i], fontsize=9)
    ax.axis("off")
plt.show()

# %%
# Five folds of the head
# ----------------------
# All folds find the features of a photograph where the first one left them.

head = {"backbone_params": {"alpha": 0.25}, "hidden_layers": 0, "l2": 0.03, "random_state": 0}
pretrained = skdl.PretrainedCNNClassifier("MobileNet", weights=weights, epochs=60, **head)
random = skdl.PretrainedCNNClassifier("MobileNet", weights=None, epochs=60, **head)
small = skdl.CNNClassifier(
    3, filters=8, pool_size=4, hidden_units=32, dropout=0.5, epochs=10, random_state=0
)
result = cross_validate(
    pretrained, X, y, cv=5, compare_with={"random weights": random, "small CNN": small}
)
result

# %%

TrainingCurveDisplay.from_cross_validation(result)
plt.show()

# %%
# With random weights the network only guesses, as the baseline does. The small network learns
# something; the pretrained features are better by far.

scores = result.summary().loc["score", "mean"]
assert abs(scores["random weights"] - scores["baseline"]) < 0.05
assert scores["small CNN"] > scores["baseline"] + 0.05
assert scores["PretrainedCNNClassifier"] > scores["small CNN"] + 0.05

# %%
# Fine-tuning
# -----------
# A second phase also trains the last layers of the backbone, at a low learning rate. On so few
# photographs it changes little. The test photographs were seen by none of the networks.

tuned = skdl.PretrainedCNNClassifier(
    "MobileNet", weights=weights, epochs=60, fine_tune=12, fine_tune_epochs=3, **head
)
accuracy = {
    name: network.fit(X, y).score(X_test, y_test)
    for name, network in {"frozen": pretrained, "fine-tuned": tuned}.items()
}
accuracy["baseline"] = np.mean(y_test == "ants")
accuracy["ResNet-18 in PyTorch's tutorial"] = "0.93 to 0.96"
pd.DataFrame({"accuracy on test photographs": accuracy}).map(
    lambda value: value if isinstance(value, str) else f"{value:.2f}"
)

# %%

assert accuracy["frozen"] >= 0.78
assert abs(accuracy["fine-tuned"] - accuracy["frozen"]) < 0.04
assert accuracy["frozen"] > accuracy["baseline"] + 0.2
