"""Which tasks go to which worker."""

from __future__ import annotations

import itertools
import numbers
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

__all__ = ["chunks_of", "structure_of"]

# What a function of joblib's is called with: function, arguments, keyword arguments.
_Call = tuple[Any, tuple[Any, ...], dict[str, Any]]

# A seed changes weights, no shapes.
_SEED = "random_state"


def chunks_of(structures: Sequence[Hashable], n_chunks: int) -> list[list[int]]:
    """Return the positions of the tasks in each chunk.

    Tasks of equal structure stay together, as far as chunks of equal size allow, so that each
    worker traces and compiles few programs. Within a chunk the order stays as it was.

    Parameters
    ----------
    structures : sequence of hashable
        One for each task.
    n_chunks : int
        Number of workers.

    Returns
    -------
    chunks : list of list of int
        None of them is empty.

    Examples
    --------
    >>> chunks_of(["a", "b", "a", "b"], 2)
    [[0, 2], [1, 3]]
    >>> chunks_of(["a"] * 5, 2)
    [[0, 1], [2, 3, 4]]
    """
    ranks: dict[Hashable, int] = {}
    for structure in structures:
        ranks.setdefault(structure, len(ranks))
    order = sorted(range(len(structures)), key=lambda i: ranks[structures[i]])
    n_chunks = min(n_chunks, len(order))
    ends = [len(order) * i // n_chunks for i in range(n_chunks + 1)]
    return [sorted(order[a:b]) for a, b in itertools.pairwise(ends)]


def structure_of(calls: Iterable[_Call]) -> str:
    """Return a text that is equal for tasks whose networks can probably train as one stack.

    Real numbers (rates, penalties) are data of a stack, whole numbers and names (units, batch
    size, activation) change its program. This is a guess by the parameters of estimators among
    the arguments, and of ``parameters``, which searches set on them. A wrong guess costs time.

    Parameters
    ----------
    calls : iterable of (function, args, kwargs)
        What the task runs.

    Returns
    -------
    structure : str
    """
    found: dict[str, str] = {}
    for _, args, kwargs in calls:
        for argument in (*args, *kwargs.values()):
            if callable(getattr(argument, "get_params", None)) and not isinstance(argument, type):
                found |= _described(argument.get_params())
        parameters = kwargs.get("parameters")
        if isinstance(parameters, dict):
            found |= _described(parameters)
    return repr(sorted(found.items()))


def _described(parameters: dict[str, Any]) -> dict[str, str]:
    return {
        name: _text(value)
        for name, value in parameters.items()
        if name.rpartition("__")[2] != _SEED
    }


def _text(value: Any) -> str:
    # Not the text of estimators, as of a Pipeline's steps: it takes long, and holds seeds.
    parts = value if isinstance(value, tuple | list) else [value]
    is_plain = all(isinstance(part, numbers.Integral | str | None) for part in parts)
    return repr(value) if is_plain else type(value).__name__
