"""Bytes and vectors: kept once, swept when nothing needs them."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from models.store import blobs, documents, embeddings
from models.store.session import Sessions, transaction
from tests.models.store import corpus
from tests.models.store.corpus import digest

pytestmark = pytest.mark.integration


def test_a_blob_is_kept_once_and_swept_when_no_document_names_it(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        used, orphan = blobs.put(session, b"used"), blobs.put(session, b"orphan")
        assert blobs.put(session, b"used") == used
        documents.register(
            session, uri="u", audience="workspace", title="t", origin="cli", blob_sha256=used
        )
        assert blobs.sweep_orphans(session) == 0  # both are younger than an hour
        assert blobs.sweep_orphans(session, older_than_s=-1) == 1
        assert blobs.get(session, used) == b"used"
        with pytest.raises(blobs.BlobMissing):
            blobs.get(session, orphan)


def test_a_blob_over_the_limit_is_refused(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blobs, "LIMIT_BYTES", 3)
    with transaction(sessions) as session, pytest.raises(blobs.BlobTooLarge):
        blobs.put(session, b"four")


def test_the_first_model_is_active_and_a_switch_is_one_row(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        one = embeddings.ensure_model(session, "one", 3)
        two = embeddings.ensure_model(session, "two", 2)
        assert embeddings.ensure_model(session, "one", 3) == one != two
        active = embeddings.active_model(session)
        assert active is not None
        assert active.name == "one"
        embeddings.activate(session, "two")
        active = embeddings.active_model(session)
        assert active is not None
        assert active.id == two
        with pytest.raises(LookupError):
            embeddings.activate(session, "three")
        with pytest.raises(embeddings.DimensionsChanged):
            embeddings.ensure_model(session, "one", 4)


def test_only_missing_vectors_are_wanted_and_unused_ones_swept(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        document_id = corpus.add(session, "file:///a", {"One.": [1, 0], "Two.": [0, 1]})
        new = embeddings.ensure_model(session, "new", 2)
        assert embeddings.missing(session, new, [digest("One."), "nothing"]) == {
            digest("One."),
            "nothing",
        }
        embeddings.put(session, new, {digest("One."): [1, 0]})
        embeddings.put(session, new, {digest("One."): [0, 1]})  # the first stays
        assert embeddings.missing(session, new, [digest("One.")]) == set()
        assert embeddings.wanting(session, new) == {digest("Two."): "Two."}
        assert embeddings.count_wanting(session, new) == 1
        assert embeddings.sweep_unused(session) == 0
        documents.forget(session, document_id, actor="U1")
        waits = documents.register(
            session, uri="file:///b", audience="workspace", title="B", origin="cli"
        )
        assert embeddings.sweep_unused(session) == 0  # they may be those of a document that waits
        documents.forget(session, waits.document_id, actor="U1")
        assert embeddings.sweep_unused(session) == 3
        assert session.execute(text("SELECT count(*) FROM embeddings")).scalar() == 0
