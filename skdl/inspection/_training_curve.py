"""Training curves: loss or metric by epoch, with bands over folds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from skdl._score_range import range_of_curve
from skdl._validation import Boolean, OneOf, check_parameters
from skdl.estimators.base import monitor_mode
from skdl.inspection._arguments import AXES, NAME, STYLE, TEXT, check_curve, check_curves
from skdl.inspection._cross_validated import curves_by_fold
from skdl.inspection._networks import check_fitted_networks
from skdl.inspection._style import BAND, LINES, MARK, merged

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.collections import PolyCollection
    from matplotlib.lines import Line2D
    from numpy.typing import ArrayLike, NDArray

    from skdl.estimators.base import BaseNetwork
    from skdl.inspection._cross_validated import CrossValidated
    from skdl.inspection._shape import Curve
    from skdl.inspection._style import Style

    History = Mapping[str, Sequence[float] | NDArray[np.float64]]
    Curves = Mapping[str, NDArray[np.float64]]

__all__ = ["TrainingCurveDisplay"]

_OWNER = "TrainingCurveDisplay"
_PREFIXES = {"training": "", "validation": "val_", "test": "test_"}
_CONSTRAINTS = {
    "band": OneOf("std", "range", None),
    "show_folds": Boolean(),
    "show_best": Boolean(),
    "show_stops": Boolean(),
    "ax": AXES,
    "name": NAME,
    "train_kw": STYLE,
    "val_kw": STYLE,
    "test_kw": STYLE,
    "band_kw": STYLE,
    "best_kw": STYLE,
}
_NAMES = {"metric": TEXT, "name": NAME}
_LABELS = {"training": "training", "validation": "validation", "test": "held out"}


class TrainingCurveDisplay:
    """Loss or metric after each epoch, on training, validation and held-out rows.

    Made by `from_cross_validation`, `from_estimator` or `from_history`, which also draw it. The
    line is the mean over the folds, the band their standard deviation. A fold that stopped early
    is carried on at the value of the epoch whose weights it kept, as more epochs would not have
    changed them.

    Parameters
    ----------
    curves : dict of str to ndarray of shape (n_epochs, n_folds)
        Under ``"training"``, ``"validation"`` (rows that decide when to stop) and ``"test"`` (rows
        that decide nothing), whichever there are; NaN after the last epoch of a fold.
    kept_epochs : array-like of int of shape (n_folds,), default=None
        Epochs, from 1, whose weights were kept. None: the last of each fold.
    metric : str, default="loss"
        What the values are.
    name : str, default=None
        Stands in the legend before the names of the lines.

    Attributes
    ----------
    best_epoch : int or None
        Epoch, from 1, after which the mean ``"test"`` curve, or else the ``"validation"`` curve,
        is best; None if there is neither.
    ax_ : matplotlib.axes.Axes
        What it was drawn on.
    figure_ : matplotlib.figure.Figure
        The figure of `ax_`.
    lines_ : dict of str to matplotlib.lines.Line2D
        The means, under the keys of `curves`.
    bands_ : dict of str to matplotlib.collections.PolyCollection
        The bands; empty for a single fold.
    best_ : matplotlib.lines.Line2D or None
        The mark of the best epoch.
    stops_ : matplotlib.lines.Line2D or None
        The marks of the epochs whose weights were kept, where they are not all the last ones.

    See Also
    --------
    ValidationCurveDisplay : Score against a parameter.
    skdl.diagnose : What the curves mean.

    Examples
    --------
    >>> from skdl.inspection import TrainingCurveDisplay
    >>> history = {"loss": [3.0, 2.0, 1.5], "val_loss": [3.0, 2.4, 2.6]}
    >>> display = TrainingCurveDisplay.from_history(history, name="small")
    >>> display.best_epoch
    2
    >>> [line.get_label() for line in display.lines_.values()]
    ['small: training', 'small: validation']
    """

    def __init__(
        self,
        *,
        curves: Curves,
        kept_epochs: ArrayLike | None = None,
        metric: str = "loss",
        name: str | None = None,
    ) -> None:
        self.curves = curves
        self.kept_epochs = kept_epochs
        self.metric = metric
        self.name = name

    # ------------------------------------------------------------------ where from

    @classmethod
    def from_cross_validation(
        cls,
        result: CrossValidated,
        *,
        metric: str = "loss",
        name: str | None = None,
        ax: Axes | None = None,
        **options: Any,
    ) -> Self:
        """Draw the training curves of all folds of a cross-validation.

        Parameters
        ----------
        result : CrossValidationResult
            From `skdl.model_selection.cross_validate`.
        metric : str, default="loss"
            ``"loss"`` or one of the network's ``metrics``.
        name : str, default=None
            Stands in the legend before the names of the lines.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a new figure.
        **options : object
            Further arguments of `plot`.

        Returns
        -------
        display : TrainingCurveDisplay

        Raises
        ------
        TypeError
            If `result` is something else.
        ValueError
            If the folds have no such curve.
        """
        if not hasattr(result, "histories"):
            raise TypeError(
                f"{_OWNER}.from_cross_validation: got a {type(result).__name__}. Expected what "
                "skdl.model_selection.cross_validate returns; scikit-learn's function of that "
                "name keeps no histories."
            )
        folds = list(curves_by_fold(result))
        histories = [curves for curves, _ in folds]
        kept = [epoch for _, epoch in folds]
        return cls._of_histories(histories, kept, metric, name).plot(ax, **options)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        metric: str = "loss",
        name: str | None = None,
        ax: Axes | None = None,
        **options: Any,
    ) -> Self:
        """Draw the training curves of a fitted estimator.

        Parameters
        ----------
        estimator : object
            A fitted network, alone or at the end of a Pipeline, inside a search, or several in an
            ensemble, which then count as folds.
        metric : str, default="loss"
            ``"loss"`` or one of the network's ``metrics``.
        name : str, default=None
            Stands in the legend before the names of the lines.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a new figure.
        **options : object
            Further arguments of `plot`.

        Returns
        -------
        display : TrainingCurveDisplay

        Raises
        ------
        NotFittedError
            If the network is not fitted.
        TypeError
            If it is a class, or the result of a cross-validation.
        ValueError
            If there is no network, or no such curve.
        """
        networks = check_fitted_networks(estimator, f"{_OWNER}.from_estimator")
        kept = [kept_epoch(network) for network in networks]
        histories = [network.history_ for network in networks]
        return cls._of_histories(histories, kept, metric, name).plot(ax, **options)

    @classmethod
    def from_history(
        cls,
        history: Any,
        *,
        metric: str = "loss",
        name: str | None = None,
        ax: Axes | None = None,
        **options: Any,
    ) -> Self:
        """Draw the training curves of a history, or of several.

        Parameters
        ----------
        history : dict of str to list of float, keras.callbacks.History, or list of them
            As ``history_`` of our estimators: values per epoch, ``val_`` in front of the names of
            those of validation rows and ``test_`` of those of held-out rows.
        metric : str, default="loss"
            Which of the names to draw.
        name : str, default=None
            Stands in the legend before the names of the lines.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a new figure.
        **options : object
            Further arguments of `plot`.

        Returns
        -------
        display : TrainingCurveDisplay

        Raises
        ------
        TypeError
            If `history` is something else.
        ValueError
            If there is no such curve.
        """
        check_parameters(_OWNER, {"metric": metric, "name": name}, _NAMES)
        given = history if isinstance(history, list | tuple) else [history]
        histories: list[Any] = [getattr(each, "history", each) for each in given]
        for each in histories:
            # A DataFrame of curves is none, but reads like one.
            if not hasattr(each, "keys") or hasattr(each, "histories"):
                raise TypeError(
                    f"{_OWNER}.from_history: got a {type(each).__name__}. Expected a dict of lists "
                    "of numbers, such as history_; from_estimator takes estimators, and "
                    "from_cross_validation the result of skdl.model_selection.cross_validate."
                )
            for key in [prefix + metric for prefix in _PREFIXES.values()]:
                if key in each:
                    check_curve(f"{_OWNER}.from_history", key, each[key])
        return cls._of_histories(histories, None, metric, name).plot(ax, **options)

    @classmethod
    def _of_histories(
        cls,
        histories: Sequence[History],
        kept: Sequence[int] | None,
        metric: str,
        name: str | None,
    ) -> Self:
        check_parameters(_OWNER, {"metric": metric, "name": name}, _NAMES)
        curves = _curves_of(histories, metric)
        return cls(curves=curves, kept_epochs=kept, metric=metric, name=name)

    # ------------------------------------------------------------------ what it says

    @property
    def best_epoch(self) -> int | None:
        """Epoch, from 1, after which the rows not trained on are best on average."""
        rows = next((rows for rows in ("test", "validation") if rows in self.curves), None)
        if rows is None:
            return None
        mean = self._carried_on(rows).mean(axis=1)
        if not np.isfinite(mean).any():
            return None
        best = np.nanargmax if monitor_mode(self.metric) == "max" else np.nanargmin
        return int(best(mean)) + 1

    def _carried_on(self, rows: str) -> NDArray[np.float64]:
        """Return curves carried on at the value of the epoch they kept; none that has no value."""
        values = np.array(self.curves[rows], float)
        for fold, kept in enumerate(self._kept()):
            known = np.flatnonzero(np.isfinite(values[:, fold]))
            if len(known):
                last = known[-1]
                values[last + 1 :, fold] = values[min(kept - 1, last), fold]
        return values[:, np.isfinite(values).any(axis=0)]

    def _kept(self) -> NDArray[np.int_]:
        if self.kept_epochs is not None:
            return np.asarray(self.kept_epochs, int)
        return self._n_epochs()

    def _n_epochs(self) -> NDArray[np.int_]:
        """Return how many epochs each fold ran."""
        n_rows = len(next(iter(self.curves.values())))
        numbers = np.arange(1, n_rows + 1)[:, None]
        lengths = [
            np.where(np.isfinite(values), numbers, 0).max(axis=0) for values in self.curves.values()
        ]
        return np.max(lengths, axis=0)

    # ------------------------------------------------------------------ drawing

    def plot(
        self,
        ax: Axes | None = None,
        *,
        name: str | None = None,
        band: Literal["std", "range"] | None = "std",
        show_folds: bool = False,
        show_best: bool = True,
        show_stops: bool = True,
        train_kw: Style | None = None,
        val_kw: Style | None = None,
        test_kw: Style | None = None,
        band_kw: Style | None = None,
        best_kw: Style | None = None,
    ) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a new figure.
        name : str, default=None
            Replaces the display's own name.
        band : {"std", "range"} or None, default="std"
            What is shaded around the mean over several folds: one standard deviation on either
            side, as far as the metric can go (no loss below 0 and no accuracy above 1), or from
            the least to the greatest.
        show_folds : bool, default=False
            Draw each fold as a thin line too.
        show_best : bool, default=True
            Mark the best epoch.
        show_stops : bool, default=True
            Mark, below the curves, the epochs whose weights the folds kept, where early stopping
            cut any of them short.
        train_kw, val_kw, test_kw : dict, default=None
            Arguments of ``ax.plot`` for each line, such as ``{"color": "black"}``.
        band_kw : dict, default=None
            Arguments of ``ax.fill_between``.
        best_kw : dict, default=None
            Arguments of ``ax.axvline`` for the best epoch.

        Returns
        -------
        self : TrainingCurveDisplay

        Raises
        ------
        InvalidParameterError
            If a parameter is not as described.
        """
        given = locals()
        check_parameters(_OWNER, {key: given[key] for key in _CONSTRAINTS}, _CONSTRAINTS)
        check_parameters(_OWNER, {"metric": self.metric, "name": self.name}, _NAMES)
        check_curves(_OWNER, self.curves, self.kept_epochs)
        import matplotlib.pyplot as plt

        from skdl.inspection._epoch_axis import EpochLocator

        if ax is None:
            _, ax = plt.subplots()
        title = self.name if name is None else name
        line_kws = {"training": train_kw, "validation": val_kw, "test": test_kw}
        self.lines_: dict[str, Line2D] = {}
        self.bands_: dict[str, PolyCollection] = {}
        for rows in self.curves:
            values = self._carried_on(rows)
            epochs = np.arange(1, len(values) + 1)
            # A single epoch is a point, which a line would not show.
            point = {"marker": "o"} if len(epochs) == 1 else {}
            look = merged(
                LINES[rows], point, {"label": self._label(rows, title, band)}, line_kws[rows]
            )
            (line,) = ax.plot(epochs, values.mean(axis=1), **look)
            self.lines_[rows] = line
            color = line.get_color()
            n_folds = values.shape[1]
            if show_folds and n_folds > 1:
                thin: Style = {"color": color, "linewidth": 0.6, "alpha": 0.5}
                ax.plot(epochs, np.asarray(self.curves[rows]), **thin)
            if band is not None and n_folds > 1:
                bounds = range_of_curve(self.metric, self.curves[rows])
                low, high = np.clip(_limits(values, band), *bounds)
                shade = merged({"color": color}, BAND, band_kw)
                self.bands_[rows] = ax.fill_between(epochs, low, high, **shade)
        self.best_ = self._mark_best(ax, title, best_kw) if show_best else None
        self.stops_ = self._mark_stops(ax) if show_stops else None
        ax.set(xlabel="epoch", ylabel=self.metric)
        ax.xaxis.set_major_locator(EpochLocator())
        ax.legend()
        self.ax_ = ax
        self.figure_ = ax.figure
        return self

    def _label(self, rows: str, title: str | None, band: str | None) -> str:
        n_folds = next(iter(self.curves.values())).shape[1]
        label = _LABELS[rows]
        if n_folds > 1 and rows == next(iter(self.curves)):
            spread = {"std": " ± std", "range": " and range", None: ""}[band]
            label += f" (mean{spread} of {n_folds})"
        return f"{title}: {label}" if title else label

    def _mark_best(self, ax: Axes, title: str | None, best_kw: Style | None) -> Line2D | None:
        best = self.best_epoch
        if best is None:
            return None
        label = f"{title}: best epoch {best}" if title else f"best epoch {best}"
        return ax.axvline(best, **merged(MARK, {"label": label}, best_kw))

    def _mark_stops(self, ax: Axes) -> Line2D | None:
        kept, n_epochs = self._kept(), self._n_epochs()
        if (kept == n_epochs.max(initial=0)).all():
            return None
        (marks,) = ax.plot(
            kept,
            np.zeros(len(kept)),
            transform=ax.get_xaxis_transform(),
            clip_on=False,
            linestyle="none",
            marker="^",
            color=MARK["color"],
            alpha=0.6,
            label="weights kept",
        )
        return marks


