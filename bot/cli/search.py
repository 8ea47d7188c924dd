"""``phi3 search``: the passages that a question finds, for people and for measurements."""

from __future__ import annotations

import itertools
import json
import shutil
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import IO, TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from models.store.passage import Passage

LONGEST = 4_000  # characters of a query that are read; no question is longer
BATCH = 256  # queries embedded in one go

Searcher = Callable[[Sequence[str]], Iterator["list[Passage]"]]


@click.command(name="search")
@click.argument("query", required=False)
@click.option("-k", "count", type=click.IntRange(1, 200), default=10, show_default=True)
@click.option(
    "--queries", type=click.File("rb"), metavar="FILE", help="One query a line; - is stdin."
)
@click.option("--json", "as_json", is_flag=True, help="JSON; with --queries one object a line.")
@click.option("--as", "user", metavar="USER", help="Slack user id: search what this person sees.")
@click.option("--channel", metavar="C", help="With --as: in this channel instead of a DM.")
def command(
    query: str | None,
    count: int,
    queries: IO[bytes] | None,
    as_json: bool,
    user: str | None,
    channel: str | None,
) -> None:
    """Show the passages that QUERY finds, best first, among workspace documents.

    With --queries --json, each line of FILE gives exactly one line {"query", "results"}, in order;
    an empty line finds nothing.
    """
    if (query is None) == (queries is None):
        raise click.UsageError("Give a QUERY, or --queries FILE.")
    if query is not None and not query.strip():
        raise click.UsageError("The query is empty.")
    from bot.cli.asker import audience_of
    from bot.cli.running import connect

    running = connect()
    search = _searcher(running, audience_of(running, user, channel), count)
    if query is not None:
        found = next(search([query]))
        if as_json:
            click.echo(json.dumps([_row(p) for p in found], ensure_ascii=False))
        else:
            click.echo(_page(found))
        return
    for asked, found in _answered(_lines(queries or ()), search):
        if as_json:
            rows = [_row(passage) for passage in found]
            click.echo(json.dumps({"query": asked, "results": rows}, ensure_ascii=False))
        else:
            click.echo(f"{click.style(asked, bold=True)}\n{_page(found)}\n")


def _lines(file: Iterable[bytes]) -> Iterator[str]:
    for number, line in enumerate(file):
        text = line.decode("utf-8-sig" if number == 0 else "utf-8", errors="replace")
        yield text.rstrip("\r\n")


def _answered(lines: Iterator[str], search: Searcher) -> Iterator[tuple[str, list[Passage]]]:
    while batch := list(itertools.islice(lines, BATCH)):
        yield from zip(batch, search(batch), strict=True)


def _searcher(running: Any, audience: Any, count: int) -> Searcher:
    from models.lm.client import EmbeddingClient, ModelError
    from models.settings import EmbeddingService, LanguageModel
    from models.store import embeddings
    from models.store.search import hybrid

    with running.sessions() as session:
        active = embeddings.active_model(session)
    language, service = LanguageModel(), EmbeddingService()
    key = service.api_key or (None if service.url else language.api_key)
    url = service.url or language.url

    def embed(texts: Sequence[str]) -> list[list[float]]:
        if active is None:
            return [[] for _ in texts]
        try:
            with EmbeddingClient(
                url, key.get_secret_value() if key else None, active.name, service.dimensions
            ) as client:
                return client.embed(texts, purpose="query")
        except ModelError as error:
            raise click.ClickException(
                f"The embedding model {active.name} does not answer at {url}: phi3 status."
            ) from error

    def search(queries: Sequence[str]) -> Iterator[list[Passage]]:
        texts = [query.strip()[:LONGEST] for query in queries]
        vectors = iter(embed([text for text in texts if text]))
        for text in texts:
            if not text:
                yield []
                continue
            with running.sessions() as session:
                yield hybrid(session, query=text, vector=next(vectors), audience=audience, k=count)

    return search


def _row(passage: Passage) -> dict[str, Any]:
    return {
        "uri": passage.uri,
        "title": passage.title,
        "text": passage.text,
        "score": round(passage.score, 6),
        "heading": " › ".join(passage.headings),
        "page": passage.page,
        "row": passage.row,
        "last_row": passage.last_row,
        "link": passage.link,
    }


def _page(found: Sequence[Passage]) -> str:
    from models.store.passage import rows

    if not found:
        return "Nothing was found."
    width = min(100, shutil.get_terminal_size().columns)
    blocks = []
    for number, passage in enumerate(found, 1):
        places = [passage.title, *passage.headings]
        if passage.page is not None:
            places.append(f"page {passage.page}")
        if passage.row is not None:
            places.append(rows(passage.row, passage.last_row, passage.text))
        text = textwrap.shorten(passage.text, 3 * width, placeholder=" …")
        blocks.append(
            f"{number:2}. {click.style(' › '.join(filter(None, places)), bold=True)}"
            f"  {passage.score:.2f}\n    {click.style(passage.link or passage.uri, dim=True)}\n"
            + textwrap.fill(text, width, initial_indent="    ", subsequent_indent="    ")
        )
    return "\n\n".join(blocks)
