"""What requests may hold: the fields that there are, and text that is text."""

from __future__ import annotations

import json
from typing import Annotated

import pytest
from fastapi import Body, FastAPI
from fastapi.testclient import TestClient
from pydantic import AliasChoices, Field

from app import openapi
from app.bodies import MAX_JSON_DEPTH, MAX_JSON_VALUES, RequestBody, problem_of_json
from app.errors import ApiError, add_error_handlers
from tests.support import JsonObject


class Inner(RequestBody):
    colour: str = "red"


class Outer(RequestBody):
    name: str = ""
    limit: int = Field(default=1, validation_alias=AliasChoices("limit", "channel_limit"))
    tags: list[str] = Field(default=[])
    inner: Inner = Inner()


app = FastAPI()
add_error_handlers(app)


@app.post("/take")
def take(body: Annotated[Outer, Body()]) -> int:
    return body.limit


@app.post("/fail")
def fail() -> None:
    raise ApiError(422, "it holds \ud800")


client = TestClient(app)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"nam": "x"}, "'nam' is no field here: did you mean `name`?"),
        ({"NAME": "x"}, "'NAME' is no field here: did you mean `name`?"),
        ({"zzz": 1}, "'zzz' is no field here: there are name, limit, channel_limit, tags, inner"),
        ({"\ud800": 1}, "'\\ud800' is no field here: there are name, limit, channel_limit, tags, inner"),
        ({"inner": {"color": "x"}}, "inner.'color' is no field here: did you mean `colour`?"),
        ({"limit": 1, "channel_limit": 1}, "limit and channel_limit mean the same: send one of them"),
        ({"name": "a\udfff"}, "name holds half a character (a lone surrogate): send text that is whole"),
        ({"tags": ["a", "\udfff"]}, "tags holds half a character (a lone surrogate): send text that is whole"),
        ({"inner": {"colour": "\udfff"}}, "inner.colour holds half a character (a lone surrogate): send text that is "
         "whole"),
    ],
)  # fmt: skip
def test_what_a_body_may_not_hold_is_refused_by_name(body: JsonObject, error: str) -> None:
    answer = client.post("/take", content=json.dumps(body), headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()) == (422, {"error": error})


def test_a_field_may_have_two_names() -> None:
    assert [client.post("/take", json={name: 3}).json() for name in ("limit", "channel_limit")] == [3, 3]


def test_an_error_that_repeats_half_a_character_can_be_written() -> None:
    answer = client.post("/fail")
    assert (answer.status_code, answer.json()) == (422, {"error": "it holds \\ud800"})


def test_every_body_of_the_apps_own_refuses_what_it_does_not_know() -> None:
    described = json.loads(openapi.schema())
    found = [
        (path, kind, schema)
        for path, methods in described["paths"].items()
        for method in methods.values()
        for kind, content in method.get("requestBody", {}).get("content", {}).items()
        for schema in _objects(content["schema"], described)
    ]
    assert found
    assert [(path, kind) for path, kind, schema in found if schema.get("additionalProperties") is not False] == []


def _objects(schema: JsonObject, described: JsonObject) -> list[JsonObject]:
    """The schemas of the objects that a body is, or has in it."""
    if "$ref" in schema:
        schema = described["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    inner = [*schema.get("anyOf", ()), *schema.get("properties", {}).values()]
    own = [schema] if schema.get("type") == "object" else []
    return own + [each for one in inner for each in _objects(one, described)]


TOO_MANY = "the JSON has more than 1,000 values: send fewer"
TOO_DEEP = "the JSON is more than 32 lists and objects deep: send flatter ones"
LISTS: list[object] = [[]] * MAX_JSON_VALUES
DEEP = b"[" * MAX_JSON_DEPTH + b"]" * MAX_JSON_DEPTH


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (json.dumps(list(range(MAX_JSON_VALUES))), None),
        (json.dumps(list(range(MAX_JSON_VALUES + 1))), TOO_MANY),
        (json.dumps(LISTS[: MAX_JSON_VALUES // 2]), None),
        (json.dumps(LISTS), TOO_MANY),
        (json.dumps({str(number): number for number in range(MAX_JSON_VALUES + 1)}), TOO_MANY),
        (b'""' * 1_000_000, TOO_MANY),
        (DEEP, None),
        (b"[" + DEEP + b"]", TOO_DEEP),
        (b'{"a":' * (MAX_JSON_DEPTH + 1), TOO_DEEP),
        (b"]" * 1_000_000, None),  # that it is no JSON its parser finds at once
        (json.dumps({"text": "a, [b], {c} " * 1_000}), None),
        (json.dumps({"text": "\"[\\" * 10_000}), None),
        (json.dumps({"text": "\\"}).encode() + b"[" * 40, TOO_DEEP),
        (json.dumps([1]).encode("utf-16"), "the JSON is not in UTF-8: send it so"),
        (json.dumps([1]).encode("utf-32-be"), "the JSON is not in UTF-8: send it so"),
        (b"", None),
    ],
)  # fmt: skip
def test_json_of_too_much_is_known_before_it_is_parsed(body: str | bytes, problem: str | None) -> None:
    assert problem_of_json(body.encode() if isinstance(body, str) else body) == problem
