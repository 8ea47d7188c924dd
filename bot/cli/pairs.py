"""``phi3 pairs``: list, import, export, approve and reject Q&A pairs."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from models.store.session import Sessions

ACTOR = "command line"
BATCH = 500  # rows of a file that are imported in one transaction
SHOWN = 20  # refused rows that are named


@click.group(name="pairs")
def command() -> None:
    """List, import, export, approve or reject Q&A pairs."""


@command.command(name="list")
@click.option("--state", type=click.Choice(["proposed", "approved", "rejected", "stale"]))
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="JSON, to standard output alone.")
def list_pairs(state: str | None, limit: int, as_json: bool) -> None:
    """Show pairs, oldest first."""
    from bot.cli.pair_rows import as_json as as_row
    from bot.cli.running import connect
    from models.store import pairs

    with connect().sessions() as session:
        rows = pairs.listing(session, state=state, limit=limit)
        counts = pairs.counts(session)
    if as_json:
        click.echo(json.dumps([as_row(row) for row in rows], ensure_ascii=False))
        return
    for row in rows:
        mark = " (locked)" if row.locked else ""
        click.echo(f"{row.id:6}  {row.state:9}{mark} {click.style(row.question, bold=True)}")
        click.echo(f"        {' '.join(row.answer.split())[:160]}")
        if row.reason:
            click.echo(click.style(f"        {row.reason}", dim=True))
    click.echo(", ".join(f"{count} {name}" for name, count in counts.items()) + ".")


@command.command(name="import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--approved", is_flag=True, help="Approve them at once; otherwise they are proposed.")
@click.option("--json", "as_json", is_flag=True, help="JSON, to standard output alone.")
def import_pairs(file: Path, approved: bool, as_json: bool) -> None:
    """Import question and answer pairs from FILE (CSV, TSV, JSON, JSONL, XML, or a zip of them).

    The columns are recognised by name: question, answer and, if known, passages. Importing says
    that these words may be learned from; what an export wrote comes back as it was.
    """
    from bot.cli.pair_files import BadFile, read
    from bot.cli.running import connect
    from models.store import importing
    from models.store.session import transaction

    try:
        found = read(file)
    except BadFile as error:
        raise click.ClickException(str(error)) from error
    running = connect()
    states: Counter[str] = Counter()
    known, refused = 0, found.refused
    added: set[int] = set()
    with click.progressbar(length=len(found.pairs), label="Importing", file=sys.stderr) as bar:
        for at in range(0, len(found.pairs), BATCH):
            places, batch = zip(*found.pairs[at : at + BATCH], strict=True)
            with transaction(running.sessions) as session:
                outcomes = importing.take(
                    session, batch, approve=approved, actor=ACTOR, added=added
                )
            for place, outcome in zip(places, outcomes, strict=True):
                if isinstance(outcome, importing.Taken):
                    states[outcome.state] += 1
                    known += outcome.known
                else:
                    refused.append(f"{place}: {outcome}")
            bar.update(len(batch))
    waiting = _settle(running.sessions, states["approved"])
    if as_json:
        done = {"imported": states.total(), "known": known, "refused": refused}
        click.echo(json.dumps(done, ensure_ascii=False))
    else:
        click.echo(_taken(states, known) + waiting)
    for sentence in refused[:SHOWN]:
        click.echo(sentence, err=True)
    if len(refused) > SHOWN:
        click.echo(f"{len(refused) - SHOWN:,} more are refused; --json names all.", err=True)
    if refused:
        raise click.exceptions.Exit(1)


@command.command(name="export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--state", type=click.Choice(["proposed", "approved", "rejected", "stale"]))
def export(file: Path, state: str | None) -> None:
    """Write pairs to FILE as JSONL, as import takes them; - is standard output.

    Everything is in it, private pairs and who wrote them too: keep it as you keep the database.
    """
    from bot.cli.running import connect

    if str(file) != "-" and file.suffix.lower() not in (".jsonl", ".ndjson", ".json"):
        raise click.UsageError("Pairs are written as JSON lines: call the file pairs.jsonl.")
    with connect().sessions() as session:
        rows = _exported(session, state)
        if str(file) == "-":
            for row in rows:
                click.echo(json.dumps(row, ensure_ascii=False))
            return
        with file.open("w", encoding="utf-8") as lines:
            count = sum(lines.write(json.dumps(row, ensure_ascii=False) + "\n") > 0 for row in rows)
    click.echo(f"{_pairs(count)} in {file}.")


@command.command(name="edit")
@click.argument("number", type=int)
@click.option("--as", "user", required=True, help="Whose words they are: a Slack user id.")
@click.option("--question", help="The new question.")
@click.option("--answer", help="The new answer; - reads it from standard input.")
def edit(number: int, user: str, question: str | None, answer: str | None) -> None:
    """Change a pair, however long; it then waits to be approved. An editor opens the answer."""
    from bot.cli.pair_rows import LONGEST
    from bot.cli.running import connect
    from models.store import pairs
    from models.store.session import transaction

    if not re.fullmatch("[UW][A-Z0-9]+", user):
        raise click.UsageError(f"{user} is no Slack user id: --as wants one such as U012AB3CD.")
    sessions = connect().sessions
    with sessions() as session:
        before = pairs.get(session, number)
    if before is None:
        raise click.ClickException(f"There is no pair {number}.")
    if answer == "-":
        answer = sys.stdin.read()
    if question is None and answer is None:
        if not sys.stdin.isatty():
            raise click.UsageError("Give --question or --answer.")
        answer = click.edit(before.answer)
    if max(len(question or ""), len(answer or "")) > LONGEST:
        raise click.ClickException(f"It is longer than {LONGEST:,} characters.")
    try:
        with transaction(sessions) as session:
            after = pairs.edit(session, number, actor=user, question=question, answer=answer)
            changed = (after.question, after.answer) != (before.question, before.answer)
    except pairs.PairRefused as error:
        raise click.ClickException(str(error)) from error
    click.echo(
        f"Pair {number} is changed, and waits: phi3 pairs approve {number}."
        if changed
        else f"Pair {number} is as it was."
    )


@command.command(name="approve")
@click.argument("ids", type=int, nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Everything that is proposed.")
def approve(ids: tuple[int, ...], everything: bool) -> None:
    """Approve pairs: they answer at once, and may be learned from where there is consent."""
    _decide(ids, everything, state="approved", reason=None)


@command.command(name="reject")
@click.argument("ids", type=int, nargs=-1, required=True)
@click.option("--reason", help="Why, for those who proposed them.")
def reject(ids: tuple[int, ...], reason: str | None) -> None:
    """Reject pairs."""
    _decide(ids, False, state="rejected", reason=reason)


@command.command(name="lock")
@click.argument("ids", type=int, nargs=-1, required=True)
@click.option("--undo", is_flag=True, help="Unlock them.")
def lock(ids: tuple[int, ...], undo: bool) -> None:
    """Lock approved pairs: an adapter that answers them worse on average does not go live."""
    from bot.cli.running import connect
    from models.store import pairs
    from models.store.session import transaction

    try:
        with transaction(connect().sessions) as session:
            for number in ids:
                pairs.lock(session, number, locked=not undo, actor=ACTOR)
    except pairs.PairRefused as error:
        raise click.ClickException(f"{error} Nothing is changed.") from error
    click.echo(f"{_pairs(len(ids))} {'unlocked' if undo else 'locked'}.")


def _decide(ids: tuple[int, ...], everything: bool, *, state: str, reason: str | None) -> None:
    from bot.cli.running import connect
    from models.store import pairs
    from models.store.session import transaction

    if bool(ids) == everything:
        raise click.UsageError("Name pairs by number, or --all.")
    running = connect()
    try:
        with transaction(running.sessions) as session:
            if everything:
                waiting = pairs.listing(session, state="proposed", limit=1_000_000)
                ids = tuple(row.id for row in waiting)
            for number in ids:
                pairs.decide(session, number, state=state, actor=ACTOR, reason=reason)
    except pairs.PairRefused as error:
        raise click.ClickException(f"{error} Nothing is changed.") from error
    later = _settle(running.sessions, len(ids)) if state == "approved" else ""
    click.echo(f"{_pairs(len(ids))} {state}.{later}")


def _pairs(count: int) -> str:
    return "1 pair is" if count == 1 else f"{count:,} pairs are"


def _taken(states: Counter[str], known: int) -> str:
    """What came of an import, in a sentence or three."""
    (first, count), *others = states.most_common() or [("imported", 0)]
    rest = "".join(f", {count:,} {state}" for state, count in others)
    words = [f"{_pairs(count)} {first}{rest}."]
    if states["proposed"]:
        words.append("Approve what is proposed with phi3 pairs approve.")
    if known:
        words.append(f"{known:,} of them {'was' if known == 1 else 'were'} there before.")
    return " ".join(words)


def _exported(session: Session, state: str | None) -> Iterator[dict[str, Any]]:
    from bot.cli.pair_rows import as_json
    from models.store import pairs

    after = 0
    while rows := pairs.listing(session, state=state, after=after, limit=1_000):
        yield from map(as_json, rows)
        after = rows[-1].id
        session.expunge_all()


def _settle(sessions: Sessions, count: int) -> str:
    """Make ``count`` approved pairs findable now; what cannot be is left to the workers, who do it
    within a minute."""
    if not count:
        return ""
    from models.lm.client import EmbeddingClient, ModelError
    from models.settings import EmbeddingService, LanguageModel
    from models.store import embeddings, settling

    with sessions() as session:
        active = embeddings.active_model(session)
    language, service = LanguageModel(), EmbeddingService()
    key = service.api_key or (None if service.url else language.api_key)
    if active is None:
        return ""
    try:
        with (
            EmbeddingClient(
                service.url or language.url,
                key.get_secret_value() if key else None,
                active.name,
                service.dimensions,
            ) as client,
            click.progressbar(length=count, label="Making them findable", file=sys.stderr) as bar,
        ):

            def embed(texts: Sequence[str]) -> list[list[float]]:
                vectors = client.embed(texts, purpose="query")
                bar.update(len(texts))
                return vectors

            settling.settle(sessions, embed)
    except ModelError:
        return " The embedding server does not answer; they are found as soon as it does."
    return ""
