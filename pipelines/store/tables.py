"""The tables, for the queries that are built in Python. ``migrations/`` makes them; a test holds the two together.

Live, demo and replay data lie in schemas of the same shape; the connection's search path says which.
Times are ``timestamptz``. What each table is for stands beside it.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

HEAD = "0005"
"""The newest revision; a test holds it against ``migrations/versions``."""

metadata = MetaData()


def _time(name: str, *, null: bool = False, key: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=null, primary_key=key)


def _text(name: str, *, null: bool = False, key: bool = False) -> Column[str]:
    return Column(name, Text, nullable=null, primary_key=key)


def _float(name: str, *, null: bool = True) -> Column[float]:
    return Column(name, Double, nullable=null)


def _json(name: str, *, null: bool = True) -> Column[object]:
    return Column(name, JSONB, nullable=null)


def _id(name: str, *, key: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=False, primary_key=key, autoincrement=False)


source_kind = Table("source_kind", metadata, _text("source", key=True), _text("kind"))
"""How each source's items fall into hours, as of the last save."""

item = Table(
    "item", metadata,
    _text("source", key=True), _text("item_id", key=True), _text("feed"), _text("title"), _text("url", null=True),
    _time("published_at", null=True), _time("first_observed"), _time("last_observed"), _float("engagement"),
    Column("rank", Integer), Column("list_length", Integer), _float("sentiment"), _json("context"), _json("names"),
    Index("item_last_observed", "last_observed"),
)  # fmt: skip
"""One row per thing a source showed; ``published_at`` never changes once stored."""

sighting = Table(
    "sighting", metadata,
    _text("source", key=True), _text("item_id", key=True), _time("seen_at", key=True), _float("engagement"),
    Column("rank", Integer), Column("list_length", Integer),
    Index("sighting_seen_at", "seen_at"),
)  # fmt: skip
"""Every sighting of an item of a level source."""

mention = Table(
    "mention", metadata,
    _text("source", key=True), _text("item_id", key=True), _id("entity_id", key=True), _text("matched"), _text("via"),
    _time("first_observed"), _time("at"),
    Index("mention_entity_at", "entity_id", "at"), Index("mention_at", "at"),
)  # fmt: skip
"""One (item, entity) pair. ``entity_id`` is the original entity: merges are resolved when read. ``at`` is the item's
own time (publication where known, else first observed)."""

candidate = Table(
    "candidate", metadata,
    _text("source", key=True), _text("item_id", key=True), _text("canonical", key=True), _text("name"), _text("via"),
    _time("at"), _time("last_at"),
    Index("candidate_canonical", "canonical"), Index("candidate_last_at", "last_at"),
)  # fmt: skip
"""Names no entity owns; ``at`` when the item was first observed, ``last_at`` when last."""

entity = Table(
    "entity", metadata,
    Column("id", BigInteger, primary_key=True), _text("slug"), _text("name"), _text("kind"), _text("domain"),
    _text("domain_by"), _text("origin"), Column("muted", Boolean, nullable=False, server_default=text("false")),
    Column("merged_into", BigInteger), _time("first_seen", null=True), _json("provenance", null=False),
    _time("created_at"),
    UniqueConstraint("slug", name="entity_slug_key"),
    Index("entity_merged_into", "merged_into", postgresql_where=text("merged_into IS NOT NULL")),
)  # fmt: skip

alias = Table(
    "alias", metadata,
    _text("canonical", key=True), _id("entity_id", key=True), _text("display"),
    Column("needs_second_sign", Boolean, nullable=False, server_default=text("false")), _text("origin"),
    Index("alias_entity_id", "entity_id"),
)  # fmt: skip
"""What an entity answers to; ``entity_id`` is the original entity."""

domain_evidence = Table(
    "domain_evidence", metadata,
    _id("entity_id", key=True), _text("kind", key=True), _text("domain", key=True), _float("weight", null=False),
    _text("detail"), _time("at"),
)  # fmt: skip

poll = Table(
    "poll", metadata,
    Column("id", BigInteger, primary_key=True), _text("source"), _time("at"), _text("outcome"),
    Column("items", Integer, nullable=False), Column("new_items", Integer, nullable=False),
    Column("rejected", Integer, nullable=False), Column("requests", Integer, nullable=False),
    Column("http_status", Integer), Column("bytes", BigInteger, nullable=False), Column("ms", Integer, nullable=False),
    _text("detail"), _time("covered_from", null=True), _float("retry_after_s"), _json("feeds", null=False),
    Column("kind", Text, nullable=False, server_default=text("''")),
    Column("request_id", Text, nullable=False, server_default=text("''")),
    UniqueConstraint("source", "at", name="poll_source_at_key"), Index("poll_at", "at"),
)  # fmt: skip
"""The fetch audit: one row per attempt to poll a source."""

