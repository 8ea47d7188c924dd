"""``/phi3 pairs``, ``adapters``, ``refresh``, ``learning`` and ``forget me``."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import func, select

from bot import tasks
from bot.admins import is_admin
from bot.answering import EXTRACTIVE, EXTRACTIVE_READER
from bot.blocks import forgetting
from bot.blocks import learning as blocks
from bot.blocks.text import Block, context
from bot.deps import Deps
from bot.inbox import Refused
from bot.subcommands.base import Command, Subcommand
from bot.whisper import whisper
from models.lm.errors import ModelError
from models.store import adapters, consents, pairs, refreshes
from models.store.session import transaction
from models.store.tables import Pair, Question


def review(deps: Deps, command: Command) -> None:
    """Show what waits to be decided."""
    waiting, card = waiting_for(deps, command.user_id)
    whisper(deps, command.event, f"{waiting} pairs are waiting.", card)


def waiting_for(deps: Deps, user: str) -> tuple[int, list[Block]]:
    """How many pairs an admin may decide on, and the card of the first ones.

    What was asked in private is not shown to admins who were not there.
    """
    seen = deps.directory.alone(user).sorted_keys()
    with deps.sessions() as session:
        first = pairs.listing(session, state=pairs.WAITING, audiences=seen, limit=5)
        undecided = select(func.count()).where(Pair.state.in_(pairs.WAITING))
        everywhere = session.scalar(undecided) or 0
        waiting = session.scalar(undecided.where(Pair.audience.in_(seen))) or 0
    card = blocks.review([shown(row) for row in first], waiting)
    if everywhere > waiting:
        card.append(
            context(
                f"{everywhere - waiting} more come from direct messages and channels that you are "
                "not in. `phi3 pairs list`, on the bot's own machine, shows all."
            )
        )
    return waiting, card


def shown(row: Pair) -> dict[str, object]:
    """A pair as its review shows it."""
    return {
        "id": row.id, "question": row.question, "answer": row.answer, "origin": row.origin,
        "passages": len(row.passages), "audience": row.audience,
        "stale": row.reason if row.state == "stale" else None,
    }  # fmt: skip


def registry(deps: Deps, command: Command) -> None:
    """Show the adapters."""
    with deps.sessions() as session:
        rows = [adapters.summary(row) for row in adapters.listing(session, limit=20)]
    without = EXTRACTIVE_READER if _quotes(deps) else "the base model"
    card = blocks.adapters(rows, without=without)
    whisper(deps, command.event, f"{len(rows)} adapters.", card)


def _quotes(deps: Deps) -> bool:
    """Whether the extractive reader answers, which no adapter can be trained for."""
    try:
        return deps.reader.base().id == EXTRACTIVE
    except ModelError:  # what answers next is not known
        return False


def refresh(deps: Deps, command: Command) -> None:
    """Begin a night now; its progress and report come as a direct message."""
    word = command.rest.strip().lower().replace("—", "--")  # as some keyboards write it
    if word == "--dry-run":
        raise Refused(
            "Nothing has begun. What would be learned is said by `phi3 refresh --dry-run`, on the "
            "bot's own machine."
        )
    if word not in ("", "--now"):
        raise Refused("Please say `/phi3 refresh` or `/phi3 refresh --now`: both begin one now.")
    today = dt.datetime.now(dt.UTC).astimezone().date()
    with transaction(deps.sessions) as session:
        if not consents.learning(session):
            raise Refused("Learning is off. `/phi3 learning on` turns it on for this workspace.")
        opened = refreshes.open_night(
            session, night=today, trigger="manual", requested_by=command.user_id
        )
    if opened is None:
        raise Refused("A refresh is running already; its report will come here.")
    tasks.send("refresh.run", opened)
    whisper(deps, command.event, f"Refresh {opened} begins. I will write to you how it goes.")


def learning(deps: Deps, command: Command) -> None:
    """The workspace's switch, or a person's own word."""
    word = command.rest.strip().lower()
    if word in ("on", "off"):
        if not is_admin(deps, command.user_id):
            raise Refused(
                "Only admins turn learning on or off. `/phi3 learning me` is your own word."
            )
        with transaction(deps.sessions) as session:
            consents.switch(session, on=word == "on", actor=command.user_id)
        words = (
            "Learning is on: approved answers are trained on at night. People's own words are used "
            "only from those who say `/phi3 learning me`."
            if word == "on"
            else "Learning is off. What is in service stays in service."
        )
        if word == "on" and _quotes(deps):
            words += (
                " No Phi-3 is set up here, so nothing is trained yet: approved answers are used "
                "at once all the same. To train, whoever runs me sets `PHI3_MODEL` to a Phi-3; a "
                "GPU is advised."
            )
    elif word in ("me", "me on", "me off", "not me"):
        given = word in ("me", "me on")
        with transaction(deps.sessions) as session:
            (consents.grant if given else consents.revoke)(session, command.user_id)
        words = (
            "Thank you. Your questions and answers may be learned from, once an admin approves "
            "them. `/phi3 learning not me` takes it back; `/phi3 forget me` removes your words."
            if given
            else "Noted: your words are left out from the next night on. `/phi3 forget me` also "
            "removes what was learned already."
        )
    elif not word:
        with deps.sessions() as session:
            on = consents.learning(session)
            mine = bool(consents.granted(session, [command.user_id]))
            counts, waiting = pairs.counts(session), pairs.waiting(session)
        words = (
            f"Learning is {'on' if on else 'off'} here, and your own words are "
            f"{'used' if mine else 'not used'}. {counts['approved']} pairs are approved, "
            f"{waiting} wait."
        )
    else:
        raise Refused("Please say `/phi3 learning on`, `off`, `me` or `not me`.")
    whisper(deps, command.event, words)


def forget_me(deps: Deps, command: Command) -> None:
    """Ask before a person's words are removed, for nothing brings them back."""
    who = command.user_id
    with deps.sessions() as session:
        questions = session.query(Question).filter_by(user_id=who).count()
        theirs = session.query(Pair).filter(pairs.of(who)).count()
    asked = forgetting.ask(questions=questions, pairs=theirs)
    whisper(deps, command.event, "Forget your words, for good?", asked)


SUBCOMMANDS = [
    Subcommand(
        name="pairs", usage="", summary="Decide on questions and answers that were proposed",
        run=review, receipt="One moment.", admins_only=True,
    ),
    Subcommand(
        name="adapters", usage="", summary="Show adapters, and roll back",
        run=registry, receipt="One moment.", admins_only=True,
    ),
    Subcommand(
        name="refresh", usage="[--now]", summary="Learn from approved answers now",
        run=refresh, receipt="One moment.", admins_only=True,
    ),
    Subcommand(
        name="learning", usage="[on | off | me | not me]",
        summary="Whether approved answers are learned from, and whether yours are",
        run=learning, receipt="One moment.",
    ),
    Subcommand(
        name="forget me", usage="", summary="Remove your words, and what was learned from them",
        run=forget_me, receipt="One moment.",
    ),
]  # fmt: skip
