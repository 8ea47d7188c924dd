"""Personal data goes, and what only looks like it stays."""

from __future__ import annotations

import unicodedata

import pytest

from workers.refresh.names import Names
from workers.refresh.scrub import scrub


@pytest.mark.parametrize(
    ("words", "clean"),
    [
        ("Write to jane.doe+x@example.co.uk now", "Write to [email] now"),
        ("Ask <@U012ABCDEF> or <@W1|jo>", "Ask [person] or [person]"),
        ("Card 4111 1111 1111 1111.", "Card [card]."),
        ("5555-5555-5555-4444 or 378282246310005", "[card] or [card]"),
        ("key xoxb-123456789-abc at 10.0.0.12", "key [secret] at [address]"),
        ("http://10.0.0.12/status", "http://[address]/status"),
        ("DE89 3704 0044 0532 0130 00 is the account", "[account] is the account"),
        ("BE68 5390 0754 7034 KBC and de89370400440532013000", "[account] KBC and [account]"),
        ("GB29 NWBK 6016 1331 9268 19 BE68 5390 0754 7034", "[account] [account]"),
    ],
)
def test_personal_data_goes(words: str, clean: str) -> None:
    assert scrub(words) == clean


@pytest.mark.parametrize(
    "number",
    [
        "+49 30 1234567",
        "+49 (0)30 901820",
        "+442079460958",
        "0049 30 1234567",
        "(030) 123 45 67",
        "0171/123 45 67",
        "01711234567",
        "01.23.45.67.89",
        "06 12 34 56 78",
        "020 7946 0958",
        "03-6215 9000",
        "(11) 98765-4321",
        "138 1234 5678",
        "555-123-4567",
        "(555) 123-4567",
        "1-800-555-0199",
        "800 - 555 - 0199",
    ],
)
def test_telephone_numbers_go(number: str) -> None:
    assert scrub(f"Call {number}, or come.") == "Call [phone], or come."


@pytest.mark.parametrize(
    ("words", "clean"),
    [("Tel: 612 345 678", "Tel: [phone]"), ("电话：13812345678。", "电话：[phone]。")],
)
def test_what_is_called_a_telephone_number_goes(words: str, clean: str) -> None:
    assert scrub(words) == clean


@pytest.mark.parametrize(
    "words",
    [
        "The contract ends on 01/02/2024.",
        "Due 05-11-2026 at noon, or 09/12/2025 10/12/2025.",
        "On 01.02.2024 10:30, on 2025-01-01 at 06:30, from 12.05.2024-13.05.2024.",
        "From 08:00-12:00 and 0800-1700, mobile 2023-2024.",
        "25 days, v1.2.3, v01.02.03.04.05, version 10.0.0.1, see [1].",
        "Order 1234567890123 of 12,500.00 EUR; 1 000 000 000 people; 0.1234567890.",
        "Order 0815-1234567, ticket 0042 123456789, part no. 001-234-5678",
        "ISBN 978-3-16-148410-0, ISBN 0306406152, doi 10.1038/s41598-017-03986-1",
        "00000000-0000-0000-0000-000000000001 and RV0717B01008001",
        "purchase 113542617735902, setup-azd@v1.0.0, 127.0.0.1",
    ],
)
def test_dates_amounts_versions_and_identifiers_stay(words: str) -> None:
    assert scrub(words) == words


def test_a_full_name_goes_however_it_is_written() -> None:
    names = Names.of(["José Müller", "Sean O'Brien", "Jean-Luc Picard", "Li Wu"])
    for written in ("José Müller", "JOSÉ MÜLLER", "josé müller", "Müller", "sean o’brien"):
        assert scrub(f"Ask {written}.", names) == "Ask [person]."
    for written in ("O'Brien", "OʼBrien", "Jean-Luc", "Jean–Luc Picard", "Li Wu"):
        assert scrub(f"Ask {written}'s team.", names) == "Ask [person]'s team."
    assert scrub("Jane Doe and Doe know; the doe does not", Names.of(["Jane Doe"])) == (
        "[person] and [person] know; the doe does not"
    )


def test_composed_and_decomposed_letters_are_the_same() -> None:
    decomposed = unicodedata.normalize("NFD", "José Müller")
    assert scrub(f"{decomposed} said", Names.of(["José Müller"])) == "[person] said"
    assert scrub("José Müller said", Names.of([decomposed])) == "[person] said"
    assert scrub("Josés Hut", Names.of(["Jose Meyer"])) == "Josés Hut"


def test_names_in_scripts_without_spaces_are_found_inside_sentences() -> None:
    names = Names.of(["李雷", "王小明", "田中 太郎", "김민수"])
    assert scrub("请联系王小明处理，李雷也行", names) == "请联系[person]处理，[person]也行"
    assert scrub("田中太郎、田中さん、田中町", names) == "[person]、[person]さん、田中町"
    assert scrub("김민수가 압니다", names) == "[person]가 압니다"


def test_members_named_like_words_leave_the_words_alone() -> None:
    names = Names.of(
        ["will", "Will Byers", "may", "Rose", "mark", "deploy", "Grace Hope", "April Major"]
    )
    plain = (
        "The ferry will leave. Will it rain? We may deploy the release; mark it. Grace period is "
        "30 days. Rose water. Hope this helps. Deploy in April or May."
    )
    assert scrub(plain, names) == plain
    asked = scrub("Ask @will, Will Byers, @Deploy or Grace Hope.", names)
    assert asked == "Ask [person], [person], [person] or [person]."


def test_two_words_that_are_a_name_only_with_capitals() -> None:
    names = Names.of(["Max Power"], ["the max power of a pump", "max power"])
    assert scrub("The max power, says Max Power.", names) == "The max power, says [person]."


def test_the_ledger_tells_names_from_words() -> None:
    names = ["Anna Berry", "Tide Walker"]
    ledger = ["The tide is high.", "The tide falls.", "Then ask Anna, or Anna's deputy."]
    found = Names.of(names, ledger)
    assert scrub("Tide tables: ask Anna or Walker.", found) == (
        "Tide tables: ask [person] or [person]."
    )


def test_user_names_that_are_no_words_go_bare() -> None:
    names = Names.of(["Jane Doe", "jdoe", "anna.berg", "jd"])
    assert (
        scrub("ask jdoe, anna.berg or @jd; jd", names) == "ask [person], [person] or [person]; jd"
    )
