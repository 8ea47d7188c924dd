"""The night's answers and their verdict; and ``phi3 evaluate``, which only measures."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from models.lm.client import ChatClient, ModelRefused
from models.settings import LanguageModel
from models.store import adapters, refreshes
from models.store.session import transaction
from workers.refresh import dataset, evaluate, examples, promote, report, snapshots
from workers.refresh.choosing import anchored, snapshot_of
from workers.refresh.examples import Example
from workers.refresh.lease import BASE, Ended, Night, overtaken
from workers.refresh.settings import Nights


def answer(night: Night) -> None:
    """Candidate, live and base answer the snapshot's items; every score is a row."""
    language = LanguageModel()
    items = _items(night)
    with transaction(night.sessions) as session:
        candidate = adapters.by_name(session, night.name)
    if not candidate.path:
        raise Ended("skipped", "The candidate was withdrawn.")
    live = _compared_with(night, candidate.base)
    try:
        promote.load_everywhere(candidate.name, candidate.path, language=language)
    except ModelRefused as refusal:
        if refusal.status not in promote.UNFIT:
            raise
        reason = f"A model server refuses the new adapter: {refusal}"
        raise Ended("rejected", reason, again=True) from refusal
    told = [0.0]

    def tell(done: int, total: int) -> None:
        night.progress = {"step": "evaluate", "done": done, "total": total}
        if night.lost.is_set():
            raise refreshes.Lost(f"refresh {night.id}")
        if time.monotonic() - told[0] > 2:
            told[0] = time.monotonic()
            report.progress(night.sessions, night.row(), night.progress)

    with promote.chat(language) as client:
        who = evaluate.Models(base=candidate.base, live=live, candidate=candidate.name)
        _ask(night, evaluate.tasks(items, who), client, tell)


def decide(night: Night) -> None:
    """Decide from the scores; the verdict and its reasons are rows after this."""
    from workers.refresh import gate, verdict

    items = _items(night)
    with transaction(night.sessions) as session:
        held = refreshes.held(session, night.id, worker=night.worker)
        scores = evaluate.collect(refreshes.scores(session, night.id))
        pairs = [item.pair_id for item in items if item.kind == "holdout" and item.pair_id]
        uses = refreshes.holdout_uses(session, pairs, but=night.id)
        alpha = gate.night_alpha(uses=uses, spent=refreshes.alpha_spent(session, but=night.id))
        decision = verdict.judge(items, scores, alpha=alpha, seed=night.id)
        held.verdict, held.reasons = decision.verdict, list(decision.reasons)
        held.metrics = {
            **held.metrics,
            "gate": verdict.as_json(decision, alpha=alpha, uses=uses),
            "arms": evaluate.table(scores),
            "advice": evaluate.advice(evaluate.table(scores)),
            "examples": verdict.changed(items, scores),
        }
        adapters.judged(session, night.name, verdict=decision.verdict, reason=decision.reasons[0])


def compare(night: Night) -> None:
    """``phi3 evaluate``: the arms of what is in service, on today's held-out pairs."""
    from workers.refresh import verdict

    seed = Nights().seed
    with transaction(night.sessions) as session:
        material = dataset.gather(session, items=Nights().items)
        guarding = [*anchored(session), *examples.locked(material.locked, seed=seed)]
    items = examples.evaluation(material.holdout, seed=seed)
    if not items:
        raise Ended("skipped", "There are no held-out pairs yet to compare on.")
    with promote.chat(LanguageModel()) as client:
        base = client.base()
        live = _compared_with(night, base)

        def tell(done: int, total: int) -> None:
            night.progress = {"step": "evaluate", "done": done, "total": total}

        who = evaluate.Models(base=base, live=live, candidate=None)
        _ask(night, evaluate.tasks(items, who), client, tell)
    with transaction(night.sessions) as session:
        held = refreshes.held(session, night.id, worker=night.worker)
        means = evaluate.table(evaluate.collect(refreshes.scores(session, night.id)))
        advice = evaluate.advice(means)
        held.metrics = {**held.metrics, "arms": means, "advice": advice}
        reasons = ["Only measured: nothing was trained."]
        silent = verdict.silent([*items, *guarding, *evaluate.general_items()])
        if silent:
            reasons.append(f"Tonight these guards would have nothing to ask: {'; '.join(silent)}.")
        refreshes.end(session, held, verdict="skipped", reasons=reasons)


def _compared_with(night: Night, base: str) -> str | None:
    """The adapter in service, loaded, or none for the base; the night's row names it from now on.

    Raises ``Ended`` where answers of an earlier life of this night came from another one.
    """
    while True:
        live = promote.load_live(night.sessions, base=base)
        with transaction(night.sessions) as session:
            adapters.lock(session)  # so that whoever withdraws it sees this night, or this sees it
            held = refreshes.held(session, night.id, worker=night.worker)
            now = adapters.in_service(session, base=base)
            if (now.name if now else None) != live:
                continue
            name = live or BASE
            if held.metrics.get("compared_with", name) != name:
                raise overtaken(held.metrics["compared_with"])
            held.metrics = {**held.metrics, "compared_with": name}
        return live


def _ask(
    night: Night,
    wanted: Sequence[evaluate.Task],
    client: ChatClient,
    tell: Callable[[int, int], None],
) -> None:
    longest = Nights().answer_tokens
    evaluate.run(
        night.sessions,
        night.id,
        wanted,
        client,
        worker=night.worker,
        longest=longest,
        tell=tell,
    )


def _items(night: Night) -> list[Example]:
    with transaction(night.sessions) as session:
        snapshot = snapshot_of(session, night)
    return [*snapshots.read(Path(str(snapshot.path)) / snapshots.ITEMS), *evaluate.general_items()]
