"""What a first user asks about one small file is answered, and what no file says is refused."""

from __future__ import annotations

import pytest

from benchmarks.evidence import judge, refused, situations
from benchmarks.retrieval import Encoder
from models.store.session import Sessions

pytestmark = pytest.mark.integration


def test_first_questions(sessions: Sessions) -> None:
    verdicts = judge(sessions, Encoder(), [], situations())
    wrong = [verdict for verdict in verdicts if verdict.accepted != verdict.answerable]
    assert len(verdicts) > 150
    assert refused(verdicts, answerable=True) <= 0.05, wrong
    assert refused(verdicts, answerable=False) >= 0.9, wrong
    assert "When does the ferry leave?" not in {each.question for each in wrong}
