"""The six actions from Slack's side: real signatures in, real Bolt and store behind, a Slack that keeps its own rules.

Names carry the number of the fault they are about.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from heatmap_app import slack_tell
from pipelines.alert import actions
from pipelines.store import Store
from tests.contract.slack_desk import HTTP, PUBLIC, SOCKET, TEASES, SlackDesk, slack_desk
from tests.upstreams import slack as standin
from tests.upstreams.server import reset, silence


@pytest.fixture
def desk(embedded_store: Store) -> Iterator[SlackDesk]:
    with slack_desk(embedded_store, **HTTP) as made:
        yield made


def test_assign_by_name_and_undo(desk: SlackDesk) -> None:
    message = desk.alert()
    view = desk.opened(message, "assign")
    answer = desk.ana.submit(view, {"name": "Sam Rook", "due": int(time.time()) + 3600, "note": "call the agent"})
    assert (answer.status, answer.text) == (200, "")
    assert answer.seconds < 3
    assert desk.told()[0].startswith("Assigned to Sam Rook by Ana, ")
    number = int(message["blocks"][-3]["elements"][0]["value"])
    state = actions.activity(desk.store, number)
    assert state.assigned is not None
    assert (state.assigned.who, state.assigned.note, state.assigned.by.id) == (
        "Sam Rook",
        "call the agent",
        "slack:U0ANA",
    )
    assert state.assigned.due is not None
    assert desk.wakes
    undo = {
        "action_id": "unassign",
        "block_id": "et_assigned",
        "type": "button",
        "value": str(number),
        "action_ts": "1.1",
    }
    assert desk.ana.press(message, "useful", actions=[undo]).status == 200
    assert desk.told(2)[1].startswith("Taken back from Sam Rook by Ana")
    assert actions.activity(desk.store, number).assigned is None


@pytest.mark.parametrize(("picked", "scope", "name"), [
    ("U0SAM", True, "Sam"), ("U0ANA", True, "Ana"), ("U0SAM", False, "Slack user U0SAM"), ("U0GONE", True, "Slack user U0GONE"),
])  # fmt: skip
def test_assign_to_somebody_in_slack(desk: SlackDesk, picked: str, scope: bool, name: str) -> None:
    message = desk.alert()
    if not scope:
        desk.slack.scopes.discard("users:read")
    desk.ana.submit(desk.opened(message, "assign"), {"who": picked})
    desk.told()
    assert desk.rows("SELECT who, who_id FROM assignment") == [(name, picked)]


def test_what_is_wrong_stands_beside_its_field(desk: SlackDesk) -> None:
    message = desk.alert()
    view = desk.opened(message, "assign")
    answer = desk.ana.submit(view, {"due": int(time.time()) - 60})
    assert answer.json["response_action"] == "errors"
    assert set(answer.json["errors"]) == {"who", "due"}
    card = desk.opened(message, "card")
    errors = desk.ana.submit(card, {"slug": "not/a slug", "length": "1:75", "hook": "x" * 281}).json["errors"]
    assert set(errors) == {"slug", "length", "hook"}
    promo = desk.opened(message, "promo")
    errors = desk.ana.submit(promo, {"which": "1", "line1": "word " * 16}).json["errors"]
    assert errors == {"line1": "Has 16 words; at most 15 fit"}
    desk.quiet()
    assert [desk.count(table) for table in ("assignment", "card", "promo")] == [0, 0, 0]


def test_a_card_is_filled_in_and_stored(desk: SlackDesk) -> None:
    view = desk.opened(desk.alert(), "card")
    assert [block["block_id"] for block in view["blocks"][1:]] == ["slug", "segment", "length", "hook", "receipts"]
    assert desk.ana.submit(view, {"length": "1:30", "receipts": ["0", "2"]}).status == 200
    assert "kept" in desk.told()[0]
    ((slug, length, hook, receipts),) = desk.rows("SELECT slug, length_s, hook, receipts FROM card")
    assert (slug, length) == ("odalys-brightwater", 90)
    assert hook == "Posts about a walk-off have climbed since 11:20."
    assert receipts == ["https://reddit.example/1", "https://tiktok.example/1"]


def test_a_tease_is_chosen_and_edited(desk: SlackDesk) -> None:
    message = desk.alert()
    view = desk.opened(message, "promo")
    labels = [block["label"]["text"] for block in view["blocks"] if block["type"] == "input"]
    assert labels[1] == "Line 1 (5 words, 24 characters)"
    desk.ana.submit(view, {"which": "2", "line2": f"{TEASES[2]} Tonight."})
    assert "thread" in desk.told()[0]
    assert desk.rows("SELECT text, state FROM promo") == [(f"{TEASES[2]} Tonight.", "pending")]


def test_the_pack_opens_and_links_home(desk: SlackDesk) -> None:
    view = desk.opened(desk.alert(), "pack")
    assert f"{PUBLIC}/research/odalys-brightwater" in standin.links(view)
    shown = str(view["blocks"])
    assert all(word in shown for word in ("The walk-off", "Kit Marlow", TEASES[1], "Clip of the set", "Unconfirmed"))
    assert "submit" not in view


def test_votes_count_once_a_person_and_may_change(desk: SlackDesk) -> None:
    message = desk.alert()
    desk.ana.press(message, "useful")
    desk.person(user="U0SAM", name="Sam").press(message, "not_useful")
    desk.told(2)
    desk.ana.press(message, "not_useful")
    desk.told(3)
    assert desk.rows("SELECT voter, useful FROM vote ORDER BY voter") == [
        ("slack:U0ANA", False),
        ("slack:U0SAM", False),
    ]


def test_an_action_that_is_not_ours_is_only_acknowledged(desk: SlackDesk) -> None:
    message = desk.alert()
    link = {"action_id": "open-elsewhere", "block_id": "b", "type": "button", "action_ts": "1.2"}
    answer = desk.ana.press(message, "useful", actions=[link])
    assert (answer.status, answer.text) == (200, "")


@pytest.mark.parametrize("retried", ["useful", "assign", "submit"])
def test_s8_slacks_own_retry_has_one_effect(desk: SlackDesk, retried: str) -> None:
    message, ana = desk.alert(), desk.ana
    if retried == "submit":
        view = desk.opened(message, "assign", ana)
        ana.submit(view, {"name": "Sam"})
    else:
        ana.press(message, retried)
    assert [ana.retry(number).status for number in (1, 2, 3)] == [200, 200, 200]
    desk.quiet(0.5)
    assert (len(desk.slack.views), len(desk.slack.told())) == (
        (0, 1) if retried == "useful" else (1, int(retried == "submit"))
    )
    assert desk.rows("SELECT version FROM alert") == [(0 if retried == "assign" else 1,)]


@pytest.mark.parametrize("form", ["assign", "card", "promo"])
def test_s8_a_double_click_has_one_effect(desk: SlackDesk, form: str) -> None:
    message = desk.alert()
    view = desk.opened(message, form)
    values = {"name": "Sam"} if form == "assign" else {}
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: desk.ana.submit(view, values).status, range(4)))
    assert set(answers) == {200}
    desk.told()
    desk.quiet()
    assert desk.count({"assign": "assignment"}.get(form, form)) == 1
    assert len(desk.slack.told()) == 1


def test_s9_a_trigger_that_is_too_old_is_said_to_be(desk: SlackDesk) -> None:
    message = desk.alert()
    assert desk.ana.press(message, "assign", late_s=4).status == 200
    assert desk.told() == [slack_tell.TOO_LONG]
    assert desk.slack.answers[0]["response_type"] == "ephemeral"
    assert desk.slack.answers[0]["replace_original"] is False


def test_s9_without_an_answer_address_it_is_said_in_the_channel(desk: SlackDesk) -> None:
    message = desk.alert()
    desk.ana.press(message, "card", late_s=4, response_url="https://evil.example/collect")
    assert desk.told() == [slack_tell.TOO_LONG]
    assert desk.slack.whispers[0]["user"] == "U0ANA"


def test_a_missing_permission_is_named_with_who_can_add_it(desk: SlackDesk) -> None:
    message = desk.alert()
    desk.slack.refusals["views.open"] = {"error": "missing_scope", "needed": "chat:write"}
    desk.ana.press(message, "assign")
    (line,) = desk.told()
    assert "chat:write" in line
    assert "api.slack.com/apps" in line


@pytest.mark.parametrize("trouble", ["archived", "scope"])
def test_what_slack_cannot_show_is_said_in_a_window(desk: SlackDesk, trouble: str) -> None:
    message = desk.alert()
    view = desk.opened(message, "assign")
    if trouble == "archived":
        desk.slack.archived = True
    else:
        desk.slack.scopes.discard("chat:write")
    desk.ana.submit(view, {"name": "Sam"})
    desk.until(lambda: len(desk.slack.views) == 2)
    (block,) = desk.slack.views[1]["blocks"]
    assert block["text"]["text"].startswith("Assigned to Sam by Ana")
    assert ("archived" if trouble == "archived" else "chat:write") in block["text"]["text"]
    assert desk.count("assignment") == 1


@pytest.mark.parametrize("value", ["999999", "", "not a number", "9" * 40, "٣"])
def test_a_button_of_no_alert_says_so(desk: SlackDesk, value: str) -> None:
    message = desk.alert()
    action = {"action_id": "card", "block_id": "b", "type": "button", "value": value, "action_ts": "1.3"}
    desk.ana.press(message, "useful", actions=[action])
    assert desk.told()[0].startswith("This button belongs to no alert here")


def test_a_form_of_no_alert_says_so_and_stays(desk: SlackDesk) -> None:
    view = desk.opened(desk.alert(), "assign")
    for private in ("", "{}", "[1]", "x" * 3000, '{"alert": "one"}', "null"):
        answer = desk.ana.submit({**view, "private_metadata": private}, {"name": "Sam"})
        assert answer.json["response_action"] == "update"
        assert standin.check_view(answer.json["view"]) == ""
    desk.ana.submit({**view, "private_metadata": '{"alert": 999999, "channel": "C0ALERTS"}'}, {"name": "Sam"})
    assert "no alert 999999" in desk.told()[0]
    assert desk.count("assignment") == 0


@pytest.mark.parametrize("what", ["press", "form", "open"])
def test_without_the_database_the_person_is_told_and_nothing_fails(desk: SlackDesk, what: str) -> None:
    message = desk.alert()
    view = desk.opened(message, "assign")
    with desk.store._db.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE alert RENAME TO alert_gone")
        connection.exec_driver_sql("ALTER TABLE once RENAME TO once_gone")
    try:
        if what == "form":
            answer = desk.ana.submit(view, {"name": "Sam"})
        else:
            answer = desk.ana.press(message, "useful" if what == "press" else "card")
        assert answer.status == 200
        assert desk.told() == [slack_tell.NOT_OPENED if what == "open" else slack_tell.NOT_SAVED]
    finally:
        with desk.store._db.writing() as connection:
            connection.exec_driver_sql("ALTER TABLE alert_gone RENAME TO alert")
            connection.exec_driver_sql("ALTER TABLE once_gone RENAME TO once")


@pytest.mark.parametrize("fault", ["reset", "silence"])
def test_a_slack_that_does_not_answer_is_no_silence_for_the_person(desk: SlackDesk, fault: str) -> None:
    message = desk.alert()
    desk.upstream.plan("views.open", reset() if fault == "reset" else silence(0.3))
    desk.ana.press(message, "pack")
    assert desk.told() == [slack_tell.NOT_ANSWERED]
    assert len(desk.upstream.requests("views.open")) == 1


def test_s11_a_hostile_story_pings_nobody_and_links_nowhere(desk: SlackDesk) -> None:
    nasty = "<!channel> *x* <https://evil|bank> <@U0SAM> &amp; :fire: `a`"
    row = {
        "source": nasty,
        "title": nasty * 50,
        "url": "https://example.org/>|<!here>",
        "at": "2026-01-01T00:00:00+00:00",
    }
    package = {"hook": nasty, "teases": [nasty] * 3, "push": nasty, "social": nasty * 9, "lower_third": [nasty],
               "asset_cues": [nasty] * 99, "booking_brief": {"angles": [nasty] * 99, "related": [nasty] * 99},
               "careful": True}  # fmt: skip
    message = desk.alert(name=nasty, slug=nasty, hook=nasty, receipts=[row] * 30, package=package)
    views = [desk.opened(message, action) for action in ("assign", "card", "promo", "pack")]
    desk.person(name=nasty).submit(views[0], {"name": nasty, "note": nasty})
    line = desk.told()[0]
    assert "<!channel>" in line  # as plain text: that is what it says
    for shown in [message, *views, *desk.slack.whispers, *desk.slack.answers]:
        assert standin.pings(shown) == []
        assert all(link.startswith((f"{PUBLIC}/", "https://example.org/")) for link in standin.links(shown))


def test_socket_mode_presses_submits_and_comes_back(embedded_store: Store) -> None:
    with slack_desk(embedded_store, **SOCKET) as desk:
        desk.slack.sockets.wait()
        message = desk.alert()
        view = desk.opened(message, "assign")
        assert desk.ana.submit(view, {"due": 1}).json["response_action"] == "errors"
        assert desk.ana.submit(view, {"name": "Sam"}).json == {}
        assert desk.told()[0].startswith("Assigned to Sam")
        desk.until(lambda: desk.app.state.startswith("Socket Mode: connected since"))
        desk.slack.sockets.cut()
        desk.slack.sockets.wait(connections=2)
        desk.ana.press(message, "useful")
        assert desk.told(2)[1].startswith("Voted useful by Ana")
        assert desk.ana.deliver(desk.ana.submitting(view, {"name": "Sam"})).status == 200
        assert desk.count("assignment") == 1


def test_socket_mode_says_what_is_wrong_with_its_token(embedded_store: Store) -> None:
    with slack_desk(embedded_store, app_token="xapp-other") as desk:
        desk.until(lambda: "the app token was refused" in desk.app.state)
        assert "HEATMAP_SLACK__APP_TOKEN" in desk.app.state


def test_the_librarys_own_variables_change_nothing(embedded_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLACK_CLIENT_ID", "SLACK_CLIENT_SECRET", "SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET"):
        monkeypatch.setenv(name, "something else")
    with slack_desk(embedded_store, **HTTP) as desk:
        assert desk.app.actions is not None
        assert desk.app.actions.app.oauth_flow is None
        desk.opened(desk.alert(), "assign")
