"""Puts the parts together as the settings say."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from starlette.applications import Starlette

from models.serve.embedder import Embedder
from models.serve.extractive.generator import EXTRACTIVE, ExtractiveReader
from models.serve.generation import Generator
from models.serve.http.admin import create_admin_app
from models.serve.http.app import Served, create_app, now
from models.serve.settings import ServeSettings

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Assembled:
    """Models in memory and the applications in front of them."""

    served: Served
    public_app: Starlette
    admin_app: Starlette

    def close(self) -> None:
        """Stop the models' threads."""
        self.served.generator.close()
        if self.served.embedder:
            self.served.embedder.close()


def assemble(settings: ServeSettings) -> Assembled:
    """Load what the settings name; raises CannotStart with a sentence."""
    embedder = None if settings.embedding_model == "none" else Embedder(settings.embedding_model)
    generator, notice = _generator(settings, embedder)
    if notice:
        log.info("%s", notice)
    served = Served(generator=generator, embedder=embedder, notice=notice, started=now())
    key = settings.api_key.get_secret_value() if settings.api_key else None
    token = settings.admin_token.get_secret_value() if settings.admin_token else None
    return Assembled(
        served=served,
        public_app=create_app(served, key=key),
        admin_app=create_admin_app(served, token=token),
    )


def _generator(settings: ServeSettings, embedder: Embedder | None) -> tuple[Generator, str | None]:
    """The generator, and a notice where people may expect another."""
    places = settings.max_concurrent + settings.max_queue
    reader = ExtractiveReader(embedder, places=places)
    if settings.model == EXTRACTIVE:
        return reader, None
    from models.serve.phi3.loading import find, load

    found = find(settings.model)
    if found is None:
        return reader, (
            "PHI3_MODEL=auto found no CUDA GPU with the weights of Phi-3 at hand: the extractive "
            "reader answers, with sentences of the sources."
        )
    from models.serve.phi3.engine import Phi3

    return Phi3(load(found, settings), settings), None
