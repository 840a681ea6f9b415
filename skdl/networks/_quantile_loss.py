"""The quantile loss, which Keras has not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skdl.networks._object_kinds import PACKAGE

if TYPE_CHECKING:
    import keras
    from tensorflow import Tensor

__all__ = ["quantile_loss_class"]


def quantile_loss_class() -> type[keras.losses.Loss]:
    """Return the Keras class of the quantile loss, registered on first use."""
    import keras

    name = f"{PACKAGE}>QuantileLoss"
    known = keras.saving.get_registered_object(name)
    if known is not None:
        return known

    @keras.saving.register_keras_serializable(package=PACKAGE)
    class QuantileLoss(keras.losses.Loss):
        """Pinball loss, ``max(q e, (q - 1) e)`` with ``e = y - prediction``.

        Koenker and Bassett (1978), Econometrica 46, Eq. 3.1, averaged over outputs. With a list
        of quantiles each output has its own, and all have the same target.
        """

        def __init__(self, quantile: float | list[float] = 0.5, **keywords: object) -> None:
            super().__init__(**keywords)
            self.quantile = quantile

        def call(self, y_true: Tensor, y_pred: Tensor) -> Any:
            error = keras.ops.cast(y_true, y_pred.dtype) - y_pred
            quantile = keras.ops.convert_to_tensor(self.quantile, error.dtype)
            pinball = keras.ops.maximum(quantile * error, (quantile - 1) * error)
            return keras.ops.mean(pinball, axis=-1)

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "quantile": self.quantile}

    return QuantileLoss
