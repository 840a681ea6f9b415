"""Results of single rows, kept so that each row is computed once."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["RowCache"]


class RowCache:
    """Results of single rows, found again by the bytes of the row.

    Threads that ask for the same rows wait for one another, so that no row is computed twice.

    Parameters
    ----------
    max_bytes : int
        Of results; beyond that those asked for longest ago are dropped.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._results: OrderedDict[bytes, NDArray[Any]] = OrderedDict()
        self._n_bytes = 0
        self._lock = threading.Lock()

    def __call__(
        self, rows: NDArray[Any], compute: Callable[[NDArray[Any], NDArray[np.intp]], NDArray[Any]]
    ) -> NDArray[Any]:
        """Return the results of rows.

        Parameters
        ----------
        rows : ndarray of shape (n_rows, ...)
        compute : callable
            ``compute(rows, index)`` gives the results of ``rows[index]``, one after another.

        Returns
        -------
        results : ndarray of shape (n_rows, ...)
        """
        keys = [
            hashlib.blake2b(np.ascontiguousarray(row).data, digest_size=16).digest() for row in rows
        ]
        with self._lock:
            first_of: dict[bytes, int] = {}
            for i, key in enumerate(keys):
                if key not in self._results:
                    first_of.setdefault(key, i)
            computed = compute(rows, np.fromiter(first_of.values(), np.intp, len(first_of)))
            fresh = dict(zip(first_of, computed, strict=True))
            results = np.stack([fresh[k] if k in fresh else self._results[k] for k in keys])
            self._keep(keys, fresh)
        return results

    def _keep(self, keys: list[bytes], fresh: dict[bytes, NDArray[Any]]) -> None:
        for key in keys:
            if key in self._results:
                self._results.move_to_end(key)
            else:
                # A copy, or each row would keep the whole array alive.
                result = self._results[key] = fresh[key].copy()
                self._n_bytes += result.nbytes
        while self._n_bytes > self.max_bytes:
            self._n_bytes -= self._results.popitem(last=False)[1].nbytes
