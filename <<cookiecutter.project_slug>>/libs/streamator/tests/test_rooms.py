"""The rooms of the library: each module is in one, imports go one way, and the public paths are there.

Every import counts, also one within a function or under ``TYPE_CHECKING``.
"""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1]
PACKAGE = FOLDER / "src" / "streamator"

# A room's modules. A package's name means all that is in it, where it is not a room of its own.
ROOMS = {
    "basics": "errors events filters options section loops forks wire tracing ending private_loop",
    "log": "log",
    "follow": "follow",
    "dropped": "dropped",
    "stores": "stores stores.base stores.counts stores.memory stores.registry",
    "remote": "stores.remote",
    "chunks": "stores.chunks",
    "records": "stores.records",
    "dynamo": "stores.dynamo",
    "redis": "stores.redis stores.redis_url",
    "files": "stores.files",
    "jobs": "logger emitter",
    "transports": "transports",
    "doors": "asgi deadletter django fastapi flask metrics shutdown store wsgi",
    "top": "__init__",
    "deprecated": "redis_url viewer websocket",
    "testing": "testing",
}

# Besides itself, and "basics", which all may import.
MAY_IMPORT = {
    "basics": "",
    "log": "",
    "follow": "log",
    "dropped": "log",
    "stores": "log",
    "remote": "log stores dropped",
    "chunks": "log stores remote",
    "records": "log stores remote",
    "dynamo": "log stores remote chunks",
    "redis": "log stores remote records",
    "files": "log stores remote records",
    "jobs": "log stores dropped",
    "transports": "log follow stores",
    "doors": "log follow stores remote dynamo redis files transports",
    "top": "log follow stores dynamo redis files jobs doors",
    "deprecated": "redis transports doors",
    "testing": "log follow dropped stores jobs",
}

PUBLIC = """
streamator:JobLogger streamator:JobEmitter streamator:EventLog streamator:Batch streamator:follow
streamator:open_store streamator:Store streamator:MemoryStore streamator:DynamoStore
streamator:FileStore streamator:RedisStore
streamator:Filter streamator:TypeFilter streamator:VisibilityFilter streamator:event_type streamator:visibility
streamator:InvalidJobId streamator:InvalidStore streamator:JobCancelled streamator:JobExists streamator:StoreError
streamator:StreamatorError
streamator.asgi:SEND_TIMEOUT_SECONDS
streamator.asgi:LogApp streamator.asgi:StreamApp streamator.asgi:WebSocketApp streamator.asgi:route_path
streamator.deadletter:DeadLetterFile streamator.deadletter:default_path streamator.deadletter:main
streamator.django:job_urls streamator.django:log_urls streamator.django:make_stream_response
streamator.emitter:JobEmitter streamator.emitter:start_reaper
streamator.errors:StreamatorError
streamator.events:STEP_STARTED streamator.events:LEVELS streamator.events:STATUSES streamator.events:VISIBILITIES
streamator.fastapi:StreamResponse streamator.fastapi:add_job_routes streamator.fastapi:add_log_routes
streamator.fastapi:end_streams streamator.fastapi:make_stream_response
streamator.filters:DEFAULT_FILTER
streamator.flask:add_log_routes streamator.flask:end_streams streamator.flask:make_stream_response
streamator.log:EventLog
streamator.logger:JobLogger
streamator.metrics:Metrics streamator.metrics:add_metrics_route
streamator.shutdown:end_streams streamator.shutdown:is_ending streamator.shutdown:open_streams
streamator.shutdown:watch_signals
streamator.store:DynamoStore streamator.store:Job streamator.store:MemoryStore streamator.store:RedisStore
streamator.store:Store streamator.store:find_job streamator.store:open_store streamator.store:register_store
streamator.store:stores streamator.store:FileStore
streamator.stores.redis_url:parse_url
streamator.testing:StoreContract streamator.testing:collect streamator.testing.fixtures:streamator_store
streamator.tracing:Headers
streamator.wsgi:EventStream streamator.wsgi:encoder_for streamator.wsgi:find
""".split()

# What switches off a check: its form must be the exact one, and the reason stands behind it on the same line.
SUPPRESSION = re.compile(r"#\s*(noqa|type:\s*ignore|pragma|mypy:|pyright:|ruff:)", re.IGNORECASE)
WITH_REASON = re.compile(r"# (noqa: [A-Z]+\d+|type: ignore\[[a-z-]+(,[a-z-]+)*\]|pragma: [a-z ]+)  # .*\w")

