"""The Open Inference Protocol, version 2: tensors as JSON, as KServe, Triton and MLServer have it.

https://github.com/kserve/open-inference-protocol says what a field means. Of its extensions none is
spoken: tensors in binary are refused.
"""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl.serving._arrays import flat, integers
from skdl.serving._cells import check_types, numbers, texts
from skdl.serving._refusal import RefusedError, as_json, check_keys, json_type, listed, shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from skdl.serving._served_model import Output, ServedModel

__all__ = ["datatype_of", "infer", "model_metadata"]

_INTEGERS = {
    f"{sign}INT{bits}": f"{sign.lower()}int{bits}"
    for sign in ("", "U")
    for bits in (8, 16, 32, 64)
}  # fmt: skip
_FLOATS = {"FP16": "float16", "FP32": "float32", "FP64": "float64"}
_NUMBERS = {*_INTEGERS, *_FLOATS, "BOOL"}
_DATATYPES = {*_NUMBERS, "BYTES"}
_OF_KIND = {
    "number": _NUMBERS,
    "string": {"BYTES"},
    "datetime": {"INT64"},
    "timedelta": {"INT64"},
}
_OF_DTYPE = {
    "float32": ("FP32", _NUMBERS),
    "float64": ("FP64", _NUMBERS),
    "int64": ("INT64", {"INT64"}),
    "string": ("BYTES", {"BYTES"}),
    "uint8": ("UINT8", set(_INTEGERS)),
}


def datatype_of(described: dict[str, Any]) -> str:
    """Return what the protocol calls the type of an input."""
    return _OF_DTYPE[described["dtype"]][0]


def model_metadata(model: ServedModel) -> dict[str, Any]:
    """Return the answer to a request for the metadata of the model."""
    inputs = [
        {
            "name": own["name"],
            "datatype": datatype_of(own),
            "shape": [-1, *own["shape"]],
            "parameters": {key: own[key] for key in ("kind", "levels") if own.get(key) is not None},
        }
        for own in model.inputs
    ]
    told = ("task", "classes", "estimator", "exported", "versions")
    return {
        "name": model.name,
        "platform": "onnxruntime_onnx",
        "inputs": inputs,
        "outputs": [output._asdict() for output in model.outputs],
        "properties": {
            **{key: model.metadata[key] for key in told if key in model.metadata},
            "sha256": model.sha256,
        },
    }


def infer(model: ServedModel, body: bytes) -> tuple[dict[str, Any], int]:
    """Return the answer to an inference request, and the number of its rows.

    Raises
    ------
    RefusedError
        If the request is not what the protocol says, or not what the model takes.
    """
    content = as_json(body)
    check_keys("the body", content, {"id", "parameters", "inputs", "outputs"})
    request_id = content.get("id", "")
    if not isinstance(request_id, str):
        raise RefusedError(f"'id' is {json_type(request_id)}. Expected a string.")
    wanted = _wanted(content, model.outputs)
    tensors = _by_name(_objects(content, "inputs"), {own["name"] for own in model.inputs})
    n_rows = _n_rows(tensors)
    model.check_n_rows(n_rows)
    arrays = {own["name"]: _tensor(own, tensors[own["name"]], n_rows) for own in model.inputs}
    found = model.run(arrays if model.is_table else arrays[model.inputs[0]["name"]])
    outputs = [
        {
            "name": output.name,
            "shape": list(found[output.name].shape),
            "datatype": output.datatype,
            "data": found[output.name].ravel().tolist(),
        }
        for output in wanted
    ]
    answer: dict[str, Any] = {"model_name": model.name, "outputs": outputs}
    return (answer | {"id": request_id} if request_id else answer), n_rows


def _objects(content: dict[str, Any], key: str) -> list[dict[str, Any]]:
    entries = content.get(key)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise RefusedError(f"{key!r} is no list of objects. Expected one object for each tensor.")
    return entries


def _names(entries: list[dict[str, Any]], key: str) -> list[str]:
    names = [entry.get("name") for entry in entries]
    texts_only = [name for name in names if isinstance(name, str)]
    if len(texts_only) < len(names):
        raise RefusedError(f"an object in {key!r} has no 'name'. Expected a string.")
    return texts_only


