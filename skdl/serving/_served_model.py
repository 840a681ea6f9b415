"""One model, in memory from start to stop."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import onnxruntime

from skdl.export import OnnxModel
from skdl.serving._refusal import RefusedError, listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skdl.serving._settings import Settings

__all__ = ["Output", "ServedModel"]

_DATATYPES = {
    "tensor(bool)": "BOOL",
    "tensor(double)": "FP64",
    "tensor(float)": "FP32",
    "tensor(int64)": "INT64",
    "tensor(string)": "BYTES",
    "tensor(uint8)": "UINT8",
}
_FATAL = 4


class Output(NamedTuple):
    """One output of the graph, in the words of the protocol."""

    name: str
    datatype: str
    shape: list[int]


class ServedModel:
    """The file behind a server, with the checks that no client may get around.

    Parameters
    ----------
    settings : Settings

    Attributes
    ----------
    name : str
    max_rows : int
    metadata : dict
        What the file says of itself.
    inputs : list of dict
        Its inputs, with kinds and levels.
    outputs : list of Output
    sha256 : str
        Of the file.
    """

    def __init__(self, settings: Settings) -> None:
        # What a client did wrong is no error of the server.
        onnxruntime.set_default_logger_severity(_FATAL)
        self._model = OnnxModel(settings.path, settings.n_threads)
        self.name = settings.model_name
        self.max_rows = settings.max_rows
        self.metadata = self._model.metadata_
        self.inputs: list[dict[str, Any]] = self.metadata["inputs"]
        self.sha256 = hashlib.sha256(Path(settings.path).read_bytes()).hexdigest()
        self.outputs = [
            Output(value.name, _DATATYPES[value.type], [-1, *value.shape[1:]])
            for value in self._model.session_.get_outputs()
        ]

    @property
    def is_table(self) -> bool:
        """Whether rows have columns with names, and are no array."""
        return bool(self.inputs[0]["kind"] != "array")

    @property
    def classes(self) -> list[Any] | None:
        """Labels in the order of the probabilities."""
        return self.metadata.get("classes")

    def check_n_rows(self, n_rows: int) -> None:
        """Refuse no rows, and too many.

        Raises
        ------
        RefusedError
            If it is so.
        """
        if n_rows < 1:
            raise RefusedError("there are no rows. Expected at least one.")
        if n_rows > self.max_rows:
            raise RefusedError(
                f"there are {n_rows} rows. Expected at most {self.max_rows} in one request: send "
                "several.",
                413,
            )

    def run(self, rows: Any) -> dict[str, NDArray[Any]]:
        """Return all outputs for rows.

        Parameters
        ----------
        rows : dict of columns, or ndarray
            As `OnnxModel` takes them.

        Raises
        ------
        RefusedError
            If the model refuses a category, or predicts no number.
        """
        names = [output.name for output in self.outputs]
        try:
            arrays = self._model.inputs(rows)
        except ValueError as error:
            raise RefusedError(str(error).removeprefix("OnnxModel: ")) from error
        try:
            found = self._model.session_.run(names, arrays)
        except onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument as error:
            # Encoders behind other steps, whose levels no column of X has.
            raise RefusedError(
                "the model refuses these rows: one holds a category that an encoder did not see "
                "in fit. Expected categories of the training rows."
            ) from error
        for name, values in zip(names, found, strict=True):
            if values.dtype.kind == "f":
                self._check_finite(name, values, arrays)
        return dict(zip(names, found, strict=True))

    def _check_finite(
        self, name: str, values: NDArray[Any], arrays: dict[str, NDArray[Any]]
    ) -> None:
        is_finite = np.isfinite(values)
        if is_finite.all():
            return
        is_finite = is_finite.reshape(len(values), -1).all(1)
        row = int(is_finite.argmin())
        gaps = [
            column
            for column, cells in arrays.items()
            if cells.dtype.kind == "f" and np.isnan(cells[row]).any()
        ]
        why = (
            f"{listed(gaps)} {'is' if len(gaps) == 1 else 'are'} missing there, which the model "
            "does not fill"
            if gaps
            else "a number there is too large"
        )
        raise RefusedError(
            f"{name} of row {row} would not be a finite number: {why}. Expected numbers like those "
            "of the training rows; to let gaps pass, put an imputer into the pipeline."
        )
