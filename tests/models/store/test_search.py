"""Hybrid search on a real Postgres."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import text

from models.store import embeddings, lexical, search, search_sql
from models.store.audience import WORKSPACE, Audience
from models.store.search import Passage, hybrid
from models.store.session import Sessions, transaction
from models.store.tables import BUILT_IN, Pair
from tests.models.store import corpus

pytestmark = pytest.mark.integration


def test_either_arm_finds_its_own_and_both_together_come_first(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        corpus.add(
            session,
            "file:///a",
            {
                "The flux capacitor needs 1.21 gigawatts.": [1, 0, 0],
                "Lunch is at noon.": [0.9, 0.1, 0],
                "Flux is a word about solder.": [0, 1, 0],
            },
        )
    with sessions() as session:
        found = hybrid(session, query="flux capacitor", vector=[1, 0, 0], audience=WORKSPACE)
    assert [passage.text.split()[0] for passage in found] == ["The", "Lunch", "Flux"]
    assert found[0].similarity == pytest.approx(1, abs=1e-3)
    assert found[0].coverage == pytest.approx(1)
    assert 0 < found[2].coverage < 1


def test_the_one_that_holds_the_identifier_comes_before_those_that_hold_all_else(
    sessions: Sessions,
) -> None:
    with transaction(sessions) as session:
        for number in range(30):
            fleet = f"A ship of the northern fleet, refitted at the ring station, is ship {number}."
            corpus.add(session, f"file:///{number}", {fleet: [1, number / 1e3, 0]})
        corpus.add(session, "file:///code", {"Its launch code: ZX-539.": [0.1, 0, 1]})
    asked = "Which ship of the northern fleet, refitted at the ring station, has launch code ZX539?"
    with sessions() as session:
        found = hybrid(session, query=asked, vector=[1, 0, 0], audience=WORKSPACE)
    assert found[0].uri == "file:///code"


def test_a_teams_passage_is_found_among_the_teams_own(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        built_in = {f"The bot reads page {number}.": [0.0, 1.0] for number in range(5)}
        corpus.add(session, "file:///guide.md", built_in, origin=BUILT_IN)
        ours = {"The boat leaves at nine.": [1.0, 0.0], "Nobody reads it.": [0.9, 0.1]}
        corpus.add(session, "file:///boat.md", ours)
    with sessions() as session:
        found = hybrid(session, query="boat", vector=[1, 0], audience=WORKSPACE)
    among = {(passage.uri, passage.among) for passage in found}
    assert among == {("file:///boat.md", 2), ("file:///guide.md", 7)}


def test_an_empty_audience_sees_nothing(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        corpus.add(session, "file:///a", {"A word.": [1.0, 0.0]})
    with sessions() as session:
        nobody = Audience(frozenset())
        assert hybrid(session, query="word", vector=[1, 0], audience=nobody) == []


def test_an_empty_database_answers_with_nothing(sessions: Sessions) -> None:
    with sessions() as session:
        assert hybrid(session, query="word", vector=[1, 0], audience=WORKSPACE) == []


FORBIDDEN = 5_000


@pytest.fixture
def crowded(sessions: Sessions) -> Sessions:
    """One visible row, and 5,000 forbidden ones that are nearer and hold the words more often."""
    with transaction(sessions) as session:
        document = corpus.add(session, "file:///theirs", {"x": [1, 0]}, audience="channel:C1")
        session.execute(
            text(
                "INSERT INTO embeddings (hash, model_id, vector) SELECT 'h' || n, 1,"
                " cast('[1,' || n * 2e-4 || ']' AS halfvec) FROM generate_series(1, :n) AS n"
            ),
            {"n": FORBIDDEN},
        )
        session.execute(
            text(
                "INSERT INTO chunks (document_id, audience, position, text, hash, token_count, tsv)"
                " SELECT :document, 'channel:C1', n, 'kettle', 'h' || n, 1,"
                " cast('kettl:1,2,3' AS tsvector) FROM generate_series(1, :n) AS n"
            ),
            {"n": FORBIDDEN, "document": document},
        )
        session.execute(
            text("INSERT INTO term_counts (lexeme, chunks) VALUES ('kettl', :n), ('', :n)"),
            {"n": FORBIDDEN},
        )
        # Last, so that the graph leads to it.
        corpus.add(session, "file:///mine", {"A kettle.": [0.6, 0.8]}, audience="user:U1")
    with sessions() as session:
        session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
        session.execute(text("ANALYZE"))
    return sessions


@pytest.mark.parametrize(("query", "vector"), [("kettle", []), ("...", [1, 0]), ("kettle", [1, 0])])
def test_forbidden_rows_never_thin_the_result(
    crowded: Sessions, query: str, vector: list[float]
) -> None:
    """Full text alone, vectors alone, both: first exactly, then by the index, then beyond it."""
    me = Audience(frozenset({"user:U1"}))
    with crowded() as session:
        found = hybrid(session, query=query, vector=vector, audience=me)
    assert [passage.text for passage in found] == ["A kettle."]


def test_the_index_goes_on_past_forbidden_rows(
    crowded: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "EXACT_BELOW", 0)
    monkeypatch.setattr(search, "CANDIDATES", 1)
    monkeypatch.setattr(search_sql, "NEAREST_EXACT", "must not be needed")
    me = Audience(frozenset({"user:U1"}))
    with crowded() as session:
        found = hybrid(session, query="...", vector=[1, 0], audience=me, k=1)
    assert [passage.text for passage in found] == ["A kettle."]


def test_what_lies_beyond_the_scan_is_found_exactly(
    crowded: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "EXACT_BELOW", 0)
    soon = text(search_sql.ground().text.replace("100000", "200"))
    monkeypatch.setattr(search_sql, "ground", lambda: soon)
    me = Audience(frozenset({"user:U1"}))
    with crowded() as session:
        found = hybrid(session, query="...", vector=[1, 0], audience=me)
    assert [passage.text for passage in found] == ["A kettle."]


def test_both_arms_use_their_index_whatever_the_values(crowded: Sessions) -> None:
    """The plan is the generic one, as every query after the first ones gets it."""
    everyone = Audience(frozenset({"channel:C1", "user:U1"}))
    with crowded() as session:
        one = search._Search(session, "kettle flux", [1, 0], everyone, 10)
        statement = one._statement(search_sql.NEAREST, search_sql.HOLDING, "chunk")
        plan = "\n".join(
            row[0] for row in session.execute(text(f"EXPLAIN {statement.text}"), one._values)
        )
    assert "Index Scan using embeddings_hnsw_1" in plan
    assert plan.count("Bitmap Index Scan on chunks_tsv") == 2
    assert "Seq Scan" not in plan
    assert "chunks_audience" not in plan


def test_pairs_are_found_by_their_question_and_filtered_like_the_rest(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        corpus.add(session, "file:///a", {"Unrelated.": [0, 1]})
        for state, audience in (("approved", "channel:C1"), ("proposed", "workspace")):
            session.add(
                Pair(
                    question="Who has the keys?",
                    question_hash=corpus.digest("Who has the keys?"),
                    answer="Ada.",
                    origin="expert",
                    state=state,
                    audience=audience,
                    tsv=lexical.tsvector("Who has the keys?"),
                )
            )
        embeddings.put(session, 1, {corpus.digest("Who has the keys?"): [1, 0]})
    there = Audience(frozenset({"workspace", "channel:C1"}))
    with sessions() as session:
        found = hybrid(session, query="keys", vector=[1, 0], audience=there)
        assert [passage.text for passage in found] == ["Ada.", "Unrelated."]
        assert found[0].uri == f"pair:{found[0].pair_id}"
        elsewhere = hybrid(session, query="keys", vector=[1, 0], audience=WORKSPACE)
        assert [passage.text for passage in elsewhere] == ["Unrelated."]
        without = hybrid(session, query="keys", vector=[1, 0], audience=there, pairs=False)
        assert [passage.text for passage in without] == ["Unrelated."]


def test_a_passage_survives_its_json(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        corpus.add(session, "file:///a", {"One.": [1, 0]})
    with sessions() as session:
        (passage,) = hybrid(session, query="one", vector=[1, 0], audience=WORKSPACE)
    assert Passage.from_json(json.loads(json.dumps(passage.as_json()))) == passage


def test_strange_queries_find_nothing_and_break_nothing(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        corpus.add(session, "file:///a", {"It's 5 o'clock: C:\\temp & more | less.": [1, 0]})
    with sessions() as session:
        for query in ("'", "\\", ":*", "a & | !", "\x00", "%s :x {rows}", "é" * 40_000, "'; --"):
            hybrid(session, query=query, vector=[1, 0], audience=WORKSPACE)
        found = hybrid(session, query="c:\\temp", vector=[], audience=WORKSPACE)
        assert len(found) == 1
        with pytest.raises(ValueError, match="dimensions"):
            hybrid(session, query="x", vector=[1, 0, 0], audience=WORKSPACE)
        assert hybrid(session, query="x", vector=[1, 0], audience=WORKSPACE, model=corpus.MODEL)
        with pytest.raises(embeddings.ModelSwitched):
            hybrid(session, query="x", vector=[1, 0], audience=WORKSPACE, model="another")
