"""Session cookies: signed, expiring, and void once signed out."""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from itsdangerous import BadData, URLSafeTimedSerializer

from heatmap_app.users import RANK, User

MAX_COOKIE = 4000


@dataclass(frozen=True, slots=True)
class Session:
    """A sign-in: who, its own id, and until when (seconds since 1970)."""

    user: User
    sid: str
    until: float


class Sessions:
    """Makes and reads the cookie. ``seconds`` is how long a sign-in lasts; ``ended`` a file of sessions signed out.

    The cookie itself carries the user, signed by HMAC-SHA256, so a sign-in survives a restart. Signing out writes the
    session's id to ``ended`` until it would have expired anyway: a copied cookie is dead too.
    """

    def __init__(self, secret: str, seconds: float, ended: Path) -> None:
        self._serializer = _serializer(secret, "et-session")
        self.seconds = seconds
        self._file = ended
        self._ended = _read(ended)

    def issue(self, user: User) -> str:
        """A cookie value for ``user``, good from now."""
        claims = {"i": user.id, "n": user.name[:80], "r": user.role, "s": secrets.token_urlsafe(12)}
        return str(self._serializer.dumps(claims))

    def read(self, value: str) -> Session | None:
        """The sign-in of a cookie; None when it is not ours, expired, or signed out."""
        if len(value) > MAX_COOKIE:
            return None
        try:
            claims, made = self._serializer.loads(value, max_age=int(self.seconds), return_timestamp=True)
            user = User(str(claims["i"]), str(claims["n"]), claims["r"])
            session = Session(user, str(claims["s"]), made.timestamp() + self.seconds)
        except (BadData, KeyError, TypeError):
            return None
        return None if user.role not in RANK or session.sid in self._ended else session

    def end(self, session: Session) -> None:
        """Sign ``session`` out for good."""
        now = time.time()
        self._ended = {sid: until for sid, until in self._ended.items() if until > now} | {session.sid: session.until}
        self._file.parent.mkdir(parents=True, exist_ok=True)
        part = self._file.with_suffix(".part")
        part.write_text("".join(f"{sid} {until:.0f}\n" for sid, until in self._ended.items()), encoding="ascii")
        part.replace(self._file)


class Sealed:
    """Small signed values for one purpose, such as the state of a sign-in under way."""

    def __init__(self, secret: str, purpose: str, seconds: int) -> None:
        self._serializer, self.seconds = _serializer(secret, purpose), seconds

    def seal(self, value: Any) -> str:
        """``value`` as signed text."""
        return str(self._serializer.dumps(value))

    def open(self, text: str) -> Any:
        """The value, or None when it is not ours or too old."""
        try:
            return self._serializer.loads(text, max_age=self.seconds) if len(text) <= MAX_COOKIE else None
        except BadData:
            return None


def _serializer(secret: str, purpose: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(
        secret, salt=purpose, signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256}
    )


def _read(path: Path) -> dict[str, float]:
    try:
        rows = [line.split(" ") for line in path.read_text(encoding="ascii").splitlines()]
        return {sid: float(until) for sid, until in rows}
    except (OSError, ValueError):
        return {}
