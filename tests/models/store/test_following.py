"""Pairs follow the documents that they rest on."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select, text

from models.store import adapters, documents, pairs, resting
from models.store.audience import WORKSPACE
from models.store.search import hybrid
from models.store.session import Sessions, transaction
from models.store.tables import Outbox, Pair
from tests.models.store import corpus
from tests.models.store.corpus import digest
from tests.models.store.handling import (
    add_pair,
)
from tests.models.store.learning import night, pair, passage

pytestmark = pytest.mark.integration


def test_admins_are_not_told_the_title_of_a_source_that_they_may_not_see(
    sessions: Sessions,
) -> None:
    with transaction(sessions) as session:
        mine = corpus.add(
            session, "slack:1", {"Secret.": [1, 0]}, audience="user:U2", title="Salary"
        )
        ours = corpus.add(session, "file:///2", {"Known.": [0, 1]}, title="Menu")
    add_pair(sessions, digest("Secret."))
    add_pair(sessions, digest("Known."))
    with transaction(sessions) as session:
        documents.forget(session, mine, actor="U2")
        documents.forget(session, ours, actor="U2")
    with sessions() as session:
        rows = session.scalars(select(Outbox).order_by(Outbox.id))
        told = [row.payload["title"] for row in rows]
    assert told == ["A source that not everyone may see", "Menu"]


def test_pairs_go_stale_with_the_last_copy_of_what_they_rest_on(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        one = corpus.add(session, "file:///1", {"Shared.": [1, 0], "Alone.": [0, 1]})
        two = corpus.add(session, "file:///2", {"Shared.": [1, 0]})
    on_both = add_pair(sessions, digest("Shared."))
    on_one = add_pair(sessions, digest("Alone."), digest("Shared."))
    with transaction(sessions) as session:
        documents.forget(session, one, actor="U1")
    with sessions() as session:
        assert session.get_one(Pair, on_both).state == "approved"
        assert session.get_one(Pair, on_one).state == "stale"
        told = session.execute(select(Outbox)).scalar_one()
        assert told.payload["kind"] == "pairs_stale"
        assert told.payload["pairs"] == [on_one]
    with transaction(sessions) as session:
        documents.forget(session, two, actor="U1")
    with sessions() as session:
        assert session.get_one(Pair, on_both).state == "stale"


def test_two_who_remove_the_last_copies_at_once_leave_no_pair_approved(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        both = [corpus.add(session, f"file:///{n}", {"Shared.": [1, 0]}) for n in (1, 2)]
    pair_id = add_pair(sessions, digest("Shared."))
    start = threading.Barrier(2)

    def remove(document_id: int) -> None:
        start.wait()
        with transaction(sessions) as session:
            documents.forget(session, document_id, actor="U1")
            session.execute(text("SELECT pg_sleep(0.3)"))  # the other one removes meanwhile

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(remove, both))
    with sessions() as session:
        assert session.get_one(Pair, pair_id).state == "stale"


def test_a_pair_proposed_after_its_source_had_gone_is_swept(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        corpus.add(session, "file:///1", {"Here.": [1, 0]})
    gone, here = add_pair(sessions, digest("Gone.")), add_pair(sessions, digest("Here."))
    imported = add_pair(sessions, digest("Elsewhere."))
    with transaction(sessions) as session:  # it brought its passage along, from no document here
        brought = session.get_one(Pair, imported)
        brought.passages = [one | {"document_id": None} for one in brought.passages]
    with transaction(sessions) as session:
        assert resting.sweep_stale(session) == [gone]
        assert resting.sweep_stale(session) == []
        assert session.get_one(Pair, here).state == "approved"
        assert session.execute(select(Outbox.payload)).scalar_one()["pairs"] == [gone]


def test_a_narrowed_document_narrows_its_chunks_and_pairs(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        document_id = corpus.add(session, "file:///1", {"Plan.": [1, 0]})
        corpus.add(session, "file:///2", {"Copy.": [0, 1]})
        corpus.add(session, "file:///3", {"Copy.": [0, 1]}, audience="channel:C1")
    resting = add_pair(sessions, digest("Plan."))
    elsewhere = add_pair(sessions, digest("Plan."), audience="channel:C2")
    copied = add_pair(sessions, digest("Copy."))
    with transaction(sessions) as session:
        changed = documents.narrow(session, document_id, "channel:C1")
    assert sorted(changed) == [resting, elsewhere]
    with sessions() as session:
        assert session.get_one(Pair, resting).audience == "channel:C1"
        assert session.get_one(Pair, elsewhere).state == "stale"
        assert session.get_one(Pair, copied).audience == "workspace"
        found = hybrid(session, query="plan", vector=[1, 0], audience=WORKSPACE)
        assert "Plan." not in {passage.text for passage in found}


def test_what_learned_beside_a_narrowed_document_is_withdrawn_too(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        plan = corpus.add(session, "file:///1", {"Plan.": [1, 0]})
        open_one = corpus.add(session, "file:///2", {"Open.": [0, 1]})
        shown = [
            passage("o", document=open_one) | {"hash": digest("Open.")},
            passage("p", document=plan) | {"hash": digest("Plan.")},
        ]
        beside = pair(session, "Q?", "Six [1].", passages=shown)
        only = pair(session, "R?", "Six [1].", passages=shown[:1])
        kept = night(session, {only.id: "training"})
    with transaction(sessions) as session:
        name = night(session, {only.id: "training", beside.id: "training"})
        pairs.decide(session, beside.id, state="rejected", actor="U1")
    with transaction(sessions) as session:
        documents.narrow(session, plan, "channel:C1")
        live = adapters.live(session)
        assert live is not None
        assert live.name == kept
        assert adapters.by_name(session, name).tainted


def test_a_document_narrowed_onto_its_own_twin_gives_way(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        wide = corpus.add(session, "file:///1", {"Plan.": [1, 0]})
        corpus.add(session, "file:///1", {"Plan.": [1, 0]}, audience="channel:C1")
        documents.narrow(session, wide, "channel:C1")
    with sessions() as session:
        assert [d.audience for d in documents.find(session, "file:///1")] == ["channel:C1"]
