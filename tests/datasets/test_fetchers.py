"""What fetchers give, from the files themselves and from downloads of the same form."""

import gzip
import hashlib
import io
import zipfile

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from skdl import datasets
from skdl.datasets._sources import SOURCES
from skdl.exceptions import InvalidParameterError

TABLES = {
    "adult": (32_561, 14, {"<=50K", ">50K"}),
    "housing": (20_640, 9, None),
    "penguins": (344, 7, {"Adelie", "Chinstrap", "Gentoo"}),
    "red_wine": (1599, 11, None),
    "weather": (3653, 89, None),
}


@pytest.fixture
def fetch(shared_data, monkeypatch):
    """Return a function that calls a fetcher on the files of shared/data, without a network."""

    def call(name, **arguments):
        monkeypatch.setenv("SKDL_DATA", str(shared_data(SOURCES[name].name).parent))
        return getattr(datasets, f"fetch_{name}")(download_if_missing=False, **arguments)

    return call


def test_every_fetcher_has_its_file():
    assert datasets.__all__ == [f"fetch_{name}" for name in sorted(SOURCES)]
    for file in SOURCES.values():
        assert file.url.startswith("https://")
        assert len(bytes.fromhex(file.sha256)) == 32


@pytest.mark.parametrize("name", TABLES)
def test_tables(name, fetch):
    n_rows, n_features, classes = TABLES[name]
    bunch = fetch(name)
    assert bunch.data.shape == (n_rows, n_features)
    assert bunch.feature_names == list(bunch.data)
    assert bunch.frame.shape == (n_rows, n_features + 1)
    pd.testing.assert_frame_equal(bunch.frame.drop(columns=bunch.target.name), bunch.data)
    pd.testing.assert_series_equal(bunch.frame[bunch.target.name], bunch.target)
    assert not bunch.target.isna().any()
    kinds = {dtype.kind for dtype in bunch.data.dtypes if dtype != "category"}
    assert kinds <= set("if")
    assert set(bunch.target_names) == (classes or {bunch.target.name})
    assert "Source: " in bunch.DESCR
    assert "Licence: " in bunch.DESCR
    X, y = fetch(name, return_X_y=True)
    pd.testing.assert_frame_equal(X, bunch.data)
    pd.testing.assert_series_equal(y, bunch.target)


def test_table_as_arrays(fetch):
    bunch = fetch("red_wine", as_frame=False)
    assert bunch.frame is None
    assert bunch.data.dtype == np.float64
    assert bunch.data[0].tolist() == [7.4, 0.7, 0, 1.9, 0.076, 11, 34, 0.9978, 3.51, 0.56, 9.4]
    assert bunch.target[:5].tolist() == [5, 5, 5, 6, 5]


def test_gaps_and_categories(fetch, shared_data):
    for name, n_gaps in {"adult": 4262, "housing": 207, "penguins": 19}.items():
        assert fetch(name).data.isna().to_numpy().sum() == n_gaps
    adult = fetch("adult").data
    assert (adult.dtypes == "category").sum() == 8
    raw = pd.read_csv(shared_data("adult_train.csv.gz"))
    np.testing.assert_array_equal(adult["age"], raw["age"])
    assert (adult["workclass"].astype(object).fillna("?") == raw["workclass"].fillna("?")).all()


def test_target_of_the_weather_is_the_sunshine_of_the_next_day(fetch, shared_data):
    raw = pd.read_csv(shared_data("weather_prediction_dataset_light.csv.gz"))
    X, y = fetch("weather", return_X_y=True)
    np.testing.assert_array_equal(y, raw["BASEL_sunshine"].iloc[1:])
    np.testing.assert_array_equal(X["BASEL_sunshine"], raw["BASEL_sunshine"].iloc[:-1])
    assert str(X.index[0]) == "2000-01-01 00:00:00"
    assert (np.diff(X.index) == np.timedelta64(1, "D")).all()


def test_images(fetch, shared_data):
    X, y = fetch("mnist", subset="test", return_X_y=True)
    assert X.shape == (10_000, 28, 28)
    assert y[:5].tolist() == [7, 2, 1, 0, 4]
    bunch = fetch("ants_bees")
    assert bunch.data.shape == (245, 128, 128, 3)
    assert bunch.data.dtype == np.uint8
    assert np.unique(bunch.target).tolist() == bunch.target_names == ["ants", "bees"]
    with np.load(shared_data("ants_bees_128.npz")) as file:
        assert ((bunch.target == "bees") == file["y_train"]).all()
    path = fetch("mobilenet_weights")
    assert path.name.endswith(".h5")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == SOURCES["mobilenet_weights"].sha256


def test_reviews(fetch):
    whole = fetch("imdb", subset="test")
    assert len(whole.data) == 25_000
    assert np.bincount(whole.target).tolist() == [12_500, 12_500]
    assert {int(review[0]) for review in whole.data} == {1}
    assert max(map(np.max, whole.data)) < 10_000
    X, y = fetch("imdb", subset="test", max_length=150, return_X_y=True)
    assert X.shape == (25_000, 150)
    assert X.dtype == np.int32
    np.testing.assert_array_equal(y, whole.target)
    lengths = np.array(list(map(len, whole.data)))
    short, long = int(np.argmin(lengths)), int(np.argmax(lengths))
    np.testing.assert_array_equal(X[long], whole.data[long][-150:])
    np.testing.assert_array_equal(X[short][: lengths[short]], whole.data[short])
    assert not X[short][lengths[short] :].any()


