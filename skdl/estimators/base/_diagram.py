"""How networks look in notebooks: scikit-learn's diagram, and what was trained."""

from __future__ import annotations

import copy
import html
from typing import Any

from skdl._compat_sklearn import HAS_FITTED_ATTRIBUTES, HtmlInFront, fitted_attributes

__all__ = ["estimator_html", "fitted_attributes_html", "training_html"]

_BUILT_LATER = "a Keras model, built when asked for"


def fitted_attributes_html(network: Any, doc_link: str) -> Any:
    """Return what scikit-learn's diagram shows of a fitted network, a table of layers in front.

    Diagrams of fitted ensembles and searches ask for it of the network they were given, which is
    not fitted: there are no layers to show then.
    """
    if not hasattr(network, "_trained"):
        return fitted_attributes(network, doc_link)
    # A copy on which looking at `model_` builds no Keras model.
    twin = copy.copy(network)
    vars(twin)["_keras_model"] = _BUILT_LATER
    return HtmlInFront(training_html(network), fitted_attributes(twin, doc_link))


def estimator_html(network: Any) -> str:
    """Return scikit-learn's diagram of a network, with a table of layers after ``fit``."""
    from sklearn.utils import estimator_html_repr

    diagram = estimator_html_repr(network)
    is_missing = not HAS_FITTED_ATTRIBUTES and hasattr(network, "_trained")
    return f"{diagram}{training_html(network)}" if is_missing else diagram


def training_html(network: Any) -> str:
    """Return epochs run, best epoch, and the layers with output shapes and weights, as HTML."""
    from skdl.training import layer_summaries

    rows = layer_summaries(network._trained.network)
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
