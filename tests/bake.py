"""Bakes a project out of this working tree: what git tracks, plus new files that it does not ignore.

    python tests/bake.py build/project [name=value ...]

cookiecutter copies whatever lies in the template folder, an installed node_modules too, so the tree is first
copied by git's own list. A project that is there already is brought up to date file by file: what is in it
stays, and files that did not change keep their times, so that `make` installs nothing again.
"""

from __future__ import annotations

import filecmp
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cookiecutter.main import cookiecutter

REPOSITORY = Path(__file__).resolve().parent.parent
TEMPLATE = "<<cookiecutter.project_slug>>"


def keep_bytecode_apart() -> None:
    """Has every Python that is started from here keep what it compiled in build/pycache, whatever its defaults.

    Without it, each of the hundreds of servers that the tests start would compile all its sources first, which doubles
    the time of the whole; beside the sources it would be in the projects that the tests compare.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(REPOSITORY / "build" / "pycache")


def template_files() -> list[str]:
    """Gives the paths (from the repository) of all files that belong to it: tracked, or new, not ignored."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        text=True,
    )
    names = sorted(set(listing.stdout.split("\0")) - {""})
    return [name for name in names if (REPOSITORY / name).is_file()]  # a deletion may not be committed yet


def copy_repository(target: Path) -> Path:
    """Copies the files of the repository to `target`, with their modes, and gives it."""
    for name in template_files():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPOSITORY / name, target / name)
    return target


def bake(template: Path | str, output: Path, **answers: str) -> Path:
    """Bakes a project into the folder `output` without asking, and gives the project's folder.

    The user's own configuration of cookiecutter, which may hold other defaults, is used only if
    COOKIECUTTER_CONFIG names it.
    """
    result = cookiecutter(
        str(template),
        no_input=True,
        extra_context=answers,
        output_dir=str(output),
        default_config="COOKIECUTTER_CONFIG" not in os.environ,
    )
    return Path(result)


def sync(fresh: Path, target: Path, manifest: Path) -> None:
    """Makes `target` equal to `fresh` in all files that a bake wrote, now or the last time (`manifest`)."""
    names = sorted(str(path.relative_to(fresh)) for path in fresh.rglob("*") if path.is_file())
    before = json.loads(manifest.read_text()) if manifest.is_file() else []
    for name in set(before) - set(names):
        (target / name).unlink(missing_ok=True)
    for name in names:
        source, copy = fresh / name, target / name
        if copy.is_file() and filecmp.cmp(source, copy, shallow=False):
            shutil.copymode(source, copy)
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, copy)
    manifest.write_text(json.dumps(names))


@contextmanager
def next_steps_hidden() -> Iterator[None]:
    """Keeps what the hook prints from stdout: its "Next: cd ..." does not fit a bake into build/."""
    sys.stdout.flush()
    kept = os.dup(1)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def main(arguments: list[str]) -> int:
    """Bakes to the folder that is the first argument; the others are answers, as name=value."""
    target = Path(arguments[0]).resolve()
    answers = dict(argument.split("=", 1) for argument in arguments[1:])
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        template = copy_repository(Path(folder) / "template")
        with next_steps_hidden():
            fresh = bake(template, Path(folder) / "output", **answers)
        sync(fresh, target, target.parent / f".{target.name}.manifest.json")
    # A repository of its own, as a user's project is: linters obey .gitignore, and this one's ignores build/.
    subprocess.run(["git", "init", "--quiet", str(target)], check=True)
    print(f"Baked {target.relative_to(Path.cwd()) if target.is_relative_to(Path.cwd()) else target}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
