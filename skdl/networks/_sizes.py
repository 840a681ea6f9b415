"""Widths and variables of layers for tables, which builders of networks and layers agree on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "CLIP",
    "bins_width",
    "category_width",
    "embedding_variables",
    "embedding_width",
    "shared_variables",
]

# Bound of the values behind smooth clipping (Holzmüller et al. 2024, section 3).
CLIP = 3.0


def shared_variables(
    n_shared: int, n_inputs: int, units: int, embedding_width: int = 1, n_numeric: int | None = None
) -> list[tuple[str, tuple[int, ...]]]:
    """Return name and shape of each variable of a shared dense layer, in Keras' order."""
    n_embedded = n_inputs // embedding_width if n_numeric is None else n_numeric
    n_factors = n_inputs - n_embedded * (embedding_width - 1)
    return [
        ("before", (n_shared, n_factors)),
        ("kernel", (n_inputs, units)),
        ("behind", (n_shared, units)),
        ("bias", (n_shared, units)),
    ]


def embedding_variables(
    form: str, n_features: int, n_frequencies: int, units: int
) -> list[tuple[str, tuple[int, ...]]]:
    """Return name and shape of each variable of a periodic embedding, in Keras' order."""
    variables: list[tuple[str, tuple[int, ...]]] = [("frequency", (n_features, n_frequencies))]
    if form == "pbld":
        variables.append(("phase", (n_features, n_frequencies)))
    if form == "periodic":
        return variables
    n_waves = n_frequencies if form == "pbld" else 2 * n_frequencies
    # With "pbld" the feature itself is one of the units.
    n_mixed = units - 1 if form == "pbld" else units
    return [
        *variables,
        ("weight", (n_features, n_waves, n_mixed)),
        ("bias", (n_features, n_mixed)),
    ]


def category_width(one_hot: Sequence[int], embedded: Sequence[int], units: int) -> int:
    """Return how many numbers a row's categories become."""
    return sum(one_hot) + units * len(embedded)


def embedding_width(form: str, n_frequencies: int, units: int) -> int:
    """Return into how many numbers a periodic embedding turns each feature."""
    return 2 * n_frequencies if form == "periodic" else units


def bins_width(n_bins: int, with_number: bool | None = False) -> int:
    """Return into how many numbers a piecewise linear embedding turns each feature."""
    return int(n_bins) + bool(with_number)
