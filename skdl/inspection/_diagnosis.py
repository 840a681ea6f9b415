"""What a diagnosis is: findings with their numbers and remedies, as text and in a notebook."""

from __future__ import annotations

import dataclasses
import html
import textwrap

__all__ = ["Diagnosis", "Finding"]

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
        What to try, the most promising first.
    """

    kind: str
    text: str
    numbers: dict[str, float]
    remedies: tuple[str, ...] = ()


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

    def __repr__(self) -> str:
        lines = [self.title, ""]
        width = max(map(len, self.scores), default=0)
        lines += [f"  {name:<{width}}  {value:>10.4g}" for name, value in self.scores.items()]
        for number, finding in enumerate(self.findings, 1):
            lines += ["", *_wrapped(f"{number}. ", f"{_headline(finding)} {finding.text}")]
            for i, remedy in enumerate(finding.remedies):
                lines += _wrapped("   Try: " if i == 0 else "        ", remedy)
        for note in self.notes:
            lines += ["", *_wrapped("", note)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><th scope="row">{html.escape(name)}</th><td>{value:.4g}</td></tr>'
            for name, value in self.scores.items()
        )
        items = "".join(
            f"<li><strong>{html.escape(_headline(finding))}</strong> {html.escape(finding.text)}"
            f"{_remedies(finding)}</li>"
            for finding in self.findings
        )
        notes = "".join(f'<p class="skdl-dim">{html.escape(note)}</p>' for note in self.notes)
        return (
            f'<div class="skdl-diagnosis"><style>{_STYLE}</style>'
            f"<strong>{html.escape(self.title)}</strong>"
            f"<table><tbody>{rows}</tbody></table><ol>{items}</ol>{notes}</div>"
        )


_HEADLINES = {
    "no_better_than_baseline": "No better than the baseline.",
    "bias": "Bias.",
    "variance": "Variance.",
    "stopped_too_early": "Stopped too early.",
    "trained_too_long": "Trained too long.",
    "noisy": "Noisy curve.",
    "good": "Good fit.",
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


def _headline(finding: Finding) -> str:
    return _HEADLINES[finding.kind]


def _remedies(finding: Finding) -> str:
    if not finding.remedies:
        return ""
    items = "".join(f"<li>{html.escape(remedy)}</li>" for remedy in finding.remedies)
    return f'<br/><span class="skdl-dim">Try, in this order:</span><ol>{items}</ol>'


def _wrapped(first: str, text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=first, subsequent_indent=" " * len(first))
