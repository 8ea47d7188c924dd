"""The night's first step, and what people take back while it reads the ledger."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import pytest
from sqlalchemy import select

from models.store import adapters, consents, documents, forgetting, pairs, refreshes
from models.store.session import Sessions, transaction
from models.store.tables import Pair, Refresh, Snapshot, SnapshotPair
from tests.models.store import corpus
from tests.models.store.learning import pair, passage
from tests.workers.refresh.nightly import begin
from workers.refresh import choosing, dataset, promote, snapshots
from workers.refresh.lease import Ended, Night

pytestmark = pytest.mark.integration

SECRET = "The merger price is 4 million."


class Serving:
    """A model server, as far as a night asks it for its base."""

    name = "tiny"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None: ...

    def base(self) -> str:
        return self.name


@pytest.fixture
def serving(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Serving:
    """A night's environment, without a trainer and with a server that only says its base."""
    monkeypatch.setenv("PHI3_HOME", str(tmp_path))
    monkeypatch.setenv("PHI3_MIN_PAIRS", "10")
    server = Serving()
    monkeypatch.setattr(promote, "chat", lambda _: server)
    return server


def opened(sessions: Sessions) -> Night:
    """A night that this worker holds."""
    number = begin(sessions)
    with transaction(sessions) as session:
        refreshes.claim(session, number, worker="w", lease_s=60)
    return Night(sessions=sessions, id=number, worker="w", lease_s=60)


def judged(sessions: Sessions, night: Night, *, verdict: str) -> None:
    """The night comes to its end, its adapter in service if it is promoted."""
    with transaction(sessions) as session:
        adapters.trained(session, night.name, path=f"/adapters/{night.name}", manifest={})
        if verdict == "promoted":
            adapters.promote(session, night.name, actor="night")
        row = refreshes.running(session)
        assert row is not None
        refreshes.end(session, row, verdict=verdict, reasons=[])


def files(sessions: Sessions, night: Night) -> tuple[str, str]:
    """What the night would train on, and be judged by."""
    with transaction(sessions) as session:
        snapshot = refreshes.snapshot_of(session, night.id)
        assert snapshot is not None
        place = Path(str(snapshot.path))
    return (place / snapshots.TRAIN).read_text(), (place / snapshots.ITEMS).read_text()


def ask_many(sessions: Sessions, numbers: range, **changes: Any) -> None:
    """Approve a pair on each number."""
    with transaction(sessions) as session:
        for n in numbers:
            shown = changes.get("passages") or [passage(f"p{n:03d}", document=9)]
            pair(
                session,
                f"What is the price of item {n} in hall {n * 7}?",
                **{"answer": f"Words {n} [1].", **changes, "passages": shown},
            )


