"""Chunking: nothing lost, nothing twice, bounded, and still where nothing was edited."""

from __future__ import annotations

import hashlib
import itertools
import random
import re
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.serve.extractive.units import units
from workers.ingest.chunk import MAX_TOKENS, ChunkOfText, chunk, content_hash, shorten
from workers.ingest.document import Block
from workers.ingest.parsers.markdown import parse as markdown
from workers.ingest.tokens import estimate

FENCE = re.compile(r"^`{3,}$", re.MULTILINE)
WORDS = ["river", "delta", "anchor", "ledger", "valve", "protein", "2024", "§7", "résumé", "港口"]
words = st.lists(st.sampled_from(WORDS), min_size=1, max_size=80).map(" ".join)
sentences = st.lists(words, min_size=1, max_size=6).map(". ".join)
odd = st.text(min_size=1, max_size=300).filter(lambda text: bool(text.strip()))
blocks = st.lists(
    st.builds(
        Block,
        text=st.one_of(sentences, odd),
        kind=st.sampled_from(["text", "item", "code"]),
        path=st.sampled_from([(), ("A",), ("A", "B"), ("C",)]),
        page=st.sampled_from([None, 1, 2]),
    ),
    max_size=25,
)


def squeezed(text: str) -> str:
    return "".join(FENCE.sub("", text).split())


@given(blocks)
@settings(max_examples=200, deadline=None)
def test_no_text_is_lost_or_doubled(given_blocks: list[Block]) -> None:
    together = "\n".join(made.text for made in chunk(given_blocks))
    assert squeezed(together) == squeezed("".join(block.text for block in given_blocks))


@given(blocks)
@settings(max_examples=100, deadline=None)
def test_no_chunk_is_too_large_or_empty(given_blocks: list[Block]) -> None:
    for made in chunk(given_blocks):
        assert made.text.strip()
        assert made.token_count <= MAX_TOKENS
        costs = (partial(estimate, english=english) for english in (True, False))
        parts = (" ".join(made.heading_path), made.text)
        assert made.token_count in [sum(map(cost, parts)) for cost in costs]


@given(st.lists(words, min_size=2, max_size=60), words)
@settings(max_examples=50, deadline=None)
def test_table_rows_repeat_only_their_header(rows: list[str], header: str) -> None:
    table = [Block(text=row, kind="row", row=n, header=header) for n, row in enumerate(rows, 2)]
    body = []
    for made in chunk(table):
        text = made.text
        if text.startswith(header + "\n") and estimate(header) <= MAX_TOKENS // 3:
            text = text.removeprefix(header + "\n")
        body.append(text)
        assert made.row is None or made.row >= 2
    covered = [(made.row, made.last_row) for made in chunk(table) if made.row and made.last_row]
    assert (covered[0][0], covered[-1][1]) == (2, len(rows) + 1)
    assert all(0 <= later[0] - one[1] <= 1 for one, later in itertools.pairwise(covered))
    assert squeezed("".join(body)).removeprefix(squeezed(header)) == squeezed(
        "".join(rows)
    ) or squeezed("".join(body)) == squeezed("".join(rows))


def paragraphs(seed: int, count: int) -> list[Block]:
    chance = random.Random(seed)
    return [
        Block(
            text=" ".join(f"w{chance.randrange(9999)}" for _ in range(chance.randrange(8, 60))),
            path=("Manual",),
        )
        for _ in range(count)
    ]


@given(st.integers(0, 10_000), st.integers(0, 79), st.sampled_from(["insert", "delete", "edit"]))
@settings(max_examples=60, deadline=None)
def test_an_edit_leaves_distant_chunks_alone(seed: int, place: int, how: str) -> None:
    before = paragraphs(seed, 80)
    after = list(before)
    if how == "delete":
        del after[place]
    else:
        after[place : place + (how == "edit")] = [Block(text="Quite new words.", path=("Manual",))]
    old = {made.hash for made in chunk(before)}
    new = [made.hash for made in chunk(after)]
    assert sum(key not in old for key in new) <= 5
    assert len(new) > 10


def test_an_edit_in_one_section_leaves_the_others() -> None:
    before = [*paragraphs(1, 9), *(Block(text="Other.", path=("Other",)) for _ in range(3))]
    after = [Block(text="Changed.", path=("Manual",)), *before[1:]]
    assert chunk(before)[-1] == chunk(after)[-1]


def test_headings_are_part_of_the_hash() -> None:
    one, two = (chunk([Block(text="Same.", path=(name,))])[0] for name in ("A", "B"))
    assert one.hash != two.hash
    assert content_hash([one]) != content_hash([two])


def test_a_small_section_is_one_chunk_with_its_place() -> None:
    made = chunk(
        [
            Block(text="Steps:", path=("Setup", "Linux"), page=3),
            Block(text="- unpack", kind="item", path=("Setup", "Linux"), page=3),
            Block(text="- run", kind="item", path=("Setup", "Linux"), page=3),
        ]
    )
    assert [(c.text, c.heading_path, c.page) for c in made] == [
        ("Steps:\n- unpack\n- run", ("Setup", "Linux"), 3)
    ]


