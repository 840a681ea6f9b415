"""What was reported per epoch, under the names that SciKeras gives them too."""

from __future__ import annotations

from skdl._compat_keras import short_names
from skdl.training import METRICS_BY_OUTPUT

__all__ = ["History"]


class History(dict[str, list[float]]):
    """Names as the user gave them; ``history["mean_absolute_error"]`` finds ``"mae"``."""

    def __missing__(self, name: str) -> list[float]:
        prefix = "val_" if name.startswith("val_") else ""
        for short, full in {**short_names("metrics"), **METRICS_BY_OUTPUT}.items():
            if prefix + full == name and prefix + short in self:
                return self[prefix + short]
        raise KeyError(name)
