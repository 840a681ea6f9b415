"""Predictions from an exported file, with onnxruntime and NumPy alone.

This module imports nothing else of skdl, so that a copy of it runs where skdl is not installed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

__all__ = ["OnnxModel"]

_METADATA = "skdl"
_LARGEST = np.finfo(np.float32).max
_MISSING_TYPES = {"NAType", "NaTType", "NoneType"}
# ONNX has no missing texts; the empty one stands for them.
_MISSING_TEXT = ""
# An empty text that is none of the levels, and not missing: no level either.
_EMPTY_TEXT = "\x1a"
_MOST_SHOWN = 5


class OnnxModel:
    """A model in a file that `to_onnx` wrote, ready to predict.

    Parameters
    ----------
    path : str or path-like
        The file.
    n_threads : int, default=1
        Threads of onnxruntime for one call; rows of small networks are not worth more.

    Attributes
    ----------
    metadata_ : dict
        What the file says of itself: inputs with names, kinds and levels, classes, versions, when
        it was written, and the largest difference from the estimator.
    classes_ : ndarray of shape (n_classes,)
        Of classifiers, the labels in the order of the columns of `predict_proba`.
    session_ : onnxruntime.InferenceSession
        For calls of your own.

    See Also
    --------
    to_onnx : Writes such files.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_iris
    >>> from skdl import MLPClassifier
    >>> from skdl.export import OnnxModel, to_onnx
    >>> X, y = load_iris(return_X_y=True)
    >>> network = MLPClassifier(16, epochs=5, random_state=0).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "iris.onnx"
    ...     report = to_onnx(network, X, path)
    ...     model = OnnxModel(path)
    >>> bool((model.predict(X) == network.predict(X)).all())
    True
    """

    def __init__(self, path: str | os.PathLike[str], n_threads: int = 1) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise ImportError(
                "OnnxModel needs the package 'onnxruntime', which is not installed. Install it "
                'with pip install onnxruntime, or pip install "skdl[export]".'
            ) from error
        self._path = Path(path)
        if not self._path.is_file():
            raise FileNotFoundError(
                f"OnnxModel: there is no file {str(self._path)!r}. Expected one that "
                "skdl.export.to_onnx wrote."
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = n_threads
        try:
            self.session_ = onnxruntime.InferenceSession(
                str(self._path), options, providers=["CPUExecutionProvider"]
            )
        except (MemoryError, OSError):
            raise
        except Exception as error:  # a class of its own for each kind of damage
            raise ValueError(
                f"OnnxModel: {str(self._path)!r} is no ONNX file, or a damaged one: {error}. "
                "Expected one that skdl.export.to_onnx wrote."
            ) from error
        held = self.session_.get_modelmeta().custom_metadata_map.get(_METADATA)
        if held is None:
            raise ValueError(
                f"OnnxModel: {str(self._path)!r} was not written by skdl.export.to_onnx, as its "
                "metadata lack 'skdl'. Expected such a file; use onnxruntime for others."
            )
        self.metadata_ = self._checked(held)
        if "classes" in self.metadata_:
            self.classes_ = np.array(self.metadata_["classes"])

    def _checked(self, held: str) -> dict[str, Any]:
        """Return the metadata, or refuse those that somebody has changed."""
        try:
            metadata = json.loads(held)
            is_whole = metadata["task"] in {"classification", "regression"} and all(
                {"name", "kind", "dtype", "shape"} <= own.keys() for own in metadata["inputs"]
            )
        except (ValueError, TypeError, KeyError, AttributeError):
            is_whole = False
        if not is_whole or not metadata["inputs"]:
            raise ValueError(
                f"OnnxModel: the metadata 'skdl' of {str(self._path)!r} are damaged. Expected them "
                "as skdl.export.to_onnx wrote them. Export the estimator again."
            )
        return dict(metadata)

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict as the exported estimator's ``predict`` does.

        Parameters
        ----------
        X : DataFrame, dict of columns, or array-like of shape (n_samples, ...)
            Rows in the form in which ``to_onnx`` was given them. Columns are found by name; others
            than those of the file are left aside.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)

        Raises
        ------
        ValueError
            If there are no rows, or a column is missing, holds something else, or holds a category
            or gaps that the estimator refuses.
        """
        is_classifier = self.metadata_["task"] == "classification"
        result = self._run("label" if is_classifier else "prediction", X)
        if is_classifier:
            return result.astype(self.classes_.dtype) if result.dtype == object else result
        return result

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Predict the probability of each class.

        Parameters
        ----------
        X : DataFrame, dict of columns, or array-like of shape (n_samples, ...)
            As in `predict`.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes), float64
            Columns follow ``classes_``.

        Raises
        ------
        AttributeError
            If the file holds a regressor.
        ValueError
            As in `predict`.
        """
        if self.metadata_["task"] != "classification":
            raise AttributeError(
                f"OnnxModel: {str(self._path)!r} holds a regressor, which has no predict_proba. "
                "Use predict."
            )
        return self._run("probabilities", X)

    def predict_quantiles(self, X: Any) -> NDArray[np.float64]:
        """Predict the quantiles that a network with several `quantiles` has learned.

        Parameters
        ----------
        X : DataFrame, dict of columns, or array-like of shape (n_samples, ...)
            As in `predict`.

        Returns
        -------
        quantiles : ndarray of shape (n_samples, n_quantiles), float64
            In increasing order.

        Raises
        ------
        AttributeError
            If the file holds no quantiles.
        ValueError
            As in `predict`.
        """
        if not self.metadata_.get("has_quantiles"):
            raise AttributeError(
                f"OnnxModel: {str(self._path)!r} holds no quantiles. Expected the file of a "
                "regressor with several, such as MLPRegressor(loss='quantile', "
                "quantiles=[0.05, 0.5, 0.95])."
            )
        return self._run("quantiles", X)

    def _run(self, output: str, X: Any) -> NDArray[Any]:
        # Of NaN, too, a label is the first of the largest.
        names = ["label", "probabilities"] if output == "label" else [output]
        *_, numbers = found = self.session_.run(names, self.inputs(X))
        row = _first_with_nan(numbers)
        if row is not None:
            raise ValueError(
                f"OnnxModel: what the file predicts for row {row} of X is no number. Expected rows "
                "like those that to_onnx was given: without missing values, if no step of the "
                "estimator fills them."
            )
        result: NDArray[Any] = found[0]
        return result

    def inputs(self, X: Any) -> dict[str, NDArray[Any]]:
        """Return rows as what onnxruntime takes: one array for each input of the file.

        Parameters
        ----------
        X : DataFrame, dict of columns, or array-like of shape (n_samples, ...)
            As in `predict`.

        Returns
        -------
        inputs : dict of str to ndarray
        """
        described = self.metadata_["inputs"]
        if described[0]["kind"] == "array":
            return {described[0]["name"]: _rows(described[0], X)}
        missing = [own["name"] for own in described if not _has(X, own["name"])]
        if missing:
            raise ValueError(
                f"OnnxModel: X has no columns {_listed(missing)}. Expected a DataFrame, or a dict "
                f"of columns, with {_listed([own['name'] for own in described])}."
            )
        lengths = {own["name"]: len(X[own["name"]]) for own in described}
        if len(set(lengths.values())) > 1:
            raise ValueError(
                f"OnnxModel: the columns of X have {lengths} cells. Expected one of each for a row."
            )
        _check_n_rows(lengths[described[0]["name"]])
        return {own["name"]: _cells(own, X[own["name"]]) for own in described}


def _check_n_rows(n_rows: int) -> None:
    if n_rows == 0:
        raise ValueError("OnnxModel: X has no rows. Expected at least one.")


def _has(X: Any, name: str) -> bool:
    names = X.columns if hasattr(X, "columns") else X if isinstance(X, dict) else ()
    return name in names


def _rows(described: dict[str, Any], X: Any) -> NDArray[Any]:
    if hasattr(X, "toarray"):
        raise ValueError("OnnxModel: X is sparse. Expected dense rows: X.toarray().")
    try:
        given = np.asarray(X)
        rows = given.astype(
            described["dtype"], casting="no" if given.dtype.kind == "c" else "unsafe"
        )
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"OnnxModel: X does not hold numbers: {error}. Expected rows of numbers, as those that "
            "to_onnx was given."
        ) from error
    shape = tuple(described["shape"])
    if rows.ndim == 0 or rows.shape[1:] != shape:
        raise ValueError(
            f"OnnxModel: rows of X have shape {rows.shape[1:]}. Expected {shape}, as those that "
            "to_onnx was given."
        )
    _check_n_rows(len(rows))
    if rows.dtype == np.uint8 and (rows != given).any():
        raise ValueError(
            "OnnxModel: X holds other numbers than bytes. Expected integers from 0 to 255, as the "
            "rows that to_onnx was given."
        )
    _check_size(rows, "X")
    _check_gaps(described, rows, "X")
    return rows


def _check_gaps(described: dict[str, Any], rows: NDArray[Any], what: str) -> None:
    """Refuse gaps where the estimator does: a node may make any number of them."""
    refused = described.get("refuses_gaps")
    if not refused:
        return
    row = _first_with_nan(rows if refused is True else rows[:, refused])
    if row is not None:
        raise ValueError(
            f"OnnxModel: row {row} of {what} has a missing value, which the estimator refuses. "
            "Expected a number in each cell; to let gaps pass, put an imputer into the pipeline "
            "and export again."
        )


def _first_with_nan(rows: NDArray[Any]) -> int | None:
    is_nan = np.isnan(rows.reshape(len(rows), -1)).any(1)
    return int(is_nan.argmax()) if is_nan.any() else None


def _check_size(numbers: NDArray[Any], what: str) -> None:
    """Refuse what scikit-learn refuses: a network would answer as if the number were another."""
    if numbers.dtype.kind != "f":
        return
    is_too_large = np.abs(numbers.reshape(len(numbers), -1)) > _LARGEST
    if is_too_large.any():
        row = int(is_too_large.any(1).argmax())
        raise ValueError(
            f"OnnxModel: row {row} of {what} holds infinity, or a number beyond {_LARGEST:.3g}. "
            "Expected numbers that float32 can hold."
        )


def _cells(described: dict[str, Any], values: Any) -> NDArray[Any]:
    """Return one column ``[N, 1]`` in the type of its input."""
    name, kind = described["name"], described["kind"]
    levels = described.get("levels")
    try:
        if kind == "string":
            column = _texts(values, is_empty_a_level=levels is None or _MISSING_TEXT in levels)
        else:
            column = _numbers(values) if kind == "number" else _times(values, kind)
    except (TypeError, ValueError) as error:
        nouns = {
            "number": "numbers", "string": "text", "datetime": "dates", "timedelta": "durations",
        }  # fmt: skip
        raise ValueError(
            f"OnnxModel: column {name!r} does not hold {nouns[kind]}: {error}. Expected "
            f"{nouns[kind]}, as the rows that to_onnx was given."
        ) from error
    if kind == "number":
        _check_size(column, f"column {name!r}")
        _check_gaps(described, column, f"column {name!r}")
    if described.get("refuses_others"):
        _check_levels(described, column)
    return column[:, None]


def _check_levels(described: dict[str, Any], column: NDArray[Any]) -> None:
    levels = described["levels"]
    is_text = column.dtype == object
    missing = _MISSING_TEXT if is_text else np.nan
    known = [missing if level is None else level for level in levels]
    known += [missing] if described.get("fills_gaps") else []
    if is_text:
        texts = set(known)
        is_known = np.array([cell in texts for cell in column], bool)
    else:
        is_known = np.isin(column, known)
        is_known |= np.isnan(column) & (None in levels)
    if not is_known.all():
        unknown = ["" if cell == _EMPTY_TEXT else cell for cell in column[~is_known].tolist()]
        raise ValueError(
            f"OnnxModel: column {described['name']!r} holds {_listed(unknown)}, which the encoder "
            f"did not see in fit and refuses. Expected one of {_listed(levels)}; to let others "
            "pass, fit the encoder with handle_unknown other than 'error' and export again."
        )


def _is_missing(cell: Any) -> bool:
    return type(cell).__name__ in _MISSING_TYPES or (isinstance(cell, float) and np.isnan(cell))


def _numbers(values: Any) -> NDArray[Any]:
    dtype = getattr(values, "dtype", None)
    if getattr(dtype, "kind", "O") in "fiub" and isinstance(dtype, np.dtype):
        return np.asarray(values, np.float64)
    return np.array([np.nan if _is_missing(cell) else float(cell) for cell in values], np.float64)


def _texts(values: Any, *, is_empty_a_level: bool) -> NDArray[Any]:
    empty = _MISSING_TEXT if is_empty_a_level else _EMPTY_TEXT

    def as_text(cell: Any) -> Any:
        if _is_missing(cell):
            return _MISSING_TEXT
        return empty if isinstance(cell, str) and not cell else cell

    cells = [as_text(cell) for cell in values]
    wrong = [cell for cell in cells if not isinstance(cell, str)]
    if wrong:
        raise TypeError(f"{wrong[0]!r} is of type {type(wrong[0]).__name__}")
    column = np.empty(len(cells), object)
    column[:] = cells
    return column


def _times(values: Any, kind: str) -> NDArray[Any]:
    unit = f"{kind}64[ns]"
    # Of dates in Arrow, pandas refuses to tell the time zone.
    arrow = getattr(getattr(values, "dtype", None), "pyarrow_dtype", None)
    if getattr(getattr(values, "dt", None) if arrow is None else arrow, "tz", None) is not None:
        values = values.dt.tz_convert("UTC").dt.tz_localize(None)
    if arrow is not None:
        values = values.astype(unit)
    times = np.asarray(values)
    if times.dtype == object:
        times = np.array(["NaT" if _is_missing(cell) else cell for cell in times], unit)
    if times.dtype.kind != np.dtype(unit).kind:
        raise TypeError(f"its cells are of dtype {times.dtype}")
    return times.astype(unit).astype(np.int64)


def _listed(names: list[Any]) -> str:
    more = len(names) - _MOST_SHOWN
    return f"{names[:_MOST_SHOWN]}" + (f" and {more} more" if more > 0 else "")
