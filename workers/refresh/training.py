"""The night's second step: the trainer's recipe, and its progress as it is told."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from models.lm import manifest
from models.settings import Home, LanguageModel, Learning
from models.store import adapters, refreshes
from models.store.session import transaction
from workers.refresh import report, trainer
from workers.refresh.choosing import EXTRACTIVE, snapshot_of
from workers.refresh.lease import Ended, Night
from workers.refresh.recipe import Recipe
from workers.refresh.settings import Nights


def train(night: Night) -> None:
    """Train the candidate in a subprocess; its directory is complete after this."""
    settings, learning, nights = LanguageModel(), Learning(), Nights()
    output = Home().adapters / night.name
    with transaction(night.sessions) as session:
        snapshot = snapshot_of(session, night)
        base_name = adapters.by_name(session, night.name).base
    if not _made_here(output, snapshot.digest):
        named = settings.model not in ("auto", EXTRACTIVE)
        recipe = Recipe(
            name=night.name,
            base=settings.model if named else base_name,
            base_name=base_name,
            snapshot=str(snapshot.path),
            output=str(output),
            work=str(Home().training / night.name),
            seed=nights.seed,
            epochs=learning.epochs,
            learning_rate=learning.learning_rate,
            quantise=nights.quantise,
            batch=nights.batch,
            max_length=nights.max_length,
            time_limit_s=nights.hours * 3600,
            lineage={"refresh": night.id, "snapshot": snapshot.digest, **snapshot.card["pairs"]},
        )
        output.parent.mkdir(parents=True, exist_ok=True)
        told = [0.0]

        def tell(event: dict[str, Any]) -> bool:
            night.progress = {**night.progress, **event, "step": "train", "at": event.get("step")}
            if event["event"] != "step" or time.monotonic() - told[0] > 2:
                told[0] = time.monotonic()
                report.progress(night.sessions, night.row(), night.progress)
                return night.beat()
            return not night.lost.is_set()

        try:
            trainer.train(recipe, tell)
        except trainer.TrainingRefused as refusal:
            raise Ended("skipped", str(refusal)) from refusal
    figures = json.loads((output / "training.json").read_text("utf-8"))
    with transaction(night.sessions) as session:
        held = refreshes.held(session, night.id, worker=night.worker)
        document = manifest.read(output).as_json()
        adapters.trained(session, night.name, path=str(output), manifest=document)
        held.metrics = {**held.metrics, "training": figures}


def _made_here(output: Path, digest: str) -> bool:
    """Whether the adapter there was trained from this snapshot.

    A restored database counts its nights again; what lies under such a name is another's.
    """
    if not (output / manifest.MANIFEST).exists():
        return False
    return manifest.read(output).lineage.get("snapshot") == digest
