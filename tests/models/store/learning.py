"""Pairs, snapshots and adapters for the tests."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import func
from sqlalchemy.orm import Session

from models.store import adapters, pairs, refreshes
from models.store.tables import Pair


def passage(
    key: str, *, audience: str = "workspace", text: str = "", document: int = 1
) -> dict[str, Any]:
    """A passage as an answer keeps it."""
    return {
        "chunk_id": int.from_bytes(key.encode()[:4], "big"),
        "pair_id": None,
        "hash": key * 8,
        "document_id": document,
        "uri": f"file:///{key}",
        "link": None,
        "title": f"Book {key}",
        "heading_path": [],
        "page": None,
        "row": None,
        "sheet": None,
        "text": text or f"Text {key}.",
        "audience": audience,
        "updated_at": "2026-01-01T00:00:00+00:00",
        "score": 1.0,
        "similarity": 0.9,
        "coverage": 0.9,
    }


def pair(session: Session, question: str, answer: str = "Yes [1].", **changes: Any) -> Pair:
    """An approved pair, visible to all."""
    state = changes.pop("state", "approved")
    row = pairs.propose(
        session,
        pairs.NewPair(
            **{
                "question": question,
                "answer": answer,
                "origin": "import",
                "consent": True,
                **changes,
            }
        ),
    )
    if state != "proposed":
        pairs.decide(session, row.id, state=state, actor="U0ADMIN")
    return row


def night(session: Session, held: dict[int, str], *, base: str = "tiny", live: bool = True) -> str:
    """A finished night whose snapshot holds these pairs; its adapter's name."""
    refresh_id = refreshes.open_night(session, night=dt.date(2026, 1, 1), trigger="manual")
    assert refresh_id is not None
    snapshot = refreshes.keep_snapshot(
        session, refresh_id, path=f"/snapshots/{refresh_id}", digest="d", card={}, sides=held
    )
    adapter = adapters.start(session, refresh_id=refresh_id, snapshot_id=snapshot.id, base=base)
    adapters.trained(session, adapter.name, path=f"/adapters/{adapter.name}", manifest={})
    if live:
        adapters.promote(session, adapter.name, actor="night")
        adapter.live_since = func.clock_timestamp()
    row = refreshes.running(session)
    assert row is not None
    refreshes.end(session, row, verdict="promoted" if live else "rejected", reasons=[])
    return adapter.name
