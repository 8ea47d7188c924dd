"""Trouble on demand, for tests; each call carries ``workspace.json``'s ``control_token`` as Bearer.

``POST /_control/fail``        ``{"method", "times": 1, "status": 429, "retry_after": 1}``;
                               ``*`` is any method; status 200 with ``"error"`` answers
                               ok:false, status 0 with ``"delay"`` answers late
``POST /_control/clear``       forget planned failures, give the bot all its scopes back
``POST /_control/disconnect``  ``{"reason": "refresh_requested"}`` to every Socket Mode connection
``POST /_control/scopes``      ``{"without": ["files:read"]}`` takes scopes from the bot
``POST /_control/person``      ``{"user", "is_admin": false, "is_restricted": true}`` changes roles
``POST /_control/channel``     ``{"channel", "is_private": true}`` converts a channel
``POST /_control/deliveries``  what the app has not acknowledged yet: ``{"waiting": n}``
"""

from __future__ import annotations

import hmac

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bot.workspace.core import Workspace
from bot.workspace.database import Json
from bot.workspace.limits import Failure
from bot.workspace.posting import post
from bot.workspace.transport import SocketMode
from bot.workspace.web_api.call import SlackError
from bot.workspace.web_api.dispatch import arguments_of, bearer

ROLES = ("is_admin", "is_owner", "is_restricted", "is_ultra_restricted", "deleted")


class Control:
    """Serves ``/_control/*``."""

    def __init__(self, w: Workspace, socket_mode: SocketMode | None) -> None:
        self._w = w
        self._socket_mode = socket_mode

    async def serve(self, request: Request) -> Response:
        """One order."""
        if not hmac.compare_digest(bearer(request).encode(), self._w.control_token.encode()):
            return JSONResponse({"ok": False, "error": "invalid_auth"}, status_code=403)
        try:
            order = await arguments_of(request)
        except SlackError as refused:
            return JSONResponse({"ok": False, "error": refused.error}, status_code=400)
        answer: dict[str, object] = {"ok": True}
        match request.path_params["order"]:
            case "fail":
                self._w.limits.plan(
                    Failure(
                        method=str(order.get("method", "*")),
                        times=int(order.get("times", 1)),
                        status=int(order.get("status", 429)),
                        retry_after=int(order.get("retry_after", 1)),
                        error=str(order.get("error", "internal_error")),
                        delay=float(order.get("delay", 0)),
                    )
                )
            case "clear":
                self._w.limits.clear()
                self._w.scopes = self._w.settings.scopes()
            case "scopes":
                self._w.scopes = self._w.settings.scopes() - frozenset(order.get("without", []))
            case "disconnect" if self._socket_mode is not None:
                reason = str(order.get("reason", "refresh_requested"))
                answer["connections"] = await self._socket_mode.disconnect(reason)
            case "person":
                roles = {name: bool(order[name]) for name in ROLES if name in order}
                if not self._person(str(order.get("user") or ""), roles):
                    answer = {"ok": False, "error": "user_not_found"}
            case "channel":
                private = bool(order.get("is_private", True))
                if not self._channel(str(order.get("channel") or ""), private=private):
                    answer = {"ok": False, "error": "channel_not_found"}
            case "deliveries":
                found = self._w.db.row("SELECT count(*) FROM deliveries")
                answer["waiting"] = found[0] if found else 0
            case _:
                return JSONResponse({"ok": False, "error": "unknown_order"}, status_code=404)
        return JSONResponse(answer)

    def _channel(self, channel: str, *, private: bool) -> bool:
        """Convert a channel and say so in it, as Slack does; false where there is none."""
        with self._w.transaction():
            body = self._w.people.convert(channel, private=private)
            if body is not None:
                subtype = f"channel_convert_to_{'private' if private else 'public'}"
                post(self._w, channel, body["creator"], {"subtype": subtype, "text": ""})
        return body is not None

    def _person(self, user: str, roles: Json) -> bool:
        """Change what somebody is, and tell the app; false where nobody has that id."""
        with self._w.transaction():
            body = self._w.people.change(user, roles)
            if body is not None:
                self._w.emit({"type": "user_change", "user": body})
        return body is not None
