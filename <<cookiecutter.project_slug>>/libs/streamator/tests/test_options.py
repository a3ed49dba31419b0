"""Every option of every public function and class, found by itself: a value works, or is refused by its option's name.

An option is a parameter with a default. The public modules are those that the README, the pages beside it and the
examples import.
"""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import re
import warnings
from collections.abc import Callable, Iterator
from math import inf, nan
from pathlib import Path
from typing import Any

import django_app  # noqa: F401  # Django's settings
import flask
import pytest
from django.http import HttpRequest
from fastapi import FastAPI

from streamator import EventLog, JobEmitter, JobLogger, MemoryStore, open_store

LIBRARY = Path(__file__).parents[1]
VALUES = [0, -1, nan, inf, -inf, 10**30, 1e300, 1e-300, "", "x", "no", None, True, False, [], object(), b"x"]
# What cannot be told from the signature: an argument for each parameter that has no default.
REQUIRED: dict[str, Callable[[], Any]] = {
    "request": HttpRequest,
    "job_id": lambda: "job", "log": lambda: closed_log(), "event": lambda: {"event": "x"}, "message": lambda: "x",
    "level": lambda: "info", "text": lambda: '{"event":"x"}', "predicate": lambda: bool, "data": lambda: 1,
    "source": lambda: closed_log(), "closed_before": lambda: 0.0, "path": lambda: "letters", "status": lambda: "lost",
    "folder": lambda: "logs",
}  # fmt: skip
# Called or made by the library's own parts, which hand on what was looked at before.
NOT_OPTIONS = {
    ("Batch", "frames"), ("Batch", "last"), ("Batch", "more"), ("main", "arguments"), ("watch", "status"),
    ("watch", "served"), ("start_at", "since"), ("respond", "body"), ("stream", "headers"), ("stream", "background"),
    ("serve", "guard"),
}  # fmt: skip


def closed_log() -> EventLog:
    log = EventLog()
    log.append_log("x", "info")
    log.close()
    return log


def modules() -> list[str]:
    texts = [LIBRARY / "README.md", *LIBRARY.glob("docs/*.md"), *LIBRARY.glob("examples/*.py")]
    pages = "".join(text.read_text() for text in texts)
    named = sorted(set(re.findall(r"^(?:from|import) (streamator(?:\.\w+)?)\b", pages, re.MULTILINE)))
    return [name for name in named if importlib.util.find_spec(name)]


def callables() -> Iterator[tuple[str, Callable[..., Any], Callable[..., Any]]]:
    """A name, what has the signature, and what makes the call."""
    seen: set[Any] = set()
    for module_name in modules():
        module = importlib.import_module(module_name)
        public = getattr(module, "__all__", None) or [name for name in vars(module) if not name.startswith("_")]
        for name in public:
            found = getattr(module, name)
            ours = getattr(found, "__module__", "").startswith(
                "streamator" if hasattr(module, "__all__") else module_name
            )
            if not ours or found in seen or not callable(found) or getattr(found, "_is_protocol", False):
                continue
            seen.add(found)
            if inspect.isclass(found) and (issubclass(found, BaseException) or "Contract" in name):
                continue
            yield f"{module_name}.{name}", found, found
            if inspect.isclass(found):
                for method in dir(found):
                    function = getattr(found, method)
                    ours = inspect.isfunction(function) and function.__module__.startswith("streamator")
                    if ours and not method.startswith("_"):
                        yield f"{module_name}.{name}.{method}", getattr(found, method), method_of(found, method)


def method_of(kind: type, name: str) -> Callable[..., Any]:
    def call(**given: Any) -> Any:
        return getattr(kind(**arguments_of(kind)), name)(**given)

    return call


