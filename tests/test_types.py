"""Types: what a checker such as mypy, and with it an editor, finds in a user's script."""

from typing import Literal, get_args, get_type_hints

import pytest

from skdl import CNNClassifier, MLPClassifier, MLPRegressor
from skdl._validation import AnyOf, OneOf, WithCures


def words_of(annotation):
    """Return the values of the literals in a type."""
    found = set()
    for part in [annotation, *get_args(annotation)]:
        if getattr(part, "__origin__", None) is Literal:
            found |= set(get_args(part))
    return found


def words_allowed(constraint):
    if isinstance(constraint, AnyOf):
        return {word for part in constraint.constraints for word in words_allowed(part)}
    if isinstance(constraint, WithCures):
        return words_allowed(constraint.constraint)
    return set(constraint.values) if isinstance(constraint, OneOf) else set()


@pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor, CNNClassifier])
def test_types_name_the_words_that_are_allowed(estimator):
    import collections.abc

    import numpy as np

    names = {"Mapping": collections.abc.Mapping, "Sequence": collections.abc.Sequence, "np": np}
    hints = get_type_hints(estimator.__init__, None, names)
    constraints = estimator._constraints
    of_words = {name: words_of(hint) for name, hint in hints.items() if words_of(hint)}
    assert len(of_words) > 4
    for name, words in of_words.items():
        allowed = words_allowed(constraints[name]) - {None}
        assert words == allowed, name
