"""Texts as ids of words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from sklearn.utils import Bunch

from skdl._validation import AnyOf, Integer, OneOf
from skdl.datasets._files import check_arguments, path_of, reading
from skdl.datasets._sources import SOURCES

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

__all__ = ["fetch_imdb"]

_IMDB = """Film reviews of IMDB: did the writer like the film?

25,000 reviews to train on and 25,000 to test on, as ids of words: 1 starts a review, 2 stands for
rare words, and the 9,997 most frequent words have the ids from 3 on, in falling frequency. Which
word an id stands for differs between the file that skdl makes from Keras' own and others of that
name. The target is 1 for reviews that like the film, 0 for the others; there are as many of each.

Source: A. L. Maas, R. E. Daly, P. T. Pham, D. Huang, A. Y. Ng and C. Potts (2011), Learning word
vectors for sentiment analysis, https://ai.stanford.edu/~amaas/data/sentiment/; the file of
keras.datasets.imdb. For research, with the request to cite the paper.
"""
_MAX_LENGTH = {"max_length": AnyOf(OneOf(None), Integer(1, example=200))}


def fetch_imdb(
    *,
    subset: Literal["train", "test"] = "train",
    max_length: int | None = None,
    data_home: str | os.PathLike[str] | None = None,
    return_X_y: bool = False,
    download_if_missing: bool = True,
) -> Any:
    """Film reviews as ids of words (classification).

    25,000 reviews to train on and 25,000 to test on, half of which like the film.

    Parameters
    ----------
    subset : {"train", "test"}, default="train"
        Which part.
    max_length : int, default=None
        Keep the last ids of each review, so many, in an array; 0 pads shorter ones at their end.
        None: all of them, in a list of arrays.
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
    >>> from skdl.datasets import fetch_imdb
    >>> X, y = fetch_imdb(max_length=200, return_X_y=True)  # doctest: +SKIP
    >>> X.shape  # doctest: +SKIP
    (25000, 200)
    """
    arguments = {
        "subset": subset,
        "max_length": max_length,
        "data_home": data_home,
        "return_X_y": return_X_y,
        "download_if_missing": download_if_missing,
    }
    owner = "fetch_imdb"
    check_arguments(owner, arguments, _MAX_LENGTH)
    path = path_of(
        owner, SOURCES["imdb"], data_home=data_home, download_if_missing=download_if_missing
    )
    with reading(owner, path), np.load(path, allow_pickle=False) as file:
        ids, offsets = file[f"{subset}_ids"].astype(np.int32), file[f"{subset}_offsets"]
        y = file[f"y_{subset}"]
    reviews = np.split(ids, offsets[1:-1])
    X = reviews if max_length is None else _last(reviews, max_length)
    if return_X_y:
        return X, y
    return Bunch(data=X, target=y, target_names=["disliked", "liked"], DESCR=_IMDB)


def _last(reviews: list[NDArray[np.int32]], length: int) -> NDArray[np.int32]:
    """Return the last ids of each review, 0 behind the end of shorter ones."""
    rows = np.zeros((len(reviews), length), np.int32)
    for row, review in zip(rows, reviews, strict=True):
        last = review[-length:]
        row[: len(last)] = last
    return rows
