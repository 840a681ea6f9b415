"""Images, and the weights of a network that has seen many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from sklearn.utils import Bunch

from skdl.datasets._files import check_arguments, path_of, reading
from skdl.datasets._sources import SOURCES

if TYPE_CHECKING:
    import os
    from pathlib import Path

    Arrays = dict[str, np.ndarray[Any, Any]]

__all__ = ["fetch_ants_bees", "fetch_mnist", "fetch_mobilenet_weights"]

_MNIST = """MNIST: handwritten digits.

60,000 images to train on and 10,000 to test on, of 28 × 28 pixels, 0 to 255. The target is the
digit.

Source: Y. LeCun, C. Cortes and C. J. C. Burges, http://yann.lecun.com/exdb/mnist/; the file of
keras.datasets.mnist. Licence: CC BY-SA 3.0.
"""
_ANTS_BEES = """Ants and bees: photographs.

245 photographs to train on and 153 to test on, cut to squares of 128 × 128 pixels in three colours,
0 to 255. One of them says that a photograph could not be found, as in the source. The target is
"ants" or "bees".

Source: the photographs of PyTorch's tutorial "Transfer learning for computer vision", a small part
of ImageNet, https://download.pytorch.org/tutorial/hymenoptera_data.zip. For research and teaching,
as the photographs belong to their authors.
"""


def fetch_mnist(
    *,
    subset: Literal["train", "test"] = "train",
    data_home: str | os.PathLike[str] | None = None,
    return_X_y: bool = False,
    download_if_missing: bool = True,
) -> Any:
    """Handwritten digits (classification).

    Images of 28 × 28 pixels, as bytes: 60,000 to train on, 10,000 to test on.

    Parameters
    ----------
    subset : {"train", "test"}, default="train"
        Which part.
    data_home : str or path-like, default=None
        Folder to look in, and to download to. None: the folder that the environment variable
        ``SKDL_DATA`` names, then ``~/.cache/skdl/data``, which also keeps what is downloaded.
    return_X_y : bool, default=False
        Return ``(data, target)`` and nothing else.
    download_if_missing : bool, default=True
        False: raise an error where the file is in none of these folders.

    Returns
    -------
    bunch : Bunch
        ``data``, ``target``, ``target_names`` and ``DESCR``: what it is, the source and the
        licence.

    Raises
    ------
    OSError
        If the file cannot be found, downloaded or read. The message says where to put which file.

    Examples
    --------
    >>> from skdl.datasets import fetch_mnist
    >>> X, y = fetch_mnist(return_X_y=True)  # doctest: +SKIP
    >>> X.shape  # doctest: +SKIP
    (60000, 28, 28)
    """
    arguments = {
        "subset": subset,
        "data_home": data_home,
        "return_X_y": return_X_y,
        "download_if_missing": download_if_missing,
    }
    arrays = _read("mnist", arguments)
    names = [str(digit) for digit in range(10)]
    return _as_asked(arguments, arrays["x"], arrays["y"], names, _MNIST)


def fetch_ants_bees(
    *,
    subset: Literal["train", "test"] = "train",
    data_home: str | os.PathLike[str] | None = None,
    return_X_y: bool = False,
    download_if_missing: bool = True,
) -> Any:
    """Photographs of ants and bees (classification).

    Squares of 128 × 128 pixels in three colours, as bytes: 245 to train on, 153 to test on.

    Parameters
    ----------
    subset : {"train", "test"}, default="train"
        Which part.
    data_home : str or path-like, default=None
        Folder to look in, and to download to. None: the folder that the environment variable
        ``SKDL_DATA`` names, then ``~/.cache/skdl/data``, which also keeps what is downloaded.
    return_X_y : bool, default=False
        Return ``(data, target)`` and nothing else.
    download_if_missing : bool, default=True
        False: raise an error where the file is in none of these folders.

    Returns
    -------
    bunch : Bunch
        ``data``, ``target``, ``target_names`` and ``DESCR``: what it is, the source and the
        licence.

    Raises
    ------
    OSError
        If the file cannot be found, downloaded or read. The message says where to put which file.

    Examples
    --------
    >>> from skdl.datasets import fetch_ants_bees
    >>> X, y = fetch_ants_bees(subset="test", return_X_y=True)  # doctest: +SKIP
    >>> X.shape  # doctest: +SKIP
    (153, 128, 128, 3)
    """
    arguments = {
        "subset": subset,
        "data_home": data_home,
        "return_X_y": return_X_y,
        "download_if_missing": download_if_missing,
    }
    arrays = _read("ants_bees", arguments, "class_names")
    names = arrays["class_names"]
    return _as_asked(arguments, arrays["x"], names[arrays["y"]], names.tolist(), _ANTS_BEES)


def fetch_mobilenet_weights(
    *, data_home: str | os.PathLike[str] | None = None, download_if_missing: bool = True
) -> Path:
    """Weights of a small MobileNet that was trained on ImageNet, without its last layer.

    They are those that ``keras.applications.MobileNet(alpha=0.25, include_top=False)`` loads for
    images of 224 × 224 pixels, from Keras' own address. Licence: Apache 2.0.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder to look in, and to download to. None: the folder that the environment variable
        ``SKDL_DATA`` names, then ``~/.cache/skdl/data``, which also keeps what is downloaded.
    download_if_missing : bool, default=True
        False: raise an error where the file is in none of these folders.

    Returns
    -------
    path : Path
        The file, for `weights` of `skdl.PretrainedFeatures` and of the estimators with such a
        network.

    Raises
    ------
    OSError
        If the file can neither be found nor downloaded. The message says where to put which file.

    See Also
    --------
    skdl.PretrainedCNNClassifier : Classifier on top of such a network.

    Examples
    --------
    >>> import skdl
    >>> from skdl.datasets import fetch_mobilenet_weights
    >>> weights = fetch_mobilenet_weights()  # doctest: +SKIP
    >>> skdl.PretrainedFeatures("MobileNet", weights=weights, backbone_params={"alpha": 0.25})
    ... # doctest: +SKIP
    """
    arguments = {"data_home": data_home, "download_if_missing": download_if_missing}
    owner = "fetch_mobilenet_weights"
    check_arguments(owner, arguments)
    return path_of(
        owner,
        SOURCES["mobilenet_weights"],
        data_home=data_home,
        download_if_missing=download_if_missing,
    )


def _read(name: str, arguments: dict[str, Any], *more: str) -> Arrays:
    """Return the arrays "x" and "y" of the subset, and others."""
    owner = f"fetch_{name}"
    check_arguments(owner, arguments)
    path = path_of(
        owner,
        SOURCES[name],
        data_home=arguments["data_home"],
        download_if_missing=arguments["download_if_missing"],
    )
    with reading(owner, path), np.load(path, allow_pickle=False) as file:
        subset = {part: file[f"{part}_{arguments['subset']}"] for part in ("x", "y")}
        return subset | {other: file[other] for other in more}


def _as_asked(
    arguments: dict[str, Any], X: Any, y: Any, target_names: list[str], description: str
) -> Any:
    if arguments["return_X_y"]:
        return X, y
    return Bunch(data=X, target=y, target_names=target_names, DESCR=description)
