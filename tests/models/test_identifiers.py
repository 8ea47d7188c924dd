"""What names one thing among many of its kind."""

from __future__ import annotations

import pytest

from models.identifiers import Identifier, named, others_only


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What is the total of invoice 7777?", ["7777"]),
        ("Launch code of ship number 400", ["400"]),
        ("Which ship has launch code ZX539?", ["ZX539"]),
        ("Is PTO-12b cheaper than HP-2071?", ["PTO-12b", "HP-2071"]),
        ("Who closed ticket #12?", ["12"]),
        ("Rechnung Nr. 4711", ["4711"]),
        ("What was the income in 2019, and in fiscal year 2018?", []),
        ("What was FY2019 like, and Q3?", []),
        ("Can I spend 500 euros, or is that over 300?", []),
        ("Is there no 24 hour service for 1,500 employees at 10:30 or 5pm?", []),
        ("Is COVID-19 covered by the 401k plan?", []),
        ("Is the answer at http://127.0.0.1:8300?", []),
    ],
)
def test_what_is_named(question: str, expected: list[str]) -> None:
    assert [one.text for one in named(question)] == expected


def test_it_stands_there_however_it_is_written() -> None:
    code = Identifier("HP-2071")
    assert all(code.stands_in(text) for text in ("hp 2071", "HP2071.", "| HP-2071 | 9 |"))
    assert not any(code.stands_in(text) for text in ("HP-20711", "XHP-2071", "2071"))
    number = Identifier("338", "invoice")
    assert number.stands_in("Invoice 00338: paid")
    assert not any(number.stands_in(text) for text in ("1,338", "338.5", "1338"))


@pytest.mark.parametrize(
    "text", ["Invoice number 1338", "The invoices 12 and 13", "Invoice | Total\n1338 | 672"]
)
def test_others_of_its_kind(text: str) -> None:
    assert others_only([Identifier("7777", "invoice")], [text])
    assert not others_only([Identifier("7777", "invoice")], [text, "7777 is the last one"])


def test_a_number_is_no_name_where_nothing_else_is_named_so() -> None:
    assert not others_only(named("May an expense 700 be paid?"), ["Expenses may be paid by card."])
