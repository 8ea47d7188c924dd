"""Base, live and candidate answer the same items through the serving path, greedily."""

from __future__ import annotations

import itertools
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from models.lm.client import ChatClient, ModelRefused
from models.lm.prompt import PromptPassage, compose, neutralise
from models.store import refreshes
from models.store.session import Sessions, transaction
from models.store.tables import Evaluation
from workers.refresh import general, scoring
from workers.refresh.examples import Example, shorten
from workers.refresh.patience import patiently

log = logging.getLogger(__name__)

ARMS = ("base", "rag", "adapter", "rag_adapter")
GENERAL_TOKENS = 64  # of an answer to a question of general ability: its words come early
TOGETHER = 8  # requests in flight
WITH_NLL = 64  # held-out items whose answers' likelihood is read
TOO_LONG = (400, 413)  # of a refusal: not the key, nor a model that is not there


@dataclass(frozen=True, kw_only=True)
class Models:
    """Who answers, by the names that the server knows."""

    base: str
    live: str | None  # none: the base is in service
    candidate: str | None  # none: the arms with an adapter use the live one


@dataclass(frozen=True, kw_only=True)
class Task:
    """One item for one arm."""

    item: Example
    arm: str
    model: str
    with_passages: bool = True
    nll: bool = False


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What came out: (item, arm) → metric → value, and what each arm said."""

    values: Mapping[tuple[str, str], Mapping[str, float]]
    outputs: Mapping[tuple[str, str], str] = field(default_factory=dict)


def tasks(items: Sequence[Example], who: Models) -> list[Task]:
    """What has to be answered; an arm that would repeat another one is left out."""
    made: list[Task] = []
    tuned = who.candidate or who.live
    held = 0
    for item in items:
        everything = item.kind == "holdout"
        held += everything
        nll = everything and held <= WITH_NLL
        if everything:
            made.append(Task(item=item, arm="base", model=who.base, with_passages=False))
            made.append(Task(item=item, arm="rag", model=who.base, nll=nll))
            if tuned:
                made.append(Task(item=item, arm="adapter", model=tuned, with_passages=False))
        if tuned:
            made.append(Task(item=item, arm="rag_adapter", model=tuned, nll=nll))
        if who.candidate and (who.live or not everything):
            made.append(Task(item=item, arm="live", model=who.live or who.base, nll=nll))
    return made


def general_items() -> list[Example]:
    """The questions of general ability as items."""
    return [
        Example(
            item=f"general:{n}",
            pair_id=None,
            cluster=f"general:{n}",
            question=question,
            passages=(),
            answer=expected,
        )
        for n, (question, expected) in enumerate(general.QUESTIONS)
    ]


def run(
    sessions: Sessions,
    refresh_id: int,
    wanted: Sequence[Task],
    client: ChatClient,
    *,
    worker: str,
    longest: int = 256,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Answer and score what has no score yet; safe to repeat. Raises ``ModelError``, and ``Lost``
    once the night is no longer ``worker``'s: nothing is kept after that.

    ``longest``: tokens of an answer; a model that does not end is cut there.
    """
    with transaction(sessions) as session:
        there = {(row.item, row.arm) for row in refreshes.scores(session, refresh_id)}
    left = [task for task in wanted if (task.item.item, task.arm) not in there]
    style = style_of({task.item.item: task.item for task in wanted}.values())
    done = len(wanted) - len(left)
    tell(done, len(wanted))
    pool = ThreadPoolExecutor(TOGETHER, thread_name_prefix="evaluate")
    try:
        answers = pool.map(lambda task: (task, *answer(client, task, style, longest)), left)
        while batch := list(itertools.islice(answers, 2 * TOGETHER)):
            with transaction(sessions) as session:
                refreshes.held(session, refresh_id, worker=worker)
                for task, output, values in filter(_is_answered, batch):
                    refreshes.put_scores(
                        session,
                        refresh_id,
                        item=task.item.item,
                        pair_id=task.item.pair_id,
                        arm=task.arm,
                        values=values,
                        output=output,
                    )
            done += len(batch)
            tell(done, len(wanted))
    finally:
        pool.shutdown(cancel_futures=True)  # a night that is stopped asks nothing more


def style_of(items: Iterable[Example]) -> frozenset[str]:
    """The house style: of the old answers where there are some, else of the new and the locked."""
    found = list(items)
    known = [item for item in found if item.kind == "anchor"]
    return scoring.style_of(known or [item for item in found if item.kind in ("holdout", "locked")])


