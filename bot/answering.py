"""Retrieve, prompt, generate, cite. Knows no Slack: the command line answers with it too."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bot.citing import Citation, Numbering
from bot.reader import Reader
from models.lm.citations import CitationStream
from models.lm.client import AdapterMissing, ModelInfo
from models.lm.followup import search_query
from models.lm.prompt import REFUSAL, Prompt, PromptPassage, PromptTooLong, Turn, build
from models.store import adapters, embeddings
from models.store.audience import Audience
from models.store.evidence import enough
from models.store.pairs import normal
from models.store.passage import Passage
from models.store.questions import Exchange

log = logging.getLogger(__name__)

CONTEXT_TOKENS = 4096  # Phi-3-mini-4k, where a server does not say what it takes
MAX_CONTEXT_TOKENS = 8192  # more passages than that help nobody and take long
EXTRACTIVE = "extractive"
EXTRACTIVE_READER = "the extractive reader"  # the same for people


@dataclass(frozen=True)
class Found:
    """Retrieval is done, an answer is coming."""

    passages: Sequence[Passage]


@dataclass(frozen=True)
class Delta:
    """A piece of the answer, safe to show: its citations are whole and in order."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Done:
    """The end of every answer."""

    text: str
    refused: bool
    grounded: bool  # it cites something that it was given
    reason: str  # why it was refused, for the log; empty otherwise
    citations: tuple[Citation, ...] = ()
    passages: tuple[Passage, ...] = ()
    generator: str | None = None
    adapter: str | None = None
    latencies: dict[str, float] = field(default_factory=dict)  # milliseconds a stage


AnswerEvent = Found | Delta | Done


def answer(
    reader: Reader,
    *,
    question: str,
    audience: Audience,
    thread: Sequence[Exchange] = (),
    max_tokens: int = 600,
) -> Iterator[AnswerEvent]:
    """Answer from what ``audience`` may see, piece by piece; ends with exactly one ``Done``.

    Raises models.lm's ModelError where a model server cannot answer.
    """
    clock = _Clock()
    query = search_query(question, [exchange.question for exchange in thread])
    passages = _retrieve(reader, query, audience, clock)
    evidence = enough(query, passages, last=question)
    if not evidence.ok:
        yield _refusal(evidence.reason, passages, clock)
        return
    if not thread:
        passages = settled(question, passages)
    yield Found(passages)
    yield from _generate(reader, question, passages, thread, max_tokens, clock)


def settled(question: str, passages: Sequence[Passage]) -> tuple[Passage, ...]:
    """The approved answer to this very question alone, where there is one; else all of them.

    The documents that it corrected would contradict it. It goes stale when they change.
    """
    asked = _worded(question)
    approved = (one for one in passages if one.pair_id is not None and _worded(one.title) == asked)
    best = next(approved, None)
    return tuple(passages) if best is None else (best,)


def _worded(question: str) -> str:
    return normal(question).rstrip("?!.… ")


def _retrieve(reader: Reader, query: str, audience: Audience, clock: _Clock) -> tuple[Passage, ...]:
    if not audience.keys:
        return ()
    for last in (False, True):
        vector = reader.embed(query)
        clock.mark("embed")
        if vector is None:
            return ()
        try:
            passages = reader.search(query, vector, audience)
        except embeddings.ModelSwitched:  # `phi3 reembed` went over to another model just now
            if last:
                raise
            continue
        clock.mark("search")
        return passages
    return ()


