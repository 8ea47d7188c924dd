"""Pure: an answer, its sources and its buttons as Block Kit."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence

from bot.answering import EXTRACTIVE, Done
from bot.blocks.text import (
    MARKDOWN,
    SECTION,
    Block,
    Message,
    ago,
    button,
    context,
    escape,
    link,
    plain,
    safe_markdown,
    section,
    shorten,
    split,
)
from bot.citing import Citation

FEEDBACK = "answer_feedback"
CORRECT = "answer_correct"
EXPERT = "answer_expert"
NEAR = 0.4  # cosine; documents on other topics reach 0.36, and naming those helps nobody

LinkOf = Callable[[Citation], str | None]

REFUSED = "I could not find this in the documents that I may use here, so I would rather not guess."
UNGROUNDED = (
    ":warning: This answer names none of the passages that it was given. Take it as a guess."
)


def sources(citations: Sequence[Citation], link_of: LinkOf, now: dt.datetime) -> list[Block]:
    """The numbered list of sources; a section each time the last one is full."""
    lines = []
    for citation in citations:
        parts = [link(link_of(citation), shorten(citation.title, 150))]
        if citation.place:
            parts.append(plain(shorten(citation.place, 120)))
        kind = "approved answer" if citation.pair_id is not None else "updated"
        parts.append(f"{kind} {ago(citation.updated_at, now)}")
        lines.append(f"[{citation.n}] " + " · ".join(parts))
    if not lines:
        return []
    blocks: list[Block] = []
    text = "*Sources*"
    for line in lines:
        if len(text) + len(line) + 1 > SECTION:
            blocks.append(section(text))
            text = line
        else:
            text += "\n" + line
    return [*blocks, section(text)][:8]


def footer(
    done: Done, *, answer_id: int, link_of: LinkOf, now: dt.datetime, notes: Sequence[str] = ()
) -> list[Block]:
    """What stands below an answer: sources, what made it, feedback."""
    blocks = sources(done.citations, link_of, now)
    small = list(notes)
    if not done.grounded:
        small.append(UNGROUNDED)
    small.append(made_by(done.generator, done.adapter))
    return [*blocks, context(*small), *buttons(answer_id)]


def made_by(generator: str | None, adapter: str | None) -> str:
    """Who wrote it, in words."""
    if generator == EXTRACTIVE:
        return "Answered by quoting the sources; no language model is set up."
    name = escape((generator or "a language model").rstrip("/").rsplit("/", 1)[-1])
    return f"Written by {name} with {escape(adapter)}." if adapter else f"Written by {name}."


def buttons(answer_id: int) -> list[Block]:
    """Thumbs, and a way to say it better."""
    return [
        {
            "type": "context_actions",
            "elements": [
                {
                    "type": "feedback_buttons",
                    "action_id": FEEDBACK,
                    "positive_button": {
                        "text": {"type": "plain_text", "text": "Good answer"},
                        "accessibility_label": "This answer is good",
                        "value": f"up:{answer_id}",
                    },
                    "negative_button": {
                        "text": {"type": "plain_text", "text": "Bad answer"},
                        "accessibility_label": "This answer is bad",
                        "value": f"down:{answer_id}",
                    },
                }
            ],
        },
        {
            "type": "actions",
            "elements": [button(CORRECT, "Suggest a better answer", str(answer_id))],
        },
    ]


def refusal(
    done: Done,
    *,
    answer_id: int,
    link_of: LinkOf,
    now: dt.datetime,
    notes: Sequence[str] = (),
    nothing_known: bool = False,
    being_read: int = 0,
) -> Message:
    """An honest "I don't know", the nearest that there is, and a way on.

    ``being_read`` are documents that are not yet searchable but soon will be.
    """
    text = REFUSED
    if being_read:
        text += f" {still_reading(being_read)}"
    elif nothing_known:
        text += (
            " Nothing has been added here yet: share a file with me, or use "
            "`/phi3 ingest` with a link or some text."
        )
    blocks: list[Block] = [section(text)]
    nearest = _nearest(done)
    if nearest:
        now_known = [f"• {link(link_of(one), shorten(one.title, 150))}" for one in nearest]
        blocks.append(section("*The nearest that I know of*\n" + "\n".join(now_known)))
    if notes:
        blocks.append(context(*notes))
    blocks.append(
        {
            "type": "actions",
            "elements": [
                button(EXPERT, "Ask an expert", str(answer_id), style="primary"),
                button(CORRECT, "I know the answer", str(answer_id)),
            ],
        }
    )
    return Message(text, blocks)


def still_reading(count: int) -> str:
    """Why a moment's patience may help."""
    what = "1 document" if count == 1 else f"{count:,} documents"
    return f"I am still reading {what}; please ask again in a moment."


def _nearest(done: Done) -> list[Citation]:
    """Up to three different documents among what was found, if it was near at all."""
    found: dict[str, Citation] = {}
    for passage in done.passages:
        if passage.similarity >= NEAR and passage.uri not in found and len(found) < 3:
            found[passage.uri] = Citation(
                n=0,
                title=passage.title or passage.uri,
                uri=passage.uri,
                link=passage.link,
                place="",
                snippet="",
                updated_at=passage.updated_at,
                document_id=passage.document_id,
                chunk_id=passage.chunk_id,
                pair_id=passage.pair_id,
                audience=passage.audience,
            )
    return list(found.values())


def whole(text: str, below: Sequence[Block]) -> list[Message]:
    """A finished answer as messages of at most ``MARKDOWN`` characters; ``below`` ends the last."""
    parts = split(safe_markdown(text), MARKDOWN)
    messages = [
        Message(shorten(part, 2_900), [{"type": "markdown", "text": part}]) for part in parts
    ]
    messages[-1].blocks.extend(below)
    return messages
