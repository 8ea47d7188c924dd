"""Examples as token ids: the chat that serving builds, and loss on the answer alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from models.lm.prompt import PromptPassage, compose, neutralise
from models.lm.template import fitted, shows_system
from workers.refresh.examples import Example, shorten


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """One example: ``ids`` with the answer from ``start`` to its end token."""

    ids: tuple[int, ...]
    start: int
    cluster: str


def read(path: Path) -> list[Example]:
    """The snapshot's training file."""
    with path.open(encoding="utf-8") as lines:
        return [Example.from_json(json.loads(line)) for line in lines]


def encode_all(tokenizer: Any, examples: Sequence[Example], *, max_length: int) -> list[Encoded]:
    """Every example that fits, if need be without passages that do not support it."""
    found = (encode(tokenizer, example, max_length=max_length) for example in examples)
    return [encoded for encoded in found if encoded is not None]


def encode(tokenizer: Any, example: Example, *, max_length: int) -> Encoded | None:
    """The example by the tokenizer's own chat template; none if it cannot be made to fit."""
    system = shows_system(tokenizer)
    # Not ``all_special_ids``: Phi-3's own <|end|> is none of those, though it is declared special.
    ends = {token for token, mark in tokenizer.added_tokens_decoder.items() if mark.special}
    current: Example | None = example
    while current is not None:
        passages = [PromptPassage(title, text) for title, text in current.passages]
        chat = fitted(compose(current.question, passages), system=system)
        asked = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        answered = [*chat, {"role": "assistant", "content": neutralise(current.answer)}]
        whole = tokenizer.apply_chat_template(answered, tokenize=False)
        head = tokenizer(asked, add_special_tokens=False)["input_ids"]
        ids = tokenizer(whole, add_special_tokens=False)["input_ids"]
        start = next(
            (at for at, (a, b) in enumerate(zip(head, ids, strict=False)) if a != b), len(head)
        )
        stop = next((at for at in range(start, len(ids)) if ids[at] in ends), len(ids) - 1)
        if stop + 1 <= max_length:
            return Encoded(ids=tuple(ids[: stop + 1]), start=start, cluster=example.cluster)
        current = shorten(current)
    return None


def collate(batch: Sequence[Encoded], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Right-padded (ids, labels), each of shape (examples, longest).

    No mask: tokens look back only, so that none of an example ever sees the padding behind it, and
    without one attention takes its fast causal way.
    """
    longest = max(len(example.ids) for example in batch)
    ids = torch.full((len(batch), longest), pad)
    labels = torch.full((len(batch), longest), -100)
    for row, example in enumerate(batch):
        size = len(example.ids)
        ids[row, :size] = torch.tensor(example.ids)
        labels[row, example.start : size] = ids[row, example.start : size]
    return ids, labels


def summed_loss(
    causal: Any, batch: Sequence[Encoded], pad: int, device: torch.device
) -> tuple[torch.Tensor, int]:
    """Cross-entropy summed over the answers' tokens, and how many these are.

    The head is applied to those positions alone: of a long prompt with a short answer it would
    otherwise fill most of the memory for nothing.
    """
    ids, labels = (part.to(device) for part in collate(batch, pad))
    hidden = causal.model(input_ids=ids, use_cache=False).last_hidden_state
    wanted = labels[:, 1:] != -100
    logits = causal.lm_head(hidden[:, :-1][wanted]).float()
    targets = labels[:, 1:][wanted]
    return torch.nn.functional.cross_entropy(logits, targets, reduction="sum"), int(wanted.sum())
