"""The Socket Mode connection, and a watchdog for the day it falls silent."""

from __future__ import annotations

import logging
import threading
import time

from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk.errors import SlackApiError, SlackClientError

log = logging.getLogger(__name__)

LOOK_EVERY_S = 15.0
PING_S = 3.0  # after five pings that cannot be sent, or four unanswered, the library connects anew
SILENT_S = 600.0  # without one message, a fresh connection is cheaper than wondering


class Socket:
    """Connects, and connects anew where the library does not notice that it should."""

    def __init__(self, app: App, app_token: str, proxy: str | None) -> None:
        """``proxy``: the one that Slack is reached through."""
        self._handler = SocketModeHandler(app, app_token, proxy=proxy, ping_interval=PING_S)
        self._client = self._handler.client
        self._heard = time.monotonic()
        self._client.on_message_listeners.append(self._hear)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        """Connect in the background, trying until it works."""
        self._thread.start()

    def stop(self) -> None:
        """Close the connection; Slack sends what is not acknowledged to another one."""
        self._stop.set()
        self._client.auto_reconnect_enabled = False
        self._client.close()

    def connected(self) -> bool:
        """Whether events can come in now."""
        return self._client.is_connected()

    def _hear(self, message: str) -> None:
        self._heard = time.monotonic()

    def _watch(self) -> None:
        delay = 0.0
        while not self._stop.wait(delay):
            delay = LOOK_EVERY_S
            silent = time.monotonic() - self._heard
            if self._client.is_connected() and silent < SILENT_S:
                continue
            try:
                if self._client.wss_uri is None:
                    self._client.connect()
                else:
                    log.info("connecting to Slack anew after %.0f s of silence", silent)
                    self._client.connect_to_new_endpoint(force=True)
                self._heard = time.monotonic()
            except (SlackApiError, SlackClientError, OSError) as error:
                word = error.response.get("error") if isinstance(error, SlackApiError) else error
                log.warning("no connection to Slack yet: %s", word)
                self._client.wss_uri = None
                delay = 2.0
            except Exception:
                log.exception("connecting to Slack failed")
                self._client.wss_uri = None
                delay = 5.0
