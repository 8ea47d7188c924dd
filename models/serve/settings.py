"""Settings of the model server, from the environment and ``.env``."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from models.serve.errors import CannotStart


class ServeSettings(BaseSettings):
    """Everything that ``python -m models.serve`` can be told."""

    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", populate_by_name=True, env_ignore_empty=True
    )

    model: str = Field("auto", validation_alias="PHI3_MODEL")
    embedding_model: str = Field("default", validation_alias="PHI3_EMBEDDING_MODEL")
    host: str = Field("127.0.0.1", validation_alias="PHI3_LLM_HOST")
    port: int = Field(8301, ge=0, le=65535, validation_alias="PHI3_LLM_PORT")
    admin_host: str = Field("127.0.0.1", validation_alias="PHI3_LLM_ADMIN_HOST")
    admin_port: int = Field(8302, ge=0, le=65535, validation_alias="PHI3_LLM_ADMIN_PORT")
    api_key: SecretStr | None = Field(None, validation_alias="PHI3_LLM_API_KEY")
    admin_token: SecretStr | None = Field(None, validation_alias="PHI3_ADMIN_TOKEN")
    home: Path = Field(Path("~/.local/share/phi3-expert"), validation_alias="PHI3_HOME")

    quantize: Literal["auto", "none", "nf4"] = Field("auto", validation_alias="PHI3_QUANTIZE")
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = Field(
        "auto", validation_alias="PHI3_DTYPE"
    )
    max_model_len: int = Field(4096, ge=64, validation_alias="PHI3_MAX_MODEL_LEN")  # tokens
    max_concurrent: int = Field(64, ge=1, validation_alias="PHI3_MAX_CONCURRENT")  # generations
    max_queue: int = Field(128, ge=0, validation_alias="PHI3_MAX_QUEUE")  # waiting beyond those
    max_seconds: float = Field(300.0, gt=0, validation_alias="PHI3_MAX_SECONDS")  # a generation
    max_adapters: int = Field(3, ge=1, validation_alias="PHI3_MAX_ADAPTERS")

    def adapters(self) -> Path:
        """The only directory that adapters are loaded from."""
        return self.home.expanduser() / "adapters"

    def check(self) -> None:
        """Raise CannotStart for settings that would open the server to others unguarded."""
        if not self.api_key and not is_loopback(self.host):
            raise CannotStart(
                f"PHI3_LLM_HOST={self.host} is reachable from other machines: set PHI3_LLM_API_KEY."
            )
        if not self.admin_token and not is_loopback(self.admin_host):
            raise CannotStart(
                f"PHI3_LLM_ADMIN_HOST={self.admin_host} is reachable from other machines: "
                "set PHI3_ADMIN_TOKEN."
            )


def is_loopback(host: str) -> bool:
    """Whether ``host`` (a name or address) is this machine alone."""
    bare = host.strip("[]").lower()
    if bare == "localhost":
        return True
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return False
