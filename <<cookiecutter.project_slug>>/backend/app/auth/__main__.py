"""`python -m app.auth`: makes and removes the users who can sign in."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import sys

from app.auth.accounts import AccountError, Accounts
from app.database import Database, DatabaseError
from app.private import keep_private
from app.settings import Settings, SettingsError, load_settings

COMMANDS = {
    "add-user": "make a user; the password is asked for, or read from stdin",
    "set-password": "give a user another password, and sign them out everywhere",
    "remove-user": "remove a user; what is theirs stays, and nobody sees it",
}


def main() -> int:
    """Does one thing to one user; gives the exit code, 2 where it cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m app.auth", description="The users who can sign in (AUTH=jwt).")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in COMMANDS.items():
        commands.add_parser(name, help=text, description=text).add_argument("name", metavar="NAME")
    options = parser.parse_args()
    try:
        password = "" if options.command == "remove-user" else _read_password()
        print(asyncio.run(_run(load_settings(), options.command, options.name, password)))
    except (AccountError, DatabaseError, OSError, SettingsError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


async def _run(settings: Settings, command: str, name: str, password: str) -> str:
    keep_private(settings.data_dir)
    database = Database(settings.database)
    try:
        await database.open()
        accounts = Accounts(database)
        if command == "add-user":
            done, user = "can sign in", await accounts.add(name, password)
        elif command == "set-password":
            done, user = "has another password", await accounts.set_password(name, password)
        else:
            done, user = "is removed", await accounts.remove(name)
    finally:
        await database.close()
    hint = "" if settings.auth == "jwt" else " Nobody is asked to sign in yet: set AUTH=jwt."
    return f"{user.name} {done}.{hint}"


def _read_password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass("Password: ")
    if password != getpass.getpass("Again: "):
        raise AccountError("the two passwords differ: try again")
    return password


if __name__ == "__main__":
    sys.exit(main())
