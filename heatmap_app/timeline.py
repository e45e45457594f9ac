"""One entity's timeline as a figure: a lane per source, bars per hour, hatched where nobody looked, a usual band."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import holoviews as hv
import panel as pn
import polars as pl
from bokeh.models import CategoricalColorMapper, DatetimeTickFormatter, HoverTool, NoOverlap

from heatmap_app.pages.words import Times, plain, platform
from heatmap_app.plots import HOVER_CSS, weak_hook
from heatmap_app.themes import INKS, Shade
from pipelines.model import SOURCES, UTC_TIME
from pipelines.view import EntityView, PlatformScore, TimelinePoint

LANE_PX, AXIS_PX = 42, 24
LANE_FILL = 0.84
"""The share of a lane its highest bar takes."""

POINTS = pl.Schema(
    {"source": pl.String(), "hour": UTC_TIME, "volume": pl.Float64(), "mentions": pl.Int64(), "lane": pl.Int32()}
)
"""One row per source and hour, dense; ``volume`` null where nobody looked; lane 0 is the lowest."""

HOVER = f"<div>{HOVER_CSS}<strong>@what</strong><span>@when</span><span>@note</span></div>"


def points(timeline: Sequence[TimelinePoint]) -> pl.DataFrame:
    """The timeline as :data:`POINTS`: every source in every hour between the first and the last."""
    lanes = {source: len(SOURCES) - 1 - place for place, source in enumerate(SOURCES)}
    known = {(point.source, point.hour): point for point in timeline}
    if not timeline:
        return pl.DataFrame(schema=POINTS)
    first, last = min(point.hour for point in timeline), max(point.hour for point in timeline)
    count = int((last - first) / timedelta(hours=1)) + 1
    rows = []
    for source, lane in lanes.items():
        for hour in (first + timedelta(hours=step) for step in range(count)):
            point = known.get((source, hour))
            rows.append((source, hour, point.volume if point else None, point.mentions if point else 0, lane))
    return pl.DataFrame(rows, schema=POINTS, orient="row")


class LiveTimeline:
    """The timeline of one session: ``pane`` to place, :meth:`show` to change in place."""

    def __init__(self, times: Times, shade: Shade = "dark") -> None:
        self.times, self._shade = times, shade
        self._layers: dict[str, Any] = {}
        self._figure: Any = None
        self._sources: dict[str, Any] = {}
        self._data: dict[str, dict[str, Any]] = {"gaps": _rects(), "usual": _rects(), "bars": _rects()}
        self._span: tuple[datetime, datetime] | None = None
        self.pane = pn.pane.HoloViews(  # type: ignore[no-untyped-call]  # Panel types it half
            self._element(),
            sizing_mode="stretch_width",
            height=LANE_PX * len(SOURCES) + AXIS_PX,
            margin=0,
            linked_axes=False,
        )

    def show(self, view: EntityView) -> dict[str, str]:
        """Draw ``view``; returns what to say beside each lane (source to text)."""
        frame = points(view.timeline)
        scores = view.item.platforms if view.item else {}
        tops = {source: _top(frame, source, scores.get(source)) for source in SOURCES}
        if not frame.is_empty():
            hours = frame["hour"].to_list()
            self._span = (self._x(min(hours)), self._x(max(hours)) + timedelta(hours=1))
        self._data = {
            "gaps": self._gaps(frame),
            "usual": self._usual(scores, tops) if self._span else _rects(),
            "bars": self._bars(frame, tops),
        }
        if self._figure is not None:
            self._patch()
        return {source: _lane_words(frame, source) for source in SOURCES}

    def paint(self, shade: Shade) -> None:
        """Draw in the colours of ``shade`` from now on."""
        self._shade = shade
        if self._figure is not None:
            self._ink()

    def release(self) -> None:
        """Let go of the figure."""
        self._figure, self._sources, self._layers = None, {}, {}

    def _element(self) -> Any:
        start = datetime(2000, 1, 1)  # noqa: DTZ001 -- local wall time, as the axis shows it
        seed = [(start, 0.0, start + timedelta(hours=1), 0.0, "", "", "")]
        dims = ["what", "when", "note"]
        hover = HoverTool(tooltips=HOVER, point_policy="follow_mouse", attachment="above", show_arrow=False)
        gaps = hv.Rectangles(seed, vdims=dims).opts(
            color=INKS["dark"].gap, line_alpha=0, tools=[hover], hooks=[weak_hook(self._keep_gaps)]
        )
        usual = hv.Rectangles(seed, vdims=dims).opts(
            color=INKS["dark"].usual, line_alpha=0, hooks=[weak_hook(self._keep_usual)]
        )
        bars = hv.Rectangles(seed, vdims=dims).opts(line_alpha=0, tools=[hover], hooks=[weak_hook(self._keep_bars)])
        return hv.Overlay([gaps, usual, bars]).opts(
            responsive=True, height=LANE_PX * len(SOURCES) + AXIS_PX, yaxis=None, xlabel="", toolbar=None,
            default_tools=[],
            show_frame=False, border=0, show_legend=False, ylim=(0, len(SOURCES)),
            hooks=[weak_hook(self._finish)],
        )  # fmt: skip

    def _keep_gaps(self, plot: Any, _element: Any) -> None:
        self._keep("gaps", plot)
        plot.handles["glyph"].update(hatch_pattern="/", hatch_scale=9, hatch_weight=1)

    def _keep_usual(self, plot: Any, _element: Any) -> None:
        self._keep("usual", plot)

    def _keep_bars(self, plot: Any, _element: Any) -> None:
        self._keep("bars", plot)
        # the colour of a source is a matter of the theme, not of the data
        mapper = CategoricalColorMapper(factors=list(SOURCES), palette=["#000000"] * len(SOURCES))
        plot.handles["glyph"].update(fill_color={"field": "fill", "transform": mapper})
        self._layers["mapper"] = mapper

    def _keep(self, name: str, plot: Any) -> None:
        """Plot hooks: keep the data source HoloViews made for this layer."""
        self._sources[name], self._layers[name] = plot.handles["cds"], plot.handles["glyph"]
        renderer = plot.handles["glyph_renderer"]
        renderer.selection_glyph = renderer.nonselection_glyph = renderer.muted_glyph = renderer.hover_glyph = None

    def _finish(self, plot: Any, _element: Any) -> None:
        figure = plot.handles["plot"]
        figure.update(
            min_border=0,
            output_backend="canvas",
            min_border_bottom=AXIS_PX,
            outline_line_color=None,
            border_fill_alpha=0,
            background_fill_alpha=0,
            name="timeline",
        )
        figure.xgrid.grid_line_color = None
        figure.ygrid.ticker = list(range(1, len(SOURCES)))
        axis = figure.xaxis[0]
        axis.formatter = DatetimeTickFormatter(hours="%H:%M", days="%a %d", hourmin="%H:%M")
        axis.update(
            minor_tick_line_color=None, major_tick_in=0,
            major_tick_out=3, major_label_standoff=4,
            major_label_text_font_size="11px",
            major_label_text_font="Inter Variable, system-ui, sans-serif",
        )  # fmt: skip
        axis.ticker.desired_num_ticks = 6
        axis.major_label_policy = NoOverlap(min_distance=8)
        self._figure = figure
        self._ink()
        self._patch()

    def _ink(self) -> None:
        """The colours of the present shade."""
        inks, axis = INKS[self._shade], self._figure.xaxis[0]
        self._layers["gaps"].update(fill_color=inks.gap, hatch_color=inks.hatch)
        self._layers["usual"].update(fill_color=inks.usual)
        self._layers["mapper"].palette = [inks.sources[source] for source in SOURCES]
        self._figure.ygrid.grid_line_color = inks.line
        axis.update(axis_line_color=inks.line, major_tick_line_color=inks.line, major_label_text_color=inks.words)

    def _patch(self) -> None:
        for name, source in self._sources.items():
            source.data = self._data[name]
        if self._span and self._figure is not None:
            self._figure.x_range.update(start=self._span[0], end=self._span[1])

    def _x(self, instant: datetime) -> datetime:
        """The reader's wall time: Bokeh's axis knows no zones."""
        return self.times.local(instant).replace(tzinfo=None)

    def _gaps(self, frame: pl.DataFrame) -> dict[str, Any]:
        """Runs of hours nobody looked, one rectangle each."""
        columns = _rects()
        empty = frame.filter(pl.col("volume").is_null()).sort("lane", "hour")
        run = (pl.col("hour") - pl.int_range(pl.len()) * pl.duration(hours=1)).over("lane")
        for source, lane, first, last in (
            empty.with_columns(run=run).group_by("source", "lane", "run", maintain_order=True)
            .agg(pl.col("hour").min().alias("first"), pl.col("hour").max().alias("last"))
            .select("source", "lane", "first", "last").iter_rows()
        ):  # fmt: skip
            end = last + timedelta(hours=1)
            when = f"{self.times.local(first):%a %H:%M} to {self.times.local(end):%a %H:%M}"
            _add(
                columns,
                self._x(first),
                lane,
                self._x(end),
                lane + 1.0,
                platform(source),
                when,
                "nobody looked",
                "",
            )
        return columns

    def _bars(self, frame: pl.DataFrame, tops: dict[str, float]) -> dict[str, Any]:
        columns = _rects()
        for source, hour, volume, mentions, lane in frame.filter(pl.col("volume") > 0).iter_rows():
            height = lane + LANE_FILL * volume / tops[source]
            words = f"{platform(source)} {plain(volume, 1)}"
            count = f"{mentions} {'mention' if mentions == 1 else 'mentions'}"
            left = self._x(hour)
            _add(
                columns,
                left,
                lane,
                left + timedelta(minutes=54),
                height,
                words,
                self.times.hour(hour),
                count,
                source,
            )
        return columns

    def _usual(self, scores: dict[str, PlatformScore], tops: dict[str, float]) -> dict[str, Any]:
        """The baseline per hour: mean plus and minus one deviation of its windows, spread over their hours."""
        columns = _rects()
        if self._span is None:
            return columns
        for place, source in enumerate(reversed(SOURCES)):
            score = scores.get(source)
            if score is None or not score.windows:
                continue
            low, high = max(0.0, score.mu - score.s) / 12, (score.mu + score.s) / 12
            scale = LANE_FILL / tops[source]
            _add(
                columns,
                self._span[0],
                place + low * scale,
                self._span[1],
                place + max(high * scale, low * scale + 0.02),
                "",
                "",
                "",
                "",
            )
        return columns


def _top(frame: pl.DataFrame, source: str, score: PlatformScore | None) -> float:
    """The volume that fills a source's lane."""
    highest = frame.filter(pl.col("source") == source)["volume"].max()
    usual = (score.mu + score.s) / 12 if score else 0.0
    return max(float(highest) if isinstance(highest, int | float) else 0.0, usual, 1e-9)


def _lane_words(frame: pl.DataFrame, source: str) -> str:
    volumes = frame.filter(pl.col("source") == source)["volume"]
    if volumes.len() == volumes.null_count():
        return "not watched"
    highest = volumes.max()
    return f"top {plain(float(highest), 1)}/h" if isinstance(highest, int | float) and highest > 0 else "quiet"


def _rects() -> dict[str, Any]:
    return {key: [] for key in ("left", "bottom", "right", "top", "what", "when", "note", "fill")}


def _add(
    columns: dict[str, Any],
    left: Any,
    bottom: float,
    right: Any,
    top: float,
    what: str,
    when: str,
    note: str,
    fill: str,
) -> None:
    values = (left, bottom, right, top, what, when, note, fill)
    for key, value in zip(columns, values, strict=True):
        columns[key].append(value)
