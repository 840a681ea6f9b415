"""Backbones: pretrained networks that turn images into features, each image once."""

from __future__ import annotations

import hashlib
import json
import math
import os
import random
import threading
import warnings
from collections import OrderedDict
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from skdl._compat_keras import flat_layers, functional_graph
from skdl._validation import nearest_name, show
from skdl.estimators.base._network_size import memory
from skdl.estimators.base._user_functions import (
    WrongFunctionError,
    check_tensor,
    first_line,
    traced_result,
)
from skdl.estimators.images._image_shape import is_image
from skdl.estimators.images._row_cache import RowCache
from skdl.exceptions import InvalidParameterError
from skdl.networks import preserved_generators

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import keras
    from numpy.typing import NDArray

__all__ = ["Extractor", "extractor_for", "is_name"]

# Images that stand on the device at once.
_ROWS_AT_ONCE = 32
# What Lambda layers are called while a model is made of its configuration.
_LAMBDA = "skdl>Lambda"
# Features that an extractor keeps: those of half a million images, 512 each.
_MOST_BYTES = 2**30
# Extractors that outlive the estimators that asked for them, for the next fold or trial.
_N_KEPT = 4
_kept: OrderedDict[Any, Extractor] = OrderedDict()
_lock = threading.Lock()


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
        self._functions = _functions_of(model)
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
                self._model = _from_json(*self._saved, functions=self._functions)
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
            program(np.asarray(images[index[start : start + _ROWS_AT_ONCE]])).numpy()
            for start in range(0, len(index), _ROWS_AT_ONCE)
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
            functions = _functions_of(joined)
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
            tail = _from_json(config, joined.get_weights(), functions=functions)
        trained = {layer.name for layer in model.layers[-n_layers:]}
        for layer in tail.layers:
            layer.trainable = layer.name in trained and not isinstance(
                layer, keras.layers.BatchNormalization
            )
        return self._trunks[last], tail

    def with_tail(self, tail: keras.Model) -> Extractor:
        """Return the extractor with the weights of a fine-tuned tail; it remembers no features."""
        model = _from_json(*self._state_of_model(), functions=self._functions)
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


def _from_json(
    config: str,
    weights: Sequence[NDArray[Any]] | None,
    *,
    functions: Mapping[str, Callable[..., Any]],
) -> keras.Model:
    """Return a model of a configuration, with new weights if None are given.

    The functions of its Lambda layers are those given: code in a configuration is not run.
    """
    import keras

    class OfTheUser(keras.layers.Lambda):
        @classmethod
        def from_config(cls, config: dict[str, Any], *_: Any, **__: Any) -> Any:
            taken = {k: config[k] for k in ("name", "trainable", "arguments") if k in config}
            shape = config.get("output_shape")
            shape = tuple(shape) if isinstance(shape, list | tuple) else None
            return keras.layers.Lambda(functions[config["name"]], output_shape=shape, **taken)

    with preserved_generators():
        if functions:
            config = json.dumps(_with_other_lambdas(json.loads(config)))
        model = keras.models.model_from_json(config, custom_objects={_LAMBDA: OfTheUser})
    if weights is not None:
        model.set_weights(weights)
    return model


def _with_other_lambdas(config: Any) -> Any:
    """Return a configuration in which Lambda layers are of the class that `_from_json` makes."""
    if isinstance(config, list):
        return [_with_other_lambdas(part) for part in config]
    if not isinstance(config, dict):
        return config
    if config.get("class_name") == "Lambda" and config.get("module") == "keras.layers":
        inner = {**config["config"], "function": None}
        return {**config, "config": inner, "module": None, "registered_name": _LAMBDA}
    return {name: _with_other_lambdas(part) for name, part in config.items()}


def _functions_of(model: Any) -> dict[str, Callable[..., Any]]:
    """Return the functions of the Lambda layers of a model, by the layers' names."""
    import keras

    return {
        layer.name: layer.function
        for layer in flat_layers(model)
        if isinstance(layer, keras.layers.Lambda)
    }


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


# ------------------------------------------------------------------------- from parameters


