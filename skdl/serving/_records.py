"""Rows as records: ``{"rows": [{"column": value, ...}, ...]}`` in, predictions out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skdl.serving._arrays import array_rows
from skdl.serving._cells import as_column, check_types
from skdl.serving._refusal import RefusedError, as_json, check_keys, json_type, listed

if TYPE_CHECKING:
    from skdl.serving._served_model import ServedModel

__all__ = ["predict_records", "schema_of_records"]

_JSON_TYPES: dict[str, dict[str, Any]] = {
    "number": {"type": ["number", "boolean", "null"]},
    "string": {"type": ["string", "null"]},
    "datetime": {"type": ["string", "null"], "format": "date-time"},
    "timedelta": {"type": ["number", "null"], "description": "seconds"},
}


def predict_records(model: ServedModel, body: bytes) -> tuple[dict[str, Any], int]:
    """Return the answer to a request of records, and the number of its rows.

    Raises
    ------
    RefusedError
        If the request is not what the model takes.
    """
    content = as_json(body)
    check_keys("the body", content, {"rows"})
    rows = content.get("rows")
    if not isinstance(rows, list):
        state = f"is {json_type(rows)}" if "rows" in content else "is missing"
        raise RefusedError(f"'rows' {state}. Expected a list, as in {{\"rows\": [{{...}}]}}.")
    model.check_n_rows(len(rows))
    given = _columns(model.inputs, rows) if model.is_table else array_rows(model.inputs[0], rows)
    found = model.run(given)
    if model.classes is None:
        return {"predictions": found["prediction"].tolist()}, len(rows)
    answer = {
        "predictions": found["label"].tolist(),
        "classes": model.classes,
        "probabilities": found["probabilities"].tolist(),
    }
    return answer, len(rows)


def _columns(inputs: list[dict[str, Any]], rows: list[Any]) -> dict[str, Any]:
    names = {described["name"] for described in inputs}
    check_types(rows, {dict}, "'rows'", "an object with one value for each column")
    for i, row in enumerate(rows):
        if row.keys() != names:
            _refuse_names(i, row.keys(), names)
    columns = {}
    for described in inputs:
        name = described["name"]
        columns[name] = as_column(described, [row[name] for row in rows], f"column {name!r}")
    return columns


def _refuse_names(i: int, given: Any, names: set[str]) -> None:
    missing, unknown = sorted(names - given), sorted(given - names)
    parts = [f"lacks the columns {listed(missing)}"] if missing else []
    parts += [f"has the unknown columns {listed(unknown)}"] if unknown else []
    raise RefusedError(
        f"row {i} {' and '.join(parts)}. Expected exactly the columns of the model, with null "
        "where a value is missing; GET /v2/models/{name} lists them."
    )


def schema_of_records(model: ServedModel) -> dict[str, Any]:
    """Return the JSON schema of a request."""
    if model.is_table:
        properties = {own["name"]: _schema_of_column(own) for own in model.inputs}
        row: dict[str, Any] = {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }
    else:
        row = {"type": "array", "description": f"numbers of shape {model.inputs[0]['shape']}"}
    rows = {"type": "array", "items": row, "minItems": 1, "maxItems": model.max_rows}
    return {
        "type": "object",
        "properties": {"rows": rows},
        "required": ["rows"],
        "additionalProperties": False,
    }


def _schema_of_column(described: dict[str, Any]) -> dict[str, Any]:
    schema = dict(_JSON_TYPES[described["kind"]])
    if described.get("refuses_others"):
        levels = described["levels"]
        schema["enum"] = levels + ([None] if described["fills_gaps"] and None not in levels else [])
    elif described.get("levels"):
        schema["examples"] = described["levels"]
    return schema
