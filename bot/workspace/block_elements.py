"""Limits of Block Kit's elements and text objects."""

from __future__ import annotations

from urllib.parse import urlsplit

from bot.workspace.database import Json

_SELECTS = frozenset(
    f"{many}{source}_select"
    for many in ("", "multi_")
    for source in ("static", "users", "conversations", "channels", "external")
)
_PICKERS = frozenset({"datepicker", "timepicker", "datetimepicker"})
_CHOICES = frozenset({"checkboxes", "radio_buttons"})
ACTION_ELEMENTS = (
    _SELECTS | _PICKERS | _CHOICES | {"button", "overflow", "workflow_button", "icon_button"}
)
SECTION_ELEMENTS = ACTION_ELEMENTS | {"image"}
CONTEXT_ACTION_ELEMENTS = frozenset({"feedback_buttons", "icon_button"})
INPUT_ELEMENTS = (
    _SELECTS
    | _PICKERS
    | _CHOICES
    | {
        "plain_text_input",
        "email_text_input",
        "url_text_input",
        "number_input",
        "file_input",
        "rich_text_input",
    }
)
_RICH_PARTS = frozenset(
    {"rich_text_section", "rich_text_list", "rich_text_quote", "rich_text_preformatted"}
)


class Problems:
    """What is wrong so far, each with a JSON pointer."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def add(self, what: str, at: str) -> None:
        """Note a problem."""
        self.found.append(f"[ERROR] {what} [json-pointer:{at}]")

    def string(
        self, holder: Json, key: str, at: str, *, longest: int, required: bool = True
    ) -> None:
        """A string of 1 to ``longest`` characters."""
        value = holder.get(key)
        if value is None and not required:
            return
        if value is None:
            self.add(f"missing required field: {key}", at)
        elif not isinstance(value, str):
            self.add("must be a string", f"{at}/{key}")
        elif not value:
            self.add("must be more than 0 characters", f"{at}/{key}")
        elif len(value) > longest:
            self.add(f"must be less than {longest + 1} characters", f"{at}/{key}")

    def url(self, holder: Json, key: str, at: str) -> None:
        """An http or https address of up to 3,000 characters."""
        self.string(holder, key, at, longest=3000)
        value = holder.get(key)
        if isinstance(value, str) and urlsplit(value).scheme not in ("http", "https"):
            self.add("invalid url", f"{at}/{key}")

    def items(self, holder: Json, key: str, at: str, *, most: int) -> list[object]:
        """A list of 1 to ``most`` items; empty where it is none."""
        value = holder.get(key)
        if not isinstance(value, list):
            self.add(f"missing required field: {key}", at)
            return []
        if not value:
            self.add("must have at least 1 item", f"{at}/{key}")
        if len(value) > most:
            self.add(f"no more than {most} items allowed", f"{at}/{key}")
        return value

    def unique(self, holders: list[object] | list[Json], key: str, at: str) -> None:
        """No value of ``key`` twice."""
        seen: set[str] = set()
        for holder in holders:
            value = holder.get(key) if isinstance(holder, dict) else None
            if isinstance(value, str):
                if value in seen:
                    self.add(f"{key} already exists: {value}", at)
                seen.add(value)


def check_text(
    value: object, at: str, problems: Problems, *, longest: int, plain: bool = False
) -> None:
    """A text object."""
    if not isinstance(value, dict):
        problems.add("must be a text object", at)
        return
    kinds = ("plain_text",) if plain else ("plain_text", "mrkdwn")
    if value.get("type") not in kinds:
        problems.add(f"must be one of {', '.join(kinds)}", f"{at}/type")
    problems.string(value, "text", at, longest=longest)


def check_element(value: object, at: str, problems: Problems, allowed: frozenset[str]) -> None:
    """An interactive element or image, of one of the allowed types."""
    if not isinstance(value, dict):
        problems.add("must be an object", at)
        return
    kind = value.get("type")
    if kind not in allowed:
        problems.add(f"unsupported type: {kind}", f"{at}/type")
        return
    if "action_id" in value:
        problems.string(value, "action_id", at, longest=255)
    if "confirm" in value:
        _confirm(value["confirm"], f"{at}/confirm", problems)
    if kind == "image":
        problems.string(value, "alt_text", at, longest=2000)
        if "slack_file" not in value:
            problems.url(value, "image_url", at)
    elif kind == "button":
        _button(value, at, problems)
    elif kind == "feedback_buttons":
        for side in ("positive_button", "negative_button"):
            _feedback(value.get(side), f"{at}/{side}", problems)
    elif kind in (
        "overflow",
        "checkboxes",
        "radio_buttons",
        "static_select",
        "multi_static_select",
    ):
        _options(value, at, problems)
    elif kind == "plain_text_input":
        _plain_text_input(value, at, problems)


def _button(value: Json, at: str, problems: Problems) -> None:
    check_text(value.get("text"), f"{at}/text", problems, longest=75, plain=True)
    problems.string(value, "value", at, longest=2000, required=False)
    if "url" in value:
        problems.url(value, "url", at)
    if value.get("style") not in (None, "primary", "danger"):
        problems.add("must be one of primary, danger", f"{at}/style")


def _feedback(value: object, at: str, problems: Problems) -> None:
    if not isinstance(value, dict):
        problems.add("must be an object", at)
        return
    check_text(value.get("text"), f"{at}/text", problems, longest=75, plain=True)
    problems.string(value, "value", at, longest=2000)
    problems.string(value, "accessibility_label", at, longest=75, required=False)


def _confirm(value: object, at: str, problems: Problems) -> None:
    if not isinstance(value, dict):
        problems.add("must be an object", at)
        return
    check_text(value.get("title"), f"{at}/title", problems, longest=100, plain=True)
    check_text(value.get("text"), f"{at}/text", problems, longest=300)
    for key in ("confirm", "deny"):
        if key in value:
            check_text(value[key], f"{at}/{key}", problems, longest=30, plain=True)


def _options(value: Json, at: str, problems: Problems) -> None:
    kind = value["type"]
    most = {"overflow": 5, "checkboxes": 10, "radio_buttons": 10}.get(kind, 100)
    if "option_groups" in value and "options" not in value:
        for g, group in enumerate(problems.items(value, "option_groups", at, most=100)):
            if isinstance(group, dict):
                _options(
                    {"type": kind, "options": group.get("options")},
                    f"{at}/option_groups/{g}",
                    problems,
                )
        return
    for n, option in enumerate(problems.items(value, "options", at, most=most)):
        here = f"{at}/options/{n}"
        if not isinstance(option, dict):
            problems.add("must be an object", here)
            continue
        check_text(option.get("text"), f"{here}/text", problems, longest=75)
        problems.string(option, "value", here, longest=150)


def _plain_text_input(value: Json, at: str, problems: Problems) -> None:
    if "placeholder" in value:
        check_text(value["placeholder"], f"{at}/placeholder", problems, longest=150, plain=True)
    longest = value.get("max_length", 3000)
    if not isinstance(longest, int) or not 1 <= longest <= 3000:
        problems.add("must be between 1 and 3000", f"{at}/max_length")
    elif isinstance(value.get("initial_value"), str) and len(value["initial_value"]) > longest:
        problems.add(f"must be less than {longest + 1} characters", f"{at}/initial_value")


def check_rich_text(block: Json, at: str, problems: Problems) -> None:
    """A rich text block: sections, lists, quotes and preformatted parts, none empty of type."""
    for n, part in enumerate(problems.items(block, "elements", at, most=1000)):
        kind = part.get("type") if isinstance(part, dict) else None
        if kind not in _RICH_PARTS:
            problems.add(f"unsupported type: {kind}", f"{at}/elements/{n}/type")
        elif isinstance(part, dict) and not isinstance(part.get("elements"), list):
            problems.add("missing required field: elements", f"{at}/elements/{n}")
