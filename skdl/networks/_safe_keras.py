"""Configurations of Keras objects that may be built of a file, whoever wrote it.

A configuration names classes, and Keras makes whatever it names: a layer that runs a function's
bytes, one that loads a model from a path, one that reads a vocabulary. So classes are listed here
that only compute. Anything else is refused, before Keras is imported.
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

from skdl._plain_data import refused
from skdl._validation import show

if TYPE_CHECKING:
    from skdl.exceptions import UnsafeFileError

__all__ = [
    "ACTIVATIONS",
    "FUNCTIONS",
    "MOST_PER_ROW",
    "check_keras_config",
    "check_operation_call",
    "check_sizes",
]


def _words(names: str) -> frozenset[str]:
    return frozenset(names.split())


ACTIVATIONS = _words("""celu elu exponential gelu hard_shrink hard_sigmoid hard_silu hard_swish
    hard_tanh leaky_relu linear log_sigmoid log_softmax mish relu relu6 selu sigmoid silu
    soft_shrink softmax softplus softsign sparse_plus sparse_sigmoid sparsemax squareplus swish
    tanh tanh_shrink threshold""")
_LOSSES = """binary_crossentropy binary_focal_crossentropy categorical_crossentropy
    categorical_focal_crossentropy categorical_generalized_cross_entropy categorical_hinge circle
    cosine_similarity ctc dice hinge huber kl_divergence log_cosh mean_absolute_error
    mean_absolute_percentage_error mean_squared_error mean_squared_logarithmic_error poisson
    sparse_categorical_crossentropy squared_hinge tversky"""
_METRICS = """binary_accuracy binary_crossentropy binary_focal_crossentropy categorical_accuracy
    categorical_crossentropy categorical_focal_crossentropy categorical_hinge
    concordance_correlation cosine_similarity hinge huber kl_divergence log_cosh
    mean_absolute_error mean_absolute_percentage_error mean_squared_error
    mean_squared_logarithmic_error pearson_correlation poisson sparse_categorical_accuracy
    sparse_categorical_crossentropy sparse_top_k_categorical_accuracy squared_hinge
    top_k_categorical_accuracy"""
# By module of Keras.
FUNCTIONS = {
    "activations": ACTIVATIONS | {"glu"},
    "losses": _words(_LOSSES),
    "metrics": _words(_METRICS),
}

# Left out: what runs code (Lambda, JaxLayer, FlaxLayer, TorchModuleWrapper), loads a model
# (TFSMLayer) or reads a vocabulary (StringLookup, IntegerLookup, TextVectorization).
_LAYERS = """Activation ActivityRegularization AdaptiveAveragePooling1D AdaptiveAveragePooling2D
    AdaptiveAveragePooling3D AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D Add
    AdditiveAttention AlphaDropout Attention Average AveragePooling1D AveragePooling2D
    AveragePooling3D BatchNormalization Bidirectional CategoryEncoding CenterCrop Concatenate
    Conv1D Conv1DTranspose Conv2D Conv2DTranspose Conv3D Conv3DTranspose ConvLSTM1D ConvLSTM2D
    ConvLSTM3D Cropping1D Cropping2D Cropping3D Dense DepthwiseConv1D DepthwiseConv2D
    Discretization Dot Dropout ELU EinsumDense Embedding Flatten GRU GRUCell GaussianDropout
    GaussianNoise GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D
    GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D GroupNormalization GroupQueryAttention
    HashedCrossing Hashing Identity InputLayer LSTM LSTMCell LayerNormalization LeakyReLU Masking
    MaxPooling1D MaxPooling2D MaxPooling3D Maximum MelSpectrogram Minimum MultiHeadAttention
    Multiply Normalization PReLU Permute RMSNormalization RNN RandomBrightness
    RandomColorDegeneration RandomColorJitter RandomContrast RandomCrop RandomErasing RandomFlip
    RandomGaussianBlur RandomGrayscale RandomHue RandomInvert RandomPerspective RandomPosterization
    RandomRotation RandomSaturation RandomSharpness RandomShear RandomTranslation RandomZoom ReLU
    RepeatVector Rescaling Reshape Resizing ReversibleEmbedding STFTSpectrogram SeparableConv1D
    SeparableConv2D SimpleRNN SimpleRNNCell Softmax Solarization SpatialDropout1D SpatialDropout2D
    SpatialDropout3D SpectralNormalization StackedRNNCells Subtract TimeDistributed
    UnitNormalization UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D ZeroPadding2D
    ZeroPadding3D"""
_CLASSES = {
    "keras": "DTypePolicy Sequential Functional Model Variable SeedGenerator",
    "keras.src.models.functional": "Functional",
    "keras.models": "Sequential Functional Model",
    "keras.layers": _LAYERS,
    "keras.losses": """BinaryCrossentropy BinaryFocalCrossentropy CTC CategoricalCrossentropy
        CategoricalFocalCrossentropy CategoricalGeneralizedCrossEntropy CategoricalHinge Circle
        CosineSimilarity Dice Hinge Huber KLDivergence LogCosh MeanAbsoluteError
        MeanAbsolutePercentageError MeanSquaredError MeanSquaredLogarithmicError Poisson
        SparseCategoricalCrossentropy SquaredHinge Tversky""",
    "keras.metrics": """AUC Accuracy BinaryAccuracy BinaryCrossentropy BinaryIoU
        CategoricalAccuracy CategoricalCrossentropy CategoricalHinge ConcordanceCorrelation
        CosineSimilarity F1Score FBetaScore FalseNegatives FalsePositives Hinge IoU KLDivergence
        LogCoshError Mean MeanAbsoluteError MeanAbsolutePercentageError MeanIoU MeanMetricWrapper
        MeanSquaredError MeanSquaredLogarithmicError OneHotIoU OneHotMeanIoU PearsonCorrelation
        Poisson Precision PrecisionAtRecall R2Score Recall RecallAtPrecision RootMeanSquaredError
        SensitivityAtSpecificity SparseCategoricalAccuracy SparseCategoricalCrossentropy
        SparseTopKCategoricalAccuracy SpecificityAtSensitivity SquaredHinge Sum
        TopKCategoricalAccuracy TrueNegatives TruePositives""",
    "keras.optimizers": """Adadelta Adafactor Adagrad Adam AdamW Adamax Ftrl Lamb Lion
        LossScaleOptimizer Muon Nadam RMSprop SGD""",
    "keras.optimizers.schedules": """CosineDecay CosineDecayRestarts ExponentialDecay
        InverseTimeDecay PiecewiseConstantDecay PolynomialDecay""",
    "keras.regularizers": "L1 L1L2 L2 OrthogonalRegularizer",
    "keras.initializers": """Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity
        IdentityInitializer LecunNormal LecunUniform Ones Orthogonal OrthogonalInitializer
        RandomNormal RandomUniform STFT STFTInitializer TruncatedNormal VarianceScaling Zeros""",
    "keras.constraints": "MaxNorm MinMaxNorm NonNeg UnitNorm",
    # Layers of networks in keras.applications.
    "keras.src.applications.convnext": "LayerScale StochasticDepth",
    "keras.src.applications.inception_resnet_v2": "CustomScaleLayer",
}
_KNOWN = {(module, name) for module, names in _CLASSES.items() for name in _words(names)}
# Ours are registered with Keras, which then writes no path of a module that others have.
_OURS = _words("""Categories FeatureScale MaskedConv1D MissingNumbers ParametricActivation
    PeriodicEmbedding PiecewiseLinearEmbedding PositionEncoding QuantileLoss SequencePooling
    SharedDense SharedHeads SharedMean SmoothClip StepMask""")
_OPERATIONS = {f"keras.src.ops.{name}" for name in ("image", "linalg", "math", "nn", "numpy")}
# Of these modules of operations, all classes compute; of this one, some call what they are given.
_CORE = "keras.src.ops.core"
_CORE_OPERATIONS = {"Cast", "Scatter", "ScatterUpdate", "Shape", "Slice", "SliceUpdate",
                    "StopGradient", "Unstack"}  # fmt: skip
_VALUES = {"__slice__", "__ellipsis__", "__keras_tensor__", "__numpy__", "__tensor__", "__bytes__"}
_KEYS = {"module", "class_name", "config", "registered_name", "build_config", "compile_config",
         "name", "inbound_nodes", "shared_object_id", "keras_version", "backend"}  # fmt: skip
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MOST_LEVELS = 60
_MOST_NUMBER = 2**63
# Arguments of which a layer has at least so many weights.
_WEIGHT_SIZES = _words("units filters output_dim input_dim num_heads key_dim value_dim kernel_size")
# Weights that layers may have beyond those that came with them, as far as widths tell: 4 GiB.
_MOST_PRODUCTS = 2**30
_MOST_PER_WEIGHT = 64
# Floats of one row anywhere in a network: 1 GiB.
MOST_PER_ROW = 2**28


def check_keras_config(
    written: str, *, lambdas: frozenset[str] = frozenset(), own_class: bool = False
) -> None:
    """Refuse a configuration, as JSON, that names anything but classes of Keras that compute.

    Parameters
    ----------
    written : str
    lambdas : frozenset of str
        Names of Lambda layers whose functions are given beside the configuration.
    own_class : bool
        Whether the outermost class is the user's own, and given beside the configuration too.

    Raises
    ------
    UnsafeFileError
        If it does; the message says what it names.
    """
    config = _parsed(written)
    if type(config) is not dict or not {"class_name", "config"} <= set(config):
        raise refused(f"the Keras configuration {show(config)}", "a class and its arguments")
    _check(config["config"] if own_class else config, lambdas, 0)


def check_operation_call(written: str) -> None:
    """Refuse a call of an operation, as `OperationCall` writes it, that does more than compute."""
    call = _parsed(written)
    if type(call) is not dict or set(call) != {"operation", "args", "kwargs"}:
        raise refused(f"a call of a Keras operation with {show(call)}", "operation and arguments")
    if type(call["operation"]) is not dict or "class_name" not in call["operation"]:
        raise refused(f"the operation {show(call['operation'])}", "a class of keras.ops")
    _check(call, frozenset(), 0)


def _parsed(written: str) -> Any:
    try:
        return json.loads(written)
    except ValueError as error:
        raise refused(f"a Keras configuration that is no JSON ({error})", "JSON") from error


def _check(config: Any, lambdas: frozenset[str], level: int) -> None:
    if level > _MOST_LEVELS:
        raise refused("a Keras configuration of too many levels", f"at most {_MOST_LEVELS}")
    if type(config) is int and abs(config) >= _MOST_NUMBER:
        raise refused(f"the number {show(config)} in a Keras configuration", "a smaller one")
    if type(config) is list:
        for part in config:
            _check(part, lambdas, level + 1)
    elif type(config) is dict:
        if "class_name" in config:
            _check_class(config, lambdas)
        elif "spec_name" in config:
            raise refused("a type specification of TensorFlow", "numbers, text and classes")
        is_replaced = config.get("class_name") == "Lambda"
        for name, part in config.items():
            if not (is_replaced and name == "config"):
                _check(part, lambdas, level + 1)


def _check_class(config: dict[str, Any], lambdas: frozenset[str]) -> None:
    name, inner = config["class_name"], config.get("config")
    if name in _VALUES:
        return
    is_lambda = name == "Lambda" and config.get("module") == "keras.layers"
    if is_lambda and type(inner) is dict and inner.get("name") in lambdas:
        return
    is_known = set(config) <= _KEYS and type(name) is str
    if is_known and name == "function":
        is_known = _is_known_function(config)
    elif is_known:
        is_known = _is_known_class(config)
    if not is_known:
        module, registered = config.get("module"), config.get("registered_name")
        shown = registered or inner if name == "function" else name
        raise refused(
            f"the Keras object {show(shown)} of {show(module)}",
            "layers, losses, metrics, optimizers and the like of Keras that only compute. What "
            "runs code or loads other files is not built from a file",
        )


def _is_known_function(config: dict[str, Any]) -> bool:
    module, name = str(config.get("module")), config.get("config")
    family = module.rpartition(".")[2]
    return (
        module == f"keras.{family}"
        and type(name) is str
        and name in FUNCTIONS.get(family, ())
        and config.get("registered_name") in {None, name, "function"}
    )


def _is_known_class(config: dict[str, Any]) -> bool:
    name, module = config["class_name"], config.get("module")
    registered = config.get("registered_name")
    if module is None or str(module).startswith("skdl."):
        return name in _OURS and registered == f"skdl>{name}"
    if registered not in {None, name}:
        return False
    if module in _OPERATIONS:
        return bool(_NAME.fullmatch(name)) and name[0].isupper()
    return (module, name) in _KNOWN or (module == _CORE and name in _CORE_OPERATIONS)


def check_sizes(written: str, n_weights: int) -> None:
    """Refuse a configuration of layers that need far more memory than their weights tell.

    Shapes are known to Keras alone, once it has built the layers. So this is a bound: no argument
    is larger than all weights together, and no layer has many more if it is as wide as the widest.

    Parameters
    ----------
    written : str
        Of `check_keras_config`.
    n_weights : int
        Numbers that come with it.
    """
    sizes = _Sizes(n_weights)
    sizes.look_at(_parsed(written), "")
    sizes.check_products()


class _Sizes:
    """What is seen of sizes in a configuration."""

    def __init__(self, n_weights: int) -> None:
        self._n_weights = n_weights
        self._most = max(_MOST_PRODUCTS, _MOST_PER_WEIGHT * n_weights)
        self._products = 0
        self._widest = 1
        self._longest = 1
        self._flattens = False

    def look_at(self, value: Any, name: str) -> None:
        """Take down, and check, the numbers in a part of a configuration."""
        if type(value) is dict:
            if "class_name" in value and type(value.get("config")) is dict:
                self._look_at_layer(value["config"])
                self._flattens |= value["class_name"] in {"Flatten", "Reshape"}
            for inner, part in value.items():
                self.look_at(part, inner)
        elif type(value) is list:
            if name.endswith("shape"):
                self._longest = max(self._longest, _product(value))
            for part in value:
                self.look_at(part, name)
        elif type(value) in {int, float} and "seed" not in name:
            most = max(self._n_weights, 1) if name in _WEIGHT_SIZES else MOST_PER_ROW
            if type(value) is float and name not in _WEIGHT_SIZES:
                return
            if value > most:
                raise self._refused(f"{name}={value}", most)

    def _look_at_layer(self, config: dict[str, Any]) -> None:
        widths = [config.get(name) for name in ("units", "filters", "output_dim", "value_dim")]
        heads = _product([config.get("num_heads"), config.get("key_dim")])
        width = max([heads, *(n for n in widths if type(n) is int)])
        kernel = config.get("kernel_size")
        kernel = _product(kernel if type(kernel) is list else [kernel])
        if type(config.get("units")) is int:
            self._widest = max(self._widest, config["units"])
        self._products += width * width * kernel
        table = _product([config.get("input_dim"), config.get("output_dim")])
        if table > max(self._n_weights, 1):
            raise self._refused(f"a table of {table:,} numbers", self._n_weights)

    def check_products(self) -> None:
        """Refuse widths that would make too many weights together."""
        flat = self._longest * self._widest if self._flattens else 0
        for product in (self._products, flat):
            if product > self._most:
                raise self._refused(f"up to {product:,} weights", self._most)

    def _refused(self, what: str, most: int) -> UnsafeFileError:
        return refused(
            f"a Keras layer with {what}, beside {self._n_weights:,} weights", f"at most {most:,}"
        )


def _product(values: list[Any]) -> int:
    return math.prod(n for n in values if type(n) is int and n > 0)
