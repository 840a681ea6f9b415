"""Predictors as nodes: networks, what wraps them, and what stands beside them in ensembles."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import VotingClassifier, VotingRegressor
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler

from skdl.estimators.base import BaseNetwork
from skdl.exceptions import ExportError
from skdl.export._networks import Prediction, emit_network, with_temperature
from skdl.export._skl2onnx import converted
from skdl.export._transformers import apply_function, emit_transformer
from skdl.model_selection.ensembles import (
    AveragingClassifier,
    AveragingRegressor,
    TrialEnsembleClassifier,
    TrialEnsembleRegressor,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from skdl.export._graph import Graph, Table

__all__ = ["emit_predictor"]


def emit_predictor(graph: Graph, estimator: Any, table: Table) -> Prediction:
    """Add what a fitted estimator predicts.

    Raises
    ------
    ExportError
        If a part of it cannot be exported; the message names the part.
    """
    for kind, emit in _EMITTERS.items():
        if isinstance(estimator, kind):
            return emit(graph, estimator, table)
    if hasattr(estimator, "best_estimator_"):  # a search
        return emit_predictor(graph, estimator.best_estimator_, table)
    if type(estimator).__name__ == "FrozenEstimator":
        return emit_predictor(graph, estimator.estimator, table)
    return _other(graph, estimator, table)


def _pipeline(graph: Graph, pipeline: Pipeline, table: Table) -> Prediction:
    for _, step in pipeline.steps[:-1]:
        # Samplers of imbalanced-learn leave the rows to predict alone.
        if not hasattr(step, "fit_resample"):
            table = emit_transformer(graph, step, table)
    return emit_predictor(graph, pipeline.steps[-1][1], table)


# ------------------------------------------------------------------------- ensembles


def _averaged(graph: Graph, ensemble: Any, table: Table) -> Prediction:
    weight = 1.0 / len(ensemble.estimators_)
    members = [(member, weight) for member in ensemble.estimators_]
    temperature = getattr(ensemble, "temperature_", 1.0)
    return _weighted_mean(
        graph, ensemble, members, table, temperature=temperature, keeps_quantiles=True
    )


def _of_trials(graph: Graph, ensemble: Any, table: Table) -> Prediction:
    members = [
        (member, ensemble.weights[number] / len(own))
        for number, own in ensemble.members.items()
        for member in own
    ]
    return _weighted_mean(graph, ensemble, members, table)


def _voting(graph: Graph, ensemble: Any, table: Table) -> Prediction:
    if getattr(ensemble, "voting", "soft") != "soft":
        raise ExportError(
            "VotingClassifier: voting='hard' has no probabilities. Expected voting='soft'."
        )
    given = [1.0] * len(ensemble.estimators) if ensemble.weights is None else ensemble.weights
    weights = [
        weight
        for (_, member), weight in zip(ensemble.estimators, given, strict=True)
        if member != "drop"
    ]
    shares = [weight / sum(weights) for weight in weights]
    members = list(zip(ensemble.estimators_, shares, strict=True))
    return _weighted_mean(graph, ensemble, members, table)


def _weighted_mean(
    graph: Graph,
    ensemble: Any,
    members: Sequence[tuple[Any, float]],
    table: Table,
    *,
    temperature: float = 1.0,
    keeps_quantiles: bool = False,
) -> Prediction:
    predictions = [
        with_temperature(graph, emit_predictor(graph, member, table), temperature)
        for member, _ in members
    ]
    first = predictions[0]
    classes = np.asarray(ensemble.classes_) if is_classifier(ensemble) else None
    weights = [weight for _, weight in members]
    values = [
        prediction.value
        if classes is None or first.is_multilabel
        else _aligned(graph, prediction, classes)
        for prediction in predictions
    ]
    total = _weighted_sum(graph, values, weights)
    width = first.width if classes is None else len(classes)
    quantiles = [p.quantiles for p in predictions if p.quantiles is not None]
    mean_quantiles = None
    if keeps_quantiles and len(quantiles) == len(members):
        mean_quantiles = _weighted_sum(graph, quantiles, weights)
    return dataclasses.replace(
        first, value=total, width=width, classes=classes, quantiles=mean_quantiles
    )


def _weighted_sum(graph: Graph, values: Sequence[str], weights: Sequence[float]) -> str:
    products = [
        graph.node("Mul", value, np.float64(weight))
        for value, weight in zip(values, weights, strict=True)
    ]
    return graph.node("Sum", *products) if len(products) > 1 else products[0]


def _aligned(graph: Graph, prediction: Prediction, classes: NDArray[Any]) -> str:
    """Return a member's probabilities in the columns of all classes, 0 for those it lacks."""
    if prediction.classes is None or len(prediction.classes) == len(classes):
        return prediction.value
    return _spread(graph, prediction.value, prediction.classes, classes)


def _spread(graph: Graph, value: str, own: NDArray[Any], classes: NDArray[Any]) -> str:
    """Return a column for each of the classes, 0 for those that are not among its own."""
    places = np.zeros((len(own), len(classes)))
    places[np.arange(len(own)), np.searchsorted(classes, own)] = 1.0
    return graph.node("MatMul", value, places)


# ------------------------------------------------------------------------- other wrappers


