"""The application: addresses, limits on what comes in, and answers that are always JSON."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any, TypeAlias

from fastapi import FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from skdl.serving._metrics import CONTENT_TYPE, Metrics
from skdl.serving._protocol import infer, model_metadata
from skdl.serving._records import predict_records, schema_of_records
from skdl.serving._refusal import RefusedError, listed
from skdl.serving._served_model import ServedModel
from skdl.serving._settings import Settings

__all__ = ["handed_on_app", "make_app"]

Work: TypeAlias = Callable[[ServedModel, bytes], tuple[dict[str, Any], int]]

# More takes longer than handing it to a thread; health has to be answered meanwhile.
_MOST_INLINE_BYTES = 16_384
_BODY_SECONDS = 30.0


class _Service:
    """The handlers of one application.

    Parameters
    ----------
    settings : Settings
    """

    def __init__(self, settings: Settings) -> None:
        self.model = ServedModel(settings)
        self._max_bytes = settings.max_bytes
        self._metrics = Metrics(self.model.name, self.model.sha256)

    # ------------------------------------------------------------------ predictions

    async def predict(self, request: Request) -> Response:
        """Predict rows that are records."""
        return await self._answered(request, "/predict", predict_records)

    async def infer(self, request: Request) -> Response:
        """Predict tensors of the Open Inference Protocol."""
        route = "/v2/models/{name}/infer"
        if request.path_params["name"] != self.model.name:
            return self._unknown_model(request)
        return await self._answered(request, route, infer)

    async def _answered(self, request: Request, route: str, work: Work) -> Response:
        started, n_rows, status = time.perf_counter(), 0, 500
        try:
            body = await self._body(request)
            if len(body) > _MOST_INLINE_BYTES:
                content, n_rows = await run_in_threadpool(work, self.model, body)
            else:
                content, n_rows = work(self.model, body)
            response = _json(content)
            status = 200
        except RefusedError as refusal:
            status = refusal.status
            response = _error(str(refusal), status)
        finally:
            self._metrics.note(route, status, n_rows, time.perf_counter() - started)
        return response

    async def _body(self, request: Request) -> bytes:
        """Return the body of a request, or refuse it before all of it is read."""
        encoding = request.headers.get("content-encoding", "identity")
        if encoding != "identity":
            raise RefusedError(
                f"the body is encoded by {encoding!r}. Expected plain JSON, without "
                "Content-Encoding.",
                415,
            )
        if "inference-header-content-length" in request.headers:
            raise RefusedError(
                "the request holds tensors in binary. Expected JSON: in tritonclient, "
                "set_data_from_numpy(..., binary_data=False).",
                415,
            )
        announced = request.headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > self._max_bytes:
            raise self._too_large()
        parts, n_bytes = [], 0
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                async for part in request.stream():
                    parts.append(part)
                    n_bytes += len(part)
                    if n_bytes > self._max_bytes:
                        raise self._too_large()
        except TimeoutError as error:
            raise RefusedError(
                f"the body took more than {_BODY_SECONDS:g} seconds. Expected it at once.", 408
            ) from error
        except ClientDisconnect as error:
            raise RefusedError("the client went away before the body was complete.") from error
        return b"".join(parts)

    def _too_large(self) -> RefusedError:
        return RefusedError(
            f"the body is too large. Expected at most {self._max_bytes} bytes: send fewer rows in "
            "each request.",
            413,
        )

    # ------------------------------------------------------------------ health and metadata

    async def server(self, request: Request) -> Response:
        """Say what server this is."""
        del request
        version = self.model.metadata["versions"].get("skdl")
        return _json({"name": "skdl", "version": version, "extensions": []})

    async def live(self, request: Request) -> Response:
        """Say that the process answers."""
        del request
        return _json({"live": True})

    async def ready(self, request: Request) -> Response:
        """Say that the model is loaded; without it there is no server."""
        del request
        return _json({"ready": True})

    async def model_ready(self, request: Request) -> Response:
        """Say that the model is loaded."""
        if request.path_params["name"] != self.model.name:
            return self._unknown_model(request)
        return _json({"name": self.model.name, "ready": True})

    async def metadata(self, request: Request) -> Response:
        """Describe the model: inputs, outputs, classes, versions."""
        if request.path_params["name"] != self.model.name:
            return self._unknown_model(request)
        return _json(model_metadata(self.model))

    def _unknown_model(self, request: Request) -> Response:
        return _error(
            f"there is no model {listed([request.path_params['name']])}. Expected "
            f"{listed([self.model.name])}.",
            404,
        )

    async def metrics(self, request: Request) -> Response:
        """Return the numbers for Prometheus."""
        del request
        return Response(self._metrics.text(), media_type=CONTENT_TYPE)


def make_app(settings: Settings) -> FastAPI:
    """Load a model and return the application that serves it.

    Parameters
    ----------
    settings : Settings
    """
    service = _Service(settings)
    app = FastAPI(
        title=service.model.name,
        description=f"Predictions of {service.model.metadata['estimator']}.",
        version=service.model.sha256[:12],
        exception_handlers={HTTPException: _http_error, Exception: _failed},
    )
    schema = {"content": {"application/json": {"schema": schema_of_records(service.model)}}}
    app.add_api_route(
        "/predict", service.predict, methods=["POST"], response_model=None,
        openapi_extra={"requestBody": {**schema, "required": True}},
    )  # fmt: skip
    app.add_api_route(
        "/v2/models/{name}/infer", service.infer, methods=["POST"], response_model=None
    )
    for path, handler in {
        "/v2": service.server,
        "/v2/health/live": service.live,
        "/v2/health/ready": service.ready,
        "/v2/models/{name}": service.metadata,
        "/v2/models/{name}/ready": service.model_ready,
        "/metrics": service.metrics,
    }.items():
        app.add_api_route(path, handler, methods=["GET"], response_model=None)
    return app


def handed_on_app() -> FastAPI:
    """Return the application of a worker process."""
    return make_app(Settings.handed_on())


async def _http_error(request: Request, error: Exception) -> Response:
    """Answer what FastAPI itself refuses, such as unknown addresses, in the form of the rest."""
    if not isinstance(error, HTTPException):
        raise error
    text = f"{request.method} {request.url.path}: {error.detail}. Expected POST /predict, or the "
    return _error(text + "addresses below /v2 of the Open Inference Protocol.", error.status_code)


async def _failed(request: Request, error: Exception) -> Response:
    """Answer where the server itself is at fault; uvicorn writes the traceback into its log."""
    del error
    return _error(f"{request.url.path}: the server failed, and its log says why.", 500)


def _json(content: dict[str, Any], status: int = 200) -> Response:
    body = json.dumps(content, allow_nan=False, separators=(",", ":"))
    return Response(body, status, media_type="application/json")


def _error(message: str, status: int) -> Response:
    return _json({"error": message}, status)
