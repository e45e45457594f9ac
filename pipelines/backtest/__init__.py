"""Runs a recording through the real pipeline on a virtual clock: no database, no network, no Slack (docs/backtest.md).

:func:`prepare` reads and matches, once a recording; :func:`evaluate` discovers, scores, gates and decides, once for every
choice of settings; :func:`run` is both.
"""

from pipelines.backtest.model import BacktestAlert, BacktestResult, Progress
from pipelines.backtest.prepared import Prepared
from pipelines.backtest.preparing import FramePolls, Polls, prepare
from pipelines.backtest.running import evaluate, run

__all__ = [
    "BacktestAlert",
    "BacktestResult",
    "FramePolls",
    "Polls",
    "Prepared",
    "Progress",
    "evaluate",
    "prepare",
    "run",
]
