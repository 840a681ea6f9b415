"""Score against one parameter: scikit-learn's validation curve, all its fits in lockstep."""

from __future__ import annotations

import contextlib
import difflib
import math
import warnings
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from joblib.parallel import get_active_backend
from sklearn.base import clone
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import ValidationCurveDisplay as SklearnDisplay

from skdl._validation import Boolean, OneOf, Predicate, check_parameters, show
from skdl.inspection._arguments import AXES, NAME, STYLE, TEXT
from skdl.inspection._networks import full_name
from skdl.inspection._style import BAND, LINES, MARK, merged
from skdl.training.lockstep import LockstepBackend, lockstep

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from skdl.inspection._style import Style

__all__ = ["ValidationCurveDisplay"]

_OWNER = "ValidationCurveDisplay"
_CONSTRAINTS = {
    "score_type": OneOf("train", "test", "both"),
    "std_display_style": OneOf("fill_between", "errorbar", None),
}
_LOOKS = {
    "ax": AXES,
    "score_name": NAME,
    "line_kw": STYLE,
    "fill_between_kw": STYLE,
    "errorbar_kw": STYLE,
    "negate_score": Boolean(),
}
_CALL = {
    "estimator": Predicate(
        lambda value: hasattr(value, "fit") and not isinstance(value, type),
        "an estimator, an instance and not a class",
    ),
    "param_name": TEXT,
}
# As in scikit-learn's display: gaps that differ by more than this call for a logarithmic axis.
_UNEVEN = 5


