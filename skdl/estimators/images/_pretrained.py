"""Transfer learning: a pretrained backbone and a head that is trained, as one estimator."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from skdl._validation import Constraint, Integer
from skdl.estimators.base import _keras_names as names
from skdl.estimators.base._network_estimator import BaseNetwork
from skdl.estimators.base._parameters import CONSTRAINTS, units_per_layer
from skdl.estimators.base._search_space import Choice, Number
from skdl.estimators.images._pretrained_features import BACKBONE_CONSTRAINTS, BackboneRows
from skdl.networks import KerasObject, Layer, Network, mlp

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from skdl.estimators.base._targets import Output
    from skdl.training import Job, Trained

__all__ = ["PRETRAINED_CONSTRAINTS", "BasePretrainedCNN"]

PRETRAINED_CONSTRAINTS: dict[str, Constraint] = {
    **CONSTRAINTS,
    **BACKBONE_CONSTRAINTS,
    "fine_tune": Integer(0, example=10),
    "fine_tune_epochs": Integer(1, example=10),
    "fine_tune_learning_rate": CONSTRAINTS["learning_rate"],
}
_POOLING = {"average": "GlobalAveragePooling2D", "max": "GlobalMaxPooling2D", None: "Flatten"}


class BasePretrainedCNN(BackboneRows, BaseNetwork):
    """What the two share: features in place of images, and the second phase."""

    hidden_units: Any
    hidden_layers: int
    activation: Any
    dropout: float
    input_dropout: float
    l1: float
    l2: float
    batch_norm: Any
    input_batch_norm: bool
    fine_tune: int
    fine_tune_epochs: int
    fine_tune_learning_rate: Any
    _why_not_described = (
        "it has a backbone in front of its network, which model_ does not hold. Expected an MLP or "
        "a CNN"
    )

    def _to_network_rows(self, X: NDArray[Any], *, reset: bool) -> NDArray[Any]:
        return self._images(X, reset=reset)

    def _to_inputs(self, rows: NDArray[Any]) -> NDArray[np.float32]:
        return self._extractor(rows)

    def _network(self, shape: tuple[int, ...], output: Output) -> Network:
        del shape
        return mlp(
            n_features=self._extractor.n_features,
            n_outputs=output.n_outputs,
            hidden_units=units_per_layer(self.hidden_units, self.hidden_layers),
            activation=names.resolved_activation(self.activation),
            output_activation=output.activation,
            loss=output.loss,
            dropout=self.dropout,
            input_dropout=self.input_dropout,
            l1=self.l1,
            l2=self.l2,
            batch_norm=self.batch_norm,
            input_batch_norm=bool(self.input_batch_norm),
        )

    def _train(self, job: Job) -> Trained:
        return super()._train(_with_inputs(job, self._extractor))

    @property
    def _epochs_in_all(self) -> int:
        return self.epochs + (self.fine_tune_epochs if self.fine_tune else 0)

    def _fine_tuned(self, trained: Trained, job: Job) -> Trained:
        """Train the head and the backbone's last layers together, from where the head stands."""
        from skdl.layers import blueprint_of
        from skdl.training import InterruptedFit, with_learning_rate
        from skdl.training.lockstep import train_one

        if not self.fine_tune:
            return trained
        trunk, tail = self._extractor.cut(self.fine_tune)
        head = trained.network
        network = Network(
            tuple(tail.input_shape[1:]),
            (
                Layer.of("Keras", layer=KerasObject.of("layers", tail)),
                Layer.of(_POOLING[self.pooling]),
                *head.layers,
            ),
            head.output_activation,
            head.loss,
        )
        arrays = [*tail.get_weights(), *trained.arrays]
        weights, statistics = blueprint_of(network).layout.join(arrays)
        start = dataclasses.replace(
            trained, network=network, weights=weights, statistics=statistics, slots=(),
            learning_rate=None,
        )  # fmt: skip
        second = dataclasses.replace(
            _with_inputs(job, trunk.maps),
            network=network,
            optimizer=with_learning_rate(job.optimizer, self.fine_tune_learning_rate),
            epochs=self.fine_tune_epochs,
            initial=start,
            keep_optimizer_state=False,
        )
        try:
            return self._taken_over(train_one(second), trained, tail)
        except InterruptedFit as interrupt:
            raise InterruptedFit(self._taken_over(interrupt.trained, trained, tail)) from None
        except KeyboardInterrupt:
            # Of the first phase, at least, there is something to keep.
            raise InterruptedFit(trained) from None

    def _taken_over(self, tuned: Trained, trained: Trained, tail: Any) -> Trained:
        """Take over the backbone's trained layers; return the head with its history.

        Parameters
        ----------
        tuned, trained : Trained
            What the second phase and the first one have learned.
        tail : keras.Model
            The backbone's last layers.
        """
        from skdl.layers import blueprint_of

        head = trained.network
        if self._was_better_before(trained, tuned):
            return dataclasses.replace(
                trained, history=tuned.history, n_epochs=tuned.n_epochs, n_steps=tuned.n_steps
            )
        arrays = tuned.arrays
        n_of_tail = len(tail.weights)
        tail.set_weights(arrays[:n_of_tail])
        self._extractor = self._extractor.with_tail(tail)
        weights, statistics = blueprint_of(head).layout.join(arrays[n_of_tail:])
        return dataclasses.replace(
            tuned, network=head, weights=weights, statistics=statistics, learning_rate=None
        )

    def _was_better_before(self, head: Trained, tuned: Trained) -> bool:
        """Tell whether the monitored value was best before the second phase."""
        if not (self.early_stopping and self.restore_best_weights):
            return False
        values = tuned.history[self.monitor]
        before, after = (values[trained.best_epoch - 1] for trained in (head, tuned))
        sign = 1 if names.monitor_mode(self.monitor) == "max" else -1
        return bool(sign * before > sign * after)

    def _search_space(self) -> dict[str, Choice | Number]:
        return {
            "hidden_units": Choice(64, 128, 256),
            "hidden_layers": Number(0, 2),
            "dropout": Number(0.0, 0.5, step=0.05),
            "l1": Number(1e-7, 1e-3, log=True),
            "l2": Number(1e-6, 1e-2, log=True),
            "batch_norm": Choice(None, "before_activation"),
            **super()._search_space(),
        }


def _with_inputs(job: Job, inputs: Callable[[NDArray[Any]], NDArray[np.float32]]) -> Job:
    """Return the job with what is computed of its images in their place."""
    computed: dict[int, Any] = {}

    def of(rows: Any) -> Any:
        if rows is None:
            return None
        if id(rows.X) not in computed:
            computed[id(rows.X)] = inputs(rows.X)
        return dataclasses.replace(rows, X=computed[id(rows.X)])

    return dataclasses.replace(
        job, train=of(job.train), validation=of(job.validation), held_out=of(job.held_out)
    )
