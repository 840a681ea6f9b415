"""How numbers are written in reports."""

from __future__ import annotations

import math

__all__ = ["between", "count", "number", "share"]


def number(value: float) -> str:
    """Return four digits of a number; "" of NaN."""
    return "" if math.isnan(value) else f"{value:,.4g}".replace("-", "−")


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
