"""The project's own documents follow their content."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from bot.first_contact import JOB, own_documents, register
from models.store import documents, settings
from models.store.audience import WORKSPACE, Audience
from models.store.session import Sessions, transaction
from models.store.tables import BUILT_IN, Document

pytestmark = pytest.mark.integration


def test_a_changed_checkout_is_read_again_and_the_forgotten_stays_away(
    sessions: Sessions, tmp_path: Path
) -> None:
    readme, guide = tmp_path / "README.md", tmp_path / "guide.md"
    readme.write_text("# One")
    guide.write_text("# Two")
    paths = [readme, guide]
    _, (_, second) = register(sessions, paths)
    assert register(sessions, paths) == (None, [])
    with transaction(sessions) as session:
        documents.forget(session, second, actor="U1")
    readme.write_text("# One, corrected")
    guide.write_text("# Two, corrected")
    _, again = register(sessions, paths)
    assert len(again) == 1
    assert again != [second]
    with sessions() as session:
        known = session.scalars(select(Document)).all()
    assert [document.origin for document in known] == [BUILT_IN, BUILT_IN]


def test_what_is_only_written_down_is_told_and_may_be_begun(
    sessions: Sessions, tmp_path: Path
) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("# One")
    _, queued = register(sessions, [readme])
    with transaction(sessions) as session:
        assert documents.being_read(session, WORKSPACE) == 1
        assert documents.being_read(session, Audience(frozenset({"channel:C1"}))) == 0
        assert documents.claim(session, queued[0], worker="w", lease_s=60)
        assert documents.postpone(session, queued[0], "w", "The model is away.", None, delay_s=3)
        assert documents.being_read(session, WORKSPACE) == 1
    with transaction(sessions) as session:
        session.get_one(Document, queued[0]).claimed_until = None
    with transaction(sessions) as session:
        assert documents.claim(session, queued[0], worker="w", lease_s=60)
        assert documents.postpone(session, queued[0], "w", "The model is away.", None, delay_s=60)
        assert documents.being_read(session, WORKSPACE) == 0  # nobody knows for how long
        assert documents.claim(session, queued[0], worker="w", lease_s=60) is None
    with transaction(sessions) as session:
        job_id = settings.get(session, settings.WORKSPACE, JOB)
        assert documents.hurry(session, job_id) == queued
        assert documents.claim(session, queued[0], worker="w", lease_s=60)


def test_the_guide_is_read_first() -> None:
    assert {path.name for path in own_documents()[:2]} == {"guide.md", "README.md"}
