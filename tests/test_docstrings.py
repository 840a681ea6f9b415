"""One thing is described in one way, in whichever docstrings of the public interface it stands."""

import inspect
import re
from collections import defaultdict
from itertools import chain, pairwise

import pytest

import skdl

CNNS = ["CNNClassifier", "CNNRegressor"]
KERAS = ["KerasClassifier", "KerasRegressor", "KerasTransformer"]
MLPS = ["MLPClassifier", "MLPRegressor"]
PRETRAINED = ["PretrainedCNNClassifier", "PretrainedCNNRegressor"]
OF_TEXTS = ["TextClassifier", "TextRegressor"]
RNNS = ["RNNClassifier", "RNNRegressor"]
TRANSFORMERS = ["TransformerClassifier", "TransformerRegressor"]
CNNS_1D = ["CNN1DClassifier", "CNN1DRegressor"]
SEQUENCES = [*CNNS_1D, *RNNS, *TRANSFORMERS]
OURS = [*CNNS, *MLPS, *PRETRAINED, *OF_TEXTS, *SEQUENCES]
NETWORKS = [*OURS, *KERAS]
AVERAGING = ["AveragingClassifier", "AveragingRegressor"]
KFOLD = ["KFoldEnsembleClassifier", "KFoldEnsembleRegressor"]
ENSEMBLES = [*AVERAGING, *KFOLD]
BACKBONES = [*PRETRAINED, "PretrainedFeatures"]
SPLITTERS = ["IteratedKFold", "TimeOrderedSplit"]
SIAMESE = ["SiameseTransformer"]
CURVES = ["TrainingCurveDisplay", "ValidationCurveDisplay"]


def classifiers(names):
    return [name for name in names if name.endswith("Classifier")]


def others(names):
    return [name for name in names if not name.endswith("Classifier")]


def each(*names):
    return [[name] for name in names]