def test_code_that_fits_is_kept_whole() -> None:
    code = "\n".join(f"line_{n} = {n}" for n in range(25))
    made = chunk([*paragraphs(3, 6), Block(text=code, kind="code", path=("Manual",))])
    assert sum(f"```\n{code}\n```" in c.text for c in made) == 1


@pytest.mark.parametrize("lines", [3, 400])
def test_code_stands_in_fences_in_every_chunk_of_it(lines: int) -> None:
    code = "\n".join(f"  # step {n}\n  run --number {n} \\" for n in range(lines))
    made = chunk(
        [
            Block(text="Type this:", path=("Manual",)),
            Block(text=code, kind="code", path=("Manual",)),
            Block(text="```\nnested\n```", kind="code", path=("Manual",)),
        ]
    )
    assert all(c.token_count <= MAX_TOKENS for c in made)
    shown = [unit for c in made for unit in units(c.text)]
    assert {unit.kind for unit in shown} <= {"code", "sentence"}
    assert "\n".join(u.text for u in shown if u.kind == "code") == f"{code}\n```\nnested\n```"


def test_a_very_long_heading_path_is_shortened_from_outside() -> None:
    path = shorten(tuple(f"Heading number {n} with several words" for n in range(30)))
    assert path[-1].startswith("Heading number 29")
    assert 0 < len(path) < 30
    assert estimate(" ".join(shorten(("endless " * 500,)))) <= 60


def rows(texts: list[str]) -> list[Block]:
    return [Block(text=text, kind="row", row=at, header="a,b") for at, text in enumerate(texts, 1)]


@pytest.mark.parametrize("period", [1, 2, 7])
def test_rows_that_repeat_make_chunks_like_any_others(period: int) -> None:
    texts = [f"yes,{at % period}" for at in range(6_000)]
    made = chunk(rows(texts))
    assert sum(one.text.count("yes") for one in made) == len(texts)
    assert all(one.token_count > 40 for one in made[1:-1])  # not a chunk for each row


@pytest.mark.parametrize("backwards", [False, True])
def test_rows_in_the_order_of_their_hashes_come_to_an_end(backwards: bool) -> None:
    def rank(text: str) -> bytes:
        return hashlib.blake2b(text.encode(), digest_size=8).digest()

    texts = sorted((f"row {at},x" for at in range(4_000)), key=rank, reverse=backwards)
    made = chunk(rows(texts))
    assert sum(one.text.count("row") for one in made) == len(texts)


def test_marks_without_letters_are_cut_as_well() -> None:
    made = chunk([Block(text="a" + "\u0301" * 200_000)])
    assert max(len(one.text) for one in made) < 20_000


def hashes(made: list[ChunkOfText]) -> list[str]:
    return [one.hash for one in made]


@given(st.integers(0, 10_000), st.integers(0, 79), st.sampled_from(["insert", "delete", "edit"]))
@settings(max_examples=100, deadline=None)
def test_an_edit_costs_the_chunk_it_is_in_and_at_most_one_more(
    seed: int, place: int, how: str
) -> None:
    before = paragraphs(seed, 80)
    after = list(before)
    if how == "delete":
        del after[place]
    else:
        after[place : place + (how == "edit")] = [Block(text="Quite new words.", path=("Manual",))]
    old = hashes(chunk(before))
    assert len(set(hashes(chunk(after, known=old))) - set(old)) <= 2


@given(blocks, blocks, st.integers(0, 25))
@settings(max_examples=100, deadline=None)
def test_a_version_before_loses_no_text_and_keeps_its_bounds(
    first: list[Block], second: list[Block], place: int
) -> None:
    known = hashes(chunk(first))
    after = [*first[:place], *second, *first[place:]]
    made = chunk(after, known=known)
    assert squeezed("\n".join(c.text for c in made)) == squeezed("\n".join(b.text for b in after))
    assert all(one.token_count <= MAX_TOKENS for one in made)
    assert hashes(chunk(after, known=hashes(made))) == hashes(made)


def test_many_edits_do_not_crumble_a_document() -> None:
    chance = random.Random(11)
    now, made = paragraphs(11, 60), chunk(paragraphs(11, 60))
    embedded = 0
    for number in range(200):
        at = chance.randrange(len(now))
        if chance.random() < 0.4 and len(now) > 30:
            del now[at]
        else:
            now.insert(at, paragraphs(1000 + number, 1)[0])
        old = hashes(made)
        made = chunk(now, known=old)
        embedded += len(set(hashes(made)) - set(old))
    assert embedded <= 200 * 1.5  # whole paragraphs come and go: some chunks must be parted
    assert len(made) <= len(chunk(now)) * 1.3


@pytest.mark.parametrize("seed", range(6))
def test_a_list_that_fits_is_not_cut(seed: int) -> None:
    lead, *texts, after = (block.text for block in paragraphs(seed, 7))
    items = [Block(text=f"- {text[:80]}", kind="item") for text in texts]
    made = chunk([Block(text=f"{lead}:"), *items, Block(text=after * 3)])
    assert len(made) > 1
    assert sum("\n".join(item.text for item in items) in each.text for each in made) == 1


def test_lists_within_lists_keep_their_shape() -> None:
    source = "- Away:\n  - sick\n  - mourning\n\n  If you know more.\n- Other"
    assert [made.text for made in chunk(markdown(source).blocks)] == [source]
