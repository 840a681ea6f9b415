"""Where a search starts: the estimator's own parameters, and first guesses of the user's."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from optuna.trial import TrialState

from skdl._compat_optuna import fixed_params
from skdl.exceptions import InvalidParameterError
from skdl.model_selection.search._hiding_sampler import HidingSampler
from skdl.model_selection.shared_study import enqueue_once

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import optuna
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

    from skdl.model_selection.search._space import Space

__all__ = [
    "Start",
    "fixed_guesses",
    "hide_start",
    "is_start",
    "make_start",
    "place_of_start",
]

_OWNER = "OptunaSearchCV"
# Among what the start's trial was enqueued with; retries of a lost one keep it.
_KEY = "skdl:start"
_LONGEST_TEXT = 200


@dataclasses.dataclass(frozen=True)
class Start:
    """The estimator as the user made it, as a trial.

    Attributes
    ----------
    params : dict of str to object
        The estimator's own values of what is searched.
    fixed : dict of str to object
        What the study holds of them; values outside of the space are missing.
    is_inside : bool
        Whether these are all that a trial has.
    """

    params: dict[str, Any]
    fixed: dict[str, Any]
    is_inside: bool

    @property
    def texts(self) -> dict[str, str]:
        """The parameters as short texts, the same in every process."""
        return {
            name: " ".join(repr(value).split())[:_LONGEST_TEXT]
            for name, value in self.params.items()
        }

    def enqueue(self, study: optuna.Study) -> None:
        """Let the study score the start, unless it has."""
        enqueue_once(study, {_KEY: "inside" if self.is_inside else "outside", **self.fixed})


def make_start(space: Space, estimator: Any) -> Start:
    """Return the trial of an estimator as it is.

    Parameters
    ----------
    space : Space
    estimator : estimator

    Returns
    -------
    start : Start
    """
    params = space.params_among(estimator.get_params(deep=True))
    fixed = space.fixed(params)
    return Start(params, fixed, is_inside=space.names is not None and space.holds(fixed))


def is_start(trial: FrozenTrial) -> bool:
    """Tell whether a trial scores the estimator as it is."""
    return _KEY in fixed_params(trial)


def place_of_start(trials: Sequence[FrozenTrial]) -> int | None:
    """Return where the start stands among the trials; of several, the one that got furthest."""
    found = [i for i, trial in enumerate(trials) if is_start(trial)]
    return max(found, key=lambda i: (trials[i].state == TrialState.COMPLETE, -i), default=None)


def _is_start_outside(trial: FrozenTrial) -> bool:
    return fixed_params(trial).get(_KEY) == "outside"


def hide_start(sampler: BaseSampler) -> BaseSampler:
    """Return a sampler that has nothing to do with the start, and sees it if it is inside."""
    return HidingSampler(sampler, is_start, _is_start_outside)


def fixed_guesses(space: Space, guesses: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what a study is to evaluate first, of the user's own choice.

    Parameters
    ----------
    space : Space
    guesses : sequence of mapping
        Parameters of the estimator; the sampler chooses those that are not named. Where the space
        is a function, by the names that it has for them.

    Returns
    -------
    fixed : list of dict
        For `enqueue_once`.

    Raises
    ------
    InvalidParameterError
        If a guess lies outside of the space.
    """
    problems = []
    found = []
    for i, guess in enumerate(guesses):
        outside = [n for n in guess if space.names is not None and not space.fixed({n: guess[n]})]
        problems += [f"initial_params[{i}]: {n}={guess[n]!r} is not in the space" for n in outside]
        fixed = space.fixed(guess)
        if guess and not fixed and not outside:
            problems.append(f"initial_params[{i}]: no single dict of the space has all of it")
        found.append(fixed)
    if problems:
        raise InvalidParameterError(
            f"{_OWNER}: {'; '.join(problems)}. Expected names and values that param_distributions "
            "holds; widen it, or set the value in the estimator: its own parameters are scored "
            "first, wherever they lie."
        )
    return [fixed for fixed in found if fixed]
