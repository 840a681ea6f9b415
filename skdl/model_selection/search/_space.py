"""Search spaces: what users may pass as ``param_distributions``, read into one kind of object.

A `Space` turns a trial into parameters for ``set_params``. The same code reads finished trials, so
whatever another process has put into a study comes out as the parameters it was trained with.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeGuard

import optuna
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.samplers import RandomSampler
from optuna.trial import FixedTrial
from sklearn.base import clone

from skdl.estimators.base import Choice, Number
from skdl.exceptions import InvalidParameterError
from skdl.model_selection._networks import nested_networks
from skdl.model_selection.search._dimension import Choices, Dimension, Interval, dimension_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from optuna.trial import BaseTrial, FrozenTrial

__all__ = ["Space", "check_function", "make_space"]

_OWNER = "OptunaSearchCV"
# What a study calls the choice among several tables.
_TABLE = "param_distributions"


class Space(ABC):
    """Where a search looks.

    Attributes
    ----------
    names : tuple of str or None
        The parameters that a trial may set; None where only running it tells.
    """

    names: tuple[str, ...] | None

    @abstractmethod
    def suggest(self, trial: BaseTrial) -> dict[str, Any]:
        """Return parameters for ``estimator.set_params``.

        Parameters
        ----------
        trial : optuna.trial.BaseTrial
            A running trial, or a fixed or frozen one to be read again.

        Returns
        -------
        params : dict of str to object
            Estimators among them are unfitted copies, the trial's own.

        Raises
        ------
        InvalidParameterError
            If a function of the trial returns something else than parameters of the estimator.
        """

    @abstractmethod
    def params_among(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return those of an estimator's values that trials may set; none where nobody knows."""

    @abstractmethod
    def fixed(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a study holds of a trial with such parameters.

        Parameters
        ----------
        params : mapping of str to object
            Some or all of those that trials may set.

        Returns
        -------
        fixed : dict of str to object
            For ``study.enqueue_trial``; values that lie outside of the space are left out.
        """

    @abstractmethod
    def suggest_fixed(self, trial: optuna.Trial, fixed: Mapping[str, Any]) -> None:
        """Let a trial that was enqueued with `fixed` have these parameters, and no others."""

    def holds(self, fixed: Mapping[str, Any]) -> bool:
        """Tell whether `fixed` says all that a trial of this space needs."""
        try:
            self.suggest(FixedTrial(dict(fixed)))
        except Exception:  # noqa: BLE001 - a function of the user's may raise anything
            return False
        return True

    def params_of(self, trial: FrozenTrial) -> dict[str, Any]:
        """Return the parameters of a trial that a study holds, whoever ran it.

        Parameters
        ----------
        trial : optuna.trial.FrozenTrial
            Is not changed.

        Returns
        -------
        params : dict of str to object
            As `suggest` returned them when the trial ran.

        Raises
        ------
        InvalidParameterError
            If the trial was made with another space, or ended before it had all its parameters.
        """
        try:
            return self.suggest(copy.deepcopy(trial))
        except InvalidParameterError:
            raise
        except ValueError as error:
            raise InvalidParameterError(
                f"{_OWNER}: trial {trial.number} of the study does not fit param_distributions: "
                f"{error} Expected a trial that got as far as training, in the space that the "
                "study was made with. Pass that one, or another study_name."
            ) from error


@dataclass(frozen=True)
class _Entry:
    """A dimension, and the name and value of the parameter without which it is left out."""

    dimension: Dimension
    only_if: tuple[str, Any] | None = None


class _Table(Space):
    """A dimension per parameter; those of a condition come after what it asks for."""

    def __init__(self, entries: Mapping[str, _Entry], label_prefix: str = "") -> None:
        self.names = tuple(entries)
        self._entries = entries
        self._label_prefix = label_prefix

    def suggest(self, trial: BaseTrial) -> dict[str, Any]:
        params: dict[str, Any] = {}
        for name, entry in self._entries.items():
            if entry.only_if is None or params[entry.only_if[0]] == entry.only_if[1]:
                params[name] = entry.dimension.suggest(trial, self._label_prefix + name)
        return params

    def params_among(self, values: Mapping[str, Any]) -> dict[str, Any]:
        params: dict[str, Any] = {}
        for name, entry in self._entries.items():
            is_asked = entry.only_if is None or (
                entry.only_if[0] in params and params[entry.only_if[0]] == entry.only_if[1]
            )
            if name in values and is_asked:
                params[name] = values[name]
        return params

    def fixed(self, params: Mapping[str, Any]) -> dict[str, Any]:
        fixed: dict[str, Any] = {}
        for name in params.keys() & self._entries.keys():
            fixed |= self._entries[name].dimension.fixed(self._label_prefix + name, params[name])
        return dict(sorted(fixed.items()))

    def suggest_fixed(self, trial: optuna.Trial, fixed: Mapping[str, Any]) -> None:
        for name, entry in self._entries.items():
            label = self._label_prefix + name
            if label in fixed or f"quantile of {label}" in fixed:
                entry.dimension.suggest(trial, label)

    def places(self, params: Mapping[str, Any]) -> bool:
        """Tell whether all parameters have a place in this table."""
        return all(name in self._entries and self.fixed({name: v}) for name, v in params.items())


class _Alternatives(Space):
    """One of several tables; the study knows their parameters by number and name.

    Optuna wants one distribution per name, while one parameter may have another in each table.
    """

    def __init__(self, tables: Sequence[_Table]) -> None:
        self._tables = tables
        self.names = tuple(dict.fromkeys(name for t in tables for name in t.names or ()))

    def suggest(self, trial: BaseTrial) -> dict[str, Any]:
        number = trial.suggest_categorical(_TABLE, range(len(self._tables)))
        return self._tables[number].suggest(trial)

    def params_among(self, values: Mapping[str, Any]) -> dict[str, Any]:
        for table in self._tables:
            params = table.params_among(values)
            if table.holds(table.fixed(params)):
                return params
        return {name: values[name] for name in self.names or () if name in values}

    def fixed(self, params: Mapping[str, Any]) -> dict[str, Any]:
        for number, table in enumerate(self._tables):
            if table.places(params):
                return {_TABLE: number, **table.fixed(params)}
        return {}

    def suggest_fixed(self, trial: optuna.Trial, fixed: Mapping[str, Any]) -> None:
        if _TABLE in fixed:
            number = trial.suggest_categorical(_TABLE, range(len(self._tables)))
            self._tables[number].suggest_fixed(trial, fixed)


class _Function(Space):
    """Whatever a user's function returns for a trial."""

    names = None

    def __init__(
        self, function: Callable[[BaseTrial], dict[str, Any]], parameters: _Parameters
    ) -> None:
        self._function = function
        self._parameters = parameters

    def suggest(self, trial: BaseTrial) -> dict[str, Any]:
        params = self._function(trial)
        if not isinstance(params, Mapping):
            raise InvalidParameterError(
                f"{_OWNER}: the function given as param_distributions returned {params!r}. "
                "Expected a dict of parameter names and values."
            )
        _raise_for(self._parameters.problems_with(params, {n: [v] for n, v in params.items()}))
        # As in a dict of choices: an estimator must not be fitted or changed by two trials.
        return {name: clone(value, safe=False) for name, value in params.items()}

    def params_among(self, values: Mapping[str, Any]) -> dict[str, Any]:
        del values
        return {}

    def fixed(self, params: Mapping[str, Any]) -> dict[str, Any]:
        return dict(params)  # by the names that the function has for them

    def suggest_fixed(self, trial: optuna.Trial, fixed: Mapping[str, Any]) -> None:
        """Do nothing: the function knows no trial with some of its parameters alone."""


class _Parameters:
    """The parameters of an estimator and of all that it is made of."""

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator
        self.values: dict[str, Any] = estimator.get_params(deep=True)

    def problems_with(
        self, names: Iterable[str], choices: Mapping[str, Sequence[Any]]
    ) -> list[str]:
        """Return what is wrong with names, given the values that some of them may take.

        Where an estimator is to be replaced, its successor's parameters may be named too.
        """
        known = list(self.values)
        for name, values in choices.items():
            for value in values:
                if hasattr(value, "get_params") and not isinstance(value, type):
                    known += [f"{name}__{inner}" for inner in value.get_params(deep=True)]
        unknown = [name for name in names if name not in known and not self._can_be_set(name)]
        return [self._describe_unknown(name, known) for name in unknown]

    def _can_be_set(self, name: Any) -> bool:
        """Tell whether a name that is no parameter yet may become one, as ``model__units`` may."""
        try:
            clone(self.estimator).set_params(**{name: None})
        except (AttributeError, TypeError, ValueError):
            return False
        return True

    def _describe_unknown(self, name: Any, known: list[str]) -> str:
        if not isinstance(name, str):
            return f"{name!r} is not the name of a parameter. Expected a string."
        near = [k for k in known if k.endswith(f"__{name}")] or get_close_matches(name, known)
        hint = f"Did you mean {' or '.join(map(repr, near[:3]))}? " if near else ""
        prefix = name.rpartition("__")[0]
        siblings = [k for k in known if k.rpartition("__")[0] == prefix]
        siblings = sorted(siblings or [k for k in known if "__" not in k])
        return (
            f"{name!r} is not a parameter of {type(self.estimator).__name__}. {hint}Expected one "
            f"of {', '.join(siblings)}; estimator.get_params() lists those of all steps."
        )


def make_space(
    estimator: Any,
    param_distributions: str
    | Mapping[str, Any]
    | Sequence[Mapping[str, Any]]
    | Callable[[BaseTrial], dict[str, Any]] = "auto",
) -> Space:
    """Return the search space that a user described, checked against the estimator.

    Parameters
    ----------
    estimator : estimator
        Whose parameters are searched.
    param_distributions : "auto", dict, list of dict or callable, default="auto"
        ``"auto"`` searches the spaces of all our networks at any depth of `estimator`, see
        `skdl.estimators.describe_space`; what they set replaces what the user set, what they do
        not name stays. A dict has for each parameter a distribution of Optuna, one of
        ``scipy.stats``, or a list, tuple or array of choices; with the name of a sub-estimator,
        or ``""`` or ``"estimator"`` for all of it, ``"auto"`` stands for the networks in there,
        and entries of single parameters replace those of an automatic space. Of a list of dicts,
        each trial takes one. A function of the trial returns a dict of values. An empty
        dict searches nothing: there is one candidate.

    Returns
    -------
    space : Space

    Raises
    ------
    InvalidParameterError
        If a name or distribution is not as described; all of them are told at once. What a
        function returns is checked by `Space.suggest`.

    Examples
    --------
    >>> from optuna.trial import FixedTrial
    >>> from scipy.stats import loguniform
    >>> from skdl import MLPRegressor
    >>> space = make_space(MLPRegressor(), {"l2": loguniform(1e-6, 1), "epochs": [10, 20]})
    >>> space.suggest(FixedTrial({"l2": 0.001, "epochs": 20}))
    {'l2': 0.001, 'epochs': 20}
    """
    parameters = _Parameters(estimator)
    if _is_auto(param_distributions):
        param_distributions = {"": "auto"}
    if callable(param_distributions) and not isinstance(param_distributions, type):
        return _Function(param_distributions, parameters)
    problems: list[str] = []
    space: Space | None = None
    if isinstance(param_distributions, Mapping):
        space = _Table(_entries(parameters, param_distributions, problems))
    elif _is_list_of_dicts(param_distributions) and param_distributions:
        space = _Alternatives(
            [
                _Table(_entries(parameters, table, problems), f"[{i}]")
                for i, table in enumerate(param_distributions)
            ]
        )
    _raise_for(problems)
    if space is None:
        raise InvalidParameterError(
            f"{_OWNER}: param_distributions={param_distributions!r} names nothing to search. "
            "Expected 'auto', a dict of parameter names and distributions, a list of such dicts, "
            "or a function of the trial that returns a dict of parameters."
        )
    return space


def check_function(space: Space) -> None:
    """Call a function of the user's once, so that a wrong name is told before the first trial."""
    if space.names is None:
        trial = optuna.create_study(sampler=RandomSampler(seed=0)).ask()
        try:
            space.suggest(trial)
        except InvalidParameterError:
            raise
        except Exception:  # noqa: BLE001 - may be meant for this draw of parameters alone
            return


def _is_auto(given: Any) -> bool:
    return isinstance(given, str) and given == "auto"


def _is_list_of_dicts(given: Any) -> TypeGuard[Sequence[Mapping[str, Any]]]:
    return isinstance(given, list | tuple) and all(isinstance(table, Mapping) for table in given)


def _entries(
    parameters: _Parameters, given: Mapping[str, Any], problems: list[str]
) -> dict[str, _Entry]:
    """Read one dict; what is wrong in it is added to `problems`."""
    from_auto: dict[str, _Entry] = {}
    explicit: dict[str, _Entry] = {}
    for name, value in given.items():
        step = "" if name == "estimator" and name not in parameters.values else name
        try:
            if not _is_auto(value):
                explicit[name] = _Entry(dimension_of(value))
            elif not step or step in parameters.values:
                from_auto |= _auto_entries(parameters, step)
        except ValueError as error:
            problems.append(f"{name}: {error}" if name else str(error))
    names = [n for n, v in given.items() if not (_is_auto(v) and n in {"", "estimator"})]
    choices = {
        n: e.dimension.values for n, e in explicit.items() if isinstance(e.dimension, Choices)
    }
    problems += parameters.problems_with(names, choices)
    # An explicit entry stands where the automatic one stood, so before those that depend on it.
    return {**from_auto, **explicit}


def _auto_entries(parameters: _Parameters, step: str) -> dict[str, _Entry]:
    """Return the entries of all networks inside a step; ``""`` is the estimator itself."""
    root = parameters.values[step] if step else parameters.estimator
    step_prefix = f"{step}__" if step else ""
    networks = nested_networks(root)
    if not networks:
        inside = root.get_params(deep=True) if hasattr(root, "get_params") else {}
        holds = [f"{n}={type(v).__name__}" for n, v in inside.items() if hasattr(v, "get_params")]
        raise ValueError(
            f"'auto' looks for networks of skdl, and {type(root).__name__} holds "
            f"{'only ' + ', '.join(holds) if holds else 'none'}. Expected an MLPRegressor, an "
            "MLPClassifier or the like; give other estimators a dict with a distribution per "
            "parameter."
        )
    return {
        step_prefix + prefix + name: _entry_of(knob, step_prefix + prefix)
        for prefix, network in networks.items()
        for name, knob in network._search_space().items()  # noqa: SLF001
    }


def _entry_of(knob: Choice | Number, prefix: str) -> _Entry:
    if isinstance(knob, Choice):
        return _Entry(Choices(knob.values))
    distribution: FloatDistribution | IntDistribution
    if knob.is_integer:
        distribution = IntDistribution(int(knob.low), int(knob.high), log=knob.log)
    else:
        distribution = FloatDistribution(knob.low, knob.high, log=knob.log, step=knob.step)
    only_if = knob.only_if and (prefix + knob.only_if[0], knob.only_if[1])
    return _Entry(Interval(distribution), only_if)


def _raise_for(problems: list[str]) -> None:
    if len(problems) == 1:
        raise InvalidParameterError(f"{_OWNER}: {problems[0]}")
    if problems:
        lines = "".join(f"\n- {problem}" for problem in problems)
        raise InvalidParameterError(
            f"{_OWNER}: {len(problems)} entries of param_distributions need a change.{lines}"
        )
