"""What other people run for us, asked once before anything starts: one sentence where it refuses.

A sentence names the setting and never its value, which may hold a password.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bot.supervisor.probe import database, queue

REFUSED = frozenset({"invalid_auth", "not_authed", "account_inactive", "token_revoked"})
REFUSED |= frozenset({"token_expired", "not_allowed_token_type"})
SLACK = "https://slack.com/api/"


def complaint(given: Mapping[str, str]) -> str | None:
    """Why nothing should be started; none where everything that was named answers."""
    if given.get("DATABASE_URL") and database(given["DATABASE_URL"], timeout_s=5) is None:
        return (
            "DATABASE_URL names a database that takes no connection from here; "
            "without that setting, phi3 up starts one of its own"
        )
    if given.get("REDIS_URL") and queue(given["REDIS_URL"]) is None:
        return (
            "REDIS_URL names a Redis that does not answer; "
            "without that setting, phi3 up starts one of its own"
        )
    return None


@dataclass(frozen=True)
class Trouble:
    """What stands between us and Slack."""

    sentence: str
    passes: bool  # perhaps by itself; else only another token helps


def slack(given: Mapping[str, str]) -> Trouble | None:
    """Ask Slack whose token it is; none where it says so, or where no token is given."""
    if not given.get("SLACK_BOT_TOKEN"):
        return None
    from slack_sdk import WebClient
    from slack_sdk.errors import SlackApiError, SlackClientError

    from bot.proxies import proxy_for

    base_url = (given.get("SLACK_API_URL") or SLACK).rstrip("/") + "/"
    client = WebClient(
        given["SLACK_BOT_TOKEN"], base_url=base_url, timeout=5, proxy=proxy_for(base_url, given)
    )
    try:
        client.auth_test()
    except SlackApiError as error:
        word = str(error.response.get("error") or "error")
        if word in REFUSED:
            words = f"Slack refuses SLACK_BOT_TOKEN ({word}): copy it anew from the app's page"
            return Trouble(words, passes=False)
        return Trouble(f"Slack does not answer for SLACK_BOT_TOKEN yet ({word})", passes=True)
    except (SlackClientError, OSError):
        return Trouble("Slack cannot be reached yet", passes=True)
    return None
