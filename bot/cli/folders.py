"""What a folder holds for us: which files are documents, which are passed over and why."""

from __future__ import annotations

import os
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
    for path in _walk(folder, found, set(), root=folder.resolve()):
        suffix = path.suffix.lower()
        if suffix in DOCUMENTS:
            found.documents.append(path)
        else:
            found.unsupported[suffix] = found.unsupported.get(suffix, 0) + 1
    return found


def _walk(
    folder: Path, found: Scan, entered: set[tuple[int, int]], *, root: Path
) -> Iterator[Path]:
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
        if entry.name.startswith((".", "~$")) or entry.name in _SKIPPED_FOLDERS:
            continue
        if entry.is_symlink() and not Path(entry.path).resolve().is_relative_to(root):
            found.links_out.append(Path(entry.path))
        elif entry.is_dir():
            yield from _walk(Path(entry.path), found, entered, root=root)
        elif entry.is_file():
            yield Path(entry.path)


def read(path: Path) -> bytes:
    """A document's bytes. Raises ``ValueError`` with a sentence: too large, empty, not readable."""
    try:
        size = path.stat().st_size
        if size > LIMIT_BYTES:
            raise ValueError(
                f"It is {size / 2**20:.0f} MB; {LIMIT_BYTES // 2**20} MB is the most I take."
            )
        data = path.read_bytes()
    except OSError as error:
        raise ValueError(why(error)) from error
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
