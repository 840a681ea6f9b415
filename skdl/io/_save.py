"""Writing files."""

from __future__ import annotations

import io
import json
import platform
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skdl._extras import installed_version
from skdl._plain_data import without_building
from skdl._validation import show
from skdl._whole_files import write_whole
from skdl.exceptions import UnsafeFileError
from skdl.io._archive import MANIFEST, check_archive, objects_in
from skdl.io._skops import skops_module

if TYPE_CHECKING:
    import os

__all__ = ["save", "to_bytes"]

_PACKAGES = ("skdl", "keras", "numpy", "pandas", "scikit-learn", "scipy", "skops", "tensorflow")


def save(estimator: Any, path: str | os.PathLike[str]) -> None:
    """Write an estimator, a search or a whole pipeline to a file that is safe to load.

    The file is a zip archive of JSON and arrays, in the format of skops. Unlike a pickle, it holds
    no code: whoever loads it can trust that nothing of it is run.

    Parameters
    ----------
    estimator : object
        Fitted or not: any estimator of skdl, alone, in pipelines or other meta-estimators of
        scikit-learn, and beside scikit-learn's own estimators.
    path : str or path
        Where to write it; by custom, the name ends in ``.skops``. A file that is there is
        replaced once the new one is complete.

    Raises
    ------
    TypeError
        If something of it cannot be written without code, such as a lambda or a Keras model with
        classes of your own.
    ImportError
        If skops is not installed.

    See Also
    --------
    load : Reads the file.

    Notes
    -----
    Left out are the compiled Keras model, which is built anew when `model_` is asked for, running
    callbacks, and of a search the sampler, the storage and, with ``refit="ensemble"``, the library
    of all trials; its study is there with all trials.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import skdl
    >>> X = np.arange(8.0).reshape(-1, 1)
    >>> network = skdl.MLPRegressor(4, epochs=2, random_state=0).fit(X, X[:, 0])
    >>> path = Path(tempfile.mkdtemp()) / "network.skops"
    >>> skdl.io.save(network, path)
    >>> loaded = skdl.io.load(path)
    >>> bool((loaded.predict(X) == network.predict(X)).all())
    True
    """
    write_whole(Path(path), to_bytes(estimator))


def to_bytes(estimator: Any) -> bytes:
    """Return what `save` writes to a file.

    Parameters
    ----------
    estimator : object

    Returns
    -------
    data : bytes

    Raises
    ------
    TypeError
        If something of it cannot be written without code.
    ImportError
        If skops is not installed.
    """
    skops_io = skops_module()
    owner = type(estimator).__name__
    try:
        data = skops_io.dumps(estimator, compression=zipfile.ZIP_DEFLATED, compresslevel=6)
    except RecursionError:
        raise TypeError(
            f"{owner}: an object in it holds itself, which skops cannot write. Expected a model "
            "function outside the estimator's class, or use pickle."
        ) from None
    except (MemoryError, OSError):
        raise
    except Exception as error:
        raise TypeError(
            f"{owner}: something in it cannot be written ({type(error).__name__}: {error}). "
            "Expected parameters that are values, estimators, splitters, or lists of them, such as "
            "cv=list(splits) in place of a generator."
        ) from error
    _check_loads(skops_io, owner, data)
    buffer = io.BytesIO(data)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MANIFEST, json.dumps(_versions(), indent=1))
    return buffer.getvalue()


def _versions() -> dict[str, str]:
    found = {package: installed_version(package) for package in _PACKAGES}
    known = {package: version for package, version in found.items() if version is not None}
    return {"python": platform.python_version()} | known


def _check_loads(skops_io: Any, owner: str, data: bytes) -> None:
    """Refuse what could be written, but not be read again."""
    try:
        check_archive(data)
        with without_building():
            skops_io.loads(data, trusted=skops_io.get_untrusted_types(data=data))
    except UnsafeFileError as error:
        raise TypeError(
            f"{owner}: what was written could not be read again: {error} Use pickle for it."
        ) from error
    except (MemoryError, OSError):
        raise
    except Exception as error:
        raise TypeError(
            f"{owner}: something in it cannot be found again by its name "
            f"({type(error).__name__}: {error}). Expected functions and classes at the top of a "
            f"module, no lambdas and none inside functions, in place of those in "
            f"{show(_functions_in(data))}; or use pickle."
        ) from error


def _functions_in(data: bytes) -> list[str]:
    found = dict.fromkeys(
        f"{node['__module__']}.{node['__class__']}"
        for node in objects_in(check_archive(data))
        if node["__loader__"] in {"FunctionNode", "TypeNode"}
    )
    return [name for name in found if not name.startswith("builtins.")]
