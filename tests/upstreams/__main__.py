"""All stand-ins on one port, with moving invented data: ``python -m tests.upstreams --port 9100``.

Prints the settings that point the product at them. A new stand-in is one line in ``STAND_INS``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp

from tests.upstreams import apify, reddit, slack, trades, trends

STAND_INS: dict[str, tuple[Callable[[], ASGIApp], tuple[str, ...]]] = {
    "reddit": (
        reddit.moving_app,
        (
            "HEATMAP_REDDIT__URL={url}/reddit",
            f"HEATMAP_REDDIT__CLIENT_ID={reddit.CLIENT_ID}",
            f"HEATMAP_REDDIT__CLIENT_SECRET={reddit.CLIENT_SECRET}",
        ),
    ),
    "trends": (trends.moving_app, ("HEATMAP_TRENDS__URL={url}/trends",)),
    "apify": (apify.moving_app, ("HEATMAP_TIKTOK__URL={url}/apify", f"HEATMAP_TIKTOK__TOKEN={apify.TOKEN}")),
    "slack": (
        lambda: slack.Slack().app,
        (
            "HEATMAP_SLACK__URL={url}/slack/api/",
            f"HEATMAP_SLACK__BOT_TOKEN={slack.TOKEN}",
            f"HEATMAP_SLACK__CHANNEL={slack.CHANNEL}",
            f"HEATMAP_SLACK__SIGNING_SECRET={slack.SECRET}",
            f"HEATMAP_SLACK__APP_TOKEN={slack.APP_TOKEN}",
        ),
    ),
    "trades": (trades.moving_app, ('HEATMAP_TRADES__FEEDS=["{url}/trades/feed/"]',)),
}
"""Path prefix -> the app with moving data, and the settings that point at it."""


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m tests.upstreams", description=__doc__)
    parser.add_argument("--port", type=int, default=9100)
    parser.add_argument("--host", default="127.0.0.1")
    options = parser.parse_args()
    url = f"http://{options.host}:{options.port}"
    for _, lines in STAND_INS.values():
        for line in lines:
            print(line.format(url=url), flush=True)  # noqa: T201 # a command line prints
    app = Starlette(routes=[Mount(f"/{name}", make()) for name, (make, _) in STAND_INS.items()])
    uvicorn.run(app, host=options.host, port=options.port, log_level="warning")


if __name__ == "__main__":
    main()
