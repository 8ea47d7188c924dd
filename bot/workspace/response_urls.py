"""Response URLs: five answers within half an hour to a command or a press."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from bot.workspace.block_kit import numbered, problems_of
from bot.workspace.core import Workspace
from bot.workspace.database import Json
from bot.workspace.interactions import Interactions
from bot.workspace.interim import ResponseUrl
from bot.workspace.mrkdwn import link_urls
from bot.workspace.posting import change, remove
from bot.workspace.web_api.call import SlackError
from bot.workspace.web_api.chat import block_id
from bot.workspace.web_api.dispatch import arguments_of


def _flag(answer: Json, name: str) -> bool:
    return answer.get(name) in (True, "true", "1")


class ResponseUrls:
    """Serves them."""

    def __init__(self, w: Workspace, interactions: Interactions) -> None:
        self._w = w
        self._interactions = interactions

    async def serve(self, request: Request) -> Response:
        """POST ``text``, ``blocks``, ``response_type``, ``replace_`` or ``delete_original``."""
        secret = request.path_params["secret"]
        found = self._w.interim.response(secret)
        if found is None:
            return JSONResponse({"ok": False, "error": "invalid_url"}, status_code=404)
        if found.expired:
            return JSONResponse({"ok": False, "error": "expired_url"}, status_code=404)
        if found.used_up:
            return JSONResponse({"ok": False, "error": "used_url"}, status_code=404)
        try:
            answer = await arguments_of(request)
        except SlackError as refused:
            return PlainTextResponse(refused.error, status_code=400)
        problems = problems_of(answer["blocks"]) if answer.get("blocks") else []
        if problems:
            body = {
                "ok": False,
                "error": "invalid_blocks",
                "response_metadata": {"messages": problems},
            }
            return JSONResponse(body, status_code=400)
        if answer.get("blocks"):
            answer["blocks"] = numbered(answer["blocks"], block_id)
        wordless = not answer.get("text") and not answer.get("blocks")
        if wordless and not _flag(answer, "delete_original"):
            return PlainTextResponse("no_text", status_code=400)
        answer["text"] = link_urls(str(answer.get("text") or ""))
        with self._w.transaction():
            self._w.interim.use_response(secret)
            self._apply(found, answer)
        return PlainTextResponse("ok")

    def _apply(self, url: ResponseUrl, answer: Json) -> None:
        w = self._w
        rid, swap = _flag(answer, "delete_original"), _flag(answer, "replace_original")
        if url.message_ts and (rid or swap):
            if url.ephemeral:
                w.messages.delete_ephemeral(url.user, url.channel, url.message_ts)
                w.tell(
                    url.user,
                    {"type": "ephemeral_deleted", "channel": url.channel, "ts": url.message_ts},
                )
            else:
                self._change(url, answer, rid=rid)
                return
            if rid:
                return
        self._interactions.say(url.user, url.channel, answer, url.thread_ts)

    def _change(self, url: ResponseUrl, answer: Json, *, rid: bool) -> None:
        w = self._w
        before = w.messages.raw(url.channel, url.message_ts or "")
        if before is None:
            return
        if rid:
            remove(w, url.channel, before)
            return
        after = {
            key: value for key, value in before.items() if key not in ("blocks", "attachments")
        }
        after["text"] = answer["text"]
        if answer.get("blocks"):
            after["blocks"] = answer["blocks"]
        change(w, url.channel, before, after)
