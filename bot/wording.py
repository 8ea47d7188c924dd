"""Pure: what people typed, freed from Slack's markup."""

from __future__ import annotations

import html
import re

_MENTION = re.compile(r"<@([A-Z0-9]+)(?:\|([^>]*))?>")
_CHANNEL = re.compile(r"<#([A-Z0-9]+)(?:\|([^>]*))?>")
_SPECIAL = re.compile(r"<!(?:subteam\^[A-Z0-9]+|date\^[^|>]*|[a-z]+)(?:\|([^>]*))?>")
_URL = re.compile(r"<((?:https?|mailto|tel):[^|>]+)(?:\|([^>]*))?>")

_GREETINGS = frozenset(
    {"hi", "hello", "hey", "hi there", "hello there", "hey there", "good morning"}
    | {"good afternoon", "help", "what can you do", "who are you", "what are you"}
)
_THANKS = frozenset(
    {"thanks", "thank you", "thx", "ty", "cheers", "many thanks", "thanks a lot", "great"}
    | {"perfect", "thank you very much", "ok", "okay", "ok thanks", "great thanks", "cool"}
)


def is_greeting(text: str) -> bool:
    """Whether a message is only a greeting, or asks only what the bot is for."""
    return _bare(text) in _GREETINGS


def is_thanks(text: str) -> bool:
    """Whether a message only thanks or agrees, and asks nothing."""
    return _bare(text) in _THANKS


def _bare(text: str) -> str:
    return " ".join(re.sub(r"[^\w\s]", "", text).casefold().split())


def question_text(text: str, bot_user: str) -> str:
    """A message as a person would read it aloud, without the bot's own mention."""
    text = _MENTION.sub(
        lambda match: "" if match[1] == bot_user else f"@{match[2] or match[1]}", text
    )
    text = _CHANNEL.sub(lambda match: f"#{match[2] or match[1]}", text)
    text = _SPECIAL.sub(lambda match: match[1] or "", text)
    text = _URL.sub(lambda match: match[2] or match[1], text)
    return " ".join(html.unescape(text).replace("\x00", "").split(" ")).strip()


def mentions(text: str, user_id: str) -> bool:
    """Whether a message mentions a user."""
    return any(match[1] == user_id for match in _MENTION.finditer(text))


def mentioned_users(text: str) -> list[str]:
    """Ids of the users that a message mentions, each once, in order."""
    return list(dict.fromkeys(match[1] for match in _MENTION.finditer(text)))
