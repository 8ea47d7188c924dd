"""Pure: pairs to be decided on, a night's progress and its morning report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bot.blocks.text import TYPED, Block, Message, button, context, fits, plain, section, shorten

APPROVE, REJECT, EDIT, ROLL_BACK = "pair_approve", "pair_reject", "pair_edit", "adapter_rollback"
EDITED, QUESTION, ANSWER = "pair_edited", "pair_question", "pair_answer"

VERDICTS = {
    "promoted": "A better adapter is in service since last night.",
    "rejected": "Last night's adapter was not better; nothing has changed.",
    "inconclusive": "Last night's adapter could not be shown to be better; nothing has changed.",
    "skipped": "Nothing was trained last night.",
}
ASKED_FOR = {  # the same of a refresh that somebody began by hand
    "promoted": "A better adapter is in service now.",
    "rejected": "The new adapter was not better; nothing has changed.",
    "inconclusive": "The new adapter could not be shown to be better; nothing has changed.",
    "skipped": "Nothing was trained.",
}
ARMS = {
    "base": "Base model", "rag": "Documents", "adapter": "Adapter",
    "rag_adapter": "Documents + adapter", "live": "In service before",
}  # fmt: skip
_STEPS = {
    "dataset": "Choosing what to learn from", "train": "Training", "evaluate": "Comparing answers",
    "gate": "Deciding", "promote": "Bringing it into service", "report": "Writing the report",
}  # fmt: skip


def review(pairs: Sequence[Mapping[str, Any]], waiting: int) -> list[Block]:
    """Up to five pairs that wait, with their buttons; ``waiting`` counts all of them."""
    if not pairs:
        return [section("No pair is waiting to be decided.")]
    blocks: list[Block] = [
        section(f"*{waiting} pair{' is' if waiting == 1 else 's are'} waiting.*")
    ]
    for pair in pairs[:5]:
        number = str(pair["id"])
        said = plain(shorten(str(pair["answer"]), 1_200))
        blocks.append(section(f"*{plain(shorten(str(pair['question']), 500))}*\n{said}"))
        sources = f"{pair['passages']} passages" if pair["passages"] else "no passage yet"
        small = f"Pair {number} · {pair['origin']} · {sources} · {pair['audience']}"
        if pair.get("stale"):
            small += f" · {plain(str(pair['stale']))} Approved again, it is given new passages."
        blocks.append(context(small))
        blocks.append(
            {
                "type": "actions",
                "elements": [
                    # A card from before its sources changed must not approve it unseen.
                    button(
                        APPROVE, "Approve", _seen(number, bool(pair.get("stale"))), style="primary"
                    ),
                    button(EDIT, "Edit", number),
                    button(REJECT, "Reject", number, style="danger"),
                ],
            }
        )
    return blocks


def editing(pair_id: int, question: str, answer: str, response_url: str, *, stale: bool) -> Block:
    """The modal that changes a pair; saving it approves it.

    Words that do not fit into Slack's input are not offered: saving would cut them.
    """

    def typed(name: str, label: str, value: str) -> Block:
        return {
            "type": "input", "block_id": name,
            "label": {"type": "plain_text", "text": label},
            "element": {
                "type": "plain_text_input", "action_id": name, "multiline": True,
                "max_length": TYPED, "initial_value": value,
            },
        }  # fmt: skip

    modal = {
        "type": "modal",
        "callback_id": EDITED,
        "private_metadata": json.dumps(
            {"value": _seen(str(pair_id), stale), "response_url": response_url}
        ),
        "title": {"type": "plain_text", "text": f"Pair {pair_id}"},
        "close": {"type": "plain_text", "text": "Cancel"},
    }
    if not (fits(question) and fits(answer)):
        words = (
            f"This pair is longer than the {TYPED:,} characters that can be edited here, and stays "
            f"as it is. On the bot's own machine `phi3 pairs edit {pair_id}` changes it; it can be "
            "approved here all the same."
        )
        return modal | {"blocks": [section(words)]}
    return modal | {
        "submit": {"type": "plain_text", "text": "Save and approve"},
        "blocks": [typed(QUESTION, "Question", question), typed(ANSWER, "Answer", answer)],
    }


def _seen(number: str, stale: bool) -> str:
    """A pair as it was shown, for a decision that is taken on it."""
    return f"{number} stale" if stale else number


def stale(payload: Mapping[str, Any]) -> Message:
    """Pairs whose source has changed."""
    count = len(payload["pairs"])
    numbers = ", ".join(str(n) for n in payload["pairs"][:20])
    words = (
        f"*{plain(str(payload['title']))}* has changed. {count} "
        f"{'pairs rest' if count != 1 else 'pair rests'} on it and left the answers until somebody "
        f"looks again: {numbers}. `/phi3 pairs` shows what waits."
    )
    return Message(words, [section(words)])


def withdrawn(payload: Mapping[str, Any]) -> Message:
    """An adapter or a night that had to end because of what it learned from."""
    words = str(payload["reason"])
    if payload.get("left"):
        now = payload.get("now_live") or "the base model"
        words += f" {payload['left']} learned from it and is out of service; {now} answers."
    if payload.get("stopped"):
        words += " The refresh that was running has been stopped; the next one learns without."
    return Message(words, [section(words)])


def progress(payload: Mapping[str, Any]) -> Message:
    """What a night is doing now."""
    now = payload["progress"]
    words = f"Refresh {payload['refresh']}: {_STEPS.get(str(now.get('step')), 'waiting')}"
    if now.get("step") == "train" and now.get("at") and now.get("steps"):
        left = int(now.get("left_s") or 0)
        words += (
            f", step {now['at']} of {now['steps']}, loss {now.get('loss', 0):.3f}, "
            f"about {max(1, round(left / 60))} min left"
        )
    if now.get("step") == "evaluate" and now.get("total"):
        words += f", {now.get('done', 0)} of {now['total']} answers"
    return Message(words + ".", [section(words + ".")])


def report(payload: Mapping[str, Any]) -> Message:
    """The morning report, or that of a refresh begun by hand."""
    sentence = (
        ASKED_FOR.get(str(payload.get("verdict")), "The refresh has ended.")
        if payload.get("trigger") == "manual"
        else VERDICTS.get(str(payload.get("verdict")), "The night has ended.")
    )
    blocks = [section(f"*{sentence}*")]
    if payload.get("reasons"):
        blocks.append(
            section("\n".join(f"• {plain(str(reason))}" for reason in payload["reasons"]))
        )
    arms: Mapping[str, Mapping[str, float]] = payload.get("arms") or {}
    if arms:
        lines = [f"{'':20} F1    exact refusal"]
        for arm, label in ARMS.items():
            means = arms.get(arm)
            if means:
                cells = (f"{means[m]:.2f}" if m in means else "   -" for m in _COLUMNS)
                lines.append(f"{label:20} " + "  ".join(cells))
        blocks.append(section("```" + "\n".join(lines) + "```"))
        blocks.append(context(plain(str(payload.get("advice") or ""))[:500] or "-"))
    for name, words in (("better", "Better"), ("worse", "Worse")):
        for example in ((payload.get("examples") or {}).get(name) or [])[:2]:
            blocks.append(
                section(
                    f"{words}: *{plain(str(example['question']))}*\n"
                    f"before: {plain(str(example['before'])) or '-'}\n"
                    f"after: {plain(str(example['after'])) or '-'}"
                )
            )
    if payload.get("withdrawn"):
        gone = ", ".join(str(name) for name in payload["withdrawn"])
        blocks.append(context(f"Learned without the words that were withdrawn since; {gone} had."))
    blocks.append(context(_small_print(payload)))
    if payload.get("can_roll_back") and payload.get("adapter"):
        blocks.append(
            {
                "type": "actions",
                "elements": [_roll_back(str(payload["adapter"]))],
            }
        )
    return Message(sentence, blocks)


def adapters(rows: Sequence[Mapping[str, Any]], *, without: str) -> list[Block]:
    """The registry, and a button where there is something to roll back.

    ``without``: what answers where no adapter is in service.
    """
    if not rows:
        return [section(f"There are no adapters yet; {without} answers.")]
    lines = [
        f"{row['name']:14} {row['state']:10} {row['verdict'] or '':13} {row['created'][:16]}"
        for row in rows[:20]
    ]
    blocks = [section("```" + "\n".join(lines) + "```")]
    live = next((row for row in rows if row["state"] == "live"), None)
    if live is not None:
        blocks.append({"type": "actions", "elements": [_roll_back(str(live["name"]))]})
    else:
        blocks.append(context(f"No adapter is in service; {without} answers."))
    return blocks


def _roll_back(name: str) -> Block:
    return button(ROLL_BACK, "Roll back", name, style="danger") | {
        "confirm": {
            "title": {"type": "plain_text", "text": "Roll back?"},
            "text": {
                "type": "plain_text",
                "text": f"{shorten(name, 100)} goes out of service for everybody at once; the "
                "adapter before it answers, or the base model.",
            },
            "confirm": {"type": "plain_text", "text": "Roll back"},
            "deny": {"type": "plain_text", "text": "Cancel"},
        }
    }


_COLUMNS = ("token_f1", "exact", "refusal")


def _small_print(payload: Mapping[str, Any]) -> str:
    kind = "Refresh" if payload.get("trigger") == "manual" else "Night"
    parts = [f"{kind} of {payload.get('night')}"]
    pairs = payload.get("pairs") or {}
    if pairs:
        parts.append(f"{pairs.get('training')} pairs trained, {pairs.get('holdout')} held out")
    learned = payload.get("learned") or {}
    if learned.get("people"):
        parts.append(f"learned from {learned['people']}, {learned.get('documents', 0)} documents")
    parts.append(f"{round(int(payload.get('seconds') or 0) / 60, 1)} min")
    cost = payload.get("training") or {}
    if cost.get("steps"):
        spent = f"{round(float(cost.get('seconds') or 0) / 60, 1)} min of it training"
        parts.append(f"{spent}, {cost['steps']} steps, {int(cost.get('tokens') or 0):,} tokens")
    return " · ".join(parts)
