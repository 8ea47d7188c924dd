"""A recipe carried out: train, tell how it goes as JSON lines, save whole or not at all."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import json
import shutil
import sys
import traceback
from pathlib import Path
from typing import Any

import torch

from models.lm import manifest
from workers.refresh import room
from workers.refresh.recipe import Recipe
from workers.refresh.train import loop, tokens
from workers.refresh.train import model as models

REFUSED = 3
_PACKAGES = ("torch", "transformers", "peft", "bitsandbytes")


def main(path: Path) -> int:
    """Run the recipe in that file; the process' exit status."""
    try:
        train(Recipe.load(path))
    except models.Refused as refusal:
        tell("refused", reason=str(refusal))
        return REFUSED
    except Exception as error:
        if not room.is_lacking(error):
            raise
        traceback.print_exception(error)
        tell("refused", reason="There is no room left on the disk for what training writes.")
        return REFUSED
    return 0


def train(recipe: Recipe) -> loop.Outcome:
    """The whole run; raises ``Refused``."""
    torch.manual_seed(recipe.seed)
    Path(recipe.work).mkdir(parents=True, exist_ok=True)
    directory = models.directory_of(recipe.base)
    where = models.device()
    models.admit(directory, recipe, where)
    tell("loading", device=str(where))
    model, tokenizer = models.load(directory, recipe, where)
    examples = tokens.read(Path(recipe.snapshot) / "train.jsonl")
    encoded = tokens.encode_all(tokenizer, examples, max_length=recipe.max_length)
    if not encoded:
        raise models.Refused("No example fits into the longest length that training takes.")
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else encoded[0].ids[-1]
    run = loop.Run(model, recipe, encoded, pad=pad, tell=tell)
    outcome = run.go()
    save(model, recipe, directory, outcome, examples=len(encoded))
    tell(
        "done",
        steps=outcome.steps,
        loss=outcome.loss,
        validation=outcome.validation,
        stopped=outcome.stopped,
    )
    return outcome


def save(
    model: Any, recipe: Recipe, directory: Path, outcome: loop.Outcome, *, examples: int
) -> None:
    """Write the adapter's directory beside its place and rename it."""
    output = Path(recipe.output)
    partial = output.with_name(output.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    model.save_pretrained(partial, safe_serialization=True)
    (partial / "README.md").unlink(missing_ok=True)
    figures = {
        "steps": outcome.steps,
        "loss": outcome.loss,
        "validation": outcome.validation,
        "stopped": outcome.stopped,
        "seconds": round(outcome.spent_s, 1),
        "examples": examples,
        "tokens": outcome.tokens,
        "curve": outcome.curve,
    }
    (partial / "training.json").write_text(json.dumps(figures), "utf-8")
    manifest.write(
        partial,
        name=recipe.name,
        base=recipe.base_name,
        identity=manifest.describe_base(directory),
        created_at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        lineage=recipe.lineage,
        environment={name: importlib.metadata.version(name) for name in _PACKAGES},
    )
    shutil.rmtree(output, ignore_errors=True)
    partial.rename(output)


def tell(event: str, **values: Any) -> None:
    """One JSON line on standard output."""
    sys.stdout.write(json.dumps({"event": event, **values}) + "\n")
    sys.stdout.flush()
