"""Signing in and out, and what a session is worth."""

from __future__ import annotations

import asyncio
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import argon2
import httpx
import jwt
import pytest

from app.auth.accounts import Accounts
from app.auth.tokens import load_secret
from app.database import Database
from app.main import create_app
from app.project import PROJECT_SLUG
from app.settings import Settings, SettingsError
from tests.auth.people import PASSWORD, Person, close_code, stored
from tests.support import RunningApp

RunAuth = Callable[..., RunningApp]
Visit = Callable[..., Person]


def set_cookie(answer: httpx.Response, purpose: str = "session") -> dict[str, str]:
    """The attributes of a cookie in an answer, in small letters; the first is its name and value."""
    cookies = [
        {name.lower(): value for name, _, value in (part.strip().partition("=") for part in header.split(";"))}
        for header in answer.headers.get_list("set-cookie")
    ]
    (found,) = [cookie for cookie in cookies if purpose in next(iter(cookie))]
    return found


def test_without_sign_in_everything_is_open_as_before(run_app: Callable[..., RunningApp]) -> None:
    client = run_app(auth="none").client
    assert client.get("/api/jobs").status_code == 200
    assert client.get("/api/config").json()["auth"] == "none"
    answer = client.post("/api/auth/sign-in", json={"name": "Ada", "password": PASSWORD})
    assert (answer.status_code, answer.json()) == (404, {"error": "nobody signs in here: AUTH is none"})


def test_without_its_feature_sign_in_cannot_be_switched_on(settings: Callable[..., Settings]) -> None:
    with pytest.raises(SettingsError, match="AUTH='jwt' cannot be used"):
        create_app(settings(auth="jwt"), features=())


def test_nothing_of_the_api_answers_who_has_not_signed_in(run_auth: RunAuth, settings: Callable[..., Settings]) -> None:
    running = run_auth()
    schema = create_app(settings(auth="jwt")).openapi()["paths"]
    routes = [(method.upper(), path) for path, methods in schema.items() for method in methods]
    routes += [("GET", "/api/openapi.json"), ("GET", "/api/docs"), ("GET", "/api/nothing"), ("GET", "/api")]
    free = {"/healthz", "/readyz", "/api/config", "/api/auth/sign-in", "/api/auth/refresh", "/api/auth/sign-out"}
    assert free < set(schema)
    for method, path in routes:
        answer = running.client.request(method, path.replace("{", "").replace("}", ""))
        if path in free:
            assert answer.status_code != 401 or "nobody is signed in here" in answer.text, path
        else:
            assert answer.status_code == 401, f"{method} {path}: {answer.status_code}"
            assert answer.headers["www-authenticate"] == "Bearer"
            assert answer.json()["error"].startswith("sign in first")


@pytest.mark.parametrize("shown", ["Bearer", "Bearer x.y.z", "Basic QWRhOng=", "bearer x"])
def test_what_is_no_token_is_refused(run_auth: RunAuth, shown: str) -> None:
    answer = run_auth().client.get("/api/jobs", headers={"authorization": shown})
    assert answer.status_code == 401
    assert answer.json()["error"]


def test_a_token_of_another_server_or_another_kind_is_refused(run_auth: RunAuth, visit: Visit) -> None:
    ada = visit(run_auth(), "Ada")
    ada.token = ada.ticket(ada.start())["cookie"].partition("=")[2]
    assert ada.ask("GET", "/api/jobs").status_code == 401
    ada.sign_in()
    head, body, _ = ada.token.split(".")
    for forged in (f"{head}.{body}.", f"eyJhbGciOiJub25lIn0.{body}.", ada.token[:-4] + "AAAA"):
        ada.token = forged
        assert ada.ask("GET", "/api/jobs").status_code == 401


def test_signing_in_gives_a_token_and_a_cookie_that_no_script_and_no_other_site_gets(
    run_auth: RunAuth, visit: Visit
) -> None:
    ada = visit(run_auth(auth_token_seconds=60, auth_session_days=7))
    ada.name = "  aDA "
    answer = ada.sign_in()
    assert answer.status_code == 200
    body = answer.json()
    assert body["expires_in"] == 60
    assert body["user"]["name"] == "Ada"
    assert answer.headers["cache-control"] == "no-store"
    for purpose, days in (("session", 7), ("device", 400)):
        cookie = set_cookie(answer, purpose)
        assert next(iter(cookie)) == f"{PROJECT_SLUG}-{purpose}"
        assert (cookie["path"], cookie["samesite"], cookie["max-age"]) == ("/api/auth", "strict", str(days * 86_400))
        assert "httponly" in cookie
        assert "secure" not in cookie, "plain http, where the browser would not keep it"
    assert ada.ask("GET", "/api/jobs").status_code == 200


