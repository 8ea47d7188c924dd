"""The likelihood of a prompt's own tokens, in one forward pass."""

from __future__ import annotations

from typing import Any

from models.serve.generation import Likelihood

CHUNK = 512  # rows of logits at a time: 32,064 float32 numbers each


def likelihoods(model: Any, tokenizer: Any, ids: list[int], top: int) -> list[Likelihood]:
    """Log-probability (nats) and rank of each token given those before it; none for the first.

    ``top``: how many of the likeliest tokens to add at each place.
    """
    import torch

    rows = [Likelihood(token=ids[0], text=tokenizer.decode([ids[0]]), logprob=None, rank=None)]
    if len(ids) == 1:
        return rows
    with torch.inference_mode():
        inputs = torch.tensor([ids], device=model.device)
        hidden = model.model(input_ids=inputs, use_cache=False).last_hidden_state[0, :-1]
        targets = inputs[0, 1:]
        for start in range(0, len(targets), CHUNK):
            logits = model.lm_head(hidden[start : start + CHUNK]).float()
            logprobs = torch.log_softmax(logits, dim=-1)
            wanted = targets[start : start + CHUNK]
            own = logprobs.gather(1, wanted[:, None])
            ranks = (logprobs > own).sum(dim=1) + 1
            best = logprobs.topk(top, dim=1) if top else None
            for at, token in enumerate(wanted.tolist()):
                others = (
                    tuple(
                        (int(other), tokenizer.decode([other]), float(value), place)
                        for place, (other, value) in enumerate(
                            zip(best.indices[at].tolist(), best.values[at].tolist(), strict=True),
                            start=1,
                        )
                    )
                    if best is not None
                    else ()
                )
                rows.append(
                    Likelihood(
                        token=token,
                        text=tokenizer.decode([token]),
                        logprob=float(own[at, 0]),
                        rank=int(ranks[at]),
                        top=others,
                    )
                )
    return rows
