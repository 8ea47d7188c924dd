"""A step's plan: who looks at what."""

from __future__ import annotations

import pytest
import torch

from models.serve.phi3.attention import _planned, _Prompt, _staircase, _Writers


def test_a_prompt_is_alone_and_writers_are_padded_to_their_like() -> None:
    # A prompt of three after two in the cache; writers with 5, 4 and 20 keys.
    read = torch.arange(100, 134)
    plan = _planned([0, 3, 4, 5, 6], [0, 5, 10, 14, 34], read, torch.float32)
    prompt, near, far = plan.parts
    assert isinstance(prompt, _Prompt)
    assert plan.read[prompt.keys].tolist() == [100, 101, 102, 103, 104]
    assert isinstance(near, _Writers)
    assert near.queries is not None
    assert near.queries.tolist() == [3, 4]
    assert plan.read[near.keys].view(2, 5).tolist() == [
        [105, 106, 107, 108, 109],
        [110, 111, 112, 113, 110],
    ]
    assert near.mask[:, 0, 0].isinf().tolist() == [[False] * 5, [False] * 4 + [True]]
    assert isinstance(far, _Writers)
    assert far.queries is not None
    assert far.queries.tolist() == [5]
    assert plan.read[far.keys].tolist() == list(range(114, 134))


def test_writers_alike_are_the_whole_batch() -> None:
    plan = _planned([0, 1, 2], [0, 5, 9], torch.arange(9), torch.float32)
    (only,) = plan.parts
    assert isinstance(only, _Writers)
    assert only.queries is None
    assert plan.read[only.keys].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 5]


@pytest.mark.parametrize("sizes", [[4], [3, 1, 2]])
def test_where_nothing_is_cached_each_looks_at_its_own_tokens(sizes: list[int]) -> None:
    ends = torch.tensor([0, *sizes]).cumsum(0).tolist()
    plan = _planned(ends, ends, torch.empty(0, dtype=torch.long), torch.float32)
    assert plan.read.numel() == 0
    for part in plan.parts:
        assert isinstance(part, _Prompt)
        assert part.keys == part.queries


def test_later_tokens_see_earlier_ones() -> None:
    assert _staircase(2, 4).tolist() == [[True, True, True, False], [True] * 4]
