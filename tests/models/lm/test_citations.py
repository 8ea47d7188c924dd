"""Citations point at passages or are removed, also while text streams."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.lm.citations import CitationStream, cite
from models.store import marks


@pytest.mark.parametrize(
    ("text", "shown", "numbers"),
    [
        ("A [1]. B [2].", "A [1]. B [2].", (1, 2)),
        ("A [9]. B[2].", "A. B[2].", (2,)),
        ("A [2, 1, 7].", "A [2][1].", (2, 1)),
        ("有效【1】。", "有效[1]。", (1,)),
        ("A [^1] and [1].", "A [1] and [1].", (1,)),
        ("`a[0]` is [0] [3]", "`a[0]` is", ()),
        ("```\nx[9]\n``` [1]", "```\nx[9]\n``` [1]", (1,)),
        ("[see] [x1]", "[see] [x1]", ()),
        ("A [1][1] [1]. B [1][9][1] [9][1]", "A [1] [1]. B [1]", (1,)),
        ("Set sys.argv[1] and argv[9] [1].", "Set sys.argv[1] and argv[9] [1].", (1,)),
        ("row_1[2][9], f(x)[0], rows[0]", "row_1[2][9], f(x)[0], rows[0]", ()),
        ("In 5 days[1][9], on an iPhone[2].", "In 5 days[1], on an iPhone[2].", (1, 2)),
        ("x [2]. HR7[1] at v2.5[2], _really_[1].", None, (2, 1)),
    ],
)
def test_known_citations_stay(text: str, shown: str | None, numbers: tuple[int, ...]) -> None:
    cited = cite(text, 3 - 1)
    assert (cited.text, cited.numbers) == (shown or text, numbers)
    assert cited.grounded is bool(numbers)


PIECES = st.lists(
    st.sampled_from(
        [
            "A ",
            "[1",
            "]",
            "[",
            "9]",
            " [2]",
            ", 1]",
            "`",
            "```",
            "\n",
            "x",
            "【1】",
            "[^",
            "1] ",
            " ",
            "argv",
            "s",
            "row_1",
            "a.",
            "f(x)",
            "[0]",
            "days",
        ]
    )
)


@settings(max_examples=500)
@given(PIECES)
def test_a_stream_shows_what_the_whole_would(pieces: list[str]) -> None:
    numbers: dict[int, int] = {}  # by first appearance
    stream = CitationStream(2, lambda n: numbers.setdefault(n, len(numbers) + 1))
    shown = "".join(stream.feed(piece) for piece in pieces) + stream.close()
    whole = cite("".join(pieces), 2, numbers.__getitem__)
    assert shown == whole.text
    assert tuple(numbers) == whole.numbers


@settings(max_examples=500)
@given(PIECES)
def test_the_same_brackets_count_when_it_is_shown_and_when_it_is_learned(pieces: list[str]) -> None:
    text = "".join(pieces)
    while (shown := cite(text, 9).text) != text:  # what is removed may leave new neighbours
        text = shown
    assert cite(text, 9).numbers == tuple(n for n in marks.numbers(text) if n)
    assert marks.replace(text, lambda n: n) == text


@pytest.mark.timeout(60)  # minutes, if each blank of the run is looked at with all that follow
def test_long_white_space_is_read_once() -> None:
    blank = " " * 100_000
    stream = CitationStream(1)
    pieces = ["```\nstart", blank, "now\n``` [1]", blank, "then [9] ", "so [1]"]
    shown = "".join(map(stream.feed, pieces)) + stream.close()
    assert shown == f"```\nstart{blank}now\n``` [1]{blank}then so [1]"