DEPRECATED = """
streamator.redis_url:parse_url streamator.viewer:SEND_TIMEOUT_SECONDS streamator.viewer:route_path
streamator.websocket:WebSocketApp
""".split()


def modules() -> dict[str, Path]:
    """By their names below the package: ``stores.base``, ``log`` for ``log/__init__.py``, ``__init__`` for its own."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)] = path
    return found


MODULES = modules()


def named(node: ast.AST, module: str) -> Iterator[tuple[str, list[str]]]:
    """What an import names of the package: a path below it, and the names that are taken from there."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            top, _, rest = alias.name.partition(".")
            if top == "streamator":
                yield rest, []
    elif isinstance(node, ast.ImportFrom):
        below = (node.module or "").split(".") if node.module else []
        if node.level:
            folder = module.split(".")
            if MODULES[module].name != "__init__.py":
                folder = folder[:-1]
            elif module == "__init__":
                folder = []
            below = folder[: len(folder) - node.level + 1] + below
        elif below[:1] == ["streamator"]:
            below = below[1:]
        else:
            return
        yield ".".join(below), [alias.name for alias in node.names]


def imports(module: str) -> set[str]:
    """The modules of the package that this one imports, wherever in its code."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        for path, names in named(node, module):
            inner = {f"{path}.{name}".lstrip(".") for name in names}
            found |= inner & set(MODULES)
            if not names or inner - set(MODULES):
                found.add(path or "__init__")
    return found - {module}


def room(module: str) -> str:
    """The room of a module, or of the package that it is in."""
    path = module
    while True:
        for name, members in ROOMS.items():
            if path in members.split():
                return name
        path, dot, _ = path.rpartition(".")
        assert dot, f"{module} is in no room: give it one in ROOMS"


def test_each_module_is_in_a_room() -> None:
    assert {room(module) for module in MODULES} == set(ROOMS) == set(MAY_IMPORT)
    there = {member for members in ROOMS.values() for member in members.split()}
    assert there <= set(MODULES), there - set(MODULES)


def test_no_imports_go_in_a_circle() -> None:
    graph = {module: imports(module) for module in MODULES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def test_imports_go_one_way() -> None:
    wrong = []
    for module in MODULES:
        of = room(module)
        allowed = {of, "basics", *MAY_IMPORT[of].split()}
        wrong += [f"{module} ({of}) imports {other}" for other in sorted(imports(module)) if room(other) not in allowed]
    assert not wrong, "\n".join(wrong)


def test_loggers_and_transports_know_no_kind_of_store() -> None:
    for module in MODULES:
        if room(module) in ("jobs", "transports"):
            stores = {other for other in imports(module) if other.startswith("stores")}
            assert stores <= {"stores.base", "stores.memory", "stores.registry"}, module


def test_the_import_of_the_package_loads_no_transport_and_no_door() -> None:
    code = "import sys, streamator; print(*(n for n in sys.modules if n.startswith('streamator.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    loaded = {room(name.removeprefix("streamator.")) for name in done.stdout.split()}
    assert loaded <= {"basics", "log", "follow", "dropped", "stores", "jobs"}, loaded


def test_the_import_of_the_package_gives_the_stores_module_at_its_first_use() -> None:
    code = "import streamator as s; print(s.store.open_store is s.open_store, s.FileStore.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["True", "FileStore"], done.stderr


@pytest.mark.parametrize("path", PUBLIC)
def test_the_public_path_is_there(path: str) -> None:
    module, _, name = path.partition(":")
    assert getattr(importlib.import_module(module), name) is not None


@pytest.mark.parametrize("path", DEPRECATED)
def test_a_deprecated_path_works_and_warns(path: str) -> None:
    module, _, name = path.partition(":")
    sys.modules.pop(module, None)
    with pytest.warns(DeprecationWarning, match=f"{module} is deprecated: import .* from streamator"):
        assert getattr(importlib.import_module(module), name) is not None


@pytest.mark.parametrize("folder", ["src", "tests", "examples"])
def test_each_suppression_says_why(folder: str) -> None:
    bare = []
    for path in (FOLDER / folder).rglob("*.py"):
        with tokenize.open(path) as source:
            for token in tokenize.generate_tokens(source.readline):
                comment = token.string
                if token.type == tokenize.COMMENT and SUPPRESSION.match(comment) and not WITH_REASON.match(comment):
                    bare.append(f"{path.relative_to(FOLDER)}:{token.start[0]}: {comment}")
    assert not bare, "\n".join(bare)
