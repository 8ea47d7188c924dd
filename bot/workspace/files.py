"""Files: rows in the database, contents on disk under random names."""

from __future__ import annotations

import mimetypes
import secrets
import time
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from bot.workspace.database import Database, Json, dump
from bot.workspace.people import new_id
from bot.workspace.seed import TEAM

LIMIT_BYTES = 250 * 1024 * 1024

_TYPES = {
    ".md": ("text/markdown", "markdown", "Markdown"),
    ".txt": ("text/plain", "text", "Plain Text"),
    ".csv": ("text/csv", "csv", "CSV"),
    ".html": ("text/html", "html", "HTML"),
    ".pdf": ("application/pdf", "pdf", "PDF"),
    ".docx": (
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "docx",
        "Word Document",
    ),
    ".xlsx": (
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "xlsx",
        "Excel Spreadsheet",
    ),
    ".pptx": (
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "pptx",
        "PowerPoint Presentation",
    ),
}


def safe_name(name: str) -> str:
    """A file name without folders and control characters; ``file`` where nothing is left."""
    last = PurePosixPath(name.replace("\\", "/")).name
    kept = "".join(character for character in last if character.isprintable()).strip()
    return kept[:200] if kept.strip(".") else "file"


def described(name: str) -> tuple[str, str, str]:
    """MIME type, Slack's filetype and its pretty name."""
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in _TYPES:
        return _TYPES[suffix]
    mime = mimetypes.guess_type(name)[0] or "application/octet-stream"
    kind = suffix.removeprefix(".") or "binary"
    return mime, kind, kind.upper() if suffix else "Binary"