def extractor_for(
    owner: str,
    *,
    backbone: Any,
    weights: Any,
    backbone_params: Mapping[str, Any] | None,
    preprocessing: Any,
    image_size: Any,
    pooling: str | None,
    image_shape: tuple[int, ...],
    scale: float,
    seed: int | None,
) -> Extractor:
    """Return the extractor that parameters describe: the same one for the same parameters.

    Parameters
    ----------
    owner : str
        Name of the estimator, which begins a message.
    backbone, weights, backbone_params, preprocessing, image_size, pooling
        As in `skdl.PretrainedFeatures`.
    image_shape : (height, width, channels)
        Of one image.
    scale : float
        What values are multiplied by first.
    seed : int or None
        Decides random weights; None draws new ones each time.

    Raises
    ------
    ValueError
        If there is no such network, its weights cannot be had, or it cannot take the images.
    """
    size = (int(image_size),) * 2 if np.ndim(image_size) == 0 and image_size else image_size
    size = None if size is None else (int(size[0]), int(size[1]))
    seed = seed if weights is None else None
    key = (
        _identity(backbone), _identity(weights), json.dumps(backbone_params, sort_keys=True,
        default=repr), preprocessing, size, pooling, image_shape, scale, seed,
    )  # fmt: skip
    is_random = weights is None and seed is None
    with _lock:
        if key in _kept and not is_random:
            _kept.move_to_end(key)
            return _kept[key]
        with preserved_generators():
            random.seed(seed)  # where Keras' initializers take their seeds from
            if is_name(backbone):
                named = _Named(owner, os.fspath(backbone), weights, dict(backbone_params or {}))
                model = named.model((*(size or image_shape[:2]), 3))
                auto = named.module
            else:
                model = _given(owner, backbone, weights, backbone_params)
                auto = None
        _check_takes(owner, model, image_shape)
        if size is None and None not in model.input_shape[1:3]:
            size = tuple(model.input_shape[1:3])
        if size is not None:
            _check_size(owner, model, size)
        if callable(preprocessing):
            _check_preprocessing(owner, preprocessing, model, size or image_shape[:2])
        extractor = Extractor(
            model,
            image_size=size,
            scale=scale,
            preprocessing=auto if preprocessing == "auto" else preprocessing,
            pooling=pooling,
        )
        _kept[key] = extractor
        while len(_kept) > _N_KEPT:
            _kept.popitem(last=False)
        return extractor


def is_name(backbone: Any) -> bool:
    """Tell whether it names a network of ``keras.applications``."""
    return isinstance(backbone, str) and not backbone.endswith(".keras")


def _identity(value: Any) -> Any:
    """Return what is equal for equal networks and weights: of a file its time, of a model all."""
    if isinstance(value, str | os.PathLike):
        path = Path(value)
        if path.is_file():
            status = path.stat()
            return str(path.resolve()), status.st_mtime_ns, status.st_size
        return os.fspath(value)
    if value is None:
        return None
    digest = hashlib.blake2b(value.to_json().encode())
    for array in value.get_weights():
        digest.update(np.ascontiguousarray(array).data)
    return digest.digest()


class _Named:
    """A network of ``keras.applications`` without its classifier."""

    def __init__(self, owner: str, name: str, weights: Any, params: dict[str, Any]) -> None:
        from keras import applications

        self.owner, self.name, self.weights, self.params = owner, name, weights, params
        homes = {
            network: home
            for home, module in vars(applications).items()
            if isinstance(module, ModuleType) and hasattr(module, "preprocess_input")
            for network, function in vars(module).items()
            if callable(function) and network[0].isupper()
        }
        if name not in homes:
            nearest = nearest_name(name, homes)
            hint = f"Did you mean {nearest!r}? " if nearest else ""
            raise ValueError(
                f"{owner}: backbone={name!r} is no network of keras.applications. {hint}Expected "
                f"one of {sorted(homes)}, the path of a .keras file, or a keras.Model."
            )
        self.module = homes[name]
        self.function = getattr(applications, name)

    def model(self, input_shape: tuple[int, ...]) -> keras.Model:
        weights = self.weights
        if weights not in {None, "imagenet"} and not Path(weights).is_file():
            raise ValueError(
                f"{self.owner}: weights={os.fspath(weights)!r} is no file. Expected the path of "
                f"weights of {self.name} without its top, 'imagenet', or None for random weights."
            )
        self._check_params()
        options = {"include_top": False, "input_shape": input_shape, **self.params}
        try:
            model = self.function(weights=None, **options)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{self.owner}: {self.name} cannot be built for images of shape {input_shape} "
                f"with backbone_params={self.params}: {first_line(error)} Set "
                "image_size to resize images, or correct backbone_params."
            ) from error
        if weights is None:
            return model
        if weights == "imagenet":
            return self._downloaded(options)
        _load(self.owner, model, weights)
        return model

    def _check_params(self) -> None:
        """Refuse arguments that would make another thing of the backbone than features."""
        refused = {
            "include_top": "its outputs would be probabilities of 1,000 classes, not features",
            "classes": "a backbone has no classifier",
            "classifier_activation": "a backbone has no classifier",
            "pooling": "write the estimator's own parameter pooling",
            "weights": "write the estimator's own parameter weights",
            "input_shape": "write the estimator's own parameter image_size",
            "input_tensor": "write the estimator's own parameter image_size",
            "name": "it changes nothing",
        }
        for name, value in self.params.items():
            if name in refused and not (name == "include_top" and value is False):
                raise InvalidParameterError(
                    f"{self.owner}: backbone_params={{{name!r}: {value!r}}} is not allowed: "
                    f"{refused[name]}. Expected further arguments of {self.name} without it, for "
                    "example {'alpha': 0.25} of MobileNet."
                )

    def _downloaded(self, options: dict[str, Any]) -> keras.Model:
        try:
            return self.function(weights="imagenet", **options)
        except Exception as error:
            raise ValueError(
                f"{self.owner}: the ImageNet weights of {self.name} could not be loaded: "
                f"{first_line(error)} Expected a connection to where Keras keeps them; where "
                "there is none, fetch the file (its name ends in _no_top.h5) elsewhere and set "
                "weights to its path, or set "
                "weights=None for random weights."
            ) from error


