"""Settings of the local workspace, read from the environment when called."""

from __future__ import annotations

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

BOT_SCOPES = (
    "app_mentions:read,assistant:write,channels:history,channels:join,channels:read,chat:write,"
    "commands,files:read,files:write,groups:history,groups:read,im:history,im:read,im:write,"
    "links:read,mpim:history,mpim:read,mpim:write,reactions:read,reactions:write,team:read,"
    "users:read,users:read.email,users.profile:read"
)


def _env(name: str) -> AliasChoices:
    return AliasChoices(name)


class WorkspaceSettings(BaseSettings):
    """The app's credentials and the few switches that tests need."""

    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", populate_by_name=True, hide_input_in_errors=True
    )

    bot_token: SecretStr | None = Field(None, validation_alias=_env("SLACK_BOT_TOKEN"))
    app_token: SecretStr | None = Field(None, validation_alias=_env("SLACK_APP_TOKEN"))
    signing_secret: SecretStr | None = Field(None, validation_alias=_env("SLACK_SIGNING_SECRET"))
    # Where events go over HTTP; empty: Socket Mode.
    request_url: str = Field("", validation_alias=_env("PHI3_WORKSPACE_REQUEST_URL"))
    bot_scopes: str = Field(BOT_SCOPES, validation_alias=_env("PHI3_WORKSPACE_BOT_SCOPES"))
    rate_limit: bool = Field(False, validation_alias=_env("PHI3_WORKSPACE_RATE_LIMIT"))
    ack_seconds: float = Field(3.0, gt=0, validation_alias=_env("PHI3_WORKSPACE_ACK_SECONDS"))
    # Waits before the three retries, in seconds.
    retries: str = Field("0,60,300", validation_alias=_env("PHI3_WORKSPACE_RETRIES"))
    stream_seconds: float = Field(
        300.0, gt=0, validation_alias=_env("PHI3_WORKSPACE_STREAM_SECONDS")
    )

    def retry_waits(self) -> tuple[float, ...]:
        """Seconds to wait before each retry."""
        return tuple(float(part) for part in self.retries.split(",") if part.strip())

    def scopes(self) -> frozenset[str]:
        """What the bot token may do."""
        return frozenset(part.strip() for part in self.bot_scopes.split(",") if part.strip())
