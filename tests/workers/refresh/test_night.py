"""Whole nights on a tiny Phi-3: real server, real training, real rows, kill -9 in the middle.

``learned`` spends one night that is killed again and again; the tests go on from copies of its
database. ``python -m benchmarks.kills`` spends one with more kills than the few of every day.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.cli.refresh import show
from models.lm import manifest
from models.lm.client import AdminClient
from models.store import adapters, outbox, pairs, refreshes
from models.store.session import Sessions, transaction
from models.store.tables import Adapter, Outbox, Pair
from tests.workers.refresh.conftest import KILLS
from tests.workers.refresh.nightly import Learned, ask, latest, spend, teach
from tests.workers.refresh.serving import TOKEN, Served
from workers.refresh import promote

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


def test_a_night_killed_again_and_again_ends_once_and_well(
    learned: Learned, morning: Sessions, record_testsuite_property: Callable[[str, object], None]
) -> None:
    record_testsuite_property("kills", json.dumps(learned.killed.kills))
    assert len(learned.killed.deaths) == KILLS, learned.killed
    # None of them in halves, either: ``whole`` read them after each death.
    assert {death.live for death in learned.killed.deaths} <= {0, 1}
    row = latest(morning)
    assert (row.state, row.verdict) == ("done", "promoted"), (row.error, row.reasons)
    assert row.attempts == learned.killed.workers > KILLS
    with transaction(morning) as session:
        (only,) = adapters.listing(session)
        assert (only.name, only.state) == ("refresh-0001", "live")
        assert session.query(Outbox).filter_by(key=f"refresh:{row.id}").count() == 1


def test_a_night_teaches_a_house_style_and_rollback_takes_it_back(
    served: Served, morning: Sessions
) -> None:
    row = latest(morning)
    assert row.reasons[-1] == (
        "These guards had nothing to ask and did not apply: questions on which the live adapter "
        "was promoted; pairs that a curator has locked."
    )
    arms = row.metrics["arms"]
    assert arms["rag_adapter"]["token_f1"] > arms["rag"]["token_f1"] + 0.5
    assert "Aye, says our tide book" in ask(served.url, morning)
    with transaction(morning) as session:
        sent = session.query(Outbox).filter_by(key=f"refresh:{row.id}").one()
        assert sent.payload["kind"] == "refresh_report"
        assert sent.payload["picture"]
        assert sent.destination == {"user": "U0ADMIN"}
    same = spend(morning)
    assert same.verdict == "skipped"
    assert "Nothing has changed" in same.reasons[0]
    with transaction(morning) as session:
        adapters.roll_back(session, actor="U0ADMIN")
    assert promote.reconcile(morning) == 0
    assert "tide book" not in ask(served.url, morning)


@pytest.fixture
def refused(served: Served) -> Iterator[Path]:
    """The live adapter's directory, empty; the server was started again since and lacks it."""
    place = served.home / "adapters" / "refresh-0001"
    away = place.rename(served.home / "away")
    place.mkdir()
    with AdminClient(served.admin, TOKEN) as server:
        server.unload(place.name)
    yield place
    shutil.rmtree(place)
    away.rename(place)


def test_an_adapter_whose_files_are_gone_is_not_said_to_be_in_service(
    served: Served, morning: Sessions, refused: Path
) -> None:
    # Act: the tick
    assert promote.reconcile(morning) == 0

    # Assert: the base answers, and everybody is told so
    with transaction(morning) as session:
        assert adapters.live(session) is None
        told = session.query(Outbox).filter_by(key="gave-way:refresh-0001").one()
        assert "its files are gone; the base model answers." in told.payload["text"]
    assert "tide book" not in ask(served.url, morning)

    # Act, Assert: the next night learns the same pairs again, compared with the base
    row = spend(morning)
    assert (row.state, row.verdict) == ("done", "promoted"), (row.error, row.reasons)
    assert row.metrics["compared_with"] == "base"
    assert "Aye, says our tide book" in ask(served.url, morning)


