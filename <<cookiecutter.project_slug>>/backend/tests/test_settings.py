from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from streamator import open_store

from app.project import PROJECT_SLUG
from app.settings import PROJECT_ROOT, Settings, SettingsError, load_settings


def test_no_setting_is_required() -> None:
    settings = load_settings(_env_file=None)
    assert settings.max_upload_bytes == 20_000_000
    assert settings.data_dir == PROJECT_ROOT / "data"
    assert settings.ingest_allow_private_urls is False
    assert settings.static_dir is None


def test_the_environment_goes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / ".env"
    file.write_text("BACKEND_PORT=4001\nMAX_RUNNING_JOBS=3\nAWS_REGION=nowhere\nMAX_UPLOAD_MB=\n")
    monkeypatch.setenv("BACKEND_PORT", "4002")
    settings = load_settings(_env_file=file)
    assert (settings.backend_port, settings.max_running_jobs) == (4002, 3)
    assert settings.max_upload_mb == 20


def test_the_store_options_are_those_of_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMATOR_MAX_MB", "1.5")
    bounds = {"max_jobs": 10_000, "maxlen": 1_000_000, "max_bytes": 1_500_000}
    assert load_settings(_env_file=None, streamator_store="memory").store_options == bounds
    monkeypatch.setenv("STREAMATOR_TABLE", "my-logs")
    monkeypatch.setenv("STREAMATOR_TTL_DAYS", "2")
    options = load_settings(_env_file=None, streamator_store="dynamo").store_options
    bounds["max_mirrors"] = 1_000
    letters = {"dead_letters": PROJECT_ROOT / "data" / "dead-letters.jsonl"}
    assert options == {"table": "my-logs", "ttl_days": 2, "lease_seconds": 10, **letters, **bounds}
    monkeypatch.setenv("STREAMATOR_DEAD_LETTERS", "letters.jsonl")
    monkeypatch.setenv("STREAMATOR_LEASE_SECONDS", "2.5")
    options = load_settings(_env_file=None, streamator_store="redis").store_options
    url = "redis://127.0.0.1:6379/0"
    letters = {"dead_letters": PROJECT_ROOT / "letters.jsonl"}
    where = {"url": url, "key_prefix": PROJECT_SLUG}
    assert options == {**where, "ttl_days": 2, "lease_seconds": 2.5, **letters, **bounds}


@pytest.mark.parametrize("name", ["REDIS_URL", "STREAMATOR_REDIS_URL"])
def test_a_redis_is_named_by_either_variable_and_its_password_is_not_shown(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "redis://:secret@cache:6380/1")
    settings = load_settings(_env_file=None, streamator_store="redis")
    assert settings.store_options["url"] == "redis://:secret@cache:6380/1"
    assert "secret" not in repr(settings)
    monkeypatch.setenv(name, "secret@cache")
    with pytest.raises(SettingsError, match=f"{name} cannot be used: set the server as redis://") as raised:
        load_settings(_env_file=None)
    assert "secret" not in str(raised.value)


def test_a_key_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret")
    settings = load_settings(_env_file=None, generation_provider="anthropic")
    assert settings.anthropic_api_key is not None
    assert settings.anthropic_api_key.get_secret_value() == "sk-secret"
    assert "sk-secret" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value", "fix"),
    [
        ("BACKEND_PORT", "http", "set a port from 1 to 65535"),
        ("BACKEND_PORT", "70000", "set a port from 1 to 65535"),
        ("STREAMATOR_STORE", "postgres", "set it to memory, dynamo or redis"),
        ("STREAMATOR_TABLE", "a b", "use 3 to 255 of"),
        ("MAX_UPLOAD_MB", "-1", "above 0"),
        ("MAX_RUNNING_JOBS", "0", "set a number of jobs from 1 to 1000"),
        ("INGEST_ALLOW_PRIVATE_URLS", "maybe", "true or false"),
        ("LOG_FORMAT", "xml", "set it to text or json"),
        ("STATIC_DIR", "/nonexistent", "build the frontend"),
        ("ROOT_PATH", "app", "such as /app"),
        ("ROOT_PATH", "/a/../b", "such as /app"),
        ("ROOT_PATH", "/'><script>", "such as /app"),
        ("ROOT_PATH", "/api", "set another than /api"),
        ("OPENAI_BASE_URL", "localhost:11434", "such as http://127.0.0.1:11434/v1"),
        ("GENERATION_PROVIDER", "oracle", "set it to extractive, anthropic or openai"),
        ("GENERATION_PROVIDER", "anthropic", "set ANTHROPIC_API_KEY as well"),
        ("GENERATION_PROVIDER", "openai", "set OPENAI_API_KEY or OPENAI_BASE_URL as well"),
    ],
)
def test_a_wrong_value_is_one_line_with_the_name_the_value_and_the_fix(
    name: str, value: str, fix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings(_env_file=None)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{name}=")
    assert value in line
    assert fix in line


def settings_or_words(given: dict[str, Any]) -> tuple[Settings | None, str]:
    try:
        return load_settings(_env_file=None, **given), ""
    except SettingsError as error:
        return None, str(error)


ODD = ["0", "-1", "nan", "inf", "-inf", "1e400", "9" * 30, "x", " ", "None", "true", "[]", "http://", "a b", "/", "é"]


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_setting_takes_a_value_that_the_store_takes_too_or_is_refused_by_its_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value in ODD:
        monkeypatch.setenv(name.upper(), value)
        for store in ("memory", "dynamo", "redis"):
            given = {} if name == "streamator_store" else {"streamator_store": store}
            settings, said = settings_or_words(given)
            assert settings is not None or said.startswith(name.upper()), (value, said)
            if settings is None:
                continue
            number = getattr(settings, name)
            assert not isinstance(number, float) or 0 < number < 1e12, (value, number)
            open_store(settings.streamator_store, **settings.store_options)  # makes one, and asks no server


@pytest.mark.parametrize("url", ["redis://h?colour=blue", "redis://h?ssl_cert_reqs=none", "redis://h/x"])
def test_a_redis_url_is_looked_at_as_it_will_be_used(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMATOR_REDIS_URL", url)
    with pytest.raises(SettingsError, match="STREAMATOR_REDIS_URL cannot be used: set the server as"):
        load_settings(_env_file=None)


@pytest.mark.parametrize(
    "url",
    ["mysql://u:hidden@h/x", "hidden", "postgresql://u:a@h:hidden/x", "postgresql+psycopg://u:hidden@h/x", "sqlite://"],
)
def test_a_database_url_that_cannot_be_used_is_not_repeated(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    with pytest.raises(SettingsError, match="DATABASE_URL cannot be used: set it to postgresql://") as raised:
        load_settings(_env_file=None)
    assert "hidden" not in str(raised.value)


def test_two_wrong_values_are_two_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKEND_PORT", "x")
    monkeypatch.setenv("MAX_RUNNING_JOBS", "y")
    with pytest.raises(SettingsError) as caught:
        load_settings(_env_file=None)
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize("command", [["-m", "app"], ["-m", "uvicorn", "app.main:app", "--port", "0"]])
def test_the_server_exits_with_2_and_no_traceback_on_a_wrong_value(command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, *command],
        env={**os.environ, "MAX_RUNNING_JOBS": "many"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "MAX_RUNNING_JOBS='many' cannot be used: set a number of jobs from 1 to 1000." in done.stderr
    assert "Traceback" not in done.stderr


def test_the_readme_and_the_example_have_all_settings_with_their_defaults() -> None:
    command = [sys.executable, "-m", "app.settings_table", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
