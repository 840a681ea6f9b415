"""What an estimator suggests to search, said without knowing who searches.

An estimator returns a `Number` or a `Choice` per parameter from ``_search_space``; what varies
must not stand in the way of what the user chose, so the space may depend on other parameters.
`skdl.model_selection` turns it into Optuna's terms.

The ranges of the perceptrons lie inside those that large comparisons on tabular data searched:
1 to 8 layers of up to 512 or 1024 units, dropout up to 0.5, learning rates from 1e-5 to 1e-2 and
weight decay from 1e-6 to 1e-3, both on log scales (Gorishniy et al. 2021, "Revisiting deep
learning models for tabular data"; Grinsztajn et al. 2022, "Why do tree-based models still
outperform deep learning on typical tabular data?"). They are cut where some hundred epochs on some
thousand rows gain nothing: less depth, and no rate at which such a fit ends before it has learned.
That all regularisers are searched together follows Kadra et al. 2021, "Well-tuned simple nets
excel on tabular datasets".

What varies decides what a trial costs. Numbers such as rates and penalties are data of a compiled
program, and trials that differ in nothing else train in one stack; another number of layers,
batch normalisation or loss is another program. So there are few choices of structure, widths and
batch sizes come in powers of two, and penalties never reach exactly 0, which would be a program
without them: the low ends of their ranges are too small to be felt.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

__all__ = ["Choice", "Number"]


@dataclass(frozen=True)
class Choice:
    """One of a few values, in no order.

    Parameters
    ----------
    *values : object
        At least one.
    """

    values: tuple[Any, ...]

    def __init__(self, *values: Any) -> None:
        object.__setattr__(self, "values", values)

    def __str__(self) -> str:
        return ", ".join(map(repr, self.values))


@dataclass(frozen=True)
class Number:
    """A number between two bounds, both included; an integer where both are.

    Parameters
    ----------
    low, high : int or float
        Bounds.
    log : bool, default=False
        Whether ratios count instead of differences.
    step : float or None, default=None
        Distance of the values from `low` on; None for all.
    only_if : (str, object) or None, default=None
        Name and value of another parameter of the same space, without which this one does
        nothing and is left out.
    """

    low: float
    high: float
    _: KW_ONLY
    log: bool = False
    step: float | None = None
    only_if: tuple[str, Any] | None = None

    @property
    def is_integer(self) -> bool:
        """Whether only integers are meant."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def __str__(self) -> str:
        whole = ", integers" if self.is_integer else ""
        scale = ", on a log scale" if self.log else ""
        steps = f", in steps of {self.step:g}" if self.step else ""
        condition = "" if self.only_if is None else ", where {}={!r}".format(*self.only_if)
        return f"{self.low:g} to {self.high:g}{whole}{scale}{steps}{condition}"
