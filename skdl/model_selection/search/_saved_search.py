"""What pickles and files hold of a search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skdl._compat_model_selection import is_multimetric, scorers_by_name, scorers_of_search
from skdl.estimators.base import PublicEstimatorMixin
from skdl.model_selection.search._plain_study import SavedStudy

if TYPE_CHECKING:
    import optuna

__all__ = ["SavedSearchMixin"]


class SavedSearchMixin(PublicEstimatorMixin):
    """Leaves out of a search's state what is no part of its result, or is found again."""

    study_: optuna.Study

    def _kept_state(self) -> dict[str, Any]:
        # What all trials have trained, and the rows to select by, are no part of the result.
        state = super()._kept_state()
        return {name: value for name, value in state.items() if name != "_library"}

    def _plain_state(self) -> dict[str, Any]:
        # Scorers are functions, and are found again by `scoring`.
        state = super()._plain_state()
        state.pop("scorer_", None)
        return state | ({"study_": SavedStudy.of(self.study_)} if "study_" in state else {})

    def _set_state(self, state: dict[str, Any]) -> None:
        super()._set_state(state)
        if hasattr(self, "multimetric_") and not hasattr(self, "scorer_"):
            scorers = scorers_of_search(self)[0]
            self.scorer_ = scorers_by_name(scorers) if is_multimetric(scorers) else scorers
