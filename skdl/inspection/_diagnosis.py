"""What a diagnosis is: findings with their codes, numbers and remedies, as text and as HTML."""

from __future__ import annotations

import dataclasses
import html
import textwrap

from skdl._doc_links import documentation_url

__all__ = ["CODES", "Diagnosis", "Finding"]

# A code means the same in every release: people search for it, and pass it to `ignore`.
CODES = {
    "no_better_than_baseline": "SKDL-N1",
    "bias": "SKDL-B1",
    "variance": "SKDL-V1",
    "stopped_too_early": "SKDL-E1",
    "trained_too_long": "SKDL-E2",
    "noisy": "SKDL-E3",
    "good": "SKDL-G1",
}
_PAGE = "diagnosis.html"

_WIDTH = 88


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Attributes
    ----------
    kind : str
        ``"no_better_than_baseline"``, ``"bias"``, ``"variance"``, ``"stopped_too_early"``,
        ``"trained_too_long"``, ``"noisy"`` or ``"good"``.
    text : str
        What it means, in a sentence or two with the numbers that matter.
    numbers : dict of str to float
        The numbers behind it, the threshold that was passed included.
    remedies : tuple of str
        What to try, the most promising first. Those of one diagnosis do not contradict each other.
    code : str
        Stands for the kind in every release, such as ``"SKDL-V1"``: the heading of its section in
        the documentation, and a value of ``ignore``.
    sentence : str
        What it is, and the text.
    link : str
        Address of that section; "" where it is not known where the documentation is published.
    """

    kind: str
    text: str
    numbers: dict[str, float]
    remedies: tuple[str, ...] = ()

    @property
    def code(self) -> str:
        """The code of its kind."""
        return CODES[self.kind]

    @property
    def sentence(self) -> str:
        """What it is, and the text."""
        return f"{_HEADLINES[self.kind]}: {_uncapitalized(self.text)}"

    @property
    def link(self) -> str:
        """Address of the section on it."""
        base = documentation_url()
        return f"{base}/{_PAGE}#{self.code.lower()}" if base else ""


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """What `diagnose` found, the most important first.

    Attributes
    ----------
    title : str
        What was looked at.
    scores : dict of str to float
        Training score, held-out score, baseline and score to reach, those that are known.
    findings : tuple of Finding
        At least one.
    notes : tuple of str
        What could not be judged, and what would be needed for it.
    kinds : tuple of str
        The kinds of the findings.
    headline : str
        The most important finding in a sentence.

    Examples
    --------
    >>> from skdl.inspection import TrainingCurveDisplay, diagnose
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from skdl import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> network = MLPClassifier(8, epochs=5, early_stopping=True, random_state=0).fit(scale(X), y)
    >>> diagnosis = diagnose(network)
    >>> "stopped_too_early" in diagnosis.kinds
    True
    """

    title: str
    scores: dict[str, float]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of the findings, the most important first."""
        return tuple(finding.kind for finding in self.findings)

    @property
    def headline(self) -> str:
        """The most important finding in a sentence."""
        return self.findings[0].sentence

    def __repr__(self) -> str:
        lines = [self.title]
        for number, finding in enumerate(self.findings, 1):
            told = f"{finding.sentence} ({finding.code})"
            lines += ["", *_wrapped(f"{number}. ", told)]
            for i, remedy in enumerate(finding.remedies):
                lines += _wrapped("   Try: " if i == 0 else "        ", remedy)
            if number == 1:
                lines += self._table()
        base = documentation_url()
        codes = f"What a code means: {base}/{_PAGE}" if base else ""
        for note in filter(None, [*self.notes, codes]):
            lines += ["", *_wrapped("", note)]
        return "\n".join(lines)

    def _table(self) -> list[str]:
        width = max(map(len, self.scores), default=0)
        rows = [f"   {name:<{width}}  {value:>10.4g}" for name, value in self.scores.items()]
        return ["", *rows] if rows else []

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><th scope="row">{html.escape(name)}</th><td>{value:.4g}</td></tr>'
            for name, value in self.scores.items()
        )
        first, *others = (
            f"<strong>{html.escape(_HEADLINES[finding.kind])}:</strong> "
            f"{html.escape(_uncapitalized(finding.text))} {_code(finding)}{_remedies(finding)}"
            for finding in self.findings
        )
        items = "".join(f"<li>{item}</li>" for item in others)
        also = f"<p>Also found, less important:</p><ol start=2>{items}</ol>" if others else ""
        notes = "".join(f'<p class="skdl-dim">{html.escape(note)}</p>' for note in self.notes)
        return (
            f'<div class="skdl-diagnosis"><style>{_STYLE}</style>'
            f"<strong>{html.escape(self.title)}</strong><p>{first}</p>"
            f"<table><tbody>{rows}</tbody></table>{also}{notes}</div>"
        )


_HEADLINES = {
    "no_better_than_baseline": "No better than the baseline",
    "bias": "Bias",
    "variance": "Variance",
    "stopped_too_early": "Stopped too early",
    "trained_too_long": "Trained too long",
    "noisy": "Noisy curve",
    "good": "Good fit",
}

# Colours are those of the notebook's theme, light or dark.
_STYLE = """
.skdl-diagnosis { font-size: 0.9em; line-height: 1.5; color: inherit; max-width: 46em; }
.skdl-diagnosis table { border-collapse: collapse; margin: 0.5em 0;
  font-variant-numeric: tabular-nums; }
.skdl-diagnosis th, .skdl-diagnosis td { padding: 0.1em 1em 0.1em 0; border: 0; background: none;
  color: inherit; text-align: left; font-weight: normal; }
.skdl-diagnosis td { text-align: right; }
.skdl-diagnosis .skdl-dim { opacity: 0.65; }
"""


def _uncapitalized(text: str) -> str:
    return text[:1].lower() + text[1:]


def _code(finding: Finding) -> str:
    if not finding.link:
        return f'<span class="skdl-dim">{finding.code}</span>'
    return f'<a href="{html.escape(finding.link)}">{finding.code}</a>'


def _remedies(finding: Finding) -> str:
    if not finding.remedies:
        return ""
    items = "".join(f"<li>{html.escape(remedy)}</li>" for remedy in finding.remedies)
    return f'<br/><span class="skdl-dim">Try, in this order:</span><ul>{items}</ul>'


def _wrapped(first: str, text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=first, subsequent_indent=" " * len(first))
