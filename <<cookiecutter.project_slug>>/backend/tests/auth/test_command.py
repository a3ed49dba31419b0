"""`python -m app.auth`, by which users are made."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from app.settings import Settings
from tests.auth.people import PASSWORD, Person
from tests.support import RunningApp

pytestmark = pytest.mark.server


@pytest.fixture
def command(settings: Callable[..., Settings]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the command; `password` is what it reads."""

    def run(*arguments: str, password: str = PASSWORD, auth: str = "jwt") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "app.auth", *arguments],
            input=f"{password}\n",
            env={**os.environ, "DATA_DIR": str(settings().data_dir), "AUTH": auth},
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


Command = Callable[..., "subprocess.CompletedProcess[str]"]


def test_a_user_that_is_made_can_sign_in_at_once_also_while_the_app_runs(
    command: Command, run_auth: Callable[..., RunningApp], visit: Callable[..., Person]
) -> None:
    running = run_auth()
    made = command("add-user", "Zoë  Müller")
    assert (made.returncode, made.stdout, made.stderr) == (0, "Zoë  Müller can sign in.\n", "")
    assert visit(running, "zoë müller").token


def test_a_new_password_ends_all_sessions(
    command: Command, run_auth: Callable[..., RunningApp], visit: Callable[..., Person]
) -> None:
    ada = visit(run_auth(), "Ada")
    assert command("set-password", "ada", password="another password").stdout == "Ada has another password.\n"
    assert ada.refresh().status_code == 401
    assert ada.sign_in().status_code == 401
    assert ada.sign_in("another password").status_code == 200


def test_a_user_who_is_removed_cannot_come_back(
    command: Command, run_auth: Callable[..., RunningApp], visit: Callable[..., Person]
) -> None:
    ada = visit(run_auth(), "Ada")
    assert command("remove-user", "Ada").stdout == "Ada is removed.\n"
    assert ada.refresh().status_code == 401
    assert ada.sign_in().status_code == 401


@pytest.mark.parametrize(
    ("arguments", "password", "says"),
    [
        (("add-user", "Ada"), "short", "the password has 5 characters: use 8 to 1024 of them"),
        (("add-user", "Ada"), "", "the password has 0 characters"),
        (("add-user", " "), PASSWORD, "' ' is no name for a user"),
        (("add-user", "a\tb"), PASSWORD, "is no name for a user"),
        (("set-password", "Nobody"), PASSWORD, "there is no user 'Nobody'"),
        (("remove-user", "Nobody"), PASSWORD, "there is no user 'Nobody'"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    command: Command, arguments: tuple[str, ...], password: str, says: str
) -> None:
    done = command(*arguments, password=password)
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not done.stdout


def test_a_name_is_taken_once_and_where_nobody_signs_in_it_says_so(command: Command) -> None:
    made = command("add-user", "Ada", auth="none")
    assert made.stdout == "Ada can sign in. Nobody is asked to sign in yet: set AUTH=jwt.\n"
    again = command("add-user", "ADA")
    assert again.returncode == 2
    assert "there is a user 'ADA' already" in again.stderr
