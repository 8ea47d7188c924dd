"""Hybrid search: ``search_sql`` proposes and scores candidates, ``fusion`` orders them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import TextClause
from sqlalchemy.orm import Session

from models.identifiers import Identifier, named
from models.store import embeddings, lexical, terms
from models.store import search_sql as sql
from models.store.audience import Audience
from models.store.fusion import Scored, fuse, telling, words_weight
from models.store.passage import Passage
from models.store.scale import REFERENCE, Scale

__all__ = ["Passage", "hybrid"]

CANDIDATES = 60  # rows that each arm proposes
EXACT_BELOW = 1_000  # with no more visible rows, compare all of them
MAX_LEXEMES = 64  # of a query; 40,000 characters are no question
K1, B = 1.2, 0.6  # BM25's saturation and length normalisation
FREQUENCY = 0.6079  # 6 / pi^2: from ts_rank's s to a term frequency


def hybrid(
    session: Session,
    *,
    query: str,
    vector: Sequence[float],
    audience: Audience,
    k: int = 8,
    pairs: bool = True,
    model: str | None = None,
) -> list[Passage]:
    """The ``k`` passages that best answer ``query``, best first, among those ``audience`` may see.

    ``vector`` is the query's embedding by the active model, or empty: then full text decides alone.
    ``pairs`` adds approved pairs. Planner settings change until the end of the transaction. Raises
    ``ValueError`` where the vector is not of the active model's length, and ``ModelSwitched`` where
    ``model``, the name of the one that made it, is given and no longer active.
    """
    if not audience.keys or k < 1:
        return []
    search = _Search(session, query, vector, audience, max(CANDIDATES, k))
    if vector and model is not None and model != search.model:
        raise embeddings.ModelSwitched(f"{search.model} has taken the place of {model}")
    found = search.scored("chunk")
    if pairs:
        found += search.scored("pair")
    best = fuse(found, lexical_weight=words_weight(query))[:k]
    return _passages(session, best, search.frequencies.chunks, search.built_in)


class _Search:
    """One query's values, bound to every statement."""

    def __init__(
        self,
        session: Session,
        query: str,
        vector: Sequence[float],
        audience: Audience,
        limit: int,
    ) -> None:
        words = lexical.distinct(lexical.lexemes(query), MAX_LEXEMES)
        values: dict[str, Any] = {
            "audience": audience.sorted_keys(),
            "bound": EXACT_BELOW + 1,
            "lexemes": terms.wanted(words),
            "named": [_holding(one) for one in named(query)],
        }
        ground = session.execute(sql.ground(), values).one()
        self.model: str | None = ground.name
        self.frequencies = terms.frequencies(ground.frequencies)
        self.built_in = int(ground.built_in)
        self._session = session
        self._limit = limit
        self._visible = {"chunk": ground.chunk, "pair": ground.pair}
        self._near = bool(vector) and ground.model is not None
        if self._near and len(vector) != ground.dimensions:
            raise ValueError(
                f"the query's vector has {len(vector)} dimensions,"
                f" {ground.name} has {ground.dimensions}"
            )
        self._model: int = ground.model if self._near else 0  # no model has this id
        self._dimensions: int = ground.dimensions if self._near else 1
        self._scale = REFERENCE
        if ground.unrelated is not None and ground.related is not None:
            self._scale = Scale(ground.unrelated, ground.related)
        self._values = values | {
            "vector": _literal(vector if self._near else [0.0]),
            **self._weighed(words),
        }

    def _weighed(self, words: list[str]) -> dict[str, Any]:
        weights = {word: self.frequencies.idf(word) for word in words}
        words = sorted(words, key=lambda word: -weights[word])
        chosen = telling(weights, self.frequencies.of)
        self._total = sum(weights.values()) or 1.0
        self._words = bool(words)
        ranking = [(lexical.quoted(word), weights[word]) for word in words[: sql.RANKING]]
        ranking += [("", 0.0)] * (sql.RANKING - len(ranking))
        return {
            "queries": [lexical.quoted(word) for word in words],
            "weights": [weights[word] for word in words],
            **{f"query{place}": quoted for place, (quoted, _) in enumerate(ranking)},
            **{f"weight{place}": weight for place, (_, weight) in enumerate(ranking)},
            "alone": " | ".join(map(lexical.quoted, chosen.alone)),
            "together": " & ".join(map(lexical.quoted, chosen.together)),
            "k": K1 * (1 - B) / FREQUENCY,
            "slope": K1 * B / FREQUENCY / self.frequencies.mean_length,
        }

    def scored(self, kind: str) -> list[Scored]:
        """The candidates of both arms among chunks, or among pairs."""
        visible = self._visible[kind]
        if not visible or not (self._near or self._words):
            return []
        if not self._near:
            rows = self._run(sql.NONE, kind)
        elif visible <= EXACT_BELOW:
            rows = self._run(sql.NEAREST_EXACT, kind)
        else:
            rows = self._run(sql.NEAREST, kind)
            # The scan met its bound before it had found enough visible rows.
            if sum(row.near for row in rows) < self._limit:
                rows = self._run(sql.NEAREST_EXACT, kind)
        return [
            Scored(
                kind,
                row.id,
                row.hash,
                0.0 if row.similarity is None else self._scale.on_reference(row.similarity),
                row.bm25 / self._total,
                row.held / self._total,
                row.named,
            )
            for row in rows
        ]

    def _run(self, near: str, kind: str) -> Sequence[Any]:
        holding = sql.HOLDING if self._words else sql.NONE
        return self._session.execute(self._statement(near, holding, kind), self._values).all()

    def _statement(self, near: str, holding: str, kind: str) -> TextClause:
        return sql.candidates(
            kind,
            near,
            holding,
            model=self._model,
            dimensions=self._dimensions,
            limit=self._limit,
        )


def _holding(identifier: Identifier) -> str:
    """A tsquery of rows that hold it, written as it is or with its parts joined otherwise."""
    whole = lexical.lexemes(identifier.text)[0]
    parts = [word for part in identifier.parts for word in lexical.lexemes(part)]
    return f"{lexical.quoted(whole)} | {' & '.join(map(lexical.quoted, parts))}"


def _literal(vector: Sequence[float]) -> str:
    """As pgvector reads it; a half has no more than four digits."""
    return "[" + ("%.6g," * len(vector) % tuple(vector))[:-1] + "]"


def _passages(
    session: Session, best: Sequence[tuple[Scored, float]], chunks: int, built_in: int
) -> list[Passage]:
    rows: dict[tuple[str, int], Mapping[Any, Any]] = {}
    for kind, statement in sql.FULL_ROWS.items():
        ids = [scored.id for scored, _ in best if scored.kind == kind]
        if ids:
            for row in session.execute(statement, {"ids": ids}).mappings():
                rows[kind, row["id"]] = row
    passages: list[Passage] = []
    for scored, score in best:
        if (scored.kind, scored.id) in rows:
            values = dict(rows[scored.kind, scored.id])
            del values["id"]
            among = chunks if values.pop("built_in") else max(0, chunks - built_in)
            values["heading_path"] = tuple(values["heading_path"])
            passages.append(
                Passage(
                    **values,
                    score=score,
                    similarity=scored.similarity,
                    coverage=scored.coverage,
                    among=among,
                )
            )
    return passages
