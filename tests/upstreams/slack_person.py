"""A person in Slack who presses buttons and submits forms: signed as Slack signs, or forged, stale, repeated."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from slack_sdk.signature import SignatureVerifier

from tests.upstreams.slack import CHANNEL, SECRET, Slack

FIELD = {"users_select": "selected_user", "datetimepicker": "selected_date_time", "plain_text_input": "value"}
FORM = "application/x-www-form-urlencoded"


@dataclass
class Answer:
    """What the product answered, and after how long."""

    status: int
    text: str
    seconds: float

    @property
    def json(self) -> Any:
        return json.loads(self.text or "{}")


class Person:
    """``target``: where the product listens (its ``/slack/events``); empty: by Socket Mode. ``upstream``: the stand-in's
    own address, for answer addresses."""

    def __init__(
        self,
        slack: Slack,
        upstream: str,
        target: str = "",
        secret: str = SECRET,
        user: str = "U0ANA",
        name: str = "Ana",
    ) -> None:
        self._slack, self._upstream, self._target, self._secret = slack, upstream, target, secret
        self.user, self.name = user, name
        self.last: tuple[bytes, dict[str, str]] = (b"", {})

    def press(self, message: Mapping[str, Any], action: str, *, late_s: float = 0.0, **changes: Any) -> Answer:
        """Press the button ``action`` of a message; ``late_s``: how old the trigger is by the time it arrives."""
        payload = self.pressing(message, action, late_s=late_s)
        return self.deliver({**payload, **changes})

    def pressing(self, message: Mapping[str, Any], action: str, *, late_s: float = 0.0) -> dict[str, Any]:
        """What Slack sends for a press."""
        block, element = _button(message, action)
        at = f"{time.time():.6f}"
        container = {"type": "message", "message_ts": message["ts"], "channel_id": CHANNEL, "is_ephemeral": False}
        pressed = {
            "action_id": action, "block_id": block.get("block_id", "b1"), "value": element.get("value", ""),
            "type": "button", "action_ts": at, "text": element["text"],
        }  # fmt: skip
        return {
            "type": "block_actions", "user": self._user(), "api_app_id": "A1", "token": "t",
            "team": {"id": "T1", "domain": "d"}, "container": container, "trigger_id": self._slack.trigger(late_s),
            "channel": {"id": CHANNEL, "name": "alerts"}, "message": dict(message), "actions": [pressed],
            "response_url": f"{self._upstream}{self._slack.answer_path()}",
        }  # fmt: skip

    def submit(self, view: Mapping[str, Any], values: Mapping[str, Any] | None = None) -> Answer:
        """Submit an opened view with what it was filled in with, changed by ``values`` (by block id)."""
        return self.deliver(self.submitting(view, values or {}))

    def submitting(self, view: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
        """What Slack sends for a form; a required field left empty is not let through, as in Slack."""
        state: dict[str, Any] = {}
        for block in view["blocks"]:
            if block["type"] == "input":
                filled = _filled(block["element"], values.get(block["block_id"]))
                if not block.get("optional") and not any(filled.get(key) for key in filled if key != "type"):
                    raise AssertionError(f"Slack asks for {block['block_id']}")
                state[block["block_id"]] = {block["element"]["action_id"]: filled}
        return {
            "type": "view_submission", "user": self._user(), "team": {"id": "T1", "domain": "d"}, "api_app_id": "A1",
            "token": "t", "trigger_id": self._slack.trigger(), "response_urls": [], "is_enterprise_install": False,
            "view": {**view, "state": {"values": state}},
        }  # fmt: skip

    def deliver(self, payload: Mapping[str, Any]) -> Answer:
        """Bring an interaction to the product: signed over HTTP, or through the socket."""
        if not self._target:
            started = time.monotonic()
            answer = self._slack.sockets.send(dict(payload))
            return Answer(200, json.dumps(answer), time.monotonic() - started)
        body = urlencode({"payload": json.dumps(payload)}).encode()
        return self.send(body, self.signed(body))

    def signed(self, body: bytes, *, at: float | None = None, secret: str = "") -> dict[str, str]:
        """The headers Slack would send with ``body``, at another time or with another secret where asked."""
        stamp = str(int(at if at is not None else time.time()))
        try:
            signature = SignatureVerifier(secret or self._secret).generate_signature(timestamp=stamp, body=body)
        except UnicodeDecodeError:  # the library signs text only
            key, signed = (secret or self._secret).encode(), b"v0:" + stamp.encode() + b":" + body
            signature = f"v0={hmac.new(key, signed, hashlib.sha256).hexdigest()}"
        return {"Content-Type": FORM, "X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": str(signature)}

    def retry(self, number: int = 1) -> Answer:
        """Slack's own retry of the last interaction: the same body, signed anew, a second later."""
        body, _ = self.last
        more = {"X-Slack-Retry-Num": str(number), "X-Slack-Retry-Reason": "http_timeout"}
        return self.send(body, {**self.signed(body, at=time.time() + number), **more})

    def replay(self) -> Answer:
        """The last request again, byte for byte."""
        return self.send(*self.last)

    def send(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Post exactly this."""
        self.last = (body, dict(headers))
        request = urllib.request.Request(self._target, body, dict(headers), method="POST")  # noqa: S310 - our own address
        started = time.monotonic()
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:  # noqa: S310 - our own address
                return Answer(reply.status, reply.read().decode(), time.monotonic() - started)
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.read().decode(), time.monotonic() - started)

    def _user(self) -> dict[str, str]:
        return {"id": self.user, "username": self.name.lower(), "name": self.name, "team_id": "T1"}


def _button(message: Mapping[str, Any], action: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    for block in message["blocks"]:
        for element in [*(block.get("elements") or []), block.get("accessory") or {}]:
            if element.get("action_id") == action:
                return block, element
    raise AssertionError(f"the message has no button {action}")


def _filled(element: Mapping[str, Any], value: Any) -> dict[str, Any]:
    """The state of one field: as it was filled in, or changed to ``value`` (for choices: the option values)."""
    kind = element["type"]
    if kind == "checkboxes":
        chosen = element.get("initial_options", []) if value is None else _options(element, value)
        return {"type": kind, "selected_options": chosen}
    if kind in {"radio_buttons", "static_select"}:
        one = element.get("initial_option") if value is None else _options(element, [value])[0]
        return {"type": kind, "selected_option": one}
    first = element.get("initial_value") if kind == "plain_text_input" else element.get("initial_date_time")
    return {"type": kind, FIELD[kind]: first if value is None else value}


def _options(element: Mapping[str, Any], values: list[str]) -> list[Any]:
    return [next(option for option in element["options"] if option["value"] == value) for value in values]
