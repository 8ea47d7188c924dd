"""What stands in a modal's inputs, in the shape of ``view.state.values``."""

from __future__ import annotations

from bot.workspace.database import Json


def options_of(element: Json) -> list[Json]:
    """All options of an element, groups included."""
    groups = element.get("option_groups") or []
    grouped = [option for group in groups for option in group.get("options", [])]
    return [*element.get("options", []), *grouped]


def value_of(element: Json, value: object) -> Json:
    """The state of one element; ``value`` None takes what the view starts with.

    A choice is given by its option's value, several by a list of them.
    """
    kind = str(element.get("type", ""))
    known = {option.get("value"): option for option in options_of(element)}
    if kind in ("static_select", "external_select", "radio_buttons", "overflow"):
        chosen = element.get("initial_option") if value is None else known.get(str(value))
        return {"selected_option": chosen}
    if kind in ("multi_static_select", "multi_external_select", "checkboxes"):
        if value is None:
            return {"selected_options": element.get("initial_options", [])}
        wanted = value if isinstance(value, list) else [value]
        return {"selected_options": [known[item] for item in wanted if item in known]}
    for source, one, many in (
        ("users", "selected_user", "selected_users"),
        ("conversations", "selected_conversation", "selected_conversations"),
        ("channels", "selected_channel", "selected_channels"),
    ):
        if kind == f"{source}_select":
            return {
                one: element.get(one.replace("selected", "initial")) if value is None else value
            }
        if kind == f"multi_{source}_select":
            return {
                many: element.get(many.replace("selected", "initial"), [])
                if value is None
                else value
            }
    for picker, key in (
        ("datepicker", "date"),
        ("timepicker", "time"),
        ("datetimepicker", "date_time"),
    ):
        if kind == picker:
            chosen = element.get(f"initial_{key}") if value is None else value
            return {f"selected_{key}": chosen}
    if value is None:
        value = element.get("initial_value")
    return {"value": value if value != "" else None}


def state_of(view: Json, values: Json) -> Json:
    """``state.values`` of a view from what was typed: ``{block_id: {action_id: value}}``."""
    state: Json = {}
    for block in view.get("blocks", []):
        elements = _inputs(block)
        for element in elements:
            given = (values.get(block["block_id"]) or {}).get(element.get("action_id"))
            entry = {"type": element["type"]} | value_of(element, given)
            state.setdefault(block["block_id"], {})[element.get("action_id", "")] = entry
    return state


def _inputs(block: Json) -> list[Json]:
    kind = block.get("type")
    if kind == "input":
        return [block["element"]]
    found = block.get("elements", []) if kind == "actions" else [block.get("accessory") or {}]
    silent = ("button", "overflow", "image", "workflow_button", None)
    return [element for element in found if element.get("type") not in silent]


def find_element(
    blocks: list[Json], action_id: str, block_id: str | None
) -> tuple[Json, str] | None:
    """An element and its block's id."""
    for block in blocks:
        if block_id and block.get("block_id") != block_id:
            continue
        places = [block.get("accessory"), block.get("element"), *(block.get("elements") or [])]
        for element in places:
            if isinstance(element, dict) and element.get("action_id") == action_id:
                return element, str(block.get("block_id", ""))
    return None


def missing(view: Json, values: Json) -> dict[str, str]:
    """Empty required inputs and wrong lengths, by block id, as Slack's client tells them."""
    problems: dict[str, str] = {}
    state = state_of(view, values)
    for block in view.get("blocks", []):
        if block.get("type") != "input":
            continue
        element = block["element"]
        entry = state[block["block_id"]][element.get("action_id", "")]
        held = next((value for key, value in entry.items() if key != "type"), None)
        if not held:
            if not block.get("optional"):
                problems[block["block_id"]] = "Please complete this required field."
        elif isinstance(held, str) and "value" in entry:
            least, most = element.get("min_length", 0), element.get("max_length", 3000)
            if not least <= len(held) <= most:
                problems[block["block_id"]] = f"Please enter {least} to {most} characters."
    return problems
