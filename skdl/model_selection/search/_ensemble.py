"""`OptunaSearchCV.ensemble`: the mean of what a search has trained, in place of one refit."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from optuna.trial import TrialState

from skdl._validation import Integer, check_parameters
from skdl.exceptions import InvalidParameterError
from skdl.model_selection._arguments import MOST
from skdl.model_selection.search._library import DEFAULT_SIZE, Library

if TYPE_CHECKING:
    import optuna

    from skdl.model_selection.cross_validation import Folds

__all__ = ["ENSEMBLE", "EnsembleMixin"]

# What `refit` says of it.
ENSEMBLE = "ensemble"
_OWNER = "OptunaSearchCV"


class EnsembleMixin:
    """What a search has beyond the refit of one trial."""

    refit: Any
    scoring: Any
    study_: optuna.Study
    _library: Library | None

    def _begin_library(self, estimator: Any, folds: Folds) -> Library | None:
        """Return where trials are kept for an ensemble, if there is to be one."""
        self._library = None
        if self.refit == ENSEMBLE:
            self._library = Library(estimator, folds, self.scoring)
        return self._library

    def _set_ensemble(self) -> None:
        self.best_estimator_ = self.ensemble()
        self.ensemble_weights_ = self.best_estimator_.weights
        self.ensemble_score_ = self.best_estimator_.selection_score

    def ensemble(self, size: int = DEFAULT_SIZE) -> Any:
        """Return a weighted mean of the trials, selected for their score together.

        Greedy selection with replacement (Caruana et al. 2004, "Ensemble selection from libraries
        of models", section 2): start with the best trial, then add, again and again, the trial
        with which the mean scores best on the held-out rows. Each trial stands for the estimators
        of all its folds, which are averaged; nothing is fitted anew. With `time`, or a splitter
        such as ``TimeSeriesSplit``, these know of the past of their fold alone: there, each trial
        that was selected is fitted once more, on all rows.

        Parameters
        ----------
        size : int, default=50
            How many trials to select at most, repeats included. The best of the ensembles on the
            way is taken.

        Returns
        -------
        ensemble : estimator
            Fitted, with ``predict``, and for classifiers ``predict_proba`` and ``classes_``. Its
            ``weights`` are by trial number; ``selection_score`` is the mean over the folds, of
            the rows that it was selected on, so new rows will score a little less.

        Raises
        ------
        InvalidParameterError
            If `size` is not as described, if the search was made without ``refit="ensemble"`` or
            comes out of a pickle, or if no completed trial was evaluated by this process.
        ValueError
            If no mean of trials has a score that is a number.

        Warns
        -----
        UserWarning
            If other processes or earlier runs have completed trials: they are left out, as a
            study holds no networks.
        """
        check_parameters(_OWNER, {"size": size}, {"size": Integer(1, MOST, example=DEFAULT_SIZE)})
        library = getattr(self, "_library", None)
        if library is None:
            raise InvalidParameterError(
                f"{_OWNER}: ensemble() needs what the trials have trained, which is kept with "
                "refit='ensemble' alone, and in no pickle. Expected a search that was fitted with "
                "it in this process; best_estimator_ is the ensemble that was selected then."
            )
        complete = self.study_.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        n_elsewhere = sum(trial.number not in library for trial in complete)
        if not len(library):
            raise InvalidParameterError(
                f"{_OWNER}: refit='ensemble' found no trial that this process has completed "
                f"without a failed fold, but {len(complete)} in the study. A study keeps scores, "
                "not networks: raise n_trials, or pass refit=True to fit the best parameters."
            )
        if n_elsewhere:
            warnings.warn(
                f"{_OWNER}: {n_elsewhere} of {len(complete)} completed trials were evaluated by "
                "other processes or earlier runs, or had failed folds. The ensemble is made of "
                "the others, as a study keeps scores, not networks.",
                UserWarning,
                stacklevel=2,
            )
        return library.ensemble(int(size))
