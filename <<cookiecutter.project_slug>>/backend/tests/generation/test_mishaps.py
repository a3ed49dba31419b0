"""Servers that do not give a draft, in each way that they were seen to: what is said, what is done, how often they are
asked."""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import gzip
import json
import re
import select
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from streamator import JobEmitter, MemoryStore

from app.database import Database
from app.generation.anthropic_api import AnthropicProvider
from app.generation.openai_api import OpenAIProvider
from app.generation.pipeline import Pipeline, Price
from app.generation.prompt import Prompts
from app.generation.provider import Provider
from app.generation.runs import RunTable
from app.generation.writer import Patience
from app.jobs import JobError
from app.users import LOCAL_USER
from tests.generation.model_server import ANTHROPIC, OPENAI, Answer, Dialect, ModelServer, Refusal, Reply, model_server
from tests.generation.texts import GOOD_DRAFT, LIGHTHOUSES
from tests.here import Here
from tests.support import JsonObject, eventually_async

pytestmark = pytest.mark.anyio

PROMPTS = Prompts(Path(__file__).parents[2] / "app" / "generation" / "prompts")
PINGS: list[bytes | float] = [b": ping\n\n", 1.0] * 40
JSON = "application/json"
CUT_DRAFT = GOOD_DRAFT[:-40]
PIECES = [GOOD_DRAFT[:40], GOOD_DRAFT[40:]]
FOR_EVER = 60.0
dialects = pytest.mark.parametrize("dialect", [OPENAI, ANTHROPIC], ids=lambda dialect: dialect.name)

Make = Callable[[Dialect], Answer]


def provider_of(dialect: Dialect, model: ModelServer, silence: float = 30.0) -> Provider:
    if dialect is ANTHROPIC:
        return AnthropicProvider(api_key="the-key", model="a-model", base_url=model.url, silence=silence)
    return OpenAIProvider(api_key="the-key", model="a-model", base_url=f"{model.url}/v1", silence=silence)


class Ran:
    """What came of a run."""

    def __init__(self, events: list[JsonObject], result: JsonObject | None) -> None:
        self.events = events
        self.result = result

    def of(self, name: str) -> list[JsonObject]:
        return [event for event in self.events if event["event"] == name]

    @property
    def error(self) -> str:
        [error] = self.of("error")
        assert not self.of("complete")
        return str(error["message"])

    @property
    def complete(self) -> JsonObject:
        [complete] = self.of("complete")
        assert not self.of("error")
        return complete

    @property
    def output(self) -> str:
        complete = self.complete
        assert complete["success"] is True, complete["metadata"]["problems"]
        return str(complete["output"])

    @property
    def shown(self) -> str:
        """The draft as a viewer puts it together."""
        return _shown(self.events)

    @property
    def shown_before_it_was_whole(self) -> str:
        """The same, of what came before the first whole draft."""
        whole = next(at for at, event in enumerate(self.events) if event.get("draft"))
        return _shown(self.events[:whole])

    @property
    def reasoning(self) -> str:
        return "".join(event["reasoning"] for event in self.of("reasoning"))