class ValidationCurveDisplay(SklearnDisplay):
    """Training and test score against a parameter, such as dropout, L2 or the number of units.

    Scikit-learn's display of that name, whose parameters, methods and attributes it has. Beyond
    them, the networks of all values and folds are trained together; values may be of any kind,
    such as ``[None, "before_activation"]``; and the value with the best test score is marked.

    Parameters
    ----------
    param_name : str
        Name of the parameter that was varied.
    param_range : array-like of shape (n_values,)
        Its values; numbers stand on a scale, anything else side by side.
    train_scores, test_scores : ndarray of shape (n_values, n_folds)
        Scores on the rows trained on, and on those held out.
    score_name : str, default=None
        What stands beside the vertical axis.

    Attributes
    ----------
    best_index : int or None
        Place in `param_range` of the value with the best mean test score, the first of several;
        None if each has a fold that failed.
    ax_ : matplotlib.axes.Axes
        What it was drawn on.
    figure_ : matplotlib.figure.Figure
        The figure of `ax_`.
    lines_ : list of matplotlib.lines.Line2D or None
        The mean scores; None with ``std_display_style="errorbar"``.
    fill_between_ : list of matplotlib.collections.PolyCollection or None
        The bands of one standard deviation; None with another `std_display_style`.
    errorbar_ : list of matplotlib.container.ErrorbarContainer or None
        The bars; None with another `std_display_style`.
    best_ : matplotlib.lines.Line2D or None
        The mark of the best value.

    See Also
    --------
    sklearn.model_selection.validation_curve : Computes the scores.
    TrainingCurveDisplay : Loss by epoch.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skdl import MLPClassifier
    >>> from skdl.inspection import ValidationCurveDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> pipe = make_pipeline(StandardScaler(), MLPClassifier(8, epochs=5, random_state=0))
    >>> display = ValidationCurveDisplay.from_estimator(
    ...     pipe, X, y, param_name="dropout", param_range=[0.0, 0.3, 0.6], cv=3
    ... )
    >>> display.param_name, display.test_scores.shape
    ('mlpclassifier__dropout', (3, 3))
    """

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, y: Any, *, param_name: str, param_range: Any, **options: Any
    ) -> Self:
        """Cross-validate an estimator for each value of a parameter, and draw the scores.

        Parameters
        ----------
        estimator : object
            A network, or a Pipeline or the like around one; also any other estimator.
        X : array-like of shape (n_samples, ...)
            Rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        param_name : str
            Parameter to vary. For that of a network inside a pipeline, ``"dropout"`` will do where
            ``"mlpregressor__dropout"`` is meant.
        param_range : array-like of shape (n_values,)
            Its values.
        **options : object
            ``cv``, ``scoring``, ``groups``, ``error_score`` and the others of scikit-learn's
            ``ValidationCurveDisplay.from_estimator``, and those of `plot`. ``n_jobs`` has no
            effect, as all networks are trained together.

        Returns
        -------
        display : ValidationCurveDisplay

        Raises
        ------
        ValueError
            If the estimator has no such parameter, there are no values, or one is not allowed
            and ``error_score="raise"``.
        TypeError
            If the estimator is a class, or `param_range` no list.

        Warns
        -----
        FitFailedWarning
            If some fits failed.
        """
        check_parameters(_OWNER, {"estimator": estimator, "param_name": param_name}, _CALL)
        looks = {name: options[name] for name in _LOOKS if name in options}
        check_parameters(_OWNER, looks, _LOOKS)
        _check_choices({name: options[name] for name in _CONSTRAINTS if name in options})
        full = full_name(estimator, param_name)
        param_range = _as_values(param_range)
        _check_name(estimator, full, param_range)
        is_active = isinstance(get_active_backend()[0], LockstepBackend)
        with contextlib.nullcontext() if is_active else lockstep():
            display: Self = super().from_estimator(
                estimator,
                X,
                y,
                param_name=full,
                param_range=param_range,
                **options,
            )
        n_failed = np.isnan(display.test_scores).sum()
        if n_failed:
            warnings.warn(
                f"{cls.__name__}: {n_failed} of {display.test_scores.size} fits or scores failed; "
                "their values are left out. Pass error_score='raise' to see why.",
                FitFailedWarning,
                stacklevel=2,
            )
        return display

    @property
    def best_index(self) -> int | None:
        """Place in `param_range` of the value with the best mean test score."""
        means = np.asarray(self.test_scores, float).mean(axis=1)
        return None if np.isnan(means).all() else int(np.nanargmax(means))

    def plot(
        self,
        ax: Axes | None = None,
        *,
        negate_score: bool = False,
        score_name: str | None = None,
        score_type: Literal["train", "test", "both"] = "both",
        std_display_style: Literal["fill_between", "errorbar"] | None = "fill_between",
        line_kw: Style | None = None,
        fill_between_kw: Style | None = None,
        errorbar_kw: Style | None = None,
    ) -> Self:
        """Draw the scores.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a new figure.
        negate_score : bool, default=False
            Draw errors the right way up where `scoring` begins with ``neg_``.
        score_name : str, default=None
            Replaces the display's own.
        score_type : {"train", "test", "both"}, default="both"
            Which scores to draw.
        std_display_style : {"fill_between", "errorbar"} or None, default="fill_between"
            How one standard deviation over the folds is shown.
        line_kw, fill_between_kw, errorbar_kw : dict, default=None
            Arguments of matplotlib's functions of these names.

        Returns
        -------
        self : ValidationCurveDisplay

        Raises
        ------
        ValueError
            If a parameter is not as described.
        """
        given = {"score_type": score_type, "std_display_style": std_display_style}
        _check_choices(given)
        looks = {
            "ax": ax,
            "score_name": score_name,
            "line_kw": line_kw,
            "fill_between_kw": fill_between_kw,
            "errorbar_kw": errorbar_kw,
        }
        check_parameters(_OWNER, {**looks, "negate_score": negate_score}, _LOOKS)
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots()
        positions = self._positions(ax)
        sign = -1.0 if negate_score else 1.0
        scores = {"train": self.train_scores, "test": self.test_scores}
        if score_type != "both":
            scores = {score_type: scores[score_type]}
        lines, bands, bars = [], [], []
        for rows, given_scores in scores.items():
            values = sign * np.asarray(given_scores, float)
            mean, spread = values.mean(axis=1), values.std(axis=1)
            defaults = {"label": rows.capitalize(), "marker": "os"[rows == "test"], "markersize": 4}
            look = merged(LINES["training" if rows == "train" else "test"], defaults)
            if std_display_style == "errorbar":
                look = merged(look, {"capsize": 3}, errorbar_kw)
                bars.append(ax.errorbar(positions, mean, spread, **look))
                continue
            (line,) = ax.plot(positions, mean, **merged(look, line_kw))
            lines.append(line)
            if std_display_style == "fill_between":
                shade = merged({"color": line.get_color()}, BAND, fill_between_kw)
                bands.append(ax.fill_between(positions, mean - spread, mean + spread, **shade))
        self.lines_, self.fill_between_, self.errorbar_ = lines or None, bands or None, bars or None
        self.best_ = None
        best = self.best_index
        if score_type != "train" and best is not None:
            label = f"best: {_short(self.param_range[best])}"
            self.best_ = ax.axvline(positions[best], **merged(MARK, {"label": label}))
        ax.set(xlabel=f"{self.param_name}", ylabel=score_name or self.score_name or "score")
        ax.legend()
        self.ax_ = ax
        self.figure_ = ax.figure
        return self

    def _positions(self, ax: Axes) -> NDArray[np.float64]:
        """Return where the values stand, and set the axis up for them."""
        values = list(self.param_range)
        if not all(_is_number(value) for value in values):
            positions = np.arange(len(values), dtype=float)
            ax.set_xticks(positions, [_short(value) for value in values])
            return positions
        positions = np.array(values, float)
        gaps = np.diff(np.sort(positions))
        gaps = gaps[gaps > 0]
        if len(gaps) and gaps.max() / gaps.min() > _UNEVEN:
            if positions.min() > 0:
                ax.set_xscale("log")
            else:
                least = np.abs(positions[positions != 0]).min()
                ax.set_xscale("symlog", linthresh=least)
        return positions


