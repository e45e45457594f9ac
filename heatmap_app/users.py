"""Who asks: the signed-in user of a request, and what a role may do.

Without sign-in (a loopback address) everybody at this machine is the desk, who may do everything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request

Role = Literal["viewer", "editor", "admin"]
RANK: dict[str, int] = {"viewer": 0, "editor": 1, "admin": 2}


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may look, or do more. ``id`` is stable and names the way in, ``name`` is what pages show."""

    id: str
    name: str
    role: Role

    def may(self, role: Role) -> bool:
        """Whether the user has at least ``role``."""
        return RANK[self.role] >= RANK[role]


DESK = User("local", "the desk", "admin")


def user_of(connection: HTTPConnection) -> User:
    """The user behind a request or websocket; 401 where there is none."""
    user = connection.scope.get("state", {}).get("user", DESK)
    if not isinstance(user, User):
        raise HTTPException(401, "Sign in first")
    return user


def require(role: Role) -> Callable[[Request], User]:
    """A FastAPI dependency: the user, who must have at least ``role`` (403 otherwise)."""

    def dependency(request: Request) -> User:
        user = user_of(request)
        if not user.may(role):
            raise HTTPException(403, f"This needs the role {role}; {user.name} is {user.role}")
        return user

    return dependency
