"""Who may see what is said in a place. The decision is pure; the look-ups fail closed."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from sqlalchemy import text

from models.store import members
from models.store.audience import Audience
from models.store.members import Person
from models.store.session import Sessions, transaction

log = logging.getLogger(__name__)

NOBODY = Audience(frozenset())
CACHE_S = 60.0  # how long a channel's description and member list are believed
ROLES_S = 300  # how long an asker's own roles are believed, should Slack's word of a change be lost
PASSING = frozenset(
    {"fatal_error", "internal_error", "ratelimited", "request_timeout", "service_unavailable"}
)
MANY = 20  # unknown members from which the whole list of users is read instead of each

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Place:
    """A conversation as Slack describes it."""

    channel_id: str
    kind: Literal["public", "private", "group", "im"]
    shared: bool = False  # with another organisation, or about to be
    member: bool = True  # the bot is in it
    outsiders: bool = False  # a guest or a person of another organisation is in it
    name: str = ""
    person: str = ""  # the one whose direct message with the bot this is

    @property
    def open_to_all(self) -> bool:
        """Whether every full member of the workspace may read it."""
        return self.kind == "public" and not self.shared


def decide(person: Person | None, place: Place | None, joined: Iterable[str] = ()) -> Audience:
    """What an answer to ``person`` in ``place`` may use; nothing where either is unknown.

    ``joined``: ids of private and shared channels that the person is in; they count in a DM alone.
    """
    if person is None or place is None or person.deleted:
        return NOBODY
    outsider = person.is_guest or person.is_foreign
    if place.kind == "im":
        own = f"user:{person.user_id}"
        if outsider or place.shared:
            return Audience(frozenset({own}))
        return Audience(frozenset({"workspace", own, *(f"channel:{c}" for c in joined)}))
    own = f"channel:{place.channel_id}"
    if outsider or place.shared or place.outsiders:
        return Audience(frozenset({own}))
    return Audience(frozenset({"workspace", own}))


def document_audiences(user_id: str, place: Place) -> tuple[str, ...]:
    """The audiences of what somebody brings in ``place``, a document's row each.

    Where outsiders sit in a public channel, they see that channel's documents and no others. In a
    direct message it is for whoever has that conversation, also if the file was somebody else's.
    """
    if place.kind == "im":
        return (f"user:{place.person or user_id}",)
    own = f"channel:{place.channel_id}"
    if not place.open_to_all:
        return (own,)
    return ("workspace", own) if place.outsiders else ("workspace",)


def place_audience(user_id: str, place: Place | None) -> str:
    """Who may learn what was asked in a place; the asker alone where the place is unknown."""
    if place is None or place.kind == "im":
        return f"user:{user_id}"
    return "workspace" if place.open_to_all else f"channel:{place.channel_id}"


class Directory:
    """Looks people and channels up in Slack, and remembers them briefly."""

    def __init__(self, slack: WebClient, sessions: Sessions, team_id: str) -> None:
        """``team_id`` is the workspace's: people of any other are foreign."""
        self._slack = slack
        self._sessions = sessions
        self._team_id = team_id
        self._cache: dict[tuple[str, str], tuple[float, Any]] = {}
        self._changes = 0  # how often Slack told of one; a look-up under way then is out of date
        self._lock = threading.Lock()

    def audience(self, user_id: str, channel_id: str) -> Audience:
        """What an answer to this person in this channel may use; nothing if Slack says no.

        Raises Slack's errors where it does not answer: "I know nothing" would be untrue then.
        """
        try:
            person = self.person(user_id)
            place = self.place(channel_id)
            joined = self._joined(user_id) if place.kind == "im" else []
            if not self.reads(person, place):
                log.warning("no audience for %s in %s: not a member", user_id, channel_id)
                return NOBODY
        except SlackApiError as error:
            if passes(error):
                raise
            log.warning("no audience for %s in %s: %s", user_id, channel_id, reason(error))
            return NOBODY
        return decide(person, place, joined)

    def alone(self, user_id: str) -> Audience:
        """What a person may see when nobody else listens; nothing if a look-up fails."""
        try:
            person = self.person(user_id)
        except (SlackApiError, SlackClientError, OSError) as error:
            log.warning("no audience for %s: %s", user_id, reason(error))
            return NOBODY
        return decide(person, Place(channel_id="", kind="im"), self._joined(user_id))

    def person(self, user_id: str) -> Person:
        """A person, from Slack at most every five minutes. Raises Slack's errors."""
        with self._sessions() as session:
            known = members.fresh(session, user_id, max_age_s=ROLES_S)
        if known is not None:
            return known
        user: dict[str, Any] = self._slack.users_info(user=user_id)["user"]
        return self._keep([user])[0]

    def place(self, channel_id: str) -> Place:
        """A channel, its outsiders counted. Raises Slack's errors."""
        return self._cached("place", channel_id, lambda: self._place(channel_id))

    def place_now(self, channel_id: str) -> Place:
        """A channel as it is at this moment, for what is kept under its audience."""
        self.forget(channel_id)
        return self.place(channel_id)

    def reads(self, person: Person, place: Place) -> bool:
        """Whether Slack would show this place to the person at all. Raises Slack's errors.

        Events come from members, but the command line names any person and any channel.
        """
        if place.kind == "im":
            return True
        if place.open_to_all and not (person.is_guest or person.is_foreign):
            return True
        if self.is_in(person.user_id, place.channel_id):
            return True
        self.forget(place.channel_id)  # they may have joined a moment ago
        return self.is_in(person.user_id, place.channel_id)

    def is_in(self, user_id: str, channel_id: str) -> bool:
        """Whether a person is a member of a channel. Raises Slack's errors."""
        return user_id in self._members(channel_id)

    def forget(self, channel_id: str) -> None:
        """Somebody joined or left, or the channel changed: ask Slack again."""
        with self._lock:
            self._changes += 1
            for kind in ("place", "members"):
                self._cache.pop((kind, channel_id), None)

    def changed(self, user: dict[str, Any]) -> None:
        """Slack tells that a person changed: every channel may have lost or gained an outsider."""
        self._keep([user])
        with self._lock:
            self._changes += 1
            self._cache = {k: entry for k, entry in self._cache.items() if k[0] != "place"}

    def _place(self, channel_id: str) -> Place:
        channel: dict[str, Any] = self._slack.conversations_info(channel=channel_id)["channel"]
        kind: Literal["public", "private", "group", "im"] = "public"
        if channel.get("is_im"):
            kind = "im"
        elif channel.get("is_mpim"):
            kind = "group"
        elif channel.get("is_private") or channel.get("is_group"):
            kind = "private"
        shared = any(
            channel.get(flag)
            for flag in ("is_ext_shared", "is_pending_ext_shared", "is_org_shared", "is_shared")
        )
        return Place(
            channel_id=channel_id,
            kind=kind,
            shared=shared,
            member=kind == "im" or bool(channel.get("is_member", kind != "public")),
            outsiders=kind != "im" and not shared and self._has_outsiders(channel_id),
            name=str(channel.get("name") or ""),
            person=str(channel.get("user") or "") if kind == "im" else "",
        )

    def _has_outsiders(self, channel_id: str) -> bool:
        there = self._members(channel_id)
        with self._sessions() as session:
            known = {user: members.fresh(session, user) for user in there}
        unknown = [user for user, person in known.items() if person is None]
        people = [person for person in known.values() if person is not None]
        if len(unknown) > MANY:
            everybody = {person.user_id: person for person in self.everybody()}
            people += [everybody[user] for user in unknown if user in everybody]
            unknown = [user for user in unknown if user not in everybody]
        people += [self.person(user) for user in unknown]
        return any(person.is_guest or person.is_foreign for person in people)

    def everybody(self) -> list[Person]:
        """Every person of the workspace, from Slack. Raises Slack's errors."""
        users = self._pages("users_list", "members", limit=200)
        return self._keep([user for user in users if user.get("id")])

    def admins(self) -> list[str]:
        """Ids of the workspace's admins and owners. Raises Slack's errors.

        The whole list is read once a day; in between, Slack tells of everybody who changes.
        """
        self._cached("everybody", "", lambda: bool(self.everybody()), for_s=86_400.0)
        with self._sessions() as session:
            return members.known_admins(session)

    def _members(self, channel_id: str) -> frozenset[str]:
        return self._cached(
            "members",
            channel_id,
            lambda: frozenset(
                self._pages("conversations_members", "members", channel=channel_id, limit=500)
            ),
        )

    def _joined(self, user_id: str) -> list[str]:
        """Private and shared channels of a person which hold documents or pairs at all."""
        with self._sessions() as session:
            holding = session.execute(
                text(
                    """
                    SELECT DISTINCT substr(audience, 9) AS channel FROM documents
                    WHERE audience LIKE 'channel:%' AND state <> 'deleted'
                    UNION
                    SELECT DISTINCT substr(audience, 9) FROM pairs
                    WHERE audience LIKE 'channel:%' AND state IN ('proposed', 'approved', 'stale')
                    """
                )
            ).scalars()
            channels = list(holding)
        return [channel for channel in channels if self._surely_in(user_id, channel)]

    def _surely_in(self, user_id: str, channel_id: str) -> bool:
        try:
            return self.is_in(user_id, channel_id)
        except (SlackApiError, SlackClientError, OSError) as error:
            log.info("leaving %s out for %s: %s", channel_id, user_id, reason(error))
            return False

    def _keep(self, users: list[dict[str, Any]]) -> list[Person]:
        people = [describe(user, self._team_id) for user in users]
        with transaction(self._sessions) as session:
            for person in people:
                members.put(session, person)
        return people

    def _pages(self, method: str, key: str, **arguments: Any) -> list[Any]:
        found: list[Any] = []
        cursor = ""
        while True:
            page = getattr(self._slack, method)(**arguments, cursor=cursor or None)
            found.extend(page.get(key) or [])
            cursor = (page.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                return found

    def _cached(
        self, kind: str, key: str, look_up: Callable[[], T], *, for_s: float = CACHE_S
    ) -> T:
        now = time.monotonic()
        with self._lock:
            held = self._cache.get((kind, key))
            changes = self._changes
        if held is not None and held[0] > now:
            value: T = held[1]
            return value
        value = look_up()
        with self._lock:
            if changes != self._changes:
                return value
            self._cache[kind, key] = (now + for_s, value)
            if len(self._cache) > 2_000:
                self._cache = {k: entry for k, entry in self._cache.items() if entry[0] > now}
        return value


def describe(user: dict[str, Any], team_id: str) -> Person:
    """A user object of Slack's, reduced to what matters here."""
    profile = user.get("profile") or {}
    home = user.get("team_id") or (user.get("enterprise_user") or {}).get("team_id") or team_id
    return Person(
        user_id=str(user["id"]),
        team_id=str(home),
        name=str(user.get("name") or profile.get("display_name") or user["id"]),
        real_name=user.get("real_name") or profile.get("real_name") or None,
        is_admin=bool(user.get("is_admin") or user.get("is_owner") or user.get("is_primary_owner")),
        is_guest=bool(user.get("is_restricted") or user.get("is_ultra_restricted")),
        is_foreign=bool(user.get("is_stranger")) or home != team_id,
        deleted=bool(user.get("deleted")),
    )


def passes(error: SlackApiError) -> bool:
    """Whether Slack has trouble of its own, so that it may answer soon."""
    status = getattr(error.response, "status_code", None) or error.response.get("status") or 0
    return int(status) == 429 or int(status) >= 500 or reason(error) in PASSING


def reason(error: Exception) -> str:
    """Slack's own word for what went wrong, fit for the log."""
    if isinstance(error, SlackApiError):
        return str(error.response.get("error") or "error")
    return type(error).__name__
