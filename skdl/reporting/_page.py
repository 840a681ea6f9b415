"""A report as one page: HTML that needs nothing from outside, and Markdown."""

from __future__ import annotations

import dataclasses
import html
from pathlib import Path
from typing import TYPE_CHECKING

from skdl.exceptions import InvalidParameterError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skdl.reporting._blocks import Section

__all__ = ["Report", "page_of"]

_SUFFIXES = {".html": "html", ".htm": "html", ".md": "markdown"}


@dataclasses.dataclass(frozen=True, repr=False)
class Report:
    """One page on an estimator, a cross-validation, a search or an ensemble.

    Made by `skdl.report`. In a notebook it is shown as it is.

    Attributes
    ----------
    title : str
        What it is about.
    facts : tuple of (name, value)
        The numbers that matter most.
    sections : tuple of Section
    footer : str
        Versions.
    html : str
        The page. It holds its figures and its style, and loads nothing.
    markdown : str
        The same as Markdown, with words in place of figures.

    Examples
    --------
    >>> import skdl
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> X, y = load_iris(return_X_y=True)
    >>> model = skdl.MLPClassifier(8, epochs=5, random_state=0).fit(scale(X[::2]), y[::2])
    >>> report = skdl.report(model, scale(X[1::2]), y[1::2])
    >>> print(report.markdown.splitlines()[0])
    # Report on MLPClassifier
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    footer: str = ""

    @property
    def html(self) -> str:
        """The page."""
        title = html.escape(self.title)
        return (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{title}</title>\n</head>\n<body>\n{self._repr_html_()}\n</body>\n</html>\n"
        )

    @property
    def markdown(self) -> str:
        """The same as Markdown."""
        facts = "\n".join(f"- {name}: **{value}**" for name, value in self.facts)
        parts = [f"# {self.title}", facts, *(each.as_markdown() for each in self.sections)]
        return "\n\n".join([*filter(None, parts), self.footer]) + "\n"

    def save(self, path: str | Path) -> Path:
        """Write it to a file.

        Parameters
        ----------
        path : str or Path
            Ends in ``.html`` or ``.md``, which decides what is written. A file of that name is
            replaced.

        Returns
        -------
        path : Path
            Where it is.

        Raises
        ------
        InvalidParameterError
            If the name ends otherwise.
        """
        path = Path(path)
        kind = _SUFFIXES.get(path.suffix.lower())
        if kind is None:
            raise InvalidParameterError(
                f"Report.save: path={str(path)!r} ends in {path.suffix!r}. Expected a name that "
                "ends in '.html' or in '.md', such as 'report.html'."
            )
        path.write_text(self.html if kind == "html" else self.markdown, encoding="utf-8")
        return path

    def __repr__(self) -> str:
        facts = "".join(f"\n  {name}: {value}" for name, value in self.facts)
        return f"{self.title}{facts}\n  .save('report.html') writes the page."

    def _repr_html_(self) -> str:
        facts = "".join(
            f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd></div>"
            for name, value in self.facts
        )
        contents = "".join(
            f'<a href="#{each.anchor}">{html.escape(each.title)}</a>' for each in self.sections
        )
        body = "".join(section.as_html() for section in self.sections)
        return (
            f'<div class="skdl-report"><style>{_STYLE}</style>'
            f"<h1>{html.escape(self.title)}</h1><dl>{facts}</dl><nav>{contents}</nav>{body}"
            f"<footer>{html.escape(self.footer)}</footer></div>"
        )


def page_of(
    title: str,
    facts: Sequence[tuple[str, str]],
    sections: Sequence[Section],
    footer: str,
) -> Report:
    """Return a report without the sections that have nothing to say."""
    kept = tuple(section for section in sections if section.blocks)
    return Report(title, tuple(facts), kept, footer)


_STYLE = """
.skdl-report { font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
  color: #1f2328; background: #fff; max-width: 62rem; margin: 0 auto; padding: 1rem;
  color-scheme: light; overflow-wrap: break-word; }
