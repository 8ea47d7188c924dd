"""What any generator behind the HTTP protocol can do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

Message = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Card:
    """One line of ``/v1/models``."""

    id: str
    parent: str | None = None
    root: str | None = None
    max_model_len: int | None = None


@dataclass(frozen=True, kw_only=True)
class Params:
    """How to generate."""

    model: str
    max_tokens: int | None = None
    temperature: float = 0.0
    top_p: float = 1.0
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Piece:
    """Something new of an answer."""

    text: str
    tokens: int = 0


@dataclass
class Generation:
    """An answer on its way. Iterate ``pieces``; closing it early cancels the work."""

    prompt_tokens: int
    pieces: AsyncIterator[Piece]
    finish_reason: str = "stop"  # known when the pieces have ended
    completion_tokens: int = field(default=0)


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """A prompt as the generator's tokenizer sees it."""

    ids: list[int]
    strings: list[str]
    max_model_len: int


@dataclass(frozen=True, kw_only=True)
class Likelihood:
    """One token of a prompt that was scored."""

    token: int
    text: str
    logprob: float | None  # nats; none for the first
    rank: int | None  # 1 if the model would have said it
    top: tuple[tuple[int, str, float, int], ...] = ()  # other tokens: id, text, logprob, rank


class Generator(Protocol):
    """The extractive reader, or Phi-3."""

    @property
    def id(self) -> str:
        """The base's name."""

    def cards(self) -> list[Card]:
        """The base first, then its adapters."""

    def chat(self, messages: Sequence[Message], params: Params) -> Generation:
        """Start an answer; raises RequestError."""

    def tokenize(self, prompt: str | Sequence[Message], options: dict[str, Any]) -> Tokens:
        """Tokens of a text, or of a chat with its template; raises RequestError."""

    def complete(self, prompt: str | list[int], params: Params, special: bool) -> Generation:
        """Continue a text, ``special``: after the tokenizer's own marks; raises RequestError."""

    async def score(
        self, prompt: str | list[int], model: str, top: int, special: bool
    ) -> list[Likelihood]:
        """The likelihood of each token of a prompt; raises RequestError."""

    async def load_adapter(self, name: str, path: str) -> None:
        """Put an adapter in service; raises RequestError with the reason if it cannot be."""

    async def unload_adapter(self, name: str) -> None:
        """Take an adapter out of service once its last reader is done; raises RequestError."""

    def close(self) -> None:
        """Stop all work."""
