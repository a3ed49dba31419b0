"""Settings, from the environment or from a `.env` file in the project's root. None is required."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import AliasChoices, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError
from streamator.stores.redis_url import parse_url

from app import project

__all__ = ["MIN_SECRET", "PROJECT_ROOT", "Settings", "SettingsError", "load_settings"]


MIN_SECRET = 32
"""The characters of the shortest secret that signs anything: as many bytes as the signature has (RFC 7518, 3.2)."""

# Without its prefix a request for one of these would look as if it still had it.
_OWN_PATHS = ("/api", "/assets", "/healthz", "/readyz", "/metrics")


def _find_root() -> Path:
    root = Path(__file__).resolve().parents[2]
    # Installed as a plain wheel the package no longer lives in the project: then the working directory is it.
    return root if (root / "backend" / "app").is_dir() else Path.cwd()


PROJECT_ROOT = _find_root()
"""Where `.env` is looked for, and what a relative DATA_DIR or STATIC_DIR is relative to."""

_DATABASE = (
    "set it to postgresql://user:password@host:5432/name (with %40 for an @ in a password) or sqlite:///path, or leave "
    "it unset"
)


class SettingsError(Exception):
    """A setting is wrong. Its text names each variable, the value and the fix, one line for each."""


def _number(default: float, unit: str, title: str, *, at_least: float = 1, at_most: float) -> Any:
    """A field for a number of something, within bounds."""
    return Field(
        default=default,
        ge=at_least,
        le=at_most,
        title=title,
        description=f"set a number of {unit} from {at_least} to {at_most}",
        json_schema_extra={"unit": unit},
    )


def _price() -> Any:
    """A field for what a million tokens cost."""
    return Field(
        default=None,
        gt=0,
        le=1_000_000,
        title="what a million tokens cost that go in, or come out; a run's price is told where both are set",
        description="set a number of your currency, such as 2.5, up to 1000000, or leave it unset",
    )


class Settings(BaseSettings):
    """All that can be set, each by the environment variable of the same name in capitals.

    The title of a field is what it sets, and its description what to do about a value that does not fit. The table in
    the README is made of the titles (`make settings`).
    """

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
        title="where the logs of jobs are kept: `memory`, `dynamo` or `redis`",
        description="set it to memory, dynamo or redis",
    )
    streamator_table: str = Field(
        default=project.DEFAULT_TABLE,
        pattern=r"^[A-Za-z0-9_.-]{3,255}$",
        title="the DynamoDB table; made when it is missing",
        description="use 3 to 255 of A-Z, a-z, 0-9, _, . and -",
    )
    streamator_redis_url: str = Field(
        default="redis://127.0.0.1:6379/0",
        validation_alias=AliasChoices("STREAMATOR_REDIS_URL", "REDIS_URL"),
        repr=False,  # it may hold a password
        title="the Redis server; `REDIS_URL` means the same",
    )
    workers: Literal["inline", "redis"] = Field(
        default=cast(Any, project.DEFAULT_WORKERS),
        title="where jobs run: `inline`, in the server, or `redis`, in workers (`make worker`), by way of the Redis "
        "server; for that the store must be another than `memory`",
        description="set it to inline or redis",
    )
    streamator_ttl_days: int = _number(7, "days", "how long DynamoDB or Redis keeps a log", at_most=3650)
    streamator_lease_seconds: float = _number(
        10,
        "seconds",
        "without a sign of life for so long a job's server or worker counts as dead: another one takes the job over",
        at_most=3600,
    )
    streamator_dead_letters: Path | None = Field(
        default=None,
        title="the file for events that DynamoDB or Redis refuses for good; unset: `dead-letters.jsonl` in `DATA_DIR`",
        description="set the file for events that DynamoDB or Redis refuses for good, or leave it unset",
    )
    streamator_max_jobs: int = _number(
        10_000,
        "jobs",
        "the logs in a server's memory; past it the oldest that is closed goes, or else the oldest",
        at_most=1_000_000,
    )
    streamator_max_events: int = _number(
        1_000_000,
        "events",
        "the length of a job's log; past it the oldest go, and viewers are shown a gap",
        at_most=100_000_000,
    )
    streamator_max_mb: float = _number(
        256,
        "MB",
        "the memory of all logs in a server; past it closed ones go, then the older half of the largest",
        at_most=1_000_000,
    )
    streamator_max_followed: int = _number(
        1_000,
        "jobs",
        "those of other servers that are held here for their viewers (dynamo, redis); past it the one that was asked "
        "for the longest ago goes",
        at_most=100_000,
    )
    backend_host: str = Field(
        default="127.0.0.1",
        pattern=r"^[A-Za-z0-9.:%_-]{1,255}$",
        title="the address that the backend listens on; `0.0.0.0` opens it to the network",
        description="set an address to listen on, such as 127.0.0.1",
    )
    backend_port: int = Field(
        default=project.BACKEND_PORT,
        ge=1,
        le=65535,
        title="the backend's port",
        description="set a port from 1 to 65535",
    )
    frontend_port: int = Field(
        default=project.FRONTEND_PORT,
        ge=1,
        le=65535,
        title="the page's port in development",
        description="set a port from 1 to 65535",
    )
    allowed_hosts: str | None = Field(
        default=None,
        pattern=r"^(\*|[A-Za-z0-9.-]+(\s*,\s*[A-Za-z0-9.-]+)*)$",
        title="the names that browsers may ask this server by, as in `app.example,www.app.example`, or `*`; unset: "
        "without sign-in its addresses and localhost alone, with it any",
        description="set the names of this server as in app.example,www.app.example, or * for any",
    )
    root_path: str | None = Field(
        default=None,
        title="where the app is below a path of its host, such as `/app`; unset: at the root",
        description="set a path such as /app, or leave it unset",
    )
    static_dir: Path | None = Field(
        default=None,
        title="the built page, to be served by the backend: `frontend/dist`",
        description="set the directory of the built frontend, or leave it unset",
    )
    data_dir: Path = Field(
        default=Path("data"),
        title="the folder for the database and the archived documents; other users of the machine cannot read it",
        description="set a directory that can be written",
    )
    storage_url: str | None = Field(
        default=None,
        pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._-]+)*/?$",
        title="where the documents are instead, for all machines, such as `s3://bucket/prefix`; unset: in `DATA_DIR`",
        description="set a bucket as in s3://bucket/prefix, or leave it unset for the folder DATA_DIR",
    )
    database_url: str | None = Field(
        default=None,
        repr=False,  # it may hold a password
        title="the database: `postgresql://user:password@host:5432/name`; unset: SQLite, `app.db` in `DATA_DIR`",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info",
        title="what the server prints: lines of this level and above",
        description="set it to debug, info, warning or error",
    )
    log_format: Literal["text", "json"] = Field(
        default="text",
        title="how: `text` to read, or `json`, an object in each line",
        description="set it to text or json",
    )
    watchdog_ms: float = _number(
        100, "ms", "while nobody is served for longer, the log says where in the code", at_least=10, at_most=60_000
    )
    metrics: bool = Field(
        default=False,
        title="whether the backend answers `/metrics`, for Prometheus",
        description="set it to true or false",
    )
    max_connections: int = _number(
        5_000, "connections", "those that a server holds at once; one more is answered 503", at_most=1_000_000
    )
    max_header_kb: int = _number(
        32, "kB", "the header of a request; a larger one is answered 431", at_least=1, at_most=200
    )
    max_header_seconds: float = _number(
        10, "seconds", "how long a connection may take to send one; then it is answered 408", at_most=600
    )
    max_streams: int = _number(
        2_000,
        "streams",
        "those that are open at a server, WebSockets among them; one more is answered 429, and the page polls",
        at_most=1_000_000,
    )
    max_streams_per_user: int = _number(50, "streams", "of them, those of one user who has signed in", at_most=100_000)
    max_answers_per_user: int = _number(
        20, "answers", "other answers to one user who has signed in that are under way; one more is 429", at_most=10_000
    )
    max_body_kb: int = _number(
        64, "kB", "a request that is no upload and no text to work on; a larger one is answered 413", at_most=100_000
    )
    max_body_seconds: float = _number(
        60, "seconds", "how long such a request may take to come; one that takes longer is answered 408", at_most=3600
    )
    max_upload_mb: float = Field(
        default=20,
        gt=0,
        le=2000,
        title="a document, uploaded or fetched; a larger one is answered 413",
        description="set megabytes (of 1,000,000 bytes), above 0 and up to 2000",
        json_schema_extra={"unit": "MB"},
    )
    max_upload_seconds: float = _number(
        600, "seconds", "how long an upload may take; one that takes longer is answered 408", at_most=86_400
    )
    max_running_jobs: int = _number(
        8, "jobs", "those that run at once at a server, where one more is answered 429, or at a worker", at_most=1000
    )
    max_running_jobs_per_user: int = _number(
        4, "jobs", "those of one user who has signed in that run or wait, at all servers", at_most=1000
    )
    max_queued_jobs: int = _number(
        1_000, "jobs", "those that wait for a worker; one more is answered 429", at_most=1_000_000
    )
    max_job_seconds: float = _number(
        21_600, "seconds", "how long a job may run; then it has failed", at_most=31_536_000
    )
    job_ttl_seconds: float = _number(3600, "seconds", "how long a finished job stays in memory", at_most=31_536_000)
    max_kept_jobs: int = _number(
        10_000, "jobs", "the list of a user's jobs; the oldest are forgotten first", at_least=10, at_most=1_000_000
    )
    max_kept_runs: int = _number(
        200, "runs", "a user's drafts that are kept; the oldest are forgotten first", at_most=100_000
    )
    max_documents_per_user: int = _number(
        10_000, "documents", "a user's library; one more is answered 507, or its job fails", at_most=10_000_000
    )
    max_archive_mb_per_user: float = _number(
        2_000, "MB", "its originals together; past it the same", at_most=100_000_000
    )
    max_feed_items: int = _number(
        5_000, "items", "those that one job takes of a feed or a sitemap; the others are left out", at_most=50_000
    )
    max_feed_pages: int = _number(
        50, "pages", "the further pages of a feed, or sitemaps of an index, that one job reads", at_most=10_000
    )
    max_fetch_seconds: float = _number(
        60, "seconds", "how long a document may take to be fetched; then that has failed", at_most=86_400
    )
    max_retry_after_seconds: float = _number(
        120,
        "seconds",
        "how long a job waits for a server that says when to ask again; told to wait longer it has failed",
        at_most=86_400,
    )
    max_reading_seconds: float = _number(
        120,
        "seconds",
        "how long a document, a feed or a text may take to be read; then that has failed",
        at_most=86_400,
    )
    max_reading_mb: float = _number(
        2_000, "MB", "the memory that reading one may take; past it the same", at_least=500, at_most=1_000_000
    )
    max_search_seconds: float = _number(
        10, "seconds", "how long a search may take; one that takes longer is answered 503", at_most=86_400
    )
    ingest_allow_private_urls: bool = Field(
        default=False,
        title="whether a job may fetch from this machine or a private network",
        description="set it to true or false",
    )
    auth: Literal["none", "jwt"] = Field(
        default=cast(Any, project.DEFAULT_AUTH),
        title="`none`, or `jwt`: people sign in, and see what is theirs",
        description="set it to none, or to jwt for an app whose users sign in",
    )
    auth_secret: str | None = Field(
        default=None,
        min_length=MIN_SECRET,
        repr=False,
        title=f"what tokens are signed with, {MIN_SECRET} characters or more, the same for all servers; unset: one is "
        "made in `DATA_DIR`",
        description=f"set {MIN_SECRET} characters or more, the same for all servers, or leave it unset",
    )
    auth_token_seconds: int = _number(
        600, "seconds", "how long an access token holds; the page gets the next one by itself", at_most=86_400
    )
    auth_session_days: int = _number(30, "days", "without a visit for so long one has to sign in again", at_most=3650)
    max_sessions_per_user: int = _number(
        100, "sessions", "the browsers that a user is signed in with; the one unused for longest goes", at_most=10_000
    )
    max_sign_ins_per_name: int = _number(
        5,
        "attempts",
        "wrong passwords for a name from a browser it has signed in with, or from a network; each after them waits "
        "twice as long, from 10 s to an hour; 50 times as many an hour from all networks together",
        at_most=1000,
    )
    max_sign_ins_per_address: int = _number(
        30,
        "attempts",
        "wrong passwords from an address, or a /64 of IPv6, in 5 minutes, for all names; networks around it have some "
        "times as many",
        at_most=100_000,
    )
    anthropic_api_key: SecretStr | None = Field(default=None, title="lets Anthropic's models write")
    anthropic_base_url: str | None = Field(
        default=None,
        title="another address than Anthropic's own",
        description="set it to an address, or leave it unset",
    )
    anthropic_model: str = Field(
        default="claude-sonnet-5-5",
        min_length=1,
        title="which of them",
        description="set the name of a model",
    )
    anthropic_max_tokens: int = _number(
        8192,
        "tokens",
        "the longest answer of theirs, what they reason in it; a draft that is longer is cut off",
        at_most=10_000_000,
    )
    anthropic_input_price: float | None = _price()
    anthropic_output_price: float | None = _price()
    openai_api_key: SecretStr | None = Field(default=None, title="lets OpenAI's models write")
    openai_base_url: str | None = Field(
        default=None,
        title="any server with OpenAI's chat completions, such as `http://127.0.0.1:11434/v1`; needs no key",
        description="set it to an address, or leave it unset",
    )
    openai_model: str = Field(
        default="gpt-5.4-mini", min_length=1, title="which of its models", description="set the name of a model"
    )
    openai_input_price: float | None = _price()
    openai_output_price: float | None = _price()
    generation_silence_seconds: float = _number(
        300, "seconds", "how long a model may send nothing; then it is asked once more, or has failed", at_most=86_400
    )
    generation_max_wait_seconds: float = _number(
        60,
        "seconds",
        "how long a run waits, in all, for a model whose server is busy or says when to come again",
        at_most=86_400,
    )
    generation_provider: Literal["extractive", "anthropic", "openai"] | None = Field(
        default=None,
        title="who writes by default: `extractive`, `anthropic` or `openai`; unset: the first that is configured",
        description="set it to extractive, anthropic or openai, or leave it unset",
    )

    @field_validator("log_level", "log_format", mode="before")
    @classmethod
    def _in_small_letters(cls, name: Any) -> Any:
        return name.lower() if isinstance(name, str) else name  # LOG_LEVEL=INFO is what people write

    @field_validator("root_path")
    @classmethod
    def _is_a_prefix(cls, path: str | None) -> str | None:
        path = (path or "").rstrip("/")  # /app/ is what it says in nginx
        if not re.fullmatch(r"(/[A-Za-z0-9_-][A-Za-z0-9._~-]*)*", path):
            raise ValueError("set a path of letters, digits, _, -, . and ~ such as /app, or leave it unset")
        if path in _OWN_PATHS:
            raise ValueError(f"set another than {', '.join(_OWN_PATHS)}: the app has those below it")
        return path or None

    @field_validator("streamator_redis_url")
    @classmethod
    def _is_a_redis(cls, url: str) -> str:
        # The value may hold a password, and is not repeated.
        try:
            parse_url(url)
        except ValueError as error:
            raise ValueError(f"set the server as redis://[user:password@]host:port/db ({error})") from None
        return url

    @field_validator("workers")
    @classmethod
    def _has_a_shared_store(cls, workers: str, info: ValidationInfo) -> str:
        if workers == "redis" and info.data.get("streamator_store") == "memory":
            raise ValueError(
                "set STREAMATOR_STORE to redis or dynamo: the log of a job at a worker is no server's memory"
            )
        return workers

    @field_validator("database_url")
    @classmethod
    def _is_a_database(cls, text: str | None) -> str | None:
        # The value may hold a password, and is not repeated.
        if text is None:
            return None
        try:
            url = make_url(text)
        except (ArgumentError, ValueError):  # the latter of a port that is no number: it may be part of a password
            raise ValueError(_DATABASE) from None
        if url.drivername in ("postgres", "postgresql", "postgresql+asyncpg"):
            if importlib.util.find_spec("asyncpg") is None:
                raise ValueError("PostgreSQL needs the package asyncpg: pip install 'app[postgres]'")
            query = {"ssl" if name == "sslmode" else name: value for name, value in url.query.items()}
            url = url.set(drivername="postgresql+asyncpg", query=query)
        elif url.drivername == "sqlite" and url.database and url.database != ":memory:":
            url = url.set(database=str(PROJECT_ROOT / url.database))
        else:
            raise ValueError(_DATABASE)
        return url.render_as_string(hide_password=False)

    @field_validator("anthropic_base_url", "openai_base_url")
    @classmethod
    def _is_an_address(cls, url: str | None) -> str | None:
        if url is not None and not re.fullmatch(r"https?://[^\s/?#]+(/\S*)?", url):
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

    @field_validator("data_dir")
    @classmethod
    def _is_a_folder(cls, path: Path) -> Path:
        if path.exists() and not path.is_dir():
            raise ValueError("there is a file of that name: set a directory that can be written")
        return path

    @field_validator("streamator_dead_letters")
    @classmethod
    def _is_a_file(cls, path: Path | None) -> Path | None:
        if path is not None and path.is_dir():
            raise ValueError("there is a directory of that name: set a file in it, such as dead-letters.jsonl")
        return path

    @field_validator("static_dir")
    @classmethod
    def _has_a_page(cls, path: Path | None) -> Path | None:
        if path is not None and not (path / "index.html").is_file():
            raise ValueError("there is no index.html in it: build the frontend first (make build)")
        return path

    @property
    def database(self) -> str:
        """The database's URL, for SQLAlchemy."""
        return self.database_url or str(URL.create("sqlite", database=str(self.data_dir / "app.db")))

    @property
    def max_archive_bytes_per_user(self) -> int:
        """The originals of a user together, in bytes: MAX_ARCHIVE_MB_PER_USER times 1,000,000."""
        return int(self.max_archive_mb_per_user * 1_000_000)

    @property
    def max_upload_bytes(self) -> int:
        """The largest document taken, in bytes: MAX_UPLOAD_MB times 1,000,000."""
        return int(self.max_upload_mb * 1_000_000)

    @property
    def max_reading_bytes(self) -> int:
        """The memory that reading a document may take, in bytes: MAX_READING_MB times 1,000,000."""
        return int(self.max_reading_mb * 1_000_000)

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
        bounds = {
            "max_jobs": self.streamator_max_jobs,
            "maxlen": self.streamator_max_events,
            "max_bytes": int(self.streamator_max_mb * 1_000_000),
        }
        if self.streamator_store == "memory":
            return bounds
        shared = {
            "ttl_days": self.streamator_ttl_days,
            "lease_seconds": self.streamator_lease_seconds,
            "max_mirrors": self.streamator_max_followed,
            "dead_letters": self.streamator_dead_letters or self.data_dir / "dead-letters.jsonl",
            **bounds,
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
    # It may hold a password.
    if any(each in name.lower() for each in ("redis", "secret", "database")) or "@" in str(error["input"]):
        return f"{name.upper()} cannot be used: {fix}."
    return f"{name.upper()}={str(error['input'])!r} cannot be used: {fix}."
