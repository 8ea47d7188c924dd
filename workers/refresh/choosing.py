"""The night's first step: the snapshot that is trained on and judged by, or why there is none."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from models.lm import manifest
from models.settings import Home, LanguageModel, Learning
from models.store import adapters, refreshes
from models.store.session import transaction
from models.store.tables import Adapter, Refresh, Snapshot
from workers.refresh import dataset, promote, snapshots
from workers.refresh.examples import Example
from workers.refresh.lease import Ended, Night
from workers.refresh.settings import Nights

log = logging.getLogger(__name__)

EXTRACTIVE = "extractive"
TRIES = 5  # a large ledger takes minutes to read, and pairs may be taken back meanwhile


def choose(night: Night) -> None:
    """Choose what may be learned, and keep it as a snapshot; raises ``Ended``."""
    with transaction(night.sessions) as session:
        if refreshes.snapshot_of(session, night.id) is not None:
            return  # by an earlier life of this night; its files are what the row says
    with promote.chat(LanguageModel()) as client:
        base = client.base()
    if base == EXTRACTIVE:
        said = "The extractive reader serves, and it cannot be trained: set PHI3_MODEL to a Phi-3."
        if night.row().trigger == "dry_run":
            with transaction(night.sessions) as session:
                material = dataset.gather(session, items=Nights().items)
            said += f" {material.eligible} pairs may be learned from{_left_out(material)}."
        raise Ended("skipped", said)
    recipe = _recipe(base)
    for _ in range(TRIES):
        if _chosen(night, base, recipe):
            return
        log.info("refresh %d: pairs were taken back while they were chosen", night.id)
    raise Ended("skipped", "Again and again, pairs were taken back while they were chosen.")


def _chosen(night: Night, base: str, recipe: Mapping[str, Any]) -> bool:
    """Whether the snapshot is kept; not where something of it was taken back meanwhile."""
    learning = Learning()
    row = night.row()
    # Without a lock on the night's row: a large ledger takes minutes, and the lease goes on.
    with transaction(night.sessions) as session:
        material = dataset.gather(session, items=Nights().items)
        before = _last_learned(session, night.id)
        anchor = anchored(session)
    if material.eligible < learning.min_pairs:
        raise Ended(
            "skipped",
            f"{material.eligible} pairs may be learned from and {learning.min_pairs} are "
            f"needed{_left_out(material)}.",
        )
    if not material.training or not material.holdout:
        raise Ended("skipped", "All pairs stand on one side, so that nothing could be compared.")
    place = Home().snapshots / night.name
    digest, card = snapshots.write(place, material, anchor=anchor, seed=Nights().seed)
    card["recipe"] = recipe
    if before is not None and all(before.get(key) == card[key] for key in ("learned", "recipe")):
        raise Ended("skipped", "Nothing has changed since these pairs were last trained on.")
    if row.trigger == "dry_run":
        raise Ended(
            "skipped",
            f"Dry run: {len(material.training)} pairs would be trained on and "
            f"{len(material.holdout)} held out.",
        )
    # Before the lock below: who narrows a source holds its pairs and waits for that lock.
    with transaction(night.sessions) as session:
        dataset.store_sides(session, material)
    asked_again = {item.pair_id for item in anchor if item.pair_id is not None}
    with transaction(night.sessions) as session:
        # What is taken back before this is seen here, what is taken back later finds the snapshot.
        adapters.lock(session)
        held = refreshes.held(session, night.id, worker=night.worker)
        if dataset.moved(session, material) or not asked_again <= dataset.still_held(session):
            return False
        snapshot = refreshes.keep_snapshot(
            session,
            night.id,
            path=str(place),
            digest=digest,
            card=card,
            sides={
                **{pair_id: "anchor" for pair_id in asked_again},
                **{p.id: "locked" for p in material.locked},
                **{p.id: "training" for p in material.training},
                **{p.id: "holdout" for p in material.holdout},
            },
        )
        adapters.start(session, refresh_id=night.id, snapshot_id=snapshot.id, base=base)
        held.metrics = {**held.metrics, "pairs": card["pairs"]}
    return True


def _left_out(material: dataset.Material) -> str:
    left = ", ".join(f"{n} {why}" for why, n in sorted(material.left_out.items()))
    return f" (left out: {left})" if left else ""


def snapshot_of(session: Any, night: Night) -> Snapshot:
    """The night's training file; raises ``Ended`` once it was withdrawn."""
    snapshot = refreshes.snapshot_of(session, night.id)
    if snapshot is None or snapshot.path is None:
        raise Ended("skipped", "Its pairs were withdrawn while the night ran.")
    return snapshot


def _recipe(base: str) -> dict[str, Any]:
    """What besides the pairs decides what is trained; raises ``Ended`` where that cannot be."""
    language, learning, nights = LanguageModel(), Learning(), Nights()
    place = Path(base if language.model in ("auto", EXTRACTIVE) else language.model)
    try:
        # Other weights may lie under the same name. A base by its name on a hub is known by that.
        identity = asdict(manifest.describe_base(place)) if place.is_dir() else None
    except manifest.ManifestError as error:
        raise Ended("skipped", f"This base cannot be trained: {error}.") from error
    return {
        "base": base,
        "identity": identity,
        "epochs": learning.epochs,
        "learning_rate": learning.learning_rate,
        "quantise": nights.quantise,
        "batch": nights.batch,
        "max_length": nights.max_length,
        "hours": nights.hours,
    }


def _last_learned(session: Any, but: int) -> dict[str, Any] | None:
    """The card of the newest night that came to a verdict and whose snapshot still stands."""
    found = (
        session.query(Snapshot.card)
        .join(Refresh, Refresh.id == Snapshot.refresh_id)
        .join(Adapter, Adapter.snapshot_id == Snapshot.id)
        .filter(
            Refresh.id != but,
            Snapshot.path.is_not(None),
            Refresh.verdict.in_(("promoted", "rejected", "inconclusive")),
            ~Refresh.metrics.has_key("again"),
            Adapter.path.is_not(None),  # its files may have been lost
        )
        .order_by(Refresh.id.desc())
        .first()
    )
    return found[0] if found else None


def anchored(session: Any) -> list[Example]:
    """The held-out items on which the live adapter was promoted, as they were then.

    Without those that a curator has taken back or changed, and those of people who no longer agree.
    """
    live: Adapter | None = adapters.live(session)
    snapshot = session.get(Snapshot, live.snapshot_id) if live and live.snapshot_id else None
    if snapshot is None or snapshot.path is None:
        return []
    path = Path(snapshot.path) / snapshots.ITEMS
    if not path.exists():
        log.warning("the items of %s are gone; the night goes on without them", live and live.name)
        return []
    stands = dataset.still_held(session)
    return [
        replace(item, item=f"anchor:{item.pair_id}")
        for item in snapshots.read(path)
        if item.kind == "holdout" and item.pair_id in stands
    ]
