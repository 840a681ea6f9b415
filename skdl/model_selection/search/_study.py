"""The study of a search: opened, and found to be made for the same task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skdl._compat_optuna import set_metric_names, storage_of
from skdl.model_selection.search._comparable import check_comparable
from skdl.model_selection.search._defaults import make_sampler, size_of_round
from skdl.model_selection.search._start import hide_start
from skdl.model_selection.shared_study import open_study

if TYPE_CHECKING:
    from collections.abc import Mapping

    import optuna
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

    from skdl._compat_model_selection import BaseSearchCV
    from skdl.model_selection.search._space import Space

__all__ = ["describe_study", "sampler_of", "study_of_search"]


def study_of_search(search: BaseSearchCV, n_objectives: int, pruner: BasePruner) -> optuna.Study:
    """Return the study that the parameters of a search name, opened for it.

    Parameters
    ----------
    search : OptunaSearchCV
    n_objectives : int
        All of them are maximized.
    pruner : optuna.pruners.BasePruner

    Returns
    -------
    study : optuna.Study
    """
    given = search.study
    sampler = sampler_of(search)
    n_together = size_of_round(search.trials_together, pruner, sampler)
    return open_study(
        search.storage if given is None else storage_of(given),
        search.study_name if given is None else given.study_name,
        ["maximize"] * n_objectives,
        hide_start(
            make_sampler(
                sampler, search.random_state, is_parallel=n_together > 1 or _is_shared(search)
            )
        ),
        pruner,
        load_if_exists=search.load_if_exists or given is not None,
    )


def sampler_of(search: BaseSearchCV) -> BaseSampler | None:
    """Return the user's sampler, that of the study that was given if need be.

    Parameters
    ----------
    search : OptunaSearchCV

    Returns
    -------
    sampler : optuna.samplers.BaseSampler or None
    """
    sampler: BaseSampler | None = search.sampler
    return search.study.sampler if sampler is None and search.study is not None else sampler


def describe_study(
    study: optuna.Study,
    search: BaseSearchCV,
    space: Space,
    data: list[Any],
    beside: Mapping[str, Any],
    objectives: list[str],
) -> None:
    """Note in a study what it is for; refuse one that was made for something else.

    Parameters
    ----------
    study : optuna.Study
        From `study_of_search`.
    search : OptunaSearchCV
    space : Space
    data : list
        ``X``, ``y`` and the splits.
    beside : mapping of str to object
        What ``fit`` is given beside them, by name.
    objectives : list of str

    Raises
    ------
    ValueError
        If the scores of its trials would not compare.
    """
    if _is_shared(search):
        X, y, *splits = data
        arrays = [X, y, *(rows for split in splits for rows in split)]
        check_comparable(
            study,
            space,
            search.estimator,
            arrays,
            beside=beside,
            scoring=search.scoring,
            objectives=objectives,
        )
    is_named = objectives == ["score"] and isinstance(search.scoring, str)
    set_metric_names(study, [search.scoring] if is_named else objectives)


def _is_shared(search: BaseSearchCV) -> bool:
    return search.storage is not None or search.study is not None