coverage = Table("coverage", metadata, _text("source", key=True), _time("hour", key=True))
"""The clock hours in which a source was looked at."""

hourly = Table(
    "hourly", metadata,
    _id("entity_id", key=True), _text("source", key=True), _time("hour", key=True), _float("volume", null=False),
    Column("mentions", Integer, nullable=False), _time("last_at"),
    Index("hourly_hour", "hour"),
)  # fmt: skip
"""Volume per clock hour (SCORING 1), for timelines; recomputed for the hours a save touches."""

score_poll = Table(
    "score_poll", metadata,
    Column("id", BigInteger, primary_key=True), _time("at"), _time("stored_at"),
    Column("counted", Boolean, nullable=False), _text("method"), _text("combine"), _json("healthy", null=False),
    _json("enabled", null=False), Column("ms", Integer, nullable=False),
    UniqueConstraint("at", name="score_poll_at_key"),
)  # fmt: skip

score = Table(
    "score", metadata,
    _id("poll_id", key=True), _id("entity_id", key=True), Column("rank", Integer, nullable=False),
    _float("velocity_z"), Column("spread_count", SmallInteger, nullable=False), _float("affect"), _float("raw"),
    _float("heat"), _time("peak_at", null=True), _float("hours_since_peak"), _float("confidence"),
    Column("passes", Boolean, nullable=False), Column("persistence", Boolean, nullable=False),
    Column("eligible", Boolean, nullable=False), _json("parts", null=False), _json("platforms", null=False),
    Index("score_entity_id", "entity_id", "poll_id"),
)  # fmt: skip
"""Scores per poll with their parts. Older polls keep only the names near the top and those that were moving."""

score_hour = Table(
    "score_hour", metadata,
    _id("entity_id", key=True), _time("hour", key=True), _float("heat"), _float("raw"), _float("velocity_z"),
    Column("spread_count", SmallInteger), _float("affect"),
    Index("score_hour_hour", "hour"),
)  # fmt: skip
"""The score at the end of the clock hour that starts at ``hour``."""

merge_suggestion = Table(
    "merge_suggestion", metadata,
    _id("a", key=True), _id("b", key=True), _float("score", null=False), _text("reason"), _time("at"),
)  # fmt: skip

audit = Table(
    "audit", metadata,
    Column("id", BigInteger, primary_key=True), _time("at"), _text("actor"), _text("action"), _text("subject"),
    _json("detail", null=False),
    Index("audit_at", "at"),
)  # fmt: skip
"""What people changed; never pruned."""

source_state = Table(
    "source_state", metadata, _text("key", key=True), _json("value", null=False), _time("updated_at")
)  # fmt: skip
"""What an adapter remembers between polls (ETags, last good runs, spend)."""

decision = Table(
    "decision", metadata,
    _id("poll_id", key=True), _id("entity_id", key=True), _time("at"), _text("outcome"), _text("reason"),
    _text("sentence"), _float("velocity_z"), Column("spread_count", SmallInteger), _float("affect"), _float("heat"),
    _float("confidence"), _time("trades_at", null=True), _time("started_at", null=True),
    Index("decision_entity_at", "entity_id", "at"), Index("decision_at", "at"),
)  # fmt: skip
"""Why a name did or did not alert in a scoring poll; every name that reached the velocity gate or has an open episode."""

episode = Table(
    "episode", metadata,
    _id("entity_id", key=True), Column("open", Boolean, nullable=False), _time("started_at"),
    Column("below", Integer, nullable=False), Column("alerted", Boolean, nullable=False),
    _time("alerted_at", null=True), _float("alerted_heat"),
)  # fmt: skip
"""Where each name's episode stands; the last one stays while its alert's cool-down lasts."""

alert = Table(
    "alert", metadata,
    Column("id", BigInteger, primary_key=True), _text("dedup_key"), _id("entity_id"), _time("at"),
    _float("heat", null=False), _float("velocity_z", null=False), Column("spread_count", SmallInteger, nullable=False),
    _float("affect", null=False), _float("confidence", null=False), _text("why"), _json("payload", null=False),
    _text("state"), Column("version", Integer, nullable=False, server_default=text("0")),
    UniqueConstraint("dedup_key", name="alert_dedup_key_key"), Index("alert_at", "at"),
    Index("alert_entity_at", "entity_id", "at"),
)  # fmt: skip
"""``payload`` is what the message is made of. ``state`` is open, or source_fault where a person marked it so.
``version`` counts what people did with it: what a sent message has to show."""