def _load(owner: str, model: keras.Model, weights: Any) -> None:
    try:
        model.load_weights(weights)
    except Exception as error:
        raise ValueError(
            f"{owner}: the weights in {os.fspath(weights)!r} do not fit the backbone: "
            f"{first_line(error)} Expected weights of the same network without its top; see "
            "backbone_params for widths such as MobileNet's alpha."
        ) from error


def _given(
    owner: str, backbone: Any, weights: Any, backbone_params: Mapping[str, Any] | None
) -> keras.Model:
    """Return the network of a file or object, with other weights if they are asked for."""
    import keras

    if backbone_params:
        raise ValueError(
            f"{owner}: backbone_params={dict(backbone_params)} are for networks given by name, but "
            "backbone is a file or a model. Expected backbone_params=None."
        )
    if isinstance(backbone, keras.Model):
        model = backbone
    else:
        if not Path(backbone).is_file():
            raise ValueError(
                f"{owner}: backbone={os.fspath(backbone)!r} is no file. Expected the name of a "
                "network of keras.applications, the path of a .keras file, or a keras.Model."
            )
        try:
            model = keras.models.load_model(backbone, compile=False)
        except Exception as error:
            raise ValueError(
                f"{owner}: backbone={os.fspath(backbone)!r} could not be loaded: "
                f"{first_line(error)} Expected a file that keras.Model.save wrote; a model of "
                "layers of your own can be given as a keras.Model."
            ) from error
    # A Sequential has an `input` only once it was called, and its layers know of no graph.
    model = functional_graph(model) or model
    functions = _functions_of(model)
    model = _from_json(model.to_json(), model.get_weights(), functions=functions)
    _warn_of_classifier(owner, model)
    if weights is None:
        model = _from_json(model.to_json(), None, functions=functions)
    elif weights != "imagenet":
        _load(owner, model, weights)
    return model


def _warn_of_classifier(owner: str, model: keras.Model) -> None:
    """Warn of a backbone that ends in class probabilities, which are poor features."""
    activation = getattr(model.layers[-1], "activation", None)
    if getattr(activation, "__name__", "") == "softmax":
        warnings.warn(
            f"{owner}: the backbone ends in softmax, so its features are probabilities of the "
            "classes that it was trained on. Expected a model without its classifier, for "
            "example keras.Model(model.inputs, model.layers[-2].output).",
            UserWarning,
            stacklevel=2,
        )


def _check_size(owner: str, model: keras.Model, size: tuple[int, int]) -> None:
    """Refuse an image size that the backbone was not built for, or that no memory holds."""
    needed = 4 * _ROWS_AT_ONCE * size[0] * size[1] * model.input_shape[-1]
    available = memory()
    if available is not None and needed > available:
        raise ValueError(
            f"{owner}: image_size={size} makes {_ROWS_AT_ONCE} images of {needed / 2**30:,.0f} GiB "
            f"together, and this machine has {available / 2**30:,.0f}. Expected a smaller size, "
            "for example image_size=224."
        )
    built = model.input_shape[1:3]
    if any(taken not in {None, given} for taken, given in zip(built, size, strict=True)):
        raise ValueError(
            f"{owner}: image_size={size} differs from the size that the backbone was built for, "
            f"{built}. Expected image_size=None, which takes that one."
        )
    if not math.prod(model.output_shape[1:]) if None not in model.output_shape[1:] else False:
        raise ValueError(
            f"{owner}: image_size={size} leaves nothing of an image behind the backbone. Expected "
            "a greater one, for example image_size=224."
        )


def _check_preprocessing(
    owner: str, preprocessing: Callable[[Any], Any], model: keras.Model, size: tuple[int, ...]
) -> None:
    """Refuse a function of images that fails, or gives what the backbone does not take."""
    shape = (None, *size, model.input_shape[-1])
    try:
        result = traced_result(preprocessing, [shape])
        check_tensor(result, model.input_shape)
    except WrongFunctionError as error:
        raise InvalidParameterError(
            f"{owner}: preprocessing={show(preprocessing)} {error}. Expected a function of a "
            f"float32 tensor of shape {shape} that gives what the backbone takes, "
            f"{model.input_shape}, made of functions of keras.ops or TensorFlow."
        ) from error.__cause__


def _check_takes(owner: str, model: keras.Model, image_shape: tuple[int, ...]) -> None:
    """Refuse networks that are no function of one image, and images with other channels."""
    shape = model.input_shape
    if not isinstance(shape, tuple) or not is_image(shape[1:]):
        raise ValueError(
            f"{owner}: the backbone takes inputs of shape {shape}. Expected a network of one "
            "input (n, height, width, channels)."
        )
    if image_shape[-1] not in {1, shape[-1]}:
        raise ValueError(
            f"{owner}: rows of X are images of shape {image_shape}, with {image_shape[-1]} "
            f"channels, but the backbone takes {shape[-1]}. Expected as many, or grey images."
        )
