"""The classes that a file may hold, beside those that skops itself lets through."""

from __future__ import annotations

import inspect
from typing import Any

from sklearn.base import BaseEstimator

__all__ = ["trusted_types"]

# Of scikit-learn, what stands in estimators without being one: plain attributes, no code of
# anybody's. skops itself trusts estimators alone.
_OF_SKLEARN = (
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.calibration._TemperatureScaling",
    "sklearn.compose._column_transformer.make_column_selector",
    "sklearn.metrics._scorer._CurveScorer",
    "sklearn.metrics._scorer._PassthroughScorer",
    "sklearn.metrics._scorer._Scorer",
    "sklearn.utils._bunch.Bunch",
    "sklearn.utils._metadata_requests.MetadataRequest",
    "sklearn.utils._metadata_requests.MethodMetadataRequest",
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
        skdl's estimators; scikit-learn's splitters, calibrators, scorers, metrics, scores of
        features and selectors of columns; and NumPy's dtype.

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
    names = [f"{own.__module__}.{own.__name__}" for own in (*ours, *_functions())]
    return sorted({*names, *_OF_SKLEARN})


def _functions() -> list[Any]:
    """Return scikit-learn's functions that compare predictions or features with targets."""
    import sklearn.feature_selection
    import sklearn.metrics

    of_features = vars(sklearn.feature_selection)
    return [
        *(
            getattr(sklearn.metrics, name)
            for name in sklearn.metrics.__all__
            if name.endswith(("_score", "_error", "_loss", "_deviance", "_corrcoef"))
        ),
        *(
            of_features[name]
            for name in sklearn.feature_selection.__all__
            if inspect.isfunction(of_features[name])
        ),
    ]
