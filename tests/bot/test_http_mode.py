"""Events over HTTP: signed ones are kept, others are refused."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator

import httpx
import pytest
from slack_sdk.signature import SignatureVerifier

from tests.bot.house import House, Part, wait_for_http

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def url(house: House) -> Iterator[str]:
    """A second replica of the bot which hears of events over HTTP."""
    port = int(house.environment["PHI3_PORT"]) + 6
    environment = {
        **{name: v for name, v in house.environment.items() if name != "SLACK_APP_TOKEN"},
        "PHI3_BOT_PORT": str(port),
    }
    bot = Part("bot-http", [sys.executable, "-m", "bot"], environment, house.home)
    bot.start()
    wait_for_http(f"http://127.0.0.1:{port}/health", bot)
    yield f"http://127.0.0.1:{port}/slack/events"
    bot.stop()


def _send(
    house: House, url: str, body: dict[str, object], *, age_s: int = 0, secret: str = ""
) -> httpx.Response:
    raw = json.dumps(body)
    stamp = str(int(time.time()) - age_s)
    signer = SignatureVerifier(secret or house.environment["SLACK_SIGNING_SECRET"])
    signature = signer.generate_signature(timestamp=stamp, body=raw) or ""
    return httpx.post(
        url,
        content=raw,
        headers={
            "Content-Type": "application/json",
            "X-Slack-Request-Timestamp": stamp,
            "X-Slack-Signature": signature,
        },
        trust_env=False,
        timeout=10,
    )


def test_slack_may_verify_the_address(house: House, url: str) -> None:
    body: dict[str, object] = {"type": "url_verification", "challenge": "abc"}
    assert "abc" in _send(house, url, body).text


def test_forged_and_stale_requests_are_refused(house: House, url: str) -> None:
    body: dict[str, object] = {"type": "url_verification", "challenge": "abc"}
    assert _send(house, url, body, secret="0" * 32).status_code == 401
    assert _send(house, url, body, age_s=600).status_code == 401


def test_an_event_told_twice_is_answered_once(house: House, url: str) -> None:
    ben = house.person("ben")
    channel = ben.direct()
    ts = ben.post(channel, "What colour is the lighthouse door?")
    event: dict[str, object] = {
        "type": "event_callback",
        "team_id": "T0HARBOR001",
        "api_app_id": "A0PHI3EXP01",
        "event_id": "Ev0TWICE",
        "event": {
            "type": "message",
            "channel_type": "im",
            "channel": channel,
            "user": ben.id,
            "text": "What colour is the lighthouse door?",
            "ts": ts,
        },
    }
    for _ in range(3):
        assert _send(house, url, event).status_code == 200
    ben.answer(channel, ts)
    time.sleep(1.0)
    assert len(ben.thread(channel, ts)) == 1
