"""All of search's SQL, described, with the audience filter inside every arm.

A query makes three round trips, the second once for chunks and, where the audience sees any, once
for approved pairs:

1. ``ground``: the active embedding model, how many rows the audience sees, how rare each of the
   query's lexemes is; it also sets the planner up for what follows.
2. ``candidates``: the arms propose, and every proposed row gets its cosine similarity and its
   BM25, whichever arm found it. The vector arm reads the HNSW index of the active embedding model;
   pgvector's iterative scan goes on past rows that the audience may not see, so that the filter
   never thins the result. Where the audience sees few rows, all of these are compared instead,
   which is exact and as quick. The full-text arm takes rows that hold any of the query's telling
   lexemes.
3. ``fusion.fuse`` orders them, and ``FULL_ROWS`` reads the best.

Full text is ranked by BM25 (Robertson and Zaragoza 2009), which Postgres lacks. ``ts_rank`` of one
lexeme with n positions is s = sum(1/i^2, i=1..n) / (pi^2/6), and 1 - s is close to
0.6079/(n + 1/2); so 0.6079 s / (1 - s) is the term frequency n within 0.11, without unpacking the
tsvector. ``lexical.tsvector`` writes positions for the sake of their number. BM25's share of a
lexeme, weight n / (n + K), is then weight / (1 + K / 0.6079 (1 / s - 1)), with s in it but once.

The statements are prepared by psycopg and planned once a connection, without the values: planning
them for each query takes longer than running them.
"""

from __future__ import annotations

from functools import lru_cache

from sqlalchemy import TextClause, text

from models.store import embeddings, terms

TOGETHER_ROWS = 400  # rows that frequent words propose where they stand together
RANKING = 8  # the rarest lexemes by which the full-text arm ranks what it proposes

# <rows> is one of these two; <near>, <distance>, <k>, <rank> and <bm25> are below; <model>,
# <dimensions> and <limit> are integers in the text, so that predicate and expression are those of
# the model's partial index and the planner knows how few rows are wanted.

_ROWS = {
    "chunk": "chunks c",
    "pair": "(SELECT id, question_hash AS hash, audience, tsv FROM pairs"
    " WHERE state = 'approved') c",
}

# Hold until the transaction ends. Without sequential scans and sorts every arm stays on its index,
# as it should whatever the values are; a generic plan knows none of them.
_SETTINGS = """
    ('hnsw.iterative_scan', 'relaxed_order'), ('hnsw.ef_search', '100'),
    ('hnsw.max_scan_tuples', '100000'), ('hnsw.scan_mem_multiplier', '4'),
    ('enable_seqscan', 'off'), ('enable_sort', 'off'), ('plan_cache_mode', 'force_generic_plan'),
    ('jit', 'off'), ('client_min_messages', 'warning')
"""

_GROUND = """
    SELECT m.id AS model, m.name, m.dimensions, m.unrelated, m.related,
        (SELECT count(*) FROM (SELECT FROM chunks c WHERE c.audience = ANY(:audience)
            LIMIT :bound) AS visible) AS chunk,
        (SELECT count(*) FROM (SELECT FROM pairs c
            WHERE c.state = 'approved' AND c.audience = ANY(:audience) LIMIT :bound) AS visible
        ) AS pair,
        (<frequencies>) AS frequencies,
        (SELECT coalesce(sum((SELECT count(*) FROM chunks c WHERE c.document_id = d.id)), 0)
            FROM documents d WHERE d.origin = 'built-in') AS built_in,
        (SELECT count(set_config(name, value, true)) FROM (VALUES <settings>) AS v(name, value))
    FROM (VALUES (1)) AS one LEFT JOIN embedding_models m ON m.name = (<active>)
"""

_DISTANCE = "(e.vector::halfvec(<dimensions>) <=> cast(:vector AS halfvec(<dimensions>)))"

# Limit over nested loop over index scan: the executor pulls neighbours until <limit> are visible.
# LATERAL and OFFSET leave the planner no other join: a hash join would read every neighbour first.
NEAREST = """
    SELECT c.id FROM (
        SELECT e.hash, <distance> AS distance FROM embeddings e
        WHERE e.model_id = <model> ORDER BY distance
    ) AS e, LATERAL (
        SELECT c.id FROM <rows> WHERE c.hash = e.hash AND c.audience = ANY(:audience) OFFSET 0
    ) AS c
    ORDER BY e.distance LIMIT <limit>
"""

# Adding 0 keeps the planner from the index: every visible row is compared.
NEAREST_EXACT = """
    SELECT c.id FROM <rows> JOIN embeddings e ON e.hash = c.hash AND e.model_id = <model>
    WHERE c.audience = ANY(:audience)
    ORDER BY <distance> + 0 LIMIT <limit>
"""

NONE = "SELECT cast(NULL AS bigint) AS id WHERE false"

_K = "(cast(:k AS float8) + cast(:slope AS float8) * length(c.tsv))"

