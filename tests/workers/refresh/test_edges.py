"""Nights at the edges: no room on the disk, settings that are wrong, odd ledgers, long pairs."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from models.store import consents, refreshes
from models.store.session import Sessions, transaction
from models.store.tables import Outbox, Pair
from tests.models.store.learning import pair, passage
from tests.workers.refresh.nightly import begin, latest, spend, teach
from tests.workers.refresh.serving import Served
from tests.workers.refresh.test_choosing import Serving, ask_many, files, opened
from tests.workers.refresh.test_choosing import serving as serving
from workers.app import app
from workers.refresh import choosing, night, promote, schedule

pytestmark = pytest.mark.integration

WRONG = "A setting is wrong: PHI3_TIMEZONE: there is no time zone Mars/Olympus"


@contextmanager
def no_room(above: int) -> Iterator[None]:
    """No file of this process, or of one that it starts, grows beyond ``above`` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (above, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_is_full_ends_the_night_in_a_sentence_and_leaves_nothing_behind(
    sessions: Sessions, serving: Serving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Arrange
    monkeypatch.setenv("PHI3_LEARNING", "on")
    ask_many(sessions, range(40))

    # Act
    with no_room(4096):
        assert night.run(sessions, begin(sessions), worker="w")
    promote.sweep_files(sessions)

    # Assert
    row = latest(sessions)
    assert (row.state, row.error_id is not None) == ("failed", True)
    assert row.error == (
        "There is no room left on the disk, so the night ended; nothing has changed."
    )
    assert [place.name for place in (tmp_path / "snapshots").iterdir()] == []

    # Act, Assert: with room again, the next night chooses as if nothing had been
    again = opened(sessions)
    choosing.choose(again)
    assert "Words 1" in "".join(files(sessions, again))


def test_a_setting_that_is_wrong_ends_a_night_that_somebody_began(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHI3_TIMEZONE", "Mars/Olympus")
    assert night.run(sessions, begin(sessions), worker="w")
    row = latest(sessions)
    assert row.state == "failed"
    assert row.error == f"{WRONG}; nothing in service has changed."
    with transaction(sessions) as session:
        told = session.query(Outbox).filter_by(key=f"refresh:{row.id}").one()
        assert WRONG in told.payload["text"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("PHI3_TIMEZONE", "Mars/Olympus"), ("PHI3_MIN_PAIRS", "many"), ("PHI3_LEARNING", "perhaps")],
)
def test_a_setting_that_is_wrong_is_told_to_the_admins_once_a_day_and_stops_nothing_else(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    # Arrange: learning is on, and a night lost its worker
    sent: list[str] = []
    monkeypatch.setattr(app, "send_task", lambda task, **_: sent.append(task))
    if name != "PHI3_LEARNING":
        with transaction(sessions) as session:
            consents.switch(session, on=True, actor="U0ADMIN")
    monkeypatch.setenv(name, value)
    begin(sessions)

    # Act
    for _ in range(3):
        schedule.due(sessions)

    # Assert
    with transaction(sessions) as session:
        (told,) = session.query(Outbox)
        assert told.payload["text"].startswith(f"No night can begin. A setting is wrong: {name}: ")
        assert (told.destination, told.version) == ({"admins": True}, 1)
    assert sent == ["refresh.run", "adapters.reconcile"] * 3


def test_a_ledger_of_one_question_asked_over_and_over_is_not_trained_on(
    sessions: Sessions, serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHI3_LEARNING", "on")
    with transaction(sessions) as session:
        for n in range(30):
            pair(session, f"When does the grey ferry leave the north pier{'!' * n}?", f"At {n}.")
    assert night.run(sessions, begin(sessions), worker="w")
    row = latest(sessions)
    assert (row.state, row.verdict) == ("done", "skipped"), row.error
    assert row.reasons == ["All pairs stand on one side, so that nothing could be compared."]


def test_answers_without_words_and_text_from_right_to_left_are_learned_as_they_are(
    sessions: Sessions, serving: Serving
) -> None:
    # Arrange
    arabic = "العبّارة تغادر الرصيف {} في السادسة صباحًا."
    ask_many(sessions, range(40))
    with transaction(sessions) as session:
        for n in range(40):
            shown = [passage(f"r{n:03d}", text=arabic.format(n), document=9)]
            question = f"متى تغادر العبّارة رقم {n} من الرصيف {n * 3}؟"
            pair(session, question, "في السادسة صباحًا [1].", passages=shown)
            pair(session, f"Are we happy with crew {n} of ship {n * 7}?", "👍🏽🚢")

    # Act
    begun = opened(sessions)
    choosing.choose(begun)

    # Assert
    text = "".join(files(sessions, begun))
    assert "في السادسة صباحًا [1]." in text
    assert '"answer": "👍🏽🚢"' in text
    with transaction(sessions) as session:
        snapshot = refreshes.snapshot_of(session, begun.id)
        assert snapshot is not None
        assert set(snapshot.card["languages"]) == {"Latin", "Arabic"}


@pytest.mark.timeout(300)
def test_a_held_out_question_that_no_model_takes_does_not_end_the_night(
    nights: Served, sessions: Sessions
) -> None:
    # Arrange: the longest pair that can be imported, held out among others
    taught = teach(sessions, range(40))
    with transaction(sessions) as session:
        long = pair(session, "ferry " * 3_300 + "?", "monday " * 2_800)
        session.flush()
        for number in (*taught[:24], long.id):
            held = session.get_one(Pair, number)
            held.side, held.cluster = "holdout", str(number)

    # Act
    row = spend(sessions, trigger="evaluate")

    # Assert: the others are measured
    assert (row.state, row.verdict) == ("done", "skipped"), row.error
    with transaction(sessions) as session:
        asked = {score.pair_id for score in refreshes.scores(session, row.id)}
    assert set(taught[:24]) <= asked
    assert long.id not in asked
