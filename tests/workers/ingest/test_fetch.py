"""Fetching on a stranger's word: private addresses, redirects to them, endless and slow answers."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from models import web_address
from workers.ingest.fetch import url
from workers.ingest.fetch.addresses import is_public

ALLOWED = frozenset({"127.0.0.1"})


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "100.64.0.1", "::1"),
        *("fe80::1%eth0", "fd00::1", "::ffff:10.0.0.1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::"),
        *("192.0.0.192", "168.63.129.16", "::ffff:192.0.0.192"),  # metadata services of clouds
        *("::7f00:1", "224.0.0.1", "240.0.0.1", "fec0::1", "nonsense"),
    ],
)
def test_private_addresses(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700::1111", "64:ff9b::5db8:d822"])
def test_public_addresses(address: str) -> None:
    assert is_public(address)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        match self.path:
            case "/page":
                if self.headers.get("If-None-Match") == '"1"':
                    self._send(304, b"")
                else:
                    self._send(200, b"<p>hello</p>", ETag='"1"')
            case "/inside":
                self._send(302, b"", Location="http://localhost:1/secret")
            case "/loop":
                self._send(302, b"", Location="/loop")
            case "/file":
                self._send(302, b"", Location="file:///etc/passwd")
            case "/bomb":
                packed = gzip.compress(bytes(5_000_000))
                self._send(200, packed, **{"Content-Encoding": "gzip"})
            case "/cut":
                packed = gzip.compress(b"The first half, and the second.")
                self._send(200, packed[:-12], **{"Content-Encoding": "gzip"})
            case "/more":
                self.send_response(200)
                self.send_header("Content-Encoding", "gzip")
                self.end_headers()
                self.wfile.write(gzip.compress(b"All there is."))
                try:
                    while True:
                        self.wfile.write(bytes(1 << 16))
                except OSError:
                    return
            case "/nowhere":
                self._send(302, b"", Location="http://[nowhere")
            case "/a%00b.html":
                self._send(200, b"<p>hello</p>")
            case "/drip":
                self.send_response(200)
                self.end_headers()
                try:
                    while True:
                        self.wfile.write(b"x")
                        time.sleep(0.05)
                except OSError:
                    return
            case _:
                self._send(404, b"")

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_page_and_its_unchanged_state(site: str) -> None:
    found = url.fetch(f"{site}/page", allowed=ALLOWED)
    assert found is not None
    assert (found.data, found.etag, found.filename) == (b"<p>hello</p>", '"1"', "page")
    assert url.fetch(f"{site}/page", allowed=ALLOWED, etag='"1"') is None


def test_a_hostile_name_can_be_stored(site: str) -> None:
    found = url.fetch(f"{site}/a%00b.html", allowed=ALLOWED)
    assert found is not None
    assert found.filename == "ab.html"


@pytest.mark.parametrize("tag", ['"gr\xfc\xdfe"', "x" * 70_000])
def test_a_tag_that_no_request_can_carry_is_done_without(site: str, tag: str) -> None:
    assert url.fetch(f"{site}/page", allowed=ALLOWED, etag=tag) is not None


def test_what_follows_a_packed_page_is_not_waited_for(site: str) -> None:
    found = url.fetch(f"{site}/more", allowed=ALLOWED, total_s=5)
    assert found is not None
    assert found.data == b"All there is."


def failure(address: str, **given: object) -> str:
    with pytest.raises(url.FetchFailed) as caught:
        url.fetch(address, **given)  # type: ignore[arg-type]
    return str(caught.value)


def test_what_is_refused(site: str) -> None:
    assert failure(f"{site}/page") == url.PRIVATE
    assert failure(f"{site}/inside", allowed=ALLOWED) == url.PRIVATE
    assert failure(f"{site}/file", allowed=ALLOWED) == web_address.NOT_WEB
    assert failure(f"{site}/loop", allowed=ALLOWED) == url.TOO_MANY
    assert failure(f"{site}/bomb", allowed=ALLOWED, limit=100_000) == url.TOO_LARGE
    assert failure(f"{site}/drip", allowed=ALLOWED, total_s=0.4) == url.TOO_SLOW
    assert failure(f"{site}/cut", allowed=ALLOWED) == url.CUT_OFF
    assert failure("http://xn--/") == web_address.NONSENSE
    assert failure("http://[::1") == web_address.NONSENSE
    assert failure(f"{site}/nowhere", allowed=ALLOWED) == web_address.NONSENSE
    assert failure(f"http://example.com/{'x' * 2_000}") == web_address.TOO_LONG
    assert "no such page" in failure(f"{site}/none", allowed=ALLOWED)
    assert failure("http://user:pw@example.com/") == web_address.NO_PASSWORDS
    assert failure("gopher://example.com/") == web_address.NOT_WEB
