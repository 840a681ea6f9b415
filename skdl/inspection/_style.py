"""How lines look: told apart by colour, by dashes and by brightness.

The colours are out of the palette of Okabe and Ito (2008), which people with any of the common
colour deficiencies can tell apart. On grey paper the dashes remain.
"""

from __future__ import annotations

from typing import Any

__all__ = ["BAND", "LINES", "MARK", "Style", "merged"]

# Keyword arguments of a function of matplotlib.
Style = dict[str, Any]

LINES: dict[str, Style] = {
    "training": {"color": "#0072B2", "linestyle": "--"},
    "validation": {"color": "#E69F00", "linestyle": "-."},
    "test": {"color": "#D55E00", "linestyle": "-"},
}
BAND: Style = {"alpha": 0.2, "linewidth": 0}
MARK: Style = {"color": "0.25", "linewidth": 1, "linestyle": ":"}

# What matplotlib takes under two names must not be given twice.
_SHORT = {"c": "color", "ls": "linestyle", "lw": "linewidth", "ms": "markersize"}


def merged(*options: Style | None) -> Style:
    """Return keyword arguments of matplotlib, later ones in place of earlier ones."""
    result: Style = {}
    for given in options:
        result |= {_SHORT.get(name, name): value for name, value in (given or {}).items()}
    return result
