"""Pure: what a new version of a document asks of the embedding server and of its rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Changes:
    """Chunks of a new version against the old, by hash; each copy of a repeated text counts."""

    kept: int
    added: int
    removed: int

    @property
    def any(self) -> bool:
        """Whether there is something to do beyond order."""
        return bool(self.added or self.removed)


def compare(old: Sequence[str], new: Sequence[str]) -> Changes:
    """Count what stays, comes and goes; ``kept + added == len(new)``."""
    before, after = Counter(old), Counter(new)
    kept = (before & after).total()
    return Changes(kept=kept, added=len(new) - kept, removed=len(old) - kept)


def to_embed(texts: Mapping[str, str], present: Collection[str]) -> list[tuple[str, str]]:
    """(hash, text) of what has no vector yet, each hash once, short texts first.

    Texts of like length share a batch, so that little of it is padding.
    """
    wanted = [(key, text) for key, text in texts.items() if key not in present]
    return sorted(wanted, key=lambda item: (len(item[1]), item[0]))


@dataclass(frozen=True, kw_only=True)
class FileSeen:
    """A file of a folder's scan."""

    uri: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class FolderChanges:
    """What a scan of a folder asks for, against what is known of it."""

    register: tuple[str, ...]  # URIs that are new or changed, in the scan's order
    unchanged: tuple[str, ...]
    forget: tuple[str, ...]  # URIs that are known and no longer there


def folder_changes(
    seen: Sequence[FileSeen], known: Mapping[str, str | None], forgotten: Collection[str] = ()
) -> FolderChanges:
    """Compare a scan with ``known`` (URI -> blob's sha256, none where its last try failed).

    ``forgotten`` are tombstones: taken away by a person, so a scan does not bring them back.
    """
    here = {file.uri for file in seen}
    wanted = [file for file in seen if file.uri not in forgotten]
    return FolderChanges(
        register=tuple(file.uri for file in wanted if known.get(file.uri) != file.sha256),
        unchanged=tuple(file.uri for file in wanted if known.get(file.uri) == file.sha256),
        forget=tuple(sorted(uri for uri in known if uri not in here)),
    )
