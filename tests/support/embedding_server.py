"""An embedding server with two models of unlike length; texts with words in common are near."""

from __future__ import annotations

import json
import re
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DIMENSIONS = {"small": 64, "large": 96}


@dataclass
class EmbeddingServer:
    """Its address, and what it was asked for by model."""

    url: str = ""
    texts: dict[str, list[str]] = field(default_factory=dict)


def vector(text: str, dimensions: int) -> list[float]:
    """Words counted by their hash."""
    found = [0.01] * dimensions
    for word in re.findall(r"\w+", text.lower()):
        found[zlib.crc32(word.encode()) % dimensions] += 1.0
    return found


Model = Callable[[str], list[float]]  # a text to its vector

MODELS: dict[str, Model] = {
    name: partial(vector, dimensions=dimensions) for name, dimensions in DIMENSIONS.items()
}


@contextmanager
def serve(models: Mapping[str, Model] = MODELS) -> Iterator[EmbeddingServer]:
    """Run one with ``models`` by name on a free port of the loopback interface."""
    state = EmbeddingServer(texts={name: [] for name in models})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(200, {"data": [{"id": name, "owned_by": "tests"} for name in models]})

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if asked["model"] not in models:
                self._send(404, {"error": {"message": "no such model"}})
                return
            state.texts[asked["model"]].extend(asked["input"])
            rows = [
                {"index": number, "embedding": models[asked["model"]](text)}
                for number, text in enumerate(asked["input"])
            ]
            self._send(200, {"data": rows})

        def _send(self, status: int, body: object) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
