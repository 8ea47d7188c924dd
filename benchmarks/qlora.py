"""Our training against TRL's SFTTrainer with the same settings, and QLoRA against LoRA.

python -m benchmarks.qlora --model DIRECTORY [--steps 20] [--length 512] [--batch 4] [--json FILE]
python -m benchmarks.qlora --shape mini|70b|small (that shape, with random weights)

Each arm runs in a process of its own, so that peak memory is its own: resident memory on CPU,
allocated memory on CUDA. On CPU a second is one of processor time, so that what else the machine
does counts for nothing. All arms see the same random tokens of one length, the same rank, batch
and optimiser, and loss on every token; the first steps are not counted. TRL is asked only if it is
installed.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import machine, random_phi3
from workers.refresh.recipe import PROJECTIONS, Recipe

WARM = 3  # steps that are not counted


def base_model(options: argparse.Namespace, recipe: Recipe, where: Any) -> Any:
    """The model in the directory, or one of the shape with random weights."""
    from workers.refresh.train import model as models

    if not options.shape:
        return models.load_base(Path(options.model), recipe, where)
    return random_phi3.make(
        options.shape, nf4=recipe.quantise, device=where.type, layers=options.layers
    )


def clock(where: Any) -> float:
    """Seconds: of the wall on CUDA, of the processor on CPU."""
    return time.perf_counter() if where.type == "cuda" else time.process_time()


def tokens(options: argparse.Namespace, vocabulary: int) -> list[list[int]]:
    """The same examples for every arm."""
    import random

    rng = random.Random(0)
    count = (options.steps + WARM) * options.batch
    return [[rng.randrange(10, vocabulary) for _ in range(options.length)] for _ in range(count)]


def ours(options: argparse.Namespace, *, quantise: bool) -> dict[str, Any]:
    """The trainer of the nights."""
    import torch

    from workers.refresh.train import loop
    from workers.refresh.train import model as models
    from workers.refresh.train.tokens import Encoded

    where = models.device()
    with tempfile.TemporaryDirectory() as work:
        recipe = Recipe(
            name="bench",
            base=options.model or options.shape,
            base_name="bench",
            snapshot="",
            output="",
            work=work,
            epochs=1,
            learning_rate=1e-4,
            quantise=quantise,
            batch=options.batch,
            micro_tokens=options.batch * options.length,
            max_length=options.length,
            checkpointing=options.checkpointing,
            checkpoint_s=1e9,
        )
        base = base_model(options, recipe, where)
        model = models.with_adapter(base, recipe)
        rows = tokens(options, base.config.vocab_size)
        encoded = [Encoded(ids=tuple(row), start=1, cluster="one") for row in rows]
        times: list[float] = []

        def tell(event: str, **values: Any) -> None:
            if event == "step":
                if where.type == "cuda":
                    torch.cuda.synchronize()
                times.append(clock(where))

        loop.Run(model, recipe, encoded, pad=0, tell=tell).go()
    return measured(times, options)


def trl(options: argparse.Namespace, *, quantise: bool) -> dict[str, Any]:
    """TRL's SFTTrainer with the same model, adapter, batch and optimiser."""
    import torch
    from datasets import Dataset, disable_caching
    from peft import LoraConfig
    from transformers import TrainerCallback
    from trl import SFTConfig, SFTTrainer

    from workers.refresh.train import model as models

    disable_caching()  # otherwise it pickles what it is made with, which not all versions can
    where = models.device()
    recipe = Recipe(
        name="b", base="", base_name="", snapshot="", output="", work="", quantise=quantise
    )
    base = base_model(options, recipe, where)
    rows = tokens(options, base.config.vocab_size)
    times: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            if where.type == "cuda":
                torch.cuda.synchronize()
            times.append(clock(where))

    with tempfile.TemporaryDirectory() as out:
        trainer = SFTTrainer(
            model=base,
            args=SFTConfig(
                output_dir=out,
                max_steps=options.steps + WARM,
                learning_rate=1e-4,
                per_device_train_batch_size=options.batch,
                max_length=options.length,
                gradient_checkpointing=options.checkpointing,
                bf16=where.type == "cuda",
                use_cpu=where.type == "cpu",
                report_to=[],
                logging_steps=10_000,
                save_strategy="no",
                optim="paged_adamw_8bit" if where.type == "cuda" else "adamw_torch",
                dataset_kwargs={"skip_prepare_dataset": True},
            ),
            train_dataset=Dataset.from_dict({"input_ids": rows}),  # loss on every token
            peft_config=LoraConfig(
                r=16, lora_alpha=32, target_modules=list(PROJECTIONS), task_type="CAUSAL_LM"
            ),
            callbacks=[Clock()],
        )
        trainer.train()
    return measured(times, options)