# What is meant to differ: the reason, and those among which it may not.
DIFFERENT = {
    # -------------------------------------------------- parameters of classes and functions
    "X": (
        "what is done with the rows",
        each("CrossValidationResult", "Windows", "cross_validate", "duplicate_groups", "report"),
    ),
    "activation": (
        "which layers there are",
        [CNNS, MLPS, OF_TEXTS, PRETRAINED, RNNS, TRANSFORMERS, CNNS_1D, SIAMESE],
    ),
    "batch_norm": (
        "which convolutions are normalised too",
        [CNNS, [*MLPS, *PRETRAINED], OF_TEXTS],
    ),
    "batch_size": (
        'only MLPs have "auto", SciKeras has None and -1; batches of pairs',
        [[*CNNS, *OF_TEXTS, *PRETRAINED, *SEQUENCES], KERAS, MLPS, SIAMESE],
    ),
    "bidirectional": ("units for each direction", [OF_TEXTS, RNNS]),
    "callbacks": (
        "SciKeras routes arguments; a search has Optuna's",
        [OURS, KERAS, ["OptunaSearchCV"]],
    ),
    "cv": ("ensembles shuffle", [[KFOLD[0]], [KFOLD[1]], ["OptunaSearchCV", "cross_validate"]]),
    "data": ("arrays or files", each("ParquetRows", "RowSource")),
    "dropout": (
        "texts have an encoder, sequences other layers",
        [[*CNNS, *MLPS, *PRETRAINED], OF_TEXTS, RNNS, TRANSFORMERS, CNNS_1D, SIAMESE],
    ),
    "early_stopping": ("SciKeras has validation_split too", [OURS, KERAS]),
    "epochs": (
        'only MLPs have "auto"',
        [MLPS, [*CNNS, *KERAS, *OF_TEXTS, *PRETRAINED, *SEQUENCES], SIAMESE],
    ),
    "filters": ("blocks with pooling, or layers", [CNNS, CNNS_1D, SIAMESE]),
    "n_splits": ("in each iteration, or in all", each(*SPLITTERS)),
    "time": ("a report tells, a cross-validation splits by it", each("cross_validate", "report")),
    "error_score": ("a search has trials", each("OptunaSearchCV", "cross_validate")),
    "estimator": (
        "what is asked of it",
        each(
            *ENSEMBLES,
            "CrossValidationResult",
            "OptunaSearchCV",
            "cross_validate",
            "describe_space",
            "from_scikeras",
        ),
    ),
    "calibrate": (
        "by rows held out, or by those of each fold",
        [classifiers(OURS), ["KFoldEnsembleClassifier"]],
    ),
    "groups": (
        "folds, three parts, or lines of a table",
        [
            *each("Windows", "coverage_by_group", "cross_validate", "report"),
            *each("train_validation_test_split"),
        ],
    ),
    "hidden_layers": (
        "without them, what stands before them is still not linear",
        [CNNS, OF_TEXTS, [*MLPS, *PRETRAINED]],
    ),
    "hidden_units": (
        'where the layers stand; only MLPs have "auto"',
        [CNNS, MLPS, OF_TEXTS, PRETRAINED, RNNS, [*TRANSFORMERS, *CNNS_1D], SIAMESE],
    ),
    "image_shape": (
        "a backbone takes no signals, flat rows may be a table",
        [CNNS, BACKBONES, SIAMESE],
    ),
    "input_batch_norm": (
        "inputs, channels, or features of the backbone",
        [MLPS, PRETRAINED, SEQUENCES],
    ),
    "input_dropout": ("inputs, or features of the backbone", [MLPS, PRETRAINED]),
    "kept_epochs": ("a display takes None", each("CrossValidationResult", "TrainingCurveDisplay")),
    "kernel_size": ("axes of space, tokens, or steps", [CNNS, OF_TEXTS, CNNS_1D]),
    "l1": (
        "recurrent kernels have none",
        [[*CNNS, *MLPS, *OF_TEXTS, *PRETRAINED, *TRANSFORMERS, *CNNS_1D], RNNS],
    ),
    "l2": (
        "recurrent kernels have none",
        [[*CNNS, *MLPS, *OF_TEXTS, *PRETRAINED, *TRANSFORMERS, *CNNS_1D, *SIAMESE], RNNS],
    ),
    "layers": ("of what kind", [CNNS_1D, RNNS]),
    "loss": (
        "of classes, of numbers, of a model, of pairs",
        [classifiers(OURS), others(OURS), KERAS, SIAMESE],
    ),
    "metric": ("of a diagnosis, of a curve", each("TrainingCurveDisplay", "diagnose")),
    "metrics": (
        "numbers have units; a result has those of scorers",
        [classifiers(OURS), others(OURS), KERAS, ["CrossValidationResult"]],
    ),
    "model": ("what `meta` holds", [["KerasClassifier"], others(KERAS)]),
    "monitor": ("pruning reports it", [NETWORKS, ["OptunaPruning"]]),
    "n_heads": ("of one block, of all", [OF_TEXTS, TRANSFORMERS]),
    "n_iterations": (
        "only K-fold of scikit-learn keeps the order of rows",
        [["IteratedKFold"], KFOLD, ["OptunaSearchCV", "cross_validate"]],
    ),
    "normalization": ("where it stands", [CNNS_1D, RNNS]),
    "optimizer": ("SciKeras routes arguments", [[*OURS, *SIAMESE], KERAS]),
    "pooling": (
        "of windows in a block, of the backbone's output, of all positions",
        [CNNS, BACKBONES, OF_TEXTS, RNNS, TRANSFORMERS, CNNS_1D],
    ),
    "random_state": (
        "what is drawn",
        [
            [*CNNS, *MLPS, *OF_TEXTS, *SEQUENCES],
            KERAS,
            PRETRAINED,
            ["PretrainedFeatures"],
            SIAMESE,
            AVERAGING,
            KFOLD,
            *each("IteratedKFold", "OptunaSearchCV", "train_validation_test_split"),
        ],
    ),
    "refit": ("members, the best trial, or the network", [KFOLD, ["OptunaSearchCV"], MLPS]),
    "rescale": ("a backbone has a preprocessing", [CNNS, BACKBONES]),
    "scoring": (
        "what becomes of the metrics",
        each("CrossValidationResult", "OptunaSearchCV", "cross_validate"),
    ),
    "scores": ("of a diagnosis, of folds", each("CrossValidationResult", "Diagnosis")),
    "shuffle": ("for each epoch, or once", [NETWORKS, ["train_validation_test_split"]]),
    "target_score": ("to diagnose, or to end a search at", each("OptunaSearchCV", "diagnose")),
    "target_scaling": (
        "a user's model knows no loss of counts",
        [others(OURS), ["KerasRegressor", "KerasTransformer"]],
    ),
    "validation_fraction": ("classes are stratified", [classifiers(NETWORKS), others(NETWORKS)]),
    "verbose": (
        "what is shown",
        [NETWORKS, KFOLD, SIAMESE, *each("OptunaSearchCV", "cross_validate", "lockstep")],
    ),
    "y": (
        "what is done with them",
        [
            *each("CrossValidationResult", "Windows", "coverage_by_group"),
            *each("cross_validate", "duplicate_groups", "report"),
        ],
    ),
    # -------------------------------------------------- attributes
    "backbone_": ("the transformer has no fine-tuning", [PRETRAINED, ["PretrainedFeatures"]]),
    "best_": ("the best epoch, the best value", [[name] for name in CURVES]),
    "best_epoch_": ("of one fit, of all folds", [NETWORKS, KFOLD]),
    "classes_": (
        "who decides on them",
        [
            [*classifiers(OURS), "KFoldEnsembleClassifier"],
            *each("KerasClassifier", "AveragingClassifier", "OptunaSearchCV", *SIAMESE),
        ],
    ),
    "estimators_": ("a refit adds others", [AVERAGING, KFOLD]),
    "history_": ("pairs have no metrics", [NETWORKS, SIAMESE]),
    "image_shape_": ("a backbone takes no signals", [CNNS, [*BACKBONES, *SIAMESE]]),
    "lines_": ("epochs, or values of a parameter", [[name] for name in CURVES]),
    "model_": (
        "of all, or of the head",
        [[*CNNS, *KERAS, *MLPS, *OF_TEXTS, *SEQUENCES], PRETRAINED, SIAMESE],
    ),
    "n_features_in_": (
        "images have no features",
        [
            [*CNNS, *BACKBONES, *SIAMESE],
            OF_TEXTS,
            SEQUENCES,
            [*KERAS, *MLPS, *ENSEMBLES, "OptunaSearchCV", "SmoothClipScaler"],
        ],
    ),
    "n_iter_": ("pairs have no warm start", [NETWORKS, SIAMESE]),
    "n_outputs_": ("labels, or targets", [classifiers(NETWORKS), others(NETWORKS)]),
    "oof_predictions_": ("probabilities, or numbers", [[name] for name in KFOLD]),
    "oof_score_": ("accuracy, or R²", [[name] for name in KFOLD]),
    "temperature_": (
        "of a network, of all members",
        [classifiers(OURS), ["KFoldEnsembleClassifier"]],
    ),
    # -------------------------------------------------- arguments and results of methods
    "fit(**fit_params)": (
        "folds split them; SciKeras has arguments for one call",
        [AVERAGING, KFOLD, KERAS],
    ),
    "fit(X)": (
        "what is asked of the rows",
        [
            NETWORKS,
            ENSEMBLES,
            *each("OptunaSearchCV", "PretrainedFeatures", "SmoothClipScaler", "TokenSequences"),
            SIAMESE,
        ],
    ),
    "fit(X_val)": ("targets may be no part of it", [[*OURS, *KERAS[:2]], ["KerasTransformer"]]),
    "fit(groups)": ("of the inner split, of the folds", [NETWORKS, KFOLD]),
    "fit(time)": ("of the inner split, of the folds", [NETWORKS, KFOLD, ["OptunaSearchCV"]]),
    "fit(y)": (
        "who needs them",
        [
            [*OURS, *KERAS[:2], *ENSEMBLES, "OptunaSearchCV"],
            *each("KerasTransformer", "PretrainedFeatures", *SIAMESE),
            ["SmoothClipScaler", "TokenSequences"],
        ],
    ),
    "fit(y_val)": ("targets may be no part of it", [[*OURS, *KERAS[:2]], ["KerasTransformer"]]),
    "get_n_splits() -> n_splits": ("how often", each(*SPLITTERS)),
    "split(X)": ("times may be a column of it", each(*SPLITTERS)),
    "split(groups)": ("in order, there are none", each(*SPLITTERS)),
    "split(y)": ("in order, classes count for nothing", each(*SPLITTERS)),
    "from_estimator(**options)": ("scikit-learn's arguments too", [[name] for name in CURVES]),
    "from_estimator(estimator)": ("fitted, or to be fitted", [[name] for name in CURVES]),
    "initialize(y)": ("who needs them", [KERAS[:2], ["KerasTransformer"]]),
    "partial_fit(y)": (
        "labels, targets, or neither",
        [
            classifiers(NETWORKS),
            [*others(OURS), "KerasRegressor"],
            ["KerasTransformer"],
        ],
    ),
    "predict() -> y": ("SciKeras has target encoders", [[*OURS, *ENSEMBLES], KERAS[:2]]),
    "predict_proba() -> probabilities": (
        "target encoders; trees return lists",
        [
            classifiers(OURS),
            *each("KerasClassifier", "AveragingClassifier", "KFoldEnsembleClassifier"),
        ],
    ),
    "predict_quantiles() -> quantiles": (
        "of one network, of a mean",
        [[*others(OURS), "KerasRegressor"], ["AveragingRegressor", "KFoldEnsembleRegressor"]],
    ),
    "score() -> score": ("SciKeras has scorers", [[*classifiers(OURS), KERAS[2]], KERAS[:2]]),
    "score(y)": ("labels, targets, or neither", [classifiers(NETWORKS), *each(*KERAS[1:])]),
    "transform(X)": (
        "what the rows are",
        [
            [*SIAMESE, "KerasTransformer"],
            *each("PretrainedFeatures", "SmoothClipScaler", "TokenSequences"),
        ],
    ),
}


