"""Rows of Parquet files: columns by name, categories, and row groups that are read once."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from skdl import MLPClassifier, MLPRegressor, ParquetRows
from skdl.model_selection import KFoldEnsembleRegressor, cross_validate

pa = pytest.importorskip("pyarrow", reason="needs pip install skdl[parquet]")
parquet = pytest.importorskip("pyarrow.parquet")

N_ROWS = 300


@pytest.fixture(scope="module", name="frame")
def table_in_memory():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.standard_normal((N_ROWS, 3)).astype(np.float32), columns=list("abc"))
    frame["count"] = rng.integers(0, 9, N_ROWS)
    frame["is_new"] = rng.random(N_ROWS) > 0.5
    frame["city"] = rng.choice(["Bonn", "Köln", "Ulm"], N_ROWS)
    frame.loc[N_ROWS - 1, "city"] = "Aachen"  # a level of the last row alone
    frame["kind"] = pd.Categorical(rng.choice(["x", "y"], N_ROWS))
    frame["price"] = frame["a"] + frame["b"] * (frame["city"] == "Ulm")
    return frame


@pytest.fixture(scope="module", name="folder")
def table_on_disk(frame, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trips")
    for i in range(3):
        part = pa.Table.from_pandas(frame.iloc[100 * i : 100 * (i + 1)], preserve_index=False)
        parquet.write_table(part, folder / f"part{i}.parquet", row_group_size=30)
    return folder


NUMBERS = ["a", "b", "c", "count", "is_new"]


def network(kind=MLPRegressor, **parameters):
    given = {"epochs": 2, "random_state": 0, "shuffle": False, "batch_size": 50, **parameters}
    return kind((8,), **given)


def test_columns_of_numbers_give_the_network_of_the_frame(frame, folder):
    rows = ParquetRows(folder, target="price", features=NUMBERS, buffer_rows=64)
    assert rows.shape == (N_ROWS, 5)
    np.testing.assert_array_equal(rows.y, frame["price"])
    np.testing.assert_array_equal(np.asarray(rows), frame[NUMBERS].to_numpy(np.float32))
    in_memory = network().fit(frame[NUMBERS], frame["price"])
    read = network().fit(rows)  # knows its targets
    np.testing.assert_array_equal(read.predict(rows), in_memory.predict(frame[NUMBERS]))
    np.testing.assert_array_equal(read.feature_names_in_, NUMBERS)
    np.testing.assert_array_equal(read.predict(frame[NUMBERS]), in_memory.predict(rows))


def test_decimals_and_columns_without_values_are_numbers(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.integers(0, 999, (60, 3)) / 4, columns=list("abc"))
    options = {"categorical_features": "from_dtype", "missing_numbers": "learn"}
    model = network(**options).fit(frame, frame["a"])
    table = pa.Table.from_pandas(frame, preserve_index=False)
    table = table.set_column(0, "a", table["a"].cast(pa.decimal128(12, 3)))
    parquet.write_table(table.set_column(1, "b", pa.nulls(60)), tmp_path / "f.parquet")
    rows = ParquetRows(tmp_path / "f.parquet")
    expected = model.predict(frame.assign(b=np.nan))
    np.testing.assert_allclose(model.predict(rows), expected, rtol=1e-6)
    text = table.set_column(0, "a", pa.array(frame["a"].astype("str").to_numpy(object)))
    parquet.write_table(text, tmp_path / "text.parquet")
    with pytest.raises(ValueError, match=r"columns \['a'\] of X hold no numbers"):
        model.predict(ParquetRows(tmp_path / "text.parquet"))


@pytest.mark.slow
def test_categories_give_the_network_of_the_frame(frame, folder):
    X = frame.drop(columns="price")
    options = {"categorical_features": "from_dtype", "max_one_hot": 3, "missing_numbers": "learn"}
    rows = ParquetRows(folder, target="price", buffer_rows=64)
    in_memory = network(**options).fit(X, frame["price"])
    read = network(**options).fit(rows, rows.y)
    np.testing.assert_array_equal(read.predict(rows), in_memory.predict(X))
    np.testing.assert_array_equal(read.predict(X), in_memory.predict(rows))


@pytest.mark.slow
def test_the_recipe_for_tables_takes_a_source(frame, folder):
    rows = ParquetRows(folder, target="kind", buffer_rows=64)
    model = MLPClassifier.tabular(epochs=2, random_state=0).fit(rows)
    assert model.predict_proba(rows).shape == (N_ROWS, 2)


def test_cross_validation_finds_the_targets(frame, folder):
    rows = ParquetRows(folder, target="price", features=NUMBERS, buffer_rows=64)
    found = cross_validate(network(), rows, cv=3, baseline=False)
    expected = cross_validate(network(), frame[NUMBERS], frame["price"], cv=3, baseline=False)
    np.testing.assert_array_equal(found["test_score"], expected["test_score"])


@pytest.mark.slow
def test_folds_learn_their_own_levels(frame, folder):
    rows = ParquetRows(folder, target="price", buffer_rows=64)
    X = frame.drop(columns="price")
    model = network(categorical_features="from_dtype")
    found = cross_validate(model, rows, cv=3, baseline=False)
    expected = cross_validate(model, X, frame["price"], cv=3, baseline=False)
    np.testing.assert_allclose(found["test_score"], expected["test_score"], rtol=1e-5)


def test_each_row_group_is_read_once_an_epoch(folder, monkeypatch):
    rows = ParquetRows(folder, features=NUMBERS, target="price", buffer_rows=64)
    y, read, read_block = rows.y, [], rows.read_block
    monkeypatch.setattr(rows, "read_block", lambda i, dtype=None: read.append(i) or read_block(i))
    network(shuffle=True, epochs=3).fit(rows, y)
    n_blocks = len(rows.block_starts) - 1
    assert n_blocks == 12
    assert [sorted(read[i : i + n_blocks]) for i in range(0, 36, n_blocks)] == [[*range(12)]] * 3


def test_blocks_are_whole_row_groups(folder):
    rows = ParquetRows(folder, buffer_rows=400)  # blocks of 50 rows at least
    np.testing.assert_array_equal(rows.block_starts, [0, 60, 130, 190, 260, 300])


def test_several_targets_and_an_arrow_dataset(frame, folder):
    import pyarrow.dataset

    dataset = pyarrow.dataset.dataset(folder)
    rows = ParquetRows(dataset, target=["price", "count"], features=["a"])
    np.testing.assert_array_equal(rows.y, frame[["price", "count"]])
    assert network().fit(rows).predict(rows).shape == (N_ROWS, 2)
    with pytest.raises(TypeError, match=r"pyarrow.dataset.Dataset.*ParquetRows\(dataset"):
        network().fit(dataset, frame["price"])


def test_a_partitioned_folder_has_its_partitions_as_columns(frame, tmp_path):
    for city in ("Bonn", "Ulm"):
        part = frame.loc[frame["city"] == city, ["a", "price"]]
        (tmp_path / f"city={city}").mkdir()
        part.to_parquet(tmp_path / f"city={city}" / "part.parquet", index=False)
    rows = ParquetRows(tmp_path, target="price")
    assert rows.feature_names == ["a", "city"]
    model = network(categorical_features="from_dtype").fit(rows)
    assert model.predict(rows).shape == (len(rows),)


# ------------------------------------------------------------------------------------- errors


def test_columns_of_text_are_named_with_the_cure(folder):
    rows = ParquetRows(folder, target="price")
    with pytest.raises(ValueError, match=r"\['city', 'kind'\].*categorical_features='from_dtype'"):
        network().fit(rows)


def test_unknown_columns_are_refused_with_the_nearest(folder):
    with pytest.raises(ValueError, match=r"target='prize' names \['prize'\].*Did you mean 'price'"):
        ParquetRows(folder, target="prize")
    with pytest.raises(ValueError, match="Expected at least one beside target"):
        ParquetRows(folder, target=[*NUMBERS, "city", "kind", "price"])


def test_targets_that_were_not_named_are_asked_for(folder):
    rows = ParquetRows(folder, features=NUMBERS)
    with pytest.raises(ValueError, match="no column was named as target"):
        network().fit(rows)


def test_missing_files_and_other_things_are_refused(tmp_path, frame):
    with pytest.raises(FileNotFoundError, match="there is no file or folder"):
        ParquetRows(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="neither a path nor a dataset"):
        ParquetRows(frame)
    frame.iloc[:0].to_parquet(tmp_path / "empty.parquet")
    with pytest.raises(ValueError, match="has no rows"):
        ParquetRows(tmp_path / "empty.parquet")


def test_gaps_are_named_by_column(folder, frame, tmp_path):
    gaps = frame[["a", "b", "price"]].copy()
    gaps.loc[250, "b"] = np.nan
    gaps.to_parquet(tmp_path / "gaps.parquet", index=False, row_group_size=40)
    rows = ParquetRows(tmp_path / "gaps.parquet", target="price", buffer_rows=64)
    with pytest.raises(ValueError, match=r"contains NaN, in columns \['b'\], first in row 250"):
        network().fit(rows)


def test_all_that_learns_finds_the_targets(frame, folder):
    rows = ParquetRows(folder, target="price", features=NUMBERS)
    X, y = frame[NUMBERS], frame["price"]
    ensemble = KFoldEnsembleRegressor(network(), cv=3, random_state=0)
    read, in_memory = clone(ensemble).fit(rows), clone(ensemble).fit(X, y)
    np.testing.assert_array_equal(read.predict(X), in_memory.predict(X))
    read, in_memory = network().partial_fit(rows), network().partial_fit(X, y)
    np.testing.assert_array_equal(read.predict(X), in_memory.predict(X))
    read = network(early_stopping=True).fit(X, y, X_val=rows)
    in_memory = network(early_stopping=True).fit(X, y, X_val=X, y_val=y)
    np.testing.assert_array_equal(read.predict(X), in_memory.predict(X))
    for estimator in (network(), ensemble):
        with pytest.raises(ValueError, match="requires y to be passed"):
            estimator.fit(X)
    with pytest.raises(ValueError, match="requires y to be passed"):
        network().partial_fit(X)


def test_a_target_among_the_features_is_refused(folder):
    with pytest.raises(ValueError, match=r"\['price'\] are among features and target"):
        ParquetRows(folder, target="price", features=["a", "price"])


def test_an_index_of_pandas_is_no_feature(frame, tmp_path):
    shuffled = frame.sample(frac=1, random_state=0)
    shuffled.to_parquet(tmp_path / "shuffled.parquet")
    rows = ParquetRows(tmp_path / "shuffled.parquet", target="price")
    assert rows.feature_names == [*NUMBERS, "city", "kind"]
    shuffled.assign(a=1).to_parquet(tmp_path / "whole_numbers.parquet")
    assert ParquetRows(tmp_path, target="price").feature_names == rows.feature_names
    named = ParquetRows(tmp_path / "shuffled.parquet", features=["a", "__index_level_0__"])
    assert named.read_frame(0).shape == (N_ROWS, 2)
    np.testing.assert_array_equal(np.asarray(named)[:, 1], shuffled.index)


def write(folder, **frames):
    for name, frame in frames.items():
        frame.to_parquet(folder / f"{name}.parquet", index=False)


def test_integers_of_one_file_and_gaps_of_another_are_numbers(tmp_path):
    write(tmp_path, first=pd.DataFrame({"a": [1, 2]}), second=pd.DataFrame({"a": [1.5, None]}))
    np.testing.assert_array_equal(np.asarray(ParquetRows(tmp_path)).ravel(), [1, 2, 1.5, np.nan])


def test_files_of_other_columns_are_refused_by_name(tmp_path):
    both, one = pd.DataFrame({"a": [1.0], "b": [2.0]}), pd.DataFrame({"a": [3.0]})
    for first, second, lacking in ((both, one, "second"), (one, both, "first")):
        write(tmp_path, first=first, second=second)
        with pytest.raises(ValueError, match=rf"{lacking}.parquet has no columns \['b'\]"):
            ParquetRows(tmp_path)
        assert ParquetRows(tmp_path, features=["a"]).shape == (2, 1)
    write(tmp_path, first=both, second=both.astype({"b": str}))
    with pytest.raises(ValueError, match=r"second.parquet has a column of another kind .*string"):
        ParquetRows(tmp_path)


def test_categories_beside_text_and_booleans_beside_numbers_are_taken(tmp_path):
    first = pd.DataFrame({"town": pd.Categorical(["Ulm", "Bonn"]), "is_new": [True, False]})
    second = pd.DataFrame({"town": ["Ulm", "Aalen"], "is_new": [0, 1]})
    for frames in ({"a": first, "b": second}, {"a": second, "b": first}):
        write(tmp_path, **frames)
        rows = ParquetRows(tmp_path)
        read = [rows.read_frame(i) for i in range(len(rows.block_starts) - 1)]
        towns = [town for frame in read for town in frame["town"]]
        assert towns == [town for frame in frames.values() for town in frame["town"]]
        numbers = np.asarray(ParquetRows(tmp_path, features=["is_new"])).ravel()
        np.testing.assert_array_equal(numbers, pd.concat(frames.values())["is_new"].astype(int))


def test_folders_that_are_links_are_entered(frame, tmp_path):
    real = tmp_path / "real"
    real.mkdir()
    write(real, rows=frame)
    (tmp_path / "trips").mkdir()
    (tmp_path / "trips" / "linked").symlink_to(real)
    assert ParquetRows(tmp_path / "trips", features=NUMBERS).shape == (N_ROWS, 5)


def test_a_column_that_the_folders_name_too_is_named(frame, tmp_path):
    (tmp_path / "year=2020").mkdir()
    write(tmp_path / "year=2020", rows=frame.assign(year="MMXX"))
    with pytest.raises(ValueError, match=r"another kind than the names of folders say .*year"):
        ParquetRows(tmp_path)


def test_what_cannot_be_read_is_no_changed_file(tmp_path):
    large, gap = pd.DataFrame({"a": [2**53 + 1, 1]}), pd.DataFrame({"a": [1.5, None]})
    write(tmp_path, first=large, second=gap)
    with pytest.raises(OSError, match=r"first.parquet.* cannot be read: .*9007199254740993"):
        np.asarray(ParquetRows(tmp_path))


def test_what_else_lies_in_a_folder_is_left_aside_or_named(frame, tmp_path):
    write(tmp_path, rows=frame)
    (tmp_path / "README.txt").write_text("sales by town")
    (tmp_path / "_SUCCESS").touch()
    assert ParquetRows(tmp_path, target="price", features=NUMBERS).shape == (N_ROWS, 5)
    (tmp_path / "later.parquet").write_text("not Parquet")
    with pytest.raises(ValueError, match=r"later.parquet cannot be read as Parquet"):
        ParquetRows(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="there is no file in the folder"):
        ParquetRows(tmp_path / "empty")


def test_files_that_changed_since_are_refused(frame, tmp_path):
    write(tmp_path, first=frame, second=frame)
    for change in (
        lambda file: file.unlink(),
        lambda file: file.write_bytes(file.read_bytes()[:-500]),
        lambda file: frame.iloc[:90].to_parquet(file, index=False),
        lambda file: frame.assign(a=0.5).to_parquet(file, index=False),
    ):
        write(tmp_path, second=frame)
        rows = ParquetRows(tmp_path, target="price", features=NUMBERS)
        assert len(rows.y) == 2 * N_ROWS
        change(tmp_path / "second.parquet")
        with pytest.raises(OSError, match=r"second.parquet'?\]? are not what they were"):
            network().fit(rows)
