"""The admin port: vLLM's endpoints for adapters, with a token of their own."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from models.serve.errors import RequestError
from models.serve.http import reading, writing
from models.serve.http.app import Served
from models.serve.http.failures import error_handlers
from models.serve.http.guard import Guard

MAX_BYTES = 64 * 1024


def create_admin_app(served: Served, *, token: str | None) -> Starlette:
    """The ASGI application of the admin port; without a token it changes nothing."""

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok", "generator": served.generator.id})

    async def models(_: Request) -> Response:
        return JSONResponse(writing.model_list(served.generator.cards(), served.started))

    async def load(request: Request) -> Response:
        body = await reading.read_object(request)
        _require(token)
        name, path = _text(body, "lora_name"), _text(body, "lora_path")
        await served.generator.load_adapter(name, path)
        return Response(f"Success: LoRA adapter '{name}' added successfully.")

    async def unload(request: Request) -> Response:
        body = await reading.read_object(request)
        _require(token)
        name = _text(body, "lora_name")
        await served.generator.unload_adapter(name)
        return Response(f"Success: LoRA adapter '{name}' removed successfully.")

    return Starlette(
        routes=[
            Route("/health", health, methods=["GET"]),
            Route("/v1/models", models, methods=["GET"]),
            Route("/v1/load_lora_adapter", load, methods=["POST"]),
            Route("/v1/unload_lora_adapter", unload, methods=["POST"]),
        ],
        middleware=[Middleware(Guard, key=token, max_bytes=MAX_BYTES)],
        exception_handlers=error_handlers(),
    )


def _require(token: str | None) -> None:
    if not token:
        raise RequestError("Adapters are not changed without PHI3_ADMIN_TOKEN.", status=403)


def _text(body: dict[str, object], field: str) -> str:
    value = body.get(field)
    if not isinstance(value, str) or not value:
        raise RequestError(f"`{field}` must be a text.", param=field)
    return value
