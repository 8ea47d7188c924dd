"""File contents over HTTP: uploads streamed to disk, private downloads."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import anyio
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse, Response

from bot.workspace.core import Workspace
from bot.workspace.files import LIMIT_BYTES
from bot.workspace.seed import BOT_USER
from bot.workspace.web_api.dispatch import bearer
from bot.workspace.web_api.files import may_see

_INLINE_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_AS_TEXT = frozenset({"text/plain", "text/markdown", "text/csv", "text/html", "application/json"})


class _TooLarge(Exception):
    pass


class Contents:
    """Serves contents to whoever may see the file."""

    def __init__(self, w: Workspace) -> None:
        self._w = w

    async def upload(self, request: Request) -> Response:
        """POST the bytes, raw or as one part of a form, to an upload URL."""
        file = self._w.files.by_upload(request.path_params["secret"])
        if file is None:
            return PlainTextResponse("unknown or used upload URL", status_code=404)
        blob = self._w.files.new_blob()
        try:
            if request.headers.get("content-type", "").startswith("multipart/form-data"):
                size = await self._from_form(request, blob)
            else:
                size = await _write(request.stream(), blob)
        except _TooLarge:
            blob.unlink(missing_ok=True)
            return PlainTextResponse("file is too large", status_code=413)
        except BaseException:
            blob.unlink(missing_ok=True)
            raise
        with self._w.transaction():
            self._w.files.received(file, blob, size)
        return PlainTextResponse(f"OK - {size}")

    async def _from_form(self, request: Request, blob: Path) -> int:
        if int(request.headers.get("content-length") or LIMIT_BYTES + 1) > LIMIT_BYTES + 65_536:
            raise _TooLarge
        async with request.form(max_files=1) as form:
            part = next((value for value in form.values() if isinstance(value, UploadFile)), None)

            async def pieces() -> AsyncIterator[bytes]:
                while part is not None and (piece := await part.read(1 << 20)):
                    yield piece

            return await _write(pieces(), blob)

    def _reader(self, request: Request) -> str | None:
        token = bearer(request)
        if token:
            if hmac.compare_digest(token.encode(), self._w.bot_token.encode()):
                return BOT_USER if "files:read" in self._w.scopes else None
            return self._w.people.by_token(token)
        return self._w.interim.session(request.cookies.get(self._w.cookie, ""))

    async def private(self, request: Request) -> Response:
        """url_private[_download]; who may not read is sent to the sign-in page, as in Slack."""
        file = str(request.path_params["team_file"]).partition("-")[2]
        reader = self._reader(request)
        blob = self._w.files.blob(file)
        if reader is None or blob is None or not may_see(self._w, reader, file):
            return RedirectResponse(f"/?redir={quote(request.url.path)}", status_code=302)
        return self._content(file, blob, download="/download/" in request.url.path)

    async def permalink(self, request: Request) -> Response:
        """A file's permalink, opened in the browser of a person who may see it."""
        file = str(request.path_params["file"])
        reader = self._w.interim.session(request.cookies.get(self._w.cookie, ""))
        blob = self._w.files.blob(file)
        if reader is None or not may_see(self._w, reader, file):
            return RedirectResponse(f"/?redir={quote(request.url.path)}", status_code=302)
        if blob is None:
            return PlainTextResponse("This file was deleted.", status_code=404)
        return self._content(file, blob, download=False)

    def _content(self, file: str, blob: Path, *, download: bool) -> Response:
        body = self._w.file(file) or {}
        mime = str(body.get("mimetype", "application/octet-stream"))
        headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-cache"}
        headers["Content-Security-Policy"] = (
            "default-src 'none'; style-src 'unsafe-inline'; sandbox"
        )
        inline = not download and mime in _INLINE_IMAGES | _AS_TEXT | {"application/pdf"}
        if inline and mime in _AS_TEXT:
            mime = "text/plain; charset=utf-8"  # shown, never run
        if inline and mime == "application/pdf":
            headers["Content-Security-Policy"] = (
                "default-src 'none'"  # the viewer does not open in a sandbox
            )
        return FileResponse(
            blob,
            media_type=mime,
            filename=str(body.get("name", "file")),
            content_disposition_type="inline" if inline else "attachment",
            headers=headers,
        )


async def _write(pieces: AsyncIterator[bytes], blob: Path) -> int:
    size = 0
    async with await anyio.open_file(blob, "wb") as out:
        async for piece in pieces:
            size += len(piece)
            if size > LIMIT_BYTES:
                raise _TooLarge
            await out.write(piece)
    return size
