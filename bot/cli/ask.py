"""``phi3 ask``: a question at the command line, answered as it would be in Slack."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from bot.cli.running import connect

if TYPE_CHECKING:
    from bot.answering import Done


@click.command(name="ask")
@click.argument("question", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@click.option("--as", "user", metavar="USER", help="See what this Slack user would see.")
@click.option("--channel", metavar="C", help="With --as: asked in this channel, not directly.")
def command(question: tuple[str, ...], as_json: bool, user: str | None, channel: str | None) -> int:
    """Ask QUESTION; the answer names its sources.

    It sees the documents that are meant for the whole workspace.
    """
    from bot import answering
    from bot.answering import Delta, answer
    from bot.cli.asker import audience_of
    from bot.reader import Reader
    from bot.settings import MAX_QUESTION
    from models.lm.client import ModelError
    from models.settings import EmbeddingService, LanguageModel
    from models.store import documents

    text = " ".join(question).strip()
    if not text:
        raise click.UsageError("Ask a question, for example: phi3 ask “How do I add documents?”")
    if len(text) > MAX_QUESTION:
        raise click.UsageError(
            f"That is {len(text):,} characters; questions may have {MAX_QUESTION:,}."
        )
    if channel and not user:
        raise click.UsageError(
            "--channel needs --as USER: what a channel shows depends on who asks."
        )
    running = connect()
    reader = Reader(running.sessions, LanguageModel(), EmbeddingService())
    audience = audience_of(running, user, channel)
    done: Done | None = None
    try:
        for event in answer(reader, question=text, audience=audience):
            if isinstance(event, Delta) and not as_json:
                click.echo(event.text, nl=False)
                sys.stdout.flush()
            elif isinstance(event, answering.Done):
                done = event
    except ModelError as error:
        raise click.ClickException(
            "The model server does not answer: phi3 status shows what is running."
        ) from error
    if done is None:
        raise click.ClickException("No answer came.")
    if as_json:
        click.echo(json.dumps(_as_json(done), ensure_ascii=False))
    else:
        with running.sessions() as session:
            waiting = documents.being_read(session, audience)
        _below(done, waiting)
    return 0


def _as_json(done: Done) -> dict[str, Any]:
    return {
        "answer": done.text,
        "citations": [
            {"n": one.n, "title": one.title, "uri": one.uri, "snippet": one.snippet}
            for one in done.citations
        ],
        "refused": done.refused,
        "generator": done.generator,
        "adapter": done.adapter,
    }


def _below(done: Done, being_read: int) -> None:
    """What stands under an answer in the terminal."""
    from bot.answering import EXTRACTIVE
    from bot.blocks.answers import still_reading

    if done.refused:
        click.echo("I could not find this in the documents, so I would rather not guess.")
        if being_read:
            click.echo(still_reading(being_read))
            return
        click.echo(
            "phi3 ingest PATH_OR_URL adds what should be known; in Slack, “Ask an expert” asks a "
            "colleague."
        )
        return
    click.echo("\n")
    if not done.grounded:
        click.echo("This answer names none of the passages that it was given: take it as a guess.")
    for one in done.citations:
        place = f", {one.place}" if one.place else ""
        click.echo(f"[{one.n}] {one.title}{place}\n    {one.link or one.uri}")
    if done.generator == EXTRACTIVE:
        click.echo("\nAnswered by quoting the sources; no language model is set up.", err=True)