def test_bad_arguments():
    with pytest.raises(InvalidParameterError, match=r"^fetch_mnist: subset='tset' is not known\. "):
        datasets.fetch_mnist(subset="tset")
    with pytest.raises(InvalidParameterError, match=r"^fetch_imdb: max_length=0 is not allowed\. "):
        datasets.fetch_imdb(max_length=0)
    with pytest.raises(InvalidParameterError, match=r"^fetch_adult: as_frame='no' is not allowed"):
        datasets.fetch_adult(as_frame="no")


@pytest.mark.parametrize(
    ("name", "content"),
    [("penguins", b"species,year\nAdelie,2007\n"), ("red_wine", b"no table"), ("mnist", b"PK")],
)
def test_damaged_file_is_refused_with_the_cure(name, content, tmp_path):
    (tmp_path / SOURCES[name].name).write_bytes(content)
    with pytest.raises(OSError, match=rf"^fetch_{name}: .* is damaged or .* Remove it, and it is"):
        getattr(datasets, f"fetch_{name}")(data_home=tmp_path)


def converted(name, content, tmp_path):
    file = SOURCES[name]
    download = tmp_path / file.download_name
    download.write_bytes(content)
    file.convert(download, tmp_path / file.name)
    return tmp_path / file.name


def as_uci_gives_it(compressed):
    rows = gzip.decompress(compressed).decode().splitlines()[1:]
    lines = [", ".join(cell or "?" for cell in row.split(",")) for row in rows]
    return "\n".join([*lines, "", ""]).encode()


@pytest.mark.parametrize(
    ("name", "as_at_the_source"),
    [
        ("adult", as_uci_gives_it),
        ("housing", gzip.decompress),
        ("weather", gzip.decompress),
    ],
)
def test_download_becomes_the_file_that_fetchers_read(
    name, as_at_the_source, shared_data, tmp_path
):
    content = shared_data(SOURCES[name].name).read_bytes()
    download = as_at_the_source(content)
    assert hashlib.sha256(download).hexdigest() == SOURCES[name].sha256
    made = converted(name, download, tmp_path).read_bytes()
    assert gzip.decompress(made) == gzip.decompress(content)


def test_red_wine_is_the_file_of_its_source(shared_data):
    content = shared_data("winequality-red.csv").read_bytes()
    assert hashlib.sha256(content).hexdigest() == SOURCES["red_wine"].sha256


def zip_of(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_penguins_of_the_package(shared_data, tmp_path):
    content = shared_data("penguins.csv").read_bytes()
    wheel = zip_of({"palmerpenguins/data/penguins.csv": content, "palmerpenguins/__init__.py": ""})
    assert converted("penguins", wheel, tmp_path).read_bytes() == content


def picture(color, size, kind="JPEG"):
    buffer = io.BytesIO()
    Image.new("RGB", size, color).save(buffer, kind)
    return buffer.getvalue()


def test_photographs_of_the_tutorial(tmp_path):
    red, blue = (255, 0, 0), (0, 0, 255)
    archive = zip_of(
        {
            "hymenoptera_data/train/ants/1.jpg": picture(red, (300, 200)),
            "hymenoptera_data/train/ants/not_found.gif": picture(red, (90, 90), "GIF"),
            "hymenoptera_data/train/bees/1.jpg": picture(blue, (200, 300)),
            "hymenoptera_data/val/ants/2.jpg": picture(red, (128, 128)),
            "hymenoptera_data/val/bees/2.jpg": picture(blue, (500, 500)),
            "hymenoptera_data/val/.DS_Store": b"",
        }
    )
    converted("ants_bees", archive, tmp_path)
    for subset, n_rows in {"train": 3, "test": 2}.items():
        X, y = datasets.fetch_ants_bees(subset=subset, data_home=tmp_path, return_X_y=True)
        assert X.shape == (n_rows, 128, 128, 3)
        is_blue = X[:, 64, 64, 2] > 250
        np.testing.assert_array_equal(is_blue, y == "bees")


def test_reviews_of_keras(tmp_path):
    def lists(*reviews):
        packed = np.empty(len(reviews), object)
        packed[:] = reviews
        return packed

    buffer = io.BytesIO()
    np.savez(
        buffer,
        x_train=lists([1, 9_996, 9_997], [2], [3, 4]),
        y_train=np.array([1, 0, 0]),
        x_test=lists([5], [6, 88_000]),
        y_test=np.array([1, 0]),
    )
    converted("imdb", buffer.getvalue(), tmp_path)
    found = {}
    for subset in ("train", "test"):
        X, y = datasets.fetch_imdb(subset=subset, data_home=tmp_path, return_X_y=True)
        found[subset] = sorted(
            (review.tolist(), int(label)) for review, label in zip(X, y, strict=True)
        )
    # What keras.datasets.imdb.load_data(num_words=10_000) does: 1 begins, 2 is out of the words.
    assert found["train"] == [([1, 4, 9_999, 2], 1), ([1, 5], 0), ([1, 6, 7], 0)]
    assert found["test"] == [([1, 8], 1), ([1, 9, 2], 0)]
