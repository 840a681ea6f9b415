"""What Prometheus is told: requests, rows and seconds, of all workers together."""

from __future__ import annotations

import os
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

__all__ = ["CONTENT_TYPE", "SHARED_FOLDER", "Metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# Names the folder in which the processes of several workers add up; it is prometheus-client's own.
SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """Counters of one application.

    Parameters
    ----------
    model_name : str
    sha256 : str
        Of the model.
    """

    def __init__(self, model_name: str, sha256: str) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "skdl_requests", "Requests for predictions, answered or refused.",
            ["route", "status"], registry=self._registry,
        )  # fmt: skip
        self._rows = Counter(
            "skdl_rows", "Rows that were predicted.", ["route"], registry=self._registry
        )
        self._seconds = Histogram(
            "skdl_request_seconds", "Seconds from the head of a request to its answer.",
            ["route"], buckets=_SECONDS, registry=self._registry,
        )  # fmt: skip
        model = Gauge(
            "skdl_model", "The model that is served; always 1.", ["name", "sha256"],
            multiprocess_mode="max", registry=self._registry,
        )  # fmt: skip
        model.labels(model_name, sha256).set(1)

    def note(self, route: str, status: int, n_rows: int, seconds: float) -> None:
        """Count one request."""
        self._requests.labels(route, str(status)).inc()
        self._rows.labels(route).inc(n_rows)
        self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """Return all numbers in the format that Prometheus reads."""
        registry = self._registry
        if os.environ.get(SHARED_FOLDER):
            registry = CollectorRegistry()
            collector: Any = MultiProcessCollector
            collector(registry)
        return generate_latest(registry)
