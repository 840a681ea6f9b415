"""What was reported per epoch, under the names that SciKeras gives them too."""

from __future__ import annotations

from skdl.networks import SHORT_NAMES

__all__ = ["History"]

_SHORT = {"accuracy": "acc", **{long: short for short, long in SHORT_NAMES.items()}}


class History(dict[str, list[float]]):
    """Names as the user gave them; ``history["mean_absolute_error"]`` finds ``"mae"``."""

    def __missing__(self, name: str) -> list[float]:
        prefix = "val_" if name.startswith("val_") else ""
        short = prefix + _SHORT.get(name.removeprefix(prefix), "")
        if short not in self:
            raise KeyError(name)
        return self[short]
