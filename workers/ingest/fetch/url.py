"""A page or file from a public URL, with limits on everything a stranger's server may do."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import unquote, urljoin

import httpcore
import httpx

from models.web_address import NONSENSE, BadAddress, checked
from workers.ingest.fetch.pinned import PinnedBackend, PinnedTransport, PrivateAddress

LIMIT_BYTES = 50 * 1024 * 1024
TOTAL_S = 60.0
REDIRECTS = 5
MAX_VALIDATOR = 1_000  # characters of an ETag or date that are sent back

PRIVATE = (
    "That address is in a private network, so it is not fetched. "
    "An admin can allow its host with PHI3_FETCH_ALLOW."
)
NO_ANSWER = "The site could not be reached."
TOO_SLOW = "The site took too long to answer."
TOO_LARGE = f"The page is larger than {LIMIT_BYTES // 2**20} MB, which is the most I take."
TOO_MANY = "The address redirects too often."
CUT_OFF = "The site stopped in the middle of the page."
ENCODED = "The site sent the page in a compression that I do not understand."


class FetchFailed(Exception):
    """Nothing came of a fetch; the message is a calm sentence."""

    def __init__(self, sentence: str, *, transient: bool = False, gone: bool = False) -> None:
        super().__init__(sentence)
        self.transient = transient  # worth another try later
        self.gone = gone  # the server says that there is no such page


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """What a server sent."""

    data: bytes
    url: str  # after redirects
    filename: str
    mime: str | None
    etag: str | None
    last_modified: str | None


def fetch(
    url: str,
    *,
    allowed: frozenset[str] = frozenset(),
    etag: str | None = None,
    last_modified: str | None = None,
    total_s: float = TOTAL_S,
    limit: int = LIMIT_BYTES,
) -> Fetched | None:
    """Get ``url``; none where the server says it is unchanged since ``etag``/``last_modified``.

    Every redirect is judged like the first address. Raises ``FetchFailed``.
    """
    backend = PinnedBackend(allowed=allowed, deadline=time.monotonic() + total_s)
    headers = {"User-Agent": "phi3-expert", "Accept": "*/*", "Accept-Encoding": "gzip"}
    for name, value in (("If-None-Match", etag), ("If-Modified-Since", last_modified)):
        if value and value.isascii() and len(value) <= MAX_VALIDATOR:  # else read it anew
            headers[name] = value
    with httpx.Client(
        transport=PinnedTransport(backend), trust_env=False, timeout=20, headers=headers
    ) as client:
        try:
            return _follow(client, url, limit)
        except BadAddress as error:
            raise FetchFailed(str(error)) from error
        except PrivateAddress as error:
            raise FetchFailed(PRIVATE) from error
        except (httpcore.TimeoutException, httpx.TimeoutException) as error:
            raise FetchFailed(TOO_SLOW, transient=True) from error
        except (
            httpcore.NetworkError,
            httpcore.ProtocolError,
            httpx.TransportError,
            OSError,
        ) as error:
            raise FetchFailed(NO_ANSWER, transient=True) from error


def _follow(client: httpx.Client, url: str, limit: int) -> Fetched | None:
    for _ in range(REDIRECTS + 1):
        here = checked(url)
        with client.stream("GET", here) as answer:
            if answer.status_code == 304:
                return None
            target = answer.headers.get("location")
            if answer.is_redirect and target:
                try:
                    url = urljoin(str(here), target)
                except ValueError as error:
                    raise BadAddress(NONSENSE) from error
                continue
            _judge(answer)
            data = b"".join(_body(answer, limit))
            return Fetched(
                data=data,
                url=str(here),
                filename=unquote(PurePosixPath(here.path).name).replace("\x00", "") or here.host,
                mime=answer.headers.get("content-type"),
                etag=answer.headers.get("etag"),
                last_modified=answer.headers.get("last-modified"),
            )
    raise FetchFailed(TOO_MANY)


def _judge(answer: httpx.Response) -> None:
    status = answer.status_code
    if status in (404, 410):
        raise FetchFailed(f"The site says that there is no such page ({status}).", gone=True)
    if status in (401, 403):
        raise FetchFailed(f"The site does not show this page without a login ({status}).")
    if status == 429 or status >= 500:
        raise FetchFailed(f"The site has a problem of its own ({status}).", transient=True)
    if status != 200:
        raise FetchFailed(f"The site gave no page ({status}).")


def _body(answer: httpx.Response, limit: int) -> Iterator[bytes]:
    """The body, unpacked, never more than ``limit`` bytes of it."""
    encoding = answer.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "", "gzip", "x-gzip", "deflate"):
        raise FetchFailed(ENCODED)
    unpacker = None if encoding in ("identity", "") else zlib.decompressobj(wbits=47)
    left = limit
    for raw in answer.iter_raw():
        try:
            data = unpacker.decompress(raw, left + 1) if unpacker else raw
        except zlib.error as error:
            raise FetchFailed(ENCODED) from error
        left -= len(data)
        if left < 0:
            raise FetchFailed(TOO_LARGE)
        yield data
        if unpacker and unpacker.eof:
            return  # it would keep whatever follows, and count none of it
    if unpacker and not unpacker.eof and left < limit:
        raise FetchFailed(CUT_OFF, transient=True)
