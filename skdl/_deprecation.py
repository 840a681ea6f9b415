"""Old names of functions and parameters that keep working, with a warning, until a stated version.

A renamed parameter of a function, a method or an estimator::

    @renamed_parameter("n_units", "hidden_units", removed_in="0.3")
    def __init__(self, hidden_units=32): ...

An estimator also gets it on ``set_params``, so that old grids and pipelines keep working.
scikit-learn reads the new signature, so ``get_params`` and ``clone`` know the new name only.

A renamed function or method::

    train_together = renamed_function("train_together", lockstep, removed_in="0.3")

For anything else, such as a class found by a module's ``__getattr__``, call `warn_renamed`.
"""

from __future__ import annotations

import functools
import warnings
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["renamed_function", "renamed_parameter", "warn_renamed"]

Arguments = ParamSpec("Arguments")
Returned = TypeVar("Returned")


def warn_renamed(old: str, new: str, *, removed_in: str, stacklevel: int = 2) -> None:
    """Warn that a name is old, when it goes and what to write instead.

    Parameters
    ----------
    old, new : str
        As the user writes them, for example ``"parameter 'n_units' of MLPClassifier"``.
    removed_in : str
        First version without the old name.
    stacklevel : int, default=2
        As in `warnings.warn`, counted from this function's caller; 2 names the line that called it.

    Warns
    -----
    FutureWarning
        Always. Python shows it to users by default, unlike a ``DeprecationWarning``.
    """
    message = f"{old} is deprecated and will be removed in skdl {removed_in}. Use {new} instead."
    warnings.warn(message, FutureWarning, stacklevel=stacklevel + 1)


def renamed_parameter(
    old: str, new: str, *, removed_in: str
) -> Callable[[Callable[Arguments, Returned]], Callable[Arguments, Returned]]:
    """Decorate a function so that it takes the keyword `old` as `new`, with a warning.

    Parameters
    ----------
    old, new : str
        Names of the parameter. The signature shows `new` only.
    removed_in : str
        First version that no longer takes `old`.

    Returns
    -------
    decorator : callable
        The decorated function raises ``TypeError`` if it gets `old` and `new` together.

    Examples
    --------
    >>> import warnings
    >>> @renamed_parameter("n_units", "hidden_units", removed_in="0.3")
    ... def network(hidden_units=32):
    ...     return hidden_units
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     network(n_units=8)
    8
    >>> print(caught[0].message)
    network: parameter 'n_units' is deprecated and will be removed in skdl 0.3. Use 'hidden_units'
    instead.
    """

    def decorate(function: Callable[Arguments, Returned]) -> Callable[Arguments, Returned]:
        # `MLPClassifier`, not `MLPClassifier.__init__`: what the user wrote.
        owner = function.__qualname__.removesuffix(".__init__")

        @functools.wraps(function)
        def renamed(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Returned:
            if old in kwargs:
                if new in kwargs:
                    raise TypeError(
                        f"{owner} got {old!r} and {new!r}, two names of one parameter. "
                        f"Expected one of them. Pass {new!r} only."
                    )
                old_name = f"{owner}: parameter {old!r}"
                warn_renamed(old_name, repr(new), removed_in=removed_in)
                kwargs[new] = kwargs.pop(old)
            return function(*args, **kwargs)

        return renamed

    return decorate


def renamed_function(
    old: str, function: Callable[Arguments, Returned], *, removed_in: str
) -> Callable[Arguments, Returned]:
    """Return `function` under its old name, with a warning at each call.

    Parameters
    ----------
    old : str
        Former name, without module or class.
    function : callable
        The function or method under its new name.
    removed_in : str
        First version without the old name.

    Returns
    -------
    renamed : callable
        Has the signature of `function`.
    """
    new = function.__qualname__
    owner = new.removesuffix(function.__name__)

    @functools.wraps(function)
    def renamed(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Returned:
        warn_renamed(f"{owner}{old}", new, removed_in=removed_in)
        return function(*args, **kwargs)

    # Pickle finds a function by these names.
    renamed.__name__ = old
    renamed.__qualname__ = f"{owner}{old}"
    renamed.__doc__ = f"Call ``{function.__name__}``, under its former name."
    return renamed
