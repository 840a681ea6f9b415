"""A user's model as it was built, and the weights with which each fit begins.

Building a Keras model takes a tenth of a second, ten folds of a small one train in one. So folds of
one call of scikit-learn's share one building, if nothing stands in the way: the function got equal
arguments, as far as it looked at them, and all its random weights are those that the initializers
of its layers draw, which are then drawn anew from the seed of each fit. Alone or not, a fit draws
in the same way, so company does not matter.
"""

from __future__ import annotations

import dataclasses
import threading
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl._compat_keras import flat_layers
from skdl._plain_data import any_value, mapping, register, sequence, text
from skdl.networks import preserved_generators, reseeded

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from numpy.typing import NDArray

__all__ = ["LookedAt", "Template", "initializers_of", "shared_template"]


_ENCODERS = frozenset({"feature_encoder_", "target_encoder_"})


class LookedAt(dict[str, Any]):
    """A dict that takes down which entries were asked for."""

    def __init__(self, entries: Mapping[str, Any], seen: Collection[str] = ()) -> None:
        super().__init__(entries)
        self.seen: set[str] = set(seen)

    def __getitem__(self, name: str) -> Any:
        self.seen.add(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self.seen.add(str(name))
        return super().__contains__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """Return an entry, or `default`."""
        self.seen.add(name)
        return super().get(name, default)

    def __iter__(self) -> Iterator[str]:
        self.seen.update(super().keys())
        return super().__iter__()

    def keys(self) -> Any:
        """Return the names; all entries count as asked for."""
        self.seen.update(super().keys())
        return super().keys()

    def values(self) -> Any:
        """Return the values; all entries count as asked for."""
        self.seen.update(super().keys())
        return super().values()

    def items(self) -> Any:
        """Return names and values; all entries count as asked for."""
        self.seen.update(super().keys())
        return super().items()

    def matches(self, entries: Mapping[str, Any]) -> bool:
        """Tell whether whoever asked would find the same in other entries."""
        missing = object()
        return all(_same(super(LookedAt, self).get(n, missing), entries.get(n, missing))
                   for n in self.seen)  # fmt: skip

    def __reduce__(self) -> tuple[Any, ...]:
        # The encoders are classes of ours, which files name only for functions that read them.
        kept = {k: v for k, v in super().items() if k in self.seen or k not in _ENCODERS}
        return LookedAt, (kept, sorted(self.seen))


@dataclasses.dataclass
class Template:
    """A model that was built and read.

    Parameters
    ----------
    described : dict
        Network, optimizer and metrics, as `Job` takes them.
    values : list of ndarray
        The weights it was built with.
    initializers : list of (initializer or None)
        What draws each weight anew; None for weights that are kept as they are.
    is_explained : bool
        Whether all weights are such as initializers give them.
    function, params : callable or keras.Model, and dict
        What was built, and the estimator's parameters.
    looked_at : LookedAt or None
        What the function was told of the data.
    """

    described: dict[str, Any]
    values: list[NDArray[np.float32]]
    initializers: list[Any]
    is_explained: bool
    function: Any
    params: Mapping[str, Any]
    looked_at: LookedAt | None

    def weights(self, seed: int) -> list[NDArray[np.float32]]:
        """Return the weights with which a fit of this seed begins."""
        generator = np.random.default_rng([seed, 0])
        drawn = []
        with preserved_generators():
            for value, initializer in zip(self.values, self.initializers, strict=True):
                if initializer is None:
                    drawn.append(value)
                    continue
                fresh = reseeded(initializer, int(generator.integers(2**31)))
                drawn.append(np.asarray(fresh(value.shape), np.float32))
        return drawn

    def serves(self, function: Any, params: Mapping[str, Any], meta: Mapping[str, Any]) -> bool:
        """Tell whether building anew would give the same, seeds apart."""
        if not self.is_explained or function is not self.function:
            return False
        if params.keys() != self.params.keys():
            return False
        if not all(_same(params[name], value) for name, value in self.params.items()):
            return False
        return self.looked_at is None or self.looked_at.matches(meta)


def initializers_of(model: Any) -> tuple[list[Any], bool]:
    """Return what draws each weight of a model, and whether all weights are explained so.

    A Keras initializer gives the same numbers whenever it is called, so a weight that it does not
    give again was set by somebody, and is kept. So is one whose seed the user chose.
    """
    by_weight: dict[int, Any] = {}
    for layer in flat_layers(model):
        for weight in layer.weights:
            initializer = _initializer(layer, weight.name)
            if initializer is not None:
                by_weight[id(weight)] = initializer
    free: list[Any] = []
    is_explained = True
    for weight in model.weights:
        initializer = by_weight.get(id(weight))
        value = np.asarray(weight)
        if not callable(initializer) or not _gives(initializer, value):
            is_explained = False
            free.append(None)
            continue
        is_free = "seed" in initializer.get_config() and initializer.get_config()["seed"] is None
        free.append(initializer if is_free else None)
    return free, is_explained


def _initializer(layer: Any, name: str) -> Any:
    """Return what draws one of a layer's weights; None if unknown."""
    prefix = "recurrent" if name == "recurrent_kernel" else name
    initializer = getattr(layer, f"{prefix}_initializer", None)
    if name == "bias" and getattr(layer, "unit_forget_bias", False):
        return _ForgetBias(initializer, layer.units)
    return initializer


@dataclasses.dataclass
class _ForgetBias:
    """The bias of a Keras LSTM with ``unit_forget_bias``.

    Parameters
    ----------
    initializer : callable
        Draws the bias of the other gates.
    units : int
    """

    initializer: Any
    units: int

    def __call__(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        values = np.array(self.initializer(shape), np.float32)
        values[self.units : 2 * self.units] = 1.0
        return values

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the initializer."""
        config: dict[str, Any] = self.initializer.get_config()
        return config


def _gives(initializer: Any, value: NDArray[Any]) -> bool:
    try:
        return bool(np.array_equal(np.asarray(initializer(value.shape)), value))
    except Exception:  # noqa: BLE001 - any callable of the user's may stand here
        return False


_templates: weakref.WeakKeyDictionary[Any, list[Template]] = weakref.WeakKeyDictionary()
_lock = threading.RLock()


def shared_template(
    build: Callable[[], Template],
    function: Any,
    params: Mapping[str, Any],
    meta: Mapping[str, Any],
) -> Template:
    """Return a template for a fit: one of another fit of the same call, or a new one."""
    from skdl.training.lockstep import current_call

    call = current_call()
    if call is None:
        return build()
    with _lock:
        known = _templates.setdefault(call, [])
        for template in known:
            if template.serves(function, params, meta):
                return template
        template = build()
        if template.is_explained:
            known.append(template)
        return template


def _same(one: Any, other: Any) -> bool:
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[k], other[k]) for k in one)
    try:
        return bool(np.all(one == other)) and np.shape(one) == np.shape(other)
    except Exception:  # noqa: BLE001 - objects of the user's
        return False


register(
    LookedAt,
    {"entries": mapping(any_value), "seen": sequence(text)},
    write=lambda own: dict(zip(("entries", "seen"), own.__reduce__()[1], strict=True)),
)