def public_objects():
    """Return all public classes and functions by name."""
    modules = (skdl, skdl.estimators, skdl.inspection, skdl.model_selection)
    return {name: getattr(module, name) for module in modules for name in module.__all__}


def described(docstring, title):
    """Return the entries of a numpydoc section: type without default, and text, of each name."""
    lines = inspect.cleandoc(docstring or "").split("\n")
    heads = [i for i, line in enumerate(lines) if re.fullmatch(r"-{3,}", line)]
    entries = {}
    for head, after in pairwise([*heads, len(lines) + 1]):
        if lines[head - 1] != title:
            continue
        names = ()
        for line in lines[head + 1 : after - 1]:
            if line and not line[0].isspace():
                joint_name, _, kind = line.partition(" : ")
                names = joint_name.split(", ")
                entries |= dict.fromkeys(names, (re.sub(r", default=.*", "", kind), ""))
            else:
                kind, text = entries[names[0]] if names else ("", "")
                entries |= dict.fromkeys(names, (kind, f"{text} {line.strip()}".strip()))
    return entries


def methods_of(cls):
    """Yield the public methods that are written in skdl, by name."""
    for name in dir(cls):
        method = inspect.getattr_static(cls, name)
        # Class methods, and methods that are there under a condition.
        method = getattr(method, "__func__", getattr(method, "fn", method))
        if name[0] != "_" and inspect.isfunction(method) and method.__module__[:5] == "skdl.":
            yield name, method


