"""How networks look in notebooks: scikit-learn's diagram, and what was trained."""

from __future__ import annotations

import copy
import html
from typing import Any

from skdl._compat_sklearn import HAS_FITTED_ATTRIBUTES, HtmlInFront, fitted_attributes
from skdl._doc_links import DocLinkMixin

__all__ = ["DiagramMixin"]

_BUILT_LATER = "a Keras model, built when asked for"


class DiagramMixin(DocLinkMixin):
    """Adds to scikit-learn's diagram, after ``fit``, a table of the layers."""

    def _get_fitted_attr_html(self, doc_link: str = "") -> Any:
        # A copy on which looking at `model_` builds no Keras model.
        twin = copy.copy(self)
        vars(twin)["_keras_model"] = _BUILT_LATER
        return HtmlInFront(training_html(self), fitted_attributes(twin, doc_link))

    def _html_repr(self) -> str:
        from sklearn.utils import estimator_html_repr

        diagram = estimator_html_repr(self)
        is_missing = not HAS_FITTED_ATTRIBUTES and hasattr(self, "_trained")
        return f"{diagram}{training_html(self)}" if is_missing else diagram


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
