"""How large a batch manager may be, from the model, the device and the limits we promise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.serve.phi3.loading import Loaded, cache_bytes_per_token, free_memory
from models.serve.phi3.twins import Sizes

if TYPE_CHECKING:
    from models.serve.settings import ServeSettings

SHARE = 0.8  # of the free memory goes to caches
CPU_LIMIT = 1 << 30  # bytes of cache a manager on a CPU, which is slow long before memory ends
CPU_TOKENS = 16_384
PAGE_CPU, PAGE_CUDA = 32, 256
BATCH_CPU, BATCH_CUDA = 512, 8192


def sizes_for(loaded: Loaded, settings: ServeSettings) -> Sizes:
    """The same for the base and for each adapter, so that all may be resident at once.

    At least one request of full length fits. Starting with transformers' own defaults took 23 s on
    a tiny model; these start in 0.3 s.
    """
    cuda = loaded.model.device.type == "cuda"
    config = loaded.model.config.to_dict()
    each = cache_bytes_per_token(config, loaded.model.dtype.itemsize)
    page = PAGE_CUDA if cuda else PAGE_CPU
    full = loaded.max_model_len + page
    budget = int(free_memory(cuda) * SHARE / (settings.max_adapters + 1))
    if not cuda:
        budget = min(budget, CPU_LIMIT)
    tokens = max(full, min(full * settings.max_concurrent, budget // each))
    if not cuda:
        tokens = min(tokens, max(full, CPU_TOKENS))
    return Sizes(
        cache_tokens=tokens,
        batch_tokens=BATCH_CUDA if cuda else BATCH_CPU,
        requests=settings.max_concurrent,
        page=page,
    )
