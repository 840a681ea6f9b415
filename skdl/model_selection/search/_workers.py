"""A search on the workers of an engine: each takes part in the study until it is complete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from joblib import Parallel, delayed
from optuna.storages import InMemoryStorage

from skdl._compat_optuna import storage_of
from skdl.estimators.base import FitMetadata
from skdl.exceptions import InvalidParameterError
from skdl.model_selection._lockstep import with_sklearn_config
from skdl.model_selection.search._ensemble import ENSEMBLE
from skdl.training.lockstep import lockstep

if TYPE_CHECKING:
    from collections.abc import Mapping

    import optuna

    from skdl.estimators.base import RowMetadata

__all__ = [
    "begin_search",
    "check_engine",
    "is_in_memory",
    "is_only_begun",
    "is_part_of_search",
    "search_on_workers",
    "take_part",
]

_OWNER = "OptunaSearchCV"
_PART = "_is_part_of_search"
_ONLY_BEGUN = "_is_only_begun"


def check_engine(values: Mapping[str, Any]) -> None:
    """Refuse parameters of a search that its workers could not share.

    Parameters
    ----------
    values : mapping of str to object
        From ``get_params(deep=False)``.

    Raises
    ------
    InvalidParameterError
        If they do not go with an engine.
    """
    engine = values["engine"]
    if engine is None:
        if values["n_workers"] is not None:
            raise InvalidParameterError(
                f"{_OWNER}: n_workers={values['n_workers']} came without an engine. Expected both "
                'or none: pass engine="loky" for so many processes of this machine.'
            )
        return
    if is_in_memory(values["storage"], values["study"]):
        raise InvalidParameterError(
            f"{_OWNER}: engine={engine!r} came with a study in the memory of this process, which "
            "workers cannot see. Expected a storage that all of them reach, for example "
            'storage="study.log" on a drive that they share, or the URL of a PostgreSQL database, '
            'and a study_name: study_name="wine".'
        )
    if values["refit"] == ENSEMBLE:
        raise InvalidParameterError(
            f"{_OWNER}: engine={engine!r} came with refit='ensemble'. Expected refit=True or "
            "False: the networks of the trials stay with the workers that trained them."
        )


def is_in_memory(storage: Any, study: optuna.Study | None) -> bool:
    """Tell whether the study of a search is kept where other processes cannot see it.

    Parameters
    ----------
    storage, study : object
        The search's parameters.
    """
    kept_in = storage if study is None else storage_of(study)
    return kept_in is None or isinstance(kept_in, InMemoryStorage)


def is_part_of_search(search: Any) -> bool:
    """Tell whether a search is a worker's part, whose results another process will collect."""
    return bool(getattr(search, _PART, False))


def is_only_begun(search: Any) -> bool:
    """Tell whether a search is to make its study and leave the trials to others."""
    return bool(getattr(search, _ONLY_BEGUN, False))


def _part_of(search: Any, **changes: Any) -> Any:
    part = type(search)(
        **search.get_params(deep=False)
        | {"engine": None, "n_workers": None, "load_if_exists": True}
        | changes
    )
    setattr(part, _PART, True)
    return part


def begin_search(search: Any, X: Any, y: Any, params: Mapping[str, Any]) -> Any:
    """Make the study of a search, with what it is for and its first trials waiting.

    Parameters
    ----------
    search : OptunaSearchCV
    X, y : array-like
    params : mapping of str to object
        Further arguments of ``fit``.

    Returns
    -------
    begun : OptunaSearchCV
        Another one, which has the ``study_``.
    """
    part = _part_of(search, load_if_exists=search.load_if_exists, verbose=0)
    setattr(part, _ONLY_BEGUN, True)
    return part.fit(X, y, **params)


def take_part(search: Any, X: Any, y: Any, params: Mapping[str, Any], **changes: Any) -> None:
    """Evaluate trials of a search until its study holds enough of them.

    Parameters
    ----------
    search : OptunaSearchCV
    X, y : array-like
    params : mapping of str to object
        Further arguments of ``fit``.
    **changes : object
        Parameters that this process has otherwise.
    """
    _part_of(search, **changes).fit(X, y, **params)


def search_on_workers(
    search: Any,
    X: Any,
    y: Any,
    params: Mapping[str, Any],
    metadata: RowMetadata,
    trials_together: int,
) -> None:
    """Return once the study of a search holds enough trials, made by the workers.

    Parameters
    ----------
    search : OptunaSearchCV
        Has made the study.
    X, y : array-like
        As ``fit`` was given them.
    params : mapping of str to object
        Further arguments of ``fit``.
    metadata : RowMetadata
        What is known of the rows, from these arguments or from outside.
    trials_together : int
        Size of a round, if there are enough trials to give one to each worker.
    """
    part = _part_of(search, verbose=0)
    run = delayed(with_sklearn_config(_take_part))
    with lockstep(engine=search.engine, n_workers=search.n_workers) as session:
        # A round of one worker must not be all that there is to do for several.
        most = trials_together if search.n_trials is None else search.n_trials // session.n_workers
        part.trials_together = max(1, min(trials_together, most))
        Parallel()(run(part, X, y, params, metadata) for _ in range(session.n_workers))


def _take_part(
    search: Any, X: Any, y: Any, params: Mapping[str, Any], metadata: RowMetadata
) -> None:
    with FitMetadata(search, metadata):
        search.fit(X, y, **params)
