"""Whether Slack takes our tokens. Asks the API that the settings name, and changes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.resources import files

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.proxies import proxy_for

Said = tuple[str, str, str]  # level, what, remedy


def look(
    bot_token: str, app_token: str | None, signing_secret: str | None, api_url: str
) -> Iterator[Said]:
    """Check the bot token and its scopes, then how events will come."""
    base_url = api_url.rstrip("/") + "/"
    client = WebClient(
        token=bot_token, base_url=base_url, timeout=10, proxy=proxy_for(base_url, os.environ)
    )
    try:
        told = client.auth_test()
    except SlackApiError as error:
        reason = error.response.get("error", "refused")
        yield "broken", f"the bot token is refused: {reason}", "reinstall the app, copy its token"
        return
    except (SlackClientError, OSError):
        yield "broken", f"{base_url} does not answer", "check the network and SLACK_API_URL"
        return
    yield "ok", f"{told.get('user')} in {told.get('team')}", ""
    granted = {
        scope.strip()
        for name, value in told.headers.items()
        if name.lower() == "x-oauth-scopes"
        for scope in str(value).split(",")
    }
    missing = sorted(wanted_scopes() - granted) if granted else []
    if missing:
        yield "broken", f"scopes missing: {', '.join(missing)}", "update the app from its manifest"
    if app_token:
        try:
            client.apps_connections_open(app_token=app_token)
            yield "ok", "Socket Mode", ""
        except SlackApiError as error:
            reason = error.response.get("error", "refused")
            yield "broken", f"the app token is refused: {reason}", "make one with connections:write"
    elif signing_secret:
        yield "ok", "events over HTTP", ""
    else:
        yield "broken", "no way for events to come", "set SLACK_APP_TOKEN or SLACK_SIGNING_SECRET"


def wanted_scopes() -> set[str]:
    """The bot scopes that ``bot/manifest.yaml`` asks for; none where it was not installed."""
    manifest = files("bot").joinpath("manifest.yaml")
    lines = manifest.read_text("utf-8").splitlines() if manifest.is_file() else []
    start = next((i for i, line in enumerate(lines) if line.strip() == "bot:"), len(lines))
    scopes = set()
    for line in lines[start + 1 :]:
        if not line.strip().startswith("- "):
            break
        scopes.add(line.partition("#")[0].strip().removeprefix("- ").strip())
    return scopes
