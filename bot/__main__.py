"""``python -m bot``: settings → dependencies → Socket Mode or HTTP."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from urllib.parse import urlsplit

from pydantic import ValidationError
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.http_retry.builtin_handlers import RateLimitErrorRetryHandler

from bot.app import create_app, handlers
from bot.audience import Directory
from bot.bell import Bell
from bot.deps import Deps, Identity
from bot.files.download import Downloader
from bot.inbox import Pool
from bot.links import Links, link_secret
from bot.outbox import Poster
from bot.pace import Pace
from bot.proxies import settle_proxy
from bot.reader import Reader
from bot.server import Health, ServerThread, create_server
from bot.settings import Bot, Slack
from bot.socket_mode import Socket
from bot.viewer import Viewer
from models.settings import Database, EmbeddingService, LanguageModel, Learning
from models.store import events, outbox
from models.store.session import open_engine, open_sessions

log = logging.getLogger("bot")


def main() -> int:
    """Run until SIGTERM or Ctrl-C; what is being answered is given a few seconds to finish."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    for chatty in ("slack_bolt", "slack_sdk", "httpx"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        slack, bot, database = Slack(), Bot(), Database()
    except ValidationError as error:
        names = ", ".join(str(problem["loc"][0]) for problem in error.errors())
        sys.stderr.write(f"The bot cannot start: set {names}.\n")
        return 2
    if slack.app_token is None and slack.signing_secret is None:
        sys.stderr.write(
            "The bot cannot start: set SLACK_APP_TOKEN (Socket Mode) or SLACK_SIGNING_SECRET.\n"
        )
        return 2
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    proxy = settle_proxy(slack.base_url, os.environ)
    url = database.url.get_secret_value()
    engine = open_engine(url, pool_size=bot.threads * 2 + 14)
    client = WebClient(
        slack.bot_token.get_secret_value(),
        base_url=slack.base_url,
        proxy=proxy,
        timeout=30,
        # Only 429 is retried here: a post whose answer was lost must be looked for, not repeated.
        retry_handlers=[RateLimitErrorRetryHandler(max_retry_count=3)],
    )
    me = _identity(client, stop)
    if me is None:
        return 0 if stop.is_set() else 1
    sessions = open_sessions(engine)
    token = slack.bot_token.get_secret_value()
    deps = Deps(
        sessions=sessions,
        slack=client,
        me=me,
        reader=Reader(sessions, LanguageModel(), EmbeddingService()),
        directory=Directory(client, sessions, me.team_id),
        downloader=Downloader(token, slack.base_url, proxy),
        links=Links(bot.base_url, link_secret(token)),
        pace=Pace(),
        admins=Learning().admin_ids(),
    )
    _run(deps, slack, bot, url, proxy, stop)
    engine.dispose()
    return 0


def _identity(client: WebClient, stop: threading.Event) -> Identity | None:
    """Who we are, asked until Slack can be reached; none if the token is refused, or at the end."""
    while not stop.is_set():
        try:
            said = client.auth_test()
            return Identity(
                team_id=str(said["team_id"]),
                user_id=str(said["user_id"]),
                bot_id=str(said.get("bot_id") or ""),
                url=str(said.get("url") or ""),
            )
        except SlackApiError as error:
            word = error.response.get("error")
            if word in ("invalid_auth", "not_authed", "account_inactive", "token_revoked"):
                log.error("Slack refuses SLACK_BOT_TOKEN: %s", word)
                return None
            log.warning("Slack does not say who we are yet: %s", word)
        except (SlackClientError, OSError) as error:
            log.warning("Slack cannot be reached yet: %s", error)
        stop.wait(1.0)
    return None


def _run(
    deps: Deps, slack: Slack, bot: Bot, url: str, proxy: str | None, stop: threading.Event
) -> None:
    secret = slack.signing_secret.get_secret_value() if slack.signing_secret else None
    app = create_app(deps, signing_secret=secret)
    bell = Bell(url, (events.CHANNEL, outbox.CHANNEL))
    pool = Pool(deps, handlers(), bell, threads=bot.threads)
    poster = Poster(deps, bell)
    socket = Socket(app, slack.app_token.get_secret_value(), proxy) if slack.app_token else None

    def health() -> Health:
        if socket is None:
            return Health("ok", "http")
        up = socket.connected()
        return Health("ok" if up else "degraded", "connected" if up else "connecting")

    hosts = frozenset({(urlsplit(bot.base_url).hostname or "").lower()})
    server = ServerThread(
        create_server(
            Viewer(deps.sessions, deps.links), health, slack=None if socket else app, hosts=hosts
        ),
        host=bot.host,
        port=bot.port,
    )
    server.start()
    bell.start()
    pool.start()
    poster.start()
    if socket is not None:
        socket.start()
    log.info("answering as %s", deps.me.user_id)
    stop.wait()
    # The connection takes seconds to close; meanwhile the threads finish what they hold.
    closing = threading.Thread(target=socket.stop if socket else bell.stop, daemon=True)
    closing.start()
    pool.stop(wait_s=5.0)
    poster.stop(wait_s=1.0)
    bell.stop()
    server.stop()
    closing.join(timeout=1.0)


if __name__ == "__main__":
    sys.exit(main())