class Files:
    """Uploads, shares and the objects that describe them."""

    def __init__(self, db: Database, folder: Path, url: str) -> None:
        self._db = db
        self._folder = folder
        self._url = url  # of this server, without a slash at the end
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def reserve(self, owner: str, name: str, length: int) -> tuple[str, str]:
        """A new file's id and the secret of its upload URL."""
        file, secret = new_id("F"), secrets.token_urlsafe(32)
        name = safe_name(name)
        mime, kind, pretty = described(name)
        now = int(time.time())
        body = {
            "id": file,
            "created": now,
            "timestamp": now,
            "name": name,
            "title": name,
            "mimetype": mime,
            "filetype": kind,
            "pretty_type": pretty,
            "user": owner,
            "user_team": TEAM,
            "editable": False,
            "size": length,
            "mode": "hosted",
            "is_external": False,
            "external_type": "",
            "is_public": False,
            "public_url_shared": False,
            "display_as_bot": False,
            "username": "",
            "media_display_type": "unknown",
            "has_rich_preview": False,
            "file_access": "visible",
        }
        self._db.run(
            "INSERT INTO files VALUES (?, ?, 'reserved', ?, '', ?)", file, owner, secret, dump(body)
        )
        return file, secret

    def by_upload(self, secret: str) -> str | None:
        """The reserved file of an upload URL."""
        found = self._db.row("SELECT id FROM files WHERE secret = ? AND state = 'reserved'", secret)
        return None if found is None else str(found[0])

    def new_blob(self) -> Path:
        """Where a new content may be written."""
        return self._folder / secrets.token_hex(16)

    def received(self, file: str, blob: Path, size: int) -> None:
        """The content is on disk."""
        self._db.run(
            "UPDATE files SET state = 'uploaded', blob = ?,"
            " body = json_set(body, '$.size', ?) WHERE id = ?",
            blob.name, size, file,
        )  # fmt: skip

    def state(self, file: str) -> str:
        """``reserved``, ``uploaded``, ``shared`` (completed), ``deleted`` or, unknown, empty."""
        found = self._db.row("SELECT state FROM files WHERE id = ?", file)
        return "" if found is None else str(found[0])

    def owner(self, file: str) -> str:
        """Who uploaded it."""
        found = self._db.row("SELECT owner FROM files WHERE id = ?", file)
        return "" if found is None else str(found[0])

    def complete(self, file: str, title: str | None) -> None:
        """The upload is finished and the file exists for others."""
        self._db.run("UPDATE files SET state = 'shared' WHERE id = ?", file)
        if title:
            self._db.run(
                "UPDATE files SET body = json_set(body, '$.title', ?) WHERE id = ?", title, file
            )

    def replace(self, file: str, upload: str) -> None:
        """Give a file another upload's content, name aside."""
        found = self._db.row(
            "SELECT blob, json_extract(body, '$.size') FROM files WHERE id = ?", upload
        )
        old = self.blob(file)
        if found is None:
            raise KeyError(upload)
        self._db.run(
            "UPDATE files SET blob = ?,"
            " body = json_set(body, '$.size', ?, '$.timestamp', ?) WHERE id = ?",
            found[0], found[1], int(time.time()), file,
        )  # fmt: skip
        self._db.run("DELETE FROM files WHERE id = ?", upload)
        if old is not None:
            old.unlink(missing_ok=True)

    def delete(self, file: str) -> None:
        """Take the content away; the row remembers that it was."""
        blob = self.blob(file)
        self._db.run("UPDATE files SET state = 'deleted', blob = '' WHERE id = ?", file)
        self._db.run("DELETE FROM shares WHERE file = ?", file)
        if blob is not None:
            blob.unlink(missing_ok=True)

    def blob(self, file: str) -> Path | None:
        """Where the content lies."""
        found = self._db.row("SELECT blob FROM files WHERE id = ?", file)
        return self._folder / str(found[0]) if found and found[0] else None

    def share(self, file: str, channel: str, ts: str) -> None:
        """The file hangs on a message."""
        self._db.run("INSERT OR IGNORE INTO shares VALUES (?, ?, ?)", file, channel, ts)

    def unshare(self, file: str, channel: str, ts: str) -> None:
        """The message is gone."""
        self._db.run(
            "DELETE FROM shares WHERE file = ? AND channel = ? AND ts = ?", file, channel, ts
        )

    def shares(self, file: str) -> list[tuple[str, str]]:
        """Channel and ts of each message that it hangs on."""
        found = self._db.rows("SELECT channel, ts FROM shares WHERE file = ? ORDER BY ts", file)
        return [(str(channel), str(ts)) for channel, ts in found]

    def all(self) -> list[str]:
        """Every file that exists, newest first."""
        found = self._db.rows("SELECT id FROM files WHERE state = 'shared' ORDER BY rowid DESC")
        return [str(row[0]) for row in found]

    def object(self, file: str, kinds: dict[str, str]) -> Json | None:
        """The file as Slack describes it; ``kinds``: the kind of each channel it is shared in."""
        body = self._db.body("SELECT body FROM files WHERE id = ? AND state != 'deleted'", file)
        if body is None:
            return None
        name = quote(body["name"])
        private = f"{self._url}/files-pri/{TEAM}-{file}"
        shares: dict[str, dict[str, list[Json]]] = {}
        for channel, ts in self.shares(file):
            side = "public" if kinds.get(channel) == "channel" else "private"
            shares.setdefault(side, {}).setdefault(channel, []).append(
                {"ts": ts, "source": "UNKNOWN"}
            )
        places = list(dict.fromkeys(channel for channel, _ in self.shares(file)))
        return body | {
            "is_public": any(kinds.get(channel) == "channel" for channel in places),
            "url_private": f"{private}/{name}",
            "url_private_download": f"{private}/download/{name}",
            "permalink": f"{self._url}/files/{body['user']}/{file}/{name}",
            "channels": [channel for channel in places if kinds.get(channel) == "channel"],
            "groups": [channel for channel in places if kinds.get(channel) in ("group", "mpim")],
            "ims": [channel for channel in places if kinds.get(channel) == "im"],
            "shares": shares,
        }
