"""Global random generators, which Keras draws its seeds from."""

from __future__ import annotations

import contextlib
import random
import threading
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["preserved_generators"]

_using_generators = threading.RLock()


@contextlib.contextmanager
def preserved_generators() -> Iterator[None]:
    """Leave Python's and NumPy's global generators as they were: Keras draws seeds from them.

    One thread at a time, since what one puts back another may be drawing from.
    """
    with _using_generators:
        python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
        try:
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)  # noqa: NPY002
