"""An embedding server of the tests' own: the protocol is real, the vectors mean nothing."""

from __future__ import annotations

import contextlib
import hashlib
import json
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bot.embedded.redis import Redis
from models.store.session import Sessions
from workers.ingest.embed import Embedder
from workers.ingest.parse import Limits, Parser
from workers.ingest.work import Tools


@pytest.fixture(scope="package")
def redis() -> Iterator[Redis]:
    """A broker of these tests' own: workers of other tests would take their tasks."""
    with tempfile.TemporaryDirectory(prefix="phi3-ingest-", ignore_cleanup_errors=True) as folder:
        server = Redis(Path(folder))
        with Path(folder, "redis.log").open("wb") as log:
            server.start(log=log.fileno())
        try:
            yield server
        finally:
            server.stop()


@dataclass
class StubEmbeddings:
    """What was asked of the server, and how slow or broken it is."""

    url: str = ""
    delay_s: float = 0.0  # per request
    down: bool = False
    texts: list[str] = field(default_factory=list)


@pytest.fixture
def embeddings_server() -> Iterator[StubEmbeddings]:
    stub = StubEmbeddings()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send({"data": [{"id": "default", "root": "stub", "owned_by": "tests"}]})

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            stub.texts.extend(asked["input"])
            time.sleep(stub.delay_s)
            digests = [hashlib.sha256(text.encode()).digest()[:8] for text in asked["input"]]
            rows = [
                {"index": number, "embedding": [1 + byte / 255 for byte in digest]}
                for number, digest in enumerate(digests)
            ]
            with contextlib.suppress(BrokenPipeError):  # a worker that was killed hears nothing
                self._send({"data": rows})

        def _send(self, body: dict[str, Any]) -> None:
            data = json.dumps(body).encode()
            self.send_response(503 if stub.down else 200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    stub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield stub
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="session")
def parser() -> Iterator[Parser]:
    """A parser child that the tests share."""
    made = Parser(Limits(wall_s=60))
    yield made
    made.close()


@pytest.fixture
def tools(
    parser: Parser,
    embeddings_server: StubEmbeddings,
    monkeypatch: pytest.MonkeyPatch,
    sessions: Sessions,
) -> Tools:
    monkeypatch.setenv("PHI3_EMBEDDING_URL", embeddings_server.url)
    monkeypatch.delenv("PHI3_EMBEDDING_MODEL", raising=False)
    return Tools(parser=parser, embedder=Embedder(batch=8, in_flight=2), lease_s=30, poll_s=900)
