"""What all features together show of one user to another: nothing."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from app.features import FEATURES
from app.main import create_app
from app.settings import Settings
from tests.auth.people import FEATURES as JOBS_OF_TESTS
from tests.auth.people import Person, add_users
from tests.support import JsonObject, RunningApp, eventually

pytestmark = pytest.mark.server

SECRET = "heliotrope"  # a word of Ada's
_ID = re.compile(r'id": ?"(?=[a-z-]*\d)([\w-]{8,})"')  # and no agent's name


def test_59_no_route_shows_a_user_what_is_anothers(
    run_app: Callable[..., RunningApp], settings: Callable[..., Settings], visit: Callable[..., Person]
) -> None:
    add_users(settings(), "Ada", "Grace")
    features = [*FEATURES, JOBS_OF_TESTS[-1]]
    running = run_app(features=features, auth="jwt", streamator_store="memory")
    ada, grace = visit(running, "Ada"), visit(running, "Grace")
    paths = create_app(settings(auth="jwt"), features=features).openapi()["paths"]
    fill(ada, paths)
    ids = sorted(ids_of(ada, paths) - ids_of(grace, paths))
    assert len(ids) > 1

    hers = b"".join(answer.content for answer in answers(ada, paths, ids))
    assert SECRET.encode() in hers, "the test would find it"
    for answer in answers(grace, paths, ids):
        assert SECRET.encode() not in answer.content, answer.url
        assert not [identifier for identifier in ids if identifier in answer.text], answer.url
        if "{" in answer.extensions["template"]:
            assert answer.status_code == 404, answer.url
    for template, methods in paths.items():
        for method in {"delete", "post"} & set(methods):
            if "{" in template and not template.startswith("/api/told"):
                for identifier in ids:
                    path = path_of(template, identifier)
                    assert grace.ask(method.upper(), path).status_code == 404, path
    still = b"".join(answer.content for answer in answers(ada, paths, ids))
    assert SECRET.encode() in still


def fill(ada: Person, paths: JsonObject) -> None:
    """Has each feature keep something of Ada's."""
    ada.tell(ada.start(), SECRET)
    if "/api/ingest" in paths:
        text = f"The {SECRET} is a plant that turns to the sun. It flowers in summer. Bees like the {SECRET}."
        form = {"file": (f"{SECRET}.txt", text.encode())}
        assert ada.ask("POST", "/api/ingest", files=form).status_code == 202
        eventually(lambda: ada.ask("GET", "/api/documents").json()["documents"], 60)
    if "/api/run" in paths:
        body = {"text": f"The {SECRET} is a plant that turns to the sun. " * 20}
        assert ada.ask("POST", "/api/run", json=body).status_code == 200


def answers(person: Person, paths: JsonObject, ids: list[str]) -> list[httpx.Response]:
    """What a person gets from each route that shows something, with each of the ids in it; of a stream what is
    there at once."""
    asked = [
        (person, template, path_of(template, identifier))
        for template, methods in paths.items()
        if "get" in methods and template != "/healthz"
        for identifier in (ids if "{" in template else ["-"])
    ]
    with ThreadPoolExecutor(8) as pool:  # each stream is waited for
        return list(pool.map(beginning, *zip(*asked, strict=True)))


def path_of(template: str, identifier: str) -> str:
    """A route's path with an id in it; of whatever has versions it is the first."""
    return re.sub(r"\{\w+\}", identifier, template.replace("{version}", "1"))


def beginning(person: Person, template: str, path: str) -> httpx.Response:
    """An answer; of a stream what comes before it is quiet for two seconds."""
    read = 2.0 if path.endswith("/stream") else 30.0
    with person.client.stream("GET", path, headers=person.headers, timeout=httpx.Timeout(30, read=read)) as response:
        content = b""
        with contextlib.suppress(httpx.ReadTimeout):
            for chunk in response.iter_raw():
                content += chunk
    extensions = {"template": template}
    return httpx.Response(response.status_code, content=content, request=response.request, extensions=extensions)


def ids_of(person: Person, paths: JsonObject) -> set[str]:
    """The ids of all that a person is shown."""
    return {found for answer in answers(person, paths, []) for found in re.findall(_ID, answer.text)}
