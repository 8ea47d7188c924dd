"""Tags of site generators in Markdown: Liquid and Jinja ``{% … %}``, Hugo ``{{< … >}}``. Pure.

A page is read as it is written, before its site is built. What a tag would become is unknown; what
is left is the words in it that a reader would see, and links keep their text.
"""

from __future__ import annotations

import re

_CODE = re.compile(
    r"(^(?P<fence>```+|~~~+).*?(?:^(?P=fence)[`~]*[ \t]*$|\Z)|`[^`\n]+`)", re.M | re.S
)
# Bounded, so that braces without end are not searched to the end again and again.
_COMMENT = re.compile(
    r"\{%-?\s{0,9}comment\b.{0,99}?%\}.{0,4000}?\{%-?\s{0,9}endcomment\s{0,9}-?%\}"
    r"|\{#.{0,999}?#\}",
    re.DOTALL,
)
_TAG = r"(?:\{\{<.{0,400}?>\}\}|\{\{%.{0,400}?%\}\}|\{%.{0,400}?%\})"
_PLACEHOLDER = r"\{\{.{0,200}?\}\}"
# A destination with a tag in it is no link to Markdown, for its spaces and quotes.
_TARGET = re.compile(rf"(?<=\]\()[^()\n]{{0,200}}?(?:{_TAG}|{_PLACEHOLDER})[^()\n]{{0,200}}(?=\))")
_REFERENCE = re.compile(
    rf"^([ \t]*\[[^\]\n]+\]:)[^\n]*(?:{_TAG}|{_PLACEHOLDER})[^\n]*$", re.MULTILINE
)
_ANY_TAG = re.compile(_TAG, re.DOTALL)
_QUOTED = re.compile(r"([\w-]+[ \t]*[=:][ \t]*)?([\"'])((?:(?!\2)[^\n])*)\2")
_SHOWN = frozenset(["alt", "caption", "label", "text", "title"])  # names of values that are read
_PLACE = re.compile(r"/|\.\w{2,5}\Z|\A[#\w-]*[:_=]")  # a path, a file, an identifier


def without_tags(text: str) -> str:
    """``text`` with each tag outside of code replaced by the words in it."""
    if "{%" not in text and "{{" not in text:
        return text
    text = _outside_code(_COMMENT, "", text)
    text = _outside_code(_TARGET, "#", text)
    text = _outside_code(_REFERENCE, r"\1 #", text)
    parts = _split(text)
    return "".join(part if code else _ANY_TAG.sub(_words, part) for code, part in parts)


def _outside_code(pattern: re.Pattern[str], by: str, text: str) -> str:
    return "".join(part if code else pattern.sub(by, part) for code, part in _split(text))


def _split(text: str) -> list[tuple[bool, str]]:
    """Stretches of text, and whether each is code."""
    parts: list[tuple[bool, str]] = []
    end = 0
    for match in _CODE.finditer(text):
        parts += [(False, text[end : match.start()]), (True, match[0])]
        end = match.end()
    return [*parts, (False, text[end:])]


def _words(tag: re.Match[str]) -> str:
    """The quoted words of a tag that a reader would see: no paths, files or identifiers."""
    found = []
    for named, _, value in _QUOTED.findall(tag[0]):
        name = named.rstrip("=: \t").lower()
        if (not name or name in _SHOWN) and not _PLACE.search(value.strip()):
            found.append(value.strip())
    return " ".join(found)