def _transformed_target(
    graph: Graph, estimator: TransformedTargetRegressor, table: Table
) -> Prediction:
    inner = emit_predictor(graph, estimator.regressor_, table)
    step, value = estimator.transformer_, inner.value
    owner = "TransformedTargetRegressor"
    if isinstance(step, StandardScaler):
        for operator, numbers in (("Mul", step.scale_), ("Add", step.mean_)):
            if numbers is not None:
                value = graph.node(operator, value, np.asarray(numbers, np.float64))
    elif isinstance(step, MinMaxScaler) and not step.clip:
        value = graph.node("Sub", value, np.asarray(step.min_, np.float64))
        value = graph.node("Div", value, np.asarray(step.scale_, np.float64))
    elif isinstance(step, FunctionTransformer) and not step.inv_kw_args:
        value = apply_function(graph, owner, step.inverse_func, value)
    else:
        raise ExportError(
            f"{owner}: what undoes {type(step).__name__} cannot be exported. Expected "
            "StandardScaler, MinMaxScaler, or functions of NumPy as func and inverse_func."
        )
    return dataclasses.replace(inner, value=value, quantiles=None)


def _calibrated(graph: Graph, estimator: CalibratedClassifierCV, table: Table) -> Prediction:
    classes = np.asarray(estimator.classes_)
    values = []
    for member in estimator.calibrated_classifiers_:
        inner = emit_predictor(graph, member.estimator, table)
        if (
            member.method != "sigmoid"
            or inner.classes is None
            or hasattr(member.estimator, "decision_function")
        ):
            raise ExportError(
                f"CalibratedClassifierCV: method={member.method!r} around "
                f"{type(member.estimator).__name__} cannot be exported. Expected method='sigmoid' "
                "around a classifier of skdl, or a pipeline that ends in one."
            )
        values.append(_by_sigmoids(graph, member.calibrators, inner, classes))
    total = graph.node("Sum", *values) if len(values) > 1 else values[0]
    mean = graph.node("Div", total, np.float64(len(values)))
    return Prediction(mean, len(classes), classes=classes)


def _by_sigmoids(
    graph: Graph, calibrators: Sequence[Any], inner: Prediction, classes: NDArray[Any]
) -> str:
    """Return calibrated probabilities: ``1 / (1 + exp(a p + b))`` of each (Platt 1999)."""
    slopes, shifts = (np.array([getattr(c, n) for c in calibrators]) for n in ("a_", "b_"))
    value = inner.value
    if len(classes) == 2:
        value = graph.node("Gather", value, np.array([1]), axis=1)
    value = graph.node("Add", graph.node("Mul", value, slopes), shifts)
    value = graph.node("Add", graph.node("Exp", value), np.float64(1.0))
    value = graph.node("Div", np.float64(1.0), value)
    if len(classes) == 2:
        return graph.node("Concat", graph.node("Sub", np.float64(1.0), value), value, axis=1)
    value = _spread(graph, value, np.asarray(inner.classes), classes)
    total = graph.node("ReduceSum", value, graph.integers(1), keepdims=1)
    return graph.node("Div", value, total)


def _with_threshold(graph: Graph, estimator: Any, table: Table) -> Prediction:
    inner = emit_predictor(graph, estimator.estimator_, table)
    chosen = getattr(estimator, "best_threshold_", getattr(estimator, "threshold", "auto"))
    threshold = 0.5 if isinstance(chosen, str) else float(chosen)
    is_plain = getattr(estimator, "pos_label", None) is None
    if not is_plain or inner.classes is None or len(inner.classes) != 2:
        raise ExportError(
            f"{type(estimator).__name__}: pos_label={getattr(estimator, 'pos_label', None)!r} "
            "cannot be exported. Expected two classes and pos_label=None."
        )
    return dataclasses.replace(inner, threshold=threshold)


def _other(graph: Graph, estimator: Any, table: Table) -> Prediction:
    """Return what skl2onnx makes of any other estimator."""
    outputs, _ = converted(graph, estimator, table)
    if not is_classifier(estimator):
        width = int(getattr(estimator, "n_outputs_", 1))
        value = graph.node("Reshape", graph.cast(outputs[0], "float64"), graph.integers(-1, width))
        return Prediction(value, width, is_flat=width == 1)
    classes = getattr(estimator, "classes_", None)
    if not isinstance(classes, np.ndarray) or not hasattr(estimator, "predict_proba"):
        raise ExportError(
            f"{type(estimator).__name__}: it has no probabilities of one target. Expected a "
            "classifier with predict_proba."
        )
    return Prediction(graph.cast(outputs[1], "float64"), len(classes), classes=classes)


_EMITTERS: dict[type, Callable[[Graph, Any, Table], Prediction]] = {
    BaseNetwork: emit_network,
    Pipeline: _pipeline,
    AveragingClassifier: _averaged,
    AveragingRegressor: _averaged,
    TrialEnsembleClassifier: _of_trials,
    TrialEnsembleRegressor: _of_trials,
    VotingClassifier: _voting,
    VotingRegressor: _voting,
    TransformedTargetRegressor: _transformed_target,
    CalibratedClassifierCV: _calibrated,
    FixedThresholdClassifier: _with_threshold,
    TunedThresholdClassifierCV: _with_threshold,
}