delivery = Table(
    "delivery", metadata,
    _id("alert_id", key=True), _text("channel", key=True), _text("state"), Column("attempt", Integer, nullable=False),
    _time("attempt_started_at", null=True), _time("next_at"), _text("message_key", null=True),
    _text("slack_ts", null=True), _time("sent_at", null=True), Column("looks", Integer, nullable=False),
    Column("marked", Boolean, nullable=False), Column("resends", Integer, nullable=False), _text("last_error"),
    Column("shown", Integer, nullable=False, server_default=text("0")),
    Index("delivery_state", "channel", "state", "next_at"), Index("delivery_message_key", "message_key"),
)  # fmt: skip
"""The outbox: written with the score, claimed, sent, marked. Deliveries with one ``message_key`` are one message.
``shown``: the alert's version that the message shows."""

once = Table(
    "once", metadata, _text("key", key=True), _time("at"), _json("result"), Index("once_at", "at"),
)  # fmt: skip
"""What must happen once only: a click, a submitted form, a signed request. ``result`` is what the first one came to."""

assignment = Table(
    "assignment", metadata,
    Column("id", BigInteger, primary_key=True), _id("alert_id"), _time("at"), _text("by_id"), _text("by_name"),
    _text("who"), _text("who_id"), _time("due", null=True), _text("note"), _time("ended_at", null=True),
    Index("assignment_alert_id", "alert_id", "id"),
)  # fmt: skip
"""Who took an alert; the newest that has not ended counts."""

card = Table(
    "card", metadata,
    Column("id", BigInteger, primary_key=True), _id("alert_id"), _time("at"), _text("by_id"), _text("by_name"),
    _text("slug"), _text("segment"), Column("length_s", Integer, nullable=False), _text("hook"),
    _json("receipts", null=False), _text("state"), Column("attempt", Integer, nullable=False), _time("next_at"),
    _time("sent_at", null=True), _text("last_error"),
    Index("card_alert_id", "alert_id", "id"), Index("card_state", "state", "next_at"),
)  # fmt: skip
"""Rundown cards: stored first, then posted to the rundown address. ``state``: kept (no address), pending, sent, dead."""

promo = Table(
    "promo", metadata,
    Column("id", BigInteger, primary_key=True), _id("alert_id"), _time("at"), _text("by_id"), _text("by_name"),
    _text("text"), _text("state"), Column("attempt", Integer, nullable=False), _time("attempt_started_at", null=True),
    _time("next_at"), _text("slack_ts", null=True), _time("sent_at", null=True),
    Column("looks", Integer, nullable=False), _text("last_error"),
    Index("promo_alert_id", "alert_id", "id"), Index("promo_state", "state", "next_at"),
)  # fmt: skip
"""Chosen tease lines, posted in the alert's thread by the same rules as a delivery."""

vote = Table(
    "vote", metadata,
    _id("alert_id", key=True), _text("voter", key=True), _text("name"), Column("useful", Boolean, nullable=False),
    _time("at"),
)  # fmt: skip
"""Each person's latest vote on an alert; the earlier ones are in the audit."""

backcheck = Table(
    "backcheck", metadata,
    _id("alert_id", key=True), _time("at"), _text("result"), Column("polls", Integer, nullable=False),
    Column("held", Integer, nullable=False), _text("detail"),
)  # fmt: skip
"""Whether an alert still held in the two hours after it (SCORING 6). ``result``: held, failed, or unknown."""

kpi_day = Table(
    "kpi_day", metadata,
    Column("day", Date, primary_key=True), _text("kpi", key=True), Column("n", Integer, nullable=False),
    _float("value"), _float("low"), _float("high"), _json("detail", null=False), _time("computed_at"),
)  # fmt: skip
"""One row a day (UTC) and KPI, recomputed while its alerts can still change."""

watch = Table("watch", metadata, _id("entity_id", key=True), _time("at"), _text("by_id"), _text("by_name"))
"""The desk's watchlist: one for all, with who put a name on it. ``entity_id`` is the original entity."""

name_change = Table(
    "name_change", metadata,
    Column("id", BigInteger, primary_key=True), _time("at"), _text("action"), _id("entity_id"), _text("by_id"),
    _text("by_name"), _json("before", null=False), _time("undone_at", null=True),
    Column("undone_by", Text, nullable=False, server_default=text("''")),
    Index("name_change_entity", "entity_id", "id"),
)  # fmt: skip
"""What people changed about names, with what an undo needs (``before``). Holds nothing of any item."""

change_item = Table(
    "change_item", metadata,
    _id("change_id", key=True), _text("kind", key=True), _text("source", key=True), _text("item_id", key=True),
    _id("entity_id", key=True), _text("canonical"), _text("name"), _text("via"), _time("at"), _time("last_at"),
    Index("change_item_item", "source", "item_id"), Index("change_item_last_at", "last_at"),
)  # fmt: skip
"""Rows a change of names moved or took away, as they were: mentions (``at``: the item's own time, ``last_at``: first
observed) and candidates (first and last observed). Goes with its item."""
