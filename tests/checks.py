"""scikit-learn's checks as a test's parameters."""

import re

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks


def scikit_learn_checks(estimators, expected_failed_checks=None):
    """Return what `parametrize_with_checks` returns, named alike in every process.

    Processes that share the tests (pytest-xdist) compare names, which may hold addresses of
    functions and temporary folders.
    """
    checks = parametrize_with_checks(estimators, expected_failed_checks=expected_failed_checks)

    def name(value):
        return re.sub(r"at0x[0-9a-f]+|/tmp/tmp[^/]+", "", checks.kwargs["ids"](value))

    return pytest.mark.parametrize(*checks.args, ids=name)
