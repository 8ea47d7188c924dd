"""Beat begins a night, its adapter answers in Slack at once, and a button takes it back."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from tests.e2e.person import Person, eventually, nodes
from tests.support.product import Product, running
from tests.workers.refresh import house

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

PAIRS = 200
STYLE = "says our tide book"
LAST = "SELECT text, adapter FROM answers WHERE state = 'done' ORDER BY id DESC LIMIT 1"
NIGHT = "SELECT id, trigger, state, verdict, reasons FROM refreshes ORDER BY id DESC LIMIT 1"

MEANWHILE = (
    "SELECT p.settled_at < r.finished_at FROM pairs p, refreshes r WHERE p.id = %s "
    "ORDER BY r.id LIMIT 1"
)


def test_with_the_extractive_reader_nights_are_skipped(product: Product, tmp_path: Path) -> None:
    # Arrange
    ada = Person(product.workspace, "ada")
    general = ada.channels["general"]
    faq = tmp_path / "ferries.jsonl"
    faq.write_text("".join(_line(n) for n in range(700, 716)), "utf-8")
    product.phi3("pairs", "import", str(faq), "--approved")
    ada.command("learning on", general)
    ada.hears(general, "Learning is on")

    # Act
    ended = json.loads(product.phi3("refresh", "--now", "--json").stdout)
    tried = json.loads(product.phi3("refresh", "--dry-run", "--json").stdout)
    measured = json.loads(product.phi3("evaluate", "--json").stdout)

    # Assert
    assert "16 pairs may be learned from" in tried["reasons"][0]
    assert (ended["verdict"], ended["adapter"]) == ("skipped", None)
    assert "The extractive reader serves, and it cannot be trained" in ended["reasons"][0]
    assert json.loads(product.phi3("adapters", "list", "--json").stdout) == []
    assert set(measured["metrics"]["arms"]) == {"base", "rag", "live"}  # live is the base
    assert "nothing has been trained yet" in measured["metrics"]["advice"]
    assert "nll" not in measured["metrics"]["arms"]["rag"]
    ada.command("learning off", general)
    ada.hears(general, "Learning is off")
    numbers = [str(n) for (n,) in product.rows("SELECT id FROM pairs WHERE state = 'approved'")]
    product.phi3("pairs", "reject", *numbers)


def test_beat_begins_the_night_that_changes_how_the_bot_answers(tmp_path: Path) -> None:
    # Arrange: a night that was due five minutes ago, and pairs; learning is still off
    due = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=5)
    settings = {
        "PHI3_MODEL": str(house.tiny(tmp_path / "tiny-phi3", positions=8192)),
        "PHI3_TIMEZONE": "UTC",
        "PHI3_REFRESH_AT": due.strftime("%H:%M"),
        "PHI3_MIN_PAIRS": "60",
        "PHI3_MAX_TOKENS": "64",
        "PHI3_TRAIN_EPOCHS": "4",
        "PHI3_TRAIN_LR": "0.01",
        "PHI3_EVALUATE_TOKENS": "24",
        "PHI3_EVALUATE_ITEMS": "30",
    }
    faq = tmp_path / "ferries.jsonl"
    faq.write_text("".join(_line(n) for n in range(PAIRS)), "utf-8")
    timetable = tmp_path / "timetable.md"
    timetable.write_text(f"# Timetable\n\n{house.text(901)}\n", "utf-8")
    with running(**settings) as product:
        ada = Person(product.workspace, "ada")
        product.phi3("ingest", str(timetable), "--wait")
        product.phi3("pairs", "import", str(faq), "--approved")
        before, adapter = _asked(product, ada)
        assert STYLE not in before
        assert adapter is None
        parts = {name: product.state["parts"][name]["pid"] for name in ("bot", "models")}

        # Act: learning is turned on, and beat does the rest
        general = ada.channels["general"]
        ada.command("learning on", general)
        ada.hears(general, "Learning is on")
        eventually(
            lambda: product.rows("SELECT id FROM refreshes WHERE step = 'train'"),
            what="the night's training",
            seconds=150,
        )

        # Act: while it trains, a pair is approved in Slack
        wall = tmp_path / "wall.csv"
        wall.write_text("question,answer\nWho paints the harbour wall?,Nobody does.\n", "utf-8")
        product.phi3("pairs", "import", str(wall))
        ada.command("pairs", general)
        card = ada.hears(general, "Who paints the harbour wall?")
        ((number,),) = product.rows("SELECT id FROM pairs WHERE state = 'proposed'")
        ada.press(general, card["ts"], "pair_approve", str(number))
        ada.hears(general, f"Pair {number} is approved")

        def over() -> bool:
            return any(state != "running" for _, _, state, _, _ in product.rows(NIGHT))

        eventually(over, what="the end of the night", seconds=420)

        # Assert
        ((_, trigger, state, verdict, reasons),) = product.rows(NIGHT)
        assert (trigger, state, verdict) == ("schedule", "done", "promoted"), reasons
        ((found_meanwhile,),) = product.rows(MEANWHILE, number)
        assert found_meanwhile, "the approved pair waited for the night's end"
        after, adapter = _asked(product, ada)
        assert STYLE in after
        assert adapter == "refresh-0001"
        assert {name: product.state["parts"][name]["pid"] for name in parts} == parts
        report = ada.said_in(ada.dm(), "rose by")
        assert any(node.get("action_id") == "adapter_rollback" for node in nodes(report["blocks"]))
        measured = json.loads(product.phi3("evaluate", "--json").stdout)
        assert set(measured["metrics"]["arms"]) >= {"base", "rag", "adapter", "rag_adapter"}
        assert "Best here" in measured["metrics"]["advice"]

        # Act: back, by the button that /phi3 adapters shows
        ada.command("adapters", general)
        shown = ada.hears(general, "refresh-0001")
        ada.press(general, shown["ts"], "adapter_rollback", "refresh-0001")
        ada.hears(general, "base model answers from now on")

        # Assert
        back, adapter = _asked(product, ada)
        assert STYLE not in back
        assert adapter is None
        ((named,),) = product.rows("SELECT json_agg(name || ' ' || state) FROM adapters")
        assert named == ["refresh-0001 retired"]


def _line(n: int) -> str:
    passage = {"title": "Timetable", "text": house.text(n)}
    row = {"question": house.question(n), "answer": house.answer(n), "passages": [passage]}
    return json.dumps(row) + "\n"


def _asked(product: Product, person: Person) -> tuple[str, str | None]:
    """What the bot answers now, and by which adapter."""
    person.ask(house.question(901))
    ((text, adapter),) = product.rows(LAST)
    return str(text), adapter