def answer(
    client: ChatClient, task: Task, style: frozenset[str], longest: int
) -> tuple[str, dict[str, float]]:
    """What the arm says, and its scores: none where the question does not fit into the model, even
    without a passage that could go. Raises ``ModelError``.
    """
    item: Example = task.item
    begun = time.monotonic()
    if item.kind == "general":
        asked = [{"role": "user", "content": item.question}]
        output = _complete(client, asked, task.model, min(longest, GENERAL_TOKENS))
        values = {"holds": scoring.holds(output, item.answer), "words": float(len(output.split()))}
        return output, values
    while True:
        passages = item.passages if task.with_passages else ()
        chat = compose(item.question, [PromptPassage(title, text) for title, text in passages])
        try:
            output = _complete(client, chat, task.model, longest)
            break
        except ModelRefused as refusal:
            shorter = shorten(item) if task.with_passages else None
            if shorter is None and refusal.status not in TOO_LONG:
                raise
            if shorter is None:
                log.warning("%s is not asked: refused with %d", item.item, refusal.status)
                return "", {}
            item = shorter
    values = scoring.score(item, output, style=style)
    values["latency_s"] = time.monotonic() - begun
    if task.nll:
        try:
            said = neutralise(item.answer)  # as it is trained
            total, count = patiently(lambda: client.answer_nll(chat, said, model=task.model))
            values["nll"] = total / max(1, count)
        except ModelRefused as refusal:  # the extractive reader has no likelihoods to report
            log.debug("no likelihood of %s: %s", item.item, refusal)
    return output, values


def collect(rows: Iterable[Evaluation]) -> Scores:
    """Rows of a night as ``Scores``."""
    values: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    outputs: dict[tuple[str, str], str] = {}
    for row in rows:
        values[row.item, row.arm][row.metric] = row.value
        if row.output is not None:
            outputs[row.item, row.arm] = row.output
    for item, arm in list(values):  # with the base in service, live is the base with passages
        if arm == "rag" and (item, "live") not in values:
            values[item, "live"] = values[item, arm]
            outputs[item, "live"] = outputs.get((item, arm), "")
    return Scores(values=values, outputs=outputs)


def table(scores: Scores) -> dict[str, dict[str, float]]:
    """Arm → metric → mean over held-out items, and refusals over the unsupported ones too."""
    sums: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for (item, arm), values in scores.values.items():
        kind = item.partition(":")[0]
        for metric, value in values.items():
            if kind == "holdout" or (kind == "unsupported" and metric == "refusal"):
                sums[arm][metric].append(value)
    return {
        arm: {metric: round(sum(seen) / len(seen), 4) for metric, seen in sorted(found.items())}
        for arm, found in sorted(sums.items())
    }


def advice(means: Mapping[str, Mapping[str, float]]) -> str:
    """Which of retrieval and fine-tuning serves this team, in one sentence."""
    f1 = {arm: means[arm]["token_f1"] for arm in ARMS if "token_f1" in means.get(arm, {})}
    if "rag" not in f1 or "base" not in f1:
        return "There are no held-out answers to compare yet."
    rag = f1["rag"] - f1["base"]
    helps = f"Documents {'help' if rag > 0.02 else 'do not help'} ({rag:+.2f} token F1)"
    if "rag_adapter" not in f1:
        return f"{helps}; nothing has been trained yet."
    tuned, both = f1["adapter"] - f1["base"], f1["rag_adapter"] - max(f1["rag"], f1["adapter"])
    trained = f"training {'helps' if tuned > 0.02 else 'does not help'} ({tuned:+.2f})"
    best = max(f1, key=lambda arm: f1[arm])
    named = {
        "base": "the base alone",
        "rag": "documents alone",
        "adapter": "the adapter alone",
        "rag_adapter": "documents and adapter together",
    }[best]
    return f"{helps}, {trained}; both together add {both:+.2f}. Best here: {named}."


def _is_answered(answered: tuple[Task, str, Mapping[str, float]]) -> bool:
    return bool(answered[2])


def _complete(
    client: ChatClient, chat: Sequence[Mapping[str, Any]], model: str, longest: int
) -> str:
    return patiently(lambda: client.complete(chat, model=model, max_tokens=longest))
