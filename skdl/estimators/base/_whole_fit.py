"""A fit changes an estimator as a whole, or not at all.

Columns, labels and units are learned before the weights are. Had a fit that failed left them
behind, weights of an earlier fit would predict in the units of other data, with no word of it.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from skdl._compat import CALLBACK_ATTRIBUTES

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["all_or_nothing"]


@contextmanager
def all_or_nothing(
    estimator: Any, *, keeps: tuple[type[BaseException], ...] = ()
) -> Iterator[None]:
    """Leave an estimator as it was before if what is done to it inside fails.

    Attributes are put back, not copied: a fit may set them anew, but not change their values.

    Parameters
    ----------
    estimator : object
        What is fitted inside the context.
    keeps : tuple of type, default=()
        Exceptions after which what was done stays, such as Ctrl-C in a fit that keeps what was
        learned until then.
    """
    before = dict(vars(estimator))
    try:
        yield
    except keeps:
        raise
    except BaseException:
        # Of these, whoever set them takes care, also after an error.
        of_callbacks = {k: v for k, v in vars(estimator).items() if k in CALLBACK_ATTRIBUTES}
        estimator.__dict__ = {**before, **of_callbacks}
        raise
