"""Parameters: those that were set, and what the automatic ones became."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl.inspection._networks import first_network
from skdl.reporting._blocks import Section, Table, Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from skdl.reporting._blocks import Block
    from skdl.reporting._subject import Subject

__all__ = ["parameter_section"]

_LONGEST = 60


def parameter_section(subject: Subject) -> Section:
    """Return the section on the network's parameters; empty where there is no network."""
    network = first_network(subject.estimator)
    if network is None:
        return Section("Parameters", ())
    return Section("Parameters", tuple(_blocks(network, subject)))


def _blocks(network: Any, subject: Subject) -> Iterator[Block]:
    params = network.get_params(deep=False)
    is_auto = {n: isinstance(v, str) and v == "auto" for n, v in params.items()}
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(type(network).__init__).parameters.items()
    }
    changed = [
        (name, _shown(value))
        for name, value in params.items()
        if not is_auto[name] and name in defaults and not _equal(value, defaults[name])
    ]
    if changed:
        yield Table(("parameter", "value"), changed, "Not at their default")
    else:
        yield Text("All parameters are at their defaults.")
    names = [name for name, auto in is_auto.items() if auto]
    if not names:
        return
    effective = [getattr(each, "effective_params_", {}) for each in subject.networks]
    if not effective:
        listed = ", ".join(f"`{name}`" for name in names)
        yield Text(
            f"Automatic: {listed}. Pass `return_estimator=True` to `cross_validate` to see what "
            "they became.",
            "note",
        )
        return
    rows = []
    for name in names:
        became = dict.fromkeys(_shown(each[name]) for each in effective if name in each)
        rows.append((name, ", ".join(became) or "not known"))
    yield Table(("parameter", "became"), rows, 'Automatic ("auto")')


def _equal(value: Any, default: Any) -> bool:
    if value is default:
        return True
    try:
        return bool(np.all(value == default)) and type(value) is type(default)
    except (TypeError, ValueError):
        return False


def _shown(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else " ".join(repr(value).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
