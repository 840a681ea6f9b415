"""What was reported per epoch, under the names that SciKeras gives them too."""

from __future__ import annotations

__all__ = ["History"]

_SHORT = {
    "mean_squared_error": "mse",
    "mean_absolute_error": "mae",
    "mean_absolute_percentage_error": "mape",
    "mean_squared_logarithmic_error": "msle",
    "binary_crossentropy": "bce",
    "accuracy": "acc",
}


class History(dict[str, list[float]]):
    """Names as the user gave them; ``history["mean_absolute_error"]`` finds ``"mae"``."""

    def __missing__(self, name: str) -> list[float]:
        prefix = "val_" if name.startswith("val_") else ""
        short = prefix + _SHORT.get(name.removeprefix(prefix), "")
        if short not in self:
            raise KeyError(name)
        return self[short]
