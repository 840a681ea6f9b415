"""What a server is told when it starts."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

__all__ = ["Settings"]

_VARIABLE = "SKDL_SERVING"


@dataclasses.dataclass(frozen=True)
class Settings:
    """Which file is served, and within which limits.

    Parameters
    ----------
    path : str
        The file.
    name : str, optional
        Of the model; by default that of the file.
    max_rows : int
        Of one request.
    max_bytes : int
        Of the body of one request.
    n_threads : int
        Of onnxruntime, for one request.

    Raises
    ------
    ValueError
        If a limit is not a positive integer, or the name cannot stand in an address.
    """

    path: str
    name: str | None = None
    max_rows: int = 10_000
    max_bytes: int = 16_777_216
    n_threads: int = 1

    def __post_init__(self) -> None:
        for field in ("max_rows", "max_bytes", "n_threads"):
            value = getattr(self, field)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"serving: {field}={value!r}. Expected an integer of at least 1.")
        if self.name is not None and (not self.name or "/" in self.name):
            raise ValueError(
                f"serving: name={self.name!r} cannot stand in an address. Expected text without "
                "slashes, such as 'penguins'."
            )

    @property
    def model_name(self) -> str:
        """Name of the model in addresses."""
        return self.name or Path(self.path).stem

    def hand_on(self) -> None:
        """Write the settings into the environment, where worker processes find them."""
        os.environ[_VARIABLE] = json.dumps(dataclasses.asdict(self))

    @classmethod
    def handed_on(cls) -> Settings:
        """Read what `hand_on` wrote."""
        return cls(**json.loads(os.environ[_VARIABLE]))
