"""What a bug report has to say of the machine: versions, devices, caches, settings."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from skdl import _compile_cache
from skdl._doc_links import project_url
from skdl._extras import installed_version
from skdl._tensorflow_logs import SWITCH as LOG_SWITCH

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["describe_machine", "how_to_report", "show_versions"]

# What is installed by `pip install skdl`, then what the extras bring.
_PACKAGES = (
    "skdl", "pip", "tensorflow", "tensorflow-cpu", "keras", "numpy", "scipy", "pandas",
    "scikit-learn", "scikeras", "optuna", "joblib", "threadpoolctl", "matplotlib", "rich", "psutil",
)  # fmt: skip
_EXTRAS = ("ai-edge-litert", "fastapi", "onnx", "onnxruntime", "skl2onnx", "skops", "uvicorn")
# Not all of "TF_", which is Terraform's prefix too: those may be secrets.
_SETTINGS = (
    "SKDL_", "TF_CPP_", "TF_XLA_", "TF_NUM_", "TF_GPU_", "TF_FORCE_", "TF_ENABLE_", "TF_USE_",
    "TF_DETERMINISTIC_", "KERAS_", "XLA_", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS",
    "XDG_CACHE_HOME",
)  # fmt: skip
_MEBIBYTE = 1024**2


def show_versions() -> None:
    """Print what a bug report has to say: versions, devices, caches and settings.

    ``python -m skdl`` prints the same, and how to report a bug.

    See Also
    --------
    sklearn.show_versions : The same for scikit-learn.

    Examples
    --------
    >>> import skdl
    >>> skdl.show_versions()
    <BLANKLINE>
    System:
         python: 3...
    """
    sys.stdout.write(describe_machine())


def describe_machine() -> str:
    """Return the text that `show_versions` prints. TensorFlow is imported for it."""
    sections = {
        "System": _system(),
        "Packages": _packages(),
        "Devices of TensorFlow": _devices(),
        "Caches": _caches(),
        "Environment variables": _settings(),
    }
    lines = []
    for title, told in sections.items():
        pairs = list(told) or [("", "none")]
        width = max(len(name) for name, _ in pairs)
        lines += ["", f"{title}:"]
        lines += [
            f"    {name:>{width}}: {value}" if name else f"    {value}" for name, value in pairs
        ]
    return "\n".join([*lines, ""])


def how_to_report() -> str:
    """Return what to do with the text above, and where."""
    where = project_url("Issues")
    place = where or "the repository that skdl came from"
    return (
        f"\nTo report a bug, open an issue in {place}.\n"
        "Give all of the above, a script of a few lines that shows it, what you expected, and the\n"
        "whole error message.\n"
        f"With {LOG_SWITCH}=1 in the environment, TensorFlow's own messages are shown too.\n"
        "A vulnerability is reported in private, as SECURITY.md of the repository says.\n"
    )


def _system() -> Iterator[tuple[str, str]]:
    import psutil

    yield "python", sys.version.replace("\n", " ")
    yield "executable", sys.executable
    yield "machine", platform.platform()
    memory = psutil.virtual_memory().total / 1024**3
    yield "processor", f"{_n_cores()} cores, {memory:.1f} GiB of memory"


def _n_cores() -> str:
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{allowed} of {os.cpu_count()}"


def _packages() -> Iterator[tuple[str, str]]:
    for package in _PACKAGES:
        found = installed_version(package)
        if found is not None or package not in {"tensorflow", "tensorflow-cpu", "pip"}:
            yield package, str(found or "missing")
    for package in _EXTRAS:
        found = installed_version(package)
        if found is not None:
            yield package, found


def _devices() -> Iterator[tuple[str, str]]:
    try:
        import tensorflow as tf

        for device in tf.config.list_physical_devices():
            details = tf.config.experimental.get_device_details(device)
            name = device.name.removeprefix("/physical_device:")
            model = details.get("device_name")
            yield (name, str(model)) if model else ("", name)
        build = tf.sysconfig.get_build_info()
    except Exception as error:  # noqa: BLE001 - what is broken is what the report is for
        yield "", f"TensorFlow cannot be used: {type(error).__name__}: {error}"
        return
    cuda, cudnn = build.get("cuda_version"), build.get("cudnn_version")
    yield "built for", f"CUDA {cuda}, cuDNN {cudnn}" if cuda else "processors alone"


def _caches() -> Iterator[tuple[str, str]]:
    compiled = _compile_cache.folder_in_use()
    yield "compilations", _describe_folder(compiled, f"not kept (see {_compile_cache.SWITCH})")
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    yield "weights of keras.applications", _describe_folder(home / "models", "none")
    yield "data of skdl.datasets", _describe_folder(_compile_cache.user_folder() / "data", "none")


def _describe_folder(folder: Path | None, otherwise: str) -> str:
    try:
        sizes = [file.stat().st_size for file in folder.iterdir()] if folder is not None else None
    except OSError:
        sizes = None
    if sizes is None:
        return otherwise
    return f"{folder} ({len(sizes)} files, {sum(sizes) / _MEBIBYTE:.1f} MiB)"


def _settings() -> Iterable[tuple[str, str]]:
    return sorted(item for item in os.environ.items() if item[0].startswith(_SETTINGS))