def options_of(found: Callable[..., Any]) -> Iterator[str]:
    """Also those that a class hands on to the classes it derives from."""
    signatures = [inspect.signature(of) for of in found.__mro__[:-1]] if inspect.isclass(found) else []
    for signature in signatures or [inspect.signature(found)]:
        for name, parameter in signature.parameters.items():
            if parameter.default is not inspect.Parameter.empty:
                yield name


def arguments_of(found: Callable[..., Any]) -> dict[str, Any]:
    module = found.__module__
    given = {}
    for name, parameter in inspect.signature(found).parameters.items():
        positional = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        if name != "self" and positional and parameter.default is parameter.empty:
            app = (lambda: flask.Flask("x")) if module.endswith("flask") else FastAPI
            given[name] = {"app": app, **REQUIRED}[name]()
    return given


def cases() -> list[Any]:
    found = []
    for name, signature_of, call in callables():
        for option in dict.fromkeys(options_of(signature_of)):
            if (name.rpartition(".")[2], option) not in NOT_OPTIONS:
                found.append(pytest.param(signature_of, call, option, id=f"{name}-{option}"))
    return found


def use(made: Any) -> None:
    """What is made does what it is for, and does not spin: a coroutine waits, a store keeps a job, a stream ends."""
    if inspect.iscoroutine(made):
        turns = 0

        async def bounded() -> None:
            nonlocal turns
            task = asyncio.ensure_future(made)
            end = asyncio.get_running_loop().time() + 0.02
            while not task.done() and asyncio.get_running_loop().time() < end:
                await asyncio.sleep(0.005)
                turns += 1
            task.cancel()
            await asyncio.wait([task])

        asyncio.run(bounded())
        assert turns < 10
    elif type(made) is MemoryStore:  # no other: there may be a Redis at the default address
        job = JobLogger(made)
        job.log("x")
        assert open_store(made) is made
    elif isinstance(made, (JobLogger, JobEmitter)):
        made.log("x")
        made.close()


def refusal(call: Callable[..., Any], given: dict[str, Any]) -> Exception | None:
    try:
        with warnings.catch_warnings(), flask.Flask("x").test_request_context():
            warnings.simplefilter("ignore")
            use(call(**given))
    except (ValueError, TypeError) as error:
        return error
    return None


@pytest.mark.parametrize(("signature_of", "call", "option"), cases())
def test_an_option_works_or_is_refused_by_its_name(
    signature_of: Callable[..., Any], call: Callable[..., Any], option: str, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    for value in VALUES:
        refused = refusal(call, {**arguments_of(signature_of), option: value})
        assert refused is None or option in str(refused).replace(" ", "_"), f"{refused!r} does not name {option}"


def test_all_public_options_are_tried() -> None:
    tried = {case.id for case in cases()}
    for name in (
        "streamator.MemoryStore-maxlen", "streamator.RedisStore-lease_seconds", "streamator.DynamoStore-table",
        "streamator.fastapi.add_log_routes-heartbeat", "streamator.flask.add_log_routes-prefix",
        "streamator.asgi.LogApp-heartbeat", "streamator.JobLogger.drain-timeout",
        "streamator.emitter.start_reaper-interval", "streamator.django.log_urls-decorators",
    ):  # fmt: skip
        assert name in tried, sorted(tried)


@pytest.mark.parametrize("heartbeat", [0, -1, nan, inf, "15", None, True, 1e9])
def test_a_heartbeat_near_zero_is_refused_at_the_call(heartbeat: Any) -> None:
    from streamator import follow
    from streamator.asgi import LogApp
    from streamator.fastapi import add_job_routes, add_log_routes, make_stream_response

    for call in (
        lambda: follow(EventLog(), heartbeat=heartbeat), lambda: LogApp(heartbeat=heartbeat),
        lambda: add_log_routes(FastAPI(), heartbeat=heartbeat), lambda: add_job_routes(FastAPI(), heartbeat=heartbeat),
        lambda: make_stream_response("job", heartbeat=heartbeat),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="heartbeat is .*: give a number from 0.01 to 86,400"):
            call()
