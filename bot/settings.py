"""The bot's own settings: how Slack is reached, how many threads answer, where links lead."""

from __future__ import annotations

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Slack(BaseSettings):
    """Tokens and the API's address; any Slack-compatible server will do."""

    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", populate_by_name=True, hide_input_in_errors=True
    )

    bot_token: SecretStr = Field(validation_alias=AliasChoices("SLACK_BOT_TOKEN"))
    app_token: SecretStr | None = Field(None, validation_alias=AliasChoices("SLACK_APP_TOKEN"))
    signing_secret: SecretStr | None = Field(
        None, validation_alias=AliasChoices("SLACK_SIGNING_SECRET")
    )
    api_url: str = Field("https://slack.com/api/", validation_alias=AliasChoices("SLACK_API_URL"))

    @property
    def base_url(self) -> str:
        """The API's address as slack_sdk wants it: with one slash at the end."""
        return self.api_url.rstrip("/") + "/"


class Bot(BaseSettings):
    """How the bot runs on this machine."""

    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", populate_by_name=True, hide_input_in_errors=True
    )

    host: str = Field("127.0.0.1", validation_alias=AliasChoices("PHI3_BOT_HOST"))
    port: int = Field(8303, validation_alias=AliasChoices("PHI3_BOT_PORT"))
    public_url: str = Field("", validation_alias=AliasChoices("PHI3_PUBLIC_URL"))
    threads: int = Field(8, ge=1, le=64, validation_alias=AliasChoices("PHI3_ANSWER_THREADS"))
    max_tokens: int = Field(600, ge=16, validation_alias=AliasChoices("PHI3_MAX_TOKENS"))

    @property
    def base_url(self) -> str:
        """Where people's browsers reach this process, without a slash at the end."""
        return (self.public_url or f"http://127.0.0.1:{self.port}").rstrip("/")


LEASE_S = 30.0  # of an inbox event or an outbox message; renewed while it is worked on
ATTEMPTS = 3  # then the person is told
MAX_QUESTION = 4_000  # characters
MAX_TYPED_TEXT = 40_000  # characters that /phi3 ingest takes as text
MAX_FILE = 50 * 1024 * 1024  # bytes; the blobs table takes no more
MAX_HISTORY = 1_000  # messages of a channel that one /phi3 ingest reads
UPDATE_EVERY_S = 3.0  # shortest time between two updates of one message
LINK_DAYS = 30  # that a link to the viewer opens
