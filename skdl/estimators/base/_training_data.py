"""The data of one fit, once they are checked: rows, targets, weights, metadata, validation rows.

What `fit`, `partial_fit` and the scoring of held-out rows are given becomes a `TrainingData`; with
it goes which of the rows are trained on, and which are held out.
"""

from __future__ import annotations

import dataclasses
import math
import warnings
from typing import TYPE_CHECKING, Any, NoReturn, Self

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.utils import check_array
from sklearn.utils.validation import check_consistent_length, validate_data

from skdl._compat_sklearn import check_sample_weight
from skdl._data_checks import (
    check_enough_rows_to_split,
    check_validation_pair,
    check_weights,
    naming,
)
from skdl._input_kinds import refuse_streams
from skdl._lazy_rows import LazyRows
from skdl._row_times import block_starts, rows_before
from skdl._rows import PreparedRows, source_of
from skdl.estimators.base._bad_rows import (
    columns_named,
    refuse_dates,
    sampling_step,
    warn_about_offsets,
)
from skdl.estimators.base._row_metadata import NO_METADATA, RowMetadata
from skdl.exceptions import EarlyStoppingDataWarning, InvalidParameterError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from skdl.estimators.base._targets import Targets
    from skdl.training import Rows

__all__ = ["TrainingData", "checked_rows", "checked_targets", "rows_in_place", "sharing_targets"]

# On both sides of a split.
_LEAST_ROWS_OF_A_CLASS = 2


