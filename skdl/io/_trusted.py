"""The classes that a file may hold, beside those that skops itself lets through."""

from __future__ import annotations

import inspect

from sklearn.base import BaseEstimator

__all__ = ["trusted_types"]

# Of scikit-learn, what stands in estimators without being one: plain attributes, no code. skops
# itself trusts estimators alone.
_OF_SKLEARN = (
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.calibration._TemperatureScaling",
    *(
        f"sklearn.model_selection._split.{name}"
        for name in (
            "GroupKFold", "GroupShuffleSplit", "KFold", "LeaveOneGroupOut", "LeaveOneOut",
            "LeavePGroupsOut", "LeavePOut", "PredefinedSplit", "RepeatedKFold",
            "RepeatedStratifiedKFold", "ShuffleSplit", "StratifiedGroupKFold", "StratifiedKFold",
            "StratifiedShuffleSplit", "TimeSeriesSplit",
        )
    ),
    "numpy.dtype",
)  # fmt: skip


def trusted_types() -> list[str]:
    """Return the names of the classes that skdl's estimators consist of in files.

    For programs that read and write skops files themselves. It holds no class that runs code or
    loads another file when it is made from a file: our estimators check what they are given.

    Returns
    -------
    names : list of str
        skdl's estimators, scikit-learn's splitters and calibrators, and NumPy's dtype.

    See Also
    --------
    load : Trusts these by itself, and looks at the file before anything is made of it.

    Examples
    --------
    >>> import skdl.io
    >>> "skdl.estimators.MLPClassifier" in skdl.io.trusted_types()
    True
    """
    import skdl.estimators
    import skdl.model_selection
    from skdl.model_selection.ensembles import TrialEnsembleClassifier, TrialEnsembleRegressor

    public = [
        getattr(package, name)
        for package in (skdl.estimators, skdl.model_selection)
        for name in package.__all__
    ]
    ours = [
        kind
        for kind in (*public, TrialEnsembleClassifier, TrialEnsembleRegressor)
        if inspect.isclass(kind)
        and (issubclass(kind, BaseEstimator) or hasattr(kind, "get_n_splits"))
    ]
    return sorted([f"{kind.__module__}.{kind.__name__}" for kind in ours] + list(_OF_SKLEARN))
