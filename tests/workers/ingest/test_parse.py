"""Parsing through the child: formats, encodings, and files that attack their parser."""

from __future__ import annotations

import io
import json
import zipfile
from email.message import EmailMessage

import pytest
from pptx import Presentation

from workers.ingest import detect
from workers.ingest.child import NO_MEMORY, packed, unpacked
from workers.ingest.document import MAX_HEADING, Block, Parsed, Unreadable
from workers.ingest.parse import TOO_LONG, Limits, Parser
from workers.ingest.parsers import pdf


def sentence(parser: Parser, data: bytes, name: str) -> str:
    with pytest.raises(Unreadable) as caught:
        parser.parse(data, name)
    return str(caught.value)


def test_markdown_structure(parser: Parser) -> None:
    source = (
        "---\ntitle: The guide\n---\n# One\n\nA [link](http://x) and `code`.\n\n## Two\n\n"
        "- a\n- b\n\n```\nx = 1\n\ny = 2\n```\n\n| k | v |\n|---|---|\n| a | 1 |\n"
    )
    parsed = parser.parse(source.encode(), "guide.md")
    assert parsed.title == "The guide"
    assert [(b.kind, b.path, b.text, b.header) for b in parsed.blocks] == [
        ("text", ("One",), "A link and `code`.", ""),
        ("item", ("One", "Two"), "- a", ""),
        ("item", ("One", "Two"), "- b", ""),
        ("code", ("One", "Two"), "x = 1\n\ny = 2", ""),
        ("row", ("One", "Two"), "a | 1", "k | v"),
    ]


def test_html_without_its_surroundings(parser: Parser) -> None:
    page = (
        "<html><head><title>T</title><style>p{}</style></head><body><nav>Menu</nav><main>"
        "<h1>Head</h1><p>Text<br>more<script>evil()</script></p></main><footer>Foot</footer>"
    )
    parsed = parser.parse(page.encode(), "mislabelled.txt")
    assert parsed.title == "T"
    assert [(b.path, b.text) for b in parsed.blocks] == [(("Head",), "Text\nmore")]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "utf-16-le", "latin-1"])
def test_encodings(parser: Parser, encoding: str) -> None:
    words = "Die Brücke über den Fluß ist größer als früher, sagen die Bürger der Stadt."
    assert parser.parse(words.encode(encoding), "a.txt").blocks[0].text == words


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("cp1252", "Café"),
        ("big5", "閥門在七巴時打開，請聯絡值班人員。"),
        ("shift_jis", "日本語の手引き。バルブは七バールで開く。"),
        ("cp1251", "Клапан открывается при семи барах."),
    ],
)
def test_short_texts_in_old_encodings(parser: Parser, encoding: str, words: str) -> None:
    assert parser.parse(words.encode(encoding), "a.txt").blocks[0].text == words


def test_slides_have_numbers(parser: Parser) -> None:
    deck = Presentation()
    for number in (1, 2):
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text = f"Slide {number} title"
        slide.placeholders[1].text = f"Body {number}"
    stream = io.BytesIO()
    deck.save(stream)
    parsed = parser.parse(stream.getvalue(), "deck.pptx")
    assert [(b.page, b.path, b.text) for b in parsed.blocks] == [
        (1, ("Slide 1 title",), "Body 1"),
        (2, ("Slide 2 title",), "Body 2"),
    ]


def test_csv_rows_keep_their_number_and_header(parser: Parser) -> None:
    parsed = parser.parse(b"name;price\nbolt;1,5\n\nnut;2\n", "prices.csv")
    assert [(b.row, b.text, b.header) for b in parsed.blocks] == [
        (2, "bolt | 1,5", "name | price"),
        (4, "nut | 2", "name | price"),
    ]


