"""Files of questions and answers, as teams have them."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path

import pytest

from bot.cli.pair_files import BadFile, read


def write(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


def test_every_shape_gives_the_same_pairs(tmp_path: Path) -> None:
    rows = [
        {"question": "When, exactly?", "answer": "At six.\nSharp."},
        {"question": "Q", "answer": "A"},
    ]
    csv = 'Question,Answer\n"When, exactly?","At six.\nSharp."\nQ,A\n'
    files = [
        write(tmp_path / "a.csv", "\ufeff" + csv),
        write(tmp_path / "a.tsv", 'question\tanswer\nWhen, exactly?\t"At six.\nSharp."\nQ\tA\n'),
        write(tmp_path / "b.csv", 'question;answer\nWhen, exactly?;"At six.\nSharp."\nQ;A\n'),
        write(tmp_path / "a.json", json.dumps(rows)),
        write(tmp_path / "a.jsonl", "\n".join(json.dumps(r) for r in rows) + "\n\n"),
        write(
            tmp_path / "b.jsonl",
            "\n".join(
                json.dumps({"instruction": r["question"], "response": r["answer"]}) for r in rows
            ),
        ),
    ]
    packed = tmp_path / "c.csv.gz"
    packed.write_bytes(gzip.compress(csv.encode()))
    for file in [*files, packed]:
        found = [(row.question, row.answer) for _, row in read(file).pairs]
        if file.name == "b.csv":
            assert found[1] == ("Q", "A")
            continue
        assert found == [(r["question"], r["answer"]) for r in rows], file


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.csv", "", "no rows"),
        ("a.csv", "question,answer\n", "no rows"),
        ("a.csv", "x,y\n1,2\n", "line 2: There is no question and answer among x, y"),
        ("a.csv", "x,y\n1,2\n3,4\n", "None of its 2 rows is a pair."),
        ("a.csv", "\n\nquestion,answer\nQ,A\n", "first line is empty"),
        ("a.xml", '<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>', "entities of its own"),
        ("a.jsonl", "{", "line 1: It is no JSON: Expecting property name"),
        ("a.json", "[" * 200_000, "nested too deeply"),
        ("a.json", '{"faqs": [\n{"question": "Q", "answer": "A"}]}', "answer among faqs"),
        ("a.json", "[1]", "is an object"),
        ("a.xml", "<a><question>Q</question>", "no XML"),
        ("a.xml", "<a><question>Q</question></a>", "no rows"),
    ],
)
def test_what_holds_no_pairs_is_said_with_its_line(
    tmp_path: Path, name: str, text: str, says: str
) -> None:
    with pytest.raises(BadFile, match=says):
        read(write(tmp_path / name, text))


def test_an_archive_of_documents_is_read_whole(tmp_path: Path) -> None:
    xml = (
        '<?xml version="1.0" encoding="UTF-8"?><Document><Focus>Gate</Focus><QAPairs>'
        "<QAPair><Question>When?</Question><Answer>At <b>six</b>.</Answer></QAPair>"
        "<QAPair><Question>Who?</Question><Answer/></QAPair></QAPairs></Document>"
    )
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr("gate/1.xml", xml)
        packed.writestr("gate/2.csv", "question,answer\nWhere?,Here.\n")
        packed.writestr("README", "not of these")
    found = [(place, row.question, row.answer) for place, row in read(tmp_path / "a.zip").pairs]
    assert found == [
        ("gate/1.xml, pair 1", "When?", "At six."),
        ("gate/2.csv, line 2", "Where?", "Here."),
    ]
    (tmp_path / "b.zip").write_bytes(b"PK nothing")
    with pytest.raises(BadFile, match="no zip"):
        read(tmp_path / "b.zip")


def test_a_file_in_an_archive_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr("broken.xml", "<a>")
        packed.writestr("latin.csv", "question,answer\nWo?,M\u00fcnchen\n".encode("latin-1"))
        packed.writestr("good.csv", "question,answer\nWhere?,Here.\n")
    found = read(tmp_path / "a.zip")
    assert [place for place, _ in found.pairs] == ["good.csv, line 2"]
    assert [words.partition(": ")[0] for words in found.refused] == ["broken.xml", "latin.csv"]


def test_bytes_that_are_no_text_are_said(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(BadFile, match="not readable"):
        read(tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("only", "A pair needs a question and an answer."),
        ("q," + "x" * 30_000, "It is longer than 20,000 characters."),
        ('q,"' + "x\n" * 100_000 + '"', "It is longer than 20,000 characters."),
        (
            "Who, exactly?,Tom.",
            "It has more cells than the first line: text that holds a comma needs",
        ),
    ],
)
def test_one_odd_row_of_a_table_is_refused_alone(tmp_path: Path, row: str, says: str) -> None:
    found = read(write(tmp_path / "a.csv", f"question,answer\nBefore?,a\n{row}\nAfter?,b\n"))
    assert [pair.question for _, pair in found.pairs] == ["Before?", "After?"]
    (refused,) = found.refused
    assert refused.startswith(f"line 3: {says}")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("nonsense", "It is no JSON: Expecting value, column 1."),
        ('{"question": "q", "answer": ' + "[" * 200_000, "It is nested too deeply."),
        ('{"question": "q", "answer": ' + "9" * 5_000 + "}", "It holds a number that is too long."),
        ('{"question": "q", "answer": null}', "A pair needs a question and an answer."),
    ],
)
def test_one_odd_line_of_json_is_refused_alone(tmp_path: Path, line: str, says: str) -> None:
    good = '{"question": "Before?", "answer": "a"}', '{"question": "After?", "answer": "b"}'
    found = read(write(tmp_path / "a.jsonl", f"{good[0]}\n{line}\n{good[1]}\n"))
    assert [pair.question for _, pair in found.pairs] == ["Before?", "After?"]
    assert found.refused == [f"line 2: {says}"]


def test_lines_of_json_end_at_line_feeds_alone(tmp_path: Path) -> None:
    rows = '{"question": "a", "answer": "b\u2028c"}\r\n{"question": "d", "answer": "e\x85f"}\n'
    found = read(write(tmp_path / "a.jsonl", rows))
    assert [row.answer for _, row in found.pairs] == ["b\u2028c", "e\x85f"]


def test_a_table_with_the_line_ends_of_old_macs_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b'question;answer\rOne?;"a, b"\rTwo?;c\r')
    assert [row.answer for _, row in read(tmp_path / "a.csv").pairs] == ["a, b", "c"]
