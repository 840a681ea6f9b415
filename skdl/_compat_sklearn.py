"""Private parts of scikit-learn that we use, each with what breaks if it goes away.

Nothing else in the package imports or looks up a private name of scikit-learn, but for
`skdl._compat_model_selection`, which predictions need not import. Version branches with a public
interface stand in `skdl._compat`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sklearn.base import BaseEstimator
from sklearn.utils import _safe_indexing, metaestimators, validation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "HAS_FITTED_ATTRIBUTES",
    "HtmlInFront",
    "check_method_params",
    "check_sample_weight",
    "fitted_attributes",
    "num_samples",
    "safe_indexing",
    "safe_split",
]

# ------------------------------------------------------------------------------- rows and weights


def check_sample_weight(weight: Any, X: Any, **options: Any) -> NDArray[Any]:
    """Return weights as an array with one finite number per row of `X`.

    Without it, estimators would need this check of their own, with scikit-learn's messages.
    """
    return validation._check_sample_weight(weight, X, **options)


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
