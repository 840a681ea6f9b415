"""One parameter of a search space, as Optuna samples it and as an estimator takes it.

Optuna's samplers exploit what they are told about a parameter, so every distribution becomes the
nearest of Optuna's own: uniform, log-uniform and integer ones exactly, other ones of scipy through
their quantile function, and choices that a storage cannot hold through their names.
"""

from __future__ import annotations

import math
import numbers
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from scipy import stats
from sklearn.base import clone

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

__all__ = ["Choices", "Dimension", "Interval", "Quantile", "dimension_of"]

# Unbounded distributions are cut here: at 4.75 standard deviations of a normal distribution.
_TAIL = 1e-6
# Storages keep the names of all choices with every trial.
_LONGEST_NAME = 80
_STORABLE = bool | int | float | str | None


class Dimension(ABC):
    """How one parameter is sampled."""

    @abstractmethod
    def suggest(self, trial: BaseTrial, label: str) -> Any:
        """Return a value for the estimator; the study knows the parameter as `label`."""

    @abstractmethod
    def fixed(self, label: str, value: Any) -> dict[str, Any]:
        """Return what a study holds of a trial with this value; nothing if it lies outside."""


class Interval(Dimension):
    """A number between two bounds, as Optuna samples it."""

    def __init__(self, distribution: FloatDistribution | IntDistribution) -> None:
        if not math.isfinite(distribution.high - distribution.low):
            raise ValueError(
                f"{distribution!r} has no finite bounds. Expected finite low and high; for an "
                "unbounded distribution pass one of scipy.stats."
            )
        self.distribution = distribution

    def suggest(self, trial: BaseTrial, label: str) -> float:
        d = self.distribution
        if isinstance(d, IntDistribution):
            return trial.suggest_int(label, d.low, d.high, step=d.step, log=d.log)
        return trial.suggest_float(label, d.low, d.high, step=d.step, log=d.log)

    def fixed(self, label: str, value: Any) -> dict[str, Any]:
        d = self.distribution
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            return {}
        number = float(value)
        if not d.low <= number <= d.high:
            return {}
        n_steps = (number - d.low) / (d.step or 1)
        is_on_grid = not d.step or math.isclose(n_steps, round(n_steps), abs_tol=1e-8)
        if isinstance(d, IntDistribution):
            return {label: int(number)} if number.is_integer() and (d.log or is_on_grid) else {}
        return {label: number} if is_on_grid else {}


class Choices(Dimension):
    """One of a few values of any type.

    None, booleans, numbers and strings are what every storage holds; anything else is known to the
    study by a short text, the same in each process.

    Parameters
    ----------
    values : sequence
        At least one. A number or string that is there twice counts once.
    """

    def __init__(self, values: Sequence[Any]) -> None:
        labels: list[Any] = []
        self.values: list[Any] = []
        for given in values:
            value = given.item() if isinstance(given, np.generic) else given
            label = value if isinstance(value, _STORABLE) else _name_of(value)
            # Optuna takes 1, 1.0 and True for one value.
            if label in labels:
                if any(type(v) is type(value) is type(label) and v == value for v in self.values):
                    continue
                label = f"{_name_of(value)} #{len(labels)}"
            labels.append(label)
            self.values.append(value)
        if not labels:
            raise ValueError("the list of choices is empty. Expected at least one value.")
        self.distribution = CategoricalDistribution(labels)

    def suggest(self, trial: BaseTrial, label: str) -> Any:
        chosen = trial.suggest_categorical(label, self.distribution.choices)
        value = self.values[int(self.distribution.to_internal_repr(chosen))]
        # An estimator among the choices must not be fitted or changed by two trials.
        return clone(value, safe=False)

    def fixed(self, label: str, value: Any) -> dict[str, Any]:
        for choice, own in zip(self.distribution.choices, self.values, strict=True):
            if _is_same(own, value):
                return {label: choice}
        return {}