def test_broken_files_get_a_sentence(parser: Parser) -> None:
    assert sentence(parser, b"", "a.txt") == detect.EMPTY
    assert sentence(parser, b" \n\t ", "a.txt") == detect.EMPTY
    assert sentence(parser, b"PK\x03\x04cut off", "a.docx") == detect.CUT
    assert "password" in sentence(
        parser, detect._OLE + "EncryptedPackage".encode("utf-16-le"), "a.xlsx"
    )
    assert "picture" in sentence(parser, b"\x89PNG\r\n\x1a\n" + bytes(50), "report.pdf")
    assert "damaged" in sentence(parser, b"%PDF-1.4\n%%EOF", "a.pdf")


def test_a_zip_bomb_is_not_opened(parser: Parser) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", bytes(60_000_000))
    assert sentence(parser, stream.getvalue(), "a.docx") == detect.BOMB


def test_a_parser_that_takes_too_long_is_ended_and_the_next_document_read() -> None:
    hungry = Parser(Limits(wall_s=0.01))
    try:
        assert sentence(hungry, b"words " * 1000, "a.txt") == TOO_LONG
        hungry._limits = Limits(wall_s=60)
        assert hungry.parse(b"words", "a.txt").blocks[0].text == "words"
    finally:
        hungry.close()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.txt", "\U0001f600".encode() + b"word " * 9_000_000),  # four bytes a sign
        ("a.html", (b"<p>" + b"x" * 100 + b"</p>") * 400_000),
    ],
    ids=["text", "html"],
)
def test_a_parser_that_eats_memory_is_stopped_and_the_next_document_read(
    name: str, data: bytes
) -> None:
    small = Parser(Limits(memory_mb=256, wall_s=60))
    try:
        assert sentence(small, data, name) == NO_MEMORY
        assert small.parse(b"words", "a.txt").blocks[0].text == "words"
    finally:
        small.close()


def test_a_parser_that_computes_too_long_is_ended_and_the_next_document_read() -> None:
    busy = Parser(Limits(cpu_s=1, wall_s=60))
    try:
        assert sentence(busy, b"a\n\n" * 3_000_000, "a.txt") == TOO_LONG
        assert busy.parse(b"words", "a.txt").blocks[0].text == "words"
    finally:
        busy.close()


