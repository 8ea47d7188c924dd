"""What open pages hear: one queue per page, fed after each commit."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from bot.workspace.database import Json

QUEUE_LIMIT = 1000


class Hub:
    """Pages by person. A page that does not read is dropped and loads anew."""

    def __init__(self) -> None:
        self._pages: dict[str, set[asyncio.Queue[Json | None]]] = defaultdict(set)

    def open(self, user: str) -> asyncio.Queue[Json | None]:
        """A new page's queue; None in it means: closed."""
        queue: asyncio.Queue[Json | None] = asyncio.Queue(QUEUE_LIMIT)
        self._pages[user].add(queue)
        return queue

    def close(self, user: str, queue: asyncio.Queue[Json | None]) -> None:
        """The page went away."""
        self._pages[user].discard(queue)

    def watching(self, user: str) -> bool:
        """Whether the person has a page open."""
        return bool(self._pages[user])

    def tell(self, user: str, news: Json) -> None:
        """Send news to all pages of a person."""
        for queue in list(self._pages[user]):
            try:
                queue.put_nowait(news)
            except asyncio.QueueFull:
                self._pages[user].discard(queue)
                queue.get_nowait()
                queue.put_nowait(None)

    def close_all(self) -> None:
        """Let every page go, for a clean stop."""
        for queues in self._pages.values():
            for queue in queues:
                if not queue.full():
                    queue.put_nowait(None)
