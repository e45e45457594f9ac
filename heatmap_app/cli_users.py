"""``heatmap users ...``: who may sign in by password. A password is typed or read from stdin, never an argument."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from heatmap_app.auth.passwords import NAME, Account, hash_password, read_users, users_path, write_users
from heatmap_app.cli_common import JsonOption, print_json, say, table
from heatmap_app.users import Role, User
from pipelines.errors import InputError
from pipelines.settings import load_settings

users = typer.Typer(help="Users who sign in by password: add, list, remove, hash.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="The name to sign in with.")]


@users.command("hash")
def hash_command() -> None:
    """Print the hash of a password, for HEATMAP_AUTH__USERS."""
    typer.echo(hash_password(_password()))


@users.command("add")
def add(
    name: Name,
    role: Annotated[Role, typer.Option(help="viewer looks, editor also changes things, admin may do all.")] = "viewer",
) -> None:
    """Add a user, or give one a new password and role; counts at once, also on a running server."""
    if not NAME.fullmatch(name):
        raise InputError("NAME: letters, digits and . _ @ + - only, at most 64")
    path = users_path(load_settings())
    found = read_users(path)
    user = User(f"user:{name.lower()}", name, role)
    known = user.id in found
    write_users(path, (found | {user.id: Account(user, hash_password(_password()))}).values())
    say(f"{name} {'has a new password and' if known else 'can sign in and'} is {role}")


@users.command("remove")
def remove(name: Name) -> None:
    """Take a user out; open pages of theirs close within half a minute."""
    path = users_path(load_settings())
    found = read_users(path)
    if found.pop(f"user:{name.lower()}", None) is None:
        raise InputError(f"no user is called {name}; `heatmap users list` shows them")
    write_users(path, found.values())
    say(f"{name} can no longer sign in")


@users.command("list")
def list_users(as_json: JsonOption = False) -> None:
    """Names and roles of the users file."""
    rows = [(account.user.name, account.user.role) for account in read_users(users_path(load_settings())).values()]
    if as_json:
        print_json([{"name": name, "role": role} for name, role in rows])
        return
    table(rows, ("name", "role"))


def _password() -> str:
    """Typed twice on a terminal, else the first line of stdin."""
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    line = sys.stdin.readline()
    if not line:
        raise InputError("no password came on stdin")
    return line.rstrip("\r\n")
