"""Pure: one row of a file of pairs, and one pair as an export writes it."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from models.store.audience import EVERYONE, BadAudience, checked
from models.store.importing import Given
from models.store.pairs import STATES
from models.store.tables import Pair

QUESTION = ("question", "instruction", "query", "prompt", "q", "title", "input")
ANSWER = ("answer", "response", "output", "completion", "a", "reply")
PASSAGES = ("passages", "context_passages", "contexts", "passage")
LANGUAGE = ("language", "lang")
LEDGER = frozenset({"origin", "state", "audience"})  # together only in what an export wrote
LONGEST = 20_000  # characters of a question or an answer
_SLACK_ID = re.compile(r"[A-Z0-9]+")
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*")
_HASH = re.compile(r"[0-9a-f]{64}")


class BadRow(ValueError):
    """A row that is no pair; the message is a sentence that is fit to show."""


def as_json(pair: Pair) -> dict[str, Any]:
    """What ``given`` makes the same pair of, and its number; passages as far as it reads them."""
    return {
        "id": pair.id,
        "state": pair.state,
        "question": pair.question,
        "answer": pair.answer,
        "origin": pair.origin,
        "audience": pair.audience,
        "author": pair.author,
        "asker": pair.asker,
        "channel": pair.channel_id,
        "contributors": pair.contributors,
        "consent": pair.consent,
        "locked": pair.locked,
        "side": pair.side,
        "reason": pair.reason,
        "language": pair.language,
        "passages": [
            {
                "title": passage["title"],
                "text": passage["text"],
                "url": passage.get("link"),
                "audience": passage["audience"],
                "hash": passage["hash"],
            }
            for passage in pair.passages
        ],
    }


def given(row: Any) -> Given:
    """The pair of one row; raises ``BadRow``.

    A row of a ledger's export keeps who may see it, whose words it holds, whether they may be
    learned from and what was decided. Of any other, whoever imports it says that it may be
    learned from, and nothing is decided yet.
    """
    if not isinstance(row, dict):
        raise BadRow("A pair is an object with question and answer.")
    named = {str(key).strip().lower(): value for key, value in row.items()}
    question, answer = _question(named), _first(named, ANSWER)
    if question is None or answer is None:
        names = ", ".join(name[:40] for name in sorted(filter(None, named))[:12]) or "nothing"
        names = names.encode("utf-8", "replace").decode()
        raise BadRow(
            f"There is no question and answer among {names}. Call the columns question and answer."
        )
    if not question or not answer:
        raise BadRow("A pair needs a question and an answer.")
    if max(len(question), len(answer)) > LONGEST:
        raise BadRow(f"It is longer than {LONGEST:,} characters.")
    ours = named.keys() >= LEDGER
    language = next((named[name] for name in LANGUAGE if named.get(name)), None)
    return Given(
        question=question,
        answer=answer,
        passages=tuple(_passages(named, ours=ours)),
        language=language if _fits(_LANGUAGE, language) else None,
        audience=_audience(named.get("audience"), "audience"),
        **(_ledger(named) if ours else {"consent": True}),
    )


def _ledger(named: Mapping[str, Any]) -> dict[str, Any]:
    contributors = named.get("contributors") or []
    if not isinstance(contributors, list):
        raise BadRow("Its contributors are no list of Slack user ids.")
    people = {
        "author": _slack_id(named.get("author")),
        "asker": _slack_id(named.get("asker")),
        "contributors": tuple(filter(None, map(_slack_id, contributors))),
    }
    if named["state"] not in STATES:
        raise BadRow(f"{_shown(named['state'])} is no state of a pair: {', '.join(STATES)}.")
    reason = named.get("reason")
    return people | {
        "channel_id": _slack_id(named.get("channel"), "channel"),
        "state": named["state"],
        "reason": None if reason is None else _text(reason, "reason"),
        "consent": _truth(named, "consent"),
        "locked": _truth(named, "locked"),
    }


def _slack_id(value: Any, of: str = "user") -> str | None:
    if value is not None and not _fits(_SLACK_ID, value):
        raise BadRow(f"{_shown(value)} is no Slack {of} id.")
    return None if value is None else str(value)


def _truth(named: Mapping[str, Any], name: str) -> bool:
    value = named.get(name, False)
    if not isinstance(value, bool):
        raise BadRow(f"Its {name} is neither true nor false.")
    return value


def _audience(value: Any, what: str) -> str:
    """Who may see it; an odd word is never taken for everybody."""
    if value is None or value == "":
        return EVERYONE
    if not isinstance(value, str):
        raise BadRow(f"Its {what} is not text.")
    try:
        return checked(value)
    except BadAudience as error:
        raise BadRow(str(error) if len(value) <= 100 else f"Its {what} is none.") from error


def _question(named: Mapping[str, Any]) -> str | None:
    plain, told = _first(named, ("question",)), _first(named, ("instruction",))
    if plain or not told:
        return _first(named, QUESTION)
    # As Alpaca has it: an instruction, and what it is to be applied to.
    return "\n".join(filter(None, [told, _first(named, ("input",))]))


def _first(named: Mapping[str, Any], names: Collection[str]) -> str | None:
    """The first of these that holds anything; empty where all are, none where there are none."""
    found: str | None = None
    for name in names:
        if name in named:
            value = named[name]
            found = "" if value is None else _text(value, name)
            if found:
                return found
    return found


def _text(value: Any, what: str) -> str:
    """A value as words that the database takes."""
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not isinstance(value, str) and not number:
        raise BadRow(f"Its {what} is not text.")
    words = str(value).replace("\x00", "").strip()
    try:
        words.encode()
    except UnicodeEncodeError as error:
        raise BadRow(f"Its {what} holds half a character (a lone surrogate).") from error
    return words


def _passages(named: Mapping[str, Any], *, ours: bool) -> Iterator[dict[str, Any]]:
    value: Any = next((named[name] for name in PASSAGES if named.get(name)), [])
    if isinstance(value, str):
        value = _listed(value)
    for number, one in enumerate(value if isinstance(value, list) else [value], start=1):
        what = f"passage {number}"
        passage = {"text": one} if isinstance(one, str) else one
        if not isinstance(passage, dict):
            raise BadRow(f"Its {what} is neither text nor an object with a text.")
        text = _text(passage.get("text") or "", what)
        if text:
            title = _text(passage.get("title") or "Imported passage", f"title of {what}")
            yield _passage(
                title,
                text,
                link=_link(passage.get("url"), what),
                audience=_audience(passage.get("audience"), f"audience of {what}"),
                # By the hash of its words a pair of a ledger follows its sources here too.
                key=passage.get("hash") if ours else None,
            )


def _passage(title: str, text: str, *, link: str | None, audience: str, key: Any) -> dict[str, Any]:
    """As ``Passage.as_json`` has it; numbers of documents and chunks are those of elsewhere."""
    own = hashlib.sha256(f"{title}\n{text}".encode()).hexdigest()
    return {
        "chunk_id": None,
        "pair_id": None,
        "hash": key if _fits(_HASH, key) else own,
        "document_id": None,
        "uri": "import:",
        "link": link,
        "title": title,
        "heading_path": [],
        "page": None,
        "row": None,
        "sheet": None,
        "text": text,
        "audience": audience,
        "updated_at": "1970-01-01T00:00:00+00:00",
        "score": 0.0,
        "similarity": 0.0,
        "coverage": 0.0,
    }


def _listed(value: str) -> Any:
    """A cell's passages: JSON where it is a list or an object, else the words themselves."""
    try:
        loaded = json.loads(value)
    except ValueError:
        return [value]
    except RecursionError as error:
        raise BadRow("Its passages are nested too deeply.") from error
    return loaded if isinstance(loaded, list | dict) else [value]


def _link(value: Any, what: str) -> str | None:
    link = _text(value or "", f"url of {what}")
    return link if link.startswith(("https://", "http://")) else None


def _fits(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _shown(value: Any) -> str:
    return repr(value) if len(repr(value)) <= 60 else "What stands there"