def measured(times: list[float], options: argparse.Namespace) -> dict[str, Any]:
    """Tokens a second after the warm-up, and peak memory."""
    import torch

    seconds = times[-1] - times[WARM - 1]
    if torch.cuda.is_available():
        peak = torch.cuda.max_memory_allocated()
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "tokens_per_s": round((len(times) - WARM) * options.batch * options.length / seconds, 1),
        "peak_gib": round(peak / 2**30, 3),
    }


ARMS = {
    "ours qlora": (ours, True),
    "ours lora": (ours, False),
    "trl qlora": (trl, True),
    "trl lora": (trl, False),
}


def figures(found: dict[str, Any], unit: str) -> list[machine.Figure]:
    """Speed and memory of every arm, and what quantisation costs."""
    made = [
        machine.Figure(what=f"{arm}: {what}", value=values.get(key), unit=named, note=_why(values))
        for arm, values in found.items()
        for what, key, named in (("speed", "tokens_per_s", unit), ("peak", "peak_gib", "GiB"))
    ]
    speed = {arm: values.get("tokens_per_s") for arm, values in found.items()}
    quantised, plain = speed.get("ours qlora"), speed.get("ours lora")
    if quantised and plain:
        slower = round(100 * (1 - quantised / plain), 1)
        made.append(
            machine.Figure(what="QLoRA slower than LoRA", value=slower, unit="%", goal="<= 10")
        )
    return made


def _why(values: dict[str, Any]) -> str:
    """Why an arm has no figures; empty where it has."""
    return str(values.get("left_out") or values.get("failed", "").strip().split("\n")[-1])


def main() -> None:
    """Run every arm in its own process and print a table."""
    parser = argparse.ArgumentParser(description="Speed and memory of training.")
    parser.add_argument("--model")
    parser.add_argument("--shape", choices=sorted(random_phi3.SHAPES))
    parser.add_argument("--layers", type=int, help="fewer layers than the shape has")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--checkpointing", action="store_true")
    parser.add_argument("--arm", choices=sorted(ARMS))
    parser.add_argument("--only", action="append", choices=sorted(ARMS))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.arm:
        run, quantise = ARMS[options.arm]
        print(json.dumps(run(options, quantise=quantise)))
        return
    before = machine.describe()
    if bool(options.shape) == bool(options.model):
        parser.error("name a --model or a --shape")
    found: dict[str, Any] = {}
    for arm in options.only or ARMS:
        if arm.startswith("trl") and importlib.util.find_spec("trl") is None:
            found[arm] = {"left_out": "trl is not installed"}
            continue
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.qlora", "--arm", arm, *sys.argv[1:]],
            capture_output=True,
            text=True,
            check=False,
        )
        last = done.stdout.strip().splitlines()[-1:] or ["{}"]
        found[arm] = json.loads(last[0]) if done.returncode == 0 else {"failed": done.stderr[-800:]}
    unit = "tokens/s" if machine.describe()["accelerator"] else "tokens/s of processor time"
    made = figures(found, unit)
    print(machine.table([{**asdict(figure), "met": figure.met} for figure in made]))
    if options.json:
        left = ("json", "model", "arm", "only")
        settings = {name: value for name, value in vars(options).items() if name not in left}
        versions = {name: _version(name) for name in ("peft", "bitsandbytes", "trl")}
        details = {"arms": found, "settings": settings, "versions": versions}
        machine.save("qlora", made, machine=before, details=details, to=options.json)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


if __name__ == "__main__":
    main()
