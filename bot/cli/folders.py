"""What a folder holds for us: which files are documents, which are passed over and why."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

LINK_OUT = "It is a link that leads out of the folder. Name the file itself to add it."
LIMIT_BYTES = 50 * 1024 * 1024

# Only names decide here, so that a folder's pictures and programs are not read at all; what a file
# with one of these names really holds is found out by the worker.
DOCUMENTS = frozenset(
    {".md", ".markdown", ".mdx", ".txt", ".text", ".rst", ".html", ".htm", ".xhtml", ".xml", ".log"}
    | {".pdf", ".docx", ".pptx", ".xlsx", ".xlsm", ".xlsb", ".xls", ".ods", ".csv", ".tsv"}
    | {".json", ".jsonl", ".yaml", ".yml", ".toml", ".adoc", ".org", ".tex", ".eml", ".ipynb"}
)
_SKIPPED_FOLDERS = frozenset({"node_modules", "__pycache__", "venv"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass
class Scan:
    """A folder's files."""

    documents: list[Path] = field(default_factory=list)
    unsupported: dict[str, int] = field(default_factory=dict)  # suffix -> files
    unreadable: list[tuple[Path, str]] = field(default_factory=list)  # file or folder, sentence
    links_out: list[Path] = field(default_factory=list)

    def passed_over(self) -> str:
        """The unsupported kinds as one phrase; empty where there are none."""
        ranked = sorted(self.unsupported.items(), key=lambda item: (-item[1], item[0]))
        named = [f"{count} {suffix or 'without a suffix'}" for suffix, count in ranked[:8]]
        if len(ranked) > 8:
            named.append(f"{sum(count for _, count in ranked[8:])} of other kinds")
        return ", ".join(named)


def scan(folder: Path) -> Scan:
    """All files below ``folder`` but hidden ones; each folder is entered once, links or not.

    A link that leads out of ``folder`` is not followed: whoever may write into a shared folder
    could otherwise have any file of this machine read to everyone.
    """
    found = Scan()
    for path in _walk(folder, found):
        suffix = path.suffix.lower()
        if suffix in DOCUMENTS:
            found.documents.append(path)
        else:
            found.unsupported[suffix] = found.unsupported.get(suffix, 0) + 1
    return found


def _walk(folder: Path, found: Scan) -> Iterator[Path]:
    root = Path(os.path.realpath(folder))
    entered: set[tuple[int, int]] = set()
    open_folders = [_entries(folder, found, entered)]  # a tree may be deeper than Python's stack
    while open_folders:
        entry = next(open_folders[-1], None)
        if entry is None:
            open_folders.pop()
            continue
        path = Path(entry.path)
        try:
            # Path.resolve would raise where links go round in circles.
            out = entry.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(root)
            is_folder, is_file = entry.is_dir(), entry.is_file()
        except OSError as error:
            if error.errno != errno.ELOOP:  # that is a link to nothing, passed over as any other
                found.unreadable.append((path, why(error)))
            continue
        if out:
            found.links_out.append(path)
        elif is_folder:
            open_folders.append(_entries(path, found, entered))
        elif is_file:
            yield path


def _entries(
    folder: Path, found: Scan, entered: set[tuple[int, int]]
) -> Iterator[os.DirEntry[str]]:
    """What stands in a folder by name, less what is never read; nothing a second time."""
    try:
        status = folder.stat()
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        found.unreadable.append((folder, why(error)))
        return
    if (status.st_dev, status.st_ino) in entered:
        return
    entered.add((status.st_dev, status.st_ino))
    for entry in entries:
        if not entry.name.startswith((".", "~$")) and entry.name not in _SKIPPED_FOLDERS:
            yield entry


def shown(name: str) -> str:
    """A path or a part of one as text to store and to print.

    A name on disk is bytes: it may be no UTF-8, and may hold what moves a terminal's cursor.
    """
    return _CONTROL.sub(" ", os.fsencode(name).decode("utf-8", "replace"))


def read(path: Path) -> bytes:
    """A document's bytes. Raises ``ValueError`` with a sentence: too large, empty, not readable."""
    try:
        size = path.stat().st_size
        if size > LIMIT_BYTES:
            raise ValueError(
                f"It is {size / 2**20:.0f} MB; {LIMIT_BYTES // 2**20} MB is the most I take."
            )
        with path.open("rb") as file:
            data = file.read(LIMIT_BYTES + 1)
    except OSError as error:
        raise ValueError(why(error)) from error
    if len(data) > LIMIT_BYTES:  # it grows while it is read, as a log does
        raise ValueError(f"It is larger than {LIMIT_BYTES // 2**20} MB, which is the most I take.")
    if not data:
        raise ValueError("This file is empty.")
    return data


def why(error: OSError) -> str:
    """An error of the file system as a sentence."""
    if isinstance(error, PermissionError):
        return "There is no permission to read it."
    if isinstance(error, FileNotFoundError):
        return "It is not there."
    return f"It cannot be read: {error.strerror or 'unknown reason'}."
