"""Links from scikit-learn's notebook diagrams into our documentation.

Where it is published is said in one place: ``Documentation`` under ``[project.urls]`` of
pyproject.toml, which goes into the metadata of the package. The environment variable
``SKDL_DOCS_URL`` names another place, such as a copy of one's own; empty, it switches links off.
"""

from __future__ import annotations

import functools
import importlib.metadata
import os

__all__ = ["documentation_url", "page_of", "project_url"]


def page_of(kind: type) -> str:
    """Return the name of a public class's page."""
    package, room, *_ = kind.__module__.split(".")
    # The names of `skdl.estimators` are documented as those of `skdl`.
    home = package if room == "estimators" else f"{package}.{room}"
    return f"{home}.{kind.__name__}"


@functools.cache
def project_url(label: str) -> str:
    """Return an address of the package's metadata, such as ``"Issues"``; "" if there is none."""
    try:
        links = importlib.metadata.metadata("skdl").get_all("Project-URL") or []
    except importlib.metadata.PackageNotFoundError:
        return ""
    pairs = (link.partition(", ") for link in links)
    return next((url for name, _, url in pairs if name.lower() == label.lower()), "")


def documentation_url() -> str:
    """Return where our documentation is, without a slash at its end; "" where it is not known."""
    return os.environ.get("SKDL_DOCS_URL", project_url("Documentation")).rstrip("/")
