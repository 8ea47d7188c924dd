"""Documents from the command line: in, found, in step, and out again, through a real worker."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

import pytest
from sqlalchemy import select

from models.store import documents
from models.store.session import transaction
from models.store.tables import Source
from tests.bot.cli.conftest import Phi3, Works

pytestmark = pytest.mark.integration


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three documents, one of which cannot be read, and a picture."""
    where = tmp_path / "hand book"
    (where / "below").mkdir(parents=True)
    (where / "tide.md").write_text("# Tide\n\nThe harbour gate closes at spring tide.\n")
    (where / "below" / "lamp.txt").write_text("The northern lamp burns rapeseed oil.\n")
    (where / "broken.pdf").write_bytes(b"%PDF-1.7 and then nothing")
    (where / "map.png").write_bytes(b"\x89PNG")
    return where


def uris(said: str) -> list[str]:
    return [Path(row["uri"].removeprefix("file://")).name for row in json.loads(said)]


def test_a_folder_is_read_and_kept_in_step(phi3: Phi3, folder: Path) -> None:
    # Arrange and act: first time
    first = phi3("ingest", str(folder), "--wait")

    # Assert
    assert first.status == 1
    assert "2 documents searchable, 2 passages." in first.out
    assert "1 .png" in first.out
    assert "broken.pdf: This PDF is damaged or cut off and cannot be opened. (id " in first.err
    listed = phi3("sources", str(folder), "--json").out
    assert uris(listed) == ["lamp.txt", "broken.pdf", "tide.md"]

    # Act: one changed, one gone, one as it was
    (folder / "tide.md").write_text("# Tide\n\nThe harbour gate closes at neap tide.\n")
    (folder / "broken.pdf").unlink()
    second = phi3("ingest", str(folder), "--wait", "--json")

    # Assert
    assert second.status == 0
    outcome = json.loads(second.out)
    assert [row["state"] for row in outcome["documents"]] == ["ready"]
    assert outcome["unchanged"] == 1
    assert [uri.rpartition("/")[2] for uri in outcome["forgotten"]] == ["broken.pdf"]
    assert (outcome["chunks"], outcome["failed"]) == (1, [])
    found = json.loads(phi3("search", "neap tide", "--json").out)
    assert "neap" in found[0]["text"]
    assert "spring tide" not in json.dumps(found)

    # Act: forgotten by hand, a scan leaves it out, naming it brings it back
    assert phi3("forget", str(folder / "tide.md")).status == 0
    third = phi3("ingest", str(folder))
    back = phi3("ingest", str(folder / "tide.md"), "--wait")

    # Assert
    assert "1 file was forgotten earlier and left out" in third.out
    assert "1 document searchable" in back.out

    # Act and assert: a title does as well as an address
    title = json.loads(phi3("sources", str(folder / "tide.md"), "--json").out)[0]["title"]
    by_title = phi3("forget", title.upper())
    assert by_title.status == 0
    assert "tide.md" in by_title.out


def test_bad_input_is_named_in_a_sentence_each(phi3: Phi3, tmp_path: Path) -> None:
    (tmp_path / "empty.md").touch()
    good = tmp_path / "good.md"
    good.write_text("A sound document about sextants.")
    said = phi3(
        *("ingest", str(tmp_path / "empty.md"), str(tmp_path / "none.md"), "ftp://host/x"),
        *("http://", "http://ada:pw@host/y"),
        *(str(good), "--wait", "--json"),
    )
    assert said.status == 1
    outcome = json.loads(said.out)
    assert len(outcome["documents"]) == 1
    assert {row["what"].rpartition("/")[2]: row["error"] for row in outcome["failed"]} == {
        "empty.md": "This file is empty.",
        "none.md": "It is not there.",
        "x": "Only http and https addresses can be fetched.",
        "": "That is not a web address.",
        "y": "An address with a user name or password in it is not fetched.",
    }
    wrong = phi3("ingest", str(good), "--audience", "everybody")
    assert wrong.status == 2
    assert "audience" in wrong.err.lower()
    (tmp_path / "nothing").mkdir()
    assert "There was nothing to read." in phi3("ingest", str(tmp_path / "nothing")).out


