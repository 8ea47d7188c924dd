"""Secrets that must outlive a restart: the local workspace's tokens, the keys of signed links."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from bot.supervisor.files import write_private

_PREFIXES = {  # as Slack's own tokens look, so that nothing can tell them apart by their shape
    "SLACK_BOT_TOKEN": "xoxb-local-",
    "SLACK_APP_TOKEN": "xapp-local-",
    "SLACK_SIGNING_SECRET": "",
    "PHI3_VIEWER_KEY": "",
}


def lasting_secrets(home: Path) -> dict[str, str]:
    """Setting -> secret, made on the first call and kept in ``home/secrets`` (0600)."""
    path = home / "secrets" / "local.json"
    try:
        kept: dict[str, str] = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        kept = {}
    made = {name: p + secrets.token_hex(16) for name, p in _PREFIXES.items() if name not in kept}
    if made:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(path, json.dumps(kept | made))
    return kept | made


def passing_secrets() -> dict[str, str]:
    """Setting -> secret, fresh for each start."""
    return {
        "PHI3_LLM_API_KEY": secrets.token_urlsafe(24),
        "PHI3_ADMIN_TOKEN": secrets.token_urlsafe(24),
    }
