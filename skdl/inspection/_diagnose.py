"""From numbers to findings: bias or variance, too short or too long, noisy, or no use at all.

The thresholds, and where they come from:

- A gap counts as bias or as variance above 5 % of what there is to be gained, from the baseline to
  the score to reach (or, where none is known, to a perfect one). Ng (2018, chapters 21 and 41)
  calls gaps of 4 to 15 percentage points high and of 1 point low, where guessing errs in 50 of
  100 rows: 8 to 30 % and 2 % of what is to be gained. The threshold lies between.
- A gap over folds must also exceed its standard error, the rule of Breiman et al. (1984, chapter
  3), with the standard error corrected after Nadeau and Bengio (2003).
- No better than the baseline: the corrected t-test of Nadeau and Bengio (2003), one-sided, with the
  customary p < 0.05 to be called better.
- Trained too long: Prechelt's (1998) criterion GL5, a held-out loss 5 % above its lowest; and by
  more than six times the noise of the mean over the folds, as of some hundred epochs the lowest
  lies about three such deviations below the trend, and the last one may lie as far above it.
- Noisy: noise from epoch to epoch of 5 % of the held-out loss, at which GL5 is met by noise alone.
  Whether a noisy curve still falls at its end is not asked.
- Stopped too early: the last fifth of the epochs brought more than 5 % of the whole fall of the
  held-out loss, compared with the fifth before. Where a loss falls towards a limit exponentially,
  over 3 % of the fall is then still to come (our own arithmetic, held by a test).

Bias here is the error of rows trained on less the error to reach, variance the error of rows held
out less that of rows trained on, in Ng's words (2018, chapter 20), which are not those of the
textbooks' expectations over training sets.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl._validation import AnyOf, OneOf, Predicate, Real, check_parameters, nearest_name, show
from skdl.exceptions import InvalidParameterError
from skdl.inspection._diagnosis import CODES, Diagnosis, Finding
from skdl.inspection._evidence import LARGEST_P_VALUE, Evidence, of_cross_validation, of_estimator
from skdl.inspection._remedies import remedies_of
from skdl.inspection._shape import fall_at_end, jitter, mean_of, rise_after_best

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

__all__ = ["diagnose"]

LEAST_GAP = 0.05
LEAST_RISE = 0.05
LEAST_JITTER = 0.05
LEAST_FALL = 0.05
NOISE_FACTOR = 6

_CONSTRAINTS = {
    "target_score": AnyOf(OneOf(None), Real()),
    "metric": AnyOf(OneOf(None), Predicate(lambda value: isinstance(value, str), "a name")),
}


def diagnose(
    result_or_estimator: Any,
    target_score: float | None = None,
    *,
    metric: str | None = None,
    ignore: str | Collection[str] = (),
) -> Diagnosis:
    """Say what limits a network: bias, variance, the length of training, noise, or the data.

    Parameters
    ----------
    result_or_estimator : CrossValidationResult or fitted estimator
        What `skdl.model_selection.cross_validate` returns, best with ``return_train_score=True``:
        then bias and variance are in units of the score, beside a baseline. Of a fitted estimator
        that holds a network only the training curves are known.
    target_score : float, default=None
        The score to reach, in the units and the sign of `metric`: for
        ``"neg_root_mean_squared_error"`` an RMSE of 3.2 is -3.2. Without it, bias cannot be told
        from noise that no model could predict.
    metric : str, default=None
        Of a cross-validation, one of its metrics, by default the first; of an estimator, a name in
        its history, by default ``"loss"``.
    ignore : str or collection of str, default=()
        Codes of findings to leave out, such as ``"SKDL-E3"``, or their kinds, such as ``"noisy"``.

    Returns
    -------
    diagnosis : Diagnosis
        With ``findings``, the most important first; as text and, in a notebook, as HTML.

    Raises
    ------
    InvalidParameterError
        If a parameter is not as described.
    ValueError
        If there is no such metric, no score can be as high as `target_score`, or the estimator
        holds no network.
    TypeError
        If it is a class, or a dict, as scikit-learn's ``cross_validate`` returns.
    NotFittedError
        If the estimator is not fitted.

    Notes
    -----
    ======= =========================== ===========================================================
    code    finding                     when
    ======= =========================== ===========================================================
    SKDL-N1 ``no_better_than_baseline`` The corrected t-test does not call the mean score better
                                        than the baseline's, one-sided p < 0.05 (Nadeau and Bengio
                                        2003).
    SKDL-B1 ``bias``                    Rows trained on are short of the score to reach by more
                                        than 5 % of what is to be gained over the baseline.
    SKDL-V1 ``variance``                Rows held out are short of rows trained on by more than
                                        that, and by more than a standard error (Breiman et al.
                                        1984).
    SKDL-E1 ``stopped_too_early``       The last fifth of the epochs brought more than 5 % of the
                                        whole fall of the held-out loss, and it is not noisy.
    SKDL-E2 ``trained_too_long``        The held-out loss of the weights that were kept is more
                                        than 5 % above its lowest, GL5 of Prechelt (1998), and more
                                        than six times the noise of the folds' mean.
    SKDL-E3 ``noisy``                   From epoch to epoch the held-out loss varies by more than
                                        5 % of its level, in the second half of training.
    SKDL-G1 ``good``                    None of these, or the score to reach is reached.
    ======= =========================== ===========================================================

    Findings may ask for opposite things, such as a bigger and a smaller network. Only the remedies
    of the more important finding are shown then; how long to train is left to the curves.

    The 5 % of bias and variance lie between the gaps that Ng (2018, chapters 21 and 41) calls high
    (8 to 30 % of what is to be gained over guessing) and low (2 %). Where no score to reach is
    given, another estimator that was better in ``compare_with``, or else a perfect score, takes
    its place. Without training scores, and for a fitted estimator, losses stand for errors, and
    the larger loss of the first epoch for the baseline's. A loss of 0 counts as perfect; with
    ``label_smoothing`` it is the entropy of the smoothed labels, and of a fitted estimator what
    ``l1`` and ``l2`` add is no error either.

    References
    ----------
    Ng, A.: Machine Learning Yearning (2018).

    Prechelt, L.: Early stopping - but when? In: Neural Networks: Tricks of the Trade, Springer
    (1998).

    Breiman, L., Friedman, J., Olshen, R., Stone, C.: Classification and Regression Trees (1984).

    Nadeau, C., Bengio, Y.: Inference for the generalization error. Machine Learning 52 (2003).

    Gasser, T., Sroka, L., Jennen-Steinmetz, C.: Residual variance and residual pattern in
    nonlinear regression. Biometrika 73 (1986): the noise of a curve.

    Examples
    --------
    >>> import skdl
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skdl.model_selection import cross_validate
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> network = skdl.MLPClassifier(16, epochs=2, random_state=0)
    >>> pipe = make_pipeline(StandardScaler(), network)
    >>> result = cross_validate(pipe, X, y, return_train_score=True)
    >>> skdl.diagnose(result, target_score=0.99).kinds
    ('bias', 'stopped_too_early')
    """
    given = {"target_score": target_score, "metric": metric}
    check_parameters("diagnose", given, _CONSTRAINTS)
    read = of_cross_validation if hasattr(result_or_estimator, "histories") else of_estimator
    evidence = read(result_or_estimator, target_score, metric)
    ignored = _kinds_to_ignore(ignore)
    found = [*_on_baseline(evidence), *_on_gaps(evidence), *_on_curves(evidence)]
    findings = [finding for finding in found if finding.kind not in ignored]
    left_out = [finding for finding in found if finding.kind in ignored]
    if evidence.is_reached:
        text = f"The {target_score:g} that was to be reached is reached."
        findings.insert(0, Finding("good", text, dict(evidence.shown)))
    elif not findings:
        text = "Nothing was found but what is ignored." if left_out else _praise(evidence)
        findings = [Finding("good", text, dict(evidence.shown))]
    if left_out:
        codes = " and ".join(f"{each.code} ({each.kind})" for each in left_out)
        evidence.notes.append(f"Found, and left out as ignore asks: {codes}.")
    findings = _with_remedies(findings, evidence)
    return Diagnosis(evidence.title, evidence.shown, tuple(findings), tuple(evidence.notes))


def _kinds_to_ignore(ignore: Any) -> set[str]:
    """Return the kinds that are meant by codes and kinds."""
    given = [ignore] if isinstance(ignore, str) else ignore
    kind_of = {code: kind for kind, code in CODES.items()} | {kind: kind for kind in CODES}
    expected = f"Expected codes such as 'SKDL-V1' out of {[*CODES.values()]}"
    try:
        unknown = [each for each in given if each not in kind_of]
    except TypeError:
        raise InvalidParameterError(
            f"diagnose: ignore={show(ignore)} is no list. {expected}."
        ) from None
    if unknown:
        nearest = nearest_name(unknown[0], kind_of) if isinstance(unknown[0], str) else ""
        meant = f" Did you mean {nearest!r}?" if nearest else ""
        raise InvalidParameterError(
            f"diagnose: ignore holds {unknown[0]!r}, which is no finding. {expected}.{meant}"
        )
    return {kind_of[each] for each in given}


def _with_remedies(findings: list[Finding], evidence: Evidence) -> list[Finding]:
    kinds = [finding.kind for finding in findings]
    remedies, is_complete = remedies_of(kinds, evidence.network, evidence.n_train)
    if not is_complete:
        evidence.notes.append(
            "Remedies that contradict those of a more important finding are left out. Diagnose "
            "again after each change."
        )
    return [dataclasses.replace(each, remedies=remedies[each.kind]) for each in findings]


def _finding(kind: str, text: str, **numbers: float) -> Finding:
    return Finding(kind, text, numbers)


def _on_baseline(evidence: Evidence) -> Iterator[Finding]:
    if evidence.advantage is None:
        return
    # A single fold has no p-value: there the sign decides.
    is_better = evidence.advantage > 0 and not evidence.p_value >= LARGEST_P_VALUE
    if not is_better:
        p_value = "" if math.isnan(evidence.p_value) else f", one-sided p = {evidence.p_value:.2g}"
        yield _finding(
            "no_better_than_baseline",
            f"Held-out rows score {evidence.shown['held-out score']:.4g}, the baseline "
            f"{evidence.shown['baseline']:.4g}{p_value}.",
            advantage=evidence.advantage,
            p_value=evidence.p_value,
            threshold=LARGEST_P_VALUE,
        )


def _on_gaps(evidence: Evidence) -> list[Finding]:
    """Return bias and variance, the larger first."""
    if evidence.train is None or evidence.is_reached or not evidence.scale > 0:
        return []
    bias = (float(np.nanmean(evidence.train)) - evidence.goal) / evidence.scale
    gaps: Any = [] if evidence.test is None else (evidence.test - evidence.train) / evidence.scale
    gap = mean_of(gaps, evidence.ratio)
    variance = gap.value if gap.value > 0 else 0.0
    total = max(bias, 0.0) + variance
    sizes = []
    if bias > LEAST_GAP:
        sizes.append((bias, "bias"))
    if gap.exceeds(LEAST_GAP):
        sizes.append((variance, "variance"))
    findings = []
    for rank, (size, kind) in enumerate(sorted(sizes, reverse=True)):
        share = size / total
        text = (_of_bias if kind == "bias" else _of_variance)(evidence, size)
        if len(sizes) > 1 and rank == 0:
            text = f"It dominates, with {share:.0%} of the distance. {text}"
        numbers = {"size": size, "share": share, "threshold": LEAST_GAP}
        if kind == "variance" and not math.isnan(gap.error):
            numbers["standard_error"] = gap.error
        findings.append(_finding(kind, text, **numbers))
    return findings


def _of_bias(evidence: Evidence, size: float) -> str:
    name = next(iter(name for name in evidence.shown if name.startswith("training")))
    if evidence.measure == "loss" and "training loss" in evidence.shown:
        name = "training loss"
    text = f"Even on rows trained on, the {name} is {evidence.shown[name]:.4g}"
    if evidence.goal_source is not None:
        return (
            f"{text}, short of {evidence.goal_source} by {size:.0%} of what is to be gained: the "
            "network fits the training rows too little."
        )
    best = f"the lowest possible ({evidence.floor.source})" if evidence.floor.source else "perfect"
    return (
        f"{text}, short of {best} by {size:.0%} of what is to be gained. The network fits too "
        "little, or the target holds noise that nothing could predict: pass target_score, or other "
        "models in compare_with, to tell which."
    )


def _of_variance(evidence: Evidence, size: float) -> str:
    names = list(evidence.shown)
    pair = ("training loss", "held-out loss") if "held-out loss" in names else tuple(names[:2])
    train, test = (evidence.shown[name] for name in pair)
    return (
        f"The {pair[0]} is {train:.4g}, the {pair[1]} {test:.4g}: rows not trained on are worse by "
        f"{size:.0%} of what is to be gained."
    )


def _on_curves(evidence: Evidence) -> Iterator[Finding]:
    curves = evidence.held_out_curves or evidence.training_curves
    whose = "held-out" if "held-out score" in evidence.shown else "validation"
    whose = whose if evidence.held_out_curves else "training"
    noise = mean_of([jitter(curve) for curve in curves], 0.0).value
    is_noisy = noise > LEAST_JITTER
    too_long = list(_on_length(evidence, whose, noise)) if evidence.held_out_curves else []
    yield from too_long
    falls = mean_of([fall_at_end(curve) for curve in curves], evidence.ratio)
    if not too_long and not is_noisy and falls.exceeds(LEAST_FALL):
        longest = max(map(len, curves))
        yield _finding(
            "stopped_too_early",
            f"The {whose} loss was still falling: the last fifth of {longest} epochs brought "
            f"{falls.value:.0%} of its whole fall.",
            fall=falls.value,
            standard_error=falls.error,
            threshold=LEAST_FALL,
        )
    if evidence.held_out_curves and is_noisy:
        yield _finding(
            "noisy",
            f"From epoch to epoch the {whose} loss varies by {noise:.0%} of its level, so which "
            "epoch is best is largely chance.",
            noise=noise,
            threshold=LEAST_JITTER,
        )


def _on_length(evidence: Evidence, whose: str, noise: float) -> Iterator[Finding]:
    """Yield whether the weights that were kept are past the best, and not by noise alone."""
    curves = [curve for curve in evidence.held_out_curves if len(curve)]
    if not curves or len(evidence.kept_epochs) != len(evidence.held_out_curves):
        return
    shortest = min(map(len, curves))
    best = int(np.mean([curve[:shortest] for curve in curves], axis=0).argmin())
    kept = [
        min(k, len(c)) - 1
        for k, c in zip(evidence.kept_epochs, evidence.held_out_curves, strict=True)
        if len(c)
    ]
    at_kept = np.array([curve[epoch] for curve, epoch in zip(curves, kept, strict=True)])
    at_best = np.array([curve[best] for curve in curves])
    rise = rise_after_best(float(at_kept.mean()), float(at_best.mean()))
    certainty = mean_of(at_kept - at_best, evidence.ratio)
    noise /= math.sqrt(len(curves))
    least = LEAST_RISE if math.isnan(noise) else max(LEAST_RISE, NOISE_FACTOR * noise)
    if rise > least and certainty.exceeds(0):
        yield _finding(
            "trained_too_long",
            f"After epoch {best + 1} the {whose} loss rose by {rise:.0%}, from "
            f"{at_best.mean():.4g} to {at_kept.mean():.4g}.",
            rise=rise,
            best_epoch=best + 1,
            threshold=least,
        )


def _praise(evidence: Evidence) -> str:
    if evidence.test is None:
        return "The curves give no reason for a change."
    better = "The baseline is beaten. " if evidence.advantage is not None else ""
    return (
        f"{better}Rows trained on and rows held out come within {LEAST_GAP:.0%} of the best "
        "thinkable, or as near as can be told, and the curves are quiet."
    )