# One of the <rank>'s terms, written out: a join with unnest() takes as long again.
_TERM = (
    "coalesce(cast(:weight{0} AS float8) / (1 + <k> * (1 / nullif("
    "ts_rank('{{1,1,1,1}}', c.tsv, cast(:query{0} AS tsquery))::float8, 0) - 1)), 0)"
)

# The first part is bounded by the words' frequencies, the second by its LIMIT. IS TRUE keeps the
# planner from the index on audiences, which may hold every row.
HOLDING = """
    SELECT c.id FROM (
        SELECT c.id, c.tsv FROM <rows>
        WHERE c.tsv @@ cast(:alone AS tsquery) AND (c.audience = ANY(:audience)) IS TRUE
        UNION ALL (
            SELECT c.id, c.tsv FROM <rows>
            WHERE c.tsv @@ cast(:together AS tsquery) AND NOT c.tsv @@ cast(:alone AS tsquery)
              AND (c.audience = ANY(:audience)) IS TRUE
            LIMIT <together>
        )
    ) AS c
    ORDER BY <rank> DESC, c.id LIMIT <limit>
"""

_BM25 = """
    SELECT coalesce(sum(t.weight / (1 + <k> * (1 / nullif(
                ts_rank('{1,1,1,1}', c.tsv, t.query)::float8, 0) - 1))), 0) AS bm25,
           coalesce(sum(t.weight) FILTER (WHERE c.tsv @@ t.query), 0) AS held,
           (SELECT count(*) FROM unnest(cast(:named AS tsquery[])) AS n(query)
            WHERE c.tsv @@ n.query) AS named
    FROM unnest(cast(:queries AS tsquery[]), cast(:weights AS float8[])) AS t(query, weight)
"""

_CANDIDATES = """
    WITH near AS MATERIALIZED (<near>), holding AS MATERIALIZED (<holding>)
    SELECT c.id, c.hash, proposed.near, ranked.bm25, ranked.held, ranked.named,
        1 - <distance> AS similarity
    FROM (
        SELECT id, bool_or(near) AS near
        FROM (SELECT id, true AS near FROM near UNION ALL SELECT id, false FROM holding) AS arms
        GROUP BY id
    ) AS proposed, LATERAL (
        SELECT c.id, c.hash, c.tsv FROM <rows>
        WHERE c.id = proposed.id AND c.audience = ANY(:audience) OFFSET 0
    ) AS c
    LEFT JOIN embeddings e ON e.hash = c.hash AND e.model_id = <model>,
    LATERAL (<bm25>) AS ranked
"""

FULL_ROWS = {
    "chunk": text(
        """
        SELECT c.id, c.id AS chunk_id, cast(NULL AS bigint) AS pair_id, c.hash, c.document_id,
            d.uri, d.link, d.title, c.heading_path, c.page, c.row, c.last_row, c.sheet, c.text,
            c.audience, d.updated_at, d.origin = 'built-in' AS built_in
        FROM chunks c JOIN documents d ON d.id = c.document_id WHERE c.id = ANY(:ids)
        """
    ),
    "pair": text(
        """
        SELECT id, cast(NULL AS bigint) AS chunk_id, id AS pair_id, question_hash AS hash,
            cast(NULL AS bigint) AS document_id, 'pair:' || id AS uri, cast(NULL AS text) AS link,
            question AS title, cast('{}' AS text[]) AS heading_path, cast(NULL AS int) AS page,
            cast(NULL AS int) AS row, cast(NULL AS int) AS last_row, cast(NULL AS text) AS sheet,
            answer AS text, audience,
            coalesce(decided_at, created_at) AS updated_at, false AS built_in
        FROM pairs WHERE id = ANY(:ids)
        """
    ),
}


@lru_cache(maxsize=1)
def ground() -> TextClause:
    """What a query stands on, in one row.

    ``model``, ``name``, ``dimensions`` and the scale of the active embedding model, the number of
    visible rows by kind up to ``:bound``, ``frequencies``, the chunks that are ``built_in``.
    Values: audience, bound, lexemes.
    """
    return text(
        _GROUND.replace("<settings>", _SETTINGS)
        .replace("<frequencies>", terms.LOOK_UP)
        .replace("<active>", embeddings.ACTIVE_NAME)
    )


@lru_cache(maxsize=128)
def candidates(
    kind: str, near: str, holding: str, *, model: int, dimensions: int, limit: int
) -> TextClause:
    """``_CANDIDATES`` for rows of ``kind``, proposed by the arms ``near`` and ``holding``.

    Both propose up to ``limit`` rows; ``model`` and ``dimensions`` are the active model's.
    """
    return text(
        _CANDIDATES.replace("<near>", near)
        .replace("<holding>", holding)
        .replace("<rank>", " + ".join(_TERM.format(place) for place in range(RANKING)))
        .replace("<bm25>", _BM25)
        .replace("<k>", _K)
        .replace("<rows>", _ROWS[kind])
        .replace("<distance>", _DISTANCE)
        .replace("<model>", str(model))
        .replace("<dimensions>", str(dimensions))
        .replace("<limit>", str(limit))
        .replace("<together>", str(TOGETHER_ROWS))
    )
