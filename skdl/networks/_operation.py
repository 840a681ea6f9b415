"""Functions of tensors that stand in a functional model between its layers, such as ``x[:, 0]``."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import keras
    from tensorflow import Tensor

__all__ = ["OperationCall"]

# Stands in the arguments for the tensors that the call gets, in their order.
_TENSOR = "skdl_tensor"


@dataclasses.dataclass(frozen=True)
class OperationCall:
    """A call of a Keras operation as text: equal calls are equal and share programs.

    Parameters
    ----------
    config : str
        The operation and the arguments of its call, as Keras serialises them.
    """

    config: str

    @classmethod
    def of(
        cls, operation: keras.Operation, args: Sequence[object], kwargs: Mapping[str, object]
    ) -> OperationCall:
        """Describe the call of an operation on symbolic tensors."""
        import keras

        serialised = keras.saving.serialize_keras_object(operation)
        serialised["config"].pop("name", None)

        def described(value: object) -> Any:
            if isinstance(value, keras.KerasTensor):
                return {_TENSOR: True}
            if isinstance(value, list | tuple):
                return {type(value).__name__: [described(v) for v in value]}
            if isinstance(value, slice):
                return {"slice": [value.start, value.stop, value.step]}
            if value is Ellipsis:
                return {"ellipsis": True}
            if value is None or isinstance(value, bool | int | float | str):
                return {"value": value}
            return {"keras": keras.saving.serialize_keras_object(value)}

        call = {
            "operation": serialised,
            "args": [described(v) for v in args],
            "kwargs": {name: described(v) for name, v in kwargs.items()},
        }
        return cls(json.dumps(call, sort_keys=True))

    def build(self) -> Any:
        """Return a function from a list of tensors to what the operation makes of them."""
        import keras

        call = json.loads(self.config)
        operation = keras.saving.deserialize_keras_object(call["operation"])

        def run(tensors: Sequence[Tensor]) -> Any:
            given = iter(tensors)

            def filled(value: dict[str, Any]) -> Any:
                ((kind, content),) = value.items()
                if kind == _TENSOR:
                    return next(given)
                if kind in {"list", "tuple"}:
                    parts = [filled(v) for v in content]
                    return parts if kind == "list" else tuple(parts)
                if kind == "slice":
                    return slice(*content)
                if kind == "ellipsis":
                    return Ellipsis
                if kind == "value":
                    return content
                return keras.saving.deserialize_keras_object(content)

            args = [filled(v) for v in call["args"]]
            kwargs = {name: filled(v) for name, v in call["kwargs"].items()}
            return operation(*args, **kwargs)

        return run
