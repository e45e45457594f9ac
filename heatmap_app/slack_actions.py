"""Presses and forms from Slack: acknowledge, then one call into ``pipelines.alert.actions``, then tell the person.

The library behind (Bolt) routes; it is built with explicit arguments, since it turns into a multi-workspace app by
itself where certain variables stand in the environment. Store calls block and run in threads.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import structlog
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from heatmap_app.slack_gate import Seen
from heatmap_app.slack_tell import (
    FAILED,
    LATE,
    NOT_ANSWERED,
    NOT_OPENED,
    NOT_SAVED,
    TIMEOUT_S,
    TOO_LONG,
    WIRE,
    Press,
    Teller,
    code_of,
    person_of,
    words_of,
)
from pipelines.alert import actions
from pipelines.alert.modal_forms import (
    AssignForm,
    FormErrors,
    parse_assign,
    parse_card,
    parse_promo,
    with_receipts,
)
from pipelines.alert.modal_pack import pack_view
from pipelines.alert.modals import Origin, View, assign_view, card_view, notice_view, origin_of, promo_view
from pipelines.clock import Clock, SystemClock
from pipelines.errors import InputError, StoreError
from pipelines.outbox import Alert
from pipelines.people import CardForm, Done
from pipelines.settings import Settings
from pipelines.store.store import Store

log = structlog.get_logger(__name__)

FORMS = ("assign", "card", "promo", "pack")
NO_ALERT = "This button belongs to no alert here; the message may come from another installation."
EVERY = re.compile(".*", re.DOTALL)
ENVIRONMENT = (
    "SLACK_CLIENT_ID", "SLACK_CLIENT_SECRET", "SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET", "SLACK_VERIFICATION_TOKEN",
)  # fmt: skip
"""Variables that would change what the library does; ours are all called HEATMAP_."""
Work = Callable[[], Done]


class SlackActions:
    """The six actions. ``changed`` is called after each that changed something: the message and the pages follow."""

    def __init__(
        self, store: Store, settings: Settings, changed: Callable[[], None] = lambda: None, clock: Clock | None = None
    ) -> None:
        self._store, self._settings, self._changed = store, settings, changed
        self._clock = clock or SystemClock()
        slack = settings.slack
        self._client = AsyncWebClient(
            slack.bot_token.get_secret_value(), base_url=slack.url, timeout=TIMEOUT_S, retry_handlers=[]
        )
        self._teller = Teller(self._client, slack)
        self._opened = Seen(600.0, 10_000)
        self.app = self._bolt()

    def _bolt(self) -> AsyncApp:
        slack = self._settings.slack
        token = slack.bot_token.get_secret_value()

        async def authorize(enterprise_id: str | None, team_id: str | None) -> AuthorizeResult:
            return AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id, bot_token=token)

        quiet = logging.getLogger("heatmap.slack.bolt")
        quiet.setLevel(logging.ERROR)
        with _without(ENVIRONMENT):
            app = AsyncApp(
                name="et-heatmap", logger=quiet, signing_secret=slack.signing_secret.get_secret_value(),
                client=AsyncWebClient(base_url=slack.url, timeout=TIMEOUT_S, retry_handlers=[]), authorize=authorize,
                ssl_check_enabled=False, ignoring_self_events_enabled=False,
            )  # fmt: skip
        app.action(EVERY)(self.press)
        app.view(EVERY)(self.submit)
        return app

    async def press(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        """A button: a form opens, or a vote counts. An action that is not ours (a link) is only acknowledged."""
        await ack()
        action = body["actions"][0]
        name, value = str(action.get("action_id")), str(action.get("value") or "")
        if name not in {*FORMS, "useful", "not_useful", "unassign"}:
            return
        container, channel = body.get("container") or {}, body.get("channel") or {}
        number = int(value) if value.isascii() and value.isdigit() and len(value) < 19 else 0
        origin = Origin(
            number, str(channel.get("id") or container.get("channel_id") or ""), str(container.get("message_ts") or "")
        )
        press = Press(
            person_of(body), str(body["user"]["id"]), origin, str(body.get("trigger_id") or ""),
            str(body.get("response_url") or ""),
        )  # fmt: skip
        stamp = f"{press.user}:{action.get('action_ts') or press.trigger}"
        if name in FORMS:
            if self._opened.first(f"{name}:{stamp}"):  # Slack's own retry must not say that the first was too late
                await self._guarded(press, self._open(press, name), NOT_OPENED)
            return
        await self._guarded(press, self._run(press, self._direct(press, name, f"act:{stamp}")), NOT_SAVED)

    def _direct(self, press: Press, name: str, once: str) -> Work:
        """What a button without a form does."""
        by, number, now = press.person, press.origin.alert_id, self._clock.now()
        if name == "unassign":
            return lambda: actions.unassign(self._store, number, by, now, once=once)
        return lambda: actions.vote(self._store, number, by, now, useful=name == "useful", once=once)

    async def _open(self, press: Press, name: str) -> None:
        view = await asyncio.to_thread(self._view, press.origin, name)
        try:
            await self._client.views_open(trigger_id=press.trigger, view=view)
        except SlackApiError as error:
            late = code_of(error) in LATE
            await self._teller.tell(press, TOO_LONG if late else f"Slack did not open it: {words_of(error)}.")
        except WIRE:
            await self._teller.tell(press, NOT_ANSWERED)

    def _view(self, origin: Origin, name: str) -> View:
        """Blocking. Raises :class:`InputError` where there is no such alert."""
        alert = self._alert(origin.alert_id)
        if name == "pack":
            return pack_view(alert, self._settings.public_url)
        if name == "assign":
            return assign_view(origin, alert, actions.activity(self._store, alert.id).assigned)
        return card_view(origin, alert) if name == "card" else promo_view(origin, alert)

    def _alert(self, number: int) -> Alert:
        row = self._store.alert_row(number) if number else None
        if row is None:
            raise InputError(NO_ALERT)
        return Alert(**{name: row[name] for name in Alert.__slots__})

    async def submit(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        """A form: errors stand beside their fields; otherwise it closes at once and the work follows."""
        view = body["view"]
        try:
            origin = origin_of(view.get("private_metadata"))
            form = self._read(str(view["callback_id"]), view["state"]["values"])
        except FormErrors as errors:
            await ack(response_action="errors", errors=errors.fields)
            return
        except InputError as error:
            await ack(response_action="update", view=notice_view(str(error)))
            return
        await ack()
        press = Press(person_of(body), str(body["user"]["id"]), origin, str(body.get("trigger_id") or ""))
        work = self._submitted(press, form, f"view:{view['id']}")
        await self._guarded(press, work, NOT_SAVED)

    def _read(self, callback: str, values: Mapping[str, Any]) -> AssignForm | tuple[CardForm, tuple[int, ...]] | str:
        if callback == "assign":
            return parse_assign(values, self._clock.now())
        if callback == "card":
            return parse_card(values)
        if callback == "promo":
            return parse_promo(values)
        raise InputError("This form is not one of ours; close it.")

    async def _submitted(
        self, press: Press, form: AssignForm | tuple[CardForm, tuple[int, ...]] | str, once: str
    ) -> None:
        store, number, by, now = self._store, press.origin.alert_id, press.person, self._clock.now()
        if isinstance(form, AssignForm):
            who = form.who or await self._name(press, form.who_id)
            work: Work = lambda: actions.assign(  # noqa: E731 - one of three, run in a thread below
                store, number, by, now, who=who, who_id=form.who_id, due=form.due, note=form.note, once=once
            )
        elif isinstance(form, str):
            work = lambda: actions.choose_tease(store, number, by, now, text=form, once=once)  # noqa: E731 - as above
        else:
            card, ticked = form
            posts = bool(self._settings.slack.rundown_url)
            work = lambda: actions.create_card(  # noqa: E731 - as above
                store, number, by, now, with_receipts(card, ticked, self._alert(number)), once=once, rundown=posts
            )
        await self._run(press, work)

    async def _name(self, press: Press, user: str) -> str:
        """A person's name; the bare id where the app may not look it up."""
        if user == press.user:
            return press.person.name
        try:
            found = (await self._client.users_info(user=user)).get("user") or {}
        except (SlackApiError, *WIRE):
            return f"Slack user {user}"
        profile = found.get("profile") or {}
        names = (profile.get("display_name"), profile.get("real_name"), found.get("real_name"), found.get("name"))
        return str(next((name for name in names if name), f"Slack user {user}"))[:100]

    async def _run(self, press: Press, work: Work) -> None:
        done = await asyncio.to_thread(work)
        if not done.repeated:
            self._changed()
            await self._teller.tell(press, done.line)

    async def _guarded(self, press: Press, doing: Any, unsaved: str) -> None:
        """Whatever goes wrong, the person hears of it in words."""
        try:
            await doing
        except InputError as error:
            await self._teller.tell(press, str(error))
        except StoreError as error:
            log.warning("a press in Slack found no database", reason=str(error))
            await self._teller.tell(press, unsaved)
        except Exception:
            log.exception("a press in Slack failed", user=press.user)
            await self._teller.tell(press, FAILED)


@contextmanager
def _without(names: tuple[str, ...]) -> Iterator[None]:
    """The environment without ``names``, for the moment the library is built."""
    kept = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)
