"""The same client cases against our server and against a description of vLLM's answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from models.lm.client import AdapterMissing, AdminClient, ChatClient, ModelRefused
from models.serve.http.server import listen
from tests.models.serve.serving import Running, serving

RECORDED = json.loads(Path(__file__).with_name("vllm.json").read_text("utf-8"))
CHAT = [{"role": "user", "content": "Which form does the office need?"}]


@dataclass(frozen=True)
class Target:
    """A server, ours or the description of vLLM's."""

    url: str
    admin_url: str
    adapter: str


class Described:
    """Answers as vLLM does, with the recorded bodies; remembers what is loaded."""

    def __init__(self) -> None:
        self.loaded = False

    def app(self) -> Starlette:
        """The ASGI application."""
        post: list[tuple[str, Callable[[Request], Any]]] = [
            ("/v1/chat/completions", self.chat),
            ("/v1/completions", self.score),
            ("/tokenize", self.tokenize),
            ("/v1/load_lora_adapter", self.load),
            ("/v1/unload_lora_adapter", self.unload),
        ]
        return Starlette(
            routes=[Route("/v1/models", self.models, methods=["GET"])]
            + [Route(path, handler, methods=["POST"]) for path, handler in post]
        )

    async def models(self, _: Request) -> Response:
        body = RECORDED["models"]["body"]
        return JSONResponse(body | {"data": body["data"][: 2 if self.loaded else 1]})

    async def chat(self, request: Request) -> Response:
        body = await request.json()
        if body["model"] == "refresh-9999":
            return _recorded("unknown_model")
        if len(str(body["messages"])) > 5000:
            return _recorded("too_long")
        events = [json.dumps(event) for event in RECORDED["chat_stream"]["events"]] + ["[DONE]"]
        return PlainTextResponse(
            "".join(f"data: {event}\n\n" for event in events), media_type="text/event-stream"
        )

    async def score(self, request: Request) -> Response:
        recorded = RECORDED["completion_scored"]["body"]
        choice = dict(recorded["choices"][0])
        if not (await request.json()).get("return_token_ids"):
            del choice["prompt_token_ids"]
        return JSONResponse(recorded | {"choices": [choice]})

    async def tokenize(self, _: Request) -> Response:
        return _recorded("tokenize")

    async def load(self, _: Request) -> Response:
        was, self.loaded = self.loaded, True
        return _recorded("load_again" if was else "load")

    async def unload(self, _: Request) -> Response:
        was, self.loaded = self.loaded, False
        return _recorded("unload" if was else "unload_unknown")


def _recorded(name: str) -> Response:
    answer = RECORDED[name]
    if "text" in answer:
        return PlainTextResponse(answer["text"], answer["status"])
    return JSONResponse(answer["body"], answer["status"])


@pytest.fixture(params=["ours", "vllm"])
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    if request.param == "ours":
        running: Running = request.getfixturevalue("phi3")
        home: Path = request.getfixturevalue("home")
        with running.admin() as admin:
            for name in admin.adapters():
                admin.unload(name)
        yield Target(running.url, running.admin_url, str(home / "adapters" / "refresh-0001"))
        return
    listener = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    config = uvicorn.Config(Described().app(), log_level="warning", lifespan="off")
    with serving([(uvicorn.Server(config), listener)]):
        yield Target(url, url, "/adapters/refresh-0001")


@pytest.fixture
def client(target: Target) -> Iterator[ChatClient]:
    with ChatClient(target.url) as client:
        yield client


@pytest.fixture
def admin(target: Target) -> Iterator[AdminClient]:
    with AdminClient(target.admin_url, "admin-token-of-the-tests") as admin:
        yield admin


def test_the_base_is_listed_first(client: ChatClient) -> None:
    first = client.models()[0]
    assert (first.id, first.parent, first.max_model_len) == ("tiny-phi3", None, 1024)
    assert client.base() == "tiny-phi3"


def test_an_answer_streams(client: ChatClient) -> None:
    pieces = list(client.stream(CHAT, max_tokens=12))
    assert len(pieces) > 1
    assert all(pieces)


def test_a_chat_is_counted(client: ChatClient) -> None:
    assert client.tokenize(CHAT) == len(client.tokens(CHAT))


def test_a_prompt_is_scored(client: ChatClient, target: Target) -> None:
    first, *others = client.score([5, 7, 9])
    assert first is None
    if target.adapter == "/adapters/refresh-0001":  # whose numbers are known
        assert others == [-1.5, -0.25]
    assert len(others) == 2
    assert all(value is not None and value < 0 for value in others)


def test_an_unknown_model_is_an_adapter_that_is_missing(client: ChatClient) -> None:
    with pytest.raises(AdapterMissing):
        client.complete(CHAT, model="refresh-9999")


def test_a_prompt_that_is_too_long_is_refused(client: ChatClient) -> None:
    with pytest.raises(ModelRefused, match="maximum context length is 1024 tokens"):
        client.complete([{"role": "user", "content": "word " * 3000}])


def test_an_adapter_comes_twice_and_goes_twice(target: Target, admin: AdminClient) -> None:
    assert admin.base() == "tiny-phi3"
    assert admin.adapters() == {}
    admin.load("refresh-0001", target.adapter)
    admin.load("refresh-0001", target.adapter)
    assert admin.adapters() == {"refresh-0001": "tiny-phi3"}
    admin.unload("refresh-0001")
    admin.unload("refresh-0001")
    assert admin.adapters() == {}