.skdl-report h1 { font-size: 1.7rem; line-height: 1.25; margin: .5rem 0 1rem; }
.skdl-report h2 { font-size: 1.25rem; margin: 2.2rem 0 .6rem; padding-top: .8rem;
  border-top: 1px solid #d0d7de; }
.skdl-report p { margin: .6rem 0; max-width: 46rem; }
.skdl-report .headline { font-weight: 600; font-size: 1.05rem; }
.skdl-report .warning { border-left: 4px solid #bf8700; background: #fff8e5; padding: .5rem .8rem; }
.skdl-report .note, .skdl-report footer, .skdl-report caption { color: #59636e; font-size: .9rem; }
.skdl-report dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr));
  gap: .8rem; margin: 0; }
.skdl-report dl div { border: 1px solid #d0d7de; border-radius: 8px; padding: .6rem .8rem; }
.skdl-report dt { color: #59636e; font-size: .85rem; }
.skdl-report dd { margin: 0; font-size: 1.1rem; font-weight: 600;
  font-variant-numeric: tabular-nums; }
.skdl-report nav { display: flex; flex-wrap: wrap; gap: .2rem 1rem; margin: 1.2rem 0 0; }
.skdl-report a { color: #0b5cad; }
.skdl-report code { font: .9em ui-monospace, Consolas, monospace; background: #f1f3f5;
  padding: .1em .3em; border-radius: 4px; }
.skdl-report .scroll { overflow-x: auto; max-width: 100%; margin: .8rem 0; }
.skdl-report table { border-collapse: collapse; font-size: .92rem; margin: 0;
  font-variant-numeric: tabular-nums; }
.skdl-report caption { text-align: left; padding-bottom: .3rem; }
.skdl-report th, .skdl-report td { padding: .3rem .9rem .3rem 0; text-align: right;
  font-weight: normal; border: 0; border-bottom: 1px solid #e6e9ec; background: none;
  white-space: nowrap; vertical-align: top; }
.skdl-report table.facts th, .skdl-report table.facts td { white-space: normal; }
.skdl-report .code { white-space: nowrap; }
.skdl-report th:first-child { text-align: left; }
.skdl-report thead th { color: #59636e; border-bottom-color: #afb8c1; }
.skdl-report .figures { display: flex; flex-wrap: wrap; gap: 1rem; }
.skdl-report figure { margin: .5rem 0; flex: 0 1 28rem; min-width: 0; }
.skdl-report figure svg { display: block; width: 100%; height: auto; max-width: 28rem; }
.skdl-report figure.wide { overflow-x: auto; }
.skdl-report figure.wide svg { min-width: 40rem; max-width: 60rem; }
.skdl-report .skdl-hover:hover path { stroke-width: 4; stroke-opacity: 1; opacity: 1; }
.skdl-report footer { margin-top: 2.5rem; border-top: 1px solid #d0d7de; padding-top: .6rem; }
@media print {
  .skdl-report { font-size: 10.5pt; max-width: none; padding: 0; }
  .skdl-report nav { display: none; }
  .skdl-report h2 { break-after: avoid; margin-top: 1.2rem; }
  .skdl-report footer { break-before: avoid; margin-top: 1rem; }
  .skdl-report p, .skdl-report li { orphans: 3; widows: 3; }
  .skdl-report figure, .skdl-report .scroll, .skdl-report dl div { break-inside: avoid; }
  .skdl-report caption { white-space: nowrap; }
  .skdl-report .figures { display: block; }
  .skdl-report .figures figure { display: inline-block; width: 48%; }
  .skdl-report .scroll, .skdl-report figure.wide { overflow: visible; }
  .skdl-report figure.wide svg { min-width: 0; width: 100%; }
  .skdl-report .scroll table { font-size: 8.5pt; }
  .skdl-report th, .skdl-report td { white-space: normal; }
}
"""
