"""kill -9 in the middle of work: after the restart everything finishes, once."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.person import Person, eventually, finished, words
from tests.support.product import Product

pytestmark = pytest.mark.e2e

SECTIONS = 400
THE_DOCUMENT = "SELECT id, state FROM documents WHERE title ILIKE 'logbook%'"
VECTORS = "SELECT count(*) FROM embeddings"  # committed batch by batch


@pytest.fixture
def ben(product: Product) -> Person:
    """An engineer."""
    return Person(product.workspace, "ben")


def test_the_ingest_worker_is_killed_in_the_middle_of_a_document(
    product: Product, ben: Person, tmp_path: Path
) -> None:
    # Arrange: a document of some hundred passages, each with a word of its own
    path = tmp_path / "logbook.md"
    path.write_text(
        "# Logbook\n\n"
        + "\n\n".join(
            f"## Entry {n}\n\nKeeper {n} noted marker{n:04d} at dawn. " + f"Wind and sea {n}. " * 40
            for n in range(SECTIONS)
        ),
        "utf-8",
    )
    dm = ben.dm()
    before = product.rows(VECTORS)
    ben.share(path, dm)

    def under_way() -> bool:
        ((_, state),) = product.rows(THE_DOCUMENT) or ((0, ""),)
        return state == "processing" and product.rows(VECTORS) > before

    eventually(under_way, what="the document being embedded")

    # Act
    old = product.kill("ingest")

    # Assert
    eventually(
        lambda: product.state["parts"]["ingest"]["pid"] not in (old, None),
        what="a new ingest worker",
    )

    def ended() -> bool:
        ring(product)  # as the minutely tick does, so that the test need not wait for it
        time.sleep(2)
        return bool(product.rows(THE_DOCUMENT)[0][1] == "ready")

    eventually(ended, what="the document being read after all", seconds=150)
    ben.said_in(dm, "I have read logbook.md")
    document = product.rows(THE_DOCUMENT)[0][0]
    (counted,) = product.rows(
        "SELECT count(*), count(DISTINCT position), count(DISTINCT hash) FROM chunks"
        " WHERE document_id = %s",
        document,
    )
    assert len(set(counted)) == 1, "a passage is there twice"
    marked = product.rows(
        "SELECT count(DISTINCT m[1]) FROM chunks, regexp_matches(text, 'marker\\d{4}', 'g') m"
        " WHERE document_id = %s",
        document,
    )
    assert marked == [(SECTIONS,)], "a section is missing"


def ring(product: Product) -> None:
    """Have the ingest worker look for documents whose worker is gone."""
    code = "from bot.tasks import send; send('ingest.sweep')"
    subprocess.run(
        [sys.executable, "-c", code],
        env={**product.environment, **product.services},
        check=True,
        timeout=30,
    )


def test_the_bot_is_killed_in_the_middle_of_answers(product: Product, ben: Person) -> None:
    # Arrange
    dm = ben.dm()
    asked = [ben.say(dm, f"How do I add my own documents, in {n} words?") for n in range(12)]

    def working() -> bool:
        return bool(product.rows("SELECT 1 FROM answers WHERE state = 'streaming'"))

    eventually(working, what="an answer being written", seconds=20)

    # Act
    product.kill("bot")

    # Assert
    for ts in asked:
        ben.answer(dm, ts, seconds=120)
    time.sleep(2)  # a second answer would come now
    for ts in asked:
        said = [message for message in ben.thread(dm, ts) if message.get("bot_id")]
        assert len(said) == 1, [words(message)[:80] for message in said]
        assert finished(said[0])
    open_events = product.rows("SELECT count(*) FROM events WHERE state IN ('pending', 'claimed')")
    assert open_events == [(0,)]
