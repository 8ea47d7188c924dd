"""Pure: whether an address could be fetched at all, judged alike where it is given and fetched."""

from __future__ import annotations

import httpx

NOT_WEB = "Only http and https addresses can be fetched."
NO_PASSWORDS = "An address with a user name or password in it is not fetched."
NONSENSE = "That is not a web address."
TOO_LONG = "That address is too long to be kept."
LONGEST = 2_000  # bytes; with more, no citation could link to it and no index hold it


class BadAddress(ValueError):
    """Not to be fetched; the message is a calm sentence."""


def checked(url: str) -> httpx.URL:
    """The parsed address; raises ``BadAddress``. Who answers there is not looked at."""
    try:
        parsed = httpx.URL(url)
        host = parsed.host  # decodes punycode, which may be malformed
    except (httpx.InvalidURL, ValueError) as error:
        raise BadAddress(NONSENSE) from error
    if parsed.scheme not in ("http", "https"):
        raise BadAddress(NOT_WEB)
    if parsed.userinfo:
        raise BadAddress(NO_PASSWORDS)
    if not host:
        raise BadAddress(NONSENSE)
    if len(url.encode("utf-8", "replace")) > LONGEST:
        raise BadAddress(TOO_LONG)
    return parsed
