"""The people and channels of a fresh workspace."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from bot.workspace.database import Database, Json, dump

TEAM = "T0HARBOR001"
TEAM_NAME = "Harbor & Pine"
TEAM_DOMAIN = "harbor-pine"
PARTNER_TEAM = "T0LAKESIDE1"
APP = "A0PHI3EXP01"
BOT = "B0PHI3EXP01"
BOT_USER = "U0PHI3EXP01"
BOT_NAME = "phi3"
COMMAND = "/phi3"  # the one that bot/manifest.yaml registers


@dataclass(frozen=True, kw_only=True)
class _Person:
    id: str
    name: str
    real_name: str
    title: str
    color: str
    admin: bool = False
    guest: bool = False
    partner: bool = False
    bot: bool = False


_PEOPLE = (
    _Person(
        id="U0ADAPARK01",
        name="ada",
        real_name="Ada Park",
        title="Head of Operations",
        color="7a5cff",
        admin=True,
    ),
    _Person(id="U0BENOKAF01", name="ben", real_name="Ben Okafor", title="Engineer", color="0f8a6d"),
    _Person(
        id="U0CHLOEMA01",
        name="chloe",
        real_name="Chloé Martin",
        title="People Partner",
        color="c2427f",
    ),
    _Person(
        id="U0DEVPATE01",
        name="dev",
        real_name="Dev Patel",
        title="Contractor",
        color="b26a00",
        guest=True,
    ),
    _Person(
        id="U0ELINBER01",
        name="elin",
        real_name="Elin Berg",
        title="Lakeside Labs",
        color="2f6fd0",
        partner=True,
    ),
    _Person(
        id=BOT_USER,
        name=BOT_NAME,
        real_name="Phi-3 Expert",
        title="Answers from your documents",
        color="3d4451",
        bot=True,
    ),
)

ADA, BEN, CHLOE, DEV, ELIN = (person.id for person in _PEOPLE[:5])

# id, name, topic, private, shared with another organisation, members
_CHANNELS: tuple[tuple[str, str, str, bool, bool, tuple[str, ...]], ...] = (
    ("C0GENERAL01", "general", "For all of us", False, False, (ADA, BEN, CHLOE, BOT_USER)),
    ("C0RANDOM001", "random", "Everything else", False, False, (ADA, BEN, CHLOE)),
    ("C0ENGINEER1", "engineering", "Building things", False, False, (ADA, BEN, BOT_USER)),
    ("C0ONBOARD01", "onboarding", "First weeks", False, False, (ADA, CHLOE, DEV, BOT_USER)),
    ("C0PEOPLE001", "people-team", "Confidential", True, False, (ADA, CHLOE, BOT_USER)),
    ("C0LAKESIDE1", "with-lakeside", "Lakeside Labs", False, True, (ADA, BEN, ELIN, BOT_USER)),
)


def _user(person: _Person, created: int) -> Json:
    team = PARTNER_TEAM if person.partner else TEAM
    domain = "lakeside" if person.partner else TEAM_DOMAIN
    return {
        "id": person.id,
        "team_id": team,
        "name": person.name,
        "deleted": False,
        "color": person.color,
        "real_name": person.real_name,
        "tz": "Europe/Amsterdam",
        "tz_label": "Central European Time",
        "tz_offset": 3600,
        "profile": {
            "title": person.title,
            "phone": "",
            "skype": "",
            "real_name": person.real_name,
            "real_name_normalized": person.real_name,
            "display_name": "" if person.bot else person.name,
            "display_name_normalized": "" if person.bot else person.name,
            "status_text": "",
            "status_emoji": "",
            "first_name": person.real_name.split(" ")[0],
            "last_name": person.real_name.split(" ")[-1],
            "team": team,
            **(
                {"bot_id": BOT, "api_app_id": APP, "always_active": True}
                if person.bot
                else {"email": f"{person.name}@{domain}.example"}
            ),
        },
        "is_admin": person.admin,
        "is_owner": person.admin,
        "is_primary_owner": person.admin,
        "is_restricted": person.guest,
        "is_ultra_restricted": person.guest,
        "is_bot": person.bot,
        "is_app_user": False,
        "is_email_confirmed": not person.bot,
        "who_can_share_contact_card": "EVERYONE",
        "updated": created,
        **({"is_stranger": True} if person.partner else {}),
    }


def channel_body(
    channel: str,
    name: str,
    *,
    kind: str,
    creator: str,
    created: int,
    topic: str = "",
    shared: bool = False,
) -> Json:
    """A conversation as Slack's objects have it, without what depends on the viewer.

    ``kind``: ``channel`` (public), ``group`` (private), ``mpim`` or ``im``.
    """
    private = kind != "channel"
    body: Json = {
        "id": channel,
        "created": created,
        "is_archived": False,
        "is_im": kind == "im",
        "is_org_shared": False,
        "context_team_id": TEAM,
        "updated": created * 1000,
        "priority": 0,
    }
    if kind == "im":
        return body
    return body | {
        "name": name,
        "name_normalized": name,
        "is_channel": kind == "channel",
        "is_group": kind == "group",
        "is_mpim": kind == "mpim",
        "is_private": private,
        "is_general": name == "general",
        "unlinked": 0,
        "is_shared": shared,
        "is_ext_shared": shared,
        "is_pending_ext_shared": False,
        "pending_shared": [],
        "parent_conversation": None,
        "creator": creator,
        "shared_team_ids": [TEAM, PARTNER_TEAM] if shared else [TEAM],
        "pending_connected_team_ids": [],
        "connected_team_ids": [PARTNER_TEAM] if shared else [],
        "internal_team_ids": [TEAM],
        "topic": {"value": topic, "creator": creator, "last_set": created},
        "purpose": {"value": topic, "creator": creator, "last_set": created},
        "previous_names": [],
    }


def seed(db: Database) -> None:
    """Fill an empty database; a filled one keeps what it has."""
    if db.meta("seeded"):
        return
    created = int(time.time())
    with db.transaction():
        for person in _PEOPLE:
            token = "" if person.bot else f"xoxp-local-{secrets.token_hex(20)}"
            db.run(
                "INSERT INTO users VALUES (?, ?, ?)", person.id, token, dump(_user(person, created))
            )
        for channel, name, topic, private, shared, members in _CHANNELS:
            kind = "group" if private else "channel"
            body = channel_body(
                channel, name, kind=kind, creator=ADA, created=created, topic=topic, shared=shared
            )
            db.run("INSERT INTO channels VALUES (?, ?, ?)", channel, kind, dump(body))
            for member in members:
                db.run("INSERT INTO members (channel, user) VALUES (?, ?)", channel, member)
        db.set_meta("seeded", "1")
