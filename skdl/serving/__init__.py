"""Exported files behind HTTP: ``python -m skdl.serving model.onnx``, or a folder that runs alone.

The modules of the server import nothing else of skdl but `OnnxModel`: `bundle` copies them into a
folder, where they run without skdl. Neither TensorFlow nor scikit-learn nor pandas is imported by a
server.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from skdl._extras import needs_extra
from skdl._public_path import say_public_path
from skdl.serving._settings import Settings

if TYPE_CHECKING:
    import os

    from fastapi import FastAPI

    from skdl.export import OnnxExport

__all__ = ["bundle", "create_app"]


def create_app(
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    max_rows: int = Settings.max_rows,
    max_bytes: int = Settings.max_bytes,
    n_threads: int = Settings.n_threads,
) -> FastAPI:
    """Return an application that predicts from an exported file, for a server of your own.

    ``python -m skdl.serving model.onnx`` runs the same application in uvicorn.

    Parameters
    ----------
    path : str or path-like
        A file that ``skdl.export.to_onnx`` wrote. It is read once, here.
    name : str, optional
        Name of the model in the addresses ``/v2/models/{name}``; by default that of the file.
    max_rows : int, default=10000
        Requests of more rows are refused with status 413.
    max_bytes : int, default=16777216
        Requests of more bytes are refused with status 413.
    n_threads : int, default=1
        Threads of onnxruntime for one request.

    Returns
    -------
    app : fastapi.FastAPI

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImportError
        If FastAPI, prometheus-client or onnxruntime are not installed
        (``pip install "skdl[serve]"``).
    ValueError
        If the file was not written by ``to_onnx``, or a limit is not a positive number.

    See Also
    --------
    bundle : A folder that serves a pipeline on its own.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_iris
    >>> from skdl import MLPClassifier
    >>> from skdl.export import to_onnx
    >>> from skdl.serving import create_app
    >>> X, y = load_iris(return_X_y=True)
    >>> network = MLPClassifier(16, epochs=2, random_state=0).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report = to_onnx(network, X, Path(folder) / "iris.onnx")
    ...     app = create_app(report.path)
    >>> app.title
    'iris'
    """
    with needs_extra("serve", "skdl.serving"):
        from skdl.serving._app import make_app
    return make_app(Settings(str(path), name, max_rows, max_bytes, n_threads))


def bundle(
    estimator: Any,
    X: Any,
    folder: str | os.PathLike[str],
    *,
    name: str = "model",
    quantize: Literal["int8"] | None = None,
    representative: Any = None,
    tolerance: float | None = None,
) -> OnnxExport:
    """Write a folder that serves a fitted estimator on its own.

    It holds the model, the modules of the server, ``requirements.txt`` without TensorFlow, skdl and
    scikit-learn, a ``Dockerfile``, two example requests and a ``README.md``.

    Parameters
    ----------
    estimator : object
        A fitted estimator that ``skdl.export.to_onnx`` can write.
    X : DataFrame or array-like of shape (n_samples, ...)
        Rows as ``predict`` takes them, on which the file is compared with the estimator. The first
        two of them become the example requests.
    folder : str or path-like
        Where to write; it is made, or is empty.
    name : str, default="model"
        Of the file, and in the addresses of the server.
    quantize : {"int8"}, optional
        Write the networks' kernels as int8, as in ``to_onnx``.
    representative : DataFrame or array-like of shape (n_samples, ...), optional
        Rows to take the ranges of values from with `quantize`; `X` by default.
    tolerance : float > 0, optional
        Largest difference allowed on `X`, as in ``to_onnx``.

    Returns
    -------
    report : OnnxExport
        What ``to_onnx`` says of the file.

    Raises
    ------
    ExportError
        If a part of the estimator cannot be exported, the file's predictions differ by more than
        the tolerance, or the name is none.
    FileExistsError
        If there is something in the folder. Nothing is written then.
    ImportError
        If onnx, onnxruntime or skl2onnx are not installed (``pip install "skdl[export]"``).
    NotFittedError
        If the estimator is not fitted.

    See Also
    --------
    create_app : The application that the folder runs.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_iris
    >>> from skdl import MLPClassifier
    >>> from skdl.serving import bundle
    >>> X, y = load_iris(return_X_y=True)
    >>> network = MLPClassifier(16, epochs=2, random_state=0).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report = bundle(network, X, Path(folder) / "iris", name="iris")
    ...     names = sorted(path.name for path in report.path.parent.iterdir())
    >>> names[:4]
    ['Dockerfile', 'README.md', 'iris.onnx', 'request.json']
    """
    from skdl.serving._bundle import write_bundle

    return write_bundle(
        estimator, X, Path(folder), name=name,
        quantize=quantize, representative=representative, tolerance=tolerance,
    )  # fmt: skip


say_public_path(globals())
