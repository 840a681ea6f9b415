"""
Which settings are best?
========================

:class:`skdl.model_selection.OptunaSearchCV` replaces ``GridSearchCV``. The network suggests the
ranges: size, dropout, penalties, batch normalisation, learning rate, batch size. All folds of a
trial train side by side, and bad trials end after a few epochs. The first trial is the model with
its own parameters, so the search is never worse than that. ``study_`` is an ordinary study of
Optuna, so Optuna's plots work.
"""

import warnings

import matplotlib.pyplot as plt
import optuna
import pandas as pd
from optuna.visualization import matplotlib as optuna_plots
from sklearn.datasets import load_breast_cancer
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skdl
from skdl.model_selection import OptunaSearchCV

optuna.logging.set_verbosity(optuna.logging.WARNING)
warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)

X, y = load_breast_cancer(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
model = make_pipeline(StandardScaler(), skdl.MLPClassifier(epochs=30, random_state=0))
search = OptunaSearchCV(
    model,
    n_trials=25,
    cv=3,
    scoring="neg_log_loss",
    pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=5),
    random_state=0,
)
search.fit(X_train, y_train)

# %%
# The trials
# ----------

trials = pd.DataFrame(search.cv_results_)
trials[["state", "n_epochs", "mean_test_score", "std_test_score"]].round(3)

# %%
# How the best score came about
# -----------------------------

optuna_plots.plot_optimization_history(search.study_)
plt.gcf().set_size_inches(7, 4)
plt.tight_layout()
plt.show()

# %%
# The trials' curves, those that were cut short among them
# --------------------------------------------------------
# Higher is better: the negative log loss, mean over the folds, by epoch.

optuna_plots.plot_intermediate_values(search.study_).get_legend().remove()
plt.gcf().set_size_inches(7, 4)
plt.tight_layout()
plt.show()

# %%
# What mattered
# -------------
# How much of the differences between the trials goes with each setting (fANOVA, Hutter et al.
# 2014). Of 25 trials that is a rough guess.

optuna_plots.plot_param_importances(
    search.study_,
    # The first trial's values may lie outside of the ranges, and then it has not all of these.
    params=sorted(search.study_.trials[1].params),
    evaluator=optuna.importance.FanovaImportanceEvaluator(seed=0),
)
plt.gcf().set_size_inches(7, 4)
plt.tight_layout()
plt.show()

# %%
# Was it worth it?
# ----------------
# On rows that the search has not seen: the network it chose, the one with default settings, and a
# logistic regression; the baseline knows the frequencies of the classes alone.

default = model.fit(X_train, y_train)
linear = make_pipeline(StandardScaler(), LogisticRegression()).fit(X_train, y_train)
baseline = DummyClassifier(strategy="prior").fit(X_train, y_train)
scorer = search.scorer_
table = pd.DataFrame(
    {
        "log loss on unseen rows": {
            "searched": -scorer(search, X_test, y_test),
            "default": -scorer(default, X_test, y_test),
            "LogisticRegression": -scorer(linear, X_test, y_test),
            "baseline": -scorer(baseline, X_test, y_test),
        }
    }
).round(3)
table

# %%
# The network that it chose is better than the one with default settings. On data as easy as these
# there is little to win: a logistic regression is better still.

n_pruned = (trials["state"] == "pruned").sum()
print(f"{n_pruned} of {len(trials)} trials were pruned; the best: {search.best_params_}")
assert n_pruned > 0
assert trials.loc[trials["state"] == "pruned", "n_epochs"].max() < 3 * 30
loss = table["log loss on unseen rows"]
assert loss["LogisticRegression"] < loss["searched"] < loss["default"] < loss["baseline"]
