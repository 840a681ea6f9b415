"""How does a small Keras network compare with scikit-learn's own models?

Two data sets that ship with scikit-learn, four models each, all scored by scikit-learn's own
``cross_validate`` on the very same splits: 5-fold, and 5-fold repeated ten times with the rows
shuffled anew (10×5). Prints a table per data set and saves a picture of the training curves.

Run it from anywhere: ``python examples/quickstart.py``.
"""

import time
import warnings
from pathlib import Path

import matplotlib as mpl
from rich import box
from rich.console import Console
from rich.table import Table
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import (
    KFold,
    RepeatedKFold,
    RepeatedStratifiedKFold,
    StratifiedKFold,
    cross_validate,
)
from sklearn.neural_network import MLPClassifier as SklearnMLPClassifier
from sklearn.neural_network import MLPRegressor as SklearnMLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skdl
from skdl.inspection import TrainingCurveDisplay
from skdl.model_selection import cross_validate as skdl_cross_validate

mpl.use("Agg")  # a file is all that is wanted, so no window is ever opened
from matplotlib import pyplot as plt

SEED = 0
N_SPLITS, N_ITERATIONS = 5, 10
UNITS, EPOCHS, BATCH_SIZE = 32, 40, 32
PICTURE = Path("quickstart_training_curves.png")

# %%
# The models
# ----------
# Every model gets standardised features, fitted on the training rows of each fold. Scikit-learn's
# MLP has the same layers, epochs and batch size as ours; its target is standardised too, as ours
# does by itself, for otherwise it would need far more epochs to find the mean.

SAME_TRAINING = {
    "hidden_layer_sizes": (UNITS, UNITS),
    "batch_size": BATCH_SIZE,
    "max_iter": EPOCHS,
    "n_iter_no_change": EPOCHS,  # never stop before the last epoch
    "random_state": SEED,
}
OURS = {
    "hidden_units": UNITS,
    "dropout": 0.2,
    "epochs": EPOCHS,
    "batch_size": BATCH_SIZE,
    "random_state": SEED,
}

TASKS = {
    "Breast cancer, benign or malignant": {
        "data": load_breast_cancer(return_X_y=True),
        "models": {
            "skdl MLPClassifier": skdl.MLPClassifier(**OURS),
            "Dummy (majority)": DummyClassifier(),
            "LogisticRegression": LogisticRegression(),
            "sklearn MLPClassifier": SklearnMLPClassifier(**SAME_TRAINING),
        },
        "scoring": {"accuracy": "accuracy", "ROC AUC": "roc_auc"},
        "splitters": {
            f"{N_SPLITS}-fold": StratifiedKFold(N_SPLITS, shuffle=True, random_state=SEED),
            f"{N_ITERATIONS}×{N_SPLITS}": RepeatedStratifiedKFold(
                n_splits=N_SPLITS, n_repeats=N_ITERATIONS, random_state=SEED
            ),
        },
        "loss": "cross-entropy",
    },
    "Diabetes, progression after one year": {
        "data": load_diabetes(return_X_y=True),
        "models": {
            "skdl MLPRegressor": skdl.MLPRegressor(**OURS),
            "Dummy (mean)": DummyRegressor(),
            "LinearRegression": LinearRegression(),
            "sklearn MLPRegressor": TransformedTargetRegressor(
                SklearnMLPRegressor(**SAME_TRAINING), transformer=StandardScaler()
            ),
        },
        "scoring": {"RMSE": "neg_root_mean_squared_error", "R²": "r2"},
        "splitters": {
            f"{N_SPLITS}-fold": KFold(N_SPLITS, shuffle=True, random_state=SEED),
            f"{N_ITERATIONS}×{N_SPLITS}": RepeatedKFold(
                n_splits=N_SPLITS, n_repeats=N_ITERATIONS, random_state=SEED
            ),
        },
        "loss": "squared error, in variances of y",
    },
}


# %%
# Scores
# ------
# ``with skdl.lockstep()`` is all that is needed for the folds to be trained together; each fold
# still has a scaler of its own. Scikit-learn's models run as they always do.


