"""The files that fetchers read: their addresses, checksums and conversions."""

from __future__ import annotations

import gzip
import shutil
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl.datasets._files import DataFile

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["N_WORDS", "PHOTOGRAPH_SIZE", "SOURCES"]

# Ids of tokens are below; 0 pads, 1 starts a review, 2 stands for other words.
N_WORDS = 10_000
_START, _OTHER, _FIRST_WORD = 1, 2, 3
PHOTOGRAPH_SIZE = 128
_ADULT = (
    "age", "workclass", "fnlwgt", "education", "education_num", "marital_status", "occupation",
    "relationship", "race", "sex", "capital_gain", "capital_loss", "hours_per_week",
    "native_country", "income",
)  # fmt: skip


def _compressed(download: Path, path: Path) -> None:
    with download.open("rb") as text, gzip.open(path, "wb") as written:
        shutil.copyfileobj(text, written)


def _penguins(download: Path, path: Path) -> None:
    with zipfile.ZipFile(download) as wheel:
        path.write_bytes(wheel.read("palmerpenguins/data/penguins.csv"))


def _adult(download: Path, path: Path) -> None:
    """Write a header and no spaces; a question mark is a gap."""
    lines = download.read_text(encoding="ascii").splitlines()
    rows = [["" if cell == "?" else cell for cell in line.split(", ")] for line in lines if line]
    text = "".join(f"{','.join(row)}\n" for row in ([*_ADULT], *rows))
    path.write_bytes(gzip.compress(text.encode("ascii")))


def _photographs(download: Path, path: Path) -> None:
    """Write the pictures as arrays: their middle, as a square of one size."""
    from PIL import Image, ImageOps

    arrays: dict[str, Any] = {"class_names": np.array(["ants", "bees"])}
    with zipfile.ZipFile(download) as archive:
        for part, folder in (("train", "train"), ("test", "val")):
            images, labels = [], []
            for label, name in enumerate(arrays["class_names"]):
                for member in sorted(archive.namelist()):
                    if member.startswith(f"hymenoptera_data/{folder}/{name}/") and member.endswith(
                        (".jpg", ".gif")
                    ):
                        with archive.open(member) as opened, Image.open(opened) as image:
                            square = ImageOps.fit(image.convert("RGB"), (PHOTOGRAPH_SIZE,) * 2)
                            images.append(np.asarray(square))
                        labels.append(label)
            order = np.random.default_rng(0).permutation(len(labels))
            arrays[f"x_{part}"] = np.stack(images)[order]
            arrays[f"y_{part}"] = np.array(labels, np.uint8)[order]
    _write_arrays(path, arrays)


def _reviews(download: Path, path: Path) -> None:
    """Write the ids of all reviews in a row, and where each begins.

    Keras' file numbers words from 1 on, and holds positive reviews behind negative ones.
    """
    arrays: dict[str, Any] = {}
    # Its lists are pickled; the checksum has told that they are Keras' own.
    with np.load(download, allow_pickle=True) as file:
        rng = np.random.default_rng(0)
        for part in ("train", "test"):
            labels = file[f"y_{part}"]
            order = rng.permutation(len(labels))
            reviews = [_ids(words) for words in file[f"x_{part}"][order]]
            arrays[f"{part}_ids"] = np.concatenate(reviews)
            arrays[f"{part}_offsets"] = np.cumsum([0, *map(len, reviews)])
            arrays[f"y_{part}"] = labels[order].astype(np.uint8)
    _write_arrays(path, arrays)


def _ids(words: list[int]) -> NDArray[np.uint16]:
    numbers = np.asarray(words, np.int64) + _FIRST_WORD
    return np.r_[_START, np.where(numbers < N_WORDS, numbers, _OTHER)].astype(np.uint16)


def _write_arrays(path: Path, arrays: dict[str, Any]) -> None:
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)


_UCI = "https://archive.ics.uci.edu/ml/machine-learning-databases"
_KERAS = "https://storage.googleapis.com/tensorflow"
# By the name of the fetcher, without "fetch_".
SOURCES = {
    "adult": DataFile(
        "adult_train.csv.gz",
        f"{_UCI}/adult/adult.data",
        "5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d",
        _adult,
    ),
    "ants_bees": DataFile(
        "ants_bees_128.npz",
        "https://download.pytorch.org/tutorial/hymenoptera_data.zip",
        "fbc41b31d544714d18dd1230b1e2b455e1557766e13e67f9f5a7a23af7c02209",
        _photographs,
    ),
    "housing": DataFile(
        "housing.csv.gz",
        "https://raw.githubusercontent.com/ageron/handson-ml2/"
        "aa555aa16b9d0af6c84e67c7757f3317d05acb12/datasets/housing/housing.csv",
        "8a3727f4cf54ac1a327f69b1d5b4db54c5834ea81c6e4efc0d163300022a685e",
        _compressed,
    ),
    "imdb": DataFile(
        "imdb_seq10k.npz",
        f"{_KERAS}/tf-keras-datasets/imdb.npz",
        "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f",
        _reviews,
    ),
    "mnist": DataFile(
        "mnist.npz",
        f"{_KERAS}/tf-keras-datasets/mnist.npz",
        "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
    ),
    "mobilenet_weights": DataFile(
        "mobilenet_2_5_224_tf_no_top.h5",
        f"{_KERAS}/keras-applications/mobilenet/mobilenet_2_5_224_tf_no_top.h5",
        "dbdb03ee2a22fd895301636cd328b234bb3a9952358f436d82f46b81e0d5b0bf",
    ),
    "penguins": DataFile(
        "penguins.csv",
        "https://files.pythonhosted.org/packages/af/9e/"
        "7579e7f1ace559be76984107d9e056377993a787eb1fd557a098c32967bc/"
        "palmerpenguins-0.1.6-py3-none-any.whl",
        "5c3be9af84dd703a25f1aaeadeac6ac770cfd38c1620d00089f581c023129ee0",
        _penguins,
    ),
    "red_wine": DataFile(
        "winequality-red.csv",
        f"{_UCI}/wine-quality/winequality-red.csv",
        "4a402cf041b025d4566d954c3b9ba8635a3a8a01e039005d97d6a710278cf05e",
    ),
    "weather": DataFile(
        "weather_prediction_dataset_light.csv.gz",
        "https://zenodo.org/records/5071376/files/weather_prediction_dataset_light.csv",
        "d10b70448e6848a66958a18667f4dbf8a4ef13b166f6803a7ab2057c6ec9d438",
        _compressed,
    ),
}