@dataclasses.dataclass(frozen=True, eq=False)
class TrainingData:
    """Checked rows with their targets.

    Parameters
    ----------
    X : array or CSR matrix of shape (n_rows, ...), or LazyRows
        In the form in which the network takes them.
    targets : ndarray of shape (n_rows, n_columns)
        Encoded, in their own units.
    weight : ndarray of shape (n_rows,), optional
        Sample weights, all positive in data to train on.
    metadata : RowMetadata, optional
        Groups or times of the rows, to which the inner split keeps.
    validation : TrainingData, optional
        Other rows, that the training is judged on.
    train_index, held_out_index : ndarray of int, optional
        The rows to train on, all by default, and those of `X` that the training is judged on.
    """

    X: Any
    targets: NDArray[Any]
    weight: NDArray[np.float64] | None = None
    metadata: RowMetadata = NO_METADATA
    validation: TrainingData | None = None
    train_index: NDArray[np.int32] | None = None
    held_out_index: NDArray[np.int32] | None = None

    def __len__(self) -> int:
        return len(self.targets)

    @classmethod
    def of_fit(
        cls,
        network: Any,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
        metadata: RowMetadata | None = None,
        *,
        targets: Targets,
        reset: bool,
    ) -> Self:
        """Check what ``fit`` was given; what the targets are is learned where `reset`."""
        owner = type(network).__name__
        X, y = _checked_pair(network, X, y, reset=reset)
        weight = _checked_weight(owner, sample_weight, X)
        check_validation_pair(owner, X_val, y_val, sample_weight_val)
        metadata = NO_METADATA if metadata is None else metadata
        if weight is not None and not weight.all():
            kept = np.flatnonzero(weight)
            X, y, weight = X[kept], y[kept], weight[kept]
            metadata = metadata.of_rows(kept)
        network._targets = targets
        encoded = network._encode_targets(y, reset=reset)
        validation = None
        if X_val is not None:
            validation = cls.to_score(network, X_val, y_val, sample_weight_val)
        return cls(X, encoded, weight, metadata, validation)

    @classmethod
    def to_score(cls, network: Any, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Check rows that a network is scored on while it is trained on others."""
        X = _checked_scoring_rows(network, X)
        owner = type(network).__name__
        y = checked_targets(network, y, "y_val")
        with naming(owner, "y_val"):
            check_consistent_length(X, y)
        weight = _checked_weight(owner, sample_weight, X, "sample_weight_val")
        return cls(X, network._encode_targets(y, reset=False), weight)

    # ------------------------------------------------------------------ the rows to train on

    @property
    def n_train(self) -> int:
        """Number of rows to train on."""
        return len(self) if self.train_index is None else len(self.train_index)

    @property
    def in_training(self) -> Any:
        """What picks the rows to train on out of an array."""
        return slice(None) if self.train_index is None else self.train_index

    def holding_out(
        self, train_index: NDArray[np.int32], held_out_index: NDArray[np.int32]
    ) -> Self:
        """Return the data with some rows held out."""
        if source_of(self.X) is not None:
            # Their order does not matter here, but that of reading does.
            train_index, held_out_index = np.sort(train_index), np.sort(held_out_index)
        return dataclasses.replace(self, train_index=train_index, held_out_index=held_out_index)

    def inner_split(self, network: Any, rng: np.random.RandomState) -> Self:
        """Return the data with a share of the rows held out: drawn at random, or the latest."""
        # Not needed to predict, and slow.
        from sklearn.model_selection import GroupShuffleSplit, train_test_split

        owner, n_rows, share = type(network).__name__, len(self), network.validation_fraction
        check_enough_rows_to_split(owner, n_rows, share)
        rows = np.arange(n_rows, dtype=np.int32)
        groups, time = self.metadata.groups, self.metadata.time
        if time is not None:
            n_earlier = n_rows - math.ceil(share * n_rows)
            (start,) = block_starts(
                f"{owner}, inner validation split", time, [n_earlier], "pass X_val and y_val"
            )
            is_before = rows_before(time, start, self.metadata.gap)
            if not is_before.any():
                raise ValueError(
                    f"{owner}: gap={self.metadata.gap} leaves no row to train on before the inner "
                    f"validation rows, which begin at {start}. Expected a smaller gap, more rows, "
                    "another validation_fraction, or X_val and y_val."
                )
            return self.holding_out(rows[is_before], rows[time >= start])
        if groups is not None:
            if len(np.unique(groups)) == 1:
                raise ValueError(
                    f"{owner}: groups holds one group, which cannot stand on both sides of the "
                    "inner validation split. Expected at least 2 groups; or pass X_val and y_val."
                )
            splitter = GroupShuffleSplit(1, test_size=share, random_state=rng)
            train, held_out = next(splitter.split(rows, groups=groups))
            return self.holding_out(rows[train], rows[held_out])
        strata = network._targets.strata(self.targets)
        if strata is not None and not _can_stratify(strata, share):
            warnings.warn(
                f"{owner}: a class has too few rows to stand on both sides of the inner "
                "validation split, which was drawn without stratification. Pass more rows, "
                "another validation_fraction, or X_val and y_val.",
                EarlyStoppingDataWarning,
                stacklevel=6,
            )
            strata = None
        train, held_out = train_test_split(rows, test_size=share, stratify=strata, random_state=rng)
        return self.holding_out(train, held_out)

    # ------------------------------------------------------------------ rows of a job

    def learn_units(self, network: Any) -> None:
        """Let the targets of a network learn their units from the rows to train on."""
        weight = None if self.weight is None else self.weight[self.in_training]
        network._targets.learn_units(self.targets[self.in_training], weight)

    def job_rows(self, network: Any) -> tuple[Rows, Rows | None]:
        """Return the rows to train on and those to validate on; class weights are learned here."""
        scaled, weight = self._for_network(network, reset=True)
        train = network._to_job_rows(self.X, scaled, weight, self.train_index)
        if self.held_out_index is not None:
            index = self.held_out_index
            index = self.X.index[index] if isinstance(self.X, LazyRows) else index
            return train, dataclasses.replace(train, index=index)
        return train, None if self.validation is None else self.validation.scoring_rows(network)

    def scoring_rows(self, network: Any) -> Rows:
        """Return the rows for a network that is trained on others."""
        return network._to_job_rows(self.X, *self._for_network(network, reset=False))

    def _for_network(self, network: Any, *, reset: bool) -> tuple[Any, Any]:
        """Return targets in the network's units, and weights with those of classes."""
        targets = network._targets
        scaled = targets.scaled(self.targets)
        exact = targets.weighted(self.targets, self.weight, reset=reset)
        weight = None if exact is None else exact.astype(np.float32)
        if reset and weight is not None and not weight[self.in_training].any():
            self._refuse_weights(network, exact[self.in_training].max())
        return scaled, weight

    def _refuse_weights(self, network: Any, largest: float) -> NoReturn:
        """Say why all rows to train on have the weight 0 in float32."""
        owner = type(network).__name__
        factors = getattr(network._targets, "_class_weight", None)
        if largest == 0:
            raise InvalidParameterError(
                f"{owner}: class_weight={factors!r} leaves every row to train on the weight 0, so "
                "nothing could be learnt. Expected a factor > 0 for at least one class in y, or "
                "class_weight=None."
            )
        cause = "sample_weight" if factors is None else f"class_weight={factors!r}"
        raise ValueError(
            f"{owner}: {cause} leaves the rows to train on weights of {largest:g} at the most, too "
            "small for float32. Expected weights of about 1: multiply them all by one number."
        )


def rows_in_place(X: Any, targets: Any, weight: Any, index: Any) -> Rows:
    """Return rows for the engine; those of a view stay in the array that they are rows of."""
    from skdl.training import Rows

    if not isinstance(X, LazyRows):
        return Rows(X, targets, weight, index)
    weight = None if weight is None else X.scatter_to_base(weight)
    kept = X.index if index is None else X.index[index]
    return Rows(X.base, X.scatter_to_base(targets), weight, kept, is_view=True)


def sharing_targets(rows: Rows, train: Rows) -> Rows:
    """Return other rows of the table that is trained on, their targets among those trained on.

    Both are the targets of one table, each with gaps where the other's rows are.
    """
    is_one_table = rows.is_view and train.is_view and rows.X is train.X
    if not is_one_table or rows.y.shape != train.y.shape or rows.y.dtype != train.y.dtype:
        return rows
    train.y[rows.rows] = rows.y[rows.rows]
    return dataclasses.replace(rows, y=train.y)


def checked_rows(network: Any, X: Any) -> Any:
    """Return rows to predict, in the form in which the network takes them."""
    X = _with_int32_indices(X)
    with naming(type(network).__name__, "X"), columns_named(network, X):
        rows = _rows_of_our_own(network, X, reset=False)
        if rows is None:
            refuse_dates(network, X)
            rows = validate_data(network, X, reset=False, **network._row_checks())
    return network._to_network_rows(rows, reset=False)


def _checked_pair(network: Any, X: Any, y: Any, *, reset: bool) -> tuple[Any, Any]:
    """Return rows as the network takes them and targets as an array; float32 is not copied."""
    owner = type(network).__name__
    X = _with_int32_indices(X)
    with naming(owner, "X"), columns_named(network, X):
        rows = _rows_of_our_own(network, X, reset=reset)
        if rows is None:
            refuse_dates(network, X)
            checks = network._row_checks()
            rows = validate_data(network, X, reset=reset, **checks)
            if reset and checks["dtype"] is np.float32:
                warn_about_offsets(network, X)
        elif reset and isinstance(rows, LazyRows) and rows.source is not rows.base:
            warn_about_offsets(network, rows.in_source(step=sampling_step(len(rows))))
    if y is None:
        raise ValueError(
            f"This {owner} estimator requires y to be passed, but the target y is None."
        )
    y = checked_targets(network, y, "y")
    with naming(owner, "X"):
        check_consistent_length(rows, y)
    return network._to_network_rows(rows, reset=reset), y


def _checked_scoring_rows(network: Any, X: Any) -> Any:
    X = _with_int32_indices(X)
    with naming(type(network).__name__, "X_val"), columns_named(network, X, "X_val"):
        rows = _rows_of_our_own(network, X, reset=False, input_name="X_val")
        if rows is None:
            rows = check_array(X, estimator=network, input_name="X_val", **network._row_checks())
            validate_data(network, X, reset=False, skip_check_array=True)
        return network._to_network_rows(rows, reset=False)


def _with_int32_indices(X: Any) -> Any:
    """Return sparse rows as CSR with indices of int32, where they fit; anything else as it is.

    SciPy makes int64 of the indices that a sparse array is built from, however small, and
    scikit-learn's checks refuse them. Neither the numbers nor the rows given are changed.
    """
    if not sparse.issparse(X) or X.ndim != len(("rows", "features")):
        return X
    rows = X.tocsr()
    is_wide = np.int64 in (rows.indices.dtype, rows.indptr.dtype)
    if not is_wide or max(*rows.shape, rows.nnz) > np.iinfo(np.int32).max:
        return rows
    parts = (rows.data, rows.indices.astype(np.int32), rows.indptr.astype(np.int32))
    return type(rows)(parts, shape=rows.shape)


def checked_targets(network: Any, y: Any, name: str) -> Any:
    """Return targets as an array, or CSR matrix, of what they are made of.

    Parameters
    ----------
    network : estimator
        Its class begins messages.
    y : array-like
    name : str
        Of the argument, for messages.

    Raises
    ------
    ValueError
        If targets are missing or infinite; the message says in which rows.
    """
    owner = type(network).__name__
    # Of pandas, polars and pyarrow, with whatever they write for what is missing.
    is_column = any(hasattr(y, name) for name in ("to_list", "to_pylist", "columns"))
    cells = np.asarray(y) if is_column or isinstance(y, list | tuple) else y
    kind = cells.dtype.kind if isinstance(cells, np.ndarray) and cells.ndim else ""
    if kind == "O":
        # Of what is missing, scikit-learn's checks know NaN alone.
        _refuse_targets(owner, name, pd.isna(cells), "NaN (missing values, None)")
    with naming(owner, name):
        try:
            return check_array(
                y, accept_sparse="csr", ensure_2d=False, dtype=None, estimator=network,
                input_name=name,
            )  # fmt: skip
        except ValueError:
            if kind == "f":
                _refuse_targets(owner, name, np.isnan(cells), "NaN")
                _refuse_targets(owner, name, np.isinf(cells), "infinity")
            raise


def _refuse_targets(owner: str, name: str, is_bad: NDArray[np.bool_], what: str) -> None:
    if is_bad.any():
        rows = is_bad.reshape(len(is_bad), -1).any(1)
        raise ValueError(
            f"{owner}: {name} contains {what} in {rows.sum()} of {len(is_bad)} rows, the first of "
            f"them row {int(rows.argmax())}. Expected a target for each row; leave these rows out."
        )


def _rows_of_our_own(network: Any, X: Any, *, reset: bool, input_name: str = "X") -> Any:
    """Return rows that scikit-learn's checks of arrays know nothing of, None for others."""
    X = _prepared(network, X, input_name)
    is_lazy = isinstance(X, LazyRows)
    if is_lazy or hasattr(X, "columns"):
        named = X.source if is_lazy and hasattr(X.source, "columns") else X
        names = getattr(source_of(X), "feature_names", None)
        if names is not None:
            named = pd.DataFrame(columns=names)
        network._check_features(named, reset=reset)
    encoded = network._encoded_table(X, reset=reset)
    if encoded is None:
        refuse_streams(type(network).__name__, X, input_name)
        return X if is_lazy else None
    if isinstance(encoded, LazyRows):
        return encoded
    return check_array(encoded, estimator=network, input_name=input_name, **network._row_checks())


def _prepared(network: Any, X: Any, input_name: str) -> Any:
    """Return rows of a source as a view of what the network takes; others as they are."""
    source = source_of(X)
    if source is None or isinstance(source, PreparedRows):
        return X
    owner = type(network).__name__
    prepared = network.__lazy_rows__(X) if hasattr(network, "__lazy_rows__") else X
    if source_of(prepared) is source:
        raise TypeError(
            f"{owner}: {input_name} is a {type(source).__name__}, whose rows {owner} cannot read "
            f"batch by batch. Expected rows in memory, such as numpy.asarray({input_name}); MLPs "
            "and CNNs take sources."
        )
    return prepared


def _checked_weight(
    owner: str, sample_weight: Any, X: Any, name: str = "sample_weight"
) -> NDArray[np.float64] | None:
    if sample_weight is None:
        return None
    with naming(owner, name):
        weight = np.asarray(sample_weight, np.float64)
        if weight.ndim == 0:
            weight = np.full(X.shape[0], weight)
        if weight.ndim == 1:
            check_weights(owner, weight, name)
        checked: NDArray[np.float64] = check_sample_weight(weight, X, dtype=np.float64)
    return checked


def _can_stratify(strata: NDArray[Any], share: float) -> bool:
    """Tell whether each class has rows enough for both sides of a split."""
    n_held_out = int(np.ceil(len(strata) * share))
    counts = np.unique(strata, return_counts=True)[1]
    least_side = min(n_held_out, len(strata) - n_held_out)
    return bool(counts.min() >= _LEAST_ROWS_OF_A_CLASS and least_side >= len(counts))
