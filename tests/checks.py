"""Names of test parameters, and scikit-learn's checks as parameters."""

import re

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks


def name_without_address(value):
    """Return the name of a test's parameter, the same in every process that shares the tests.

    pytest-xdist compares names; those of functions and temporary folders change with the process.
    """
    return re.sub(r" ?at 0x[0-9a-f]+|at0x[0-9a-f]+|/tmp/tmp[^/]+", "", str(value))


def slow_but(cases, *kept):
    """Return the cases of a test, all slow tests but those kept, which stand for them.

    A case of more than one parameter is a tuple.
    """
    unknown = [name for name in kept if name not in cases]
    if unknown:
        raise pytest.UsageError(f"{unknown} are not among the cases {list(cases)}.")
    return [case if case in kept else slow_case(case) for case in cases]


def slow_case(case):
    """Return a case of a test that is a slow test."""
    return pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.slow)


# Whether XLA compiles, which takes seconds.
PLAIN_OR_XLA = [False, slow_case(case=True)]


def plain_and_xla(plain, xla, *kept):
    """Return cases of a name and whether XLA compiles, for what need not be seen both ways.

    All are slow tests but those of the plain graph that are kept.

    Parameters
    ----------
    plain, xla : iterable of str
        Names of cases for the plain graph, and for XLA.
    *kept : str
        Names of the plain graph's cases that stand for the others.
    """
    cases = [(name, False) for name in plain] + [(name, True) for name in xla]
    unknown = {(name, False) for name in kept}.difference(cases)
    if unknown:
        raise pytest.UsageError(f"{unknown} are not among the cases {cases}.")
    return [
        pytest.param(
            *case,
            id=f"{case[0]}-{'xla' if case[1] else 'plain'}",
            marks=() if case in {(name, False) for name in kept} else pytest.mark.slow,
        )
        for case in cases
    ]


def _not_strict(case):
    """Let a check pass that is expected to fail: whether float32 rounds up differs by processor."""
    if not getattr(case, "marks", ()):
        return case
    marks = [
        pytest.mark.xfail(**{**mark.kwargs, "strict": False}) if mark.name == "xfail" else mark
        for mark in case.marks
    ]
    return pytest.param(*case.values, marks=marks, id=case.id)


def _with_speed(case, is_slow):
    values = getattr(case, "values", case)
    marks = [*getattr(case, "marks", ())]
    if is_slow(values[0], values[1]):
        marks.append(pytest.mark.slow)
    return pytest.param(*values, marks=marks)


def scikit_learn_checks(estimators, expected_failed_checks=None, is_slow=None):
    """Return what `parametrize_with_checks` returns, named alike in every process.

    Slow tests are those of which `is_slow` says so, given an estimator and a check, which is a
    `functools.partial`.
    """
    checks = parametrize_with_checks(estimators, expected_failed_checks=expected_failed_checks)

    def name(value):
        return name_without_address(checks.kwargs["ids"](value))

    names, cases = checks.args
    cases = [_not_strict(case) for case in cases]
    if is_slow is not None:
        cases = [_with_speed(case, is_slow) for case in cases]
    return pytest.mark.parametrize(names, cases, ids=name)


def run_to_float32_rounding(check, estimator):
    """Run a check of scikit-learn's that compares to 1e-7, which float32 sums do not reach.

    They depend on the shape of a batch, by 6e-8 where this was measured, and on the processor.
    """
    try:
        check(estimator)
    except AssertionError as error:
        found = re.search(r"Max absolute difference among violations: (\S+)", str(error))
        if found is None or float(found.group(1)) > 1e-6:
            raise
