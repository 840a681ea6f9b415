"""Private parts of scikit-learn that we use, each with what breaks if it goes away.

Nothing else in the package imports or looks up a private name of scikit-learn. Version branches
with a public interface stand in `skdl._compat`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sklearn.base import BaseEstimator
from sklearn.metrics._scorer import _MultimetricScorer
from sklearn.model_selection import _validation
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils import _safe_indexing, metaestimators, validation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "HAS_FITTED_ATTRIBUTES",
    "BaseSearchCV",
    "HtmlInFront",
    "best_index",
    "check_method_params",
    "check_sample_weight",
    "check_y",
    "fit_and_score",
    "fit_params_by_consumer",
    "fitted_attributes",
    "insert_error_scores",
    "is_multimetric",
    "num_samples",
    "safe_indexing",
    "safe_split",
    "scorers_by_name",
    "scorers_of_search",
    "strict_scorer",
    "warn_about_fit_failures",
]

# `BaseSearchCV`, the base of GridSearchCV: it has no public path. Without it, `OptunaSearchCV`
# would need its own `predict`, `score`, `classes_` and so on, which delegate to the best estimator.

# ------------------------------------------------------------------------------- rows and weights


def check_sample_weight(weight: Any, X: Any, **options: Any) -> NDArray[Any]:
    """Return weights as an array with one finite number per row of `X`.

    Without it, estimators would need this check of their own, with scikit-learn's messages.
    """
    return validation._check_sample_weight(weight, X, **options)


def check_y(y: Any, **options: Any) -> NDArray[Any]:
    """Return checked targets without looking at `X`.

    The public ``check_X_y`` converts `X` too, which rows that are made when needed must not be.
    """
    return validation._check_y(y, **options)


def num_samples(X: Any) -> int:
    """Count the rows of anything that scikit-learn takes as rows.

    Without it, the ensembles would have to tell lists, tables and sparse matrices apart.
    """
    return validation._num_samples(X)


def check_method_params(
    X: Any, params: Mapping[str, Any], indices: ArrayLike | None = None
) -> dict[str, Any]:
    """Return arguments of ``fit`` or a scorer, those with an entry per row of `X` cut to `indices`.

    Without it, sample weights and other metadata would not follow the rows of a fold.
    """
    return validation._check_method_params(X, params=params, indices=indices)


def safe_indexing(X: Any, indices: Any, axis: int = 0) -> Any:
    """Return rows (or with ``axis=1`` columns) of an array, table, list or sparse matrix.

    Without it, splits and the search for duplicates would have to tell these apart.
    """
    return _safe_indexing(X, indices, axis=axis)


def safe_split(
    estimator: Any, X: Any, y: Any, indices: Any, train_indices: Any = None
) -> tuple[Any, Any]:
    """Return the rows of one side of a split; of precomputed kernels the right columns too.

    Without it, folds of estimators on kernels or distances would get columns of held-out rows.
    """
    return metaestimators._safe_split(estimator, X, y, indices, train_indices)


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


# ---------------------------------------------------------------------------------------- diagrams

# Whether diagrams show fitted attributes, which came with scikit-learn 1.9.
HAS_FITTED_ATTRIBUTES = hasattr(BaseEstimator, "_get_fitted_attr_html")


def fitted_attributes(estimator: BaseEstimator, doc_link: str) -> Any:
    """Return what a diagram shows of fitted attributes, from scikit-learn 1.9 on.

    Our networks override the method that this calls. Without it, their table of layers would stand
    below the diagram, as before 1.9, and inside a Pipeline's diagram nowhere.
    """
    return BaseEstimator._get_fitted_attr_html(estimator, doc_link)


class HtmlInFront:
    """What a diagram asks of fitted attributes, with HTML of ours in front.

    Without the method ``_repr_html_inner``, diagrams lose the table of layers.

    Parameters
    ----------
    ahead : str
        HTML.
    attributes : object
        From `fitted_attributes`.
    """

    def __init__(self, ahead: str, attributes: Any) -> None:
        self._ahead = ahead
        self._attributes = attributes

    def __len__(self) -> int:
        return len(self._attributes) + 1

    def _repr_html_inner(self) -> str:
        return f"{self._ahead}{self._attributes._repr_html_inner()}"
