"""``phi3 reembed``: move to another embedding model while questions go on being answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from models.lm.client import EmbeddingClient
    from models.store.session import Sessions

BATCH = 64  # texts embedded and committed at a time; an interrupted run loses no more


@click.command(name="reembed")
@click.option("--model", "name", required=True, metavar="NAME", help="The model to move to.")
@click.option("--url", metavar="URL", help="Where it is served; default: PHI3_EMBEDDING_URL.")
def command(name: str, url: str | None) -> None:
    """Embed everything again with another model, then switch to it.

    Until the switch, questions are answered with the old model. It may be interrupted and started
    again: what was done stays done. The old model's vectors stay too, so that moving back is quick.
    """
    from bot.cli.running import connect
    from models.lm.client import EmbeddingClient, ModelError
    from models.settings import EmbeddingService, LanguageModel

    running = connect()
    language, service = LanguageModel(), EmbeddingService()
    key = service.api_key or (None if service.url else language.api_key)
    where = url or service.url or language.url
    try:
        with EmbeddingClient(
            where, key.get_secret_value() if key else None, name, service.dimensions
        ) as client:
            done = move(running.sessions, client, name, _progress)
    except ModelError as error:
        raise click.ClickException(
            f"No embedding model {name} answers at {where}."
            " Serve it there, or name its server with --url; what was done stays done."
        ) from error
    click.echo(f"Questions are now embedded with {name}; {done:,} texts were embedded for it.")


def move(
    sessions: Sessions,
    client: EmbeddingClient,
    name: str,
    progress: Callable[[int], Callable[[int], None]],
) -> int:
    """Fill up ``name``, switch, then embed what came in meanwhile; returns how many texts.

    ``progress`` is given the total and returns what is called with each step.
    """
    from models.store import embeddings, scaling
    from models.store.session import transaction

    dimensions = len(client.embed(["dimensions"], purpose="query")[0])
    with transaction(sessions) as session:
        model_id = embeddings.ensure_model(session, name, dimensions)
        total = embeddings.count_wanting(session, model_id)
    step = progress(total)

    def fill() -> int:
        done = 0
        while True:
            with sessions() as session:
                wanted = embeddings.wanting(session, model_id, limit=BATCH)
            if not wanted:
                return done
            vectors = client.embed(list(wanted.values()), purpose="passage")
            with transaction(sessions) as session:
                embeddings.put(session, model_id, dict(zip(wanted, vectors, strict=True)))
            done += len(wanted)
            step(len(wanted))

    done = fill()
    scaling.measure(sessions, name, client)
    with transaction(sessions) as session:
        embeddings.activate(session, name)
    # A worker that had looked up the old model before the switch may have finished after it.
    return done + fill()


def _progress(total: int) -> Callable[[int], None]:
    bar = click.progressbar(length=total, label="Embedding", show_pos=True)
    bar.render_progress()

    def step(count: int) -> None:
        bar.update(count)
        if bar.finished:
            bar.render_finish()

    return step