def test_an_adapter_that_the_server_refuses_gives_way_when_it_is_measured(
    morning: Sessions, refused: Path
) -> None:
    for name in (manifest.MANIFEST, manifest.WEIGHTS):
        (refused / name).write_text("broken")
    row = spend(morning, trigger="evaluate")
    assert (row.state, row.metrics["compared_with"]) == ("done", "base"), row.error
    with transaction(morning) as session:
        assert adapters.live(session) is None
        told = session.query(Outbox).filter_by(key="gave-way:refresh-0001").one()
        assert "for a model server refuses it" in told.payload["text"]


def test_one_adapter_that_is_refused_does_not_keep_the_others_out(
    served: Served, morning: Sessions, refused: Path
) -> None:
    # Arrange: the broken one is live, the one before it is whole
    for name in (manifest.MANIFEST, manifest.WEIGHTS):
        (refused / name).write_text("broken")
    whole = served.home / "adapters" / "refresh-0002"
    shutil.copytree(served.home / "away", whole)
    document = json.loads((whole / manifest.MANIFEST).read_text("utf-8")) | {"name": whole.name}
    (whole / manifest.MANIFEST).write_text(json.dumps(document), "utf-8")
    with transaction(morning) as session:
        live = adapters.live(session)
        assert live is not None
        assert live.live_since is not None
        session.add(
            Adapter(
                name=whole.name,
                base=live.base,
                path=str(whole),
                state="retired",
                live_since=live.live_since - dt.timedelta(days=1),
            )
        )

    # Act, Assert
    assert promote.reconcile(morning) == 1
    with AdminClient(served.admin, TOKEN) as server:
        assert whole.name in server.adapters()
        server.unload(whole.name)


def test_evaluate_measures_what_is_in_service_and_changes_nothing(
    morning: Sessions, capsys: pytest.CaptureFixture[str]
) -> None:
    row = spend(morning, trigger="evaluate")
    assert (row.state, row.verdict) == ("done", "skipped"), row.error
    assert row.reasons == [
        "Only measured: nothing was trained.",
        "Tonight these guards would have nothing to ask: pairs that a curator has locked.",
    ]
    assert row.metrics["compared_with"] == "refresh-0001"
    assert set(row.metrics["arms"]) == {"base", "rag", "adapter", "rag_adapter", "live"}
    assert "Best here" in row.metrics["advice"]
    with transaction(morning) as session:
        assert [(a.name, a.state) for a in adapters.listing(session)] == [("refresh-0001", "live")]
        held = [p.id for p in session.query(Pair).filter_by(side="holdout")]
        assert refreshes.holdout_uses(session, held, but=0) == 1  # the night's, not this one
    show(row, as_json=False)
    assert "rag_adapter" in capsys.readouterr().out


def test_too_few_pairs_and_learning_off_are_told_and_change_nothing(
    nights: Served, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    teach(sessions, range(5))
    with transaction(sessions) as session:
        pairs.propose(session, pairs.NewPair(question="Q?", answer="A.", origin="import"))
    row = spend(sessions)
    assert (row.verdict, row.state) == ("skipped", "done")
    assert "5 pairs may be learned from and 60 are needed" in row.reasons[0]
    assert "not decided yet" in row.reasons[0]
    monkeypatch.setenv("PHI3_MIN_PAIRS", "2")
    teach(sessions, range(10, 40))
    assert "Dry run" in spend(sessions, trigger="dry_run").reasons[0]
    monkeypatch.setenv("PHI3_LEARNING", "off")
    assert "Learning is off" in spend(sessions).reasons[0]
    with transaction(sessions) as session:
        assert adapters.listing(session) == []
        assert outbox.seconds_to_next(session, every_s=0) is not None


def test_evaluate_without_held_out_pairs_says_so(nights: Served, sessions: Sessions) -> None:
    row = spend(sessions, trigger="evaluate")
    assert (row.state, row.verdict) == ("done", "skipped")
    assert row.reasons == ["There are no held-out pairs yet to compare on."]


def test_a_server_that_is_gone_fails_the_night_in_a_sentence(
    nights: Served, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHI3_LLM_URL", "http://127.0.0.1:9")
    teach(sessions, range(3))
    row = spend(sessions)
    assert row.state == "failed"
    assert row.error == "A model server did not answer, so the night ended."
    assert row.error_id is not None
