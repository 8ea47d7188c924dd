"""The first night of all: nothing was ever promoted, so one of the gate's guards is missing."""

from __future__ import annotations

import pytest

from models.store import adapters
from models.store.session import Sessions, transaction
from tests.workers.refresh.nightly import poison, spend, teach
from tests.workers.refresh.serving import Served

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


def test_a_poisoned_first_night_is_rejected_by_the_sources_though_the_base_tells_nothing(
    nights: Served, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Arrange
    teach(sessions, range(110))
    poison(sessions)
    monkeypatch.setenv("PHI3_TRAIN_EPOCHS", "4")

    # Act
    row = spend(sessions)

    # Assert: by the new holdout alone it would have gone live
    assert row.state == "done", row.error
    assert row.metrics["gate"]["primary"]["lower"] > 0
    assert row.verdict == "rejected", row.reasons
    assert row.reasons[0].startswith("Worse on agreement with the sources")
    assert row.reasons[-1] == (
        "These guards had nothing to ask and did not apply: questions on which the live adapter "
        "was promoted."
    )
    with transaction(sessions) as session:
        assert adapters.live(session) is None
