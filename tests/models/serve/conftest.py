"""One tiny Phi-3 and one server of it for all tests here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from models.serve.settings import ServeSettings
from tests.models.serve.serving import TOKEN, Running, make_adapter, running
from tests.support.tiny_phi3 import make_tiny_phi3


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Phi-3 whose answers are long, and end at an end token now and then."""
    return make_tiny_phi3(tmp_path_factory.mktemp("models") / "tiny-phi3", seed=3)


@pytest.fixture(scope="session")
def home(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """PHI3_HOME with four adapters."""
    home = tmp_path_factory.mktemp("home")
    (home / "adapters").mkdir()
    for number in range(1, 5):
        make_adapter(tiny, home / "adapters", f"refresh-000{number}", seed=number)
    return home


@pytest.fixture(scope="session")
def phi3(tiny: Path, home: Path) -> Iterator[Running]:
    """A server of the tiny Phi-3, without embeddings."""
    settings = ServeSettings(
        _env_file=None,
        model=str(tiny),
        embedding_model="none",
        home=home,
        admin_token=TOKEN,
        max_concurrent=16,
        max_queue=16,
        max_model_len=1024,
    )
    with running(settings) as server:
        yield server


@pytest.fixture(scope="session")
def extractive() -> Iterator[Running]:
    """A server with the default embedding model and the extractive reader."""
    settings = ServeSettings(_env_file=None, model="extractive", admin_token=TOKEN)
    with running(settings) as server:
        yield server
