"""Serve an exported file: ``python -m skdl.serving model.onnx``."""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skdl.serving._settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_LAST_PORT = 65_535


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and serve until SIGTERM or Ctrl-C.

    Parameters
    ----------
    arguments : sequence of str, optional
        Without them, those of the process.
    """
    options = _parser().parse_args(arguments)
    # uvicorn stops gracefully and then sends itself the signal once more: the end is no failure.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        with tempfile.TemporaryDirectory(prefix="skdl-serving-") as folder:
            _serve(options, Path(folder))
    except (ImportError, OSError, ValueError) as error:
        sys.exit(f"skdl.serving: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m skdl.serving", description=__doc__)
    parser.add_argument("model", type=Path, help="file that skdl.export.to_onnx wrote")
    parser.add_argument("--name", help="of the model in addresses (that of the file)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=_port, default=8080, help="port to listen on (%(default)s)")
    for name, default, what in (
        ("workers", 1, "processes"),
        ("threads", Settings.n_threads, "threads of onnxruntime for one request"),
        ("max-rows", Settings.max_rows, "most rows of one request"),
        ("max-bytes", Settings.max_bytes, "most bytes of one request"),
        ("stop-seconds", 30, "how long requests may go on after SIGTERM"),
    ):
        parser.add_argument(
            f"--{name}", type=_positive, default=default, metavar="N", help=f"{what} (%(default)s)"
        )
    parser.add_argument("--access-log", action="store_true", help="print a line for each request")
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no integer of at least 1")
    return int(text)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > _LAST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is no port, an integer from 0 to {_LAST_PORT}")
    return int(text)


def _serve(options: argparse.Namespace, folder: Path) -> None:
    """Serve what the file holds now: later workers, too, read the copy that is made here."""
    try:
        for package in ("fastapi", "onnxruntime", "prometheus_client", "uvicorn"):
            importlib.import_module(package)
    except ImportError as error:
        raise ImportError(
            f"the package {error.name!r} is not installed. Install it with "
            'pip install "skdl[serve]".'
        ) from error
    import uvicorn

    from skdl.serving._app import make_app
    from skdl.serving._served_model import ServedModel

    if not options.model.is_file():
        raise FileNotFoundError(
            f"there is no file {str(options.model)!r}. Expected one that skdl.export.to_onnx wrote."
        )
    copy = folder / options.model.name
    copy.write_bytes(options.model.read_bytes())
    copy.chmod(0o400)
    name = options.name or options.model.stem
    settings = Settings(str(copy), name, options.max_rows, options.max_bytes, options.threads)
    # What is wrong with the file is said here, once, and not by each worker.
    try:
        app: Any = make_app(settings) if options.workers == 1 else ServedModel(settings)
    except ValueError as error:
        raise ValueError(str(error).replace(str(copy), str(options.model))) from error
    server: dict[str, Any] = {
        "host": options.host,
        "port": options.port,
        "access_log": options.access_log,
        "server_header": False,
        "timeout_graceful_shutdown": options.stop_seconds,
    }
    if options.workers == 1:
        uvicorn.run(app, **server)
        return
    metrics = folder / "metrics"
    metrics.mkdir()
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(metrics)
    settings.hand_on()
    handed_on = "skdl.serving._app:handed_on_app"
    uvicorn.run(handed_on, factory=True, workers=options.workers, **server)


if __name__ == "__main__":
    main()