def test_a_hostile_name_stops_no_other_file(phi3: Phi3, tmp_path: Path) -> None:
    # Arrange: a name that is no UTF-8, and a path that no index takes
    latin = os.fsencode(tmp_path) + b"/Gr\xfc\xdfe.md"
    Path(os.fsdecode(latin)).write_text("Greetings from the quay.")
    far = tmp_path
    for _ in range(15):
        far /= secrets.token_hex(120)
    far.mkdir(parents=True)
    (far / "far.md").write_text("A document far away.")
    (tmp_path / "sound.md").write_text("A sound document about sounding leads.")

    # Act
    said = phi3("ingest", str(tmp_path), "--wait", "--json")

    # Assert
    outcome = json.loads(said.out)
    names = {Path(row["uri"]).name for row in outcome["documents"]}
    assert names == {"Gr%FC%DFe.md", "sound.md"}
    assert [row["error"] for row in outcome["failed"]] == ["Its path is too long to be kept."]
    assert phi3("forget", tmp_path.as_uri() + "/Gr%FC%DFe.md", "--yes").status == 0


@pytest.mark.parametrize("words", [("ingest", ""), ("ingest", "a.md", " "), ("forget", "")])
def test_an_empty_name_is_not_the_folder_one_is_in(phi3: Phi3, words: tuple[str, ...]) -> None:
    said = phi3(*words)
    assert said.status == 2


def test_an_audience_keeps_others_out(phi3: Phi3, tmp_path: Path) -> None:
    # Arrange
    secret = tmp_path / "secret.md"
    secret.write_text("The sluice password is kingfisher.")

    # Act
    assert phi3("ingest", str(secret), "--audience", "user:U7", "--wait").status == 0

    # Assert
    assert "kingfisher" not in phi3("search", "sluice password").out
    assert "[user:U7]" in phi3("sources", str(secret)).out
    assert phi3("ingest", str(secret), "--wait").status == 0
    assert "kingfisher" in phi3("search", "sluice password").out
    assert phi3("forget", str(secret), "--audience", "workspace").status == 0
    assert "kingfisher" not in phi3("search", "sluice password").out
    (left,) = json.loads(phi3("sources", str(secret), "--json").out)
    assert left["audience"] == "user:U7"


