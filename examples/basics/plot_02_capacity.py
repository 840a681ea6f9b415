"""
How large should the network be?
================================

A network with too few units underfits: training and test score are both low. One with too many can
memorise its rows and overfits: the training score keeps rising, the test score does not. The best
size is in between.

The data are two half moons that overlap: 200 rows with noise. The networks have no regularisation.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import make_moons
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score

import skdl
from skdl.inspection import TrainingCurveDisplay, ValidationCurveDisplay
from skdl.model_selection import cross_validate

X, y = make_moons(200, noise=0.25, random_state=0)
folds = StratifiedKFold(10, shuffle=True, random_state=0)
network = skdl.MLPClassifier(hidden_layers=1, epochs=150, learning_rate=0.01, random_state=0)

# %%
# The size against the score
# --------------------------
# Seventy networks, trained together. The dotted line is the best size; the level of the linear
# model, which cannot bend at all, stands beside it.

units = [1, 2, 4, 16, 64, 256, 1024]
display = ValidationCurveDisplay.from_estimator(
    network,
    X,
    y,
    param_name="hidden_units",
    param_range=units,
    cv=folds,
    scoring="neg_log_loss",
    negate_score=True,
    score_name="log loss",
)
baseline = -cross_val_score(LogisticRegression(), X, y, cv=folds, scoring="neg_log_loss").mean()
display.ax_.axhline(baseline, linestyle=":", color="0.6", label="logistic regression")
display.ax_.legend()
plt.show()

train = -display.train_scores.mean(axis=1)
test = -display.test_scores.mean(axis=1)
best = display.best_index
# One unit underfits: its training rows do badly too, and hardly better than a linear model's.
assert train[0] > train[best]
assert test[0] > test[best]
assert test[best] < baseline
# The largest overfits: best of all on rows that it knows, worse than the linear model elsewhere.
assert train[-1] == train.min()
assert test[-1] > baseline

# %%
# The same by epoch
# -----------------
# The loss of rows held out, epoch by epoch. The small network settles high. The large one passes
# its best after some twenty epochs and then gets worse, while its training loss goes on falling. At
# its best it was as good as any: what hurts is not its size but that nothing ends its training.
# :ref:`sphx_glr_auto_examples_regularisation_plot_01_early_stopping.py` does.

_, axes = plt.subplots(1, 3, figsize=(11, 3.4), sharey=True, layout="constrained")
sizes = {"too small": units[0], "good": units[best], "too large": units[-1]}
kinds, held_out, trained = {}, {}, {}
for ax, (name, size) in zip(axes, sizes.items(), strict=True):
    network.set_params(hidden_units=size)
    result = cross_validate(network, X, y, cv=folds, return_train_score=True)
    TrainingCurveDisplay.from_cross_validation(result, ax=ax)
    ax.set(title=f"{name}: {size} units", ylim=(0, 1))
    kinds[name] = skdl.diagnose(result).kinds
    held_out[name] = result.curve("test_loss")["mean"]
    trained[name] = result.curve("loss")["mean"]
plt.show()

small, good, large = held_out.values()
assert small.iloc[-1] < 1.02 * small.min()
assert small.min() > 1.3 * good.min()
assert large.idxmin() < 40
assert large.iloc[-1] > 1.5 * large.min()
assert large.min() < 1.1 * good.min()
assert trained["too large"].iloc[-1] < 0.8 * trained["too large"].iloc[large.idxmin() - 1]

# %%
# :func:`skdl.diagnose` reads the same from the numbers. The moons overlap, so no network reaches
# 100 %; what is missing it calls bias *or noise* for all three. That the large one suffers from
# variance, and the small one does not, it knows.

for name, found in kinds.items():
    print(f"{name}: {', '.join(found)}")
assert all("bias" in found for found in kinds.values())
assert "variance" in kinds["too large"]
assert "variance" not in kinds["too small"]
