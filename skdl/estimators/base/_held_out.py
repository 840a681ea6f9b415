"""The other side of a split, as seen by a network that is fitted on the one side.

Cross-validation knows the rows of both sides; a network at the end of a Pipeline sees its own,
transformed. So cross-validation puts a `HeldOutScoring` around the fit of the outermost estimator,
and the network, once its ``fit`` is reached, takes the held-out rows through what stands around
it: by then the steps before it are fitted, on training rows alone.
"""

from __future__ import annotations

import copy
import logging
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.pipeline import Pipeline

from skdl.estimators.base._fit_context import FitContext
from skdl.estimators.base._training_data import TrainingData, sharing_targets

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from skdl.training import Job, ObservedMember, Observer

__all__ = ["HeldOutScoring", "locate_network"]

_log = logging.getLogger("skdl")


class HeldOutScoring(FitContext):
    """Context in which the network inside an estimator is scored on held-out rows each epoch.

    Nothing that the network learns depends on it.

    Parameters
    ----------
    estimator : object
        What is fitted inside the context, in this thread: a network, or a Pipeline or
        TransformedTargetRegressor that ends in one. Networks elsewhere are not followed.
    X, y : array-like
        The held-out rows, as `estimator` would get them.
    scorer : callable, default=None
        ``scorer(estimator, X, y, **score_params)`` as scikit-learn's; computed each epoch.
    score_params : dict, default=None
        Its further arguments.
    epochs : collection of int, optional
        After which epochs, from 1, the rows are scored, where nothing ends the fit earlier; after
        each by default.
    observers : sequence of Observer, default=()
        Told of the epochs as well, after the held-out rows are scored.
    name : str, default=None
        Of the split, for callbacks that write what they see under some name.

    Attributes
    ----------
    history : dict of str to list of float
        Per epoch, what the network reports, and of the held-out rows ``test_loss``,
        ``test_<metric>`` and, with a `scorer`, ``test_score``; the latter is NaN where the scorer
        failed. Empty if no network was followed.
    kept_epoch : int or None
        Number of epochs after which the network had the weights that it was left with: its best
        where those were restored, else all. None unless it was followed to the end.
    problem : str or None
        Why the held-out rows of the network could not be scored; None if they were, or if no
        network was to be followed.
    """

    def __init__(
        self,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        scorer: Callable[..., float] | None = None,
        score_params: Mapping[str, Any] | None = None,
        epochs: Collection[int] | None = None,
        observers: Sequence[Observer] = (),
        name: str | None = None,
    ) -> None:
        self.name = name
        self.problem: str | None = None
        super().__init__(estimator)
        self._X = X
        self._y = y
        self._scorer = scorer
        self._score_params = dict(score_params or {})
        self._epochs = epochs
        self._observers = observers

    def attach(self, network: Any, job: Job) -> None:
        """Have the held-out rows scored in a network's job, if the network is the one meant."""
        try:
            way = locate_network(network, self._estimator, self._X, self._y)
            if way is None:
                return
            X, y, around = way
            rows = TrainingData.to_score(network, X, y).scoring_rows(network)
            job.held_out = sharing_targets(rows, job.train)
        except Exception as error:  # noqa: BLE001 - transformers are the user's code
            self.problem = f"{type(error).__name__}: {error}"
            _log.info("held-out rows are not scored each epoch: %s", self.problem)
            return
        if job.early_stopping is None and not job.observers:
            # Of a fit that something may end early, the last scores are wanted, wherever that is.
            job.held_out_epochs = self._epochs
        if self._scorer is not None:
            job.held_out_score = self._scoring(self._scorer, network, around, X)
        job.observers = [*job.observers, self, *self._observers]

    def on_epoch_end(self, member: ObservedMember, epoch: int, logs: dict[str, float]) -> None:
        del epoch
        held_out = {f"test_{name}": value for name, value in member.held_out.items()}
        self._record(logs | held_out)

    def _scoring(
        self, scorer: Callable[..., float], network: Any, around: Callable[[Any], Any], X: Any
    ) -> Callable[[NDArray[np.float32]], float]:
        """Return what scores predictions as if the estimator were fitted and had made them."""
        scale, offset = network._targets.units
        outputs = np.zeros((0, 0), np.float32)
        stand_in: Any = copy.copy(network)
        vars(stand_in).update(_trained=None, _outputs=lambda _: outputs)
        estimator = around(stand_in)

        def score(predictions: NDArray[np.float32]) -> float:
            nonlocal outputs
            if not np.isfinite(predictions).all():
                return np.nan  # it diverges, of which scorers would warn
            outputs = predictions
            if offset is not None:
                outputs = outputs - offset
            if scale is not None:
                outputs = outputs / scale
            try:
                return float(scorer(estimator, X, self._y, **self._score_params))
            except Exception as error:  # noqa: BLE001 - a scorer is the user's code
                _log.debug("an epoch was not scored: %s", error)
                return np.nan

        return score


def locate_network(
    network: Any, estimator: Any, X: Any, y: Any
) -> tuple[Any, Any, Callable[[Any], Any]] | None:
    """Find the way from an estimator that is being fitted to the network inside it.

    Returns
    -------
    (X, y, around) or None
        The rows as the network sees them, and a function that puts around a network what turns
        its predictions into the estimator's; None if the estimator does not end in this network.
    """
    from sklearn.compose import TransformedTargetRegressor  # not needed to predict, and slow

    if estimator is network:
        return X, y, lambda inner: inner
    if isinstance(estimator, Pipeline):
        for _, step in estimator.steps[:-1]:
            # Samplers, as imbalanced-learn's pipelines have them, change the rows of fit alone.
            is_sampler = hasattr(step, "fit_resample") and not hasattr(step, "transform")
            if step is not None and step != "passthrough" and not is_sampler:
                X = step.transform(X)
        return locate_network(network, estimator.steps[-1][1], X, y)
    if isinstance(estimator, TransformedTargetRegressor) and hasattr(estimator, "regressor_"):
        columns = np.asarray(y, np.float64)
        is_flat = columns.ndim == 1
        columns = estimator.transformer_.transform(columns.reshape(-1, 1) if is_flat else columns)
        is_flat = is_flat and columns.shape[1] == 1
        way = locate_network(
            network, estimator.regressor_, X, columns[:, 0] if is_flat else columns
        )
        if way is None:
            return None
        X, y, inside = way

        def around(inner: Any) -> Any:
            outer = copy.copy(estimator)
            outer.regressor_ = inside(inner)
            return outer

        return X, y, around
    return None
