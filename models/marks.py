"""Where ``[n]`` in an answer is a citation, and where it is an index: ``argv[1]``. Pure.

The one rule for what is trained, evaluated and shown. Between backticks all is code. Elsewhere an
index stands right behind a name that only code has, while people glue citations to plain words
too: "within five days[1]", so that behind a plain word a bracket is a citation. ``[0]`` cites
nothing; behind a word or a call it is an index.
"""

from __future__ import annotations

import re

WINDOW = 80  # characters before a bracket that can decide

CODE = re.compile(r"(```.*?(?:```|\Z)|`[^`\n]*`)", re.DOTALL)
# x, argv, row_1, rowCount (but iPhone), sys.argv, node->next (but v2.5); grid[1] before another.
_NAME = re.compile(
    r"(?:(?<!\w)[a-z]|\b(?:argv|args|arr)|[^\W_]_+\w*[^\W_]|\b[a-z]{2,}\w*[A-Z]\w*"
    r"|[^\W\d]\w*(?:\.|->|::)[^\W\d]\w*)(?:\[\d{1,3}\])*\Z"
)
_ZERO = re.compile(r"\[0\]")


def is_index(text: str, at: int) -> bool:
    """Whether the bracket that opens at ``at``, outside of backticks, is an index.

    What comes before it decides: a text that still grows never changes its mind.
    """
    if text[at] != "[":
        return False
    if _ZERO.match(text, at) and re.match(r"[\w)]", text[at - 1 : at]):
        return True
    return _NAME.search(text[max(0, at - WINDOW) : at]) is not None
