"""Mail as it is saved (RFC 5322 with MIME): who wrote what to whom; attachments are named alone."""

from __future__ import annotations

import email
from email.header import decode_header, make_header
from email.message import Message

from workers.ingest.document import Outline, Parsed, Unreadable
from workers.ingest.parsers import html, text

LOCKED = "This message is encrypted; save it decrypted and bring it again."
_SHOWN = ("From", "To", "Cc", "Date")
_ENCRYPTED = frozenset(
    {"multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"}
)


def parse(data: bytes) -> Parsed:
    """The subject as heading, then sender, receivers and date, the body, and attachments' names.

    Of a body that comes as text and as HTML the text is read. Raises ``Unreadable`` where it is
    encrypted. What has no head of a mail is read as plain text.
    """
    message = email.message_from_bytes(_as_ascii_superset(data))
    if not any(message[name] for name in ("From", "To", "Subject")):
        return text.parse(text.decode(data))
    if message.get_content_type() in _ENCRYPTED:
        raise Unreadable(LOCKED)
    subject = _header(message, "Subject")
    outline = Outline()
    outline.heading(1, subject)
    shown = [(name, _header(message, name)) for name in _SHOWN]
    outline.add("\n".join(f"{name}: {words}" for name, words in shown if words))
    attached: list[str] = []
    _body(outline, message, attached)
    if attached:
        outline.add("Attachments, not read here: " + ", ".join(attached))
    return Parsed(title=subject or None, blocks=tuple(outline.blocks))


def _as_ascii_superset(data: bytes) -> bytes:
    wide = data.startswith((b"\xff\xfe", b"\xfe\xff")) or data[:200].count(0) > 40
    return text.decode(data).encode() if wide else data


def _body(outline: Outline, part: Message, attached: list[str]) -> None:
    name = part.get_filename()
    if part.is_multipart() and part.get_content_type() != "message/rfc822":
        parts = [one for one in part.get_payload() if isinstance(one, Message)]
        if part.get_content_type() == "multipart/alternative":
            plain = [one for one in parts if one.get_content_type() == "text/plain"]
            parts = (plain or parts[-1:])[:1]
        for one in parts:
            _body(outline, one, attached)
    elif name or part.get_content_disposition() == "attachment":
        attached.append(_decoded(name or part.get_content_type()))
    elif part.get_content_maintype() == "text":
        body = _text(part)
        is_html = part.get_content_type() == "text/html"
        for block in (html.parse(body) if is_html and body.strip() else text.parse(body)).blocks:
            outline.add(block.text, block.kind, row=block.row, header=block.header)
    elif part.get_content_type() == "message/rfc822":
        for inner in part.get_payload():
            if isinstance(inner, Message):
                outline.add("Forwarded: " + _header(inner, "Subject"))
                _body(outline, inner, attached)


def _text(part: Message) -> str:
    payload = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    try:
        return data.decode(part.get_content_charset() or "utf-8").replace("\r\n", "\n")
    except (LookupError, UnicodeDecodeError):  # not what it says of itself
        return text.decode(data)


def _header(message: Message, name: str) -> str:
    return _decoded(str(message[name] or ""))


def _decoded(words: str) -> str:
    try:
        return " ".join(str(make_header(decode_header(words))).split())
    except (LookupError, ValueError):  # an encoding nobody knows, or not encoded as it says
        return " ".join(words.split())
