"""How networks look in notebooks: scikit-learn's diagram, and what was trained."""

from __future__ import annotations

import copy
import html
from typing import Any

from sklearn.base import BaseEstimator

from skdl._doc_links import DocLinkMixin

__all__ = ["DiagramMixin"]

_BUILT_LATER = "a Keras model, built when asked for"
# Since scikit-learn 1.9 a diagram has a place for what was fitted, also inside a Pipeline's.
_HAS_PLACE = hasattr(BaseEstimator, "_get_fitted_attr_html")


class DiagramMixin(DocLinkMixin):
    """Adds to scikit-learn's diagram, after ``fit``, a table of the layers."""

    def _get_fitted_attr_html(self, doc_link: str = "") -> Any:
        # A copy on which looking at `model_` builds no Keras model.
        twin = copy.copy(self)
        vars(twin)["_keras_model"] = _BUILT_LATER
        attributes = BaseEstimator._get_fitted_attr_html(twin, doc_link)  # noqa: SLF001
        return _WithTraining(training_html(self), attributes)

    def _html_repr(self) -> str:
        from sklearn.utils import estimator_html_repr

        diagram = estimator_html_repr(self)
        is_missing = not _HAS_PLACE and hasattr(self, "_trained")
        return f"{diagram}{training_html(self)}" if is_missing else diagram


class _WithTraining:
    """What scikit-learn's diagram asks of fitted attributes, with a table of ours in front."""

    def __init__(self, own: str, attributes: Any) -> None:
        self._own = own
        self._attributes = attributes

    def __len__(self) -> int:
        return len(self._attributes) + 1

    def _repr_html_inner(self) -> str:
        return f"{self._own}{self._attributes._repr_html_inner()}"  # noqa: SLF001


def training_html(network: Any) -> str:
    """Return epochs run, best epoch, and the layers with output shapes and weights, as HTML."""
    from skdl.training import layer_summaries

    rows = layer_summaries(network._trained.network)  # noqa: SLF001
    total = sum(count for *_, count in rows)
    body = "".join(
        f"<tr class='default'><td class='param'>{html.escape(name)}</td><td>{shape}</td>"
        f"<td>{count:,}</td></tr>"
        for name, shape, count in rows
    )
    epochs = f"{network.n_iter_} epoch{'s' if network.n_iter_ != 1 else ''}"
    if network.best_epoch_ != network.n_iter_:
        epochs += f", the best after {network.best_epoch_}"
    return (
        '<div class="estimator-table"><details open>'
        f"<summary>Network: {total:,} weights, {epochs}</summary>"
        '<table class="parameters-table"><tbody>'
        "<tr><th>Layer</th><th>Output shape</th><th>Weights</th></tr>"
        f"{body}</tbody></table></details></div>"
    )
