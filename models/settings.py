"""Settings by concern, read from the environment and ``.env`` when called, never at import."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class _FromEnvironment(BaseSettings):
    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", populate_by_name=True, hide_input_in_errors=True
    )


def _env(name: str) -> AliasChoices:
    return AliasChoices(name)


def _address(url: SecretStr, *schemes: str) -> SecretStr:
    """The address if it can be one; the error names the form and never the value."""
    try:
        parts = urlsplit(url.get_secret_value())
        fits = parts.scheme in schemes and (parts.port is None or parts.port > 0)
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"should be an address that begins with {schemes[0]}://")
    return url


def wrong_settings(error: ValidationError) -> str:
    """Name the settings that are wrong, never their values: some are secrets."""
    named = "; ".join(
        f"{'.'.join(map(str, one['loc']))}: {one['msg'].removeprefix('Value error, ')}"
        for one in error.errors(include_input=False)
    )
    return f"A setting is wrong: {named}"


def dotenv_names() -> dict[str, str]:
    """What ``.env`` in the working folder sets; {} where there is none."""
    return {name: value for name, value in dotenv_values(".env").items() if value}


class Home(_FromEnvironment):
    """Where this machine keeps its state."""

    home: Path = Field(
        default_factory=lambda: Path("~/.local/share/phi3-expert").expanduser(),
        validation_alias=_env("PHI3_HOME"),
    )
    port: int = Field(8300, validation_alias=_env("PHI3_PORT"))  # the page; others follow it

    @field_validator("home")
    @classmethod
    def _absolute(cls, home: Path) -> Path:
        return home.expanduser().absolute()

    @property
    def run(self) -> Path:
        """Sockets, locks, ``state.json`` and ``workspace.json``."""
        return self.home / "run"

    @property
    def adapters(self) -> Path:
        """One immutable directory per adapter; model servers accept no other ``lora_path``."""
        return self.home / "adapters"

    @property
    def snapshots(self) -> Path:
        """Training files, one directory per refresh."""
        return self.home / "snapshots"

    @property
    def training(self) -> Path:
        """Checkpoints and the trainer's log, one directory per refresh."""
        return self.home / "training"


class Database(_FromEnvironment):
    """Postgres."""

    url: SecretStr = Field(validation_alias=_env("DATABASE_URL"))

    @field_validator("url")
    @classmethod
    def _postgres(cls, url: SecretStr) -> SecretStr:
        return _address(url, "postgresql", "postgres", "postgresql+psycopg")


class Queue(_FromEnvironment):
    """Redis: Celery's broker and rate limits, never the only copy of anything."""

    url: SecretStr = Field(validation_alias=_env("REDIS_URL"))

    @field_validator("url")
    @classmethod
    def _redis(cls, url: SecretStr) -> SecretStr:
        return _address(url, "redis", "rediss", "unix", "redis+socket")


class LanguageModel(_FromEnvironment):
    """Generation: which model our own server loads, and where any server is reached."""

    model: str = Field("auto", validation_alias=_env("PHI3_MODEL"))
    url: str = Field("http://127.0.0.1:8301", validation_alias=_env("PHI3_LLM_URL"))
    api_key: SecretStr | None = Field(None, validation_alias=_env("PHI3_LLM_API_KEY"))
    admin_urls: str = Field("", validation_alias=_env("PHI3_LLM_ADMIN_URLS"))  # comma-separated
    admin_token: SecretStr | None = Field(None, validation_alias=_env("PHI3_ADMIN_TOKEN"))

    def admin_url_list(self) -> list[str]:
        """Every model server that takes adapters; the generation URL where none is named."""
        named = [part.strip().rstrip("/") for part in self.admin_urls.split(",") if part.strip()]
        return named or [self.url.rstrip("/")]


class EmbeddingService(_FromEnvironment):
    """Embeddings: a local model by name, or any server that speaks the OpenAI protocol."""

    model: str = Field("default", validation_alias=_env("PHI3_EMBEDDING_MODEL"))
    url: str = Field("", validation_alias=_env("PHI3_EMBEDDING_URL"))  # empty: PHI3_LLM_URL
    api_key: SecretStr | None = Field(None, validation_alias=_env("PHI3_EMBEDDING_API_KEY"))
    dimensions: int | None = Field(None, validation_alias=_env("PHI3_EMBEDDING_DIMENSIONS"))


class Fetching(_FromEnvironment):
    """What may be fetched over HTTP."""

    allow: str = Field("", validation_alias=_env("PHI3_FETCH_ALLOW"))  # intranet hosts, by comma

    def allowed_hosts(self) -> frozenset[str]:
        """Lower-case host names that may resolve to private addresses."""
        return frozenset(part.strip().lower() for part in self.allow.split(",") if part.strip())


class Learning(_FromEnvironment):
    """Defaults of the nightly refresh; a workspace's own choice stands in ``settings`` rows."""

    learning: bool = Field(False, validation_alias=_env("PHI3_LEARNING"))
    min_pairs: int = Field(100, ge=1, validation_alias=_env("PHI3_MIN_PAIRS"))
    epochs: int = Field(2, ge=1, validation_alias=_env("PHI3_TRAIN_EPOCHS"))
    learning_rate: float = Field(1.5e-4, gt=0, validation_alias=_env("PHI3_TRAIN_LR"))
    admins: str = Field("", validation_alias=_env("PHI3_ADMINS"))  # Slack user ids, by comma

    def admin_ids(self) -> frozenset[str]:
        """Slack user ids that count as admins besides Slack's own."""
        return frozenset(part.strip() for part in self.admins.split(",") if part.strip())
