"""The workspace in one hand: its rows, its pages and the app's events."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr

from bot.workspace.database import Database, Json, dump
from bot.workspace.files import Files
from bot.workspace.hub import Hub
from bot.workspace.interim import Interim
from bot.workspace.limits import Limits
from bot.workspace.messages import Messages
from bot.workspace.people import People, is_partner, new_id
from bot.workspace.seed import APP, BOT_USER, TEAM, TEAM_DOMAIN, TEAM_NAME, seed
from bot.workspace.settings import WorkspaceSettings


class Workspace:
    """Used from the event loop's thread alone, so that a transaction is never interleaved."""

    def __init__(self, folder: Path, url: str, settings: WorkspaceSettings) -> None:
        self.url = url  # of this server, without a slash at the end
        # Browsers send cookies to every port of a host: another workspace's must not be ours.
        self.cookie = f"workspace-{url.rpartition(':')[2]}"
        self.settings = settings
        self.db = Database(folder / "workspace.sqlite3")
        seed(self.db)
        self.people = People(self.db)
        self.messages = Messages(self.db)
        self.files = Files(self.db, folder / "files", url)
        self.interim = Interim(self.db)
        self.hub = Hub()
        self.limits = Limits(enforce=settings.rate_limit)
        self.scopes = settings.scopes()
        self.wake: Callable[[], None] = lambda: None  # set by the delivery of events
        self.statuses: dict[
            tuple[str, str], Json
        ] = {}  # (channel, thread) -> what the bot is doing
        self._news: list[tuple[str, Json]] = []
        self.bot_token = self._secret("bot_token", settings.bot_token, "xoxb-local-")
        self.app_token = self._secret("app_token", settings.app_token, "xapp-local-")
        self.signing_secret = self._secret("signing_secret", settings.signing_secret, "")
        self.control_token = secrets.token_urlsafe(24)

    def _secret(self, name: str, given: SecretStr | None, prefix: str) -> str:
        if given is not None and given.get_secret_value():
            return given.get_secret_value()
        known = self.db.meta(name)
        if known is None:
            known = prefix + secrets.token_hex(20)
            self.db.set_meta(name, known)
        return known

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Rows change together; pages and the app hear of it once they have changed."""
        try:
            with self.db.transaction():
                yield
        except BaseException:
            self._news.clear()
            raise
        news, self._news = self._news, []
        for user, item in news:
            self.hub.tell(user, item)
        self.wake()

    def tell(self, user: str, item: Json) -> None:
        """News for a person's pages, sent when the transaction is committed."""
        self._news.append((user, item))

    def tell_members(self, channel: str, item: Json) -> None:
        """News for everyone in a conversation."""
        for user in self.people.members(channel):
            self.tell(user, item | {"channel": channel})

    def emit(self, event: Json, *, channel: str | None = None) -> None:
        """An event for the app, if its bot is in the channel; stored with its cause."""
        if channel is not None and not self.people.is_member(channel, BOT_USER):
            return
        event = {"event_ts": self.messages.next_ts()} | event
        payload = {
            "token": "local",
            "team_id": TEAM,
            "context_team_id": TEAM,
            "context_enterprise_id": None,
            "api_app_id": APP,
            "event": event,
            "type": "event_callback",
            "event_id": new_id("Ev"),
            "event_time": int(time.time()),
            "authorizations": [
                {
                    "enterprise_id": None,
                    "team_id": TEAM,
                    "user_id": BOT_USER,
                    "is_bot": True,
                    "is_enterprise_install": False,
                }
            ],
            "is_ext_shared_channel": channel is not None and self.people.is_shared(channel),
            "event_context": f"4-{secrets.token_hex(20)}",
        }
        now = time.time()
        self.db.run(
            "INSERT INTO deliveries (body, created, due) VALUES (?, ?, ?)", dump(payload), now, now
        )

    def file(self, file: str, channel: str | None = None) -> Json | None:
        """A file's object; in a shared channel a partner's file shows only that it is there."""
        kinds = {place: self.people.kind(place) for place, _ in self.files.shares(file)}
        found = self.files.object(file, kinds)
        if found and channel and self.people.is_shared(channel):
            owner = self.people.user(found["user"])
            if is_partner(owner):
                return {
                    "id": file,
                    "created": 0,
                    "timestamp": 0,
                    "user": "",
                    "mode": "file_access",
                    "file_access": "check_file_info",
                }
        return found

    def permalink(self, channel: str, ts: str, thread: str | None = None) -> str:
        """A message's address."""
        link = f"{self.url}/archives/{channel}/p{ts.replace('.', '')}"
        return f"{link}?thread_ts={thread}&cid={channel}" if thread and thread != ts else link

    @property
    def team(self) -> Json:
        """The workspace as ``team.info`` shows it."""
        return {
            "id": TEAM,
            "name": TEAM_NAME,
            "url": f"{self.url}/",
            "domain": TEAM_DOMAIN,
            "email_domain": f"{TEAM_DOMAIN}.example",
            "icon": {"image_default": True},
        }

    def close(self) -> None:
        """Let go of pages and rows."""
        self.hub.close_all()
        self.db.close()
