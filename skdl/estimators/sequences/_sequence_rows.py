"""Rows that are sequences, or flat and stand for them: shapes, lengths, and missing steps.

Inside, all is one array ``(n, timesteps, channels)``. Steps that are NaN in all channels are not
there: those behind the end of a shorter sequence, and those that users say are missing.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from sklearn.utils.validation import validate_data

from skdl._lazy_rows import LazyRows, lazy_rows
from skdl._validation import AnyOf, Boolean, Integer, OneOf, SequenceOf
from skdl.estimators.base._described_prediction import InputForm
from skdl.estimators.base._parameters import CONSTRAINTS, MAX_LAYERS
from skdl.estimators.base._training_data import rows_in_place
from skdl.estimators.sequences._padding import (
    PaddedRows,
    blocks_of_like_length,
    check_missing,
    padded,
    rounded_up,
    sequences_in,
)
from skdl.networks import with_step_mask

if TYPE_CHECKING:
    from skdl._validation import Constraint
    from skdl.training import Job, Rows, Trained

__all__ = ["SEQUENCE_CONSTRAINTS", "SequenceRows"]

_AXES_OF_SEQUENCES = 3
_AXES_OF_FLAT_ROWS = 2

_NOT_OF_SEQUENCES = {"batch_norm", "hidden_layers", "input_dropout"}
# Of all parameters that networks of sequences share.
SEQUENCE_CONSTRAINTS: dict[str, Constraint] = {
    **{name: c for name, c in CONSTRAINTS.items() if name not in _NOT_OF_SEQUENCES},
    "pooling": OneOf("last", "mean", "max", "attention"),
    "hidden_units": AnyOf(
        OneOf(None), Integer(1, example=64), SequenceOf(Integer(1), max_length=MAX_LAYERS)
    ),
    "sequence_shape": AnyOf(
        OneOf(None), SequenceOf(Integer(1, example=10), min_length=1, max_length=2)
    ),
    "channels": OneOf("last", "first"),
    "mask_missing": Boolean(),
}


class SequenceRows:
    """What estimators share whose rows are sequences.

    Attributes
    ----------
    sequence_shape_ : tuple of int
        Timesteps and channels of the network's rows.
    _is_masked : bool
        Whether steps of the rows to train on may be missing.
    """

    sequence_shape: Any
    channels: str
    mask_missing: bool
    _why_not_described = (
        "it takes rows with channels='first', which files would cut step by step. Expected "
        "channels='last', and X.transpose(0, 2, 1)"
    )
    sequence_shape_: tuple[int, int]
    _is_flat: bool
    _is_masked: bool
    _trained: Trained
    # Of a fit that is under way: what its validation rows ask of the network.
    _least: tuple[int, bool] = (0, False)

    def _row_checks(self) -> dict[str, Any]:
        finite = "allow-nan" if self.mask_missing else True
        return {"allow_nd": True, "dtype": np.float32, "ensure_all_finite": finite}

    # ------------------------------------------------------------------ what X may be

    __lazy_rows_depend_on__: ClassVar[tuple[str, ...]] = ("channels", "mask_missing")

    def __lazy_rows__(self, X: Any) -> Any:
        sequences = sequences_in(X)
        if sequences is None:
            return X if self.mask_missing else lazy_rows(X)
        try:
            return self._padded(sequences)
        except ValueError:  # each fit says what is wrong with the rows
            return X

    def _padded(self, sequences: list[Any]) -> PaddedRows:
        return padded(
            type(self).__name__, sequences, channels=self.channels, may_miss=self.mask_missing
        )

    def _check_features(self, X: Any, *, reset: bool) -> None:
        # Of sequences, only the number of channels is fixed, see `_to_network_rows`.
        if not isinstance(X, LazyRows) and sequences_in(X) is None:
            validate_data(self, X, reset=reset, skip_check_array=True)

    def _encoded_table(self, X: Any, *, reset: bool) -> Any:
        was_sequences = not reset and not self._is_flat
        sequences = sequences_in(X, tables_too=was_sequences)
        if sequences is None and not reset and self._takes_series:
            # Series of one length may be another length in another fold.
            sequences = sequences_in(X, tables_too=True)
            if sequences is not None and len(sequences[0]) == self.n_features_in_:
                return None
        if sequences is not None:
            return self._padded(sequences)
        n_axes = getattr(X, "ndim", 0)
        if n_axes > _AXES_OF_FLAT_ROWS:
            return X
        if was_sequences and n_axes == _AXES_OF_FLAT_ROWS:
            if self.sequence_shape_[1] == 1:
                return np.asarray(X)[:, :, None]
            raise ValueError(
                f"{type(self).__name__}: X of shape {X.shape} has flat rows, but fit saw sequences "
                f"of shape {self.sequence_shape_}. Expected sequences, of shape "
                "(n_samples, timesteps, channels); of one sequence alone, [X]."
            )
        return None

    @property
    def _takes_series(self) -> bool:
        """Whether lists of numbers, in place of flat rows, are series of any length."""
        return self.sequence_shape is None and not hasattr(self, "feature_names_in_")

    def _to_network_rows(self, X: Any, *, reset: bool) -> Any:
        owner = type(self).__name__
        rows = self._oriented(X)
        n_steps, n_channels = rows.shape[1:]
        if reset:
            self._is_flat = X.ndim == _AXES_OF_FLAT_ROWS
            if not self._is_flat:
                vars(self).pop("feature_names_in_", None)
                self.n_features_in_ = n_channels
            self.sequence_shape_ = (max(n_steps, self._least[0]), n_channels)
            self._is_masked = self._least[1] or self._may_miss(rows)
        elif n_channels != self.sequence_shape_[1]:
            raise ValueError(
                f"{owner}: sequences of X have {n_channels} channels (X has shape {X.shape}). "
                f"Expected {self.sequence_shape_[1]}, as in fit; channels={self.channels!r} says "
                "which axis they are on."
            )
        if isinstance(rows, np.ndarray) and self.mask_missing:
            check_missing(owner, rows)
        return rows if not reset else self._lengthened(rows)

    def _oriented(self, X: Any) -> Any:
        """Return rows as (n, timesteps, channels), a view of `X`."""
        if isinstance(X, PaddedRows):
            self._check_stated(X.shape[1:], is_padded=True)
            return X
        if X.ndim == _AXES_OF_FLAT_ROWS:
            return self._unflattened(X)
        if X.ndim != _AXES_OF_SEQUENCES or 0 in X.shape:
            raise ValueError(
                f"{type(self).__name__}: X has shape {X.shape}. Expected sequences "
                f"({_AXES[self.channels]}) with at least one step and one channel, a list of "
                "arrays of unequal length, or flat rows (see sequence_shape)."
            )
        if self.channels == "first":
            X = X.transpose(0, 2, 1)
        self._check_stated(X.shape[1:])
        return X

    def _unflattened(self, X: Any) -> Any:
        stated = self._stated()
        shape = stated or (X.shape[1], 1)
        if math.prod(shape) != X.shape[1]:
            raise ValueError(
                f"{type(self).__name__}: sequence_shape={tuple(self.sequence_shape)} stands for "
                f"{' × '.join(map(str, shape))} = {math.prod(shape)} values, but rows of X have "
                f"{X.shape[1]} (n_features={X.shape[1]}). Expected timesteps and channels that "
                "multiply out to the values of a row."
            )
        if self.channels == "first":
            return X.reshape(len(X), *shape[::-1]).transpose(0, 2, 1)
        return X.reshape(len(X), *shape)

    def _stated(self) -> tuple[int, int] | None:
        if self.sequence_shape is None:
            return None
        n_steps, *channels = (int(n) for n in self.sequence_shape)
        return n_steps, *(channels or [1])  # type: ignore[return-value]

    def _check_stated(self, shape: tuple[int, ...], *, is_padded: bool = False) -> None:
        stated = self._stated()
        if stated is not None and (shape[1] != stated[1] or (shape != stated and not is_padded)):
            raise ValueError(
                f"{type(self).__name__}: sequence_shape={stated} differs from the shape of X's "
                f"sequences, {shape}. Expected the same (timesteps, channels), or "
                "sequence_shape=None: it is needed for flat rows only."
            )

    def _may_miss(self, rows: Any) -> bool:
        return self.mask_missing or (isinstance(rows, PaddedRows) and rows.is_ragged)

    # ------------------------------------------------------------------ lengths

    def _make_job(self, *data: Any, **options: Any) -> Job:
        X_val = data[3] if len(data) > 3 else options.get("X_val")
        resumed = options.get("initial") is not None
        before = (self.sequence_shape_[0], self._is_masked) if resumed else (0, False)
        asked = self._asked_of(X_val)
        self._least = max(before[0], asked[0]), before[1] or asked[1]
        try:
            if resumed:
                longest, masked = self._asked_of(data[0])
                self.sequence_shape_ = max(self._least[0], longest), self.sequence_shape_[1]
                self._is_masked = self._least[1] or masked
            job: Job = super()._make_job(*data, **options)  # type: ignore[misc]
        finally:
            del self._least
        if job.initial is not None and job.initial.network.input_shape != job.network.input_shape:
            job.initial = job.initial.with_network(job.network)
        return job

    def _asked_of(self, X: Any) -> tuple[int, bool]:
        """Return the timesteps of rows that were not checked, and whether some may be missing."""
        sequences = sequences_in(X)
        axis = 1 if self.channels == "last" else 2
        if sequences is None:
            is_right = getattr(X, "ndim", 0) == _AXES_OF_SEQUENCES
            return (X.shape[axis] if is_right else 0), False
        lengths = {len(s) if axis == 1 or np.ndim(s) == 1 else np.shape(s)[1] for s in sequences}
        return rounded_up(max(1, *lengths)), len(lengths) > 1

    def _lengthened(self, rows: Any, n_steps: int | None = None) -> Any:
        """Return rows with steps of NaN at the end, so that there are as many as are trained on."""
        n_steps = self.sequence_shape_[0] if n_steps is None else n_steps
        n_more = n_steps - rows.shape[1]
        if n_more <= 0:
            return rows
        base = rows.base if isinstance(rows, LazyRows) else rows
        base = np.pad(base, ((0, 0), (0, n_more), (0, 0)), constant_values=np.nan)
        return PaddedRows(base, rows.index) if isinstance(rows, LazyRows) else base

    def _to_job_rows(self, X: Any, targets: Any, weight: Any, index: Any = None) -> Rows:
        n_steps, n_channels = self.sequence_shape_
        is_short = X.shape[1] < n_steps
        if X.shape[1] > n_steps or ((is_short or self._may_miss(X)) and not self._is_masked):
            raise ValueError(
                f"{type(self).__name__}: rows of shape {X.shape[1:]} are to be scored during a fit "
                f"to sequences of shape {(n_steps, n_channels)}"
                f"{'' if self._is_masked else ' of equal length'}. Expected rows no longer, and "
                "of unequal length only where those of fit are."
            )
        return rows_in_place(self._lengthened(X), targets, weight, index)

    # ------------------------------------------------------------------ prediction

    def _prediction(self, rows: Any) -> tuple[Trained, Any]:
        n_steps, n_channels = rows.shape[1:]
        has_gaps, network = self._may_miss(rows), self._trained.network
        is_masked = with_step_mask(network) is network
        if n_steps == network.input_shape[0] and (is_masked or not has_gaps):
            return self._trained, rows
        if is_masked:
            n_steps, has_gaps = rounded_up(n_steps), True
        # The weights are those of any length. Kept, as programs are known by their `Trained`.
        others = vars(self).setdefault("_trained_for", {})
        key = n_steps, has_gaps
        if key not in others:
            network = dataclasses.replace(network, input_shape=(n_steps, n_channels))
            network = with_step_mask(network) if has_gaps else network
            others[key] = self._trained.with_network(network)
        return others[key], self._lengthened(rows, n_steps)

    def _network_outputs(self, rows: Any) -> Any:
        if with_step_mask(self._trained.network) is not self._trained.network:
            return super()._network_outputs(rows)  # type: ignore[misc]
        blocks = blocks_of_like_length(rows)
        if len(blocks) == 1:
            return super()._network_outputs(rows)  # type: ignore[misc]
        # The same program for all lengths: its shapes are open.
        outputs = [
            super(SequenceRows, self)._network_outputs(  # type: ignore[misc]
                PaddedRows(np.asarray(rows[index])[:, :n_steps])
            )
            for index, n_steps in blocks
        ]
        order = np.argsort(np.concatenate([index for index, _ in blocks]))
        return np.concatenate(outputs)[order]

    def _set_fitted(self, trained: Trained) -> None:
        vars(self).pop("_trained_for", None)
        super()._set_fitted(trained)  # type: ignore[misc]

    def _kept_state(self) -> dict[str, Any]:
        state: dict[str, Any] = super()._kept_state()  # type: ignore[misc]
        return {name: value for name, value in state.items() if name != "_trained_for"}

    def _input_form(self) -> InputForm | None:
        # Elsewhere, flat rows are cut step by step.
        return InputForm(self.sequence_shape_) if self.channels == "last" else None

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.input_tags.sparse = False
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = self.mask_missing
        return tags


_AXES = {
    "first": "n_samples, channels, timesteps",
    "last": "n_samples, timesteps, channels",
}