class Quantile(Dimension):
    """A distribution of scipy, sampled by the share of it that lies below the value.

    The study holds that share, between 0 and 1, as "quantile of ...". A sampler that suggests
    shares evenly draws values as the distribution does; one that learns starts from there.

    Parameters
    ----------
    distribution : scipy.stats distribution
        With ``ppf``.
    is_discrete : bool
        Whether its values are integers.
    """

    def __init__(self, distribution: Any, *, is_discrete: bool) -> None:
        self.distribution = distribution
        self.is_discrete = is_discrete

    def suggest(self, trial: BaseTrial, label: str) -> float:
        return self._value(trial.suggest_float(f"quantile of {label}", _TAIL, 1 - _TAIL))

    def fixed(self, label: str, value: Any) -> dict[str, Any]:
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            return {}
        share = float(self.distribution.cdf(float(value)))
        is_inside = _TAIL <= share <= 1 - _TAIL and math.isclose(self._value(share), float(value))
        return {f"quantile of {label}": share} if is_inside else {}

    def _value(self, share: float) -> float:
        value = float(self.distribution.ppf(share))
        return int(value) if self.is_discrete and value.is_integer() else value


def dimension_of(given: Any) -> Dimension:
    """Return how to sample what a user gave for one parameter.

    Parameters
    ----------
    given : Optuna distribution, scipy distribution, list, tuple or ndarray
        A list, tuple or one-dimensional array holds choices.

    Raises
    ------
    ValueError
        If it is none of these, or holds no value; the message lacks the name of the parameter.
    """
    if isinstance(given, FloatDistribution | IntDistribution):
        return Interval(given)
    if isinstance(given, CategoricalDistribution):
        return Choices(given.choices)
    if isinstance(given, np.ndarray) and given.ndim == 1:
        return Choices(given.tolist())
    if isinstance(given, Sequence) and not isinstance(given, str | bytes):
        return Choices(given)
    if hasattr(given, "ppf"):
        return _of_scipy(given)
    shown = " ".join(repr(given).split())
    instead = " (it has rvs, but no ppf)" if hasattr(given, "rvs") else ""
    raise ValueError(
        f"{shown} is not a distribution{instead}. Expected one of optuna.distributions or "
        "scipy.stats, or a list of choices; a list of one value holds a parameter fixed."
    )


def _of_scipy(given: Any) -> Dimension:
    """Return the dimension of a scipy distribution: Optuna's own where that is the same."""
    family = getattr(given, "dist", given)
    try:
        low, high = (float(bound) for bound in given.support())
        median = float(given.ppf(0.5))
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(
            f"{family.__class__.__name__} cannot be sampled ({error}). Expected a distribution of "
            "scipy.stats with its parameters set, for example scipy.stats.loguniform(1e-4, 1)."
        ) from error
    if math.isnan(median):
        raise ValueError(
            f"scipy.stats.{family.name} was given parameters for which there is no distribution. "
            "Expected, for example, scale > 0 and low < high."
        )
    if isinstance(family, type(stats.randint)):
        return Interval(IntDistribution(int(low), int(high)))
    if isinstance(family, type(stats.uniform)):
        return Interval(FloatDistribution(low, high))
    is_logarithmic = isinstance(family, type(stats.loguniform)) and low > 0
    # With a loc it is not uniform on the log scale of its values.
    if is_logarithmic and math.isclose(median, math.sqrt(low) * math.sqrt(high)):
        return Interval(FloatDistribution(low, high, log=True))
    return Quantile(given, is_discrete=isinstance(family, stats.rv_discrete))


def _is_same(one: Any, other: Any) -> bool:
    """Tell whether two values are one choice; estimators are by their parameters."""
    one, other = (v.item() if isinstance(v, np.generic) else v for v in (one, other))
    if isinstance(one, tuple | list) and isinstance(other, tuple | list):
        return len(one) == len(other) and all(map(_is_same, one, other))
    if isinstance(one, _STORABLE) and isinstance(other, _STORABLE):
        return isinstance(one, bool) == isinstance(other, bool) and one == other
    try:
        return one is other or joblib.hash(one) == joblib.hash(other)
    except Exception:  # noqa: BLE001 - what cannot be pickled is not known again
        return False


def _name_of(value: Any) -> str:
    """Return a short text for a value that is equal in every process."""
    name = getattr(value, "__qualname__", None) or re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))
    name = " ".join(name.split())
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}..."
