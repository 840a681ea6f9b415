"""OptunaSearchCV: a scikit-learn search on Optuna's core, whose trials train all folds at once."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from optuna.trial import TrialState
from sklearn.base import clone, is_classifier

from skdl._compat import HAS_CALLBACKS, CallbackSupportMixin, with_callbacks
from skdl._compat_model_selection import (
    BaseSearchCV,
    best_index,
    fit_params_by_consumer,
    is_multimetric,
    scorers_by_name,
    scorers_of_search,
)
from skdl._compat_sklearn import check_method_params
from skdl.model_selection._arguments import check_data, weights_among
from skdl.model_selection._lockstep import leave_workers
from skdl.model_selection._metadata import known_metadata, routed_splitter, split_rows
from skdl.model_selection._random_splits import warn_about_random_splits
from skdl.model_selection._split import SHUFFLE_SEED, check_folds, splits_per_iteration
from skdl.model_selection.cross_validation import Folds, router_of
from skdl.model_selection.search._defaults import make_pruner, max_epochs, size_of_round
from skdl.model_selection.search._ensemble import ENSEMBLE, EnsembleMixin
from skdl.model_selection.search._parameters import check_search_parameters, check_target_score
from skdl.model_selection.search._progress import SearchProgress
from skdl.model_selection.search._results import (
    check_outcome,
    cv_results,
    finished_trials,
    forget_results,
    metrics_of_scorers,
    metrics_of_trials,
)
from skdl.model_selection.search._saved_search import SavedSearchMixin
from skdl.model_selection.search._sklearn_callbacks import SearchTasks
from skdl.model_selection.search._space import check_function, make_space
from skdl.model_selection.search._start import fixed_guesses, make_start, place_of_start
from skdl.model_selection.search._study import describe_study, sampler_of, study_of_search
from skdl.model_selection.search._trials import Trials
from skdl.model_selection.search._warnings import warn_if_no_better, warn_of_trials
from skdl.model_selection.search._workers import (
    is_only_begun,
    is_part_of_search,
    search_on_workers,
)
from skdl.model_selection.shared_study import described_errors, enqueue_once, run_study

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import optuna
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial
    from sklearn.utils.metadata_routing import MetadataRouter

    from skdl.estimators.base import RowMetadata
    from skdl.model_selection.search._space import Space
    from skdl.model_selection.search._start import Start
    from skdl.model_selection.shared_study import Event

__all__ = ["OptunaSearchCV"]

_OWNER = "OptunaSearchCV"


# The mixin is a base of scikit-learn's class too, from 1.9 on.
class OptunaSearchCV(EnsembleMixin, SavedSearchMixin, BaseSearchCV, CallbackSupportMixin):
    """Search for good parameters with Optuna; all folds of a trial train side by side.

    A replacement for ``GridSearchCV``. The folds of a trial train together, so an unpromising
    trial is pruned after a few epochs, by its mean over all folds.

    Parameters
    ----------
    estimator : object
        A network, or a Pipeline, TransformedTargetRegressor or the like around one. Other
        estimators can be searched too, without pruning by epoch.
    param_distributions : "auto", dict, list of dict or callable, default="auto"
        What to search. ``"auto"`` takes the ranges that the networks inside `estimator` suggest:
        capacity, dropout, L1, L2, batch normalisation, loss, learning rate and batch size. A dict
        has for each parameter a distribution of ``optuna.distributions`` or ``scipy.stats``, or a
        list of choices; under the name of a step, ``"auto"`` stands for the networks in this step.
        With a list of dicts, each trial uses one of them. A function of the trial returns a dict
        of values. An empty dict scores the estimator as it is, once.
    n_trials : int or None, default=50
        Number of trials in the study at the end. The start counts, and so do trials of other
        processes and of earlier runs. None for no limit, with a `timeout`.
    timeout : float or None, default=None
        Seconds after which no new trial starts.
    cv : int, splitter or iterable of (train, test), default=5
        Number of folds, stratified for classifiers and kept by group, or with times expanding
        windows; or the splits themselves.
    n_iterations : int, default=1
        Number of times that the K folds are repeated, shuffled anew each time (see
        `IteratedKFold`; the same shuffles in every call). With 1, the rows keep their order, as in
        scikit-learn.
    scoring : str, callable, list, tuple or dict, default=None
        As scikit-learn's. The search maximizes the metric that `refit` names. With several
        metrics and ``refit=False``, or a function, each metric is an objective of its own:
        ``study_.best_trials`` is the Pareto front, and nothing is pruned.
    sampler : optuna.samplers.BaseSampler or None, default=None
        None is Optuna's tree-structured Parzen estimator, seeded by `random_state`.
    pruner : "auto", optuna.pruners.BasePruner or None, default="auto"
        Compares trials by the mean over their folds after each epoch, in the units of `scoring` if
        the scorer needs only predictions, else by the negative loss. ``"auto"`` has checkpoints
        after 5 %, 10 %, 20 %, 40 % and 80 % of the epochs, not before the third epoch, or where
        waves of the learning rate end. At each, a trial ends if it is worse than the best so far
        on the same folds, by a one-sided test for paired folds (Nadeau and Bengio 2003) at 15 %;
        so does the worse half of a round. No trial ends while fewer than five have been completed
        and fewer than eleven are there; the best of these then go on until five have been. Networks
        that nothing else may end are scored at checkpoints only. A ``WilcoxonPruner`` compares
        scores of single folds, which then train one after another (with several iterations, one
        iteration after another). None prunes nothing. The start is never pruned.
    storage : str, Path, optuna.storages.BaseStorage or None, default=None
        Where the study is kept: the URL of a database, the path of a journal file, a storage of
        Optuna, or None for memory. Processes with the same storage and `study_name` share the
        work, and a search that was killed continues from there.
    study_name : str or None, default=None
        Must be given with a `storage`.
    load_if_exists : bool, default=True
        Whether to continue a study of that name.
    study : optuna.Study or None, default=None
        A study to continue, instead of a `storage` and `study_name`; each of its objectives must
        be maximized. Its own sampler is used unless `sampler` names another.
    start_trial : bool, default=True
        Whether the first trial is the start: `estimator` with its own parameters, inside the
        ranges or not. So in its own scores, the search is never worse than its start. A study has
        one start, whichever process scores it. A grid sampler evaluates its whole grid in
        addition.
    initial_params : list of dict or None, default=None
        First guesses, evaluated after the start. The sampler chooses parameters that a guess does
        not name. If `param_distributions` is a function, use the names of its suggestions.
    target_score : float or None, default=None
        No new trial starts after a trial of this process, or one that is already in the study, has
        reached this score. With one objective.
    refit : bool, str or callable, default=True
        Fit the best parameters on all rows. With several metrics, the name of the one to be
        best in, or a function that takes ``cv_results_`` and returns an index. With False, and a
        function as `scoring` that returns a dict, the first of its scores is maximized.
        ``"ensemble"`` averages the fold estimators of selected trials instead, see `ensemble`.
    trials_together : int or "auto", default="auto"
        Trials to ask for and train at once: a round, see `pruner`. Those whose networks have the
        same structure train as one. A sampler learns less from trials that it has to suggest at
        the same time. ``"auto"`` is 12 where trials race (``pruner="auto"``, networks), else 1.
    random_state : int, RandomState or None, default=None
        Seeds the sampler. Networks have a `random_state` of their own.
    callbacks : list of callable or None, default=None
        Optuna's: ``callback(study, trial)`` after each trial; ``study.stop()`` works in them.
    n_jobs : int or None, default=None
        As scikit-learn's, for estimators that hold no network. Networks train together.
    engine : {"loky", "dask", "ray", "spark"} or None, default=None
        Whose workers train: None is this process, ``"loky"`` other processes of this machine,
        ``"dask"`` the cluster of the ``dask.distributed.Client`` that was made before. Others are
        backends of joblib.
    n_workers : int or None, default=None
        Number of workers, with an `engine`; None is all of a cluster's, or one for each core.
    verbose : int, default=0
        1 shows running trials, the best score so far and how many were pruned.
    error_score : "raise" or float, default=nan
        Score of a fold whose fit or scorer fails. With nan, its trial is recorded as failed, with
        the reason, and the search goes on; a number counts among the other folds' scores.
    return_train_score : bool, default=False
        Score the training rows too.

    Attributes
    ----------
    study_ : optuna.Study
        All trials; larger values are better.
    cv_results_ : dict of str to array
        As scikit-learn's, one entry per finished trial, whichever process ran it. Further keys are
        ``trial_number``, ``state`` (``"complete"``, ``"pruned"`` or ``"failed"``), ``reason`` (of
        a failure, of single folds too), ``n_epochs`` (summed over the folds) and ``seconds``.
        Scores of trials that were pruned or failed are NaN.
    best_params_, best_score_, best_index_ :
        Of the best completed trial. If that is the start, ``best_params_`` are the estimator's own
        values of the searched parameters (empty if `param_distributions` is a function).
    start_score_ : float
        Mean score of the start, with one objective; NaN if it was not completed.
    best_estimator_ : object
        Fitted on all rows; with `refit`. The ensemble with ``refit="ensemble"``.
    ensemble_weights_ : dict of int to float
        Weights of the trials in the ensemble, by number.
    ensemble_score_ : float
        Mean over the folds of the ensemble's score, on the rows that it was selected on.
    refit_time_ : float
        Seconds; with `refit`.
    n_splits_ : int
        Folds of a trial.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of str
        Their names, where `X` had string column names.
    classes_ : ndarray of shape (n_classes,)
        Those of ``best_estimator_``.
    scorer_, multimetric_ :
        As in scikit-learn's searches.

    See Also
    --------
    cross_validate : To score one choice of parameters, or this search itself (nested).
    OptunaPruning : For objectives of your own.

    Notes
    -----
    All trials see the same splits.

    With an `engine` (see `skdl.lockstep`), each of its workers takes part in the study, in a
    `storage` that all of them reach, until it holds `n_trials`. This process waits, and refits.
    `callbacks` run in the workers, each of which looks at `timeout` and `target_score` for itself.

    After Ctrl-C, ``fit`` raises ``KeyboardInterrupt``. The attributes then describe the finished
    trials, but there is no ``best_estimator_``; with a `storage`, the next ``fit`` continues.

    Callbacks of scikit-learn (``set_callbacks``, from its release 1.9 on) are told of the search,
    of each trial that this process runs, and of the refit; they can end the search.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skdl import MLPRegressor
    >>> from skdl.model_selection import OptunaSearchCV
    >>> X, y = load_diabetes(return_X_y=True)
    >>> slow = MLPRegressor(epochs=10, learning_rate=1e-5, random_state=0)
    >>> pipe = make_pipeline(StandardScaler(), slow)
    >>> space = {"mlpregressor__learning_rate": [0.003, 0.01]}
    >>> search = OptunaSearchCV(pipe, space, n_trials=3, random_state=0).fit(X, y)
    >>> bool(search.best_score_ > search.start_score_)
    True
    >>> search.predict(X[:2]).shape
    (2,)
    """

    def __init__(
        self,
        estimator: Any,
        param_distributions: Any = "auto",
        *,
        n_trials: int | None = 50,
        timeout: float | None = None,
        cv: Any = 5,
        n_iterations: int = 1,
        scoring: Any = None,
        sampler: BaseSampler | None = None,
        pruner: BasePruner | Literal["auto"] | None = "auto",
        storage: Any = None,
        study_name: str | None = None,
        load_if_exists: bool = True,
        study: optuna.Study | None = None,
        start_trial: bool = True,
        initial_params: Sequence[Mapping[str, Any]] | None = None,
        target_score: float | None = None,
        refit: bool | str | Callable[..., int] = True,
        trials_together: int | Literal["auto"] = "auto",
        random_state: int | np.random.RandomState | None = None,
        callbacks: Sequence[Callable[..., None]] | None = None,
        n_jobs: int | None = None,
        engine: str | None = None,
        n_workers: int | None = None,
        verbose: int = 0,
        error_score: float | Literal["raise"] = np.nan,
        return_train_score: bool = False,
    ) -> None:
        super().__init__(
            estimator=estimator,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.param_distributions = param_distributions
        self.n_trials = n_trials
        self.timeout = timeout
        self.n_iterations = n_iterations
        self.sampler = sampler
        self.pruner = pruner
        self.storage = storage
        self.study_name = study_name
        self.load_if_exists = load_if_exists
        self.study = study
        self.start_trial = start_trial
        self.initial_params = initial_params
        self.target_score = target_score
        self.trials_together = trials_together
        self.random_state = random_state
        self.callbacks = callbacks
        self.engine = engine
        self.n_workers = n_workers

    @with_callbacks
    def fit(self, X: Any, y: Any = None, *, time: Any = None, **params: Any) -> Self:
        """Search, then fit the best parameters on all rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets.
        time : array-like of shape (n_samples,) or str, default=None
            Numbers or dates, or the name of a column of `X`: no later row is trained on to judge
            an earlier one, here and in all splits inside, see `cross_validate`.
        **params : dict
            As for scikit-learn's searches: ``groups`` for the splitter, and for the validation
            rows of networks; ``sample_weight`` and others for the estimator and the scorer, or by
            metadata routing where it is enabled.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        InvalidParameterError
            If a parameter is not as described, or `param_distributions` names one that the
            estimator does not have; before the first trial.
        ValueError
            If no trial was completed, or no single fit succeeded; or if the study in `storage`
            was made with other data, for another `scoring`, or from another start.

        Warns
        -----
        RandomSplitWarning
            If rows look ordered in time, or grouped, but neither `time` nor ``groups`` are given.
        NoImprovementWarning
            If no trial is better than the start beyond the noise of the folds, by the test for
            paired folds (Nadeau and Bengio 2003), two-sided at 5 %.
        """
        check_search_parameters(self.get_params(deep=False))
        given = X, y, params
        forget_results(self)
        scorers, refit_metric = scorers_of_search(self)
        X, y, *_ = check_data(_OWNER, self.estimator, X, y, **weights_among(params))
        params = check_method_params(X, params=params)
        routed = fit_params_by_consumer(self, params)
        base = clone(self.estimator)
        space = make_space(base, self.param_distributions)
        check_function(space)
        start = make_start(space, base)
        splitter, splits, metadata = self._split(X, y, routed.splitter.split, time)
        self.n_splits_ = len(splits)
        if not is_part_of_search(self):
            # The decorator is a frame of its own.
            level = 3 + HAS_CALLBACKS
            warn_about_random_splits(_OWNER, self.cv, X, splits, metadata, stacklevel=level)

        metrics = metrics_of_scorers(scorers)
        if callable(self.scoring) and isinstance(self.refit, str) and self.refit != ENSEMBLE:
            refit_metric = self.refit  # of the dict that the function may return
            metrics = [refit_metric]
        objectives = [refit_metric] if refit_metric in metrics else metrics
        self.multimetric_ = is_multimetric(scorers)
        self.scorer_ = scorers_by_name(scorers) if self.multimetric_ else scorers
        n_epochs = max_epochs(base, splits)
        is_judged = n_epochs is not None and len(objectives) == 1
        pruner = make_pruner(
            self.pruner, base, splits, is_judged=is_judged,
            trials_together=self.trials_together, n_trials=self.n_trials,
        )  # fmt: skip
        beside = {**params, **dataclasses.asdict(metadata)}
        self._begin_study(space, start, [X, y, *splits], beside, objectives, pruner)
        if is_only_begun(self):
            return self
        n_trials = 1 if space.names == () else self.n_trials  # there is nothing to draw
        tasks = SearchTasks.begin(
            self._init_callback_context(max_subtasks=1 + (self.refit is not False)),
            self, X, y, params,
        )  # fmt: skip
        progress = SearchProgress(n_trials, n_epochs, is_shown=bool(self.verbose))
        trials = Trials(
            estimator=base,
            space=space,
            start=start,
            folds=Folds(
                X,
                y,
                splits,
                scorers,
                fit_params=routed.estimator.fit,
                score_params=routed.scorer.score,
                metadata=metadata,
                error_score=self.error_score,
                return_train_score=self.return_train_score,
            ),
            metrics=metrics,
            objectives=objectives,
            takes_first=callable(self.scoring) and self.refit is False,
            pruner=pruner,
            splits_per_iteration=splits_per_iteration(splitter, len(splits)),
            n_jobs=self.n_jobs,
            progress=progress,
            make_library=self._begin_library,
        )

        together = size_of_round(self.trials_together, pruner, sampler_of(self))
        try:
            self._search(trials, progress, tasks, n_trials, together, (*given, metadata))
        except KeyboardInterrupt:
            self._set_results(space, start, metrics, objectives)
            raise
        tasks.end_search()
        if is_part_of_search(self):
            tasks.end()
            return self
        trials_of_results = self._set_results(space, start, metrics, objectives)
        check_outcome(self.cv_results_, trials_of_results, self.timeout)
        warn_if_no_better(self, trials_of_results, splits, objectives)
        warn_of_trials(self, trials, is_judged=is_judged)
        if self.refit is not False:
            self._fit_best(base, tasks, X, y, routed.estimator.fit, metadata)
        tasks.end()
        return self

    # ------------------------------------------------------------------ before the search

    def _split(
        self, X: Any, y: Any, split_params: Mapping[str, Any], time: Any
    ) -> tuple[Any, list[tuple[Any, Any]], RowMetadata]:
        """Return what splits the rows, its splits, and what is known of the rows."""
        metadata = known_metadata(self, X, split_params, time)
        splitter = check_folds(
            self.cv,
            y,
            n_iterations=self.n_iterations,
            is_classifier=is_classifier(self.estimator),
            groups=metadata.groups,
            time=metadata.time,
            gap=metadata.gap,
            random_state=SHUFFLE_SEED,
            owner=_OWNER,
        )
        return splitter, *split_rows(_OWNER, self.cv, splitter, X, y, metadata, split_params)

    def _begin_study(
        self,
        space: Space,
        start: Start,
        data: list[Any],
        beside: Mapping[str, Any],
        objectives: list[str],
        pruner: BasePruner,
    ) -> None:
        """Set the study that trials are to be added to, its first ones enqueued."""
        check_target_score(self.target_score, objectives)
        guesses = fixed_guesses(space, self.initial_params or ())
        study = self.study_ = study_of_search(self, len(objectives), pruner)
        describe_study(study, self, space, data, beside, objectives)
        if self.start_trial:
            start.enqueue(study)
        for guess in guesses:
            enqueue_once(study, guess)

    def _is_good_enough(self, trials: Sequence[FrozenTrial]) -> bool:
        return self.target_score is not None and any(
            t.state == TrialState.COMPLETE and t.values[0] >= self.target_score for t in trials
        )

    # ------------------------------------------------------------------ the search

    def _search(
        self,
        trials: Trials,
        progress: SearchProgress,
        tasks: SearchTasks,
        n_trials: int | None,
        trials_together: int,
        given: tuple[Any, Any, Mapping[str, Any], RowMetadata],
    ) -> None:
        """Evaluate trials, here or on workers, until the study holds enough of them."""
        study = self.study_

        def on_event(event: Event, trials: list[FrozenTrial]) -> None:
            progress.event(event, trials)
            wants_to_stop = tasks.event(event, trials)
            if event == "finished" and (wants_to_stop or self._is_good_enough(trials)):
                study.stop()

        cure = "pass engine={engine!r} to OptunaSearchCV, beside a storage that they reach"
        here = contextlib.nullcontext() if self.engine else leave_workers(_OWNER, cure)
        with progress, described_errors(self.storage), here:
            progress.begin_with(finished_trials(study))
            # None is begun in a study that is good enough already.
            is_over = self._is_good_enough(finished_trials(study))
            if self.engine is not None and not is_over:
                search_on_workers(self, *given, trials_together)
                is_over = True
            run_study(
                study,
                trials,
                n_trials=0 if is_over else n_trials,
                timeout=self.timeout,
                trials_together=trials_together,
                callbacks=self.callbacks or (),
                on_event=on_event,
            )

    # ------------------------------------------------------------------ after the search

    def _set_results(
        self, space: Space, start: Start, metrics: list[str], objectives: list[str]
    ) -> list[FrozenTrial]:
        """Set the attributes that follow from the study; return the trials."""
        trials = finished_trials(self.study_)
        if callable(self.scoring):
            metrics = metrics_of_trials(trials)
            self.multimetric_ = metrics != ["score"]
            objectives = [name if name in metrics else "score" for name in objectives]
        results = cv_results(
            trials,
            space,
            start,
            metrics,
            self.n_splits_,
            return_train_score=self.return_train_score,
        )
        self.cv_results_ = results
        if len(objectives) == 1 and objectives[0] in metrics:
            first = place_of_start(trials)
            scores = results[f"mean_test_{objectives[0]}"]
            self.start_score_ = math.nan if first is None else float(scores[first])
        if not (results["state"] == "complete").any():
            return trials
        if callable(self.refit):
            self.best_index_ = best_index(self, self.refit, objectives[0], results)
        elif len(objectives) == 1 and objectives[0] in metrics:
            self.best_index_ = int(results[f"rank_test_{objectives[0]}"].argmin())
            self.best_score_ = results[f"mean_test_{objectives[0]}"][self.best_index_]
        else:
            return trials
        self.best_params_ = results["params"][self.best_index_]
        return trials

    def _fit_best(
        self, base: Any, tasks: SearchTasks, X: Any, y: Any, fit_params: Any, metadata: RowMetadata
    ) -> None:
        start = time.monotonic()
        if self.refit == ENSEMBLE:
            self._set_ensemble()
        else:
            self.best_estimator_ = clone(base).set_params(**clone(self.best_params_, safe=False))
            tasks.refit(self.best_estimator_, X, y, metadata, fit_params)
        self.refit_time_ = time.monotonic() - start
        if hasattr(self.best_estimator_, "feature_names_in_"):
            self.feature_names_in_ = self.best_estimator_.feature_names_in_

    @property
    def n_features_in_(self) -> int:
        """Number of features seen in fit."""
        return int(super().n_features_in_)

    def get_metadata_routing(self) -> MetadataRouter:
        """Return who gets which metadata.

        Returns
        -------
        routing : MetadataRouter
            See scikit-learn's user guide on metadata routing.
        """
        splitter = routed_splitter(self.cv)
        scorer = scorers_of_search(self)[0]
        return router_of(self, estimator=self.estimator, scorer=scorer, splitter=splitter)
