"""Networks for texts as a scikit-learn classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from skdl.estimators.base._classification import CLASSIFIER_CONSTRAINTS, ClassificationNetwork
from skdl.estimators.text._text import TEXT_CONSTRAINTS, BaseText
from skdl.estimators.text._token_sequences import WORDS
from skdl.networks import CROSSENTROPY

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from skdl._validation import Constraint

__all__ = ["TextClassifier"]


class TextClassifier(BaseText, ClassificationNetwork):
    r"""Network for the classification of texts: a Keras network as a scikit-learn classifier.

    Two classes, several classes and multilabel indicators; the output layer follows from `y`.

    Parameters
    ----------
    encoder : {"mean", "conv", "gru", "lstm", "attention"}, default="mean"
        What is made of the tokens' vectors: their mean, which knows no order and is fast; a
        convolution over `kernel_size` tokens at a time; a recurrent layer; or a block of
        self-attention, as in `TransformerClassifier`.
    embedding_dim : int, default=32
        Length of a token's vector, which is learned.
    encoder_units : int, default=64
        Filters of the convolution, units of the recurrent layer in each direction, width of
        the attention block, whose dense part has twice as many units.
    kernel_size : int, default=5
        Tokens that a filter of the convolution sees at a time.
    bidirectional : bool, default=False
        Let the recurrent layer read from both ends; what both give stands side by side.
    n_heads : int, default=4
        Heads of the attention block; a divisor of `encoder_units`.
    pooling : {"max", "mean", "last", "attention"}, default="max"
        What stands for all positions behind an encoder other than the mean: per channel the
        largest value or the mean, the last position, or a mean with learned weights.
    hidden_units : int or sequence of int, default=32
        Units per hidden layer behind the encoder; a sequence has one entry per layer.
    hidden_layers : int, default=0
        Number of hidden layers, unless `hidden_units` is a sequence; with 0 the encoder leads
        directly to the output.
    max_tokens : int, default=10000
        Size of the vocabulary: ids are below it. Padding and unknown tokens are two of them.
    max_length : int, default=200
        Tokens of a text that are kept, the number of columns.
    analyzer : {"word", "char"} or callable, default="word"
        What a token is; a function gets a text and returns its tokens.
    lowercase : bool, default=True
        Turn texts to lower case first; a callable `analyzer` gets them as they are.
    token_pattern : str, default=r"\w+(?:'\w+)*"
        Regular expression of a word for ``analyzer="word"``; with a group in it, the group is the
        token. Unlike scikit-learn's default, words of one letter are kept, and so is ``don't``.
    min_df : int or float in [0, 1), default=1
        Texts that a token must occur in to be in the vocabulary: their number (int) or share.
    truncation : {"start", "end"}, default="start"
        Where tokens are cut off if a text has more than `max_length`: ``"start"`` keeps its last
        ones, where reviews tend to say what they come to; ``"end"`` keeps its first ones.
    activation : str, callable or Keras layer, default="relu"
        Activation of the convolution and of hidden layers: a name of ``keras.activations``, a
        function of single rows, or a Keras layer such as ``keras.layers.LeakyReLU(0.1)``.
    embedding_dropout : float in [0, 1), default=0.0
        Share of the values in tokens' vectors that is dropped at random in every training step.
    dropout : float in [0, 1), default=0.0
        Share of the values behind the encoder, and of each hidden layer's units, that is dropped
        at random in every training step (Srivastava et al. 2014).
    l1 : float >= 0, default=0.0
        Adds ``l1 * sum(|w|)`` over all kernels (not biases) to the loss.
    l2 : float >= 0, default=0.0
        Adds ``l2 * sum(w**2)`` over all kernels (not biases) to the loss.
    batch_norm : {"before_activation", "after_activation"} or None, default=None
        Batch normalisation of a convolution and every hidden layer (Ioffe and Szegedy 2015), with
        a momentum of 0.9: Keras' default of 0.99 suits trainings of many thousand steps.
    loss : str, callable or keras.losses.Loss, default="crossentropy"
        ``"crossentropy"``, ``"focal"`` (Lin et al. 2017, with gamma 2), a name of
        ``keras.losses``, a function ``(y_true, y_pred)`` giving one number per row, or a Keras
        loss. All but the last are averaged by the sample weights. Losses with "sparse" in their
        name are given class numbers, others one column per class (one column for two classes).
    label_smoothing : float in [0, 1), default=0.0
        Fraction of each row's target that is spread evenly over all classes (Szegedy et al. 2016,
        section 7); for ``"crossentropy"`` and ``"focal"``.
    optimizer : str, class or keras.optimizers.Optimizer, default="adam"
        ``fit`` does not change an object, and uses the object's own learning rate.
    learning_rate : float or Keras schedule, default=0.001
        Must be left at its default when `optimizer` is an object.
    batch_size : int, default=32
        Rows per training step; the last batch of an epoch may be smaller.
    epochs : int, default=10
        Passes over the training rows; with `early_stopping`, the maximum.
    shuffle : bool, default=True
        Draw a new order of the training rows for each epoch.
    early_stopping : bool, default=False
        Stop when `monitor` has not improved for `patience` epochs. Unless ``fit`` is given
        validation rows, `validation_fraction` of the training rows become validation rows.
    validation_fraction : float in (0, 1), default=0.1
        Fraction of the training rows that become validation rows, drawn at random, stratified by
        class.
    monitor : str, default="val_loss"
        What early stopping looks at: ``"loss"``, the name of a metric, or either with
        ``"val_"`` in front. Accuracies and their like are maximised, all else is minimised.
    patience : int, default=10
        Epochs without improvement before training stops.
    min_delta : float >= 0, default=0.0
        Smallest change that counts as an improvement, in units of `monitor`.
    restore_best_weights : bool, default=True
        With `early_stopping`, keep the weights of the best epoch instead of the last.
    class_weight : "balanced", dict or None, default=None
        Weight of each class in the loss; ``"balanced"`` is ``n_samples / (n_classes * count)``, so
        that all classes count alike. Multiplied by the sample weights.
    calibrate : "temperature" or None, default=None
        Divide the logits by the temperature (Guo et al. 2017) with the smallest log loss on the
        validation rows, those of `early_stopping` or ``X_val``. The most probable class stays the
        same. To calibrate without validation rows, see `KFoldEnsembleClassifier`.
    metrics : str, callable, keras.metrics.Metric, or list of them, default=None
        Reported per epoch in ``history_``.
    callbacks : keras.callbacks.Callback or list of them, default=None
        Those that act at the ends of epochs see a Keras model that follows the training. Any
        that acts on batches makes ``fit`` train through ``keras.Model.fit``.
    warm_start : bool, default=False
        Let ``fit`` continue from the last fit's weights, and from its optimizer state if this was
        True there too.
    random_state : int, RandomState or None, default=None
        Decides initial weights, order of rows, dropout and the inner validation split. Equal
        integers give equal predictions, to the bit.
    verbose : int, default=0
        1 shows a progress bar with epoch, loss and validation loss.

    Attributes
    ----------
    model_ : keras.Model
        Compiled Keras model with the trained weights, built when first asked for.
    history_ : dict of str to list of float
        Per epoch: ``loss`` (regularisation included), metrics, and both with ``val_`` in front
        where there were validation rows.
    n_iter_ : int
        Number of epochs run, including those of earlier fits that it continued.
    best_epoch_ : int
        Number of epochs after which `monitor` (without `early_stopping`: the validation loss)
        was best, counted from 1; ``n_iter_`` where there were no validation rows.
    callbacks_ : list of keras.callbacks.Callback
        Copies of the callbacks that the last fit used, with what they collected.
    token_sequences_ : TokenSequences or None
        What makes ids of texts; None where ``fit`` was given ids.
    n_features_in_ : int
        Columns of `X` in fit, where it was an array or a frame.
    feature_names_in_ : ndarray of str
        Their names, where `X` had string column names.
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted; for multilabel targets the column numbers.
    n_outputs_ : int
        Number of columns of `y`: 1, or the number of labels in multilabel targets.
    temperature_ : float
        Divisor of the logits; 1 without `calibrate`, above 1 if the network was overconfident.

    See Also
    --------
    TextRegressor : The same for numbers.
    TokenSequences : Texts as token ids, in a pipeline.

    Notes
    -----
    `X` is texts, a list, an array, a Series or a frame of one column, for which `TokenSequences`
    learns a vocabulary from the rows of ``fit``; or token ids ``(n_samples, length)`` as
    `TokenSequences` gives them in a pipeline, where 0 is padding and 1 an unknown token. Ids that
    are larger than all in ``fit`` count as unknown, and all must be below `max_tokens`. The
    parameters from `max_length` to `truncation` concern texts alone. A text without a token is
    predicted from the biases alone.

    Examples
    --------
    >>> from skdl import TextClassifier
    >>> texts = ["a good film", "good acting", "a bad film", "bad acting"] * 10
    >>> network = TextClassifier(embedding_dim=4, learning_rate=0.1, random_state=0)
    >>> network.fit(texts, ["+", "+", "-", "-"] * 10).predict(["good", "really bad"])
    array(['+', '-'], dtype='<U1')
    """

    _constraints: ClassVar[dict[str, Constraint]] = {**TEXT_CONSTRAINTS, **CLASSIFIER_CONSTRAINTS}

    def __init__(
        self,
        encoder: str = "mean",
        *,
        embedding_dim: int = 32,
        encoder_units: int = 64,
        kernel_size: int = 5,
        bidirectional: bool = False,
        n_heads: int = 4,
        pooling: str = "max",
        hidden_units: int | Sequence[int] = 32,
        hidden_layers: int = 0,
        max_tokens: int = 10_000,
        max_length: int = 200,
        analyzer: Any = "word",
        lowercase: bool = True,
        token_pattern: str = WORDS,
        min_df: float = 1,
        truncation: str = "start",
        activation: Any = "relu",
        embedding_dropout: float = 0.0,
        dropout: float = 0.0,
        l1: float = 0.0,
        l2: float = 0.0,
        batch_norm: str | None = None,
        loss: Any = CROSSENTROPY,
        label_smoothing: float = 0.0,
        optimizer: Any = "adam",
        learning_rate: Any = 0.001,
        batch_size: int = 32,
        epochs: int = 10,
        shuffle: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        monitor: str = "val_loss",
        patience: int = 10,
        min_delta: float = 0.0,
        restore_best_weights: bool = True,
        class_weight: Any = None,
        calibrate: str | None = None,
        metrics: Any = None,
        callbacks: Any = None,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.encoder = encoder
        self.embedding_dim = embedding_dim
        self.encoder_units = encoder_units
        self.kernel_size = kernel_size
        self.bidirectional = bidirectional
        self.n_heads = n_heads
        self.pooling = pooling
        self.hidden_units = hidden_units
        self.hidden_layers = hidden_layers
        self.max_tokens = max_tokens
        self.max_length = max_length
        self.analyzer = analyzer
        self.lowercase = lowercase
        self.token_pattern = token_pattern
        self.min_df = min_df
        self.truncation = truncation
        self.activation = activation
        self.embedding_dropout = embedding_dropout
        self.dropout = dropout
        self.l1 = l1
        self.l2 = l2
        self.batch_norm = batch_norm
        self.loss = loss
        self.label_smoothing = label_smoothing
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.epochs = epochs
        self.shuffle = shuffle
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.monitor = monitor
        self.patience = patience
        self.min_delta = min_delta
        self.restore_best_weights = restore_best_weights
        self.class_weight = class_weight
        self.calibrate = calibrate
        self.metrics = metrics
        self.callbacks = callbacks
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
