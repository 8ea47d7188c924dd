"""``phi3 pairs``, ``adapters`` and ``refresh`` on real rows."""

from __future__ import annotations

import datetime as dt
import io
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from bot.cli.main import run
from models.store import refreshes
from models.store.session import Sessions, transaction
from models.store.tables import Pair, Refresh
from tests.models.store.learning import night, pair, passage

pytestmark = pytest.mark.integration

SHOWN = [passage("a") | {"hash": "a" * 64}, passage("b") | {"hash": "b" * 64}]


@pytest.fixture(autouse=True)
def environment(
    database_url: str, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A command's engine ends with its process; here it is the test's, which is disposed of.
    monkeypatch.setattr("bot.cli.running.open_engine", lambda *_, **__: engine)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:9/0")
    monkeypatch.setenv("PHI3_HOME", str(tmp_path))


def test_pairs_come_in_are_decided_and_go_out(
    sessions: Sessions, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    faq = tmp_path / "faq.csv"
    faq.write_text("question,answer\nWhen?,At six.\nWho?,Tom.\nEmpty?,\n")
    assert run(["pairs", "import", str(faq)]) == 1
    shown = capsys.readouterr()
    assert "2 pairs are proposed" in shown.out
    assert "line 4: A pair needs a question and an answer." in shown.err
    assert run(["pairs", "list", "--json"]) == 0
    first, second = (row["id"] for row in json.loads(capsys.readouterr().out))
    assert run(["pairs", "approve", str(first)]) == 0
    assert run(["pairs", "reject", str(second), "--reason", "Wrong."]) == 0
    assert run(["pairs", "approve", str(second), "999"]) == 1
    assert "There is no pair 999. Nothing is changed." in capsys.readouterr().err
    with sessions() as session:
        assert session.get_one(Pair, second).state == "rejected"
    assert run(["pairs", "lock", str(first)]) == 0
    assert run(["pairs", "reject", str(first)]) == 1
    assert "locked" in capsys.readouterr().err
    out = tmp_path / "out.jsonl"
    assert run(["pairs", "export", str(out), "--state", "approved"]) == 0
    assert json.loads(out.read_text())["answer"] == "At six."
    assert run(["pairs", "import", str(out), "--approved", "--json"]) == 0
    with transaction(sessions) as session:
        assert {p.state for p in session.query(Pair)} == {"approved", "rejected"}
        assert session.query(Pair).count() == 2


def test_an_export_gives_the_same_ledger_elsewhere(
    sessions: Sessions, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    private = {"audience": "user:U5", "author": "U5", "origin": "correction", "consent": False}
    with transaction(sessions) as session:
        pair(session, "What is my salary band?", "Band E7.", **private)
        pair(session, "Rejected?", "Nonsense.", state="rejected")
        locked = pair(session, "Open?", "At six\u2028sharp [2].", passages=SHOWN, asker="U6")
        locked.locked, locked.contributors = True, ["U7"]
        pair(session, "Waiting?", state="proposed", channel_id="C7").language = "en"
        stale = pair(session, "Old?", passages=SHOWN)
        stale.state, stale.reason = "stale", "A source has changed."
    first, again = tmp_path / "first.jsonl", tmp_path / "again.jsonl"
    assert run(["pairs", "export", str(first)]) == 0
    with transaction(sessions) as session:
        session.query(Pair).delete()

    assert run(["pairs", "import", str(first)]) == 0

    assert "2 pairs are approved, 1 rejected, 1 proposed, 1 stale." in capsys.readouterr().out
    assert run(["pairs", "export", str(again)]) == 0
    assert ledger(again) == ledger(first)
    capsys.readouterr()
    assert run(["pairs", "import", "--approved", str(first)]) == 0
    assert "5 of them were there before." in capsys.readouterr().out
    with transaction(sessions) as session:
        assert session.query(Pair).count() == 5


def ledger(file: Path) -> list[dict[str, Any]]:
    """What an export says, but for what is of one installation alone."""
    rows = [json.loads(line) for line in file.read_text("utf-8").split("\n") if line]
    return [{k: v for k, v in row.items() if k not in ("id", "origin", "side")} for row in rows]


def test_an_export_is_called_as_import_reads_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["pairs", "export", "pairs.csv"]) == 2
    assert "call the file pairs.jsonl" in capsys.readouterr().err


def test_what_is_odd_is_named_and_the_rest_is_imported(
    sessions: Sessions, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = [f'{{"question": "{n}?", "answer": null}}' for n in range(30)]
    good = '{"question": "Good?", "answer": "Yes."}'
    (tmp_path / "faq.jsonl").write_text("\n".join([*odd, good]))
    assert run(["pairs", "import", str(tmp_path / "faq.jsonl")]) == 1
    shown = capsys.readouterr()
    assert "1 pair is proposed." in shown.out
    assert "line 1: A pair needs a question and an answer.\n" in shown.err
    assert "10 more are refused; --json names all." in shown.err
    with transaction(sessions) as session:
        assert [row.question for row in session.query(Pair)] == ["Good?"]


def test_a_pair_of_any_length_is_edited(
    sessions: Sessions, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with transaction(sessions) as session:
        number = pair(session, "Q?", "x" * 20_000).id
    monkeypatch.setattr("sys.stdin", io.StringIO("y" * 19_000 + "\n"))
    assert run(["pairs", "edit", str(number), "--as", "U5", "--answer", "-"]) == 0
    assert f"phi3 pairs approve {number}" in capsys.readouterr().out
    with transaction(sessions) as session:
        row = session.get_one(Pair, number)
        assert (row.answer, row.state, row.author) == ("y" * 19_000, "proposed", "U5")
    assert run(["pairs", "edit", str(number), "--as", "U5", "--question", "Q?"]) == 0
    assert "is as it was" in capsys.readouterr().out
    assert run(["pairs", "edit", str(number), "--as", "U5", "--answer", "z" * 20_001]) == 1
    assert run(["pairs", "edit", str(number), "--as", "me", "--answer", "z"]) == 2
    assert run(["pairs", "edit", str(number), "--as", "U5"]) == 2
    assert run(["pairs", "edit", "999", "--as", "U5", "--answer", "z"]) == 1


def test_bad_input_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n")
    assert run(["pairs", "import", str(tmp_path / "bad.csv")]) == 1
    assert run(["pairs", "import", str(tmp_path / "none.csv")]) == 2
    assert run(["pairs", "approve", "99"]) == 1
    assert run(["pairs", "approve"]) == 2
    assert run(["adapters", "show", "refresh-9999"]) == 1
    assert run(["adapters", "rollback"]) == 1
    assert run(["refresh"]) == 1
    shown = capsys.readouterr()
    assert "Traceback" not in shown.err
    for words in (
        "no question and answer",
        "no pair 99",
        "no adapter called",
        "nothing to roll back",
        "no night yet",
    ):
        assert words in shown.err


def test_adapters_are_listed_and_rolled_back(
    sessions: Sessions, capsys: pytest.CaptureFixture[str]
) -> None:
    with transaction(sessions) as session:
        name = night(session, {})
    assert run(["adapters", "list", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert set(row) == {"name", "state", "verdict", "created", "base"}
    assert (row["name"], row["state"]) == (name, "live")
    assert run(["adapters", "show", name]) == 0
    assert run(["adapters", "rollback", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {"from": name, "to": None}
    with transaction(sessions) as session:  # what only looked is no night
        opened = refreshes.open_night(session, night=dt.date(2026, 1, 2), trigger="dry_run")
        row = session.get_one(Refresh, opened)
        refreshes.end(session, row, verdict="skipped", reasons=[])
    assert run(["refresh", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == "promoted"
