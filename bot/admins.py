"""Who may change what concerns everybody: Slack's admins and owners, and PHI3_ADMINS."""

from __future__ import annotations

import logging

from slack_sdk.errors import SlackApiError

from bot.audience import reason
from bot.deps import Deps

log = logging.getLogger(__name__)


def is_admin(deps: Deps, user_id: str) -> bool:
    """Whether a person is an admin; a look-up that fails says no."""
    if user_id in deps.admins:
        return True
    try:
        person = deps.directory.person(user_id)
    except SlackApiError as error:
        log.warning("%s counts as no admin: %s", user_id, reason(error))
        return False
    return person.is_admin and not person.is_foreign and not person.deleted


def admin_ids(deps: Deps) -> list[str]:
    """Everybody who is told what admins should know: PHI3_ADMINS, else Slack's own."""
    if deps.admins:
        return sorted(deps.admins)
    return deps.directory.admins()
