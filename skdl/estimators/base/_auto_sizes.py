"""What ``"auto"`` stands for, by the number of rows to train on.

Steps are what a network learns by, so few rows get small batches; and few rows get few bins and
narrow layers, as wide networks learned them by heart (docs/accuracy.rst). Powers of two, so that
folds that differ by a row are one stack.
"""

from __future__ import annotations

import math

__all__ = [
    "auto_batch_size",
    "auto_epochs",
    "auto_hidden_units",
    "auto_n_bins",
    "auto_numeric_embedding",
]

# Small tables had too few steps in 64 epochs: an RMSE of 5.11 on concrete (659 rows to train on)
# with 1,344 steps, 4.19 with 5,376. On diabetes and penguins more changed nothing beyond noise.
_STEPS = 8192
_FEWEST_EPOCHS, _MOST_EPOCHS = 64, 256
_ROWS_TO_EMBED = 500


def auto_batch_size(n_rows: int) -> int:
    """Return the power of two nearest to a 128th of the rows, between 32 and 256."""
    return _power_of_two(n_rows / 128, 32, 256)


def auto_epochs(n_rows: int, batch_size: int) -> int:
    """Return the power of two nearest to 8,192 steps, between 64 and 256."""
    steps_per_epoch = math.ceil(n_rows / batch_size)
    return _power_of_two(_STEPS / steps_per_epoch, _FEWEST_EPOCHS, _MOST_EPOCHS)


def auto_hidden_units(n_rows: int) -> int:
    """Return the power of two nearest to the rows' square root, between 64 and 256."""
    return _power_of_two(math.sqrt(n_rows), 64, 256)


def auto_n_bins(n_rows: int) -> int:
    """Return the power of two nearest to a 40th of the rows, between 8 and 128."""
    return _power_of_two(n_rows / 40, 8, 128)


def auto_numeric_embedding(n_rows: int) -> str | None:
    """Return the embedding by bins from 500 rows on; fewer rows are learned by heart with it."""
    return "piecewise_linear" if n_rows >= _ROWS_TO_EMBED else None


def _power_of_two(value: float, least: int, most: int) -> int:
    nearest: int = 2 ** round(math.log2(max(value, 1)))
    return min(max(nearest, least), most)
