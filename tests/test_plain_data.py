"""Plain data: everything comes back as it was, and nothing that was not written is read."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from skdl import _plain_data as plain_data
from skdl.exceptions import UnsafeFileError
from skdl.layers._registry import _RULES
from skdl.networks import LAYER_ARGUMENTS, Layer, Loss, Network
from skdl.networks._safe_keras import check_keras_config

VALUES = {
    "nothing": None,
    "truth": True,
    "integer": 2**70,
    "number": 0.1 + 0.2,
    "infinity": float("-inf"),
    "text": "déjà vu",
    "list": [1, [2.5, "three"]],
    "tuple": (1, (2, ())),
    "dict": {"a": 1, 2: {None: [True]}, (1, "x"): 3.5},
    "dtype": np.dtype("<M8[ns]"),
    "loss": Loss("huber", (("delta", 2.0),)),
    "layer": Layer.of("Dense", units=3, l1=0.0, l2=0.1),
    "time": pd.Timestamp("2024-03-31 02:30", tz="UTC"),
    # This half hour came twice that day.
    "local time": pd.Timestamp("2024-10-27 01:30", tz="UTC").tz_convert("Europe/Berlin"),
    "offset": pd.Timestamp("2024-10-27 02:30:00.123456789", tz=dt.timezone(dt.timedelta(hours=2))),
    "seconds": pd.Timestamp("2024-10-27").as_unit("s"),
    "duration": pd.Timedelta("1 day 3 ns"),
    "network": Network((2,), (Layer.of("Dense", units=1),), "linear", Loss("mse")),
}


def through(value):
    return plain_data.unpack(plain_data.pack({"value": value}))["value"]


@pytest.mark.parametrize("name", VALUES)
def test_values_come_back_as_they_were(name):
    value = VALUES[name]
    found = through(value)
    assert type(found) is type(value)
    assert found == value
    assert getattr(found, "unit", None) == getattr(value, "unit", None)


def test_nan_comes_back():
    assert np.isnan(through([float("nan")])[0])


def test_other_objects_stand_beside_the_text_once():
    array = np.arange(3)
    packed = plain_data.pack({"a": array, "b": [array, array]})
    assert len(packed["parts"]) == 1
    assert packed["parts"][0] is array
    assert plain_data.unpack(packed)["b"][1] is array


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("{", "no JSON"),
        ("[]", "without a format"),
        ('{"format": 0, "content": {"dict": []}}', "format 0"),
        ('{"format": 1, "content": []}', "a list as state"),
        ('{"format": 1, "content": {"evil": 1}}', "the entry"),
        ('{"format": 1, "content": {"is": "Evil", "has": {}}}', "class 'Evil'"),
        ('{"format": 1, "content": {"part": 0}}', "part number 0"),
        ('{"format": 1, "content": {"part": -1}}', "part number -1"),
        ('{"format": 1, "content": {"tuple": 1}}', "the tuple"),
        ('{"format": 1, "content": {"float": "1"}}', "the number '1'"),
        ('{"format": 1, "content": {"dict": [["a"]]}}', "pairs of key and value"),
        ('{"format": 1, "content": {"dict": [["a", 1], ["a", 2]]}}', "each once"),
        ('{"format": 1, "content": {"dict": [[[1], 2]]}}', "the key"),
        ('{"format": 1, "content": {"dict": [[1, 2]]}}', "named attributes"),
        ('{"format": 1, "content": {"is": "Loss", "has": []}}', "a Loss of"),
    ],
)
def test_text_that_was_not_written_is_refused(text, match):
    with pytest.raises(UnsafeFileError, match=match):
        plain_data.unpack({"skdl": text, "parts": []})


def test_times_without_a_name_of_their_zone_are_not_saved():
    zoned = pd.Timestamp("2024-01-01", tz="dateutil/Europe/Berlin")
    with pytest.raises(TypeError, match="a time zone by name"):
        plain_data.pack({"value": zoned})


def test_every_kind_of_layer_says_what_its_arguments_may_be():
    assert set(LAYER_ARGUMENTS) == {*_RULES, "Keras"}


def test_every_custom_layer_may_stand_in_a_configuration():
    for kind in set(LAYER_ARGUMENTS) - {"Keras", "Model", "Operation"}:
        ours = '{"module": null, "class_name": "%s", "config": {}, "registered_name": "skdl>%s"}'
        theirs = '{"module": "keras.layers", "class_name": "%s", "config": {}}'
        errors = []
        for written in (ours % (kind, kind), theirs % kind):
            try:
                check_keras_config(written)
            except UnsafeFileError as error:
                errors.append(error)
        assert len(errors) == 1, kind