def all_texts():
    """Return, for each thing that is described, its text by the name of the public object."""
    texts = defaultdict(dict)
    for owner, thing in public_objects().items():
        for title in ("Parameters", "Attributes"):
            for name, entry in described(thing.__doc__, title).items():
                texts[name][owner] = entry
        if not isinstance(thing, type):
            continue
        for method, function in methods_of(thing):
            # Their types follow from the class: not all take sparse rows, or return float64.
            for name, (_, text) in described(function.__doc__, "Parameters").items():
                texts[f"{method}({name})"][owner] = text
            for name, (_, text) in described(function.__doc__, "Returns").items():
                texts[f"{method}() -> {name}"][owner] = text
    return texts


TEXTS = {name: by_owner for name, by_owner in all_texts().items() if len(by_owner) > 1}


def test_docstrings_are_read():
    docstring = """Do it.

    Parameters
    ----------
    a, b : int
        First
        and second.
    c : float, default=1.0
        Third.

    Returns
    -------
    d : int
    """
    assert described(docstring, "Parameters") == {
        "a": ("int", "First and second."),
        "b": ("int", "First and second."),
        "c": ("float", "Third."),
    }
    assert described(docstring, "Returns") == {"d": ("int", "")}
    assert described(docstring, "Raises") == {}
    assert set(TEXTS["l2"]) == {*OURS, *SIAMESE}
    assert {*NETWORKS, *ENSEMBLES} <= set(TEXTS["fit() -> self"])


@pytest.mark.parametrize("name", sorted(TEXTS.keys() - DIFFERENT.keys()))
def test_one_thing_is_described_in_one_way(name):
    owners_of = defaultdict(list)
    for owner, text in TEXTS[name].items():
        owners_of[text].append(owner)
    assert len(owners_of) == 1, dict(owners_of)


@pytest.mark.parametrize("name", sorted(DIFFERENT))
def test_what_is_described_in_several_ways_is_in_the_list_of_exceptions(name):
    reason, groups = DIFFERENT[name]
    assert reason
    assert sorted(chain(*groups)) == sorted(TEXTS[name]), "each object stands in one group"
    texts = [{TEXTS[name][owner] for owner in group} for group in groups]
    assert all(len(text) == 1 for text in texts), texts
    assert len(set.union(*texts)) == len(groups), "groups with the same text are one"