def score(model, X, y, cv, scoring):
    """Return the scores of each fold by metric, and the seconds that all folds took."""
    pipeline = make_pipeline(StandardScaler(), model)
    started = time.perf_counter()
    if isinstance(model, skdl.MLPClassifier | skdl.MLPRegressor):
        with skdl.lockstep():
            scores = cross_validate(pipeline, X, y, cv=cv, scoring=scoring, n_jobs=-1)
    else:
        with warnings.catch_warnings():
            # Stopping after the same number of epochs is what is asked for here.
            warnings.simplefilter("ignore", ConvergenceWarning)
            scores = cross_validate(pipeline, X, y, cv=cv, scoring=scoring)
    seconds = time.perf_counter() - started
    # Scikit-learn negates errors so that greater is better; people read them the right way up.
    by_metric = {
        name: -scores[f"test_{name}"] if scorer.startswith("neg_") else scores[f"test_{name}"]
        for name, scorer in scoring.items()
    }
    return by_metric, seconds


def score_all(task):
    """Return {model: {(metric, splitter): scores of the folds, "seconds": of all folds}}."""
    X, y = task["data"]
    results = {}
    for model_name, model in task["models"].items():
        row = {"seconds": 0.0}
        for cv_name, cv in task["splitters"].items():
            by_metric, seconds = score(model, X, y, cv, task["scoring"])
            row |= {(metric, cv_name): values for metric, values in by_metric.items()}
            row["seconds"] += seconds
        results[model_name] = row
    return results


def mean_and_deviation(values):
    """Return both as text, with three decimals, or one where the values are large."""
    decimals = 3 if abs(values.mean()) < 10 else 1
    return f"{values.mean():.{decimals}f} ± {values.std(ddof=1):.{decimals}f}"


def score_table(title, task, results):
    """Return a table of mean ± standard deviation over the test folds."""
    *_, most_folds = task["splitters"]
    first_metric, *others = task["scoring"]
    columns = [(first_metric, cv_name) for cv_name in task["splitters"]]
    columns += [(metric, most_folds) for metric in others]

    table = Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False
    )
    table.add_column("model", no_wrap=True)
    for metric, cv_name in columns:
        table.add_column(f"{metric}\n{cv_name}", justify="right", no_wrap=True)
    table.add_column("time\nboth", justify="right", no_wrap=True)
    for model_name, row in results.items():
        cells = [mean_and_deviation(row[column]) for column in columns]
        style = "bold" if model_name.startswith("skdl") else None
        table.add_row(model_name, *cells, f"{row['seconds']:.1f} s", style=style)
    return table


# %%
# Training curves
# ---------------
# Our own ``cross_validate`` takes the same splits, and keeps the loss on the held-out rows of each
# fold after every epoch. They are only looked at: nothing stops early, nothing is chosen by them.


def draw_curves(axes, title, task, model):
    """Draw the loss by epoch, with a band of one standard deviation over the folds."""
    plain_cv = next(iter(task["splitters"].values()))
    result = skdl_cross_validate(make_pipeline(StandardScaler(), model), *task["data"], cv=plain_cv)
    TrainingCurveDisplay.from_cross_validation(result, ax=axes)
    axes.set(title=title, ylabel=task["loss"], xlim=(1, None), ylim=(0, None))


# %%
# All of it
# ---------


def main():
    """Score both data sets, print the tables, save the picture."""
    started = time.perf_counter()
    console = Console()
    figure, panels = plt.subplots(1, len(TASKS), figsize=(11, 4.2), layout="constrained")

    for axes, (title, task) in zip(panels, TASKS.items(), strict=True):
        with console.status(f"{title}: cross-validating …"):
            results = score_all(task)
        console.print(score_table(title, task, results), "")

        ours, dummy, *_ = results
        metric, splitter = next(iter(task["scoring"])), list(task["splitters"])[-1]
        ours_mean, dummy_mean = (results[name][metric, splitter].mean() for name in (ours, dummy))
        better = ours_mean < dummy_mean if metric == "RMSE" else ours_mean > dummy_mean
        assert better, f"{ours} is no better than {dummy} on {title!r}"

        with console.status(f"{title}: drawing training curves …"):
            draw_curves(axes, title, task, task["models"][ours])

    figure.suptitle(f"Loss after each epoch: mean of {N_SPLITS} folds, band ± 1 standard deviation")
    figure.savefig(PICTURE, dpi=150)
    console.print(
        f"± is the standard deviation over the test folds ({N_SPLITS} or "
        f"{N_SPLITS * N_ITERATIONS}). Folds share training rows, so it is no standard error.\n"
        "The time of the first network includes the start of TensorFlow.\n"
        f"Training curves: {PICTURE.resolve()}\n"
        f"All of this took {time.perf_counter() - started:.0f} s."
    )


if __name__ == "__main__":
    main()
