"""``heatmap ...``: the command line (PRODUCT 3), thin. Results on stdout, progress and problems on stderr.

Exit status: 0 done, 1 it did not work (one line says why), 2 the command line itself was wrong.
"""

from __future__ import annotations

import sys

import typer

from heatmap_app.cli_alerts import alerts
from heatmap_app.cli_backtest import backtest
from heatmap_app.cli_data import data
from heatmap_app.cli_database import database
from heatmap_app.cli_doctor import doctor
from heatmap_app.cli_entities import entities
from heatmap_app.cli_evaluate import evaluate_command
from heatmap_app.cli_kpis import kpis
from heatmap_app.cli_tools import db, run
from heatmap_app.cli_tune import tune
from heatmap_app.cli_users import users
from heatmap_app.logs import configure
from heatmap_app.memory import limit_arenas
from pipelines.alert.urllib_guard import guard_urllib
from pipelines.errors import HeatmapError

app = typer.Typer(
    help="ET Heatmap: what is about to break in entertainment news, with receipts.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
run(app)
data(app)
app.add_typer(entities, name="entities")
app.add_typer(alerts, name="alerts")
app.command("backtest")(backtest)
app.command("kpis")(kpis)
app.command("doctor")(doctor)
app.command("evaluate")(evaluate_command)
app.command("tune")(tune)
database(db)
app.add_typer(db, name="db")
app.add_typer(users, name="users")


def main() -> None:
    """Run the command line; an expected error is one line on stderr and exit status 1."""
    limit_arenas()
    configure()
    guard_urllib()
    try:
        app()
    except HeatmapError as error:
        typer.echo(f"heatmap: {error}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)
