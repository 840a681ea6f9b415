"""A folder that serves a pipeline on its own: no skdl, no TensorFlow, no scikit-learn.

It holds copies of the server's modules under the name ``server``, since skdl itself needs
TensorFlow.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skdl._extras import installed_version
from skdl.exceptions import ExportError
from skdl.export import OnnxModel, to_onnx
from skdl.serving._protocol import datatype_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from skdl.export import OnnxExport

__all__ = ["REQUIREMENTS", "write_bundle"]

# The extra `serve`, with NumPy; installed ones are pinned, as with them the file was checked.
REQUIREMENTS = {
    "fastapi": "0.115",
    "numpy": "1.26",
    "onnxruntime": "1.17",
    "prometheus-client": "0.20",
    "uvicorn": "0.32",
}
_N_EXAMPLES = 2
_LEFT_OUT = {"__init__.py", "_bundle.py"}
_RENAMED = {
    "from skdl.export import OnnxModel": "from server._onnx_model import OnnxModel",
    "skdl.serving": "server",
    'pip install "skdl[serve]"': "pip install -r requirements.txt",
}
_DOCKERFILE = """\
FROM python:{python}-slim
WORKDIR /srv
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY server server
COPY --chmod=444 {name}.onnx .
USER nobody
EXPOSE 8080
HEALTHCHECK CMD python -c \\
    "from urllib.request import urlopen as u; u('http://127.0.0.1:8080/v2/health/ready')"
CMD ["python", "-m", "server", "{name}.onnx", "--host", "0.0.0.0"]
"""
_README = """\
# {name}: {estimator}

    pip install -r requirements.txt
    python -m server {name}.onnx
    curl -d @request.json http://127.0.0.1:8080/predict

With Docker: `docker build -t {name} . && docker run -p 8080:8080 {name}`.
`request.json` holds rows as records, `request_v2.json` the same rows for the Open Inference
Protocol, at `/v2/models/{name}/infer`. `/v2/models/{name}` describes the inputs, `/docs` the
requests, `/metrics` is for Prometheus. `server/` is a part of skdl; `python -m server --help` lists
its options.
"""


def write_bundle(estimator: Any, X: Any, folder: Path, *, name: str, **options: Any) -> OnnxExport:
    """Write the folder that `skdl.serving.bundle` promises; options go to `to_onnx`."""
    if not name.isidentifier():
        raise ExportError(
            f"bundle: name={name!r} is no name for a file and an address. Expected letters, digits "
            "and underscores, such as 'penguins'."
        )
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise FileExistsError(
            f"bundle: {str(folder)!r} is there and not an empty folder. Expected a folder that is "
            "new or empty: nothing is written over."
        )
    with tempfile.TemporaryDirectory() as draft:
        report = to_onnx(estimator, X, Path(draft) / f"{name}.onnx", **options)
        content = report.path.read_bytes()
        model = OnnxModel(report.path)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.onnx"
    path.write_bytes(content)
    _write_server(folder / "server")
    arrays = model.inputs(X[:_N_EXAMPLES])
    described = model.metadata_["inputs"]
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    texts = {
        "requirements.txt": "".join(f"{line}\n" for line in _requirements()),
        "Dockerfile": _DOCKERFILE.format(python=python, name=name),
        "README.md": _README.format(name=name, estimator=model.metadata_["estimator"]),
        "request.json": _text(_records(described, arrays)),
        "request_v2.json": _text(_tensors(described, arrays)),
    }
    for file, text in texts.items():
        (folder / file).write_text(text, encoding="utf-8")
    return report._replace(path=path)


def _write_server(folder: Path) -> None:
    folder.mkdir()
    own = Path(__file__).parent
    sources = {path.name: path for path in own.glob("*.py") if path.name not in _LEFT_OUT}
    sources["_onnx_model.py"] = own.parent / "export" / "_onnx_model.py"
    init = '"""The server of skdl, which runs without it."""\n'
    (folder / "__init__.py").write_text(init, encoding="utf-8")
    for name, source in sources.items():
        text = source.read_text(encoding="utf-8")
        for old, new in _RENAMED.items():
            text = text.replace(old, new)
        (folder / name).write_text(text, encoding="utf-8")


def _requirements() -> Iterable[str]:
    for package, least in REQUIREMENTS.items():
        version = installed_version(package)
        yield f"{package}>={least}" if version is None else f"{package}=={version}"


def _text(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _records(described: list[dict[str, Any]], arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    if described[0]["kind"] == "array":
        return {"rows": arrays[described[0]["name"]].tolist()}
    columns = {
        own["name"]: [_cell(own["kind"], cell) for cell in arrays[own["name"]][:, 0]]
        for own in described
    }
    n_rows = len(next(iter(columns.values())))
    return {"rows": [{name: cells[i] for name, cells in columns.items()} for i in range(n_rows)]}


def _cell(kind: str, cell: Any) -> str | float | None:
    """Return one cell as a record has it."""
    if kind == "number":
        return None if np.isnan(cell) else float(cell)
    if kind == "string":
        return str(cell) or None
    if cell == np.iinfo(np.int64).min:
        return None
    if kind == "timedelta":
        return int(cell) / 1e9
    return str(np.datetime64(int(cell), "ns").astype("datetime64[us]"))


def _tensors(described: list[dict[str, Any]], arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    inputs = []
    for own in described:
        array = arrays[own["name"]]
        cells = array.ravel().tolist()
        inputs.append(
            {
                "name": own["name"],
                "shape": list(array.shape),
                "datatype": datatype_of(own),
                "data": [None if cell != cell else cell for cell in cells],  # noqa: PLR0124 - NaN
            }
        )
    return {"inputs": inputs}
