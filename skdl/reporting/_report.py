"""From what was handed over to a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import sklearn
import tensorflow as tf

from skdl._extras import installed_version
from skdl.reporting._blocks import Items, Section
from skdl.reporting._curve_section import curve_section, diagnosis_of, diagnosis_section
from skdl.reporting._data_section import data_section
from skdl.reporting._page import page_of
from skdl.reporting._parameter_section import parameter_section
from skdl.reporting._prediction_section import prediction_section
from skdl.reporting._predictions import predictions_of
from skdl.reporting._score_section import score_section
from skdl.reporting._search_section import search_section
from skdl.reporting._subject import subject_of

if TYPE_CHECKING:
    from skdl.inspection import Diagnosis
    from skdl.reporting._page import Report
    from skdl.reporting._predictions import Predictions
    from skdl.reporting._subject import Subject

__all__ = ["report"]

_TITLES = {
    "cross-validation": "Cross-validation of {}",
    "search": "Search for parameters of {}",
    "ensemble": "Ensemble of {}",
    "estimator": "Report on {}",
}
_ADVICE = {
    "cross-validation": "Pass `return_predictions=True` to `cross_validate` to see them.",
    "ensemble": "Pass the rows that the ensemble was fitted on: `skdl.report(ensemble, X, y)`.",
}
_OTHER_ADVICE = "Pass rows that no fit has seen: `skdl.report(estimator, X_test, y_test)`."


def report(
    estimator_or_result_or_search: Any,
    X: Any = None,
    y: Any = None,
    *,
    groups: Any = None,
    time: Any = None,
) -> Report:
    """Describe an estimator, a cross-validation, a search or an ensemble on one page.

    The page has the data, the scores with intervals beside a baseline, the training curves with
    what they mean, calibration or residuals, what a search tried, the parameters that were
    automatic, and what to try next. It is HTML that loads nothing, and Markdown.

    Parameters
    ----------
    estimator_or_result_or_search : object
        A fitted estimator, alone or at the end of a Pipeline; the result of
        `skdl.model_selection.cross_validate`, best with ``return_train_score=True`` and
        ``return_predictions=True``; a fitted search, of scikit-learn too; or a K-fold ensemble.
    X : array-like of shape (n_samples, ...), default=None
        Rows. For an estimator or a search rows to test on, which no fit has seen. For a K-fold
        ensemble the rows that it was fitted on, which it judges out of fold, or rows to test on.
        The result of a cross-validation has its own.
    y : array-like of shape (n_samples,), default=None
        Their targets.
    groups : array-like of shape (n_samples,), default=None
        Groups of the rows, to be counted.
    time : array-like of shape (n_samples,) or str, default=None
        Numbers, dates, or the name of a column: when each row was measured. The page tells from
        when to when, and whether the rows are in that order.

    Returns
    -------
    report : Report
        Shown in a notebook; ``save("report.html")`` writes the page, ``markdown`` is the text.

    Raises
    ------
    TypeError
        If the first argument is something else.
    ValueError
        If `groups` or `time` do not fit the rows.
    NotFittedError
        If it is not fitted.

    See Also
    --------
    diagnose : What limits a network, without the page.

    Examples
    --------
    >>> import skdl
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skdl.model_selection import cross_validate
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = make_pipeline(StandardScaler(), skdl.MLPRegressor(16, epochs=5, random_state=0))
    >>> result = cross_validate(model, X, y, return_train_score=True, return_predictions=True)
    >>> report = skdl.report(result)
    >>> [section.title for section in report.sections]
    ['Scores', 'Diagnosis', 'Next', 'Training curves', 'Residuals', 'Parameters', 'Data']
    """
    subject = subject_of(estimator_or_result_or_search, X, y, groups, time)
    predictions, reason = predictions_of(subject)
    diagnosis = diagnosis_of(subject)
    scores, facts = score_section(subject, predictions, reason)
    sections = [
        scores,
        diagnosis_section(diagnosis),
        Section("Next", tuple(_next(subject, diagnosis, predictions))),
        curve_section(subject),
        prediction_section(
            predictions,
            reason,
            is_classifier=subject.is_classifier,
            advice=_ADVICE.get(subject.kind, _OTHER_ADVICE),
        ),
        search_section(subject),
        parameter_section(subject),
        data_section(subject),
    ]
    if diagnosis is not None:
        facts.append(("diagnosis", diagnosis.headline.partition(":")[0]))
    title = _TITLES[subject.kind].format(subject.name)
    return page_of(title, facts, sections, _footer())


def _footer() -> str:
    own = installed_version("skdl") or ""
    return (
        f"skdl {own}, scikit-learn {sklearn.__version__}, Keras {keras.__version__}, "
        f"TensorFlow {tf.__version__}"
    )


def _next(
    subject: Subject, diagnosis: Diagnosis | None, predictions: Predictions | None
) -> list[Items]:
    """Return what to try, the most promising first."""
    steps = []
    if diagnosis is not None:
        steps += [f"Try {remedy}." for remedy in diagnosis.findings[0].remedies[:2]]
    is_good = diagnosis is None or diagnosis.kinds == ("good",)
    if subject.kind == "estimator":
        steps.append("Cross-validate it: `skdl.model_selection.cross_validate` has a baseline.")
    elif subject.kind == "cross-validation" and is_good:
        steps.append("Search for better parameters: `OptunaSearchCV(estimator).fit(X, y)`.")
        steps.append("Fit it on all rows, for as long as was best: `result.refit(n_members=5)`.")
    elif subject.kind == "search":
        steps.append(
            'Average the best trials: `refit="ensemble"`.'
            if not isinstance(subject.given.refit, str)
            else "Cross-validate the search itself, for a score that it did not choose."
        )
        if predictions is None:
            steps.append("Score it once on rows that it has not seen.")
    elif subject.kind == "ensemble":
        method = "predict_set" if subject.is_classifier else "predict_interval"
        steps.append(f"Say how sure it is: `ensemble.{method}(X_new)`.")
    return [Items(steps)] if steps else []
