"""The board in Streamlit: a fragment that runs again by itself, receipts of the selected cell's row."""

# mypy: ignore-errors
# runs in the peers' own venv, whose packages the product does not have

import os

import plotly.graph_objects as go
import streamlit as st
from board import HOURS, NAMES, Board, receipts

EVERY = int(os.environ.get("BENCH_INTERVAL_MS", "5000")) / 1000


@st.cache_resource
def shared() -> Board:
    """One board for all sessions."""
    board = Board()
    board.publish_every(5)
    return board


st.set_page_config(layout="wide")
board = shared()


@st.fragment(run_every=EVERY)
def heatmap() -> None:
    """The map and what was clicked in it."""
    figure = go.Figure(go.Heatmap(z=board.z, x=HOURS, y=NAMES, zmin=0, zmax=2.5, colorscale="Inferno"))
    figure.update_layout(height=800)
    chosen = st.plotly_chart(figure, key="map", on_select="rerun")
    if chosen and chosen["selection"]["points"]:
        st.dataframe(receipts(chosen["selection"]["points"][0]["y"]))


heatmap()
