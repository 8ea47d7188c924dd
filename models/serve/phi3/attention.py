"""Attention of a batch in which each request looks at its own past alone. For processors.

transformers' own way without a flash kernel multiplies every query of a batch with the keys of all
its requests, and hides the others' by a mask as large as the batch times the cache: with n alike
requests n times the work. Here requests that write one token at a time are padded to each other's
length and taken together, and each prompt is taken by itself.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

NAME = "own_past"


@dataclass(frozen=True)
class _Prompt:
    """Several tokens of one request."""

    queries: slice
    keys: slice


@dataclass(frozen=True)
class _Writers:
    """Requests with one token each, of about the same length."""

    queries: torch.Tensor | None  # their places, shape (requests,); none: they are the whole batch
    keys: slice  # of requests x longest
    mask: torch.Tensor  # shape (requests, 1, 1, longest)


@dataclass(frozen=True)
class _Plan:
    """What one step of a batch looks at, the same in each layer."""

    read: torch.Tensor  # places in the cache, for all parts one after the other
    parts: tuple[_Prompt | _Writers, ...]


def fits(model: Any) -> bool:
    """Whether ``model`` is on a processor and its requests look at all of their past."""
    return model.device.type == "cpu" and model.config.sliding_window is None


def use(model: Any) -> None:
    """Have ``model``, which must fit, attend so; its manager must exist already.

    Outside of a manager it then takes single prompts without padding, and no other.
    """
    from transformers import AttentionInterface

    # No mask is registered under the name, so that none is made: each request is alone and
    # unpadded, causal order is all there is to hide.
    AttentionInterface.register(NAME, attend)
    model.config._attn_implementation = NAME


def attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float | None = None,
    cache: Any = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """``query`` is (1, heads, tokens, size); returns (1, tokens, heads, size)."""
    import torch
    from torch.nn.functional import scaled_dot_product_attention
    from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward

    if cache is None:
        kwargs.pop("dropout", None)
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **kwargs
        )
    plan = _plan(kwargs, query.dtype)
    kwargs["read_index"] = [plan.read]
    keys, values = cache.update(
        key_states=key, value_states=value, layer_idx=module.layer_idx, kwargs=kwargs
    )
    groups = module.num_key_value_groups
    keys, values = repeat_kv(keys, groups), repeat_kv(values, groups)
    first = plan.parts[0]
    if isinstance(first, _Writers) and first.queries is None:
        return _written(query, keys, values, first, scaling).transpose(0, 1), None
    out = torch.empty_like(query.transpose(1, 2))
    for part in plan.parts:
        theirs, seen = keys[:, :, part.keys], values[:, :, part.keys]
        if isinstance(part, _Prompt):
            asked = query[:, :, part.queries]
            new, old = asked.shape[2], theirs.shape[2]
            mask = None if new == old else _staircase(new, old)
            out[:, part.queries] = scaled_dot_product_attention(
                asked, theirs, seen, attn_mask=mask, is_causal=mask is None, scale=scaling
            ).transpose(1, 2)
        else:
            asked = query[:, :, part.queries]
            out[0, part.queries] = _written(asked, theirs, seen, part, scaling).squeeze(1)
    return out, None


def _written(
    query: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    part: _Writers,
    scaling: float | None,
) -> torch.Tensor:
    """``query`` is (1, heads, requests, size), keys and values those of the part; returns
    (requests, 1, heads, size)."""
    from torch.nn.functional import scaled_dot_product_attention

    count, longest = part.mask.shape[0], part.mask.shape[3]
    heads, size = keys.shape[1], keys.shape[3]
    return scaled_dot_product_attention(
        query.transpose(0, 2),
        keys.reshape(heads, count, longest, size).transpose(0, 1),
        values.reshape(heads, count, longest, size).transpose(0, 1),
        attn_mask=part.mask,
        scale=scaling,
    ).transpose(1, 2)


def _plan(kwargs: dict[str, Any], dtype: torch.dtype) -> _Plan:
    """Made in the first layer, kept with the step's own tensor for the others."""
    ends: Any = kwargs["cu_seq_lens_q"]
    plan: _Plan | None = getattr(ends, NAME, None)
    if plan is None:
        (lengths,) = kwargs["cu_seq_lens_k"].values()
        plan = _planned(ends.tolist(), lengths.tolist(), kwargs["read_index"][0], dtype)
        setattr(ends, NAME, plan)
    return plan


def _planned(queries: list[int], keys: list[int], read: torch.Tensor, dtype: torch.dtype) -> _Plan:
    """``queries``, ``keys``: where each request begins, and the end. ``read`` is empty where
    nothing is in the cache yet: then the keys are the tokens themselves."""
    import torch

    parts: list[_Prompt | _Writers] = []
    reads: list[torch.Tensor] = []
    place = 0
    writers: defaultdict[int, list[int]] = defaultdict(list)
    for at in range(len(queries) - 1):
        if queries[at + 1] - queries[at] == 1 and read.numel():
            writers[(keys[at + 1] - keys[at]).bit_length()].append(at)  # at most twice as long
            continue
        reads.append(read[keys[at] : keys[at + 1]])
        size = keys[at + 1] - keys[at]
        parts.append(_Prompt(slice(queries[at], queries[at + 1]), slice(place, place + size)))
        place += size
    for group in writers.values():
        starts = torch.tensor([keys[at] for at in group])
        sizes = torch.tensor([keys[at + 1] - keys[at] for at in group])
        longest = int(sizes.max())
        steps = torch.arange(longest)
        own = steps < sizes[:, None]
        reads.append(read[torch.where(own, starts[:, None] + steps, starts[:, None]).flatten()])
        mask = torch.zeros(own.shape, dtype=dtype).masked_fill(~own, float("-inf"))
        width = len(group) * longest
        whole = len(group) == len(queries) - 1
        parts.append(
            _Writers(
                None if whole else torch.tensor([queries[at] for at in group]),
                slice(place, place + width),
                mask[:, None, None, :],
            )
        )
        place += width
    return _Plan(torch.cat(reads), tuple(parts))


def _staircase(new: int, old: int) -> torch.Tensor:
    """Which of ``old`` keys each of the ``new`` last tokens may look at."""
    import torch

    return torch.ones(new, old, dtype=torch.bool).tril(old - new)
