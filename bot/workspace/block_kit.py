"""Block Kit's limits: what Slack refuses with ``invalid_blocks``, and why.

Limits: https://docs.slack.dev/reference/block-kit/blocks (counts, lengths, required fields).
"""

from __future__ import annotations

from collections.abc import Callable

from bot.workspace.block_elements import (
    ACTION_ELEMENTS,
    CONTEXT_ACTION_ELEMENTS,
    INPUT_ELEMENTS,
    SECTION_ELEMENTS,
    Problems,
    check_element,
    check_rich_text,
    check_text,
)
from bot.workspace.database import Json

BLOCKS_IN_MESSAGE = 50
BLOCKS_IN_VIEW = 100
CHARACTERS_IN_MESSAGE = 13_200
MARKDOWN = 12_000


def _section(block: Json, at: str, problems: Problems) -> None:
    if "text" not in block and "fields" not in block:
        problems.add("missing required field: text or fields", at)
    if "text" in block:
        check_text(block["text"], f"{at}/text", problems, longest=3000)
    fields = block.get("fields", [])
    if not isinstance(fields, list) or len(fields) > 10:
        problems.add("no more than 10 items allowed", f"{at}/fields")
    else:
        for n, field in enumerate(fields):
            check_text(field, f"{at}/fields/{n}", problems, longest=2000)
    if "accessory" in block:
        check_element(block["accessory"], f"{at}/accessory", problems, SECTION_ELEMENTS)


def _context(block: Json, at: str, problems: Problems) -> None:
    for n, element in enumerate(problems.items(block, "elements", at, most=10)):
        if isinstance(element, dict) and element.get("type") == "image":
            check_element(element, f"{at}/elements/{n}", problems, frozenset({"image"}))
        else:
            check_text(element, f"{at}/elements/{n}", problems, longest=3000)


def _actions(block: Json, at: str, problems: Problems) -> None:
    elements = problems.items(block, "elements", at, most=25)
    for n, element in enumerate(elements):
        check_element(element, f"{at}/elements/{n}", problems, ACTION_ELEMENTS)
    problems.unique(elements, "action_id", f"{at}/elements")


def _context_actions(block: Json, at: str, problems: Problems) -> None:
    for n, element in enumerate(problems.items(block, "elements", at, most=5)):
        check_element(element, f"{at}/elements/{n}", problems, CONTEXT_ACTION_ELEMENTS)


def _header(block: Json, at: str, problems: Problems) -> None:
    check_text(block.get("text"), f"{at}/text", problems, longest=150, plain=True)


def _markdown(block: Json, at: str, problems: Problems) -> None:
    problems.string(block, "text", at, longest=MARKDOWN)


def _image(block: Json, at: str, problems: Problems) -> None:
    problems.string(block, "alt_text", at, longest=2000)
    if "slack_file" not in block:
        problems.url(block, "image_url", at)
    if "title" in block:
        check_text(block["title"], f"{at}/title", problems, longest=2000, plain=True)


def _input(block: Json, at: str, problems: Problems) -> None:
    check_text(block.get("label"), f"{at}/label", problems, longest=2000, plain=True)
    if "hint" in block:
        check_text(block["hint"], f"{at}/hint", problems, longest=2000, plain=True)
    check_element(block.get("element"), f"{at}/element", problems, INPUT_ELEMENTS)


def _rich_text(block: Json, at: str, problems: Problems) -> None:
    check_rich_text(block, at, problems)


def _divider(block: Json, at: str, problems: Problems) -> None:
    del block, at, problems  # nothing in it can be wrong


def _table(block: Json, at: str, problems: Problems) -> None:
    for n, row in enumerate(problems.items(block, "rows", at, most=100)):
        if not isinstance(row, list) or not 1 <= len(row) <= 20:
            problems.add("must have between 1 and 20 cells", f"{at}/rows/{n}")


def _file(block: Json, at: str, problems: Problems) -> None:
    problems.string(block, "external_id", at, longest=255)


def _task_card(block: Json, at: str, problems: Problems) -> None:
    problems.string(block, "task_id", at, longest=255)
    problems.string(block, "title", at, longest=255)
    if block.get("status") not in ("pending", "in_progress", "complete", "error"):
        problems.add("must be one of pending, in_progress, complete, error", f"{at}/status")


def _plan(block: Json, at: str, problems: Problems) -> None:
    problems.string(block, "title", at, longest=255)


def _alert(block: Json, at: str, problems: Problems) -> None:
    check_text(block.get("text"), f"{at}/text", problems, longest=3000)


_CHECKS: dict[str, Callable[[Json, str, Problems], None]] = {
    "section": _section,
    "context": _context,
    "actions": _actions,
    "context_actions": _context_actions,
    "header": _header,
    "markdown": _markdown,
    "image": _image,
    "input": _input,
    "rich_text": _rich_text,
    "divider": _divider,
    "table": _table,
    "file": _file,
    "task_card": _task_card,
    "plan": _plan,
    "alert": _alert,
}
_MESSAGE_ONLY = frozenset({"context_actions", "markdown", "task_card", "plan", "table", "file"})


def problems_of(blocks: object, *, surface: str = "message") -> list[str]:
    """What Slack would say is wrong, as ``[ERROR] … [json-pointer:…]``; empty: all is well.

    ``surface``: ``message``, ``modal`` or ``home``.
    """
    problems = Problems()
    if not isinstance(blocks, list):
        problems.add("must provide an array", "/blocks")
        return problems.found
    most = BLOCKS_IN_MESSAGE if surface == "message" else BLOCKS_IN_VIEW
    if len(blocks) > most:
        problems.add(f"no more than {most} items allowed", "/blocks")
    for n, block in enumerate(blocks):
        at = f"/blocks/{n}"
        kind = block.get("type") if isinstance(block, dict) else None
        if not isinstance(kind, str) or kind not in _CHECKS:
            problems.add(f"unsupported type: {kind}", f"{at}/type")
            continue
        if surface != "message" and kind in _MESSAGE_ONLY:
            problems.add(f"unsupported type: {kind}", f"{at}/type")
            continue
        if "block_id" in block:
            problems.string(block, "block_id", at, longest=255)
        _CHECKS[kind](block, at, problems)
    problems.unique(blocks, "block_id", "/blocks")
    return problems.found


def characters(value: object) -> int:
    """Characters of text in blocks, as ``msg_blocks_too_long`` counts them (about)."""
    if isinstance(value, list):
        return sum(characters(item) for item in value)
    if isinstance(value, dict):
        own = value.get("text")
        count = len(own) if isinstance(own, str) else 0
        return count + sum(
            characters(item) for item in value.values() if isinstance(item, list | dict)
        )
    return 0


def numbered(blocks: list[Json], new_id: Callable[[], str]) -> list[Json]:
    """The same blocks, each with a ``block_id``."""
    return [block if block.get("block_id") else {**block, "block_id": new_id()} for block in blocks]