def _generate(
    reader: Reader,
    question: str,
    passages: Sequence[Passage],
    thread: Sequence[Exchange],
    max_tokens: int,
    clock: _Clock,
) -> Iterator[AnswerEvent]:
    base = reader.base()
    name = _live_adapter(reader) if base.id != EXTRACTIVE else None
    try:
        prompt = _prompt(reader, question, passages, thread, base, max_tokens)
    except PromptTooLong:
        yield _refusal("the question alone fills the model's window", passages, clock)
        return
    clock.mark("prompt")
    numbering = Numbering(passages)
    cites = CitationStream(len(prompt.passages), numbering.number)
    held = _RefusalGate()
    shown: list[str] = []
    for raw in _stream(reader, prompt, name, max_tokens):
        if isinstance(raw, _FellBack):
            name = None
            continue
        piece = held.feed(cites.feed(raw))
        if piece:
            clock.first("first_token")
            shown.append(piece)
            yield Delta(piece)
    last = held.feed(cites.close())
    clock.mark("generate")
    if held.is_refusal():
        yield _refusal("the model found no answer in the passages", passages, clock, base.id, name)
        return
    last += held.close()
    if last:
        shown.append(last)
        yield Delta(last)
    text = "".join(shown).strip()
    if not text:
        yield _refusal("the model said nothing", passages, clock, base.id, name)
        return
    citations = numbering.citations(text)
    yield Done(
        text=text,
        refused=False,
        grounded=bool(citations),
        reason="",
        citations=citations,
        passages=tuple(passages[: len(prompt.passages)]),
        generator=base.id,
        adapter=name,
        latencies=clock.total(),
    )


def _live_adapter(reader: Reader) -> str | None:
    """Resolved once a question, and kept to its last token."""
    with reader.sessions() as session:
        live = adapters.live(session)
    return live.name if live is not None else None


class _FellBack:
    """The live adapter was not there; what follows comes from the base."""


def _stream(
    reader: Reader, prompt: Prompt, adapter: str | None, max_tokens: int
) -> Iterator[str | _FellBack]:
    try:
        yield from reader.chat.stream(prompt.messages, model=adapter, max_tokens=max_tokens)
    except AdapterMissing as missing:
        if adapter is None:
            raise
        log.warning("adapter %s is not served, the base answers: %s", adapter, missing)
        yield _FellBack()
        yield from reader.chat.stream(prompt.messages, max_tokens=max_tokens)


def _prompt(
    reader: Reader,
    question: str,
    passages: Sequence[Passage],
    thread: Sequence[Exchange],
    base: ModelInfo,
    max_tokens: int,
) -> Prompt:
    window = min(base.max_model_len or CONTEXT_TOKENS, MAX_CONTEXT_TOKENS)
    turns = [
        turn
        for exchange in thread
        if exchange.answer
        for turn in (Turn("user", exchange.question), Turn("assistant", exchange.answer))
    ]
    return build(
        question=question,
        passages=[PromptPassage(passage.headed, passage.text) for passage in passages],
        thread=turns,
        budget_tokens=max(window - max_tokens, window // 2),
        count=lambda messages: reader.chat.tokenize(messages, base.id),
    )


class _RefusalGate:
    """Holds back what may still become the exact refusal sentence."""

    def __init__(self) -> None:
        self._held = ""
        self._open = False

    def feed(self, piece: str) -> str:
        if self._open:
            return piece
        self._held += piece
        if REFUSAL.startswith(self._held.strip()):
            return ""
        self._open = True
        piece, self._held = self._held, ""
        return piece

    def is_refusal(self) -> bool:
        return not self._open and self._held.strip() == REFUSAL

    def close(self) -> str:
        held, self._held, self._open = self._held, "", True
        return held


class _Clock:
    """Milliseconds a stage."""

    def __init__(self) -> None:
        self._start = self._last = time.perf_counter()
        self._stages: dict[str, float] = {}

    def mark(self, stage: str) -> None:
        now = time.perf_counter()
        self._stages[stage] = round((now - self._last) * 1000, 1)
        self._last = now

    def first(self, stage: str) -> None:
        if stage not in self._stages:
            self._stages[stage] = round((time.perf_counter() - self._last) * 1000, 1)

    def total(self) -> dict[str, float]:
        return {**self._stages, "total": round((time.perf_counter() - self._start) * 1000, 1)}


def _refusal(
    reason: str,
    passages: Sequence[Passage],
    clock: _Clock,
    generator: str | None = None,
    adapter: str | None = None,
) -> Done:
    return Done(
        text=REFUSAL,
        refused=True,
        grounded=False,
        reason=reason,
        passages=tuple(passages),
        generator=generator,
        adapter=adapter,
        latencies=clock.total(),
    )
