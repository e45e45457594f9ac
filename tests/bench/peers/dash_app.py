"""The board in Dash: an interval, a patch of the figure's cells where the board is new, receipts on a click.

``gunicorn --workers 1 --threads 8 dash_app:server``; ``BENCH_INTERVAL_MS`` is how often a page asks.
"""

# mypy: ignore-errors
# runs in the peers' own venv, whose packages the product does not have

import os

import plotly.graph_objects as go
from board import HOURS, NAMES, Board, receipts
from dash import Dash, Input, Output, Patch, State, dash_table, dcc, html, no_update

board = Board()
board.publish_every(5)
app = Dash(__name__, compress=True)
server = app.server


def layout() -> html.Div:
    """The page, made anew for each visitor."""
    figure = go.Figure(go.Heatmap(z=board.z, x=HOURS, y=NAMES, zmin=0, zmax=2.5, colorscale="Inferno"))
    return html.Div(
        [
            dcc.Graph(id="map", figure=figure, style={"height": "80vh"}),
            dash_table.DataTable(id="receipts", columns=[{"name": key, "id": key} for key in ("time", "text")]),
            dcc.Store(id="step", data=board.step),
            dcc.Interval(id="tick", interval=int(os.environ.get("BENCH_INTERVAL_MS", "5000"))),
        ]
    )


app.layout = layout


@app.callback(Output("map", "figure"), Output("step", "data"), Input("tick", "n_intervals"), State("step", "data"))
def follow(_ticks: int, step: int) -> tuple[object, object]:
    """The new cells, or nothing."""
    if step == board.step:
        return no_update, no_update
    change = Patch()
    now, change["data"][0]["z"] = board.step, board.z
    return change, now


@app.callback(Output("receipts", "data"), Input("map", "clickData"), prevent_initial_call=True)
def opened(click: dict) -> list[dict[str, str]]:
    """The receipts of the row."""
    return receipts(click["points"][0]["y"])
