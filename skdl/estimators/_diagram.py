"""How estimators look in notebooks: scikit-learn's diagram, and what was trained.

The diagram's question marks link to our documentation where its address is known: from the
package's metadata, or from the environment variable ``SKDL_DOCS_URL``.
"""

from __future__ import annotations

import copy
import functools
import html
import importlib.metadata
import os
from typing import Any

from sklearn.base import BaseEstimator

__all__ = ["DiagramMixin"]

_BUILT_LATER = "a Keras model, built when asked for"
# Since scikit-learn 1.9 a diagram has a place for what was fitted, also inside a Pipeline's.
_HAS_PLACE = hasattr(BaseEstimator, "_get_fitted_attr_html")


class DiagramMixin:
    """Adds to scikit-learn's diagram the links, and after ``fit`` a table of the layers."""

    _doc_link_module = "skdl"

    @property
    def _doc_link_template(self) -> str:
        return f"{documentation_url()}/generated/skdl.{{estimator_name}}.html"

    def _get_doc_link(self) -> str:
        return super()._get_doc_link() if documentation_url() else ""  # type: ignore[misc]

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


@functools.lru_cache(maxsize=1)
def _published_url() -> str:
    try:
        links = importlib.metadata.metadata("skdl").get_all("Project-URL") or []
    except importlib.metadata.PackageNotFoundError:
        return ""
    pairs = (link.partition(", ") for link in links)
    return next((url for label, _, url in pairs if label.lower() == "documentation"), "")


def documentation_url() -> str:
    """Return where our documentation is, without a slash at its end; "" where it is not known."""
    return os.environ.get("SKDL_DOCS_URL", _published_url()).rstrip("/")


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