@pytest.mark.parametrize("sent", ["/app", ""], ids=["the proxy leaves the prefix", "the proxy takes it away"])
def test_below_a_path_the_api_is_as_closed_and_the_cookie_is_for_it_alone(
    run_auth: RunAuth, visit: Visit, sent: str
) -> None:
    ada = visit(run_auth(root_path="/app"))
    for path in ("/api/jobs", "/api/openapi.json", "/api/log/a/stream", "//api/jobs"):
        assert ada.client.get(sent + path).status_code in (401, 404), path
    answer = ada.client.post(f"{sent}/api/auth/sign-in", json={"name": "Ada", "password": PASSWORD})
    assert set_cookie(answer)["path"] == "/app/api/auth"
    authorization = {"authorization": f"Bearer {answer.json()['token']}"}
    assert ada.client.get(f"{sent}/api/jobs", headers=authorization).status_code == 200
    assert ada.client.post(f"{sent}/api/auth/refresh", headers={"cookie": ada.cookie}).status_code == 200
    assert set_cookie(ada.client.post(f"{sent}/api/auth/sign-out"))["path"] == "/app/api/auth"


@pytest.mark.parametrize(("root", "suffix"), [(None, ""), ("/a/b", "+a+b")])
def test_behind_https_a_cookie_is_this_very_hosts_and_of_the_app_at_this_path(
    run_auth: RunAuth, visit: Visit, root: str | None, suffix: str
) -> None:
    ada = visit(run_auth(root_path=root))
    ada.client.headers["x-forwarded-proto"] = "https"  # uvicorn takes it from a proxy on this machine
    ada.name = "Ada"
    answer = ada.sign_in()
    for purpose in ("session", "device"):
        cookie = set_cookie(answer, purpose)
        assert next(iter(cookie)) == f"__host-{PROJECT_SLUG}-{purpose}{suffix}"
        assert (cookie["path"], cookie["samesite"]) == ("/", "strict"), "else browsers refuse the prefix"
        assert {"secure", "httponly"} < set(cookie)
        assert "domain" not in cookie
    mine = ada.cookie
    planted = f"{PROJECT_SLUG}-session=planted; {mine}"  # a sibling subdomain can set no cookie with the prefix
    assert ada.refresh(cookie=planted).status_code == 200
    assert ada.refresh(cookie=mine.replace("__Host-", "")).status_code == 401


def test_of_two_cookies_of_a_name_neither_is_taken(run_auth: RunAuth, visit: Visit) -> None:
    running = run_auth()
    ada, mallory = visit(running, "Ada"), visit(running, "Grace")
    for both in (f"{ada.cookie}; {mallory.cookie}", f"{mallory.cookie}; {ada.cookie}"):
        answer = ada.refresh(cookie=both)
        assert answer.status_code == 401
        assert "two session cookies were sent" in answer.json()["error"]
        assert "set-cookie" not in answer.headers, "else the other would be the only one the next time"
    assert (ada.refresh().status_code, mallory.refresh().status_code) == (200, 200)


def test_what_was_never_given_out_ends_no_session(run_auth: RunAuth, visit: Visit) -> None:
    ada = visit(run_auth(), "Ada")
    name, _, token = next(part for part in ada.cookie.split("; ") if "session" in part).partition("=")
    first, _, _ = token.partition(".")
    sid = jwt.decode(ada.token, options={"verify_signature": False})["sid"]
    for forged in (f"{first}.garbage", first, f"{sid}.garbage", token[:-1], f"{token}.x", f"{first}.{token}"):
        for route in ("refresh", "sign-out"):
            httpx.post(ada.client.base_url.join(f"/api/auth/{route}"), headers={"cookie": f"{name}={forged}"})
        assert ada.ask("GET", "/api/jobs").status_code == 200, forged
    assert ada.refresh().status_code == 200


def test_tokens_and_tickets_do_not_tell_what_the_cookie_goes_by(run_auth: RunAuth, visit: Visit) -> None:
    ada = visit(run_auth(), "Ada")
    token = next(value for name, value in ada.client.cookies.items() if "session" in name)
    ticket = ada.ticket(ada.start())["cookie"].partition("=")[2]
    for shown in (ada.token, ticket):
        claims = jwt.decode(shown, options={"verify_signature": False})
        for part in token.split("."):
            assert part not in str(claims)


def test_a_session_older_than_the_last_but_one_cookie_is_ended_by_it_too(run_auth: RunAuth, visit: Visit) -> None:
    ada = visit(run_auth(), "Ada")
    first = ada.cookie
    for _ in range(3):
        assert ada.refresh().status_code == 200
    assert ada.refresh(cookie=first).status_code == 401
    assert ada.refresh().status_code == 401


