"""The pure parts of search: words, fusion, evidence, audiences."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.store import lexical
from models.store.audience import BadAudience, checked, intersection
from models.store.evidence import enough
from models.store.fusion import PROPOSING_ROWS, Scored, fuse, telling
from models.store.passage import Passage, below
from models.store.scale import PAIRS, REFERENCE, Scale, measured
from models.store.terms import Frequencies


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The engines' failures", ["the", "engin", "failur"]),
        ("Apple's PHI3_HOME", ["appl", "phi3_home", "phi3", "home"]),
        ("ERR-4012", ["err-4012", "err", "4012"]),
        ("$1,452.40", ["1452.40", "1452", "40"]),
        ("Située à Málaga", ["situe", "a", "malaga"]),
        ("税金はいくら", ["税金", "金は", "はい", "いく", "くら"]),
        ("ＰＨＩ", ["phi"]),
        ("", []),
    ],
)
def test_lexemes(text: str, expected: list[str]) -> None:
    assert lexical.lexemes(text) == expected


@given(st.text())
def test_any_text_gives_bounded_lexemes_and_case_does_not_matter(text: str) -> None:
    found = lexical.lexemes(text)
    assert all(0 < len(piece) <= lexical.MAX_LEXEME for piece in found)
    assert "\x00" not in lexical.tsvector(text)


def test_counts_are_numbers_of_positions() -> None:
    assert lexical.tsvector("a b a", "a") == "'a':1,2,3 'b':1"


def test_scripts_without_spaces_are_told() -> None:
    assert lexical.mostly_unspaced("税金はいくら PHI3")
    assert not lexical.mostly_unspaced("What does 税金 mean?")


def scored(number: int, similarity: float, bm25: float, text: str | None = None) -> Scored:
    return Scored("chunk", number, text or str(number), similarity, bm25, 0.5)


def test_an_arm_that_cannot_tell_has_little_to_say() -> None:
    alike = [scored(n, 0.70 + n * 1e-3, 0.1 * (n == 0)) for n in range(9)]
    assert fuse(alike)[0][0].id == 0


def test_the_same_text_again_goes_last() -> None:
    ordered = fuse([scored(1, 0.9, 0.9, "x"), scored(2, 0.8, 0.8, "x"), scored(3, 0.1, 0.0)])
    assert [candidate.id for candidate, _ in ordered] == [1, 3, 2]
    assert fuse([]) == []


def test_what_holds_the_identifier_comes_first_where_most_do_not() -> None:
    near = [scored(n, 0.9, 0.6) for n in range(5)]
    one = dataclasses.replace(scored(9, 0.3, 0.1), named=1)
    assert fuse([*near, one])[0][0].id == 9
    all_of_them = [dataclasses.replace(each, named=1) for each in [*near, one]]
    assert fuse(all_of_them)[0][0].id == 0


def test_only_rare_words_propose_alone() -> None:
    weights = {"rare": 9.0, "some": 5.0, "the": 0.1, "unknown": 12.0}
    rows = {"rare": 3, "some": PROPOSING_ROWS - 3, "the": 50_000}
    chosen = telling(weights, rows)
    assert chosen.alone == ("rare", "some")
    assert chosen.together == ()  # too many to read
    assert telling(weights, rows | {"the": 5_000}).together == ("the",)


def passage(similarity: float, coverage: float) -> Passage:
    return Passage(
        chunk_id=1,
        pair_id=None,
        hash="h",
        document_id=1,
        uri="u",
        link=None,
        title="t",
        heading_path=(),
        page=None,
        row=None,
        sheet=None,
        text="x",
        audience="workspace",
        updated_at=dt.datetime.now(dt.UTC),
        score=0,
        similarity=similarity,
        coverage=coverage,
    )


def test_evidence() -> None:
    assert enough("How long?", [passage(0.6, 0.4), passage(0.2, 0.1)]).ok
    assert not enough("How long?", [passage(0.3, 0.1)]).ok
    assert not enough("How long?", []).ok
    assert not enough("  ", [passage(0.9, 1)]).ok


def test_what_is_found_among_few_needs_no_more_for_what_lies_beside_it() -> None:
    ours = dataclasses.replace(passage(0.35, 0.17), among=40)
    built_in = dataclasses.replace(passage(0.36, 0.17), among=900)
    assert enough("Where is the boat?", [built_in, ours]).ok
    assert not enough("Where is the boat?", [built_in]).ok
    assert not enough("Where is the boat?", [dataclasses.replace(ours, among=940)]).ok


def test_other_things_of_a_kind_are_no_evidence_for_the_one_asked_for() -> None:
    other = dataclasses.replace(
        passage(0.9, 0.7), text="Invoice number 1338. The total is 9 euros."
    )
    assert enough("What is the total of invoice 1338?", [other]).ok
    assert not enough("What is the total of invoice 7777?", [other]).ok
    thread = "What is the total of invoice 7777? And of invoice 1338?"
    assert enough(thread, [other], last="And of invoice 1338?").ok
    assert not enough(f"{thread} And of 7777?", [other], last="And of invoice 7777?").ok
    assert not enough("What does invoice 7777 say? When is it due?", [other], last="Due when?").ok


def test_a_models_own_scale_is_taken_to_the_references() -> None:
    e5 = Scale(unrelated=0.72, related=0.88)
    assert e5.on_reference(0.72) == pytest.approx(REFERENCE.unrelated)
    assert e5.on_reference(0.88) == pytest.approx(REFERENCE.related)
    assert e5.on_reference(1.0) <= 1.0
    assert REFERENCE.on_reference(0.4) == pytest.approx(0.4)
    blind = Scale(unrelated=0.5, related=0.51)
    assert blind.on_reference(0.7) == 0.7


def test_a_scale_is_measured_from_vectors_of_any_length() -> None:
    directions = [[float(place == at) for at in range(len(PAIRS))] for place in range(len(PAIRS))]
    apart = measured(directions, [[3 * value for value in row] for row in directions])
    assert apart == Scale(unrelated=0.0, related=1.0)


def test_words_decide_where_the_embedding_model_knows_no_difference() -> None:
    assert not enough("谁赢得了世界杯？", [passage(0.6, 0.1)]).ok
    assert not enough("¿Quién ganó el mundial?", [passage(0.55, 0.1)]).ok
    assert enough("¿Cuándo sale el transbordador?", [passage(0.5, 0.8)]).ok
    assert enough("Who won?", [passage(0.6, 0.1)]).ok


def test_in_a_collection_of_one_the_telling_words_still_count() -> None:
    words = lexical.lexemes("When does the ferry leave?")
    one = Frequencies(chunks=1, mean_length=8, of={"the": 1, "ferri": 1, "leav": 1})
    total = sum(one.idf(word) for word in words)
    assert sum(one.idf(word) for word in ("the", "ferri", "leav")) > 0.7 * total
    assert one.idf("ferri") > 3 * one.idf("the")
    many = Frequencies(chunks=50_000, mean_length=80, of={"ferri": 40_000})
    assert many.idf("ferri") < 0.5  # what is counted outweighs the background


def test_audiences() -> None:
    assert intersection("workspace", "channel:C1") == "channel:C1"
    assert intersection("user:U1", "workspace") == "user:U1"
    assert intersection("channel:C1", "channel:C2") is None
    with pytest.raises(BadAudience):
        checked("channel:general")


def test_a_title_that_is_the_first_heading_is_not_said_twice() -> None:
    assert below("User's guide", ("User's Guide", "Asking")) == ("Asking",)
    assert below("guide.md", ("User's guide", "Asking")) == ("User's guide", "Asking")
    assert below("Asking", ()) == ()