def _check_choices(given: Mapping[str, object]) -> None:
    """Refuse other choices, in scikit-learn's words, which its users may look for."""
    for key, value in given.items():
        if not _CONSTRAINTS[key].accepts(value):
            raise ValueError(
                f"Unknown {key}: {show(value)}. Expected {_CONSTRAINTS[key].describe()}."
            )


def _as_values(param_range: Any) -> Any:
    """Return values as they are, each one an entry: a tuple of units is no row of an array."""
    if isinstance(param_range, str) or not np.iterable(param_range):
        raise TypeError(
            f"{_OWNER}: param_range={param_range!r} is no list of values. Expected one."
        )
    given = list(param_range)
    if not given:
        raise ValueError(f"{_OWNER}: param_range is empty. Expected at least one value.")
    if all(_is_number(value) for value in given):
        return param_range
    values = np.empty(len(given), object)
    for i, value in enumerate(given):
        values[i] = value
    return values


def _check_name(estimator: Any, name: str, values: Any) -> None:
    """Refuse a parameter that the estimator does not have, and name the nearest that it has."""
    other = clone(estimator)
    try:
        other.set_params(**{name: next(iter(values))})
    except ValueError as error:
        full_names: dict[str, list[str]] = {}
        for full in sorted(other.get_params(deep=True)):
            full_names.setdefault(full.rpartition("__")[2], []).append(full)
        nearest = difflib.get_close_matches(name.rpartition("__")[2], full_names, n=1)
        meant = " or ".join(map(repr, full_names[nearest[0]])) if nearest else "one of get_params()"
        raise ValueError(
            f"{_OWNER}: {type(estimator).__name__} has no single parameter {name!r}. Expected "
            f"{meant}."
        ) from error


def _is_number(value: Any) -> bool:
    return (
        not isinstance(value, bool | np.bool_)
        and isinstance(value, int | float | np.number)
        and math.isfinite(value)
    )


def _short(value: Any) -> str:
    """Return a value as a reader would write it."""
    return f"{value:g}" if _is_number(value) else str(value)
