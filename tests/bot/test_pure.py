"""Decisions that need no process: audiences, wording, citations, blocks, links, proxies."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import intake
from bot.answering import Done, settled
from bot.audience import Place, decide, document_audiences, place_audience
from bot.blocks import answers, learning, modals, registry
from bot.blocks.text import ago, escape, link, safe_markdown, split
from bot.citing import Numbering, place
from bot.files.download import may_have_token
from bot.files.shares import channels_of, describe, share_ts
from bot.links import Links
from bot.proxies import proxy_for, settle_proxy
from bot.subcommands.registry import find, unknown_text
from bot.subcommands.targets import parse
from bot.wording import is_greeting, is_thanks, mentions, question_text
from models.headings import deepest
from models.lm.citations import CitationStream
from models.lm.followup import search_query
from models.store.members import Person
from models.store.search import Passage

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
ADA = Person(user_id="U1", team_id="T1", name="ada")
GUEST = replace(ADA, is_guest=True)
FOREIGN = replace(ADA, is_foreign=True)
PUBLIC = Place(channel_id="C1", kind="public")
PRIVATE = Place(channel_id="C2", kind="private")
DIRECT = Place(channel_id="D1", kind="im")


def passage(uri: str = "https://x.example/a", **values: object) -> Passage:
    given: dict[str, object] = {
        "chunk_id": 1,
        "pair_id": None,
        "hash": "h",
        "document_id": 1,
        "uri": uri,
        "link": uri,
        "title": "Leave",
        "heading_path": ("Leave", "Parents"),
        "page": None,
        "row": None,
        "sheet": None,
        "text": "Twenty-six weeks.",
        "audience": "workspace",
        "updated_at": NOW - dt.timedelta(days=3),
        "score": 1.0,
        "similarity": 0.8,
        "coverage": 0.9,
        **values,
    }
    return Passage(**given)  # type: ignore[arg-type]


def test_a_generator_is_told_the_headings_that_a_passage_stands_under() -> None:
    assert passage().headed == "Leave › Parents"
    assert passage(heading_path=("Leave",)).headed == "Leave"
    assert passage(title="Where is it?", heading_path=()).headed == "Where is it?"
    assert deepest(passage().headed) == "Parents"


def test_courtesies_are_no_questions() -> None:
    assert is_greeting("Hi!")
    assert is_greeting("What can you do?")
    assert is_thanks("Thanks a lot :)")
    assert not is_thanks("Thanks to whom do we owe the canteen?")
    assert not is_greeting("hi, where is the plotter?")
    assert not is_greeting("?")


def test_an_approved_answer_to_the_same_question_answers_alone() -> None:
    wrong = passage(title="Plotter", text="The plotter is in room 12.")
    approved = passage("pair:2", chunk_id=None, pair_id=2, title="Where is the plotter?")
    for same in ("where is the  plotter", "Where is the plotter?!"):
        assert settled(same, [wrong, approved]) == (approved,)
    assert settled("Where is the printer?", [wrong, approved]) == (wrong, approved)
    assert settled("Plotter", [wrong, approved]) == (wrong, approved)


@pytest.mark.parametrize(
    ("person", "place", "joined", "keys"),
    [
        (ADA, PUBLIC, ["C9"], {"workspace", "channel:C1"}),
        (ADA, PRIVATE, [], {"workspace", "channel:C2"}),
        (ADA, DIRECT, ["C2"], {"workspace", "user:U1", "channel:C2"}),
        (GUEST, PUBLIC, [], {"channel:C1"}),
        (GUEST, DIRECT, ["C2"], {"user:U1"}),
        (FOREIGN, PRIVATE, [], {"channel:C2"}),
        (ADA, replace(PUBLIC, shared=True), [], {"channel:C1"}),
        (ADA, replace(PRIVATE, outsiders=True), [], {"channel:C2"}),
        (None, PUBLIC, [], set()),
        (ADA, None, [], set()),
        (replace(ADA, deleted=True), PUBLIC, [], set()),
    ],
)
def test_who_may_see_what(
    person: Person | None, place: Place | None, joined: list[str], keys: set[str]
) -> None:
    assert decide(person, place, joined).keys == keys


def test_what_somebody_brings_is_for_the_place() -> None:
    assert document_audiences("U1", PUBLIC) == ("workspace",)
    assert document_audiences("U1", PRIVATE) == ("channel:C2",)
    assert document_audiences("U1", DIRECT) == ("user:U1",)
    assert document_audiences("U1", replace(PUBLIC, shared=True)) == ("channel:C1",)
    assert document_audiences("U1", replace(PUBLIC, outsiders=True)) == ("workspace", "channel:C1")
    # Ada's file, passed on by Ben to his own conversation with the bot, is there for Ben.
    assert document_audiences("U1", replace(DIRECT, person="U2")) == ("user:U2",)
    assert place_audience("U1", None) == "user:U1"


def test_wording() -> None:
    text = "<@UBOT> see <https://a.example|the page> &amp; ask <@U2|ben> in <#C1|general> <!here>"
    assert question_text(text, "UBOT") == "see the page & ask @ben in #general"
    assert question_text("<@UBOT>", "UBOT") == ""
    assert mentions("hi <@UBOT|phi3>", "UBOT")


@given(st.text())
def test_no_document_can_write_slacks_control_sequences(text: str) -> None:
    for shown in (escape(text), safe_markdown(text)):
        assert "<" not in shown
        assert ">" not in shown
    assert "](" not in safe_markdown(text)


def test_an_endless_address_is_no_link() -> None:
    assert link("https://example.com/?" + "é" * 900, "Plan") == "Plan"


def test_hostile_titles_stay_inside_their_link() -> None:
    shown = link("https://a.example/?q=<!channel>|x", "<!channel> | *bold*")
    assert shown.count("<") == 1
    assert shown.count(">") == 1
    assert shown.count("|") == 1
    assert link("javascript:alert(1)", "x") == "x"
    assert link(None, "\u202efdp.exe\u2069") == "fdp.exe"


@given(st.text(min_size=0, max_size=400), st.integers(min_value=5, max_value=60))
def test_splitting_loses_nothing(text: str, limit: int) -> None:
    parts = split(text, limit)
    assert "".join(parts) == text
    assert all(len(part) <= limit for part in parts)


def test_citations_count_in_order_of_appearance_and_places_share_a_number() -> None:
    passages = [
        passage("a", page=1, heading_path=()),
        passage("b", page=2, heading_path=()),
        passage("a", page=1, heading_path=()),
    ]
    numbering = Numbering(passages)
    cites = CitationStream(3, numbering.number)
    said = "B [2]. A [3][1]. `x[1]`, argv[2]; ```\nargs [1]\n```"
    text = "".join(map(cites.feed, said)) + cites.close()
    assert text == "B [1]. A [2]. `x[1]`, argv[2]; ```\nargs [1]\n```"
    assert [(one.n, one.uri, one.place) for one in numbering.citations(text)] == [
        (1, "b", "p. 2"),
        (2, "a", "p. 1"),
    ]


PRICES = "SKU | Price\nHP-1 | 2\nHP-12 | 2\nHP-2 | 12"


@pytest.mark.parametrize(
    ("said", "where"),
    [
        ("SKU: HP-12; Price: 2 [1]", "row 73"),
        ("- SKU: HP-1; Price: 2 [1]\n- SKU: HP-2; Price: 12 [1][2]", "rows 72, 74"),
        ("HP-12 costs less than HP-2 [1]", "rows 72 to 74"),
        ("SKU: HP-1; Price: 2 [1] And so does the other [1]", "rows 72 to 74"),
        ("SKU: HP-2; Price: 12 [1], see `list [1]`.", "row 74"),
    ],
)
def test_the_row_that_is_quoted_is_cited(said: str, where: str) -> None:
    table = passage(row=72, last_row=74, text=PRICES, heading_path=())
    numbering = Numbering([table, passage("b")])
    cites = CitationStream(2, numbering.number)
    shown = cites.feed(said) + cites.close()
    assert numbering.citations(shown)[0].place == where


def test_rows_that_cannot_be_told_apart_are_cited_together() -> None:
    with_an_empty_one = passage(row=72, last_row=75, text=PRICES, heading_path=())
    assert place(with_an_empty_one, ["SKU: HP-2; Price: 12"]) == "rows 72 to 75"
    barred = passage(row=72, last_row=73, text="A | B\n | | \n1 | 2", heading_path=())
    assert place(barred, ["A: 1; B: 2"]) == "row 73"
    single = passage(row=72, last_row=72, text="SKU | Price\nHP-1 | 2")
    assert place(single) == "Parents, row 72"
    of_before = passage(row=72, text=PRICES)
    assert place(of_before, ["SKU: HP-2; Price: 12"]) == "Parents, from row 72"


def test_an_answers_footer() -> None:
    numbering = Numbering([passage()])
    numbering.number(1)
    done = Done(
        text="Yes. [1]",
        refused=False,
        grounded=True,
        reason="",
        citations=numbering.citations("Yes. [1]"),
        generator="extractive",
    )
    blocks = answers.footer(done, answer_id=7, link_of=lambda one: one.link, now=NOW)
    assert blocks[0] == {
        "type": "section",
        "text": {
            "type": "mrkdwn",
            "text": "*Sources*\n[1] <https://x.example/a|Leave> · Parents · updated 3 days ago",
        },
    }
    assert blocks[1]["elements"][0]["text"].startswith("Answered by quoting the sources")
    assert [block["type"] for block in blocks] == [
        "section",
        "context",
        "context_actions",
        "actions",
    ]


def test_an_answer_that_cites_nothing_says_so() -> None:
    done = Done(text="Yes.", refused=False, grounded=False, reason="", generator="phi-3")
    words = str(answers.footer(done, answer_id=7, link_of=lambda one: None, now=NOW))
    assert "Take it as a guess" in words


def test_long_answers_become_several_messages() -> None:
    messages = answers.whole("word " * 6_000, [{"type": "divider"}])
    assert len(messages) == 3
    assert all(len(one.blocks[0]["text"]) <= 11_000 for one in messages)
    assert messages[-1].blocks[-1] == {"type": "divider"}


def test_an_ingestion_that_partly_failed_names_what_failed() -> None:
    message = registry.render(
        {
            "kind": "ingest_done",
            "label": "a.zip",
            "done": 1,
            "failed": 1,
            "failures": [
                {"title": "<!channel>.pdf", "sentence": "It is encrypted.", "error_id": "abcd1234"}
            ],
        }
    )
    assert "&lt;!channel&gt;.pdf" in message.text
    assert "abcd1234" in message.text
    with pytest.raises(registry.UnknownKind):
        registry.render({"kind": "nobody knows"})


@pytest.mark.parametrize("words", ["x" * 3_001, "🙂" * 1_501])
def test_words_that_an_input_would_cut_are_not_put_into_it(words: str) -> None:
    whole = learning.editing(7, "Q?", words[1:], "https://x.example", stale=False)
    assert whole["blocks"][1]["element"]["initial_value"] == words[1:]
    too_long = learning.editing(7, "Q?", words, "https://x.example", stale=False)
    assert "submit" not in too_long
    assert "`phi3 pairs edit 7`" in too_long["blocks"][0]["text"]["text"]
    assert "initial_value" not in modals.correction("Q?", words, "{}")["blocks"][1]["element"]


def test_ages() -> None:
    assert ago(NOW - dt.timedelta(hours=3), NOW) == "3 hours ago"
    assert ago(NOW + dt.timedelta(hours=3), NOW) == "just now"


def test_follow_ups_are_searched_with_what_they_lean_on() -> None:
    earlier = ["How long is parental leave?", "Does it apply to adoption?"]
    assert search_query("And who pays it?", earlier).startswith("How long is parental leave?")
    alone = "Which documents does a new colleague sign on the first day?"
    assert search_query(alone, earlier) == alone


def test_messages_are_told_apart() -> None:
    base = {"type": "message", "user": "U1", "channel": "C1", "ts": "1.0", "text": "hi"}
    assert intake.classify({**base, "channel_type": "im"}, "UBOT") == "dm"
    assert intake.classify({**base, "text": "<@UBOT> hi"}, "UBOT") == "mention"
    assert intake.classify({**base, "type": "app_mention"}, "UBOT") == "mention"
    assert intake.classify({**base, "thread_ts": "0.5"}, "UBOT") == "thread"
    assert intake.classify(base, "UBOT") == "plain"
    assert intake.classify({**base, "bot_id": "B1"}, "UBOT") == "ignore"
    assert intake.classify({**base, "subtype": "channel_join"}, "UBOT") == "ignore"
    unfurled = {"subtype": "message_changed", "message": base, "previous_message": base}
    assert intake.classify(unfurled, "UBOT") == "ignore"


def test_targets() -> None:
    hosts = frozenset({"acme.slack.com"})
    file = parse("<https://acme.slack.com/files/U1/F0ABCDE/plan.pdf|plan>", workspace_hosts=hosts)
    assert (file.kind, file.value) == ("slack_file", "F0ABCDE")
    assert parse("https://evil.example/files/U1/F0ABCDE/x", workspace_hosts=hosts).kind == "url"
    assert parse("<#C1|general>", workspace_hosts=hosts).kind == "channel"
    assert parse("/etc/passwd", workspace_hosts=hosts).kind == "local"
    assert parse("http://[::1", workspace_hosts=hosts).kind == "url"  # refused when it is fetched
    assert parse("A &amp; B are friends", workspace_hosts=hosts).value == "A & B are friends"


def test_subcommands() -> None:
    found = find("ASK  what now")
    assert found is not None
    assert (found[0].name, found[1]) == ("ask", "what now")
    assert find("asking") is None
    assert "`/phi3 sources`" in unknown_text("source")


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("https://files.slack.com/files-pri/T1-F1/x", True),
        ("https://slack.com/x", True),
        ("http://files.slack.com/x", False),
        ("https://files.slack.com.evil.example/x", False),
        ("https://notslack.com/x", False),
        ("https://files.slack.com:8443/x", False),
        ("http://127.0.0.1:8300/files-pri/x", True),
        ("http://127.0.0.1:8301/x", False),
        ("file:///etc/passwd", False),
    ],
)
def test_where_the_token_may_go(url: str, own: bool) -> None:
    assert may_have_token(url, "http://127.0.0.1:8300/api/") is own


def test_files_are_described() -> None:
    file = {
        "id": "F1",
        "name": "a.md",
        "size": 3,
        "url_private_download": "https://files.slack.com/a",
        "channels": ["C1"],
        "shares": {"public": {"C1": [{"ts": "2.0"}, {"ts": "3.0", "thread_ts": "1.0"}]}},
    }
    assert describe(file).uri == "slack:file:F1"
    assert channels_of(file) == {"C1"}
    assert share_ts(file, "C1") == "1.0"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"size": 200 * 1024 * 1024}, "200 MB"),
        ({"size": 0}, "empty"),
        ({"mimetype": "image/png"}, "no text"),
        ({"mode": "external"}, "outside of Slack"),
        ({"mode": "tombstone"}, "no longer"),
    ],
)
def test_files_that_cannot_be_read_are_refused_in_words(
    change: dict[str, object], words: str
) -> None:
    from bot.files.download import FileProblem

    file = {"id": "F1", "name": "a.md", "size": 3, "url_private_download": "https://x", **change}
    with pytest.raises(FileProblem, match=words):
        describe(file)


def test_links_open_until_they_expire() -> None:
    links = Links("http://127.0.0.1:8303", b"secret")
    url = links.document(5, 9, now=1_000.0)
    query = dict(part.split("=") for part in url.partition("?")[2].partition("#")[0].split("&"))
    assert links.opens(5, **query, now=2_000.0)
    assert not links.opens(6, **query, now=2_000.0)
    assert not links.opens(5, **query, now=1_000.0 + 31 * 86_400)
    assert not links.opens(5, **{**query, "exp": "9" * 11}, now=2_000.0)
    for wrong in ({"sig": "é"}, {"exp": "²"}, {"exp": "٣"}):
        assert not links.opens(5, **{**query, **wrong}, now=2_000.0)


def test_proxies() -> None:
    environ = {"HTTPS_PROXY": "http://proxy:3128", "HTTP_PROXY": "http://proxy:3128"}
    assert proxy_for("https://slack.com/api/", environ) == "http://proxy:3128"
    assert proxy_for("http://127.0.0.1:8300/api/", environ) is None
    assert proxy_for("http://localhost:8300/api/", environ) is None
    assert proxy_for("https://slack.com/api/", {**environ, "NO_PROXY": "slack.com"}) is None
    assert settle_proxy("http://127.0.0.1:8300/api/", environ) is None
    assert environ == {}
