"""The places of requests that hold a text, found in the OpenAPI schema: of each operation its path, its query, its
headers, each field of its JSON, its forms and its files; and the bytes of a request that is a text in one of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias
from urllib.parse import quote

from app import openapi
from tests.families import FAMILIES, TELLING, Make, documents
from tests.support import JsonObject
from tests.waits import request

Fill: TypeAlias = Callable[[str], bytes]
"""Gives the bytes of a request that has the text in its place."""

HEAD_BYTES = 60_000
"""What is sent in a path, a query or a header: a server that reads more of these is asked for it in `WIRE`."""
BODY_BYTES = 60_000
"""What is sent as a body where nothing says that more is taken (MAX_BODY_KB)."""

_HERE = "\x1a"  # where a shape goes
_MULTIPART, _URLENCODED = "multipart/form-data; boundary=b", "application/x-www-form-urlencoded"
# Headers that something on the way reads, and one that nothing does.
_HEADERS = (
    "accept", "accept-encoding", "accept-language", "authorization", "content-type", "content-length", "cookie",
    "expect", "forwarded", "host", "if-none-match", "if-range", "last-event-id", "origin", "range", "referer",
    "sec-fetch-site", "traceparent", "tracestate", "transfer-encoding", "upgrade", "user-agent", "x-forwarded-for",
    "x-request-id", "x-nothing",
)  # fmt: skip


@dataclass(frozen=True)
class Place:
    """A place of a request.

    Arguments:
        operation: method and path, as the schema has them.
        name: the place's own.
        fill: puts a text there.
        largest: how many characters it is tried with.
        families: those that are tried there (default: VALUES).
        streams: whether the operation answers with a stream, of which the head is enough.
        seconds: how long to wait for an answer; what is not whole has none.
    """

    operation: str
    name: str
    fill: Fill
    largest: int
    families: Mapping[str, Make] = field(default_factory=lambda: VALUES)
    streams: bool = False
    seconds: float = 120

    def __str__(self) -> str:
        return f"{self.operation}, {self.name}"


def places(known: Mapping[str, str], headers: Mapping[str, str]) -> Iterator[Place]:
    """All places of all operations.

    Arguments:
        known: what there is, by the names of the parameters that ask for it.
        headers: those of one who has signed in.
    """
    for operation in _operations(known, headers):
        yield from operation.places()


def whole_answers(known: Mapping[str, str], headers: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    """For each GET that is answered at once a request for what there is, as much of it as may be asked for."""
    for operation in _operations(known, headers):
        if operation.method == "GET" and not operation.streams:
            yield operation.name, operation.whole()


def _operations(known: Mapping[str, str], headers: Mapping[str, str]) -> Iterator[_Operation]:
    schema = json.loads(openapi.schema())
    for path, methods in schema["paths"].items():
        for method, described in methods.items():
            yield _Operation(schema, path, method.upper(), described, known, headers)


class _Operation:
    """What can be put into one operation's requests."""

    def __init__(
        self,
        schema: JsonObject,
        path: str,
        method: str,
        described: JsonObject,
        known: Mapping[str, str],
        headers: Mapping[str, str],
    ) -> None:
        self._schema = schema
        self._path = path
        self.method = method
        self._described = described
        self._known = {} if method == "DELETE" else known  # it is needed
        self._headers = headers
        self.name = f"{method} {path}"
        self.streams = "text/event-stream" in described["responses"].get("200", {}).get("content", {})
        self._make = partial(Place, self.name, streams=self.streams)

    def whole(self) -> bytes:
        """A request with the largest numbers that the schema allows."""
        numbers = [
            f"{each['name']}={each['schema']['maximum']}"
            for each in self._described.get("parameters", [])
            if each["in"] == "query" and "maximum" in each["schema"]
        ]
        return self._request(f"{self._target()}?{'&'.join(numbers)}")

    def places(self) -> Iterator[Place]:
        for each in self._described.get("parameters", []):
            name, where = each["name"], each["in"]
            largest = each["schema"].get("maxLength", HEAD_BYTES // 3)
            if where == "path":
                yield self._make(f"path {name}", partial(self._in_path, name), HEAD_BYTES // 3)
            elif where == "query":
                yield self._make(f"query {name}", partial(self._in_query, name), min(largest, HEAD_BYTES // 3))
            elif where == "header":
                yield self._make(f"header {name}", partial(self._in_header, name), HEAD_BYTES)
        yield self._make("query", self._as_query, HEAD_BYTES, WIRE_TEXTS)
        yield self._make("a header", partial(self._in_header, "x-nothing"), HEAD_BYTES, WIRE_TEXTS)
        content = self._described.get("requestBody", {}).get("content", {})
        for kind, body in content.items():
            if kind == "application/json":
                yield from self._in_json(self._resolved(body["schema"]))
            else:
                yield from self._in_forms(self._resolved(body["schema"]))
        # One that reads no body, and one that does: all have these in common.
        if self._path in ("/api/jobs", "/api/ingest"):
            for name in _HEADERS if self.method == "GET" else ("content-type", "content-length", "transfer-encoding"):
                yield self._make(f"header {name}", partial(self._in_header, name), HEAD_BYTES, seconds=5)
            yield self._make("bytes", self._as_bytes, 8_000_000, WIRE, seconds=5)

    def _request(
        self, target: str | bytes = b"", headers: Mapping[str, str | bytes] | None = None, body: bytes | None = None
    ) -> bytes:
        if self.method == "POST" and body is None:
            body = b""
        return request(self.method, target or self._target(), {**self._headers, **(headers or {})}, body)

    def _target(self, **given: str) -> str:
        target = self._path
        for each in self._described.get("parameters", []):
            if each["in"] == "path":
                value = given.get(each["name"], self._known.get(each["name"], "1"))
                target = target.replace(f"{{{each['name']}}}", value)
        return target

    def _in_path(self, name: str, text: str) -> bytes:
        return self._request(self._target(**{name: _quoted(text)}))

    def _in_query(self, name: str, text: str) -> bytes:
        return self._request(f"{self._target()}?{name}={_quoted(text)}")

    def _as_query(self, text: str) -> bytes:
        return self._request(f"{self._target()}?{text}")

    def _in_header(self, name: str, text: str) -> bytes:
        value = text.encode("utf-8", "surrogatepass").translate(None, b"\r\n\0")
        before = b"Bearer " if name == "authorization" else b""
        return self._request(headers={name: before + value}, body=None)

    def _as_bytes(self, text: str) -> bytes:
        # What begins with a marked line stands for one of the forms of WIRE.
        head = self._request().partition(b"\r\n\r\n")[0]
        first, _, rest = text.partition("\n")
        data = rest.encode("latin-1", "replace")
        return {
            "header": head + b"\r\nx-nothing: " + data + b"\r\n\r\n",
            "endless": head + b"\r\nx-nothing: " + data,
            "headers": head + b"\r\n" + data + b"\r\n",
            "target": head.replace(self._path.encode(), self._path.encode() + b"?" + data, 1) + b"\r\n\r\n",
            "method": data + head + b"\r\n\r\n",
            "body": head.replace(b"\r\ncontent-length: 0", b"")
            + b"\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n" + data + b"0\r\n\r\n",
        }[first]  # fmt: skip

    def _resolved(self, schema: JsonObject) -> JsonObject:
        if "$ref" in schema:
            found: Any = self._schema
            for part in schema["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            return self._resolved(found)
        options = [each for each in schema.get("anyOf", []) if each.get("type") != "null"]
        return self._resolved({**schema, "anyOf": [], **options[0]}) if options else schema

    def _in_json(self, schema: JsonObject) -> Iterator[Place]:
        largest, good = BODY_BYTES, _example(self._resolved, schema)
        for path, found in self._fields(schema):
            size = max(found.get("maxLength", 0), BODY_BYTES)
            largest, name = max(largest, size), f"json {'.'.join(path)}"
            if found.get("type") == "string":
                # A text to work on is worked on: that takes longer.
                families = VALUES if size == BODY_BYTES else _few(_SOME if self.streams else TELLING)
                yield self._make(name, partial(self._as_field, good, path), size, families)
            yield self._make(f"{name} (shapes)", partial(self._in_field, good, path), size, SHAPES)
        # Of a text of four bytes a character.
        yield self._make("json (shapes)", self._json, 4 * largest if largest > BODY_BYTES else largest, SHAPES)

    def _json(self, text: str) -> bytes:
        body = text.encode("utf-8", "surrogatepass")
        return self._request(headers={"content-type": "application/json"}, body=body)

    def _as_field(self, good: Any, path: tuple[str, ...], text: str) -> bytes:
        return self._json(json.dumps(_with(good, path, text)))

    def _in_field(self, good: Any, path: tuple[str, ...], shape: str) -> bytes:
        return self._json(json.dumps(_with(good, path, _HERE)).replace(json.dumps(_HERE), shape))

    def _fields(self, schema: JsonObject, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], JsonObject]]:
        for name, found in schema.get("properties", {}).items():
            inner = self._resolved(found)
            yield (*above, name), inner
            yield from self._fields(inner, (*above, name))

    def _in_forms(self, schema: JsonObject) -> Iterator[Place]:
        for name, found in schema["properties"].items():
            if found.get("format") == "binary":
                for document, (ending, make) in documents().items():
                    # What reads the file is the same where the job is shown as a stream.
                    if document == "text" or not self.streams:
                        families = _few(_SOME if document == "text" else _SOME[:2])
                        fill = partial(self._as_file, name, ending, make)
                        yield self._make(f"file {document}", fill, 250_000, families)
                yield self._make("file name", partial(self._as_file_name, name), BODY_BYTES)
            else:
                yield self._make(f"form {name}", partial(self._in_form, name), BODY_BYTES)
        yield self._make("multipart (shapes)", partial(self._form, _MULTIPART), 4_000_000, PARTS)
        yield self._make("urlencoded (shapes)", partial(self._form, _URLENCODED), 4_000_000, PAIRS)

    def _form(self, content_type: str, body: str | bytes) -> bytes:
        data = body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass")
        return self._request(headers={"content-type": content_type}, body=data)

    def _as_file(self, name: str, ending: str, make: Callable[[str], bytes], text: str) -> bytes:
        return self._form(_MULTIPART, _part(f'{name}"; filename="a.{ending}', make(text)))

    def _as_file_name(self, name: str, text: str) -> bytes:
        return self._form(_MULTIPART, _part(f'{name}"; filename="{text}', b"a"))

    def _in_form(self, name: str, text: str) -> bytes:
        return self._form(_MULTIPART, _part(name, text.encode("utf-8", "surrogatepass")))


def _quoted(text: str) -> str:
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


def _part(name: str, content: bytes) -> bytes:
    head = f'--b\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n'.encode("utf-8", "surrogatepass")
    return head + content + b"\r\n--b--\r\n"


def _example(resolved: Callable[[JsonObject], JsonObject], schema: JsonObject) -> Any:
    """A value that a schema allows."""
    schema = resolved(schema)
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("type") == "object":
        wanted = schema.get("required", [])
        found = schema.get("properties", {}).items()
        return {name: _example(resolved, inner) for name, inner in found if name in wanted}
    return {"string": "It is so.", "integer": 1, "boolean": False, "array": []}.get(schema.get("type", ""))


def _with(good: Any, path: tuple[str, ...], value: object) -> JsonObject:
    name, *rest = path
    inner = _with((good or {}).get(name) or {}, tuple(rest), value) if rest else value
    return {**(good or {}), name: inner}


def _of(unit: str, before: str = "", after: str = "") -> Make:
    return lambda size: before + unit * max(1, (size - len(before) - len(after)) // len(unit)) + after


def _deep(opening: str, closing: str, inner: str = "") -> Make:
    def make(size: int) -> str:
        depth = max(1, size // (len(opening) + len(closing)))
        return opening * depth + inner + closing * depth

    return make


SHAPES: Mapping[str, Make] = {
    "lists deep": _deep("[", "]"),
    "objects deep": _deep('{"a":', "}", "1"),
    "lists opened": _of("["),
    "lists in a list": _of("[],", "[", "0]"),
    "texts in a list": _of('"a",', "[", "0]"),
    "numbers": _of("0,", "[", "0]"),
    "objects in a list": _of('{"a":1},', "[", "0]"),
    "fields": lambda size: "{" + ",".join(f'"a{n}":0' for n in range(max(1, size // 11))) + "}",
    "one field again": _of('"a":0,', "{", '"a":0}'),
    "a long name": _of("a", '{"', '":0}'),
    "a long number": _of("9"),
    "a long fraction": _of("1", "0."),
    "a long exponent": _of("9", "1e"),
    "half characters": _of("\\ud800", '"', '"'),
    "half characters in a list": _of('"\\ud800",', "[", "0]"),
    "NUL": _of("\\u0000", '"', '"'),
    "backslashes": _of("\\\\", '"', '"'),
    "quotation marks": _of('\\"', '"', '"'),
    "a text without an end": _of("\\", '"'),
    "blanks": _of(" ", "", "0"),
    "not a number": _of("NaN,", "[", "0]"),
}
"""JSON of any size."""

PARTS: Mapping[str, Make] = {
    "fields": _of('--b\r\ncontent-disposition: form-data; name="a"\r\n\r\na\r\n', after="--b--\r\n"),
    "files": _of('--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\na\r\n', after="--b--\r\n"),
    "headers of a part": _of("a: b\r\n", "--b\r\n", "\r\n\r\n--b--\r\n"),
    "a long header of a part": _of("a", "--b\r\ncontent-disposition: ", "\r\n\r\n\r\n--b--\r\n"),
    "parameters of a part": _of("; a=b", "--b\r\ncontent-disposition: form-data", "\r\n\r\n\r\n--b--\r\n"),
    "a long name": _of("a", '--b\r\ncontent-disposition: form-data; name="', '"\r\n\r\n\r\n--b--\r\n'),
    "half a boundary": _of("\r\n-", '--b\r\ncontent-disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'),
    "line ends": _of("\r", '--b\r\ncontent-disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'),
    "before the first part": _of("a"),
    "hyphens": _of("-"),
}
"""Bodies of multipart/form-data."""

PAIRS: Mapping[str, Make] = {
    "ampersands": _of("&"),
    "semicolons": _of(";"),
    "equals signs": _of("="),
    "fields": _of("a=b&"),
    "names": _of("a&"),
    "a long value": _of("a", "url="),
    "percent": _of("%", "url="),
    "percent and digits": _of("%41", "url="),
    "plus": _of("+", "url="),
}
"""Bodies of application/x-www-form-urlencoded."""

WIRE: Mapping[str, Make] = {
    "a long header": _of("a", "header\n"),
    "a header without an end": _of("a", "endless\n"),
    "many headers": _of("a: b\r\n", "headers\n"),
    "headers without a name": _of(": b\r\n", "headers\n"),
    "folded headers": _of(" b\r\n", "headers\na: b\r\n"),
    "a long target": _of("a", "target\n"),
    "a long method": _of("A", "method\n"),
    "line ends": _of("\r\n", "method\n"),
    "chunks of a byte": _of("1\r\na\r\n", "body\n"),
    "a chunk with an extension": _of("a", "body\n1;", "\r\na\r\n"),
    "zeros before a chunk": _of("0", "body\n"),
}
"""What is no matter of one operation: the line before the first line end says where the rest goes."""


def _few(names: Iterable[str]) -> Mapping[str, Make]:
    return {name: FAMILIES[name] for name in names}


_SOME = ("distinct sentences", "half a link", "U+201C left double quotation mark", "code of growing marks")
WIRE_TEXTS = _few(("fields of a form", "percent", "cookies", "U+0061 latin small letter a"))
_CODES = ("0000", "0025", "002D", "002E", "002F", "0030", "003A", "003B", "005B", "005C", "005F", "00A0", "00B2",
          "0130", "200B", "202E", "FEFF", "1F600", "D800")  # fmt: skip
VALUES: Mapping[str, Make] = _few((
    *TELLING, *(name for name in FAMILIES if name.split()[0].removeprefix("U+") in _CODES), *WIRE_TEXTS,
    "numbers of many digits", "address of points", "address of parameters", "half an address of digits", "initials",
    "path upwards", "parts of a token", "right to left and back", "points", "dates",
))  # fmt: skip
"""The families for values that are short: names, addresses, headers."""

SHORT = {
    "U+0022 quotation mark", "U+201C left double quotation mark", "distinct sentences", "half a link",
    "code of growing marks", "percent", "fields of a form", "lists deep", "lists in a list", "fields",
    "half characters", "ampersands", "half a boundary", "a header without an end", "many headers", "chunks of a byte",
}  # fmt: skip
"""The families that the short tests try."""
