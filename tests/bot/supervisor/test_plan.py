"""What runs here, for the ways in which people set it up."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from bot.supervisor.backoff import GIVE_UP_AFTER, LONGEST_S, QUICK_S, Backoff
from bot.supervisor.plan import NAMES, Plan, make_plan
from bot.supervisor.ports import Ports, complaint

SECRETS = {
    "SLACK_BOT_TOKEN": "xoxb-made",
    "SLACK_APP_TOKEN": "xapp-made",
    "SLACK_SIGNING_SECRET": "made",
    "PHI3_LLM_API_KEY": "key-made",
    "PHI3_ADMIN_TOKEN": "token-made",
}


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("PHI3_PORT", "PHI3_LLM_PORT", "PHI3_LLM_ADMIN_PORT", "PHI3_BOT_PORT"):
        monkeypatch.delenv(name, raising=False)


def plan(**settings: str) -> Plan:
    return make_plan(settings, Ports(), home=Path("/home/of/it"), secrets=SECRETS)


def names(made: Plan) -> list[str]:
    return [part.name for part in made.parts]


def test_a_bare_machine_runs_everything() -> None:
    made = plan()
    assert {"postgres", "redis", *names(made)} == set(NAMES)
    assert made.embedded_postgres
    assert made.embedded_redis
    assert made.url == "http://127.0.0.1:8300"
    assert list(made.ports.values()) == ["8300", "8301", "8302", "8303"]
    assert made.environment["SLACK_API_URL"] == "http://127.0.0.1:8300/api/"
    assert made.environment["SLACK_BOT_TOKEN"] == "xoxb-made"
    assert made.environment["PHI3_LLM_ADMIN_URLS"] == "http://127.0.0.1:8302"


def test_a_real_slack_needs_no_workspace() -> None:
    made = plan(SLACK_BOT_TOKEN="xoxb-real", SLACK_APP_TOKEN="xapp-real")
    assert "workspace" not in names(made)
    assert made.url is None
    assert "PHI3_PORT" not in made.ports
    assert not {"SLACK_API_URL", "SLACK_BOT_TOKEN"} & set(made.environment)


def test_services_of_ones_own_are_not_started() -> None:
    made = plan(DATABASE_URL="postgresql://db/x", REDIS_URL="redis://r")
    assert not made.embedded_postgres
    assert not made.embedded_redis


def test_another_generator_leaves_us_the_embeddings_with_a_key_of_their_own() -> None:
    made = plan(PHI3_LLM_URL="http://vllm:8000", PHI3_LLM_API_KEY="theirs")
    models = next(part for part in made.parts if part.name == "models")
    assert models.environment == {"PHI3_LLM_API_KEY": "key-made", "PHI3_MODEL": "extractive"}
    assert made.environment["PHI3_EMBEDDING_URL"] == "http://127.0.0.1:8301"
    assert made.environment["PHI3_EMBEDDING_API_KEY"] == "key-made"
    assert "PHI3_LLM_API_KEY" not in made.environment


def test_other_servers_for_both_need_no_model_server() -> None:
    made = plan(PHI3_LLM_URL="http://vllm:8000", PHI3_EMBEDDING_URL="https://api.jina.ai")
    assert "models" not in names(made)
    assert set(made.ports) == {"PHI3_PORT", "PHI3_BOT_PORT"}


def test_a_relative_model_directory_is_made_absolute(tmp_path: Path) -> None:
    assert plan(PHI3_MODEL="./phi3").environment["PHI3_MODEL"] == str(tmp_path / "phi3")
    assert "PHI3_MODEL" not in plan(PHI3_MODEL="microsoft/Phi-3.5-mini-instruct").environment


def test_no_secret_stands_in_an_argument_or_a_repr() -> None:
    made = plan()
    shown = repr(made) + " ".join(word for part in made.parts for word in part.command)
    assert not [secret for secret in SECRETS.values() if secret in shown.split()]
    assert "key-made" not in shown


def test_every_port_is_settable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHI3_PORT", "9000")
    monkeypatch.setenv("PHI3_BOT_PORT", "7000")
    assert plan().ports == {
        "PHI3_BOT_PORT": "7000",
        "PHI3_PORT": "9000",
        "PHI3_LLM_PORT": "9001",
        "PHI3_LLM_ADMIN_PORT": "9002",
    }


@pytest.fixture
def taken() -> Iterator[str]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield str(server.getsockname()[1])


def test_a_taken_port_is_named_with_its_setting(taken: str) -> None:
    told = complaint({"PHI3_LLM_PORT": taken})
    assert told is not None
    assert taken in told
    assert "PHI3_LLM_PORT" in told
    assert "the model server" in told


def test_two_parts_cannot_share_a_port() -> None:
    told = complaint({"PHI3_PORT": "8300", "PHI3_BOT_PORT": "8300"})
    assert told == "Port 8300 is set twice: PHI3_PORT needs one of its own."


def test_ports_beyond_the_last_one_are_refused() -> None:
    told = complaint({"PHI3_BOT_PORT": "65538"})
    assert told == "PHI3_BOT_PORT would be 65538: choose a lower PHI3_PORT."


@for_all(st.lists(st.floats(0, 10 * QUICK_S), max_size=30))
def test_backoff_gives_up_on_quick_ends_in_a_row_and_on_nothing_else(lives: list[float]) -> None:
    seen, quick = Backoff(), 0
    for lived in lives:
        seen = seen.ended(lived_s=lived)
        quick = quick + 1 if lived < QUICK_S else 1
        assert 0 < seen.delay_s <= LONGEST_S
        assert seen.gives_up == (quick >= GIVE_UP_AFTER)


def test_nobody_waits_for_the_bot_while_slack_is_away() -> None:
    secrets = dict.fromkeys(("PHI3_LLM_API_KEY", "PHI3_ADMIN_TOKEN"), "x")
    made = make_plan(
        {"SLACK_BOT_TOKEN": "xoxb-1"}, Ports(), home=Path("/h"), secrets=secrets, slack_away=True
    )
    assert [part.name for part in made.parts if not part.awaited] == ["bot"]
