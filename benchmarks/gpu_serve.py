"""Phi-3-mini's exact shape with random weights on CUDA: how near the engine is to the memory.

    python -m benchmarks.gpu_serve [--levels 1,16,64,256] [--tokens 128] [--quantize none,nf4]

Every decoding step reads all weights once, so tokens a second cannot exceed the device's bandwidth
over the weights' bytes, times the requests that share the step. The bandwidth is measured by
copying. With ``--small`` the same runs anywhere in a small shape, to see that it works.
"""

from __future__ import annotations

import argparse
import queue
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import machine, random_phi3
from benchmarks.machine import Figure
from workers.refresh.recipe import PROJECTIONS

PROMPT = 256  # tokens


def with_lora(model: Any) -> Any:
    """A twin with a rank-16 adapter on the four projections."""
    from peft import LoraConfig, get_peft_model

    from models.serve.phi3.twins import share

    lora = LoraConfig(r=16, lora_alpha=32, target_modules=list(PROJECTIONS), task_type="CAUSAL_LM")
    twin: Any = get_peft_model(share(model), lora).eval().base_model.model
    for name, parameter in twin.named_parameters():
        if ".lora_" in name:  # as adapters are served: in the type of the model
            parameter.data = parameter.data.to(model.dtype)
    return twin


def bandwidth(device: str) -> float:
    """Bytes a second that the device reads and writes while it copies."""
    import torch

    source = torch.empty(1 << (30 if device == "cuda" else 26), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    best = 0.0
    for _ in range(5):
        _settle(device)
        started = time.perf_counter()
        target.copy_(source)
        _settle(device)
        best = max(best, 2 * source.numel() / (time.perf_counter() - started))
    return best


def _settle(device: str) -> None:
    if device == "cuda":
        import torch

        torch.cuda.synchronize()


def speed(model: Any, level: int, tokens: int) -> float:
    """Tokens a second with ``level`` requests at once, prefill included."""
    from models.serve.phi3.twins import Sizes, Twin, share

    sizes = Sizes(
        cache_tokens=level * (PROMPT + tokens + 256) + 4096,
        batch_tokens=8192,
        requests=level,
        page=256,
    )
    twin = Twin("bench", share(model), sizes=sizes, ends=[])
    twin.start()
    try:
        _round(twin, level, 8)
        started = time.perf_counter()
        total = _round(twin, level, tokens)
        return total / (time.perf_counter() - started)
    finally:
        twin.stop()


def _round(twin: Any, level: int, tokens: int) -> int:
    box: queue.SimpleQueue[list[Any]] = queue.SimpleQueue()
    for number in range(level):
        ids = [3 + (number * 31 + at * 7) % 500 for at in range(PROMPT)]
        twin.submit(f"{tokens}-{number}", ids, tokens, box.put)
    total = done = 0
    while done < level:
        for output in box.get(timeout=600):
            if output.is_finished():
                if output.error:
                    raise RuntimeError(output.error)
                total += len(output.generated_tokens)
                done += 1
    return total


def measure(options: argparse.Namespace) -> Iterator[Figure]:
    """Figure by figure."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    shape = "small" if options.small else "mini"
    speed_limit = bandwidth(device)
    yield Figure(what="memory bandwidth", value=round(speed_limit / 1e9, 1), unit="GB/s")
    for precision in options.quantize.split(","):
        model = random_phi3.make(shape, nf4=precision == "nf4", device=device)
        weights = sum(p.numel() * p.element_size() for p in model.parameters())
        kind = "NF4" if precision == "nf4" else str(model.dtype).removeprefix("torch.")
        yield Figure(what=f"{kind}: weights", value=round(weights / 2**30, 2), unit="GiB")
        for adapted in (False, True):
            served = with_lora(model) if adapted else model
            for level in (int(level) for level in options.levels.split(",")):
                got = speed(served, level, options.tokens)
                share = got / (level * speed_limit / weights)
                yield Figure(
                    what=f"{kind}{' with an adapter' if adapted else ''}, {level} at once",
                    value=round(got, 1),
                    unit="tokens/s",
                    note=f"{share:.0%} of what reading the weights allows",
                )


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="The engine on a GPU, in Phi-3-mini's shape.")
    parser.add_argument("--levels", default="1,16,64,256")
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--quantize", default="none,nf4")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    here = machine.describe()
    figures = []
    for figure in measure(options):
        figures.append(figure)
        print(figure.what, figure.value, figure.unit, figure.note, flush=True)
    machine.save("gpu_serve", figures, machine=here, to=options.json)


if __name__ == "__main__":
    main()
