"""Citations point at passages or are removed, also while text streams."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.lm.citations import CitationStream, cite


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
    ],
)
def test_known_citations_stay(text: str, shown: str, numbers: tuple[int, ...]) -> None:
    cited = cite(text, 3 - 1)
    assert (cited.text, cited.numbers) == (shown, numbers)
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
        ]
    )
)


@settings(max_examples=500)
@given(PIECES)
def test_a_stream_shows_what_the_whole_would(pieces: list[str]) -> None:
    stream = CitationStream(2)
    shown = "".join(stream.feed(piece) for piece in pieces) + stream.close()
    assert shown == cite("".join(pieces), 2).text
