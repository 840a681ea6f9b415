"""Errors and warnings that skdl raises, all of them catchable as a builtin class too."""

from __future__ import annotations

__all__ = [
    "DivergenceError",
    "DivergenceWarning",
    "DuplicateRowsWarning",
    "EarlyStoppingDataWarning",
    "ExportError",
    "InvalidParameterError",
    "MigrationWarning",
    "NoImprovementWarning",
    "RandomSplitWarning",
    "SingleRowBatchWarning",
    "UnsafeFileError",
]


class InvalidParameterError(ValueError, TypeError):
    """Parameters of an estimator are outside what is allowed.

    One error lists every bad parameter of a call. It is a ``ValueError`` and a ``TypeError`` at
    once, as scikit-learn's own is, since a bad value is often also of a bad type.
    """


class DivergenceError(RuntimeError):
    """The training loss became NaN or infinite.

    Parameters
    ----------
    owner : str
        Name of the estimator that was being fitted.
    epoch : int
        The epoch in which it happened, counted from 1.
    loss : float
        The loss of that epoch.
    """

    def __init__(self, owner: str, epoch: int, loss: float) -> None:
        # Pickle rebuilds an exception from `args`, so these stay the arguments of `__init__`.
        super().__init__(owner, epoch, loss)
        self.owner = owner
        self.epoch = epoch
        self.loss = loss

    def __str__(self) -> str:
        return (
            f"{self.owner}: the training loss became {self.loss} in epoch {self.epoch}. "
            "Expected a finite number. Try a learning_rate ten times smaller, inputs of unit "
            "scale (StandardScaler), or an optimizer with clipnorm=1.0."
        )


class UnsafeFileError(ValueError):
    """A file of `skdl.io` is damaged, or holds what only its writer could vouch for.

    Nothing of such a file is run, and nothing of it is kept.
    """


class DivergenceWarning(UserWarning):
    """Training diverged, and the fit went on with the weights of an earlier epoch."""


class DuplicateRowsWarning(UserWarning):
    """Rows to test on are equal to rows to train on, so scores are too good."""


class EarlyStoppingDataWarning(UserWarning):
    """The rows held out for early stopping could not be chosen as asked."""


class ExportError(ValueError):
    """An estimator cannot be exported, or an exported file predicts something else."""


class NoImprovementWarning(UserWarning):
    """A search found nothing that is better than its start beyond the noise of the folds."""


class RandomSplitWarning(UserWarning):
    """Rows that look ordered in time, or grouped, are split at random, which may flatter scores."""


class MigrationWarning(UserWarning):
    """Code written for SciKeras works, but there is a better way here; the message says which."""


class SingleRowBatchWarning(UserWarning):
    """Batch normalisation meets batches of one row, the mean and variance of which say nothing."""
