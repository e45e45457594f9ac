"""The users file: ``name:role:hash`` lines, argon2 hashes, and a comparison that takes as long for nobody as for somebody."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import structlog
from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import Argon2Error, InvalidHashError

from heatmap_app.users import RANK, Role, User
from pipelines.errors import InputError, SettingsError
from pipelines.settings import Settings

log = structlog.get_logger(__name__)

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
MIN_LENGTH, MAX_LENGTH = 10, 1000
HASHER = PasswordHasher()
"""argon2id with the library's defaults (RFC 9106, low memory): 64 MiB and some tens of milliseconds an attempt."""


@dataclass(frozen=True, slots=True)
class Account:
    """A line of the file."""

    user: User
    hash: str


@cache
def _dummy() -> str:
    return HASHER.hash("nobody's password")


def hash_password(password: str) -> str:
    """The argon2id hash. Raises :class:`InputError` for one that is too short or too long."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise InputError(f"a password needs {MIN_LENGTH} to {MAX_LENGTH} characters")
    return HASHER.hash(password)


def parse_line(line: str, place: str) -> Account:
    """One ``name:role:hash``. Raises :class:`SettingsError` that names ``place`` and never shows the line."""
    name, _, rest = line.strip().partition(":")
    role, _, hashed = rest.partition(":")
    if not NAME.fullmatch(name):
        raise SettingsError(f"{place}: a user's name is letters, digits and . _ @ + - (the line is name:role:hash)")
    if role not in RANK:
        raise SettingsError(f"{place}: the role is not viewer, editor or admin (the line is name:role:hash)")
    try:
        extract_parameters(hashed)
    except InvalidHashError:
        raise SettingsError(f"{place}: the hash of {name} is not argon2; make one with `heatmap users hash`") from None
    return Account(User(f"user:{name.lower()}", name, _role(role)), hashed)


def _role(text: str) -> Role:
    return "admin" if text == "admin" else "editor" if text == "editor" else "viewer"


class Accounts:
    """The users of settings and file. The file is read again when it changes: a new or removed user counts at once."""

    def __init__(self, lines: Iterable[str], path: Path) -> None:
        self._fixed = _by_id(parse_line(line, "HEATMAP_AUTH__USERS") for line in lines if line.strip())
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._read: dict[str, Account] = {}

    @classmethod
    def of(cls, settings: Settings) -> Accounts:
        """Those of ``settings``. Raises :class:`SettingsError`."""
        return cls([line.get_secret_value() for line in settings.auth.users], users_path(settings))

    def all(self) -> dict[str, Account]:
        """Every account by user id. A file that went wrong later changes nothing.

        Raises :class:`SettingsError` for one that is wrong from the start.
        """
        try:
            found = self._path.stat()
        except FileNotFoundError:
            self._stamp, self._read = None, {}
            return self._fixed
        stamp = (found.st_mtime_ns, found.st_size)
        if stamp != self._stamp:
            try:
                self._read = read_users(self._path)
            except SettingsError as error:
                if self._stamp is None:
                    raise
                log.warning("users file not taken over, the users of before stay", reason=str(error))
            self._stamp = stamp
        return self._fixed | self._read

    def find(self, name: str) -> Account | None:
        """The account of ``name``, whatever its case."""
        return self.all().get(f"user:{name.lower()}")


def check(account: Account | None, password: str) -> bool:
    """Whether ``password`` is right. As slow for an unknown name as for a known one; run it on a worker thread."""
    try:
        HASHER.verify(account.hash if account else _dummy(), password[:MAX_LENGTH])
    except (Argon2Error, InvalidHashError):
        return False
    return account is not None


def users_path(settings: Settings) -> Path:
    """Where the users file lies."""
    path = settings.auth.users_file
    return path if path.is_absolute() else settings.var_path / path


def read_users(path: Path) -> dict[str, Account]:
    """The accounts of a file by user id; none where there is no file. Raises :class:`SettingsError`."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError):
        raise SettingsError(f"auth.users_file: {path.name} cannot be read") from None
    lines = enumerate(text.splitlines(), 1)
    return _by_id(
        parse_line(line, f"{path.name} line {number}") for number, line in lines if line.strip() and line[0] != "#"
    )


def _by_id(accounts: Iterable[Account]) -> dict[str, Account]:
    return {account.user.id: account for account in accounts}


def write_users(path: Path, accounts: Iterable[Account]) -> None:
    """Replace the file in one step, readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".users-")  # made 0600
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.writelines(f"{a.user.name}:{a.user.role}:{a.hash}\n" for a in accounts)
    Path(name).replace(path)
