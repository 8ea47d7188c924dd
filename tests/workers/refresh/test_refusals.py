"""Whole nights after a good adapter is live that must change nothing: nothing better, and worse."""

from __future__ import annotations

import json
import shutil

import pytest

from models.lm import manifest
from models.settings import Home
from models.store import adapters
from models.store.session import Sessions, transaction
from models.store.tables import Outbox, Refresh
from tests.workers.refresh.nightly import ask, begin, latest, poison, spend, teach
from tests.workers.refresh.serving import Served
from workers.refresh import night

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

STYLE = "says our tide book"
LIVE = "refresh-0001"


def unchanged(sessions: Sessions, served: Served, row: Refresh) -> None:
    """The adapter of the night before answers, and the report of this one says what it is."""
    with transaction(sessions) as session:
        live = adapters.live(session)
        assert live is not None
        assert live.name == LIVE
        newest = adapters.by_name(session, adapters.name_for(row.id))
        assert (newest.state, newest.verdict) == ("rejected", row.verdict)
        told = session.query(Outbox).filter_by(key=f"refresh:{row.id}").one().payload
        assert (told["verdict"], told["can_roll_back"]) == (row.verdict, False)
        assert told["reasons"] == row.reasons
    assert STYLE in ask(served.url, sessions)


def test_a_candidate_that_is_no_better_changes_nothing(
    served: Served, morning: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Arrange: a few more pairs of what is known already. Under the coming night's name lies a
    # whole adapter of another ledger, as there may be once a database was restored
    teach(morning, range(300, 312))
    monkeypatch.setenv("PHI3_TRAIN_EPOCHS", "3")
    number = begin(morning)
    place = Home().adapters / adapters.name_for(number)
    shutil.copytree(Home().adapters / LIVE, place)
    foreign = json.loads((place / manifest.MANIFEST).read_text("utf-8"))
    foreign["name"], foreign["lineage"]["snapshot"] = place.name, "of another ledger"
    (place / manifest.MANIFEST).write_text(json.dumps(foreign), "utf-8")

    # Act
    assert night.run(morning, number, worker="test")

    # Assert
    row = latest(morning)
    assert row.state == "done", row.error
    assert row.verdict in ("rejected", "inconclusive")
    said = " ".join(row.reasons)
    assert "No improvement" in said or "could be chance" in said
    assert row.metrics["training"]["steps"] > 0
    assert manifest.read(place).lineage["refresh"] == number
    unchanged(morning, served, row)


def test_a_poisoned_batch_is_rejected_by_three_guards(
    served: Served, morning: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Arrange
    poison(morning)
    monkeypatch.setenv("PHI3_TRAIN_EPOCHS", "4")

    # Act
    row = spend(morning)

    # Assert: by the new holdout alone it would have gone live
    assert row.verdict == "rejected", row.reasons
    assert row.metrics["gate"]["primary"]["lower"] > 0
    assert row.reasons[0].startswith("Worse on ")
    said = " ".join(row.reasons)
    for guard in (
        "questions on which the live adapter was promoted",
        "pairs that a curator has locked",
        "agreement with the sources",
    ):
        assert f"Worse on {guard}" in said
    unchanged(morning, served, row)
