"""The installed package: its imports, its dependencies, and the contents of its wheel."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import streamator

pytestmark = pytest.mark.server

FOLDER = Path(__file__).parents[1]
PACKAGE = FOLDER / "src" / "streamator"
FILES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
MODULES = [file.removesuffix(".py").replace("/", ".").removesuffix(".__init__") for file in FILES]
NEED_AN_EXTRA = {"django", "fastapi", "flask", "metrics"}  # `dynamo` raises at its first use
DEPRECATED = {"redis_url", "viewer", "websocket"}

BLOCK = """
import importlib.abc, sys
class Block(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if {blocked}:
            raise ImportError(f"{{top}} is not installed (blocked by a test)", name=top)
sys.meta_path.insert(0, Block())
"""
# Outside the standard library only streamator, and the finders of editable installs.
STDLIB_ALONE = BLOCK.format(
    blocked="top not in sys.stdlib_module_names and top != 'streamator' and not top.startswith('__editable__')"
)


def python(code: str, *options: str) -> str:
    done = subprocess.run(
        [sys.executable, *options, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def without(*names: str) -> str:
    return BLOCK.format(blocked=f"top in {names!r}")


def test_the_core_imports_the_standard_library_only() -> None:
    core = [name for name in MODULES if name not in NEED_AN_EXTRA | DEPRECATED | {"testing.fixtures"}]
    assert {"log", "follow", "wire", "store", "logger", "emitter", "events", "testing", "stores.remote.store"} < set(
        core
    )
    assert {"asgi", "wsgi", "transports.asgi", "transports.websocket"} < set(core)
    imports = "\n".join(f"import streamator.{name}" for name in core if name != "__init__")
    work = """
from streamator import JobEmitter, open_store
from streamator.testing import collect
import asyncio
with JobEmitter() as job:
    job.log("x")
    job.emit({"event": "y"})
print(len(asyncio.run(collect(open_store(), job.job_id))))
"""
    assert python(f"{STDLIB_ALONE}\n{imports}\n{work}", "-W", "error") == "3"


def test_an_import_has_no_side_effects() -> None:
    code = """
import logging, os, signal, sys, threading, warnings
def state():
    handlers = [signal.getsignal(number) for number in signal.valid_signals()]
    return (
        [t.name for t in threading.enumerate()], handlers, logging.root.handlers[:],
        logging.getLogger("streamator").handlers[:], list(warnings.filters), dict(os.environ), sys.excepthook,
    )
before = state()
import streamator
assert state() == before, (before, state())
from streamator import JobEmitter, JobLogger
with JobLogger() as job:
    job.log("x")
assert [t.name for t in threading.enumerate()] == ["MainThread"]
extras = {"fastapi", "starlette", "dynamorator", "boto3", "botocore", "pytest", "prometheus_client"} & set(sys.modules)
assert not extras, extras
"""
    python(code, "-W", "error")


@pytest.mark.parametrize(
    ("name", "module", "needs"), [("DynamoStore", "dynamo", "boto3"), ("RedisStore", "redis", "redis")]
)
def test_a_remote_store_is_loaded_at_its_first_use(name: str, module: str, needs: str) -> None:
    code = f"""
import sys
import streamator, streamator.store
assert "streamator.stores.{module}" not in sys.modules and "{needs}" not in sys.modules
from streamator.store import {name}
from streamator import {name} as same
assert {name} is same and "streamator.stores.{module}" in sys.modules
assert isinstance({name}, type) and issubclass({name}, streamator.MemoryStore)
"""
    python(code)


@pytest.mark.parametrize("missing", ["dynamorator", "boto3", "botocore"])
def test_without_the_dynamo_extra_its_store_names_what_to_install(missing: str) -> None:
    code = f"""
{without(missing)}
import streamator
from streamator import DynamoStore, StoreError
for make in (lambda: streamator.JobLogger(store="dynamo", table="t"), lambda: DynamoStore("t"),
             lambda: streamator.open_store("dynamo")):
    try:
        make()
    except StoreError as error:
        print(error)
"""
    said = python(code).splitlines()
    assert len(said) == 3
    assert all('pip install "streamator[dynamo]"' in line and missing in line for line in said)


@pytest.mark.parametrize(
    ("module", "missing"),
    [
        ("fastapi", "fastapi"), ("fastapi", "starlette"), ("flask", "flask"), ("flask", "werkzeug"),
        ("metrics", "prometheus_client"),
    ],
)  # fmt: skip
def test_without_its_extra_a_module_names_what_to_install(module: str, missing: str) -> None:
    code = f"""
{without(missing)}
try:
    import streamator.{module}
except ImportError as error:
    print(error)
"""
    said = python(code)
    assert f"streamator[{module}]" in said and missing in said


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    for module in (streamator, streamator.store):
        with pytest.raises(AttributeError, match="nothing"):
            _ = module.nothing


def test_every_public_name_is_there_and_documented() -> None:
    for name in streamator.__all__:
        value = getattr(streamator, name)
        assert value.__doc__, f"{name} has no docstring"
        for member, thing in vars(value).items() if isinstance(value, type) else ():
            if not member.startswith("_") and (callable(thing) or isinstance(thing, property)):
                assert thing.__doc__, f"{name}.{member} has no docstring"


def test_the_wheel_holds_the_package_its_types_and_nothing_else(tmp_path: Path) -> None:
    source = tmp_path / "streamator"  # a copy, because a build leaves files behind
    source.mkdir()
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(FOLDER / name, source)
    shutil.copytree(PACKAGE, source / "src" / "streamator")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--disable-pip-version-check", str(source)]
    subprocess.run([*command, "-w", str(tmp_path)], check=True, timeout=300)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name == f"streamator-{streamator.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        said = archive.read(metadata).decode()
        archive.extractall(tmp_path / "out")
    package = sorted(name.removeprefix("streamator/") for name in names if name.startswith("streamator/"))
    assert package == sorted([*FILES, "py.typed"])
    assert {name.partition("/")[0] for name in names} == {"streamator", metadata.partition("/")[0]}
    needed = [line for line in said.splitlines() if line.startswith("Requires-Dist") and "extra ==" not in line]
    assert needed == []
    assert {"Provides-Extra: fastapi", "Provides-Extra: dynamo"} <= set(said.splitlines())
    # The wheel's contents work alone.
    code = "import streamator; streamator.JobLogger().close(); print(streamator.__file__)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], env={"PYTHONPATH": str(tmp_path / "out")}, capture_output=True, text=True,
        timeout=60, check=True,
    )  # fmt: skip
    assert Path(done.stdout.strip()).is_relative_to(tmp_path)