def narrow(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        (source,) = documents.find(session, "file:///merger")
        documents.narrow(session, source.id, "channel:C9")


def go_stale(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        (source,) = documents.find(session, "file:///merger")
        documents.forget(session, source.id, actor="U0ADMIN")


def reject(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        for row in session.scalars(select(Pair).where(Pair.author == "U7")):
            pairs.decide(session, row.id, state="rejected", actor="U0ADMIN")


def no_longer_agree(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        consents.revoke(session, "U7")


def be_forgotten(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        forgetting.forget_person(session, "U7", actor="U7")


@pytest.mark.parametrize("take_back", [narrow, go_stale, reject, no_longer_agree, be_forgotten])
def test_what_is_taken_back_while_pairs_are_chosen_is_not_learned(
    sessions: Sessions,
    serving: Serving,
    monkeypatch: pytest.MonkeyPatch,
    take_back: Callable[[Sessions], None],
) -> None:
    # Arrange: a person's pairs that rest on a source, and enough others
    with transaction(sessions) as session:
        source = corpus.add(session, "file:///merger", {SECRET: [1, 0]})
        consents.grant(session, "U7")
    secret = passage("m", text=SECRET, document=source) | {"hash": corpus.digest(SECRET)}
    ask_many(sessions, range(20), passages=[secret], author="U7", answer="4 million [1].")
    ask_many(sessions, range(100, 140))
    written = snapshots.write
    left = [take_back]

    def meanwhile(*given: Any, **named: Any) -> Any:
        done = written(*given, **named)
        while left:
            left.pop()(sessions)
        return done

    monkeypatch.setattr(snapshots, "write", meanwhile)

    # Act
    night = opened(sessions)
    choosing.choose(night)

    # Assert: chosen anew, without them
    train, items = files(sessions, night)
    assert "4 million" not in train + items
    assert "Words 100" in train + items
    with transaction(sessions) as session:
        row = refreshes.running(session)
        assert row is not None
        assert row.metrics["pairs"] == {
            "training": session.query(SnapshotPair).filter_by(side="training").count(),
            "holdout": session.query(SnapshotPair).filter_by(side="holdout").count(),
        }
        assert not adapters.by_name(session, night.name).tainted


def test_a_ledger_that_never_rests_ends_the_night(
    sessions: Sessions, serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask_many(sessions, range(40))
    monkeypatch.setattr(dataset, "moved", lambda *_: True)
    with pytest.raises(Ended, match="Again and again"):
        choosing.choose(opened(sessions))
    with transaction(sessions) as session:
        assert session.scalars(select(Snapshot)).all() == []


def test_a_night_begun_again_after_its_choice_keeps_it(
    sessions: Sessions, serving: Serving
) -> None:
    ask_many(sessions, range(40))
    night = opened(sessions)
    choosing.choose(night)
    before = files(sessions, night)
    ask_many(sessions, range(100, 140))
    choosing.choose(night)
    assert files(sessions, night) == before


def test_a_question_that_guards_the_live_adapter_goes_with_its_person(
    sessions: Sessions, serving: Serving
) -> None:
    # Arrange: an adapter is in service that was judged by a person's questions, among others
    with transaction(sessions) as session:
        consents.grant(session, "U7")
    ask_many(sessions, range(40), author="U7", consent=False, answer="Dora's words [1].")
    ask_many(sessions, range(100, 110))
    first = opened(sessions)
    choosing.choose(first)
    judged(sessions, first, verdict="promoted")

    # Act, Assert: their sources change, and they are still asked; but not without consent
    with transaction(sessions) as session:
        for row in session.scalars(select(Pair).where(Pair.author == "U7")):
            row.state = "stale"
    ask_many(sessions, range(200, 240))
    second = opened(sessions)
    choosing.choose(second)
    judged(sessions, second, verdict="rejected")
    _, items = files(sessions, second)
    assert "Dora's words" in items
    with transaction(sessions) as session:
        consents.revoke(session, "U7")
    ask_many(sessions, range(300, 340))
    third = opened(sessions)
    choosing.choose(third)
    judged(sessions, third, verdict="rejected")
    assert "Dora's words" not in files(sessions, third)[1]

    # Act, Assert: forgotten, they leave every file that holds them
    be_forgotten(sessions)
    promote.sweep_files(sessions)
    with transaction(sessions) as session:
        kept = [snapshot.path for snapshot in session.scalars(select(Snapshot)) if snapshot.path]
        assert [Path(path).name for path in kept] == [third.name]
    left = list(Path(kept[0]).parent.rglob("*.jsonl"))
    assert len(left) == 2
    assert not any("Dora" in path.read_text() for path in left)


def another_base(serving: Serving, _: pytest.MonkeyPatch) -> None:
    serving.name = "another"


def other_weights(serving: Serving, patch: pytest.MonkeyPatch) -> None:
    base = Path(serving.name)
    (base / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}" + b"other")


def more_epochs(_: Serving, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("PHI3_TRAIN_EPOCHS", "5")


def plain_weights(_: Serving, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("PHI3_TRAIN_QLORA", "off")


@pytest.mark.parametrize("change", [another_base, other_weights, more_epochs, plain_weights])
def test_the_same_pairs_are_trained_on_again_where_something_else_has_changed(
    sessions: Sessions,
    serving: Serving,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    change: Callable[[Serving, pytest.MonkeyPatch], None],
) -> None:
    # Arrange: a base as its files are, and a night that came to its verdict
    base = tmp_path / "base"
    base.mkdir()
    (base / "config.json").write_text("{}")
    (base / "tokenizer.json").write_text("{}")
    (base / "tokenizer_config.json").write_text("{}")
    (base / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}" + b"some")
    serving.name = str(base)
    ask_many(sessions, range(40))
    first = opened(sessions)
    choosing.choose(first)
    judged(sessions, first, verdict="promoted")

    # Act, Assert: the same again is no news
    again = opened(sessions)
    with pytest.raises(Ended, match="Nothing has changed"):
        choosing.choose(again)
    change(serving, monkeypatch)
    choosing.choose(again)


@pytest.mark.parametrize("lost", ["its files", "what it was compared with"])
def test_the_same_pairs_are_trained_on_again_where_the_last_adapter_could_not_stay(
    sessions: Sessions, serving: Serving, lost: str
) -> None:
    ask_many(sessions, range(40))
    first = opened(sessions)
    choosing.choose(first)
    if lost == "its files":
        judged(sessions, first, verdict="promoted")
        with transaction(sessions) as session:
            adapters.lose(session, [first.name])
    else:
        judged(sessions, first, verdict="inconclusive")
        with transaction(sessions) as session:
            session.get_one(Refresh, first.id).metrics = {"again": True}
    choosing.choose(opened(sessions))
