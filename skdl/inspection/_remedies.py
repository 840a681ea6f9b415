"""What to try against each finding, in terms of the network's own parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skdl.estimators.base import BaseNetwork

    Params = dict[str, Any]
    Units = int | tuple[int, ...]

__all__ = ["remedies_for"]


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
    params = network.get_params(deep=False) if network is not None else {}
    # What follows the rows by itself has no present value to name.
    params = {n: v for n, v in params.items() if not (isinstance(v, str) and v == "auto")}
    advice = {
        "bias": [
            _bigger(params),
            _longer(params),
            _less_regularisation(params),
            "more informative features, or a layout that suits the data (a CNN for images)",
        ],
        "variance": [
            _more("dropout", params, "0.2", "0.5"),
            _more("l2", params, "1e-4", "1e-2"),
            ""
            if params.get("early_stopping")
            else "early stopping: early_stopping=True, or fewer epochs",
            _smaller(params),
            "more rows to train on" + (f" (now {n_train:,})" if n_train else ""),
        ],
        "stopped_too_early": [
            _patience(params),
            _longer(params),
            _rate(params, "a higher learning rate", 3),
        ],
        "trained_too_long": [
            "early_stopping=True, which keeps the weights of the best epoch"
            if not params.get("early_stopping")
            else "restore_best_weights=True, or less patience",
            "fewer epochs: best_epoch of the cross-validation says how many",
            _more("dropout", params, "0.2", "0.5"),
        ],
        "noisy": [
            _rate(params, "a lower learning rate", 1 / 10),
            f"larger batches: batch_size={2 * params['batch_size']} (now {params['batch_size']})"
            if "batch_size" in params
            else "larger batches",
            _falling_rate(params),
            "more validation rows, or the mean over more folds (n_iterations=10)",
        ],
        "no_better_than_baseline": [
            "inputs of unit scale: a StandardScaler in front of the network",
            _rate(params, "another learning rate: ten times higher, then ten times lower", 0),
            _bigger(params),
            _longer(params),
            "other models in compare_with: if none does better, the features may say nothing",
        ],
        "good": [],
    }[kind]
    return tuple(remedy for remedy in advice if remedy)


def _bigger(params: Params) -> str:
    if "hidden_units" not in params:
        return "a bigger network"
    units, layers = params["hidden_units"], params.get("hidden_layers")
    if not isinstance(units, int) or layers is None:
        wider = f"hidden_units={_scaled(units, 2)}"
        return f"a bigger network: {wider}{_now(params, 'hidden_units')}"
    if layers == 0:
        # Without hidden layers their width says nothing.
        return "a bigger network: hidden_layers=1 (now 0)"
    return (
        f"a bigger network: hidden_units={_scaled(units, 2)}, hidden_layers={layers + 1}"
        f"{_now(params, 'hidden_units', 'hidden_layers')}"
    )


def _smaller(params: Params) -> str:
    if "hidden_units" not in params or params.get("hidden_layers") == 0:
        return "" if "hidden_units" in params else "a smaller network"
    units = _scaled(params["hidden_units"], 0.5)
    return f"a smaller network: hidden_units={units}{_now(params, 'hidden_units')}"


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
    names = ("dropout", "input_dropout", "conv_dropout", "l1", "l2", "label_smoothing")
    active = [f"{name} (now {params[name]:g})" for name in names if params.get(name)]
    return f"less of {', '.join(active)}" if active else ""


def _now(params: Params, *names: str) -> str:
    present = [params[name] for name in names if name in params]
    return f" (now {' and '.join(map(str, present))})"
