"""Who may see what, as Slack's look-ups decide it: members of a channel, and nobody else."""

from __future__ import annotations

from typing import Any, cast

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from sqlalchemy import text

from bot.audience import NOBODY, Directory
from models.store.session import Sessions, transaction

pytestmark = pytest.mark.integration

PEOPLE: dict[str, dict[str, Any]] = {
    "U1": {"id": "U1", "name": "ada", "team_id": "T1"},
    "U2": {"id": "U2", "name": "ben", "team_id": "T1"},
    "U3": {"id": "U3", "name": "dev", "team_id": "T1", "is_restricted": True},
}
CHANNELS: dict[str, dict[str, Any]] = {
    "COPEN": {"id": "COPEN", "is_member": True},
    "CPRIV": {"id": "CPRIV", "is_private": True, "is_member": True},
    "CEXT": {"id": "CEXT", "is_ext_shared": True, "is_member": True},
}


class FakeSlack:
    """The look-ups that a directory makes."""

    def __init__(self) -> None:
        self.trouble: Exception | None = None
        self.members = {"COPEN": ["U1"], "CPRIV": ["U1"], "CEXT": ["U1"]}

    def users_info(self, *, user: str) -> dict[str, Any]:
        if self.trouble is not None:
            raise self.trouble
        return {"user": PEOPLE[user]}

    def conversations_info(self, *, channel: str) -> dict[str, Any]:
        return {"channel": CHANNELS[channel]}

    def conversations_members(self, *, channel: str, **_: object) -> dict[str, Any]:
        return {"members": list(self.members[channel])}


@pytest.fixture
def slack() -> FakeSlack:
    return FakeSlack()


@pytest.fixture
def directory(slack: FakeSlack, sessions: Sessions) -> Directory:
    return Directory(cast(WebClient, slack), sessions, "T1")


def test_a_private_or_shared_channel_shows_nothing_to_those_outside_of_it(
    directory: Directory,
) -> None:
    assert directory.audience("U1", "CPRIV").keys == {"workspace", "channel:CPRIV"}
    assert directory.audience("U2", "CPRIV") == NOBODY
    assert directory.audience("U1", "CEXT").keys == {"channel:CEXT"}
    assert directory.audience("U2", "CEXT") == NOBODY


def test_a_public_channel_is_open_to_members_of_the_workspace_and_not_to_guests(
    directory: Directory,
) -> None:
    assert directory.audience("U2", "COPEN").keys == {"workspace", "channel:COPEN"}
    assert directory.audience("U3", "COPEN") == NOBODY


def test_whoever_has_just_joined_is_seen(directory: Directory, slack: FakeSlack) -> None:
    assert directory.audience("U2", "CPRIV") == NOBODY
    slack.members["CPRIV"].append("U2")
    assert "channel:CPRIV" in directory.audience("U2", "CPRIV").keys


def test_a_change_of_role_counts_at_once(
    directory: Directory, slack: FakeSlack, monkeypatch: pytest.MonkeyPatch
) -> None:
    slack.members["COPEN"].append("U4")
    monkeypatch.setitem(PEOPLE, "U4", {"id": "U4", "name": "eve", "team_id": "T1"})
    assert "workspace" in directory.audience("U4", "COPEN").keys
    assert "workspace" in directory.audience("U1", "COPEN").keys
    directory.changed({**PEOPLE["U4"], "is_restricted": True})
    assert directory.audience("U4", "COPEN").keys == {"channel:COPEN"}
    assert directory.audience("U1", "COPEN").keys == {"channel:COPEN"}  # a guest listens now


def test_a_role_is_looked_up_again_within_minutes(
    directory: Directory, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PEOPLE, "U5", {"id": "U5", "name": "fay", "team_id": "T1"})
    assert not directory.person("U5").is_admin
    monkeypatch.setitem(PEOPLE, "U5", {**PEOPLE["U5"], "is_admin": True})
    assert not directory.person("U5").is_admin
    with transaction(sessions) as session:
        session.execute(text("UPDATE members SET refreshed_at = now() - interval '6 minutes'"))
    assert directory.person("U5").is_admin


def test_a_change_during_a_look_up_is_not_overwritten_by_it(
    directory: Directory, slack: FakeSlack, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = slack.conversations_members

    def interrupted(*, channel: str, **more: object) -> dict[str, Any]:
        said = members(channel=channel, **more)
        slack.members["CPRIV"].remove("U1")  # and Slack tells of it, before the answer is in
        directory.forget("CPRIV")
        return said

    monkeypatch.setattr(slack, "conversations_members", interrupted)
    directory.is_in("U1", "CPRIV")
    monkeypatch.setattr(slack, "conversations_members", members)
    assert not directory.is_in("U1", "CPRIV")


def test_what_is_kept_follows_the_channel_as_it_is_now(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert directory.place("COPEN").open_to_all
    monkeypatch.setitem(CHANNELS, "COPEN", {**CHANNELS["COPEN"], "is_private": True})
    assert not directory.place_now("COPEN").open_to_all


def refusal(**answer: Any) -> Exception:
    return SlackApiError("", answer)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    "trouble",
    [refusal(error="internal_error"), refusal(status=502, body="<html>"), TimeoutError()],
)
def test_a_slack_that_does_not_answer_is_not_an_empty_library(
    slack: FakeSlack, directory: Directory, trouble: Exception
) -> None:
    slack.trouble = trouble
    with pytest.raises(type(trouble)):
        directory.audience("U1", "COPEN")
    slack.trouble = None
    assert directory.audience("U1", "COPEN").keys == {"workspace", "channel:COPEN"}


def test_a_slack_that_says_no_shows_nothing(slack: FakeSlack, directory: Directory) -> None:
    slack.trouble = refusal(error="user_not_found")
    assert directory.audience("U1", "COPEN") == NOBODY
