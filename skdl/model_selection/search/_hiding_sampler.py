"""A sampler that does not see some of the trials."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optuna.samplers import BaseSampler

from skdl._compat_optuna import study_without

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import optuna
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial, TrialState

__all__ = ["HidingSampler"]


class HidingSampler(BaseSampler):
    """A sampler that does not see some of the trials.

    Optuna's samplers model those parameters together that all trials have. A single trial without
    some of them would end that for the whole study, and leave some samplers with random draws.

    Parameters
    ----------
    sampler : optuna.samplers.BaseSampler
    is_own : callable
        ``is_own(trial)`` tells whether a trial has nothing to do with the sampler.
    is_hidden : callable
        ``is_hidden(trial)`` tells whether the sampler must not see a trial.
    """

    def __init__(
        self,
        sampler: BaseSampler,
        is_own: Callable[[FrozenTrial], bool],
        is_hidden: Callable[[FrozenTrial], bool],
    ) -> None:
        self.sampler = sampler
        self._is_own = is_own
        self._is_hidden = is_hidden

    def __str__(self) -> str:
        return str(self.sampler)

    def _seen(self, study: Any) -> Any:
        return study_without(study, self._is_hidden)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        if self._is_own(trial):
            return {}
        return self.sampler.infer_relative_search_space(self._seen(study), trial)

    def sample_relative(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        search_space: dict[str, BaseDistribution],
    ) -> dict[str, Any]:
        if self._is_own(trial):
            return {}
        return self.sampler.sample_relative(self._seen(study), trial, search_space)

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        return self.sampler.sample_independent(
            self._seen(study), trial, param_name, param_distribution
        )

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        if not self._is_own(trial):
            self.sampler.before_trial(self._seen(study), trial)

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        if not self._is_own(trial):
            self.sampler.after_trial(self._seen(study), trial, state, values)

    def reseed_rng(self) -> None:
        self.sampler.reseed_rng()
