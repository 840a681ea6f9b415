"""What to try against each finding, in terms of the network's own parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skdl.estimators.base import BaseNetwork

    Params = dict[str, Any]
    Units = int | tuple[int, ...]

__all__ = ["remedies_for", "remedies_of"]


class _Remedy(NamedTuple):
    """What to try, and what it changes.

    Attributes
    ----------
    text : str
        "" where it does not apply.
    axis : str
        ``"capacity"``, ``"epochs"``, ``"regularisation"``, ``"rate"``; "" for what contradicts
        nothing.
    direction : int
        1 for more of it, -1 for less, 0 where both are to be tried.
    """

    text: str
    axis: str = ""
    direction: int = 0


# Width and depth of the networks for sequences, series, texts, tables and images.
_SIZES = (
    ("width", "n_blocks"),
    ("units", "layers"),
    ("filters", "layers"),
    ("embedding_dim", "hidden_layers"),
    ("hidden_units", "hidden_layers"),
)
# Whose word counts, of several findings that ask for opposite things. The curves know best how
# long to train, whatever the gap; of gaps the larger comes first, as it does among the findings.
_GAPS = ("bias", "variance")
_RULERS = {
    "epochs": ("stopped_too_early", "trained_too_long"),
    "rate": ("noisy", "stopped_too_early"),
}

# Of ``epochs="auto"``.
_MOST_AUTOMATIC_EPOCHS = 256


def remedies_for(kind: str, network: BaseNetwork | None, n_train: int | None) -> tuple[str, ...]:
    """Return what to try, the most promising first.

    Parameters
    ----------
    kind : str
        Of a finding.
    network : BaseNetwork or None
        Its parameters are named with their present values.
    n_train : int or None
        Rows to train on.
    """
    return tuple(remedy.text for remedy in _remedies(kind, network, n_train))


def remedies_of(
    kinds: Sequence[str], network: BaseNetwork | None, n_train: int | None
) -> tuple[dict[str, tuple[str, ...]], bool]:
    """Return what to try against several findings, without two that contradict each other.

    Parameters
    ----------
    kinds : sequence of str
        Of the findings, the most important first.
    network, n_train : object
        As for `remedies_for`.

    Returns
    -------
    remedies : dict of str to tuple of str
        For each kind.
    is_complete : bool
        False if any was left out.
    """
    found = {kind: _remedies(kind, network, n_train) for kind in kinds}
    gaps = [kind for kind in kinds if kind in _GAPS]
    ruling: dict[str, int] = {}
    for axis in ("capacity", "epochs", "regularisation", "rate"):
        order = [kind for kind in _RULERS.get(axis, ()) if kind in found] + gaps + list(kinds)
        directions = [each.direction for kind in order for each in found[kind] if each.axis == axis]
        if directions:
            ruling[axis] = directions[0]
    kept = {
        kind: tuple(
            each.text for each in all_of if not each.axis or each.direction == ruling[each.axis]
        )
        for kind, all_of in found.items()
    }
    return kept, all(len(kept[kind]) == len(found[kind]) for kind in found)


def _remedies(kind: str, network: BaseNetwork | None, n_train: int | None) -> list[_Remedy]:
    params = network.get_params(deep=False) if network is not None else {}
    # What follows the rows by itself has no present value to name.
    params = {n: v for n, v in params.items() if not (isinstance(v, str) and v == "auto")}
    advice: dict[str, list[_Remedy]] = {
        "bias": [
            _Remedy(_bigger(params), "capacity", 1),
            _Remedy(_longer(params), "epochs", 1),
            _Remedy(_less_regularisation(params), "regularisation", -1),
            _Remedy(
                "more informative features, or a layout that suits the data (a CNN for images)"
            ),
        ],
        "variance": [
            _Remedy(_more("dropout", params, "0.2", "0.5"), "regularisation", 1),
            _Remedy(_more("l2", params, "1e-4", "1e-2"), "regularisation", 1),
            _Remedy(
                ""
                if params.get("early_stopping")
                else "early stopping: early_stopping=True, or fewer epochs",
                "epochs",
                -1,
            ),
            _Remedy(_smaller(params), "capacity", -1),
            _Remedy("more rows to train on" + (f" (now {n_train:,})" if n_train else "")),
        ],
        "stopped_too_early": [
            _Remedy(_patience(params), "epochs", 1),
            _Remedy(_longer(params), "epochs", 1),
            _Remedy(_rate(params, "a higher learning rate", 3), "rate", 1),
        ],
        "trained_too_long": [
            _Remedy(
                "early_stopping=True, which keeps the weights of the best epoch"
                if not params.get("early_stopping")
                else "restore_best_weights=True, or less patience",
                "epochs",
                -1,
            ),
            _Remedy("fewer epochs: best_epoch of the cross-validation says how many", "epochs", -1),
            _Remedy(_more("dropout", params, "0.2", "0.5"), "regularisation", 1),
        ],
        "noisy": [
            _Remedy(_rate(params, "a lower learning rate", 1 / 10), "rate", -1),
            _Remedy(
                f"larger batches: batch_size={2 * params['batch_size']} "
                f"(now {params['batch_size']})"
                if isinstance(params.get("batch_size"), int)
                else "larger batches"
            ),
            _Remedy(_falling_rate(params), "rate", -1),
            _Remedy("more validation rows, or the mean over more folds (n_iterations=10)"),
        ],
        "no_better_than_baseline": [
            _Remedy("inputs of unit scale: a StandardScaler in front of the network"),
            _Remedy(
                _rate(params, "another learning rate: ten times higher, then ten times lower", 0),
                "rate",
            ),
            _Remedy(_bigger(params), "capacity", 1),
            _Remedy(_longer(params), "epochs", 1),
            _Remedy(
                "other models in compare_with: if none does better, the features may say nothing"
            ),
        ],
        "good": [],
    }
    return [remedy for remedy in advice[kind] if remedy.text]


def _size_of(params: Params) -> tuple[str, str] | None:
    """Return the parameters of the network's width and depth; None for a model of the user's."""
    return next((names for names in _SIZES if params.keys() >= set(names)), None)


def _bigger(params: Params) -> str:
    size = _size_of(params)
    if size is None:
        return "a bigger network"
    width, depth = size
    units, layers = params[width], params.get(depth)
    if not isinstance(units, int) or layers is None:
        return f"a bigger network: {width}={_scaled(units, 2)}{_now(params, width)}"
    if layers == 0 and width == "hidden_units":
        # Without hidden layers their width says nothing.
        return "a bigger network: hidden_layers=1 (now 0)"
    return (
        f"a bigger network: {width}={_scaled(units, 2)}, {depth}={layers + 1}"
        f"{_now(params, width, depth)}"
    )


def _smaller(params: Params) -> str:
    size = _size_of(params)
    if size is None:
        return "a smaller network"
    width, depth = size
    if width == "hidden_units" and params.get(depth) == 0:
        return ""
    units = _scaled(params[width], 0.5)
    if width == "width" and isinstance(units, int):
        # Each head has its share of it.
        n_heads = params["n_heads"]
        units = -(-units // n_heads) * n_heads
    return (
        "" if units == params[width] else f"a smaller network: {width}={units}{_now(params, width)}"
    )


def _scaled(units: Units, factor: float) -> Units:
    if isinstance(units, int):
        return max(1, int(units * factor))
    return tuple(max(1, int(each * factor)) for each in units)


def _longer(params: Params) -> str:
    if "epochs" not in params:
        return "longer training"
    return f"longer training: epochs={2 * params['epochs']} (now {params['epochs']})"


def _patience(params: Params) -> str:
    if not params.get("early_stopping"):
        return ""
    patience = params["patience"]
    # Patience for all epochs ends no training.
    if patience >= params.get("epochs", _MOST_AUTOMATIC_EPOCHS):
        return ""
    return (
        f"more patience: patience={max(2 * patience, 10)} (now {patience}); with a min_delta of 0 "
        "every improvement counts"
    )


def _rate(params: Params, words: str, factor: float) -> str:
    rate = params.get("learning_rate")
    if not isinstance(rate, float | int) or not isinstance(params.get("optimizer"), str):
        return words
    return (
        f"{words}: learning_rate={rate * factor:g} (now {rate:g})"
        if factor
        else (f"{words} (now {rate:g})")
    )


def _falling_rate(params: Params) -> str:
    words = "a learning rate that falls"
    if "learning_rate_schedule" not in params:
        return f"{words}: a Keras schedule, or the callback ReduceLROnPlateau"
    is_constant = params["learning_rate_schedule"] == "constant"
    return f'{words}: learning_rate_schedule="cosine"' if is_constant else ""


def _more(name: str, params: Params, low: str, high: str) -> str:
    """Return where such values usually lie, or nothing if the present one is at the top."""
    now = params.get(name)
    if not isinstance(now, float | int):
        return f"{name}={low} to {high}"
    if now >= float(high):
        return ""
    values = f"{name}={low} to {high}" if now < float(low) else f"more {name}, up to {high}"
    return f"{values} (now {now:g})"


def _less_regularisation(params: Params) -> str:
    names = (
        *("dropout", "input_dropout", "conv_dropout", "recurrent_dropout", "embedding_dropout"),
        *("l1", "l2", "label_smoothing"),
    )
    active = [f"{name} (now {params[name]:g})" for name in names if params.get(name)]
    return f"less of {', '.join(active)}" if active else ""


def _now(params: Params, *names: str) -> str:
    present = [params[name] for name in names if name in params]
    return f" (now {' and '.join(map(str, present))})"
