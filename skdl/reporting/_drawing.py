"""Figures of matplotlib as SVG that stands inside a page."""

from __future__ import annotations

import hashlib
import html
import io
import re
from typing import TYPE_CHECKING, Any

from skdl.reporting._blocks import Figure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from matplotlib.axes import Axes

__all__ = ["INK", "OTHER", "drawing"]

INK, OTHER = "#0072B2", "#D55E00"
_LOOK: Any = {
    # Letters stay letters: they can be read aloud, searched and copied.
    "svg.fonttype": "none",
    "svg.hashsalt": "skdl",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#59636e",
    "legend.frameon": False,
    "legend.fontsize": 9,
}


def drawing(
    draw: Callable[[Axes], Mapping[str, str] | None],
    alt: str,
    *,
    width: float = 4.6,
    height: float = 3.1,
    is_wide: bool = False,
) -> Figure:
    """Return what a function draws on axes.

    Parameters
    ----------
    draw : callable
        Takes the axes. May return words to be shown where the mouse is, by the ``gid`` of what was
        drawn.
    alt : str
        What it shows.
    width, height : float
        Inches, of 96 pixels.
    is_wide : bool
        Whether it keeps its width on a small screen.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure as Canvas

    with mpl.rc_context(_LOOK):
        canvas = Canvas(figsize=(width, height), layout="constrained")
        hover = draw(canvas.add_subplot()) or {}
        buffer = io.StringIO()
        canvas.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return Figure(_embedded(buffer.getvalue(), alt, hover), alt, is_wide=is_wide)


def _embedded(svg: str, alt: str, hover: Mapping[str, str]) -> str:
    """Return an SVG without what belongs to a file of its own, its names unlike other figures'."""
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    for name, words in hover.items():
        told = f'<g class="skdl-hover" id="{name}"><title>{html.escape(words)}</title>'
        svg = svg.replace(f'<g id="{name}">', told)
    prefix = f"s{hashlib.sha256(svg.encode()).hexdigest()[:8]}-"
    svg = re.sub(r'\bid="', f'id="{prefix}', svg)
    svg = re.sub(r'(href="#|url\(#)', rf"\1{prefix}", svg)
    label = html.escape(alt)
    return re.sub(r"<svg ", f'<svg role="img" aria-label="{label}" ', svg, count=1)
