"""``heatmap doctor``: is what is set up there, and does it work? Each check is one line; all run at once under a deadline.

A check never changes anything and never prints a secret: lines are made of our own words, and run through the redactor of
the logs before anybody sees them.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from redis.exceptions import RedisError

from heatmap_app.auth.checks import check_auth
from heatmap_app.logs import Redact, secrets
from pipelines.cache import redis_client
from pipelines.errors import HeatmapError
from pipelines.outgoing import fault_of
from pipelines.settings import Settings
from pipelines.store.embedded import EmbeddedPostgres
from pipelines.store.facts import skew_words
from pipelines.store.store import Store
from pipelines.store.tables import HEAD

Standing = Literal["ok", "missing", "wrong"]
DEADLINE_S = 30.0
TIGHT_GB, FULL_GB = 5.0, 0.5


@dataclass(frozen=True, slots=True)
class Check:
    """What one check found. ``missing`` is fine where the thing is optional; ``wrong`` is not."""

    name: str
    standing: Standing
    line: str


Ask = Callable[[], Awaitable[Check | list[Check]]]


async def run_checks(settings: Settings, asks: Mapping[str, Ask], done: Callable[[], None]) -> list[Check]:
    """Every check's outcome, in the order of ``asks``; ``done`` is called as each ends."""
    redact = Redact(secrets(settings))
    found = await asyncio.gather(*(_one(name, ask, redact, done) for name, ask in asks.items()))
    return [check for checks in found for check in checks]


async def _one(name: str, ask: Ask, redact: Redact, done: Callable[[], None]) -> list[Check]:
    found: Check | list[Check]
    try:
        async with asyncio.timeout(DEADLINE_S):
            found = await ask()
    except TimeoutError:
        found = Check(
            name, "wrong", f"no answer within {DEADLINE_S:g} s; check that its address can be reached from here"
        )
    except HeatmapError as error:
        found = Check(name, "wrong", str(error))
    except Exception as error:  # noqa: BLE001 - one check that breaks must not take the others along
        found = Check(name, "wrong", f"the check itself failed ({type(error).__name__})")
    finally:
        done()
    checks = found if isinstance(found, list) else [found]
    return [Check(check.name, check.standing, " ".join(redact.text(check.line).split())) for check in checks]


def base_checks(settings: Settings) -> dict[str, Ask]:
    """Database, storage, cache, sign-in, public address."""
    return {
        "database": lambda: asyncio.to_thread(check_database, settings),
        "storage": lambda: asyncio.to_thread(check_storage, settings),
        "cache": lambda: check_cache(settings),
        "sign-in": lambda: asyncio.to_thread(check_sign_in, settings),
        "public address": lambda: asyncio.to_thread(check_public, settings),
    }


def check_database(settings: Settings) -> Check:
    """Reachable, at the right step, its clock right. Raises :class:`StoreError`."""
    url = settings.database_url.get_secret_value()
    own = None if url else EmbeddedPostgres.start(settings.var_path)
    try:
        store = Store.open(url or (own.url if own else ""), settings.effective_mode)
        try:
            return _judge_database(store, "given" if url else "embedded")
        finally:
            store.close()
    finally:
        if own is not None:
            own.stop()


def _judge_database(store: Store, kind: str) -> Check:
    store.ping()
    what = f"{store.server_version()}, {kind}"
    if (skew := skew_words(store.clock_skew())) != "":
        return Check("database", "wrong", skew)
    step = store.schema_step()
    if step is None:
        return Check("database", "ok", f"{what}; schema {store.schema} is made at the first start")
    if step > HEAD:
        return Check(
            "database", "wrong", f"schema {store.schema} is at step {step}, newer than this program; update it"
        )
    if step < HEAD:
        line = f"schema {store.schema} is at step {step} of {HEAD}; run heatmap db upgrade, or just start the server"
        return Check("database", "wrong", line)
    return Check("database", "ok", f"{what}, schema {store.schema} at step {step}")


def check_storage(settings: Settings) -> Check:
    """Room where the embedded database and the recordings lie."""
    place = settings.var_path
    while not place.exists() and place != place.parent:
        place = place.parent
    free = shutil.disk_usage(place).free / 1e9
    if free < FULL_GB:
        return Check("storage", "wrong", f"{free:.1f} GB free; free some space, or keep less (heatmap db prune)")
    hint = "; getting tight" if free < TIGHT_GB else ""
    return Check("storage", "ok", f"{free:.1f} GB free{hint}")


async def check_cache(settings: Settings) -> Check:
    """Redis, where one is set."""
    url = settings.redis_url.get_secret_value()
    if not url:
        return Check(
            "cache", "missing", "in this process; enough for one server. HEATMAP_REDIS_URL shares it among several"
        )
    try:
        client = redis_client(url)
    except ValueError:
        return Check("cache", "wrong", "HEATMAP_REDIS_URL is not a Redis address; write it like redis://host:6379/0")
    try:
        await client.ping()
        info = await client.info("server")
        return Check("cache", "ok", f"Redis {info.get('redis_version', '')} answers")
    except (RedisError, OSError, TimeoutError) as error:
        line = f"Redis does not answer ({type(error).__name__}); sources are asked directly. Check HEATMAP_REDIS_URL"
        return Check("cache", "wrong", line)
    finally:
        await client.aclose()


def check_sign_in(settings: Settings) -> Check:
    """Whether the server would start with this address and sign-in."""
    check_auth(settings)
    if settings.auth.method == "none":
        return Check("sign-in", "ok", "none, and none needed: only this machine reaches the server")
    return Check("sign-in", "ok", f"{settings.auth.method}")


def check_public(settings: Settings) -> Check:
    """The address links in messages lead to."""
    if not settings.public_url:
        line = "links in messages lead to this machine only; set HEATMAP_PUBLIC_URL"
        return Check("public address", "missing", line)
    if (fault := fault_of(settings.public_url)) is not None:
        return Check("public address", "wrong", f"HEATMAP_PUBLIC_URL {fault}")
    return Check("public address", "ok", settings.public_url)
