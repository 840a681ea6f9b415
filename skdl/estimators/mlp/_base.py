"""What the two perceptrons share: parameters, and the network that they describe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from skdl._lazy_rows import LazyRows, all_finite
from skdl._rows import PreparedRows, source_of
from skdl._validation import AnyOf, Boolean, Constraint, Integer, OneOf, Real
from skdl.estimators.base import _keras_names as names
from skdl.estimators.base._auto_sizes import auto_hidden_units, auto_n_bins, auto_numeric_embedding
from skdl.estimators.base._described_prediction import InputForm
from skdl.estimators.base._network_estimator import BaseNetwork
from skdl.estimators.base._parameters import CONSTRAINTS, units_per_layer
from skdl.estimators.base._search_space import Choice, Number
from skdl.estimators.base._sparsity import nonzero_weights
from skdl.estimators.mlp._column_kinds import is_plain
from skdl.estimators.mlp._offsets import in_float32, large_offsets
from skdl.estimators.mlp._source_sample import LEARNING_ROWS, offsets_of_source, sample_frame
from skdl.estimators.mlp._table_encoder import TableEncoder, other_columns
from skdl.exceptions import InvalidParameterError
from skdl.layers import blueprint_of
from skdl.networks import KerasObject, Layer, mlp, numeric_embedding

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from skdl.estimators.base._row_metadata import RowMetadata
    from skdl.estimators.base._targets import Output
    from skdl.estimators.base._training_data import TrainingData
    from skdl.networks import Network
    from skdl.training import Optimizer, Schedule

__all__ = ["MLP_CONSTRAINTS", "BaseMLP"]

# Fewer rows with a gap would be learned by heart, and some folds have none: their networks would be
# of another shape, and could not train with the others.
_LEAST_GAPS_TO_SHOW = 10
# Rows that are looked at at once.
_BLOCK = 4096
_CURE_OF_GAPS = "set missing_numbers='learn', or leave out these rows"
_COUNT = Integer(1, example=16)
MLP_CONSTRAINTS: dict[str, Constraint] = {
    **CONSTRAINTS,
    "hidden_units": AnyOf(OneOf("auto"), CONSTRAINTS["hidden_units"]),
    "parametric_activation": Boolean(),
    "categorical_features": OneOf(None, "from_dtype"),
    "max_one_hot": Integer(0, example=8),
    "category_units": Integer(1, example=8),
    "missing_numbers": OneOf(None, "learn"),
    "input_scaling": OneOf(None, "smooth_clip"),
    "numeric_embedding": OneOf(None, "auto", "plr", "pbld", "periodic", "piecewise_linear"),
    "n_frequencies": _COUNT,
    "frequency_scale": Real(0, low_open=True, example=0.1),
    "embedding_units": Integer(2, example=4),
    "n_bins": AnyOf(OneOf("auto"), _COUNT),
    "feature_scale": Boolean(),
    "shared_members": Integer(1, example=8),
    "sparsity": CONSTRAINTS["dropout"],
    "weight_decay": AnyOf(OneOf(None), Real(0, example=0.01)),
    "learning_rate_schedule": OneOf("constant", "cosine", "coslog4", "plateau"),
    "beta_2": AnyOf(OneOf(None), Real(0, 1, low_open=True, high_open=True, example=0.95)),
    "batch_size": AnyOf(OneOf("auto"), Integer(1, example=32)),
    "epochs": AnyOf(OneOf("auto"), Integer(1, example=100)),
    "refit": AnyOf(Boolean(), OneOf("time")),
}


class BaseMLP(BaseNetwork):
    """What the two perceptrons share: the network that their parameters describe."""

    _preset: ClassVar[dict[str, Any]]
    __lazy_rows_depend_on__ = ("categorical_features", "missing_numbers", "input_scaling")
    _kinds_of_state: ClassVar[dict[str, Any]] = {
        "_encoder": (TableEncoder, type(None)),
        "_offsets": (np.ndarray, type(None)),
    }
    _encoder: TableEncoder | None = None
    _offsets: NDArray[np.float64] | None = None
    # Rows to train on, set before the network is described.
    _n_train: int
    n_nonzero_weights_ = nonzero_weights

    hidden_units: int | str | Sequence[int]
    hidden_layers: int
    activation: Any
    parametric_activation: bool
    categorical_features: Any
    max_one_hot: int
    category_units: int
    missing_numbers: Any
    input_scaling: Any
    numeric_embedding: Any
    n_frequencies: int
    frequency_scale: float
    embedding_units: int
    n_bins: int | str
    feature_scale: bool
    shared_members: int
    dropout: float
    input_dropout: float
    l1: float
    l2: float
    sparsity: float
    weight_decay: float | None
    batch_norm: Any
    input_batch_norm: bool
    learning_rate_schedule: Any
    beta_2: float | None
    refit: bool | str

    @classmethod
    def tabular(cls, **overrides: Any) -> Self:
        """Return an unfitted network with a strong starting point for tables.

        After RealMLP-TD (Holzmüller et al. 2024): robust scaling with smooth clipping, embedded
        numbers, a scale layer, parametric activations, and a learning rate that rises and falls
        in waves, with the weights of the best epoch on held-out rows kept; with `time`, it trains
        anew on all rows for as many epochs. After TabM (Gorishniy et al. 2025): eight networks
        that share their weights. Widths, bins, batches, epochs, and whether numbers are embedded
        at all, follow the number of rows; `effective_params_` tells what they became. Takes
        DataFrames with categories and gaps. It is an ordinary estimator; its parameters spell it
        all out, and can be changed and searched as any.

        Parameters
        ----------
        **overrides : dict
            Parameters that shall differ, and those such as ``random_state`` that the starting
            point leaves open.

        Returns
        -------
        network : object
            Give it to a `KFoldEnsembleRegressor` or `KFoldEnsembleClassifier` for the best
            predictions.

        Raises
        ------
        TypeError
            If there is no parameter of such a name.
        """
        return cls(**{**cls._preset, **overrides})

    def _check_parameters(self) -> None:
        super()._check_parameters()
        owner = type(self).__name__
        given = {
            name: value for name, value in self._optimizer_scalars().items() if value is not None
        }
        is_object = not isinstance(self.optimizer, str | type)
        if given and is_object:
            raise InvalidParameterError(
                f"{owner}: {_listed(given)} was given beside an optimizer object, which has "
                "numbers of its own. Expected one of them: set it in the optimizer, or give the "
                "optimizer by name."
            )
        missing = names.missing_scalars(self.optimizer, given)
        if missing:
            raise InvalidParameterError(
                f"{owner}: optimizer={self.optimizer!r} has no {' and no '.join(missing)}. "
                "Expected None there, or an optimizer such as 'adam'."
            )
        if self.learning_rate_schedule != "constant" and self._has_keras_schedule():
            raise InvalidParameterError(
                f"{owner}: learning_rate_schedule={self.learning_rate_schedule!r} was given "
                "beside a schedule of Keras. Expected one of them: a number as learning rate, or "
                "learning_rate_schedule='constant'."
            )
        activation = names.resolved_activation(self.activation)
        if self.parametric_activation and isinstance(activation, KerasObject):
            raise InvalidParameterError(
                f"{owner}: parametric_activation=True was given beside a Keras layer as "
                "activation. Expected a name or a function as activation, or "
                "parametric_activation=False."
            )

    def _optimizer_scalars(self) -> dict[str, float | None]:
        """Return the scalars of the optimizer that are parameters here."""
        return {"weight_decay": self.weight_decay, "beta_2": self.beta_2}

    def _has_keras_schedule(self) -> bool:
        return not isinstance(super()._optimizer().learning_rate, float)

    def _optimizer(self) -> Optimizer:
        from skdl.training import with_scalars

        given = {
            name: value for name, value in self._optimizer_scalars().items() if value is not None
        }
        return with_scalars(super()._optimizer(), **given)

    def _refits(self, metadata: RowMetadata) -> bool:
        return metadata.time is not None if self.refit == "time" else bool(self.refit)

    @property
    def _epochs_in_all(self) -> int:
        return self._max_epochs * (2 if self.refit else 1)

    def _schedule(self) -> Schedule:
        from skdl.training import Schedule

        return Schedule(
            kind=self.learning_rate_schedule,
            monitor=self.monitor,
            mode=names.monitor_mode(self.monitor),
            patience=max(1, self.patience // 2),
        )

    def _needs_dense_rows(self) -> bool:
        wants = (self.input_scaling, self.numeric_embedding, self.missing_numbers)
        return any(value is not None for value in wants)

    def _row_checks(self) -> dict[str, Any]:
        checks = super()._row_checks()
        if self.missing_numbers is not None:
            checks = {**checks, "ensure_all_finite": "allow-nan"}
        if self.input_scaling is not None:
            # Offsets are taken away before the numbers become float32.
            checks = {**checks, "dtype": [np.float64, np.float32]}
        return checks

    def _encoded_table(self, X: Any, *, reset: bool) -> Any:
        owner = type(self).__name__
        source = source_of(X)
        if isinstance(source, PreparedRows) and hasattr(source.source, "read_frame"):
            return self._encoded_source(X, source.source, reset=reset)
        others = [] if self.categorical_features is None else other_columns(X)
        if reset:
            centre = self.input_scaling is not None
            self._encoder = (
                TableEncoder.of(X, self.max_one_hot, centre=centre, owner=owner) if others else None
            )
        if self._encoder is not None:
            return self._encoder.encoded(owner, X)
        if others:
            raise ValueError(
                f"{owner}: columns {others} of X hold no numbers, but all columns did in fit. "
                "Expected numbers there, as in fit (pd.to_numeric)."
            )
        return None

    def _encoded_source(self, X: LazyRows, source: Any, *, reset: bool) -> Any:
        """Return rows of a source with columns of categories as numbers, else None."""
        owner = type(self).__name__
        others = []
        if self.categorical_features is not None:
            others = other_columns(source.empty_frame)
        if reset:
            self._encoder = None
            if others:
                sample = sample_frame(source, X.index, others)
                centre = self.input_scaling is not None
                self._encoder = TableEncoder.of(
                    sample, self.max_one_hot, centre=centre, owner=owner
                )
        encoder = self._encoder
        if encoder is None:
            if others and not reset:
                raise ValueError(
                    f"{owner}: columns {others} of X hold no numbers, but all columns did in fit. "
                    "Expected numbers there, as in fit."
                )
            return None
        prepared = PreparedRows(
            source,
            owner,
            allow_nan=self.missing_numbers is not None,
            cure=_CURE_OF_GAPS,
            encode=lambda source, number: encoder.encoded(owner, source.read_frame(number)),
            encoding=id(encoder),
        )
        return LazyRows(prepared, X.index, X.source)

    def _rows_of_source(self, X: Any, source: Any) -> LazyRows:
        """Return rows of a source as views of what the network takes."""
        owner = type(self).__name__
        if source.ndim != len(("rows", "features")):
            raise ValueError(
                f"{owner}: X is a {type(source).__name__} of shape {source.shape}. Expected two "
                "axes, rows and features; CNNClassifier and CNNRegressor take images."
            )
        kinds = source.empty_frame.dtypes if hasattr(source, "empty_frame") else {}
        others = [name for name, kind in kinds.items() if not _is_number(kind)]
        if others and self.categorical_features is None:
            raise ValueError(
                f"{owner}: columns {others} of X hold no numbers. Expected "
                "categorical_features='from_dtype', as "
                f"{owner}.tabular() has it; or skdl.ParquetRows(..., features=[...]) without them."
            )
        allow_nan = self.missing_numbers is not None
        prepared = PreparedRows(source, owner, allow_nan=allow_nan, cure=_CURE_OF_GAPS)
        index = X.index if isinstance(X, LazyRows) else None
        return LazyRows(prepared, index, source)

    def __lazy_rows__(self, X: Any) -> Any:
        """Return numbers as views of float32 rows, where all folds make the same of them."""
        source = source_of(X)
        if source is not None:
            return self._rows_of_source(X, source)
        is_frame = isinstance(X, pd.DataFrame)
        if is_frame:
            kinds = {dtype.kind if isinstance(dtype, np.dtype) else "O" for dtype in X.dtypes}
        elif isinstance(X, np.ndarray) and X.ndim == len(("rows", "features")):
            kinds = {X.dtype.kind}
        else:
            return X
        is_float32 = not is_frame and X.dtype == np.float32
        # Which offsets are taken away each fold learns from its own rows, if they are not float32.
        if not kinds <= set("fiu") or not (is_float32 or self.input_scaling is None):
            return X
        base = X
        if not is_float32:
            try:
                with np.errstate(over="ignore", invalid="ignore"):
                    base = check_array(X, estimator=self, **self._row_checks())
            except ValueError:
                return X  # what is wrong with it the folds say
        elif self.missing_numbers is None and not all_finite(X):
            return X
        return LazyRows(np.asarray(base), source=X)

    def _constants(self, network: Network, data: TrainingData) -> Any:
        if not self._needs_dense_rows():
            return None
        rows = data.X[data.in_training]
        if source_of(rows) is not None:
            # Of so many rows, quartiles are those of all, to a part in a thousand.
            rows = rows[:: -(-len(rows) // LEARNING_ROWS)]
        return blueprint_of(network).constants(np.asarray(rows))

    def _to_network_rows(self, X: Any, *, reset: bool) -> Any:
        if sparse.issparse(X) and self._needs_dense_rows():
            raise ValueError(
                f"{type(self).__name__}: X is sparse, but input_scaling={self.input_scaling!r}, "
                f"numeric_embedding={self.numeric_embedding!r} and "
                f"missing_numbers={self.missing_numbers!r} look at every value. Expected dense "
                "rows (X.toarray()), or None for all of them."
            )
        source = source_of(X)
        if isinstance(source, PreparedRows):
            if self._encoder is None and self.input_scaling is not None:
                if reset:
                    self._offsets = offsets_of_source(source.source, X.index)
                X = LazyRows(source.with_offsets(self._offsets), X.index, X.source)
        elif self._encoder is None and self.input_scaling is not None:
            if reset:
                self._offsets = large_offsets(X) if X.dtype == np.float64 else None
            if self._offsets is not None or not isinstance(X, LazyRows):
                X = in_float32(type(self).__name__, np.asarray(X), self._offsets)
        if reset and self.missing_numbers is not None:
            n_numeric = X.shape[1] if self._encoder is None else len(self._encoder.numeric)
            blocks = (X[start : start + _BLOCK] for start in range(0, len(X), _BLOCK))
            n_missing = sum(np.isnan(np.asarray(rows)[:, :n_numeric]).sum(0) for rows in blocks)
            self._with_gaps = tuple(np.flatnonzero(n_missing >= _LEAST_GAPS_TO_SHOW).tolist())
        return super()._to_network_rows(X, reset=reset)

    def _input_form(self) -> InputForm:
        row_shape = self._trained.network.input_shape
        if self._encoder is not None:
            return InputForm(row_shape, columns=self._encoder.described_columns())
        return InputForm(row_shape, offsets=self._offsets)

    def _outputs(self, X: Any) -> NDArray[np.float32]:
        outputs = super()._outputs(X)
        if all_finite(outputs):
            return outputs
        is_finite = np.isfinite(outputs).all(1)
        raise ValueError(
            f"{type(self).__name__}: the outputs of {(~is_finite).sum()} of {len(outputs)} "
            f"rows, the first of them row {int(is_finite.argmin())}, are NaN or infinite: "
            "their features are too large for sums in float32. Expected rows of about the "
            "size of those in fit; input_scaling='smooth_clip' takes any."
        )

    def _keras_weights(self) -> list[NDArray[np.float32]]:
        weights = super()._keras_weights()
        if self._encoder is not None or self._offsets is None:
            return weights
        # `model_` takes features as ``fit`` does: with their offsets.
        blueprint = blueprint_of(self._trained.network)
        for i, variable in enumerate(blueprint.layout.variables):
            if variable.name in blueprint.layers[variable.layer].rule.shifted_variables:
                weights[i] = (weights[i] + self._offsets).astype(np.float32)
        return weights

    def _network(self, shape: tuple[int, ...], output: Output) -> Network:
        return mlp(
            n_features=shape[0],
            n_outputs=output.n_outputs,
            hidden_units=units_per_layer(self._hidden_units(), self.hidden_layers),
            activation=names.resolved_activation(self.activation),
            output_activation=output.activation,
            loss=output.loss,
            dropout=self.dropout,
            input_dropout=self.input_dropout,
            l1=self.l1,
            l2=self.l2,
            batch_norm=self.batch_norm,
            input_batch_norm=bool(self.input_batch_norm),
            **self._first_layers(shape[0]),
            feature_scale=bool(self.feature_scale),
            parametric_activation=bool(self.parametric_activation),
            shared_members=int(self.shared_members),
        )

    @property
    def effective_params_(self) -> dict[str, Any]:
        """What the parameters that are ``"auto"`` stood for in the last fit, by their names."""
        check_is_fitted(self)
        stood_for: dict[str, Callable[[], Any]] = {
            "hidden_units": self._hidden_units,
            "numeric_embedding": self._numeric_embedding,
            "n_bins": self._n_bins,
            "batch_size": lambda: self._batch_size(self._n_train),
            "epochs": lambda: self._max_epochs,
        }
        return {
            name: value()
            for name, value in stood_for.items()
            if isinstance(getattr(self, name), str) and getattr(self, name) == "auto"
        }

    def _numeric_embedding(self) -> Any:
        is_auto = self.numeric_embedding == "auto"
        return auto_numeric_embedding(self._n_train) if is_auto else self.numeric_embedding

    def _n_bins(self) -> int:
        return auto_n_bins(self._n_train) if self.n_bins == "auto" else int(self.n_bins)

    def _hidden_units(self) -> Any:
        is_auto = isinstance(self.hidden_units, str)
        return auto_hidden_units(self._n_train) if is_auto else self.hidden_units

    def _first_layers(self, n_features: int) -> dict[str, Layer]:
        """Return what makes numbers of categories and gaps, scales numbers and embeds them."""
        encoder = self._encoder
        n_numeric = n_features if encoder is None else len(encoder.numeric)
        layers: dict[str, Layer] = {}
        if encoder is not None:
            layers["categories"] = Layer.of(
                "Categories",
                n_numeric=n_numeric,
                one_hot=encoder.one_hot,
                embedded=encoder.embedded,
                units=int(self.category_units),
            )
        if n_numeric == 0:
            return layers
        where = {} if encoder is None else {"n_numeric": n_numeric}
        if self.input_scaling is not None:
            layers["smooth_clip"] = Layer.of("SmoothClip", **where)
        if self.missing_numbers is not None:
            layers["missing"] = Layer.of(
                "MissingNumbers", n_numeric=n_numeric, shown=self._with_gaps
            )
            # Behind the others now stand columns that say where numbers were missing.
            where = {"n_numeric": n_numeric}
        kind = self._numeric_embedding()
        if kind is not None:
            layers["embedding"] = numeric_embedding(
                kind,
                n_frequencies=self.n_frequencies,
                frequency_scale=self.frequency_scale,
                units=self.embedding_units,
                n_bins=self._n_bins(),
                **where,
            )
        return layers

    def _search_space(self) -> dict[str, Choice | Number]:
        space: dict[str, Choice | Number] = {}
        if isinstance(self.optimizer, str | type):
            space["weight_decay"] = Number(1e-5, 1e-1, log=True)
            if str(self.optimizer).lower() in {"adam", "adamw", "nadam"}:
                space["beta_2"] = Choice(0.95, 0.999)
        # Embeddings want dense rows, so whether there are any is for the user to say.
        if self.numeric_embedding in {"periodic", "plr", "pbld"}:
            space["n_frequencies"] = Choice(8, 16, 32)
            space["frequency_scale"] = Number(0.01, 10.0, log=True)
        elif self.numeric_embedding in {"auto", "piecewise_linear"}:
            space["n_bins"] = Choice(8, 16, 32, 64, 128)
        return {
            "hidden_units": Choice(32, 64, 128, 256),
            "hidden_layers": Number(1, 4),
            "dropout": Number(0.0, 0.5, step=0.05),
            "l1": Number(1e-7, 1e-3, log=True),
            "l2": Number(1e-6, 1e-2, log=True),
            "batch_norm": Choice(None, "before_activation"),
            **space,
            **super()._search_space(),
        }

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = not self._needs_dense_rows()
        tags.input_tags.allow_nan = self.missing_numbers is not None
        tags.input_tags.categorical = self.categorical_features is not None
        return tags


def _is_number(dtype: Any) -> bool:
    """Tell whether cells of a type are numbers where no column is one of categories."""
    return is_plain(dtype) or pd.api.types.is_bool_dtype(dtype)


def _listed(values: dict[str, Any]) -> str:
    return " and ".join(f"{name}={value!r}" for name, value in values.items())
