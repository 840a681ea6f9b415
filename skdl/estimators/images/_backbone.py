"""Backbones: pretrained networks that turn images into features, each image once."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from skdl._plain_data import (
    count,
    instance,
    items,
    mapping,
    natural,
    number,
    one_of,
    optional,
    register,
    sequence,
    text,
)
from skdl.estimators.images._model_copies import from_json, functions_of
from skdl.estimators.images._row_cache import RowCache
from skdl.networks import check_keras_config, check_sizes, preserved_generators

if TYPE_CHECKING:
    from collections.abc import Callable

    import keras
    from numpy.typing import NDArray

__all__ = ["ROWS_AT_ONCE", "Extractor"]

# Images that stand on the device at once.
ROWS_AT_ONCE = 32
# Features that an extractor keeps: those of half a million images, 512 each.
_MOST_BYTES = 2**30


class Extractor:
    """A network that is not trained, and what brings images into the form that it was made for.

    A copy of it is itself: nothing of it changes but which features it remembers.

    Parameters
    ----------
    model : keras.Model
        Of one input ``(n, height, width, channels)`` and one output.
    image_size : (height, width) or None
        What images are resized to, bilinearly.
    scale : float
        What values are multiplied by first.
    preprocessing : str, callable or None
        Name of a module of ``keras.applications`` that has a ``preprocess_input``, or a function
        of a float32 batch.
    pooling : {"average", "max"} or None
        What stands for each channel of the output; None hands all values on.
    max_bytes : int
        Of features that are remembered.
    """

    def __init__(
        self,
        model: keras.Model,
        *,
        image_size: tuple[int, int] | None,
        scale: float,
        preprocessing: str | Callable[[Any], Any] | None,
        pooling: str | None,
        max_bytes: int = _MOST_BYTES,
    ) -> None:
        self._model: keras.Model | None = model
        # Configuration and weights, once they were asked for, and always without a model.
        self._saved: Any = None
        # Those of the user's Lambda layers, which no configuration holds.
        self._functions = functions_of(model)
        self._image_size = image_size
        self._scale = scale
        self._preprocessing = preprocessing
        self.pooling = pooling
        self._max_bytes = max_bytes
        self._start()

    def _start(self) -> None:
        self._features = RowCache(self._max_bytes)
        self._trunks: dict[str, Extractor] = {}
        self._programs: dict[Any, Any] = {}
        self._building = threading.RLock()

    @property
    def model(self) -> keras.Model:
        """The network."""
        with self._building:
            if self._model is None:
                self._model = from_json(*self._saved, functions=self._functions)
            return self._model

    @property
    def n_features(self) -> int:
        """Number of features of one image."""
        shape = self.model.output_shape[1:]
        return int(shape[-1]) if self.pooling is not None else int(np.prod(shape))

    def __call__(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """Return features of images.

        Parameters
        ----------
        images : ndarray of shape (n_samples, height, width, channels), uint8 or float32

        Returns
        -------
        features : ndarray of shape (n_samples, n_features), float32
        """
        maps = self.maps(images)
        return maps.reshape(len(maps), -1)

    def maps(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """Return the same as they leave the network, after pooling."""
        return self._features(images, self._compute)

    def _compute(self, images: NDArray[Any], index: NDArray[np.intp]) -> NDArray[np.float32]:
        with self._building:
            program = self._programs.get(images.dtype)
            if program is None:
                program = self._programs[images.dtype] = self._traced(images)
        parts = [
            program(np.asarray(images[index[start : start + ROWS_AT_ONCE]])).numpy()
            for start in range(0, len(index), ROWS_AT_ONCE)
        ]
        return np.concatenate(parts) if parts else np.empty((0, 1), np.float32)

    def _traced(self, images: NDArray[Any]) -> Any:
        """Return the compiled function from images to features."""
        import keras
        import tensorflow as tf

        model = self.model
        prepare = self._preprocessing
        if isinstance(prepare, str):
            prepare = getattr(keras.applications, prepare).preprocess_input
        n_channels = model.input_shape[-1]
        pool = {"average": tf.reduce_mean, "max": tf.reduce_max, None: None}[self.pooling]

        batch = tf.TensorSpec([None, *images.shape[1:]], images.dtype)

        @tf.function(input_signature=[batch], autograph=False)
        def features(images: Any) -> Any:
            x = tf.cast(images, tf.float32) * self._scale
            if x.shape[-1] == 1 and n_channels != 1:
                x = tf.repeat(x, n_channels, axis=-1)
            if self._image_size is not None and tuple(x.shape[1:3]) != self._image_size:
                x = tf.image.resize(x, self._image_size)
            if prepare is not None:
                x = prepare(x)
            x = model(x, training=False)
            return x if pool is None else pool(x, list(range(1, len(x.shape) - 1)))

        return features

    # ------------------------------------------------------------------ fine-tuning

    def cut(self, n_layers: int) -> tuple[Extractor, keras.Model]:
        """Return the part of the network that stays as it is, and a copy of the rest.

        Parameters
        ----------
        n_layers : int
            How many layers at the end are to be trained.

        Returns
        -------
        trunk : Extractor
            Its maps are the rest's inputs.
        tail : keras.Model
            At least the last `n_layers` layers. Layers beyond them, which are there where the
            network can only be cut further up, and batch normalisation, whose moments a small
            data set would spoil (as Keras' guide to transfer learning advises), are not
            trainable.
        """
        import keras

        model = self.model
        last = _layer_to_cut_at(model, n_layers)
        tensor = model.get_layer(last).output
        with self._building, preserved_generators():
            if last not in self._trunks:
                # Shared by the folds: each image goes through it once.
                self._trunks[last] = self._with(keras.Model(model.input, tensor), pooling=None)
            joined = keras.Model(tensor, model.output)
            functions = functions_of(joined)
            foreign = [k for k, f in functions.items() if not f.__module__.startswith("keras.")]
            if foreign:
                raise ValueError(
                    f"The backbone has the Lambda layers {foreign} among the last "
                    f"{len(joined.layers) - 1}, which fine_tune={n_layers} is to train, and a "
                    "Lambda cannot be part of that. Expected a smaller fine_tune, or there a layer "
                    "class or functions of keras.ops."
                )
            # Keras counts up the names of inputs: equal tails should have equal configurations.
            config = joined.to_json().replace(f'"{joined.layers[0].name}"', '"maps"')
            tail = from_json(config, joined.get_weights(), functions=functions)
        trained = {layer.name for layer in model.layers[-n_layers:]}
        for layer in tail.layers:
            layer.trainable = layer.name in trained and not isinstance(
                layer, keras.layers.BatchNormalization
            )
        return self._trunks[last], tail

    def with_tail(self, tail: keras.Model) -> Extractor:
        """Return the extractor with the weights of a fine-tuned tail; it remembers no features."""
        model = from_json(*self._state_of_model(), functions=self._functions)
        for layer in tail.layers:
            if layer.weights:
                model.get_layer(layer.name).set_weights(layer.get_weights())
        return self._with(model, pooling=self.pooling, max_bytes=0)

    def _with(
        self, model: keras.Model, *, pooling: str | None, max_bytes: int = _MOST_BYTES
    ) -> Extractor:
        return Extractor(
            model,
            image_size=self._image_size,
            scale=self._scale,
            preprocessing=self._preprocessing,
            pooling=pooling,
            max_bytes=max_bytes,
        )

    # ------------------------------------------------------------------ copies

    def _state_of_model(self) -> tuple[str, list[NDArray[Any]]]:
        if self._saved is None:
            self._saved = (self.model.to_json(), self.model.get_weights())
        return self._saved

    def __getstate__(self) -> dict[str, Any]:
        left_out = {"_features", "_trunks", "_programs", "_building", "_model"}
        state = {name: value for name, value in vars(self).items() if name not in left_out}
        return {**state, "_saved": self._state_of_model(), "_model": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._start()

    def __deepcopy__(self, memo: Any) -> Self:
        return self


def _layer_to_cut_at(model: keras.Model, n_layers: int) -> str:
    """Return the name of the last layer that only the last `n_layers` and some more stand behind.

    Everything behind it must depend on what is before it through its output alone.
    """
    names = [layer.name for layer in model.layers]
    position = {name: i for i, name in enumerate(names)}
    furthest = dict.fromkeys(range(len(names)), 0)
    for i, layer in enumerate(model.get_config()["layers"]):
        sources = _sources(layer.get("inbound_nodes")) or ([names[i - 1]] if i else [])
        for source in sources:
            furthest[position[source]] = max(
                furthest[position[source]], position.get(layer["config"]["name"], i)
            )
    reached = 0
    cut = 0
    for i in range(max(1, len(names) - n_layers)):
        # What stands before layer i is needed no further than layer i.
        if reached <= i:
            cut = i
        reached = max(reached, furthest[i])
    return names[cut]


def _sources(node: Any) -> list[str]:
    """Return the names of the layers that a part of a network's configuration reads from."""
    if isinstance(node, dict):
        if "keras_history" in node:
            return [node["keras_history"][0]]
        return [name for value in node.values() for name in _sources(value)]
    if isinstance(node, list | tuple):
        return [name for value in node for name in _sources(value)]
    return []


_MODULE = re.compile(r"[a-z][a-z0-9_]*")


def _is_preprocessing(value: Any) -> bool:
    return callable(value) or (text(value) and bool(_MODULE.fullmatch(value)))


def _is_saved_model(value: Any) -> bool:
    return (
        type(value) is tuple
        and len(value) == len(("configuration", "weights"))
        and text(value[0])
        and sequence(instance(np.ndarray))(value[1])
    )


def _read_extractor(**state: Any) -> Extractor:
    config, weights = state["_saved"]
    check_keras_config(config, lambdas=frozenset(state["_functions"]))
    check_sizes(config, sum(array.size for array in weights))
    extractor = object.__new__(Extractor)
    extractor.__setstate__({**state, "_model": None})
    return extractor


register(
    Extractor,
    {
        "_saved": _is_saved_model,
        "_functions": mapping(callable),
        "_image_size": optional(items(count)),
        "_scale": number,
        "_preprocessing": optional(_is_preprocessing),
        "pooling": one_of("average", "max", None),
        "_max_bytes": natural,
    },
    write=lambda own: {k: v for k, v in own.__getstate__().items() if k != "_model"},
    read=_read_extractor,
)
