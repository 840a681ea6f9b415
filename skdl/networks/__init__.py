"""Networks: hyperparameters and shapes in, a frozen description of an architecture out."""

from skdl.networks._augmentation import augmentation_layers, is_augmentation
from skdl.networks._cnn import cnn, shapes_by_block
from skdl.networks._cnn1d import cnn1d
from skdl.networks._generators import preserved_generators
from skdl.networks._keras_object import (
    KerasObject,
    described_object,
    let_sklearn_clone,
    named_apart,
    rebuilt,
    reseeded,
)
from skdl.networks._loss import Loss, function_loss, function_of
from skdl.networks._loss_formulas import (
    ABSOLUTE_ERROR,
    CROSSENTROPY,
    HUBER,
    LOSS_FORMULAS,
    QUANTILE,
    SHORT_NAMES,
    SQUARED_ERROR,
    LossFormula,
    formula_of_keras_class,
    formula_of_loss_name,
    loss_names,
    loss_spellings,
    searched_losses,
)
from skdl.networks._mlp import mlp, numeric_embedding
from skdl.networks._network import Layer, Network
from skdl.networks._object_kinds import PACKAGE
from skdl.networks._operation import OperationCall
from skdl.networks._outside import UserFunction, described_code, plain_function
from skdl.networks._plain import LAYER_ARGUMENTS, SavedObject
from skdl.networks._read_keras import CannotReadError, Reading, read_layers
from skdl.networks._rnn import rnn, with_step_mask
from skdl.networks._safe_keras import MOST_PER_ROW, check_keras_config, check_sizes
from skdl.networks._sizes import (
    CLIP,
    bins_width,
    category_width,
    embedding_variables,
    embedding_width,
    shared_variables,
)
from skdl.networks._text import text_network
from skdl.networks._transformer import transformer
from skdl.networks._user_model import (
    CalledModel,
    Fresh,
    GivenModel,
    UserModel,
    reset_states,
    stateful_rows_of,
)

__all__ = [
    "ABSOLUTE_ERROR",
    "CLIP",
    "CROSSENTROPY",
    "HUBER",
    "LAYER_ARGUMENTS",
    "LOSS_FORMULAS",
    "MOST_PER_ROW",
    "PACKAGE",
    "QUANTILE",
    "SHORT_NAMES",
    "SQUARED_ERROR",
    "CalledModel",
    "CannotReadError",
    "Fresh",
    "GivenModel",
    "KerasObject",
    "Layer",
    "Loss",
    "LossFormula",
    "Network",
    "OperationCall",
    "Reading",
    "SavedObject",
    "UserFunction",
    "UserModel",
    "augmentation_layers",
    "bins_width",
    "category_width",
    "check_keras_config",
    "check_sizes",
    "cnn",
    "cnn1d",
    "described_code",
    "described_object",
    "embedding_variables",
    "embedding_width",
    "formula_of_keras_class",
    "formula_of_loss_name",
    "function_loss",
    "function_of",
    "is_augmentation",
    "let_sklearn_clone",
    "loss_names",
    "loss_spellings",
    "mlp",
    "named_apart",
    "numeric_embedding",
    "plain_function",
    "preserved_generators",
    "read_layers",
    "rebuilt",
    "reseeded",
    "reset_states",
    "rnn",
    "searched_losses",
    "shapes_by_block",
    "shared_variables",
    "stateful_rows_of",
    "text_network",
    "transformer",
    "with_step_mask",
]
