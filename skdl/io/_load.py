"""Reading files."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skdl._plain_data import without_building
from skdl._validation import list_values
from skdl.exceptions import UnsafeFileError
from skdl.io._archive import check_archive, damaged, manifest_of
from skdl.io._skops import skops_module
from skdl.io._trusted import trusted_types

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

__all__ = ["from_bytes", "load"]

_MOST_SHOWN = 12
_PICKLE = b"\x80"


def load(path: str | os.PathLike[str], trusted: Sequence[str | type] = ()) -> Any:
    """Read what `save` or ``skops.io.dump`` has written; nothing of the file is run.

    The file may come from anybody. Before anything is made of it, it is looked through: the
    archive must be whole and not blow up, and hold classes only that are known to be safe. Then
    each network is checked against what layers, activations, losses and shapes may be. Nothing
    loads another file, and TensorFlow is not imported, unless the file has Keras objects as
    parameters or names code of yours that imports it.

    Parameters
    ----------
    path : str or path
    trusted : sequence of str or type, default=()
        Functions and classes that the file may hold beyond those of skdl, scikit-learn and NumPy,
        such as ``["my_module.build_model"]``. They are imported and may be called: name those
        alone whose code you know. An error lists what the file asks for.

    Returns
    -------
    estimator : object
        As it was saved.

    Raises
    ------
    UnsafeFileError
        If the file is damaged, holds what is not trusted, or a network that cannot be.
    FileNotFoundError
        If there is no file.
    ImportError
        If skops is not installed.

    See Also
    --------
    save : Writes the file, with an example.
    trusted_types : What is trusted by itself.

    Notes
    -----
    A loaded estimator does what its parameters say as soon as you fit it: look at
    ``get_params()`` for paths of files (``backbone``, ``weights``) and databases (``storage``)
    before you fit one that somebody else has made.

    scikit-learn's trees, forests and histogram gradient boosting are not trusted by themselves:
    scikit-learn does not check their nodes, and crafted ones can crash the process.
    """
    skops_module()
    data = Path(path).read_bytes()
    try:
        return from_bytes(data, trusted)
    except UnsafeFileError as error:
        raise UnsafeFileError(f"{path}: {error}{_hint(data)}") from error


def from_bytes(data: bytes, trusted: Sequence[str | type] = ()) -> Any:
    """Read what `save` writes to a file, with all checks of `load`.

    Parameters
    ----------
    data : bytes
    trusted : sequence of str or type, default=()

    Returns
    -------
    estimator : object

    Raises
    ------
    UnsafeFileError
        If the data are damaged, hold what is not trusted, or a network that cannot be.
    ImportError
        If skops is not installed.
    """
    skops_io = skops_module()
    check_archive(data)
    try:
        asked = skops_io.get_untrusted_types(data=data)
    except RecursionError:
        raise damaged("nests its objects too deep") from None
    except Exception as error:
        raise damaged(f"cannot be read ({type(error).__name__}: {error})") from error
    _check_types(asked, trusted)
    try:
        with without_building() as inspection:
            loaded = skops_io.loads(data, trusted=asked)
        # Objects of Keras are built only once everything has passed.
        return loaded if inspection.is_complete else skops_io.loads(data, trusted=asked)
    except UnsafeFileError:
        raise
    except RecursionError:
        raise damaged("nests its objects too deep") from None
    except Exception as error:
        raise damaged(
            f"holds objects that cannot be made ({type(error).__name__}: {error})"
        ) from error


def _check_types(asked: Sequence[str], trusted: Sequence[str | type]) -> None:
    if isinstance(trusted, str):
        raise TypeError(f"trusted={trusted!r} is text. Expected a list of names: [{trusted!r}].")
    named = {t if isinstance(t, str) else f"{t.__module__}.{t.__name__}" for t in trusted}
    unknown = sorted(set(asked) - set(trusted_types()) - named)
    if unknown:
        raise UnsafeFileError(
            f"The file asks for {list_values(unknown, _MOST_SHOWN)}, which might run any code. "
            "Expected classes of skdl, scikit-learn and NumPy alone. If you know these and where "
            f"the file comes from, load it with trusted={unknown[:_MOST_SHOWN]!r}."
        )


def _hint(data: bytes) -> str:
    """Return what else the file is, or with which version it was written if that may matter."""
    if data.startswith(_PICKLE):
        return " (It is a pickle. If you trust whoever made it, joblib.load reads it.)"
    try:
        written = manifest_of(data).get("skdl")
        own = importlib.metadata.version("skdl")
    except Exception:  # noqa: BLE001 - a file that is not whole does not tell
        return ""
    if written is None or written == own:
        return ""
    return f" (It was written by skdl {written[:40]}, this is skdl {own}.)"