def open_document(kind: str, *, manifest: str = "<manifest/>") -> bytes:
    """An OpenDocument file of ``kind`` without anything in it."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("mimetype", f"application/vnd.oasis.opendocument.{kind}")
        archive.writestr("content.xml", "<x/>")
        archive.writestr("META-INF/manifest.xml", manifest)
    return stream.getvalue()


def test_other_formats_name_what_to_save_them_as(parser: Parser) -> None:
    assert sentence(parser, open_document("text"), "a.odt") == detect.OPEN_TEXT
    assert sentence(parser, open_document("presentation"), "a.odp") == detect.OPEN_SLIDES
    assert sentence(parser, open_document("graphics"), "a.odg") == detect.OPEN_OTHER
    assert sentence(parser, b"{\\rtf1 words}", "a.rtf") == detect.RICH_TEXT
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
    assert sentence(parser, stream.getvalue(), "a.epub") == detect.E_BOOK


def test_protected_files_are_called_protected(parser: Parser) -> None:
    locked = open_document("spreadsheet", manifest="<manifest><encryption-data/></manifest>")
    assert sentence(parser, locked, "a.ods") == detect.LOCKED
    assert sentence(parser, encrypted_pdf("5a" * 32, "5a" * 32), "a.pdf") == pdf.ENCRYPTED
    # Of the empty password, so that it opens; its content is not what the key makes of it.
    owner = "2055c756c72e1ad702608e8196acad447ad32d17cff583235f6dd15fed7dab67"
    user = "389438a861f362a7749df85146db4cc559038d000224d82322c4738764a9d762"
    assert sentence(parser, encrypted_pdf(owner, user), "a.pdf") == pdf.SEALED


def encrypted_pdf(owner: str, user: str) -> bytes:
    """A page behind the standard security handler, without an id; ``owner``, ``user``: keys."""
    return (
        "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
        "2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
        "3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]/Contents 4 0 R>>endobj\n"
        "4 0 obj<</Length 8>>stream\n!!sealed\nendstream endobj\n"
        f"5 0 obj<</Filter/Standard/V 1/R 2/P -44/O <{owner}>/U <{user}>>>endobj\n"
        "trailer<</Size 6/Root 1 0 R/Encrypt 5 0 R>>\n%%EOF\n"
    ).encode()


WORDS = b"The words &amp; more<br>are here."
ATTRIBUTES = b" ".join(b"a%d" % number for number in range(200_000))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("deep.html", b"<div>" * 50_000 + WORDS + b"</div>" * 50_000),
        ("wide.html", b"<p " + ATTRIBUTES + b">" + WORDS),
        ("deep.md", b">" * 50_000 + b" The words & more\\\nare here."),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_words_below_endless_markup_are_found(parser: Parser, name: str, data: bytes) -> None:
    assert [block.text for block in parser.parse(data, name).blocks] == [
        "The words & more\nare here."
    ]


def test_scripts_below_endless_markup_stay_out(parser: Parser) -> None:
    page = "<div>" * 300 + "<script>evil</script><!-- note --><p>One.</p><h2>Two</h2>Three.<i>"
    assert [block.text for block in parser.parse(page.encode(), "x.html").blocks] == [
        *("One.", "Two", "Three.")
    ]


def test_a_list_in_twenty_lists_keeps_its_items(parser: Parser) -> None:
    deep = "\n".join("  " * depth + f"- item {depth}" for depth in range(20))
    assert len(parser.parse(deep.encode(), "x.md").blocks) == 20


MAIL = EmailMessage()
MAIL["From"], MAIL["To"] = "Ada <ada@example.org>", "ben@example.org"
MAIL["Subject"] = "Überdruck im Ventil"
MAIL.set_content("The valve opens at 7 bar.\n")
MAIL.add_alternative("<p>The valve opens at <b>7</b> bar.</p>", subtype="html")
MAIL.add_attachment(b"secret words", maintype="application", subtype="pdf", filename="plan.pdf")


@pytest.mark.parametrize("wide", [False, True])
def test_a_mail_is_its_head_its_body_once_and_its_attachments_names(
    parser: Parser, wide: bool
) -> None:
    data = MAIL.as_bytes()
    parsed = parser.parse(data.decode().encode("utf-16") if wide else data, "mail.eml")
    assert parsed.title == "Überdruck im Ventil"
    assert [block.text for block in parsed.blocks] == [
        "From: Ada <ada@example.org>\nTo: ben@example.org",
        "The valve opens at 7 bar.",
        "Attachments, not read here: plan.pdf",
    ]


def test_mails_that_are_none_or_lie_are_read_as_far_as_they_go(parser: Parser) -> None:
    assert parser.parse(b"Just words.", "note.eml").blocks[0].text == "Just words."
    head = b"From: a@b\nSubject: =?nonsense?q?x?=\nContent-Type: text/plain; charset=nonsense"
    odd = head + "\n\nDas Café öffnet täglich um sieben, auch für Gäste.".encode("cp1252")
    assert (
        parser.parse(odd, "odd.eml").blocks[-1].text
        == "Das Café öffnet täglich um sieben, auch für Gäste."
    )
    locked = b"From: a@b\nContent-Type: multipart/encrypted; boundary=x\n\n--x\n\n--x--\n"
    assert "encrypted" in sentence(parser, locked, "locked.eml")


def test_a_notebook_is_its_words_and_its_code(parser: Parser) -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# Valves\n", "\n", "They open."]},
        {"cell_type": "code", "source": "bar = 7\n```\n", "outputs": [{"text": ["noise"]}]},
    ]
    parsed = parser.parse(json.dumps({"cells": cells}).encode(), "valves.ipynb")
    assert [(b.kind, b.text) for b in parsed.blocks] == [
        ("text", "They open."),
        ("code", "bar = 7\n```"),
    ]
    assert parser.parse(b'{"cells": 7}', "odd.ipynb").blocks[0].text == '{"cells": 7}'


def test_xml_is_records_or_sections(parser: Parser) -> None:
    lands = b"<land><name>Peru</name><town>Lima</town></land><land><name>Iran</name></land>"
    found = parser.parse(b"<?xml version='1.0'?><all>" + lands + b"</all>", "lands.xml")
    assert [b.text for b in found.blocks] == ["name: Peru | town: Lima", "Iran"]
    book = (
        b"<!DOCTYPE b [<!ENTITY e 'boom'>]><b><title>Valves</title><s><title>Opening</title>"
        b"<p>It opens at <em>7</em> bar.</p><p>It closes.</p></s></b>"
    )
    found = parser.parse(book, "book.xml")
    assert [(b.path, b.text) for b in found.blocks] == [
        (("Valves", "Opening"), "It opens at 7 bar."),
        (("Valves", "Opening"), "It closes."),
    ]
    assert parser.parse(b"<a><b>Not closed", "broken.xml").blocks[0].text == "Not closed"


@pytest.mark.parametrize(("name", "mark"), [("a.adoc", "="), ("a.org", "*")])
def test_marked_headings(parser: Parser, name: str, mark: str) -> None:
    found = parser.parse(f"{mark} One\n\n{mark * 2} Two\nWords.\n".encode(), name)
    assert [(b.path, b.text) for b in found.blocks] == [(("One", "Two"), "Words.")]


def test_a_long_header_is_not_sent_with_each_of_its_rows() -> None:
    header = " | ".join(f"column {n}" for n in range(10_000))
    rows = tuple(
        Block(text=f"row {n}", kind="row", row=n, path=("Sheet", str(n % 2)), header=header)
        for n in range(2, 1_000)
    )
    parsed = Parsed(title="Wide", blocks=rows)

    said = packed(parsed)

    assert len(said) < 5 * len(header)
    assert unpacked(json.loads(said)["parsed"]) == parsed


@pytest.mark.parametrize(
    ("name", "form"), [("a.md", "# {}\n\nEnd."), ("a.html", "<h1>{}</h1>End.")]
)
def test_a_heading_as_long_as_a_page_is_read_as_a_paragraph(
    parser: Parser, name: str, form: str
) -> None:
    words = "seals sleep on the sand " * MAX_HEADING
    parsed = parser.parse(form.format(words).encode(), name)
    assert [(b.path, b.text) for b in parsed.blocks] == [((), words.strip()), ((), "End.")]
    assert parsed.title is None


@pytest.mark.parametrize(
    ("name", "data", "last"),
    [
        ("list.html", f"<ol>{'<li>item' * 40_000}</ol>", "40000. item"),
        ("late.csv", "line\n" * 200_000 + "key,value,unit\nlength,3,m\n", "length | 3 | m"),
        ("open.md", "End.\n\n<div>\n" + "<!--" * 80_000, "End."),
    ],
)
def test_a_long_document_takes_as_much_longer_and_no_more(name: str, data: str, last: str) -> None:
    parser = Parser(Limits(cpu_s=12))
    try:
        assert parser.parse(data.encode(), name).blocks[-1].text == last
    finally:
        parser.close()


def test_pages_that_differ_in_numbers_only_are_not_all_header() -> None:
    labels = [[f"Crate {n}", f"Shelf {n % 7}"] for n in range(5)]
    assert pdf._without_running_lines(labels) == labels


@pytest.mark.parametrize("charset", ["punycode", "undefined", "no-such-thing", "base64"])
def test_a_page_that_lies_about_its_encoding_is_read(parser: Parser, charset: str) -> None:
    page = f"<meta charset={charset}><body>Café de la Paix".encode("latin-1")
    assert parser.parse(page, "a.html").blocks[0].text == "Café de la Paix"