def test_a_token_for_one_with_the_session_of_another_is_refused(run_auth: RunAuth, visit: Visit) -> None:
    running = run_auth(auth_secret="s" * 32)
    ada, grace = visit(running, "Ada"), visit(running, "Grace")
    job_id = ada.start()
    hers, mine = (jwt.decode(each.token, options={"verify_signature": False}) for each in (ada, grace))
    for claims in ({**hers, "sid": mine["sid"]}, {**mine, "sid": hers["sid"]}):
        forged = jwt.encode(claims, "s" * 32, "HS256")
        for path in ("/api/jobs", f"/api/jobs/{job_id}", f"/api/log/{job_id}"):
            assert ada.client.get(path, headers={"authorization": f"Bearer {forged}"}).status_code == 401, path
    again = jwt.encode(hers, "s" * 32, "HS256")
    assert ada.client.get("/api/jobs", headers={"authorization": f"Bearer {again}"}).status_code == 200


def test_a_wrong_password_and_an_unknown_name_get_the_same_answer_after_the_same_work(
    run_auth: RunAuth, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified: list[str] = []
    verify = argon2.PasswordHasher.verify

    def watched(self: Any, hash: Any, password: Any) -> Any:
        verified.append(str(hash).rpartition("$")[0].rpartition("$")[0])  # the parameters, without salt and hash
        return verify(self, hash, password)

    monkeypatch.setattr(argon2.PasswordHasher, "verify", watched)
    somebody = visit(run_auth())
    somebody.name = "Ada"
    wrong = somebody.sign_in("not her password")
    somebody.name = "nobody"
    unknown = somebody.sign_in("not her password")
    assert (wrong.status_code, wrong.json()) == (401, {"error": "the name or the password is wrong: check both"})
    assert (unknown.status_code, unknown.json()) == (401, wrong.json())
    assert len(verified) == 2
    assert verified[0] == verified[1] != ""


@pytest.mark.parametrize("body", [{}, {"name": "Ada"}, {"password": "hunter2 hunter2"}, {"name": " ", "password": "x"}])
def test_a_field_that_is_missing_is_said_without_the_other(run_auth: RunAuth, body: dict[str, str]) -> None:
    answer = run_auth().client.post("/api/auth/sign-in", json=body)
    assert answer.status_code == 422
    assert "hunter2" not in answer.text


def test_each_refresh_gives_another_cookie_and_the_old_one_ends_the_session(run_auth: RunAuth, visit: Visit) -> None:
    ada = visit(run_auth(), "Ada")
    first = ada.cookie
    assert ada.refresh().status_code == 200
    second = ada.cookie
    assert second != first
    assert ada.refresh().status_code == 200

    stolen = ada.refresh(cookie=first)
    assert stolen.status_code == 401
    assert set_cookie(stolen)["max-age"] == "0"
    assert ada.refresh().status_code == 401, "it is not known which of the two is Ada: neither goes on"
    assert ada.sign_in().status_code == 200


def test_a_refresh_whose_answer_was_lost_can_be_sent_again(run_auth: RunAuth, visit: Visit) -> None:
    ada = visit(run_auth(), "Ada")
    first = ada.cookie
    lost = ada.refresh("attempt 1", cookie=first)
    again = ada.refresh("attempt 1", cookie=first)
    assert (lost.status_code, again.status_code) == (200, 200)
    assert set_cookie(lost) == set_cookie(again), "whichever of the two arrives, the session goes on"
    ada.client.cookies.clear()
    ada.client.cookies.extract_cookies(again)
    assert ada.refresh("attempt 2").status_code == 200
    # It has gone on since: the first request is nobody's any more who would still wait for its answer.
    assert ada.refresh("attempt 1", cookie=first).status_code == 401
    assert ada.refresh("attempt 3").status_code == 401


@pytest.mark.parametrize("attempt", ["", "another"])
def test_an_old_cookie_with_another_attempt_is_a_stolen_one(run_auth: RunAuth, visit: Visit, attempt: str) -> None:
    ada = visit(run_auth(), "Ada")
    first = ada.cookie
    assert ada.refresh("mine").status_code == 200
    assert ada.refresh(attempt, cookie=first).status_code == 401
    assert ada.refresh().status_code == 401


def test_a_session_that_was_not_used_for_its_days_is_over(
    run_auth: RunAuth, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = visit(run_auth(auth_session_days=7), "Ada")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 7 * 86_400 - 60)
    assert ada.refresh().status_code == 200
    monkeypatch.setattr(time, "time", lambda: now + 14 * 86_400)
    assert ada.refresh().status_code == 401


def test_signing_out_ends_the_session_and_takes_the_cookie(run_auth: RunAuth, visit: Visit) -> None:
    ada, elsewhere = visit(running := run_auth(), "Ada"), visit(running, "Ada")
    kept = ada.cookie
    answer = ada.client.post("/api/auth/sign-out")
    assert answer.status_code == 204
    assert set_cookie(answer)["max-age"] == "0"
    assert ada.refresh(cookie=kept).status_code == 401
    assert elsewhere.refresh().status_code == 200, "another browser stays signed in"
    assert ada.client.post("/api/auth/sign-out").status_code == 204, "twice is fine"


def test_signing_out_ends_the_access_token_its_tickets_and_its_streams_at_once(run_auth: RunAuth, visit: Visit) -> None:
    ada, elsewhere = visit(running := run_auth(), "Ada"), visit(running, "Ada")
    job_id = ada.start()
    ada.tell(job_id, "one")
    ticket = ada.ticket(job_id)
    soon = httpx.Timeout(30, read=10)  # before the next heartbeat
    with (
        ada.stream(job_id, timeout=soon) as stream,
        ada.socket(job_id, additional_headers=ticket) as socket,
        elsewhere.stream(job_id) as kept,
    ):
        assert next(stream)["message"] == next(kept)["message"] == "one"
        assert ada.client.post("/api/auth/sign-out").status_code == 204
        for method, path in [*ada.job_routes(job_id), ("GET", "/api/jobs"), ("POST", "/api/auth/tickets")]:
            answer = ada.ask(method, path)
            assert (answer.status_code, "session of this token is over" in answer.text) == (401, True), path
        with ada.socket(job_id, additional_headers=ticket) as again:
            assert close_code(again) == 4401
        assert list(stream) == [], "it ends without done"
        assert close_code(socket) == 4401
        elsewhere.tell(job_id, "two")
        assert next(kept)["message"] == "two"


def test_who_is_removed_or_given_another_password_is_out_at_once(
    run_auth: RunAuth, visit: Visit, settings: Callable[..., Settings]
) -> None:
    running = run_auth()
    ada, grace = visit(running, "Ada"), visit(running, "Grace")

    async def change() -> None:
        database = Database(settings().database)
        await database.open()
        await Accounts(database).remove("Ada")
        await Accounts(database).set_password("Grace", PASSWORD[::-1])
        await database.close()

    asyncio.run(change())
    for somebody in (ada, grace):
        assert somebody.ask("GET", "/api/jobs").status_code == 401


@pytest.mark.parametrize("cookie", ["", "x", ".", "a.b.c", "ä", "x" * 5000])
def test_any_cookie_at_all_is_answered(run_auth: RunAuth, cookie: str) -> None:
    client = run_auth().client
    name = f"{PROJECT_SLUG}-session"
    for route in ("refresh", "sign-out"):
        answer = client.post(f"/api/auth/{route}", headers={b"cookie": f"{name}={cookie}".encode()})
        assert answer.status_code == (401 if route == "refresh" else 204)


def test_sessions_and_the_secret_outlive_a_restart(run_auth: RunAuth, visit: Visit) -> None:
    first = run_auth()
    ada = visit(first, "Ada")
    first.stop()
    again = visit(run_auth())
    again.client.cookies, again.token = ada.client.cookies, ada.token
    assert again.ask("GET", "/api/jobs").status_code == 200
    assert again.refresh().status_code == 200


def test_neither_passwords_nor_tokens_are_stored(
    run_auth: RunAuth, visit: Visit, settings: Callable[..., Settings]
) -> None:
    ada = visit(run_auth(), "Ada")
    ada.refresh()
    kept = stored(settings())
    assert b"Ada" in kept
    for secret in (PASSWORD, ada.token, *ada.client.cookies.values()):
        assert secret.partition(".")[2].encode() not in kept or not secret.partition(".")[2]
        assert secret.encode() not in kept


def test_the_secret_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    directory = tmp_path / "new"
    secret = load_secret(None, directory)
    assert len(secret) >= 32
    assert load_secret(None, directory) == secret
    assert [path.name for path in directory.iterdir()] == ["auth-secret"]
    assert stat.S_IMODE((directory / "auth-secret").stat().st_mode) == 0o600
    assert load_secret("given" * 8, directory) == b"given" * 8


def test_a_secret_that_was_cut_off_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "auth-secret").write_bytes(b"")
    with pytest.raises(SettingsError, match="holds 0 bytes"):
        load_secret(None, tmp_path)


def test_a_short_secret_is_refused_and_not_repeated(settings: Callable[..., Settings]) -> None:
    with pytest.raises(SettingsError) as caught:
        settings(auth_secret="hunter2")
    assert "AUTH_SECRET cannot be used: set 32 characters or more" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(settings(auth_secret="hunter2" * 8))
