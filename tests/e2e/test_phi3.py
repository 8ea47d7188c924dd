"""Phi-3's own architecture behind the whole path: a tiny model in place of the large one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.person import Person, words
from tests.support.product import running
from tests.support.tiny_phi3 import make_tiny_phi3

pytestmark = pytest.mark.e2e


def test_an_answer_comes_out_of_phi3_through_the_whole_path(tmp_path: Path) -> None:
    model = make_tiny_phi3(tmp_path / "tiny-phi3", positions=8192)

    with running(PHI3_MODEL=str(model)) as product:
        status = json.loads(product.phi3("status", "--json").stdout)
        answer = Person(product.workspace, "ben").ask("How do I add my own documents?")
        ((generator, text),) = product.rows(
            "SELECT generator, text FROM answers WHERE state = 'done' ORDER BY id DESC LIMIT 1"
        )

    assert {part["state"] for part in status["parts"]} == {"ready"}
    assert "tiny-phi3" in generator
    assert text.strip()
    assert "tiny-phi3" in words(answer)
