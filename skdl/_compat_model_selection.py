"""Private parts of scikit-learn's model selection that we use, each with what breaks without it.

They stand apart from `skdl._compat_sklearn`, as a process that only predicts needs none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sklearn.metrics._scorer import _BaseScorer, _MultimetricScorer, _PassthroughScorer
from sklearn.model_selection import _validation
from sklearn.model_selection._search import BaseSearchCV

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "BaseSearchCV",
    "best_index",
    "fit_and_score",
    "fit_params_by_consumer",
    "insert_error_scores",
    "is_multimetric",
    "only_predicts",
    "scorers_by_name",
    "scorers_of_search",
    "strict_scorer",
    "warn_about_fit_failures",
]

# `BaseSearchCV`, the base of GridSearchCV: it has no public path. Without it, `OptunaSearchCV`
# would need its own `predict`, `score`, `classes_` and so on, which delegate to the best estimator.

# ------------------------------------------------------------------------------- cross-validation


def fit_and_score(estimator: Any, X: Any, y: Any, **options: Any) -> dict[str, Any]:
    """Fit and score one split as scikit-learn's own functions do.

    Without it, times, warnings and ``error_score`` of `cross_validate` and `OptunaSearchCV` could
    differ from scikit-learn's.
    """
    return _validation._fit_and_score(estimator, X, y, **options)


def insert_error_scores(results: Sequence[dict[str, Any]], error_score: Any) -> None:
    """Replace the scores of failed fits by dicts, where there are several metrics.

    Without it, the results of `cross_validate` would need that loop here.
    """
    _validation._insert_error_scores(results, error_score)


def warn_about_fit_failures(results: Sequence[dict[str, Any]], error_score: Any) -> None:
    """Warn that some fits failed, or raise if all did.

    Without it, the messages of `cross_validate` would have to be kept equal by hand.
    """
    _validation._warn_or_raise_about_fit_failures(results, error_score)


# ---------------------------------------------------------------------------------------- scorers


def is_multimetric(scorer: Any) -> bool:
    """Tell whether a scorer returns a dict, as scikit-learn makes it for several metrics.

    Without the class that this asks for, the scorers of single metrics cannot be told from a
    function of the user's.
    """
    return isinstance(scorer, _MultimetricScorer)


def scorers_by_name(scorer: Any) -> dict[str, Any]:
    """Return the scorers inside a multimetric scorer.

    Without them, `OptunaSearchCV` has no ``scorer_`` and no names of metrics.
    """
    return scorer._scorers


def only_predicts(scorer: Any) -> bool:
    """Tell whether a scorer is scikit-learn's own, which hands rows to the estimator and no more.

    Without these classes, scorers could not be told from functions of the user's, which may look
    at the rows, so folds of a table would be copied for all of them.
    """
    if is_multimetric(scorer):
        return all(map(only_predicts, scorers_by_name(scorer).values()))
    return isinstance(scorer, _BaseScorer | _PassthroughScorer)


def strict_scorer(scorer: Any, name: str | None = None) -> Any:
    """Return a multimetric scorer whose errors are raised, of all metrics or of one.

    It hands on no weights that a metric does not take. Without it, scores after each epoch fail
    where metrics differ in that, and a failed trial does not say which error made its score NaN.
    """
    scorers = scorer._scorers if name is None else {name: scorer._scorers[name]}
    return _MultimetricScorer(scorers=scorers, raise_exc=True)


# ---------------------------------------------------------------------------------------- searches


def scorers_of_search(search: BaseSearchCV) -> tuple[Any, str]:
    """Return the scorer that `scoring` of a search means, and the metric that `refit` means.

    Without it, `OptunaSearchCV` would need these rules, and their messages, here.
    """
    return search._get_scorers()


def fit_params_by_consumer(search: BaseSearchCV, params: dict[str, Any]) -> Any:
    """Return which arguments of a search's ``fit`` the estimator, splitter and scorer get.

    Without it, `OptunaSearchCV` would need to route metadata by itself, both with
    ``enable_metadata_routing`` and without.
    """
    return search._get_routed_params_for_fit(params)


def best_index(
    search: BaseSearchCV,
    refit: Callable[[dict[str, Any]], int],
    refit_metric: str,
    results: dict[str, Any],
) -> int:
    """Return the candidate that a function given as `refit` chooses, checked.

    Without it, `OptunaSearchCV` would need the checks of its answer here.
    """
    return search._select_best_index(refit, refit_metric, results)
