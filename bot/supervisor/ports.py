"""The local ports: PHI3_PORT and the three that follow it, each settable on its own."""

from __future__ import annotations

import socket

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Ports(BaseSettings):
    """Loopback ports as set; those left out follow the page's."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", env_ignore_empty=True)

    page: int = Field(8300, ge=1, le=65535, validation_alias="PHI3_PORT")
    own_llm: int | None = Field(None, ge=1, le=65535, validation_alias="PHI3_LLM_PORT")
    own_admin: int | None = Field(None, ge=1, le=65535, validation_alias="PHI3_LLM_ADMIN_PORT")
    own_bot: int | None = Field(None, ge=1, le=65535, validation_alias="PHI3_BOT_PORT")

    @property
    def llm(self) -> int:
        """The model server's OpenAI protocol."""
        return self.own_llm or self.page + 1

    @property
    def llm_admin(self) -> int:
        """The model server's adapter protocol."""
        return self.own_admin or self.page + 2

    @property
    def bot(self) -> int:
        """The bot's own HTTP: health, document viewer, Slack's events in HTTP mode."""
        return self.own_bot or self.page + 3

    def environment(self) -> dict[str, str]:
        """Every port by the name of its setting."""
        return {
            "PHI3_PORT": str(self.page),
            "PHI3_LLM_PORT": str(self.llm),
            "PHI3_LLM_ADMIN_PORT": str(self.llm_admin),
            "PHI3_BOT_PORT": str(self.bot),
        }


PURPOSE = {
    "PHI3_PORT": "the page",
    "PHI3_LLM_PORT": "the model server",
    "PHI3_LLM_ADMIN_PORT": "the model server's adapters",
    "PHI3_BOT_PORT": "the bot",
}


def complaint(wanted: dict[str, str]) -> str | None:
    """Say in one sentence which of the ports (setting -> number) cannot be had; none if all can."""
    numbers = list(wanted.values())
    for name, number in wanted.items():
        if numbers.count(number) > 1:
            return f"Port {number} is set twice: {name} needs one of its own."
        if int(number) > 65535:
            return f"{name} would be {number}: choose a lower PHI3_PORT."
        reason = unavailable(int(number))
        if reason:
            others = "" if name == "PHI3_PORT" else ", or PHI3_PORT, which the others follow"
            return (
                f"Port {number}, wanted for {PURPOSE[name]}, {reason}: "
                f"free it, or set {name}{others}."
            )
    return None


def unavailable(port: int) -> str | None:
    """Why nothing can listen on ``127.0.0.1:port`` now; none where it can."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            return "needs privileges that we do not have"
        except OSError:
            return "is taken"
    return None
