"""Settings, from the environment or from a `.env` file in the project's root. None is required."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import AliasChoices, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app import project

__all__ = ["MIN_SECRET", "PROJECT_ROOT", "Settings", "SettingsError", "load_settings"]


MIN_SECRET = 32
"""The characters of the shortest secret that signs anything: as many bytes as the signature has (RFC 7518, 3.2)."""


def _find_root() -> Path:
    root = Path(__file__).resolve().parents[2]
    # Installed as a plain wheel the package no longer lives in the project: then the working directory is it.
    return root if (root / "backend" / "app").is_dir() else Path.cwd()


PROJECT_ROOT = _find_root()
"""Where `.env` is looked for, and what a relative DATA_DIR or STATIC_DIR is relative to."""


class SettingsError(Exception):
    """A setting is wrong. Its text names each variable, the value and the fix, one line for each."""


class Settings(BaseSettings):
    """All that can be set, each by the environment variable of the same name in capitals."""

    model_config = SettingsConfigDict(
        env_file=PROJECT_ROOT / ".env",
        env_ignore_empty=True,  # a line left empty in .env means "the default"
        populate_by_name=True,
        extra="ignore",  # .env holds the variables of other tools as well
        frozen=True,
        validate_default=True,
    )

    streamator_store: Literal["memory", "dynamo", "redis"] = Field(
        default=cast(Any, project.DEFAULT_STORE),  # validated, like the environment
        description="set it to memory, dynamo or redis",
    )
    streamator_table: str = Field(
        default=project.DEFAULT_TABLE,
        pattern=r"^[A-Za-z0-9_.-]{3,255}$",
        description="use 3 to 255 of A-Z, a-z, 0-9, _, . and -",
    )
    streamator_ttl_days: int = Field(
        default=7, ge=1, le=3650, description="set the days that DynamoDB or Redis keeps a log: 1 to 3650"
    )
    streamator_lease_seconds: float = Field(
        default=10,
        ge=1,
        le=3600,
        description="set the seconds without a sign of life after which a job's server counts as dead: 1 to 3600",
    )
    streamator_redis_url: str = Field(
        default="redis://127.0.0.1:6379/0",
        validation_alias=AliasChoices("STREAMATOR_REDIS_URL", "REDIS_URL"),
        repr=False,  # it may hold a password
    )
    streamator_dead_letters: Path | None = Field(
        default=None,
        description="set the file for events that DynamoDB or Redis refuses for good, or leave it unset",
    )
    backend_host: str = Field(
        default="127.0.0.1", min_length=1, description="set an address to listen on, such as 127.0.0.1"
    )
    backend_port: int = Field(
        default=project.BACKEND_PORT, ge=1, le=65535, description="set a port from 1 to 65535"
    )
    frontend_port: int = Field(
        default=project.FRONTEND_PORT, ge=1, le=65535, description="set a port from 1 to 65535"
    )
    data_dir: Path = Field(default=Path("data"), description="set a directory that can be written")
    max_upload_mb: float = Field(
        default=20, gt=0, le=2000, description="set megabytes (of 1,000,000 bytes), above 0 and up to 2000"
    )
    max_body_kb: int = Field(
        default=64,
        ge=1,
        le=100_000,
        description="set the kilobytes (of 1,000 bytes) of a request that is no upload and no text: 1 to 100000",
    )
    max_running_jobs: int = Field(default=8, ge=1, le=1000, description="set a number from 1 to 1000")
    job_ttl_seconds: float = Field(
        default=3600, ge=1, description="set the seconds that a finished job stays in memory: 1 or more"
    )
    auth: Literal["none", "jwt"] = Field(
        default=cast(Any, project.DEFAULT_AUTH),
        description="set it to none, or to jwt for an app whose users sign in",
    )
    auth_secret: str | None = Field(
        default=None,
        min_length=MIN_SECRET,
        repr=False,
        description=f"set {MIN_SECRET} characters or more, the same for all servers, or leave it unset",
    )
    auth_token_seconds: int = Field(
        default=600, ge=1, le=86_400, description="set the seconds that an access token holds: 1 to 86400"
    )
    auth_session_days: int = Field(
        default=30, ge=1, le=3650, description="set the days without a visit after which a sign-in ends: 1 to 3650"
    )
    max_streams_per_user: int = Field(
        default=50, ge=1, le=100_000, description="set how many streams a user may have open: 1 to 100000"
    )
    allowed_hosts: str | None = Field(
        default=None,
        pattern=r"^(\*|[A-Za-z0-9.-]+(\s*,\s*[A-Za-z0-9.-]+)*)$",
        description="set the names of this server as in app.example,www.app.example, or * for any",
    )
    ingest_allow_private_urls: bool = Field(default=False, description="set it to true or false")
    anthropic_api_key: SecretStr | None = None
    anthropic_base_url: str | None = Field(default=None, description="set it to an address, or leave it unset")
    anthropic_model: str = Field(default="claude-sonnet-5-5", min_length=1, description="set the name of a model")
    openai_api_key: SecretStr | None = None
    openai_base_url: str | None = Field(default=None, description="set it to an address, or leave it unset")
    openai_model: str = Field(default="gpt-5.4-mini", min_length=1, description="set the name of a model")
    generation_provider: Literal["extractive", "anthropic", "openai"] | None = Field(
        default=None, description="set it to extractive, anthropic or openai, or leave it unset"
    )
    metrics: bool = Field(default=False, description="set it to true or false")
    static_dir: Path | None = Field(
        default=None, description="set the directory of the built frontend, or leave it unset"
    )

    @field_validator("streamator_redis_url")
    @classmethod
    def _is_a_redis(cls, url: str) -> str:
        # The value may hold a password, and is not repeated.
        if not url.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("set the server as redis://[user:password@]host:port/db")
        return url

    @field_validator("anthropic_base_url", "openai_base_url")
    @classmethod
    def _is_an_address(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("http://", "https://")):
            raise ValueError("set the address of an API, such as http://127.0.0.1:11434/v1")
        return url

    @field_validator("generation_provider")
    @classmethod
    def _is_configured(cls, name: str | None, info: ValidationInfo) -> str | None:
        if name == "anthropic" and info.data.get("anthropic_api_key") is None:
            raise ValueError("set ANTHROPIC_API_KEY as well")
        if name == "openai" and not (info.data.get("openai_api_key") or info.data.get("openai_base_url")):
            raise ValueError("set OPENAI_API_KEY or OPENAI_BASE_URL as well")
        return name

    @field_validator("data_dir", "static_dir", "streamator_dead_letters")
    @classmethod
    def _from_the_root(cls, path: Path | None) -> Path | None:
        # The same data whatever directory the server is started from.
        return None if path is None else PROJECT_ROOT / path.expanduser()

    @field_validator("static_dir")
    @classmethod
    def _has_a_page(cls, path: Path | None) -> Path | None:
        if path is not None and not (path / "index.html").is_file():
            raise ValueError("there is no index.html in it: build the frontend first (make build)")
        return path

    @property
    def max_upload_bytes(self) -> int:
        """The largest document taken, in bytes: MAX_UPLOAD_MB times 1,000,000."""
        return int(self.max_upload_mb * 1_000_000)

    @property
    def host_names(self) -> list[str] | None:
        """The names that this server is asked for by, beside its addresses; None for any."""
        if self.allowed_hosts is not None:
            return None if self.allowed_hosts == "*" else re.split(r"\s*,\s*", self.allowed_hosts)
        # Where people sign in another site has nothing from asking: no cookie of theirs goes with it.
        return [] if self.auth == "none" else None

    @property
    def store_options(self) -> dict[str, Any]:
        """What `streamator.open_store` wants to know beside the store's name."""
        if self.streamator_store == "memory":
            return {}
        shared = {
            "ttl_days": self.streamator_ttl_days,
            "lease_seconds": self.streamator_lease_seconds,
            "dead_letters": self.streamator_dead_letters or self.data_dir / "dead-letters.jsonl",
        }
        if self.streamator_store == "redis":
            # The keys begin with the project's name: several projects may share a server.
            return {"url": self.streamator_redis_url, "key_prefix": project.PROJECT_SLUG, **shared}
        return {"table": self.streamator_table, **shared}


def load_settings(**values: Any) -> Settings:
    """Reads the settings. `values` go before the environment, the environment before `.env`.

    Raises:
        SettingsError: a value is wrong; one line for each, with the variable, the value and the fix.
    """
    try:
        return Settings(**values)
    except ValidationError as error:
        raise SettingsError("\n".join(_sentence(dict(each)) for each in error.errors())) from None


def _sentence(error: dict[str, Any]) -> str:
    name = str(error["loc"][0]) if error["loc"] else "settings"
    field = Settings.model_fields.get(name)
    # A rule of our own says what to do by itself; for pydantic's the field's description does.
    if error["type"] == "value_error":
        fix = str(error["ctx"]["error"])
    else:
        fix = (field.description if field else None) or str(error["msg"])
    if "redis" in name.lower() or "secret" in name.lower():  # it may hold a password
        return f"{name.upper()} cannot be used: {fix}."
    return f"{name.upper()}={str(error['input'])!r} cannot be used: {fix}."
