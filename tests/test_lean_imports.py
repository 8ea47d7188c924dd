"""The trainer and the engine run with their own libraries alone.

A machine with a GPU is often borrowed and bare: what is trained or measured there must not ask for
a database driver, Celery or Slack.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

pytest.importorskip("torch")

MODELS = ("torch", "transformers", "peft", "bitsandbytes")
SERVER = (*MODELS, "starlette", "uvicorn", "pydantic-settings", "httpx")
OURS = ("models", "workers", "benchmarks")

# Hides what is not named, as if it were not installed; then imports, stage by stage.
ALONE = """
import importlib, json, pkgutil, sys
from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder
allowed = {*sys.stdlib_module_names}
class Only(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        top = name.partition(".")[0]
        known = top in allowed or top.startswith("_sysconfigdata")
        return super().find_spec(name, path, target) if known else None
sys.meta_path[:] = [BuiltinImporter, FrozenImporter, Only]
for libraries, packages in json.loads(sys.argv[1]):
    allowed.update(libraries)
    for name in packages:
        module = importlib.import_module(name)
        for found in pkgutil.walk_packages(getattr(module, "__path__", []), f"{name}."):
            importlib.import_module(found.name)
"""


def test_trainer_and_engine_ask_for_nothing_else() -> None:
    alone, served = (sorted({*OURS, *modules(names)}) for names in (MODELS, SERVER))
    assert not {"psycopg", "sqlalchemy", "celery", "slack_sdk", "redis"} & {*alone, *served}
    lean = (
        "workers.refresh.train",
        "models.serve.phi3",
        "benchmarks.qlora",
        "benchmarks.gpu_serve",
    )
    stages = [(alone, lean), (served, ("models.serve",))]
    ended = subprocess.run(
        [sys.executable, "-c", ALONE, json.dumps(stages)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    assert ended.returncode == 0, ended.stderr


def modules(distributions: tuple[str, ...]) -> set[str]:
    """Top-level modules of these distributions and of all that they require."""
    wanted, left = set[str](), list(distributions)
    while left:
        name = canonicalize_name(left.pop())
        if name in wanted:
            continue
        wanted.add(name)
        for line in metadata.requires(name) or ():
            need = Requirement(line)
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                left.append(need.name)
    return {
        module
        for module, holders in metadata.packages_distributions().items()
        if wanted & {canonicalize_name(holder) for holder in holders}
    }