def _shown(events: list[JsonObject]) -> str:
    draft = ""
    for event in events:
        draft = event.get("draft", draft) + event.get("token", "")
    return draft


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the one database, which is made once."""
    return tmp_path_factory.mktemp("mishaps")


@pytest.fixture
async def run(folder: Path, anyio_backend: str, model: ModelServer, monkeypatch: pytest.MonkeyPatch) -> Any:
    # What the server pauses goes by on the clock of the asker's loop, at once.
    loop, passed = asyncio.get_running_loop(), 0.0
    real_time = loop.time

    def go_by(seconds: float, connection: socket.socket) -> None:
        nonlocal passed
        has_left = connection.fileno() == -1 or select.select([connection], [], [], 0)[0]
        if not has_left:
            passed += seconds

    monkeypatch.setattr(loop, "time", lambda: real_time() + passed)
    model.pause = lambda *pause: loop.call_soon_threadsafe(go_by, *pause)
    database = Database(f"sqlite:///{folder / 'app.db'}")
    await database.open()
    store = MemoryStore()

    async def ran(provider: Provider, text: str = LIGHTHOUSES, prompt: str = "summary", **options: Any) -> Ran:
        given: dict[str, Any] = {"patience": Patience(first=0.0), **options}
        pipeline = Pipeline(prompts=PROMPTS, providers={}, runs=RunTable(database), processes=Here(), **given)
        emitter = JobEmitter(store=store)
        result = None
        with contextlib.suppress(JobError):
            result = await pipeline.run(text, prompt, provider, "standard", LOCAL_USER, emitter)
        emitter.close()
        job = store.get(emitter.job_id)
        assert job is not None
        return Ran([dict(event) for event in job.log.read(0)], result)

    yield ran
    await database.close()


def stream(dialect: Dialect, *parts: bytes | float, **how: Any) -> Reply:
    return Reply((dialect.start(), *parts), **how)


def said(dialect: Dialect, text: str, reason: str | None) -> Reply:
    return stream(dialect, dialect.text(text), dialect.end(reason), dialect.close())


def drips(dialect: Dialect) -> list[bytes | float]:
    """Chunks that hold nothing, for a long time."""
    return [dialect.text(""), 1.0] * 40


@dataclass(frozen=True)
class Mishap:
    """A way in which a server gives no draft.

    Arguments:
        name: what happens.
        answer: what it answers, each time.
        says: what the error says: what happened, and the fix.
        asked: how often the server is asked.
        only: the one protocol that it can happen in.
    """

    name: str
    answer: Make
    says: tuple[str, ...]
    asked: int
    only: Dialect | None = None


BROKE_OFF = ("(a-model) broke off", "That was try 2.", "Try again later, or choose another provider.")
NO_REASON = ("its answer has no finish reason", *BROKE_OFF)
NO_CREDIT = ("no credit or quota left: add some",)
CHECK_MODEL = ("_MODEL, which is “a-model”",)
CHECK_URL = "_BASE_URL."
MISHAPS = [
    # How the answer ends.
    Mishap("a draft that is cut", lambda d: said(d, CUT_DRAFT, d.cut), ("stopped at its limit", "a shorter length"), 2),
    Mishap("a short draft that is cut", lambda d: said(d, GOOD_DRAFT[:80], d.cut), ("stopped at its limit",), 1),
    Mishap("a cut before the first word", lambda d: stream(d, d.end(d.cut), d.close()), ("stopped at its limit",), 1),
    Mishap("a draft that is withheld", lambda d: said(d, CUT_DRAFT, d.withheld), ("withheld", "Change the text"), 1),
    Mishap("a tool that is asked for", lambda d: stream(d, d.end(d.tool), d.close()), ("a tool in place",), 1),
    Mishap("a tool and a good end", lambda d: Reply([tool_call(d), d.end(d.full), d.close()]), ("a tool in place",), 1),
    Mishap("an end that nobody knows", lambda d: said(d, GOOD_DRAFT, "bored"), ("not known", "“bored”"), 1),
    Mishap("an end by an error", lambda d: said(d, CUT_DRAFT, "error"), ("“error”", *BROKE_OFF), 2),
    Mishap("a draft without a finish reason", lambda d: said(d, GOOD_DRAFT, None), NO_REASON, 2),
    Mishap("a finish reason of nothing", lambda d: said(d, GOOD_DRAFT, ""), NO_REASON, 2),
    Mishap("only the last frame", lambda d: stream(d, d.text(GOOD_DRAFT), d.close()), NO_REASON, 2),
    Mishap("a stream that just ends", lambda d: stream(d, d.text(CUT_DRAFT)), NO_REASON, 2),
    Mishap("a stream without a frame", lambda d: Reply([]), NO_REASON, 2),
    Mishap("an empty draft", lambda d: stream(d, d.end(d.full), d.close()), ("wrote nothing", "That was try 2."), 2),
    Mishap("a draft of blanks", lambda d: said(d, " \n\t\u00a0", d.full), ("wrote nothing", "another provider"), 2),
    Mishap(
        "reasoning alone",
        lambda d: stream(d, d.thought("Hm."), d.end(d.full), d.close()), ("reasoned, and wrote nothing",), 2,
    ),
    Mishap("a thought without an end", lambda d: said(d, "<think>\nHm.", d.full), ("reasoned, and wrote nothing",), 2),
    # What is no stream.
    Mishap("a web page", lambda d: Reply([b"<html>Welcome"], kind="text/html"), ("with text/html,", CHECK_URL), 1),
    Mishap(
        "a web page that is called a stream",
        lambda d: Reply([b"<!doctype html>\n<title>Sign in</title>\n\n"]),
        ("answered with text/event-stream, and not with", "“a web page, Sign in”. Check", CHECK_URL), 1,
    ),
    Mishap(
        "a way to a page to sign in",
        lambda d: Reply([], status=302, headers={"location": "https://login.example/sso?token=secret"}),
        ("answered 302: it leads on to another address. Check", CHECK_URL), 1,
    ),
    Mishap("words in place of a stream", lambda d: Reply([b"no upstream"], kind="text/plain"), ("“no upstream”",), 1),
    Mishap("comments alone", lambda d: Reply([b": hello\n\n: goodbye\n\n"]), NO_REASON, 2),
    Mishap("an answer that is empty", lambda d: Reply([], kind=""), ("with nothing,", CHECK_URL), 1),
    Mishap("NDJSON", lambda d: Reply([b'{"response": "Hi"}\n'], kind="application/x-ndjson"), BROKE_OFF, 2),
    Mishap("JSON that is cut", lambda d: Reply([d.whole(GOOD_DRAFT, d.full)[:-9]], kind=JSON), BROKE_OFF, 2),
    Mishap(
        "JSON that was cut by the model",
        lambda d: Reply([d.whole(CUT_DRAFT, d.cut)], kind=JSON), ("stopped at its limit",), 2,
    ),
    Mishap(
        "JSON of an error with 200",
        lambda d: Reply([b'{"type": "error", "error": {"message": "no such deployment"}}'], kind=JSON),
        ("broke off: “no such deployment”",), 2,
    ),
    Mishap(
        "JSON of an error that is called a stream",
        lambda d: Reply([b'{"error": {"message": "no such deployment"}}']), ("broke off: “no such deployment”",), 2,
    ),
    Mishap(
        "JSON of an error in another shape",
        lambda d: Reply([b'{"code": 1001, "msg": "gremlins"}'], kind=JSON), ("broke off: “gremlins”",), 2,
    ),
    # What breaks in its midst.
    Mishap("a connection that breaks", lambda d: stream(d, d.text(CUT_DRAFT), missing=99), BROKE_OFF, 2),
    Mishap("half a chunk", lambda d: stream(d, d.text(CUT_DRAFT)[:-20] + b"\n\n"), BROKE_OFF, 2),
    Mishap("no UTF-8", lambda d: stream(d, b"event: x\ndata: {\"a\": \"\xff\xfe\"}\n\n"), BROKE_OFF, 2),
    Mishap("no gzip", lambda d: stream(d, d.text(CUT_DRAFT), headers={"content-encoding": "gzip"}), BROKE_OFF, 2),
    Mishap(
        "half a gzip",
        lambda d: Reply([gzip.compress(said_bytes(d))[:-40]], headers={"content-encoding": "gzip"}), BROKE_OFF, 2,
    ),
    Mishap("an error in words", lambda d: stream(d, b"event: error\ndata: Gremlins\n\n"), ("off: “Gremlins”",), 2),
    Mishap(
        "an overloaded server in its midst",
        lambda d: stream(d, d.text(CUT_DRAFT), d.error("overloaded_error", "Overloaded")),
        ("broke off: “Overloaded”", "That was try 2."), 2,
    ),
    Mishap(
        "an unknown error in its midst",
        lambda d: stream(d, d.text(CUT_DRAFT), d.error("gremlins", "Gremlins")), ("broke off: “Gremlins”",), 2,
    ),
    Mishap(
        "a key that expires in its midst",
        lambda d: stream(d, d.text(CUT_DRAFT), d.error("authentication_error", "Key the-key is gone")),
        ("“Key *** is gone”", "_API_KEY"), 1,
    ),
    Mishap(
        "credit that ends in its midst",
        lambda d: stream(d, d.text(CUT_DRAFT), d.error("insufficient_quota", "All gone")), NO_CREDIT, 1,
    ),
    Mishap(
        "silence before the first byte",
        lambda d: Reply([FOR_EVER]), ("sent nothing for 30.0 s", "SILENCE_SECONDS"), 2,
    ),
    Mishap(
        "silence in its midst",
        lambda d: stream(d, d.text(CUT_DRAFT), FOR_EVER), ("sent nothing for 30.0 s",), 2,
    ),
    Mishap(
        "signs of life without an end",
        lambda d: stream(d, d.text(CUT_DRAFT), *PINGS), ("sent nothing for 30.0 s",), 2,
    ),
    Mishap(
        "chunks without anything in them",
        lambda d: stream(d, d.text(CUT_DRAFT), *drips(d)), ("sent nothing for 30.0 s",), 2,
    ),
    Mishap(
        "an error in the shape of vLLM's",
        lambda d: Reply([OPENAI.frame({"object": "error", "message": "Gremlins", "code": 400})]),
        ("broke off: “Gremlins”",), 2, only=OPENAI,
    ),
    Mishap("no answer at all", lambda d: Reply([], status=None), ("cannot be reached.", "Is it running?"), 4),
    # What is refused.
    Mishap(
        "a refusal in words",
        lambda d: Reply([OPENAI.chunk({"refusal": "I will not."}), OPENAI.end("stop")]),
        ("refused: “I will not”. ", "Change the text"), 1, only=OPENAI,
    ),
    Mishap(
        "a filter before it begins",
        lambda d: Refusal(400, "The prompt was filtered", "content_filter"), ("Change the text",), 1,
    ),
    Mishap("half a character in an error", lambda d: Refusal(400, "no \ud83d"), ("answered 400: “no \ufffd”",), 1),
    Mishap("half a character in an end", lambda d: said(d, GOOD_DRAFT, "\ud83d"), ("not known", "“\ufffd”"), 1),
    Mishap("a wrong key", lambda d: Refusal(401, "no: the-key"), ("answered 401: “no: ***”", "_API_KEY"), 1),
    Mishap(
        "a key in other words",
        lambda d: Refusal(400, "API key not valid. Pass a valid one."), ("Pass a valid one”. ", "_API_KEY"), 1,
    ),
    Mishap("a key that may not", lambda d: Refusal(403, "not for you"), ("allowed to use",), 1),
    Mishap("no model of that name", lambda d: Refusal(404, "model a-model not found"), CHECK_MODEL, 1),
    Mishap("a model by its code", lambda d: Refusal(400, "what?", "model_not_found"), CHECK_MODEL, 1),
    Mishap("Anthropic's words for it", lambda d: Refusal(404, "model: a-model", "not_found_error"), CHECK_MODEL, 1),
    Mishap(
        "no page of that address",
        lambda d: Refusal(404, b"<!DOCTYPE html><title>Not here</title>"),
        ("answered 404: “a web page, Not here”", CHECK_URL), 1,
    ),
    Mishap("a page that takes no POST", lambda d: Refusal(405, b"no"), ("answered 405", CHECK_URL), 1),
    Mishap("no money", lambda d: Refusal(402, "Insufficient Balance"), ("no credit or quota left: add some",), 1),
    Mishap(
        "no quota, called a rate",
        lambda d: Refusal(429, "You exceeded your current quota", "insufficient_quota", {"retry-after": "0"}),
        ("answered 429", "no credit or quota left"), 1,
    ),
    Mishap(
        "no credit, called a mistake",
        lambda d: Refusal(400, "Your credit balance is too low to access the API.", "invalid_request_error"),
        ("answered 400", "no credit or quota left"), 1,
    ),
    Mishap("a limit on what is spent", lambda d: Refusal(400, "You have reached your API usage limits."), NO_CREDIT, 1),
    Mishap("a rate", lambda d: Refusal(429, "Slow", "rate_limit_error", {"retry-after": "0.01"}), ("try 4.",), 4),
    Mishap(
        "a rate for longer than anybody waits",
        lambda d: Refusal(429, "Slow down", headers={"retry-after": "3600"}),
        ("asks to wait 60 min", "GENERATION_MAX_WAIT_SECONDS is 60"), 1,
    ),
    Mishap(
        "a rate until a date",
        lambda d: Refusal(429, "Slow", headers={"retry-after": email.utils.formatdate(4102444800, usegmt=True)}),
        ("asks to wait", "GENERATION_MAX_WAIT_SECONDS is 60"), 1,
    ),
    Mishap("a rate in words", lambda d: Refusal(429, "Limit. Try again in 7m12.5s."), ("asks to wait 7 min 12 s",), 1),
    Mishap(
        "a rate until its limit is lifted",
        lambda d: Refusal(429, "Slow", headers={"x-ratelimit-reset-tokens": "6m0s"}),
        ("asks to wait 6 min 0 s, and GENERATION_MAX_WAIT_SECONDS is 60",), 1,
    ),
    Mishap("a wait that is none", lambda d: Refusal(429, "Slow", headers={"retry-after": "soon"}), ("try 4.",), 4),
    Mishap("Anthropic's overload", lambda d: Refusal(529, "Overloaded", "overloaded_error"), ("answered 529",), 4),
    Mishap("a mistake of the server's", lambda d: Refusal(500, "Oops"), ("answered 500: “Oops”", "That was try 4."), 4),
    Mishap("a gateway without a server", lambda d: Refusal(502, b"<html><title>Bad</title>"), ("a web page, Bad",), 4),
    Mishap(
        "a mistake that stays",
        lambda d: Refusal(500, "Oops", headers={"x-should-retry": "false"}), ("answered 500", "Try again later"), 1,
    ),
    Mishap("a request of the wrong shape", lambda d: Refusal(422, "no such field"), ("It would be refused again",), 1),
    Mishap(
        "an answer that may not be as long",
        lambda d: Refusal(400, "max_tokens: 8192 > 4096, which is the maximum allowed number of output tokens"),
        ("Lower ANTHROPIC_MAX_TOKENS",), 1, only=ANTHROPIC,
    ),
    Mishap("a text that is always too long", lambda d: Refusal(413, "No", "request_too_large"), ("a shorter text",), 2),
]  # fmt: skip


@pytest.mark.parametrize("mishap", MISHAPS, ids=lambda mishap: mishap.name)
@dialects
async def test_a_mishap_is_said_with_the_fix_and_not_paid_for_in_vain(
    dialect: Dialect, mishap: Mishap, model: ModelServer, run: Any
) -> None:
    if mishap.only not in (None, dialect):
        return
    model.answers = [mishap.answer(dialect)]
    ran = await run(provider_of(dialect, model))
    for words in mishap.says:
        assert words in ran.error
    assert "the-key" not in str(ran.events)
    assert len(model.asked) == mishap.asked


PASSING: list[tuple[str, Make]] = [
    ("a rate", lambda d: Refusal(429, "Slow down", headers={"retry-after": "0.01"})),
    ("an overload", lambda d: Refusal(529, "Overloaded", "overloaded_error")),
    ("a server that starts", lambda d: Refusal(503, "Loading model", "unavailable_error")),
    ("no answer", lambda d: Reply([], status=None)),
    ("a break", lambda d: stream(d, d.text(CUT_DRAFT), missing=99)),
    ("an overload in its midst", lambda d: stream(d, d.text(CUT_DRAFT), d.error("overloaded_error", "Overloaded"))),
    ("a cut", lambda d: said(d, CUT_DRAFT, d.cut)),
    ("silence", lambda d: stream(d, d.text(CUT_DRAFT), FOR_EVER)),
    ("nothing", lambda d: stream(d, d.end(d.full), d.close())),
]


@pytest.mark.parametrize(("name", "make"), PASSING, ids=[name for name, _ in PASSING])
@dialects
async def test_what_passes_leaves_no_trace_in_the_draft(
    dialect: Dialect, name: str, make: Make, model: ModelServer, run: Any
) -> None:
    model.answers = [make(dialect), PIECES]
    ran = await run(provider_of(dialect, model))
    assert (ran.output, ran.shown, len(model.asked)) == (GOOD_DRAFT, GOOD_DRAFT, 2)
    assert ran.shown_before_it_was_whole == GOOD_DRAFT


ODD: list[tuple[str, Make]] = [
    ("an answer that came whole", lambda d: Reply([d.whole(GOOD_DRAFT, d.full)], kind=JSON)),
    ("a break after the end", lambda d: stream(d, d.text(GOOD_DRAFT), d.end(d.full), missing=99)),
    ("silence after the end", lambda d: stream(d, d.text(GOOD_DRAFT), d.end(d.full), d.close(), FOR_EVER)),
    ("an error after the end", lambda d: stream(d, d.text(GOOD_DRAFT), d.end(d.full), d.error("x", "y"))),
    ("carriage returns", lambda d: Reply([said_bytes(d).replace(b"\n", b"\r\n")])),
    ("a byte at a time", lambda d: Reply(bytes_of(said_bytes(d)))),
    ("another content type", lambda d: Reply([said_bytes(d)], kind="text/plain")),
    ("a stream that is called JSON", lambda d: Reply([said_bytes(d)], kind=JSON)),
    ("JSON that is called a stream", lambda d: Reply([d.whole(GOOD_DRAFT, d.full)])),
    ("a byte order mark", lambda d: Reply([b"\xef\xbb\xbf" + said_bytes(d).removeprefix(d.start())])),
    ("carriage returns a byte at a time", lambda d: Reply(bytes_of(said_bytes(d).replace(b"\n", b"\r\n")))),
    ("events without names", lambda d: Reply([re.sub(rb"event: .*\n", b"", said_bytes(d))])),
    ("no blank line at the end", lambda d: stream(d, d.text(GOOD_DRAFT), d.end(d.full).rstrip())),
    ("gzip", lambda d: Reply([gzip.compress(said_bytes(d))], headers={"content-encoding": "gzip"})),
    ("a finish reason in capitals", lambda d: said(d, GOOD_DRAFT, "STOP")),
    (
        "a second draft",
        lambda d: Reply([OPENAI.chunk({"content": "No."}, index=1), OPENAI.text(GOOD_DRAFT),
                         OPENAI.chunk({}, "length", index=1), OPENAI.end("stop")]),
    ),
    (
        "a second draft in the same chunk",
        lambda d: Reply([OPENAI.chunk({}, choices=[{"delta": {"content": GOOD_DRAFT}}, {"delta": {"content": "No."}}]),
                         OPENAI.end("stop")]),
    ),
    ("a list of parts", lambda d: Reply([OPENAI.chunk({"content": [PIECES[0], part(PIECES[1])]}), OPENAI.end("stop")])),
    ("a part", lambda d: Reply([OPENAI.chunk({"content": part(GOOD_DRAFT)}), OPENAI.end("stop")])),
    (
        "the whole again at the end",
        lambda d: Reply([OPENAI.text(GOOD_DRAFT), OPENAI.chunk({}, choices=[
            {"delta": {}, "message": {"content": GOOD_DRAFT}, "finish_reason": "stop"}])]),
    ),
    (
        "the text of older completions",
        lambda d: Reply([OPENAI.chunk({}, choices=[{"index": 0, "text": GOOD_DRAFT, "finish_reason": "stop"}])]),
    ),
    ("a delta of null", lambda d: Reply([OPENAI.chunk(None), OPENAI.text(GOOD_DRAFT), OPENAI.chunk(None, "stop")])),
    ("choices of null", lambda d: Reply([OPENAI.chunk({}, choices=None), OPENAI.text(GOOD_DRAFT), OPENAI.end("stop")])),
    ("no chunks", lambda d: Reply([b"data: 7\n\ndata: []\n\n", OPENAI.text(GOOD_DRAFT), OPENAI.end("stop")])),
]  # fmt: skip
OF_OPENAI = {
    "a second draft", "a delta of null", "choices of null", "no chunks", "a second draft in the same chunk",
    "a list of parts", "a part", "the whole again at the end", "the text of older completions",
}  # fmt: skip


def part(text: str) -> JsonObject:
    return {"type": "text", "text": text}


def bytes_of(body: bytes) -> list[bytes]:
    return [bytes([each]) for each in body]


def tool_call(dialect: Dialect) -> bytes:
    if dialect is ANTHROPIC:
        return ANTHROPIC.event("content_block_start", index=0, content_block={"type": "tool_use", "name": "find"})
    return OPENAI.chunk({"tool_calls": [{"index": 0, "function": {"name": "find", "arguments": "{}"}}]})


def said_bytes(dialect: Dialect) -> bytes:
    return dialect.start() + dialect.text(GOOD_DRAFT) + dialect.end(dialect.full) + dialect.close()


@pytest.mark.parametrize(("name", "make"), ODD, ids=[name for name, _ in ODD])
@dialects
async def test_an_odd_answer_is_a_draft_where_it_says_that_it_is_whole(
    dialect: Dialect, name: str, make: Make, model: ModelServer, run: Any
) -> None:
    if name in OF_OPENAI and dialect is not OPENAI:
        return
    model.answers = [make(dialect)]
    ran = await run(provider_of(dialect, model))
    assert (ran.output, len(model.asked)) == (GOOD_DRAFT, 1)


TOO_LONG = [
    (400, "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
     "context_length_exceeded", 0.82),
    (400, "prompt is too long: 210000 tokens > 200000 maximum", "invalid_request_error", 0.86),
    (400, "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000", "invalid_request_error", 0.86),
    (413, "Request exceeds the maximum size", "request_too_large", 0.5),
    (400, "the request exceeds the available context size. try increasing it", "exceed_context_size_error", 0.5),
    (400, "The decoder prompt (length 9000) is longer than the maximum model length of 4500.", "BadRequestError", 0.45),
    (400, "The input token count (1,200,000) exceeds the maximum number of tokens allowed (1,048,576).", "400", 0.79),
    (500, "Requested tokens (4570) exceed context window of 2285", "error", 0.45),
    (400, "Trying to keep the first 9000 tokens when context overflows. The model has a context length of only 4500",
     "error", 0.45),
    (429, "Request too large for a-model on tokens per min (TPM): Limit 30000, Requested 60000.", "tokens", 0.45),
    (422, "Please reduce the length of the prompt.", "error", 0.5),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(TOO_LONG)))
async def test_a_text_that_is_too_long_is_shortened_and_that_is_said(number: int, model: ModelServer, run: Any) -> None:
    status, message, kind, kept = TOO_LONG[number]
    dialect: Dialect = (OPENAI, ANTHROPIC)[number % 2]
    model.answers = [Refusal(status, message, kind), PIECES]
    text = LIGHTHOUSES * 3
    ran = await run(provider_of(dialect, model), text)
    assert ran.output == GOOD_DRAFT
    [warning] = ran.complete["metadata"]["warnings"]
    assert warning.startswith("The text is too long for ")
    assert ran.result is not None
    assert ran.result["partial"] == warning  # which is told of the job, too
    assert any(warning in line["message"] for line in ran.of("log") if line["level"] == "warning")
    sent = model.asked[1]["messages"][-1]["content"].removeprefix("<text>\n").removesuffix("\n</text>")
    assert text.startswith(sent)
    assert kept - 0.25 < len(sent) / len(text) <= kept


@dialects
async def test_a_text_is_shortened_four_times_at_most(dialect: Dialect, model: ModelServer, run: Any) -> None:
    model.answers = [Refusal(413, "No", "request_too_large")]
    ran = await run(provider_of(dialect, model), LIGHTHOUSES * 100)
    assert "That was try 5. Give a shorter text" in ran.error
    assert len(model.asked) == 5


@dialects
async def test_no_room_to_write_in_is_a_text_that_is_too_long(dialect: Dialect, model: ModelServer, run: Any) -> None:
    model.answers = [said(dialect, "## Key", "model_context_window_exceeded"), PIECES]
    assert (await run(provider_of(dialect, model), LIGHTHOUSES * 3)).complete["metadata"]["warnings"]


@dialects
async def test_a_rate_is_no_text_that_is_too_long(dialect: Dialect, model: ModelServer, run: Any) -> None:
    message = "Number of input tokens has exceeded your per-minute rate limit of 30,000"
    model.answers = [Refusal(429, message, "rate_limit_error"), PIECES]
    ran = await run(provider_of(dialect, model))
    assert (ran.complete["metadata"]["warnings"], ran.result["partial"]) == ([], None)


@dialects
async def test_a_wait_is_said_with_its_length_and_its_reason(dialect: Dialect, model: ModelServer, run: Any) -> None:
    model.answers = [Refusal(429, "Slow down", headers={"retry-after": "0.05"}), PIECES]
    ran = await run(provider_of(dialect, model))
    [line] = [line["message"] for line in ran.of("log")]
    assert line.endswith("answered 429: “Slow down”. It is asked again in 50 ms (1 of 3).")
    assert [each["stage"] for each in ran.of("progress") if each["message"] == line] == ["generator"]


@dialects
async def test_all_waits_of_a_run_together_are_bounded(dialect: Dialect, model: ModelServer, run: Any) -> None:
    model.answers = [Refusal(429, "Slow down", headers={"retry-after": "0.05"})]
    ran = await run(provider_of(dialect, model), patience=Patience(most=0.12))
    assert "It asks to wait 50 ms after 100 ms of waiting, and GENERATION_MAX_WAIT_SECONDS is 0.12" in ran.error
    assert len(model.asked) == 3


@dialects
async def test_tokens_and_price_are_of_all_that_was_asked(dialect: Dialect, model: ModelServer, run: Any) -> None:
    cut = stream(dialect, dialect.text(CUT_DRAFT), dialect.end(dialect.cut, (1000, 400)), dialect.close())
    whole = stream(dialect, dialect.text(GOOD_DRAFT), dialect.end(dialect.full, (2000, 100)), dialect.close())
    model.answers = [cut, whole]
    provider = provider_of(dialect, model)
    metadata = (await run(provider, prices={provider.name: Price(3, 15)})).complete["metadata"]
    assert (metadata["input_tokens"], metadata["output_tokens"]) == (3000, 500)
    assert metadata["price"] == pytest.approx(0.0165)
    assert "price" not in (await run(provider)).complete["metadata"]


Totals = tuple[int | None, int | None, float | None]
TOKENS: list[tuple[str, Callable[[Dialect], list[bytes]], Totals]] = [
    ("late", lambda d: [d.end(d.full), usage(d, 1000, 100)], (1000, 100, 0.0045)),
    ("twice", lambda d: [usage(d, 1000, 100), d.end(d.full), usage(d, 1000, 100)], (1000, 100, 0.0045)),
    ("as it grows", lambda d: [usage(d, 1000, 1), usage(d, 1000, 100), d.end(d.full)], (1000, 100, 0.0045)),
    ("in parts", lambda d: [usage(d, 1000, None), d.end(d.full), usage(d, 0, 100)], (1000, 100, 0.0045)),
    ("as text", lambda d: [d.end(d.full), usage(d, "1000", "100.0")], (1000, 100, 0.0045)),
    ("without what went in", lambda d: [d.end(d.full), usage(d, None, 100)], (None, 100, None)),
    ("not at all", lambda d: [d.end(d.full)], (None, None, None)),
    ("as nonsense", lambda d: [d.end(d.full), usage(d, "many", -1), usage(d, True, 1e300)], (None, None, None)),
]


def usage(dialect: Dialect, given: object, written: object) -> bytes:
    if dialect is ANTHROPIC:
        return ANTHROPIC.event("message_delta", delta={}, usage={"input_tokens": given, "output_tokens": written})
    return OPENAI.chunk({}, choices=[], usage={"prompt_tokens": given, "completion_tokens": written})


@pytest.mark.parametrize(("name", "frames", "totals"), TOKENS, ids=[name for name, _, _ in TOKENS])
@dialects
async def test_tokens_are_counted_however_they_are_told(
    dialect: Dialect,
    name: str,
    frames: Callable[[Dialect], list[bytes]],
    totals: Totals,
    model: ModelServer,
    run: Any,
) -> None:
    # An end of Anthropic's has tokens of its own.
    end = [part.replace(b'"usage": {"output_tokens": 1}', b'"usage": null') for part in frames(dialect)]
    model.answers = [Reply([dialect.text(GOOD_DRAFT), *end])]
    provider = provider_of(dialect, model)
    metadata = (await run(provider, prices={provider.name: Price(3, 15)})).complete["metadata"]
    assert tuple(metadata.get(name) for name in ("input_tokens", "output_tokens", "price")) == totals


@dialects
async def test_a_price_is_not_told_of_a_part_of_what_was_asked(dialect: Dialect, model: ModelServer, run: Any) -> None:
    broken = Reply([dialect.start(), dialect.text(CUT_DRAFT)])
    model.answers = [broken, Reply([dialect.text(GOOD_DRAFT), usage(dialect, 1000, 100), dialect.end(dialect.full)])]
    provider = provider_of(dialect, model)
    metadata = (await run(provider, prices={provider.name: Price(3, 15)})).complete["metadata"]
    assert "price" not in metadata
    assert "output_tokens" not in metadata


async def test_of_what_goes_in_the_cache_is_a_part(model: ModelServer, run: Any) -> None:
    tokens = {"input_tokens": 7, "cache_read_input_tokens": 1000, "output_tokens": 1}
    start = ANTHROPIC.event("message_start", message={"usage": tokens})
    model.answers = [Reply([start, ANTHROPIC.text(GOOD_DRAFT), ANTHROPIC.end("end_turn", (7, 100))])]
    metadata = (await run(provider_of(ANTHROPIC, model))).complete["metadata"]
    assert (metadata["input_tokens"], metadata["output_tokens"]) == (1007, 100)


@dialects
async def test_the_halves_of_a_character_come_together_over_chunks(
    dialect: Dialect, model: ModelServer, run: Any
) -> None:
    before, after = (GOOD_DRAFT.replace("open fires", "open 😀 fires")).split("😀")
    escaped = [dialect.text(before + "\ud83d"), dialect.text("\ude00" + after)]
    raw = [dialect.text(before + "HALF").replace(b"HALF", b"\xf0\x9f"), dialect.text("HALF" + after)]
    raw[1] = raw[1].replace(b"HALF", b"\x98\x80")
    model.answers = [
        stream(dialect, *escaped, dialect.end(dialect.full)),
        stream(dialect, *raw, dialect.end(dialect.full)),
    ]
    for _ in ("escaped", "raw"):
        ran = await run(provider_of(dialect, model))
        assert (ran.output, ran.shown) == (f"{before}😀{after}", f"{before}😀{after}")
        assert ran.complete["metadata"]["warnings"] == []


@dialects
async def test_half_a_character_that_stays_alone_is_replaced_and_told(
    dialect: Dialect, model: ModelServer, run: Any
) -> None:
    before, after = GOOD_DRAFT.split("open fires")
    model.answers = [stream(dialect, dialect.text(f"{before}\ud83d"), dialect.text(after), dialect.end(dialect.full))]
    ran = await run(provider_of(dialect, model))
    assert ran.output == f"{before}\ufffd{after}"
    warning = "1 character of the draft came in part and became “\ufffd”."
    assert ran.complete["metadata"]["warnings"] == [warning]
    assert [line["message"] for line in ran.of("log") if line["level"] == "warning"] == [
        f"{provider_of(dialect, model).title} (a-model): {warning}"
    ]


@pytest.mark.parametrize(
    "pieces", [["<|im_end|>"], ["\n<|eot", "_id|>"], ["</s>"], ["<end_", "of_turn>\n"], ["<|my_e", "nd|>"]]
)
@dialects
async def test_a_mark_of_the_models_own_is_never_shown_and_its_loss_is_told(
    dialect: Dialect, pieces: list[str], model: ModelServer, run: Any
) -> None:
    model.answers = [[GOOD_DRAFT, *pieces]]
    ran = await run(provider_of(dialect, model))
    assert (ran.output, ran.shown.rstrip()) == (GOOD_DRAFT, GOOD_DRAFT.rstrip())
    assert "<" not in json.dumps(ran.of("token") + ran.of("draft"))
    assert f"a mark of the model's own: “{''.join(pieces).strip()}”" in str([line["message"] for line in ran.of("log")])


async def test_a_text_about_marks_may_have_them_in_its_draft(model: ModelServer, run: Any) -> None:
    draft = GOOD_DRAFT.replace("open fires", "<|im_end|>")
    model.answers = [[draft]]
    ran = await run(provider_of(OPENAI, model), LIGHTHOUSES + "\nA turn ends with <|im_end|>.\n")
    assert "im\\_end" in ran.output or "im_end" in ran.output


async def test_a_key_goes_to_no_other_address(model: ModelServer, run: Any) -> None:
    with model_server() as other:
        other.answers = [PIECES]
        for dialect in (OPENAI, ANTHROPIC):
            model.answers = [Reply([], status=307, headers={"location": f"{other.url}/v1/messages"})]
            assert "answered 307: it leads on to" in (await run(provider_of(dialect, model))).error
        assert other.asked == []


async def test_a_wait_is_over_when_the_run_is_cancelled(model: ModelServer, run: Any) -> None:
    model.answers = [Refusal(429, "Slow down", headers={"retry-after": "50"})]
    running = asyncio.create_task(run(provider_of(OPENAI, model)))
    await eventually_async(lambda: bool(model.asked))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert len(model.asked) == 1


async def test_a_server_that_knows_no_option_for_usage_is_asked_without(model: ModelServer, run: Any) -> None:
    model.answers = [Refusal(400, "Unrecognized request argument supplied: stream_options"), PIECES]
    ran = await run(provider_of(OPENAI, model))
    assert ran.output == GOOD_DRAFT
    assert ["stream_options" in asked for asked in model.asked] == [True, False]
    assert "input_tokens" not in ran.complete["metadata"]


THOUGHTS: list[tuple[str, Make]] = [
    ("a field", lambda d: stream(d, d.thought("Let me "), d.thought("think."), d.text(GOOD_DRAFT), d.end(d.full))),
    ("tags", lambda d: ["<thi", "nk>Let me ", "think.</th", "ink>\n\n", GOOD_DRAFT]),
    ("a tag that only closes", lambda d: ["Let me think.\n</think>\n\n", GOOD_DRAFT]),
    ("other tags", lambda d: [f"[THINK]Let me think.[/THINK]{GOOD_DRAFT}"]),
    ("a tag that stays unknown", lambda d: [f"<my_plan>Let me think.</my_plan>\n\n{GOOD_DRAFT}"]),
    ("channels", lambda d: [f"<|channel|>analysis<|message|>Let me think.<|end|><|start|>assistant<|channel|>final"
                            f"<|message|>{GOOD_DRAFT}<|return|>"]),
    ("half a character in it", lambda d: stream(d, d.thought("Let me "), d.thought("think.\ud83d"), d.thought("\ude00"),
                                                d.text(GOOD_DRAFT), d.end(d.full))),
    ("a block of a type", lambda d: stream(d, block(d, {"type": "reasoning", "text": "Let me think."}),
                                           d.text(GOOD_DRAFT), d.end(d.full))),
    ("a field of another name", lambda d: stream(
        d, block(d, {"my_thoughts": "Let me think.", "thought_signature": "x"}), d.text(GOOD_DRAFT), d.end(d.full))),
    ("a field with details", lambda d: stream(
        d, block(d, {"reasoning_details": [{"type": "reasoning.text", "text": "Let me think.", "signature": "x"}]}),
        d.text(GOOD_DRAFT), d.end(d.full))),
    ("two fields that say the same", lambda d: stream(
        d, block(d, {"reasoning": "Let me think.", "reasoning_content": "Let me think."}),
        d.text(GOOD_DRAFT), d.end(d.full))),
    ("a part with a mark", lambda d: stream(d, block(d, {"text": "Let me think.", "thought": True}),
                                            d.text(GOOD_DRAFT), d.end(d.full))),
    ("capitals", lambda d: [f"<Thinking>\nLet me think.\n</Thinking>\n{GOOD_DRAFT}"]),
    (
        "another field",
        lambda d: Reply([OPENAI.chunk({"reasoning": "Let me think."}), OPENAI.text(GOOD_DRAFT), OPENAI.end("stop")]),
    ),
    (
        "blocks",
        lambda d: Reply([OPENAI.chunk({"content": [{"type": "thinking", "thinking": [{"text": "Let me think."}]},
                                                   {"type": "text", "text": GOOD_DRAFT}]}), OPENAI.end("stop")]),
    ),
]  # fmt: skip


def block(dialect: Dialect, delta: JsonObject) -> bytes:
    if dialect is ANTHROPIC:
        return ANTHROPIC.event("content_block_delta", index=0, delta=delta)
    return OPENAI.chunk({"content": [delta]} if "text" in delta else delta)


@pytest.mark.parametrize(("name", "make"), THOUGHTS, ids=[name for name, _ in THOUGHTS])
@dialects
async def test_reasoning_is_told_apart_and_never_part_of_the_draft(
    dialect: Dialect, name: str, make: Make, model: ModelServer, run: Any
) -> None:
    if name in ("another field", "blocks") and dialect is not OPENAI:
        return
    model.answers = [make(dialect)]
    ran = await run(provider_of(dialect, model))
    assert (ran.output, ran.shown, len(model.asked)) == (GOOD_DRAFT, GOOD_DRAFT, 1)
    assert ran.reasoning.strip() == "Let me think." + ("😀" if name == "half a character in it" else "")
    if name not in ("a tag that only closes", "a tag that stays unknown"):
        assert "hink" not in json.dumps(ran.of("token") + ran.of("draft"))


AROUND = [
    ("Sure! Here is the summary:\n\n", ""),
    ("", "\nLet me know if you'd like a shorter version!"),
    ("", "\n\nI hope this helps! If you want, I can also make an outline."),
    ("", " Feel free to ask for changes."),
    ("**Sure, here's a summary:**\n\n", "\n(Word count: 49)"),
    ("", "\n---\nIf you'd like, I can make it shorter. Is there anything else?"),
    ("", "\nGerne passe ich die Länge an, sag mir einfach Bescheid."),
    ("", "\n¿Quieres que lo haga más corto?"),
    ("", "\n---\n\nŽelite li kraću verziju?"),
    ("", "\n***\n\nSlobodno zatražite drugu verziju."),
    ("Evo sažetka:\n\n---\n\n", ""),
    ("<answer>\n", "</answer>"),
    ("", "\nDajcie znać, czy coś zmienić."),
    ("", "\nأخبرني إذا كنت تريد نسخة أقصر."),
    ("```markdown\n", "```"),
    ("Here is the summary:\n\n```md\n", "```\n\nLet me know what you think."),
    ("~~~~\n", "~~~~"),
    ("# Summary\n\n", "\n---\n\n*Word count: 49*"),
    ("Natürlich! Hier ist die Zusammenfassung:\n\n", "\nLass mich wissen, ob du etwas ändern möchtest."),
    ("Bien sûr, voici le résumé :\n\n", "\nN’hésitez pas à me dire si vous voulez une version plus courte."),
    ("¡Claro! Aquí está:\n\n", "\nEspero que esto te ayude."),
    ("好的，以下是摘要：\n\n", "\n如果您需要修改，请告诉我。"),
    ("はい、要約です：\n\n", "\n修正があればお知らせください。"),
]


@pytest.mark.parametrize(("before", "after"), AROUND, ids=[str(number) for number in range(len(AROUND))])
async def test_what_is_said_around_a_draft_is_taken_off(before: str, after: str, model: ModelServer, run: Any) -> None:
    model.answers = [[before + GOOD_DRAFT.rstrip("\n") + ("\n" if not after.startswith(" ") else "") + after]]
    ran = await run(provider_of(OPENAI, model))
    assert (ran.output, len(model.asked)) == (GOOD_DRAFT, 1)
    for words in (before, after):
        if words.strip("\n`~mdarkown"):
            assert any("said around the draft" in line["message"] for line in ran.of("log"))


@pytest.mark.parametrize("talk", ["Sure! Here are the key points:", "Certainly.", "Let me know if you want more."])
async def test_what_is_said_within_a_draft_is_sent_back(talk: str, model: ModelServer, run: Any) -> None:
    model.answers = [[GOOD_DRAFT.replace("## Key points\n", f"## Key points\n\n{talk}\n")], PIECES]
    ran = await run(provider_of(OPENAI, model))
    assert (ran.output, len(model.asked)) == (GOOD_DRAFT, 2)
    assert f"It speaks to whoever asked for it (“{talk}”): leave that out." in str(model.asked[1])


async def test_what_the_text_itself_says_is_no_talk(model: ModelServer, run: Any) -> None:
    draft = GOOD_DRAFT.rstrip() + " Let me know if you want to visit one.\n"
    model.answers = [[draft]]
    text = LIGHTHOUSES + "\nLet me know if you want\nto visit one.\n"
    assert (await run(provider_of(OPENAI, model), text)).output == draft


async def test_the_first_whole_draft_is_shown_as_it_was_written_at_50_percent(model: ModelServer, run: Any) -> None:
    written = GOOD_DRAFT.replace("- ", "* ")
    model.answers = [[written]]
    ran = await run(provider_of(OPENAI, model))
    first, formatted = ran.of("draft")
    assert list(first) == ["event", "stage", "message", "progress", "draft", "t"]
    assert (first["stage"], first["message"], first["progress"], first["draft"]) == (
        "generator", "Written: 49 words", 50, written,
    )  # fmt: skip
    assert (formatted["stage"], formatted["progress"], formatted["draft"]) == ("formatter", 60, GOOD_DRAFT)
    assert ("generator", 50) in [(each["stage"], each["progress"]) for each in ran.of("progress")]
