from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from app.generation.faults import Server

NOW = 1_700_000_000.0
SERVER = Server("Vendor", "a-model", "OPENAI", "http://vendor.example/v1", "the-key", 30.0, lambda: NOW)


def wait(headers: dict[str, str], message: str = "Slow down", status: int = 429, **fields: Any) -> float | None:
    return SERVER.refused(status, {"error": {"message": message, **fields}}, headers).wait


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "7", "retry-after-ms": "250"}, 0.25),
        ({"retry-after": "Tue, 14 Nov 2023 22:14:20 GMT"}, 60),
        ({"retry-after": "Tue, 14 Nov 2023 22:14:20 GMT", "date": "Tue, 14 Nov 2023 22:14:00 GMT"}, 20),
        ({"retry-after": "Tue, 14 Nov 2023 22:00:00 GMT"}, 0),
        ({"retry-after": "6m0s"}, 360),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({}, None),
        ({"x-ratelimit-reset-requests": "1s", "x-ratelimit-remaining-requests": "3",
          "x-ratelimit-reset-tokens": "6m0s", "x-ratelimit-remaining-tokens": "0"}, 360),
        ({"x-ratelimit-reset-requests": "12ms", "x-ratelimit-reset-tokens": "6m0s"}, 0.012),
        ({"x-ratelimit-reset-tokens": "6m0s", "retry-after": "2"}, 2),
        ({"anthropic-ratelimit-tokens-reset": "2023-11-14T22:13:50Z",
          "anthropic-ratelimit-tokens-remaining": "0"}, 30),
        ({"x-ratelimit-reset": "1700000010"}, 10),
        ({"x-ratelimit-reset": "1700000010000"}, 10),
        ({"ratelimit-reset": "30"}, 30),
    ],
)  # fmt: skip
def test_a_rate_is_waited_for_as_its_headers_say(headers: dict[str, str], seconds: float | None) -> None:
    assert wait(headers) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("message", "fields", "seconds"),
    [
        ("Rate limit reached. Please try again in 6m0s. Visit https://vendor.example/limits", {}, 360),
        ("Please try again in 7m12.5s.", {}, 432.5),
        ("Please retry in 34.07s.", {}, 34.07),
        ("Retry after 20 seconds", {}, 20),
        ("Try again in 500 milliseconds", {}, 0.5),
        ("Wait 1 hour, 2 minutes and 3 seconds", {}, 3723),
        ("The limit resets in 2 days", {}, 172_800),
        ("Try again with at most 3 messages", {}, None),
        ("Slow down", {"retry_after": 8}, 8),
        ("Slow down", {"retry_after_ms": "1500"}, 1.5),
        ("Slow down", {"details": [{"@type": "RetryInfo", "retryDelay": "34s"}]}, 34),
    ],
)
def test_a_rate_is_waited_for_as_its_error_says(message: str, fields: dict[str, Any], seconds: float | None) -> None:
    assert wait({}, message, **fields) == (None if seconds is None else pytest.approx(seconds))


def test_a_limit_that_is_lifted_later_is_no_reason_to_wait_for_a_server_that_is_down() -> None:
    assert wait({"x-ratelimit-reset-tokens": "6m0s"}, status=503) is None


def test_a_quota_that_is_used_up_is_not_waited_for_where_only_its_rate_is_told() -> None:
    error = SERVER.refused(429, {"error": {"message": "You exceeded your current quota"}}, {"ratelimit-reset": "1"})
    assert (error.action, "no credit or quota left" in str(error)) == ("stop", True)


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("https://login.example:8443/sso?token=secret#x", "https://login.example:8443/sso"),
        ("/login?next=/v1", "http://vendor.example/login"),
        ("https://user:password@login.example/", "https://login.example/"),
        ("https://[", "https://["),
    ],
)
def test_where_a_redirect_leads_is_logged_without_what_is_secret(
    caplog: pytest.LogCaptureFixture, location: str, told: str
) -> None:
    error = SERVER.refused(302, "", {"location": location})
    assert str(error) == "Vendor answered 302: it leads on to another address. Check OPENAI_BASE_URL."
    assert caplog.messages == [f"Vendor at vendor.example leads on to “{told}”"]


@pytest.mark.parametrize(
    "error",
    [
        SERVER.unreachable(OSError("no route to vendor.example")),
        SERVER.refused(404, "", {}),
        SERVER.refused(302, "", {"location": "http://vendor.example/login"}),
        SERVER.refused(500, {"error": {"message": "upstream http://vendor.example/v1/x is down"}}, {}),
        SERVER.no_stream("text/html", "<html><title>vendor.example</title>"),
        SERVER.broken(OSError("vendor.example hung up")),
    ],
)
def test_no_error_says_where_a_model_is_asked(error: Exception) -> None:
    assert "vendor.example" not in str(error)


def test_the_log_says_why_a_model_cannot_be_reached(caplog: pytest.LogCaptureFixture) -> None:
    replace(SERVER, address="http://ada:word@vendor.example/v1").unreachable(ConnectionRefusedError("nobody there"))
    assert caplog.messages == ["Vendor at vendor.example cannot be reached: “ConnectionRefusedError: nobody there”"]


def test_half_a_character_in_what_a_server_says_is_replaced() -> None:
    assert "“no \ufffd”" in str(SERVER.refused(400, {"error": {"message": "no \ud83d"}}, {}))
    assert "“\ufffd”" in str(SERVER.ended("\ud83d"))
    assert "“I will not \ufffd”" in str(SERVER.declined("I will not \ud83d."))
