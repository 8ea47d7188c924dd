"""The trainer as a subprocess: watched, told of in progress, ended with its worker."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workers.refresh.recipe import Recipe

REFUSED = 3
RECIPE = "recipe.json"


class TrainingRefused(RuntimeError):
    """The trainer says why it cannot; fit to show."""


class TrainingFailed(RuntimeError):
    """The trainer ended otherwise; its last words are in the message, for the log."""


def train(recipe: Recipe, tell: Callable[[dict[str, Any]], bool]) -> None:
    """Run the recipe to its end; its adapter's directory is complete then.

    ``tell`` hears every event and says whether to go on. Raises ``TrainingRefused`` or
    ``TrainingFailed``.
    """
    work = Path(recipe.work)
    if work.exists() and not begun(work, recipe):
        shutil.rmtree(work)  # another ledger's night, or other settings: its checkpoints mislead
    work.mkdir(parents=True, exist_ok=True)
    recipe.save(work / RECIPE)
    refusal = ""
    with (work / "log.txt").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "workers.refresh.train", str(work / RECIPE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )
        try:
            for line in process.stdout or ():
                event = _event(line)
                if event.get("event") == "refused":
                    refusal = str(event.get("reason", ""))
                if event and not tell(event):
                    process.kill()
                    raise TrainingFailed("the night was stopped")
            status = process.wait()
        finally:
            process.kill()
            process.communicate()
    if status == REFUSED:
        raise TrainingRefused(refusal or "The trainer refused.")
    if status != 0:
        tail = (work / "log.txt").read_text("utf-8", "replace")[-1500:]
        raise TrainingFailed(f"the trainer ended with status {status}: {tail}")


def begun(work: Path, recipe: Recipe) -> bool:
    """Whether what lies in ``work`` is this run's; a recipe cut short by a crash is nobody's."""
    try:
        return recipe.resumes(Recipe.load(work / RECIPE))
    except (OSError, ValueError, TypeError):
        return False


def _event(line: bytes) -> dict[str, Any]:
    """A line of progress; libraries may print other things."""
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
