"""The sections of the settings, one class each: what every key may be. Their defaults and what they mean: ``config/*.toml``."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from pipelines.model import SourceKind
from pipelines.section import Section
from pipelines.settings_methods import Method, Windows

GOOGLE_SECONDS = 600


class Retention(Section):
    """How many days each kind of row is kept."""

    mentions_days: int = Field(ge=15)
    hourly_days: int = Field(ge=15)
    scores_days: int = Field(ge=8)
    audit_days: int = Field(ge=1)
    alerts_days: int = Field(ge=15)
    recordings_days: int = Field(ge=1)


class Replay(Section):
    """Virtual seconds a real second, for recordings and for the demo."""

    speed: float = Field(gt=0, le=1_000_000)
    demo_speed: float = Field(gt=0, le=1_000_000)


class Source(Section):
    """What every source has."""

    poll_seconds: int = Field(ge=10, le=86_400)
    kind: SourceKind
    noise_unit: float = Field(gt=0)
    timeout_seconds: float = Field(gt=0, le=300)
    deadline_seconds: float = Field(gt=0, le=600)
    attempts: int = Field(ge=1, le=5)
    cache_seconds: float = Field(ge=0, le=3600)
    requests_per_minute: int = Field(ge=1, le=6000)
    breaker_failures: int = Field(ge=1, le=100)
    breaker_seconds: float = Field(ge=1, le=86_400)


class Reddit(Source):
    """Reddit's API through PRAW, app-only OAuth."""

    client_id: str
    client_secret: SecretStr
    user_agent: str = Field(min_length=7)
    url: str
    feeds: tuple[str, ...]
    listing: Literal["hot", "new", "rising"]
    limit: int = Field(ge=1, le=100)


class Trends(Source):
    """Google Trends: the Trending Now feed, and Explore where opted in."""

    url: str
    geo: str = Field(pattern=r"^[A-Z]{2}$")
    explore: bool
    explore_poll_seconds: int = Field(ge=600)
    explore_max_entities: int = Field(ge=1, le=100)

    @field_validator("url")
    @classmethod
    def _polite(cls, url: str, info: ValidationInfo) -> str:
        host = (urlsplit(url).hostname or "").lower()
        if host.endswith("google.com") and info.data.get("poll_seconds", GOOGLE_SECONDS) < GOOGLE_SECONDS:
            raise ValueError(f"Google's feed is asked at most every {GOOGLE_SECONDS} s; raise trends.poll_seconds")
        return url


class TikTok(Source):
    """TikTok's Creative Center through the operator's own Apify actor."""

    token: SecretStr
    url: str
    actor: str
    country: str = Field(pattern=r"^[A-Z]{2}$")
    max_items: int = Field(ge=1, le=1000)
    max_charge_usd: float = Field(gt=0)
    daily_charge_usd: float = Field(gt=0)
    run_seconds: int = Field(ge=10, le=3600)


class Trades(Source):
    """Trade feeds: RSS or Atom, for confirmation only."""

    feeds: tuple[str, ...]
    max_bytes: int = Field(ge=10_000, le=200_000_000)
    max_items: int = Field(ge=1, le=5000)


class Slack(Section):
    """Where alerts go."""

    webhook_url: SecretStr
    bot_token: SecretStr
    signing_secret: SecretStr
    app_token: SecretStr
    channel: str
    url: str
    rundown_url: str


class Velocity(Windows):
    """SCORING 2."""

    method: Method
    combine: Literal["stouffer", "max", "mean"]
    min_windows: int = Field(ge=2)
    min_coverage: float = Field(gt=0, le=1)
    cap: float = Field(gt=0)


class Affect(Section):
    """SCORING 3: sentiment and controversy, and the models behind them."""

    controversy_weight: float = Field(ge=0)
    controversy_floor: int = Field(ge=0)
    positive: float
    negative: float
    model: str
    ner_model: str


class Heat(Section):
    """SCORING 3: raw, decay and the search for the peak."""

    velocity_weight: float
    spread_weight: float
    affect_weight: float
    decay_hours: float = Field(gt=0)
    peak_hours: int = Field(ge=1, le=168)


class Confidence(Section):
    """SCORING 3: confidence."""

    evidence_half: float = Field(gt=0)


class Discovery(Section):
    """SCORING 4."""

    min_platforms: int = Field(ge=1, le=3)
    min_velocity: float


class Poll(Section):
    """The scoring clock."""

    score_seconds: int = Field(ge=5, le=86_400)


class Gates(Section):
    """SCORING 5: what a poll must reach."""

    min_velocity: float
    min_spread: int = Field(ge=1, le=3)
    consecutive: int = Field(ge=1)


class Episode(Section):
    """SCORING 5: one alert per episode."""

    end_velocity: float
    end_polls: int = Field(ge=1)
    cooldown_hours: float = Field(ge=0)
    boost: float = Field(ge=1)
    trades_old_hours: float = Field(gt=0)


class Writer(Section):
    """An optional writer of the action package, at any OpenAI-compatible address; off while ``url`` is empty."""

    url: str
    model: str
    key: SecretStr
    timeout_seconds: float = Field(gt=0, le=300)
