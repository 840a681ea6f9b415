"""From parameters to a backbone: a network of Keras', a file or a model, that takes the images."""

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
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl._compat_keras import functional_graph
from skdl._validation import nearest_name, show
from skdl.estimators.base._image_shape import is_image
from skdl.estimators.base._network_size import memory
from skdl.estimators.base._user_functions import (
    WrongFunctionError,
    check_tensor,
    first_line,
    traced_result,
)
from skdl.estimators.images._backbone import ROWS_AT_ONCE, Extractor
from skdl.estimators.images._model_copies import from_json, functions_of
from skdl.exceptions import InvalidParameterError
from skdl.networks import preserved_generators

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import keras

__all__ = ["extractor_for", "is_name"]

# Extractors that outlive the estimators that asked for them, for the next fold or trial.
_N_KEPT = 4
_kept: OrderedDict[Any, Extractor] = OrderedDict()
_lock = threading.Lock()


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
    functions = functions_of(model)
    model = from_json(model.to_json(), model.get_weights(), functions=functions)
    _warn_of_classifier(owner, model)
    if weights is None:
        model = from_json(model.to_json(), None, functions=functions)
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
    needed = 4 * ROWS_AT_ONCE * size[0] * size[1] * model.input_shape[-1]
    available = memory()
    if available is not None and needed > available:
        raise ValueError(
            f"{owner}: image_size={size} makes {ROWS_AT_ONCE} images of {needed / 2**30:,.0f} GiB "
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
