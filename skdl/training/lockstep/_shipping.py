"""Work on its way to another process: large arrays travel by themselves, each of them once.

An engine ships an array that several chunks need once: joblib maps it from a file for processes
of one machine, and Dask scatters it. For that it must see the array, not a pickle of it. So what
a chunk's pickle holds in place of a large array is a number. The arrays lie beside the pickle.
"""

from __future__ import annotations

import io
import pickle
from typing import TYPE_CHECKING, Any

import cloudpickle
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["Cargo", "pack", "unpack"]

# From so many bytes on joblib maps arrays from a file. Smaller ones are not worth a transfer each.
LARGE_BYTES = 1_000_000


class Cargo:
    """Large arrays that pickles refer to by number.

    Attributes
    ----------
    arrays : dict of int to ndarray
    """

    def __init__(self) -> None:
        self.arrays: dict[int, NDArray[Any]] = {}
        self._numbers: dict[int, int] = {}

    def number_of(self, array: NDArray[Any]) -> int:
        """Return the number of an array, which is kept."""
        number = self._numbers.setdefault(id(array), len(self._numbers))
        self.arrays[number] = array
        return number


class _Pickler(cloudpickle.Pickler):
    def __init__(self, file: io.BytesIO, cargo: Cargo) -> None:
        super().__init__(file)
        self._cargo = cargo
        self.numbers: list[int] = []

    def persistent_id(self, value: Any) -> int | None:
        is_plain = type(value) in {np.ndarray, np.memmap} and not value.dtype.hasobject
        if not is_plain or value.nbytes < LARGE_BYTES:
            return None
        number = self._cargo.number_of(value)
        if number not in self.numbers:
            self.numbers.append(number)
        return number


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, arrays: Mapping[int, NDArray[Any]]) -> None:
        super().__init__(file)
        self._arrays = arrays

    def persistent_load(self, number: int) -> NDArray[Any]:
        return self._arrays[number]


def pack(value: object, cargo: Cargo) -> tuple[bytes, list[int]]:
    """Return a pickle and the numbers of the arrays that it refers to.

    Parameters
    ----------
    value : object
        Functions and classes of a script or notebook are pickled with their code.
    cargo : Cargo
        Gets the large arrays.

    Returns
    -------
    pickled : bytes
    numbers : list of int
    """
    file = io.BytesIO()
    pickler = _Pickler(file, cargo)
    pickler.dump(value)
    return file.getvalue(), pickler.numbers


def unpack(pickled: bytes, arrays: Mapping[int, NDArray[Any]]) -> Any:
    """Return what `pack` was given, with the arrays that have arrived.

    Parameters
    ----------
    pickled : bytes
        From this program's own caller, over the engine's own connection.
    arrays : mapping of int to ndarray
        By number.

    Returns
    -------
    value : object
    """
    return _Unpickler(io.BytesIO(pickled), arrays).load()
