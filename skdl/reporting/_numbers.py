"""How numbers are written in reports."""

from __future__ import annotations

import math

__all__ = ["between", "count", "number", "share"]

# From here on a power of ten is easier to read.
_MANY_DIGITS = 1e9


def number(value: float) -> str:
    """Return four digits of a number, such as 39,570; "" of NaN."""
    if math.isnan(value):
        return ""
    is_long = 9999.5 <= abs(value) < _MANY_DIGITS
    text = f"{float(f'{value:.4g}'):,.0f}" if is_long else f"{value:,.4g}"
    return text.replace("-", "−")


def between(low: float, high: float) -> str:
    """Return an interval; "" where it is not known."""
    known = not (math.isnan(low) or math.isnan(high))
    return f"{number(low)} to {number(high)}" if known else ""


def share(part: float, whole: float) -> str:
    """Return a part in per cent, with a digit where it is small."""
    percent = 100 * part / whole if whole else 0.0
    return f"{percent:.1f} %" if 0 < percent < 10 else f"{percent:.0f} %"


def count(n: int, noun: str) -> str:
    """Return a number with its noun, in the plural where need be."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
