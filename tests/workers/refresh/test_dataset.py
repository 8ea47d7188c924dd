"""The dataset: who may be learned from, sides, leaks, RAFT examples, the snapshot."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from sqlalchemy import event

from models.lm.prompt import REFUSAL
from models.store import consents, pairs
from models.store.session import Sessions, transaction
from models.store.tables import Member, Pair
from tests.models.store import corpus
from tests.models.store.learning import pair, passage
from workers.refresh import clusters, dataset, examples, leaks, scrub, snapshots
from workers.refresh.names import Names


def learned(number: int, **changes: object) -> examples.Learned:
    sources = tuple(
        examples.Source(hash=f"{number}-{n}", title=f"T{number}", text=f"text {number} {n}")
        for n in range(3)
    )
    values = {
        "id": number,
        "cluster": str(number),
        "question": f"question {number}?",
        "answer": "Second [2], first [1].",
        "sources": sources,
        "cited": (0, 1),
        **changes,
    }
    return examples.Learned(**values)  # type: ignore[arg-type]


def asked(number: int, question: str, **known: str) -> clusters.Asked:
    return clusters.Asked(id=number, question=question, sources=frozenset(), **known)


def test_templates_about_different_things_are_different_questions() -> None:
    ships = ["Gull", "Tern", "Puffin", "Heron", "Stork", "Plover", "Dunlin", "Godwit"]
    placed = clusters.place(
        [asked(n, f"When does the ferry {ship} leave the harbour?") for n, ship in enumerate(ships)]
        + [asked(99, "When does the ferry Gull leave the harbour please?")]
    )
    assert len({p.cluster for p in placed.values()}) == len(ships)
    assert placed[99] == placed[0]


def test_sides_are_kept_and_a_pair_near_both_joins_neither() -> None:
    placed = clusters.place(
        [
            asked(1, "How do I reset the tide gauge?", cluster="a", side="training"),
            asked(2, "How do I reset the tide gauge now?", cluster="b", side="holdout"),
            asked(3, "How do I reset the tide gauge?"),
            asked(4, "Who keeps the lighthouse key?"),
        ]
    )
    assert (placed[1].side, placed[2].side, placed[3].side) == ("training", "holdout", "neither")
    assert placed[4].side == clusters.side_of(placed[4].cluster)


def test_how_alike_two_questions_are_does_not_hang_on_the_order_of_their_words() -> None:
    chance = random.Random(1)
    for _ in range(200):  # one holds the other's words and as much again: exactly half
        weights = [chance.random() for _ in range(5)]
        words = {f"{side}{n}": weights[n] for side in "ab" for n in range(5)}
        assert clusters.similarity([f"a{n}" for n in range(5)], words, words) == clusters.NEAR


def test_about_a_quarter_is_held_out() -> None:
    held = sum(clusters.side_of(str(n)) == "holdout" for n in range(4000))
    assert 900 < held < 1100


def test_raft_examples_show_the_support_among_distractors_and_cite_it() -> None:
    made = examples.training([learned(n) for n in range(60)], seed=1)
    kinds = [example.kind for example in made]
    assert kinds.count("train") == 60
    assert 3 <= kinds.count("refuse") <= 18
    for example in made:
        assert len(example.passages) == examples.PASSAGES
        if example.kind == "refuse":
            assert example.answer == REFUSAL
            assert not any(
                text.startswith(f"text {example.pair_id} ") for _, text in example.passages
            )
            continue
        second, first = (int(n) for n in re.findall(r"\[(\d)\]", example.answer))
        assert example.passages[first - 1][1] == f"text {example.pair_id} 0"
        assert example.passages[second - 1][1] == f"text {example.pair_id} 1"
        assert set(example.support) == {first, second}
    assert made == examples.training([learned(n) for n in range(60)], seed=1)


def test_an_answer_that_cites_nothing_gets_its_source_and_one_without_sources_loses_marks() -> None:
    bare = learned(1, answer="So it is.", cited=(0,))
    example = examples.supported(bare, examples.NOTHING, item="train:1", seed=0)
    assert example.answer == f"So it is. [{example.support[0]}]"
    assert example.passages[example.support[0] - 1][1] == "text 1 0"
    closed = examples.supported(
        learned(1, sources=(), cited=()), examples.NOTHING, item="train:1", seed=0
    )
    assert (closed.answer, closed.passages) == ("Second, first.", ())


def test_brackets_of_code_are_no_citations() -> None:
    said = "Read argv[1], x[0], `y[2]`, rowCount[1] and sys.argv[2], then see it[2][1]."
    example = examples.supported(learned(1, answer=said), examples.NOTHING, item="train:1", seed=0)
    code, _, cited = example.answer.partition("see it")
    assert code == "Read argv[1], x[0], `y[2]`, rowCount[1] and sys.argv[2], then "
    numbers = [int(n) for n in re.findall(r"\[(\d)\]", cited)]
    assert [example.passages[n - 1][1] for n in numbers] == ["text 1 1", "text 1 0"]
    bare = examples.supported(
        learned(1, answer=said, sources=(), cited=()), examples.NOTHING, item="train:1", seed=0
    )
    assert bare.answer == f"{code}see it."


def test_a_shortened_example_keeps_its_support_and_its_numbers() -> None:
    pool = examples.Pool.of(learned(n, cited=(0, 1, 2)) for n in range(9))
    example = examples.supported(learned(1), pool, item="train:1", seed=3)
    shorter = examples.shorten(example)
    assert shorter is not None
    assert len(shorter.passages) == len(example.passages) - 1
    texts = [shorter.passages[n - 1] for n in shorter.support]
    assert texts == [example.passages[n - 1] for n in example.support]
    assert {int(n) for n in re.findall(r"\[(\d)\]", shorter.answer)} == set(shorter.support)
    only = examples.shorten(examples.shorten(shorter) or shorter)
    assert only is None or len(only.passages) >= 2


def test_no_held_out_question_stands_in_training_text() -> None:
    leaky = examples.Source(hash="x", title="FAQ", text="Q: Who KEEPS  the lighthouse key? A: Tom.")
    inside = learned(1, sources=(*learned(1).sources, leaky))
    resting = learned(2, sources=(leaky,), cited=(0,), answer="Tom [1].")
    kept, dropped = leaks.without([inside, resting, learned(3)], ["Who keeps the lighthouse key?"])
    assert dropped == 1
    assert [p.id for p in kept] == [1, 3]
    assert leaky not in kept[0].sources
    assert kept[0].answer == "Second [2], first [1]."


@pytest.mark.parametrize(
    ("held", "title", "text"),
    [
        ("How do I reset the coffee machine?", "How do I reset the coffee machine?", "See inside."),
        ("How do I reset the coffee machine?", "T", "How do I *reset* the [coffee](x) machine?"),
        ("Who keeps the lighthouse key now", "T", "Ask who keeps the\nlighthouse key now."),
        ("VPN down?", "T", "FAQ: VPN down? Restart it."),
        ("VPN down?", "T", "Trouble\n## VPN down\nRestart it."),
        ("如何退款？", "T", "常见问题：如何退款？联系客服即可。"),
        ("我的旧订单如何退款？", "T", "问：我的旧订单如何退款。"),
    ],
)
def test_a_held_out_question_is_found_however_it_is_dressed(
    held: str, title: str, text: str
) -> None:
    leaky = examples.Source(hash="x", title=title, text=text)
    pair = learned(1, sources=(leaky,), cited=(0,), answer="So [1].")
    assert leaks.without([pair], [held]) == ([], 1)


@pytest.mark.parametrize(
    ("held", "text"),
    [
        ("How much?", "It shows how much fuel is left."),
        ("VPN?", "VPN? Ask IT."),
        ("VPN down?", "With the VPN down, nothing works."),
        ("Who keeps the lighthouse key now?", "Who keeps the lighthouse keys now?"),
    ],
)
def test_words_that_are_merely_shared_leak_nothing(held: str, text: str) -> None:
    source = examples.Source(hash="x", title="T", text=text)
    pair = learned(1, sources=(source,), cited=(0,), answer="So [1].")
    assert leaks.without([pair], [held]) == ([pair], 0)


def test_what_resembles_a_held_out_pair_stays_out_of_training_while_that_pair_is_away(
    sessions: Sessions,
) -> None:
    question = "When does the grey ferry leave the old north pier on Sunday"
    with transaction(sessions) as session:
        for n in range(30):
            pair(session, f"Filler {n} of {n * 31} and {n * 77} is what?")
        away = pair(session, f"{question}?")
        away.side, away.cluster, away.state = "holdout", "h", "stale"
        near = [pair(session, f"{question} {tail}?") for tail in ("please", "today", "exactly")]
        quoting = pair(session, "What did somebody ask?", f"{question}? That.")
        session.flush()
        ids = {row.id for row in near}, away.id, quoting.id
    with transaction(sessions) as session:
        material = dataset.gather(session)
        dataset.store_sides(session, material)
    alike, held, quotes = ids
    assert {material.sides[n].side for n in alike} == {"holdout"}
    assert not {p.id for p in material.training} & {*alike, held, quotes}
    assert held not in {p.id for p in material.holdout}


@pytest.mark.integration
def test_only_approved_consented_visible_pairs_are_learned_from(
    sessions: Sessions, tmp_path: Path
) -> None:
    with transaction(sessions) as session:
        session.add(Member(user_id="U5", name="jd", real_name="Jane Doe"))
        for n in range(40):
            pair(
                session,
                f"What is the draught of vessel number {n}x{n * 7}?",
                f"It is {n} m, says Jane Doe [1].",
                passages=[passage(f"p{n:03d}")],
            )
        pair(session, "Hidden?", passages=[passage("zz", audience="channel:C1")])
        pair(session, "Undecided?", state="proposed")
        pair(session, "Rejected?", state="rejected")
        unasked = pair(session, "Without consent?", consent=False, author="U1")
        pair(session, "With consent?", consent=False, author="U2", asker="U3")
        pair(session, "Half consent?", consent=False, author="U2", asker="U1")
        consents.grant(session, "U2")
        consents.grant(session, "U3")
    with transaction(sessions) as session:
        material = dataset.gather(session)
        dataset.store_sides(session, material)
    assert material.eligible == 41
    assert unasked.id not in material.sides
    assert material.left_out["without everybody's consent"] == 2
    assert material.left_out["not visible to the whole workspace"] == 1
    assert material.scrubbed == 40
    digest, card = snapshots.write(tmp_path / "s", material, anchor=[], seed=7)
    assert card["pairs"] == {"training": len(material.training), "holdout": len(material.holdout)}
    train = snapshots.read(tmp_path / "s" / snapshots.TRAIN)
    items = snapshots.read(tmp_path / "s" / snapshots.ITEMS)
    assert not {e.pair_id for e in train} & {e.pair_id for e in items}
    assert not any("Jane" in e.answer for e in [*train, *items])
    assert {e.kind for e in items} == {"holdout", "unsupported"}
    assert snapshots.write(tmp_path / "t", material, anchor=[], seed=7)[0] == digest
    with transaction(sessions) as session:
        sides = dict(session.query(Pair.id, Pair.side).filter(Pair.side.is_not(None)).all())
        again = dataset.gather(session)
        assert {k: v.side for k, v in again.sides.items()} == sides


def test_a_passage_that_is_only_beside_is_left_out_once_not_everybody_may_see_it(
    sessions: Sessions,
) -> None:
    with transaction(sessions) as session:
        corpus.add(session, "file:///open", {"Open.": [1, 0]})
        corpus.add(session, "file:///closed", {"Closed.": [1, 0]}, audience="channel:C1")
        shown = [
            passage(name, text=words) | {"hash": corpus.digest(words)}
            for name, words in (("c", "Closed."), ("g", "Gone."), ("o", "Open."), ("b", "Cited."))
        ]
        imported = passage("i", text="Imported.") | {"document_id": None}
        pair(session, "Which?", "This [4].", passages=[*shown, imported])
    with transaction(sessions) as session:
        material = dataset.gather(session)
    (learned,) = [*material.training, *material.holdout]
    assert [source.text for source in learned.sources] == ["Open.", "Cited.", "Imported."]
    assert (learned.answer, learned.cited) == ("This [2].", (1,))


def test_a_passage_that_many_pairs_show_is_scrubbed_once_and_sides_are_kept_in_one_go(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Arrange
    shown = passage("s", text="Ask Jane.")
    with transaction(sessions) as session:
        for n in range(30):
            pair(session, f"What of {n} and {n * 7}?", f"So {n} [1].", passages=[shown])
    scrubbed: list[str] = []
    statements: list[object] = []
    whole = scrub.scrub

    def counted(words: str, names: Names) -> str:
        scrubbed.append(words)
        return whole(words, names)

    monkeypatch.setattr(scrub, "scrub", counted)

    # Act
    with transaction(sessions) as session:
        material = dataset.gather(session)
        event.listen(session.connection(), "before_cursor_execute", lambda *a: statements.append(a))
        dataset.store_sides(session, material)

    # Assert
    assert scrubbed.count("Ask Jane.") == 1
    assert len(statements) == 1
    with transaction(sessions) as session:
        assert all(row.side for row in session.query(Pair))


def test_locked_pairs_are_asked_wherever_they_stand(sessions: Sessions, tmp_path: Path) -> None:
    with transaction(sessions) as session:
        rows = [pair(session, f"What of {n} and {n * 7}?", "So it is.") for n in range(12)]
        for n, row in enumerate(rows):
            row.locked, row.cluster = True, str(n)
            row.side = ("training", "holdout", "neither")[n % 3]
        expected = {f"locked:{row.id}" for row in rows}
    with transaction(sessions) as session:
        material = dataset.gather(session, items=1)
    snapshots.write(tmp_path / "s", material, anchor=[], seed=7)
    items = snapshots.read(tmp_path / "s" / snapshots.ITEMS)
    assert {example.item for example in items if example.kind == "locked"} == expected


def test_questions_that_guard_the_live_adapter_are_those_that_still_stand(
    sessions: Sessions,
) -> None:
    with transaction(sessions) as session:
        rows = [pair(session, f"Q{n}?", author=f"U{n % 2}", consent=False) for n in range(5)]
        for row in rows:
            row.side = "holdout"
        rows[4].side = "training"
        consents.grant(session, "U0")
        rows[0].state = "stale"  # what its source said then was answered well
        pairs.decide(session, rows[2].id, state="rejected", actor="U9")
        consents.grant(session, "U1")
    with transaction(sessions) as session:
        assert dataset.still_held(session) == {rows[0].id, rows[1].id, rows[3].id}
        consents.revoke(session, "U1")
        assert dataset.still_held(session) == {rows[0].id}
