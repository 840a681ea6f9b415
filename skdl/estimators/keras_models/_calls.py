"""Arguments that SciKeras' ``fit`` and ``predict`` take for one call, as ``keras.Model`` does.

scikit-learn's own take data only, so that a clone or a search knows all that a fit depends on.
Code written for SciKeras passes more, and keeps working: with a warning that says what is better
where something is.
"""

from __future__ import annotations

import warnings
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from skdl.exceptions import MigrationWarning

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["PREDICT_ARGUMENTS", "check_predict_arguments", "fit_arguments", "meant", "split_rows"]

# Of ``keras.Model.fit``, beside those of the class.
_FIT_ARGUMENTS = frozenset(
    {"batch_size", "callbacks", "epochs", "shuffle", "validation_data", "validation_split",
     "verbose"}
)  # fmt: skip
# They say how many rows are computed at once, or what is printed: no result depends on them.
_WITHOUT_EFFECT = frozenset({"validation_batch_size"})
PREDICT_ARGUMENTS = frozenset({"batch_size", "verbose"})
_LEAST, _MOST = 2, 3


def meant(name: str, known: Collection[str]) -> str:
    """Return ``" Did you mean ...?"`` for a mistyped name; "" if none is near."""
    near = get_close_matches(name, sorted(known), n=1)
    return f" Did you mean {near[0]}?" if near else ""


def fit_arguments(
    owner: str, given: Mapping[str, Any], *, method: str = "fit", takes_class_weight: bool = False
) -> dict[str, Any]:
    """Return what holds for one call of ``fit`` or ``partial_fit``; warn if something is better.

    Parameters
    ----------
    owner : str
        Name of the estimator.
    given : mapping of str to object
        What was passed by name, data apart.
    method : {"fit", "partial_fit"}
    takes_class_weight : bool
        Whether the estimator is a classifier.

    Raises
    ------
    TypeError
        If a name is none that ``keras.Model.fit`` and this class have.
    """
    known = _FIT_ARGUMENTS | ({"class_weight"} if takes_class_weight else set())
    if method == "partial_fit":
        known -= {"epochs", "validation_data", "validation_split"}
    for name in given:
        if name not in known | _WITHOUT_EFFECT:
            raise TypeError(
                f"{owner}.{method}: {name!r} is not an argument.{meant(name, known)} Expected data "
                f"(X, y, sample_weight, X_val, ...) or one of {sorted(known)}."
            )
    taken = {
        name: value
        for name, value in given.items()
        if value is not None and name not in _WITHOUT_EFFECT
    }
    if taken:
        better = []
        if "validation_data" in taken:
            better.append("pass validation rows as X_val and y_val")
        others = sorted(taken.keys() - {"validation_data"})
        if others:
            shown = ", ".join(f"{name}=..." for name in others)
            better.append(
                f"set parameters when the estimator is made, {owner}(..., {shown}), where clones, "
                "searches and cross-validation see them"
            )
        warnings.warn(
            f"{owner}.{method}: {', '.join(sorted(taken))} held for this call alone. Better "
            f"{' and '.join(better)}.",
            MigrationWarning,
            stacklevel=3,
        )
    return taken


def split_rows(owner: str, validation_data: Any) -> tuple[Any, Any, Any]:
    """Return X, y and weights (None without) of Keras' ``validation_data``."""
    if validation_data is None:
        return None, None, None
    is_pair = isinstance(validation_data, list | tuple)
    if not (is_pair and _LEAST <= len(validation_data) <= _MOST):
        raise TypeError(
            f"{owner}: validation_data is of type {type(validation_data).__name__}"
            f"{f' with {len(validation_data)} entries' if is_pair else ''}. Expected (X_val, "
            "y_val) or (X_val, y_val, sample_weight_val)."
        )
    return (*validation_data, None)[:_MOST]


def check_predict_arguments(owner: str, method: str, given: Mapping[str, Any]) -> None:
    """Refuse arguments of ``keras.Model.predict`` that would change something; the rest do not."""
    for name in given:
        if name not in PREDICT_ARGUMENTS:
            raise TypeError(
                f"{owner}.{method}: {name!r} is not an argument.{meant(name, PREDICT_ARGUMENTS)} "
                "Expected X, and batch_size and verbose, which change nothing. For callbacks or "
                "steps use model_.predict."
            )
