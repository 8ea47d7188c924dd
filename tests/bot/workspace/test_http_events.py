"""The same app over HTTP: signed requests, retries in headers."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from slack_bolt import Ack, App
from slack_bolt.request import BoltRequest

from tests.bot.workspace.conftest import Heard, Json, Process, free_port, say

pytestmark = pytest.mark.e2e


class HttpApp:
    """A Bolt app behind a small HTTP server; it may be told to fail once."""

    def __init__(self, port: int) -> None:
        self.heard = Heard()
        self.fail_once = False
        self.app: App | None = None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                outer.heard.put({"headers": dict(self.headers), "body": body})
                if outer.fail_once:
                    outer.fail_once = False
                    self.send_response(500)
                    self.end_headers()
                    return
                assert outer.app is not None
                headers: dict[str, str | Sequence[str]] = {
                    key: [value] for key, value in self.headers.items()
                }
                answer = outer.app.dispatch(BoltRequest(body=body, headers=headers))
                self.send_response(answer.status)
                for key, values in answer.headers.items():
                    self.send_header(key, values[0])
                self.end_headers()
                self.wfile.write((answer.body or "").encode())

            def log_message(self, format: str, *args: object) -> None:
                del format, args

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Process, HttpApp]]:
    """A workspace and its app, which know each other's ports."""
    port = free_port()
    http = HttpApp(port)
    environment = {
        "PHI3_WORKSPACE_REQUEST_URL": f"http://127.0.0.1:{port}/slack/events",
        "PHI3_WORKSPACE_RETRIES": "0,0.2,0.2",
    }
    process = Process(home=tmp_path, port=free_port(), environment=environment)
    process.start()
    http.app = App(
        client=process.bot(),
        signing_secret=process.facts["signing_secret"],
        process_before_response=True,
    )
    yield process, http
    process.stop()
    http.server.shutdown()
    http.server.server_close()


def test_events_commands_and_retries(pair: tuple[Process, HttpApp]) -> None:
    """Bolt verifies each signature; a failure comes again with its number."""
    process, http = pair
    assert http.app is not None
    events: list[Json] = []

    def hear(body: Json) -> None:
        events.append(body)

    def command(ack: Ack, body: Json) -> None:
        ack(f"you said {body['text']}")

    http.app.event("message")(hear)
    http.app.event("app_mention")(hear)
    http.app.command("/phi3")(command)
    answer = process.person("ada").api_call(
        "_workspace.command",
        json={"channel": process.channel("general"), "command": "/phi3", "text": "hello"},
    )
    assert answer["response"]["text"] == "you said hello"
    http.fail_once = True
    sent = say(process, "over http")
    again = http.heard.wait(lambda item: item["headers"].get("X-Slack-Retry-Num") == "1")
    assert again["headers"]["X-Slack-Retry-Reason"] == "http_error"
    for _ in range(200):
        if events:
            break
        threading.Event().wait(0.02)
    assert [body["event"]["ts"] for body in events] == [sent["ts"]]
