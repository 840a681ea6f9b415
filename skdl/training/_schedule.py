"""Learning-rate schedules: by what the rate of a job is multiplied at each of its steps.

The factors are data of the program, not part of it, so members of a stack may differ in them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skdl.training._settings import Schedule

__all__ = ["PLATEAU_FACTOR", "rate_factors"]

# What a plateau multiplies the rate by: scikit-learn's ``learning_rate="adaptive"`` divides by 5.
PLATEAU_FACTOR = 0.2


def rate_factors(schedule: Schedule, first: int, count: int, total: int) -> NDArray[np.float32]:
    """Return the factors of the steps ``first ... first + count - 1`` out of `total`, from 0.

    With t the share of the steps that lie behind:

    - ``"cosine"``: ``(1 + cos(pi t)) / 2`` (Loshchilov and Hutter 2017, Eq. 5, without restarts);
    - ``"coslog4"``: ``(1 - cos(2 pi log2(1 + 15 t))) / 2``, four ever longer waves from 0 to 1
      and back (Holzmüller et al. 2024, section 3);
    - ``"constant"`` and ``"plateau"``: 1, as a plateau changes the rate itself.

    Parameters
    ----------
    schedule : Schedule
    first, count, total : int
        Steps behind the last have its factor.

    Returns
    -------
    factors : ndarray of shape (count,)
    """
    t = np.minimum(np.arange(first, first + count) / max(total, 1), 1.0)
    if schedule.kind == "cosine":
        factors = 0.5 * (1.0 + np.cos(np.pi * t))
    elif schedule.kind == "coslog4":
        factors = 0.5 * (1.0 - np.cos(2.0 * np.pi * np.log2(1.0 + 15.0 * t)))
    else:
        factors = np.ones(count)
    return factors.astype(np.float32)