def test_without_slack_a_channel_that_nobody_knows_is_doubted_and_a_known_one_is_not(
    phi3: Phi3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = tmp_path / "note.md"
    note.write_text("The pilot boat is moored at pier nine.")
    first = phi3("ingest", str(note), "--audience", "channel:C0PIER", "--wait")
    assert first.status == 0
    assert "nothing here is known of the channel C0PIER yet" in first.err
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-1")
    monkeypatch.setenv("SLACK_API_URL", "http://127.0.0.1:9/api/")
    again = phi3("ingest", str(note), "--audience", "channel:C0PIER", "--wait")
    assert (again.status, "C0PIER" in again.err) == (0, False)
    other = phi3("ingest", str(note), "--audience", "channel:C0NONE", "--wait")
    assert other.status == 0
    assert "Slack does not answer at http://127.0.0.1:9/api/, and nothing" in other.err


def test_forgetting_many_asks_first(phi3: Phi3, tmp_path: Path) -> None:
    # Arrange
    for name in ("one", "two"):
        (tmp_path / f"{name}.md").write_text(f"Document {name} of the estuary.")
    assert phi3("ingest", str(tmp_path), "--wait").status == 0

    # Act
    refused = phi3("forget", str(tmp_path), typed="n\n")
    agreed = phi3("forget", str(tmp_path), typed="y\n")

    # Assert
    assert refused.status == 130
    assert "Forget these 2 documents?" in refused.err
    assert agreed.out.count("Forgotten: ") == 2
    assert f"Nothing is known under {tmp_path}" in phi3("sources", str(tmp_path)).out
    again = phi3("forget", str(tmp_path), "--yes")
    assert again.status == 1
    assert "Nothing is known under" in again.err


def test_search_answers_line_by_line(phi3: Phi3, tmp_path: Path) -> None:
    # Arrange
    (tmp_path / "a.md").write_text("# Pumps\n\n## Starting\n\nThe bilge pump starts by itself.\n")
    assert phi3("ingest", str(tmp_path), "--wait").status == 0
    asked = "bilge pump\n\nWho? \u00fc\nbilge pump"
    (tmp_path / "queries").write_text(asked)

    # Act
    lines = phi3("search", "--queries", "-", "--json", "-k", "1", typed=asked).out.splitlines()
    same = phi3("search", "--queries", str(tmp_path / "queries"), "--json", "-k", "1")

    # Assert
    rows = [json.loads(line) for line in lines]
    assert [row["query"] for row in rows] == ["bilge pump", "", "Who? \u00fc", "bilge pump"]
    assert [len(row["results"]) for row in rows] == [1, 0, 1, 1]
    assert rows[0]["results"] == rows[3]["results"]
    assert same.out.splitlines() == lines
    page = phi3("search", "bilge pump", "-k", "1").out
    assert page.startswith(" 1. Pumps › Starting  ")
    for wrong in (["x", "-k", "0"], ["x", "-k", "201"], [], ["  "], ["x", "--queries", "-"]):
        assert phi3("search", *wrong).status == 2


def test_moving_to_another_embedding_model(phi3: Phi3, works: Works, tmp_path: Path) -> None:
    # Arrange
    (tmp_path / "a.md").write_text("# Anchors\n\nThe kedge anchor weighs forty pounds.\n")
    assert phi3("ingest", str(tmp_path), "--wait").status == 0
    before = json.loads(phi3("search", "kedge anchor", "--json").out)

    # Act
    moved = phi3("reembed", "--model", "large")
    works.embeddings.texts["large"].clear()
    after = json.loads(phi3("search", "kedge anchor", "--json").out)
    (tmp_path / "a.md").write_text("# Anchors\n\nThe sheet anchor weighs ninety pounds.\n")
    assert phi3("ingest", str(tmp_path), "--wait").status == 0

    # Assert
    assert "Questions are now embedded with large" in moved.out
    assert after[0]["text"] == before[0]["text"]
    assert works.embeddings.texts["large"] == [
        "kedge anchor",
        "Anchors\n\nThe sheet anchor weighs ninety pounds.",
    ]
    again = phi3("reembed", "--model", "large")
    assert "; 0 texts were embedded" in again.out
    assert phi3("reembed", "--model", "small").status == 0
    unknown = phi3("reembed", "--model", "none-such")
    assert unknown.status == 1
    assert "No embedding model none-such answers at" in unknown.err
    assert json.loads(phi3("search", "sheet anchor", "--json").out)[0]["text"].startswith("The sh")


def test_a_page_is_forgotten_for_one_audience_alone(phi3: Phi3, works: Works) -> None:
    # Arrange: a page that two audiences have, and is looked at for each
    page = "https://example.invalid/page"
    with transaction(works.sessions) as session:
        for audience in ("workspace", "channel:C1"):
            documents.register(session, uri=page, audience=audience, title="Page", origin="url")
            session.add(Source(kind="url", uri=page, audience=audience, options={}))

    # Act
    assert phi3("forget", page, "--audience", "channel:C1").status == 0

    # Assert
    with works.sessions() as session:
        left = session.scalars(select(Source.audience).where(Source.uri == page)).all()
    assert left == ["workspace"]
    (row,) = json.loads(phi3("sources", page, "--json").out)
    assert row["audience"] == "workspace"
    assert phi3("forget", page).status == 0
