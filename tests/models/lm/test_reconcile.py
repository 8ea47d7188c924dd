"""Registry and server in, plan out."""

from __future__ import annotations

from models.lm.reconcile import Wanted, plan

LIVE, PREVIOUS, CANDIDATE, OLD = (
    Wanted(name=f"refresh-000{n}", path=f"/a/refresh-000{n}", base="phi") for n in (7, 6, 8, 5)
)


def test_what_is_missing_is_loaded_and_what_is_unwanted_leaves() -> None:
    decided = plan(
        [LIVE, PREVIOUS], present={"refresh-0006": "phi", "refresh-0001": "phi"}, base="phi"
    )
    assert decided.unload == ("refresh-0001",)
    assert decided.load == (LIVE,)


def test_a_server_in_step_is_left_alone() -> None:
    assert plan([LIVE], present={"refresh-0007": "phi"}, base="phi").quiet


def test_the_most_important_come_first_when_there_is_not_room_for_all() -> None:
    decided = plan([LIVE, PREVIOUS, CANDIDATE, OLD], present={}, base="phi")
    assert decided.load == (LIVE, PREVIOUS, CANDIDATE)
    assert "refresh-0005" in decided.skipped[0]


def test_adapters_of_others_are_never_unloaded() -> None:
    assert plan([], present={"theirs": "phi"}, base="phi").unload == ()


def test_a_server_without_a_fitting_base_gets_nothing() -> None:
    assert plan([LIVE], present={}, base="extractive").load == ()
    assert plan([LIVE], present={}, base=None).load == ()
    assert "serves other" in plan([LIVE], present={}, base="other").skipped[0]