def kept_epoch(network: BaseNetwork) -> int:
    """Return the number of epochs, from 1, after which a network had the weights it has."""
    restores = network.early_stopping and network.restore_best_weights
    return int(network.best_epoch_ if restores else network.n_iter_)


def stacked(histories: Sequence[History], key: str, n_epochs: int) -> NDArray[np.float64]:
    """Return one curve of each history side by side, of shape (n_epochs, n_histories)."""
    lengths = [len(history.get(key, ())) for history in histories]
    values = np.full((n_epochs, len(histories)), np.nan)
    for column, (history, length) in enumerate(zip(histories, lengths, strict=True)):
        values[:length, column] = history.get(key, ())
    return values


def _curves_of(histories: Sequence[History], metric: str) -> dict[str, NDArray[np.float64]]:
    """Return the curves of a metric, by the rows that they were measured on."""
    # Keras reports no validation loss in the epochs that `validation_freq` leaves out.
    names = [prefix + metric for prefix in _PREFIXES.values()]
    n_epochs = max((len(h[key]) for h in histories for key in names if key in h), default=0)
    curves = {
        rows: stacked(histories, prefix + metric, n_epochs)
        for rows, prefix in _PREFIXES.items()
        if any(prefix + metric in history for history in histories)
    }
    if not curves:
        known = sorted(
            {str(key).removeprefix("val_").removeprefix("test_") for h in histories for key in h}
        )
        raise ValueError(
            f"{_OWNER}: there is no curve of {metric!r}. "
            + (
                f"Expected one of {known}; to see more, pass metrics=... to the network."
                if known
                else "No epochs were recorded: either the estimator holds no network of skdl, "
                "or no fold was fitted to the end."
            )
        )
    return curves


def _limits(values: NDArray[np.float64], band: str) -> tuple[Curve, Curve]:
    if band == "range":
        return values.min(axis=1), values.max(axis=1)
    mean, spread = values.mean(axis=1), values.std(axis=1, ddof=1)
    return mean - spread, mean + spread