def _wanted(content: dict[str, Any], outputs: list[Output]) -> list[Output]:
    if not content.get("outputs"):
        return outputs
    by_name = {output.name: output for output in outputs}
    names = _names(_objects(content, "outputs"), "outputs")
    unknown = [name for name in names if name not in by_name]
    if unknown:
        raise RefusedError(
            f"there are no outputs {listed(unknown)}. Expected some of {listed(by_name)}."
        )
    return [by_name[name] for name in names]


def _by_name(entries: list[dict[str, Any]], names: set[str]) -> dict[str, dict[str, Any]]:
    given = _names(entries, "inputs")
    counts = collections.Counter(given)
    wrong: Iterable[tuple[str, Iterable[str]]] = (
        ("there are no inputs", counts.keys() - names),
        ("the request lacks the inputs", names - counts.keys()),
        ("the request has several of the inputs", {name for name in given if counts[name] > 1}),
    )
    for what, which in wrong:
        if which:
            raise RefusedError(
                f"{what} {listed(sorted(which))}. Expected each of {listed(sorted(names))} once."
            )
    return dict(zip(given, entries, strict=True))


def _n_rows(tensors: dict[str, dict[str, Any]]) -> int:
    """Return the number of rows that all tensors have."""
    sizes = {}
    for name, entry in tensors.items():
        check_keys(f"input {name!r}", entry, {"name", "shape", "datatype", "parameters", "data"})
        shape = entry.get("shape")
        if (
            not isinstance(shape, list)
            or not shape
            or any(type(n) is not int or n < 0 for n in shape)
        ):
            raise RefusedError(
                f"input {name!r} has no valid 'shape'. Expected a list of integers, the number of "
                "rows first."
            )
        sizes[name] = shape[0]
    if len(set(sizes.values())) > 1:
        least, most = min(sizes, key=sizes.__getitem__), max(sizes, key=sizes.__getitem__)
        raise RefusedError(
            f"input {least!r} has {sizes[least]} rows, but {most!r} has {sizes[most]}. Expected "
            "the same number in all inputs."
        )
    return next(iter(sizes.values()))


def _tensor(described: dict[str, Any], entry: dict[str, Any], n_rows: int) -> Any:
    """Return one input as what `OnnxModel` takes: a column, or rows."""
    name, shape, is_array = described["name"], entry["shape"], described["kind"] == "array"
    what = f"input {name!r}"
    expected = [n_rows, *described["shape"]]
    if shape != expected and (is_array or shape != [n_rows]):
        raise RefusedError(f"{what} has shape {shape}. Expected {expected}.")
    datatype = entry.get("datatype")
    allowed = _OF_DTYPE[described["dtype"]][1] if is_array else _OF_KIND[described["kind"]]
    if datatype not in allowed:
        known = "" if datatype in _DATATYPES else ", which the protocol does not have"
        raise RefusedError(
            f"{what} has the datatype {shown(datatype)}{known}. Expected one of "
            f"{', '.join(sorted(allowed))}."
        )
    data = entry.get("data")
    if not isinstance(data, list):
        raise RefusedError(
            f"{what} has no list 'data'. Expected its values, flat or in nested lists."
        )
    cells = flat(data, shape, what)
    if datatype == "BYTES":
        # As in the file itself: for missing texts, tensors have the empty one.
        return [cell or None for cell in texts(cells, what)]
    values = _number_values(cells, datatype, what)
    if is_array:
        if described["dtype"] == "uint8":
            values = integers(cells, "uint8", what)
        return values.reshape(shape)
    if described["kind"] in {"datetime", "timedelta"}:
        return values.view(f"{described['kind']}64[ns]")
    return values


def _number_values(cells: list[Any], datatype: str, what: str) -> NDArray[Any]:
    if datatype == "BOOL":
        check_types(cells, {bool}, what, "true or false")
        return np.array(cells, bool)
    if datatype in _INTEGERS:
        return integers(cells, _INTEGERS[datatype], what)
    check_types(cells, {int, float, type(None)}, what, "a number, or null where it is missing")
    values = numbers(cells, what)
    if datatype == "FP64":
        return values
    limit = np.finfo(_FLOATS[datatype]).max
    if (np.abs(values) > limit).any():
        raise RefusedError(
            f"{what} holds a number beyond {limit:.3g}. Expected numbers that {datatype} can hold."
        )
    return values.astype(_FLOATS[datatype])
