"""``/research/{slug}``: the research pack as a page that prints, as Markdown, JSON, PDF, and all its receipts as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query
from fastapi import Path as PathParameter
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.requests import Request

from heatmap_app.api import csv_cell
from heatmap_app.pages.words import listed, platform
from heatmap_app.problems import problem
from heatmap_app.web.chart import Chart, timeline_chart
from heatmap_app.web.common import problem_page, runtime_of
from heatmap_app.web.markdown import markdown
from heatmap_app.web.pack_doc import lanes, pack_doc, summary, trade_times, when
from heatmap_app.web.pdf import pdf
from heatmap_app.web.render import page
from heatmap_app.web.svg import svg
from pipelines.errors import InputError, StoreError
from pipelines.read import live_slug, research_pack, search
from pipelines.read.pack import BEGINNING, Pack
from pipelines.read.receipts import receipt_of

router = APIRouter()
Slug = Annotated[str, PathParameter(min_length=1, max_length=200)]
AlertNumber = Annotated[int | None, Query(ge=1, le=2**62)]
MOST_CSV = 100_000
CSV_COLUMNS = ("source", "feed", "item_id", "title", "url", "published_at", "observed_at", "engagement", "sentiment")
FORMATS = ("md", "pdf", "json", "csv")


@router.get("/research/{slug}.md")
def as_markdown(request: Request, slug: Slug, alert: AlertNumber = None) -> Response:
    """The pack as Markdown."""

    def made(pack: Pack) -> Response:
        text = markdown(pack_doc(pack, runtime_of(request).settings, base=_base(request)))
        return Response(text, media_type="text/markdown; charset=utf-8", headers=_named(pack, "md"))

    return _answer(request, slug, alert, ".md", made)


@router.get("/research/{slug}.json")
def as_json(request: Request, slug: Slug, alert: AlertNumber = None) -> Response:
    """The pack as JSON: the values themselves, times RFC 3339."""

    def made(pack: Pack) -> Response:
        body = {"summary": list(summary(pack)), **jsonable_encoder(pack)}
        return JSONResponse(body, headers={"Cache-Control": "no-store"})

    return _answer(request, slug, alert, ".json", made)


@router.get("/research/{slug}.pdf")
def as_pdf(request: Request, slug: Slug, alert: AlertNumber = None) -> Response:
    """The pack as PDF."""

    def made(pack: Pack) -> Response:
        base = _base(request)
        doc = pack_doc(pack, runtime_of(request).settings, base=base)
        body = pdf(doc, _chart(pack), as_of=pack.as_of, page_url=f"{base}{_address(pack)}")
        return Response(body, media_type="application/pdf", headers=_named(pack, "pdf"))

    return _answer(request, slug, alert, ".pdf", made)


@router.get("/research/{slug}.csv")
def as_csv(request: Request, slug: Slug) -> Response:
    """The receipts, newest first within its source, safe to open in a spreadsheet; where a source has more than
    :data:`MOST_CSV`, the last line says so and where all of them are."""

    def made(pack: Pack) -> Response:
        store = runtime_of(request).store
        rows, totals = store.evidence(
            store.family(pack.entity.id), since=BEGINNING, trades_since=BEGINNING, until=pack.as_of, most=MOST_CSV,
            newest=True,
        )  # fmt: skip
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(CSV_COLUMNS)
        for receipt in map(receipt_of, rows):
            values = jsonable_encoder(receipt)
            writer.writerow([csv_cell(values[name]) for name in CSV_COLUMNS])
        left_out = [
            f"the newest {MOST_CSV:,} of {total:,} of {platform(source)}"
            for source, total in totals.items()
            if total > MOST_CSV
        ]
        if left_out:
            whole = f"{_base(request)}/api/v1/entities/{quote(pack.entity.slug, safe='')}/receipts.csv"
            writer.writerow([f"# Not all receipts: {listed(left_out)}. All of them: {whole}"])
        return Response(out.getvalue(), media_type="text/csv; charset=utf-8", headers=_named(pack, "csv"))

    return _answer(request, slug, None, ".csv", made)


@router.get("/research/{slug}")
def as_page(request: Request, slug: Slug, alert: AlertNumber = None) -> Response:
    """The pack as a page."""

    def made(pack: Pack) -> Response:
        doc, chart = pack_doc(pack, runtime_of(request).settings), _chart(pack)
        files = [(name.upper(), _address(pack, name)) for name in FORMATS]
        return page(
            request, "research.html", doc=doc, figure=svg(chart, _figure_title(pack)) if chart else "",
            files=files, as_of=f"{when(pack.as_of, year=True)} UTC", stale=pack.stale, asked=pack.alert,
            slug=pack.entity.slug, alerts=pack.alerts,
        )  # fmt: skip

    return _answer(request, slug, alert, "", made)


def _answer(
    request: Request, slug: str, alert: int | None, ending: str, made: Callable[[Pack], Response]
) -> Response:  # fmt: skip
    """What ``made`` makes of the pack, or what there is to say instead: a redirect, 404, 503."""
    runtime = runtime_of(request)
    store = runtime.store
    try:
        live = live_slug(store, slug)
        if live is None:
            return _missing(request, slug, ending, _near(request, slug))
        if live != slug:
            query = f"?alert={alert}" if alert else ""
            return RedirectResponse(f"/research/{quote(live, safe='')}{ending}{query}", 307)
        pack = research_pack(
            store, runtime.settings, slug, runtime.world.clock.now(), mode=runtime.mode, alert=alert,
            poll_seconds=runtime.reader.poll_seconds,
        )  # fmt: skip
    except InputError as error:
        if ending == ".json":
            return problem(404, str(error))
        line = f"{str(error).capitalize()}. The pack of the present has all alerts of the name."
        return problem_page(request, 404, "No such alert", line, f"/research/{quote(slug, safe='')}", "To the pack")
    except StoreError as error:
        if ending == ".json":
            return problem(503, str(error))
        return problem_page(
            request, 503, "Not readable now", f"{error}. Nothing is lost.", request.url.path, "Try again"
        )
    return _missing(request, slug, ending, ()) if pack is None else made(pack)


def _near(request: Request, slug: str) -> tuple[tuple[str, str], ...]:
    """Names like the one that is not there: (name, slug)."""
    words = slug.replace("-", " ").split()
    tries = (" ".join(words), *(word for word in words if len(word) > 3))
    for wanted in tries[:4]:
        found = search(runtime_of(request).store, wanted[:100], 8)
        if found:
            return tuple((entity.name, entity.slug) for entity in found)
    return ()


def _missing(request: Request, slug: str, ending: str, near: tuple[tuple[str, str], ...]) -> Response:
    if ending == ".json":
        return problem(404, f"No entity has the slug {slug!r}; /api/v1/entities?q= finds names")
    return page(request, "research_missing.html", 404, slug=slug, near=near)


def _chart(pack: Pack) -> Chart | None:
    return timeline_chart(lanes(pack), alerts=[alert.at for alert in reversed(pack.alerts)], trades=trade_times(pack))


def _figure_title(pack: Pack) -> str:
    return f"Mentions of {pack.entity.name} per hour and source over 7 days; the table below says it in figures"


def _address(pack: Pack, ending: str = "") -> str:
    query = f"?alert={pack.alert}" if pack.alert and ending != "csv" else ""
    return f"/research/{quote(pack.entity.slug, safe='')}{f'.{ending}' if ending else ''}{query}"


def _base(request: Request) -> str:
    """The server's address for links in files: the configured one, else the one that was asked."""
    return runtime_of(request).settings.public_url.rstrip("/") or str(request.base_url).rstrip("/")


def _named(pack: Pack, ending: str) -> dict[str, Any]:
    """Headers: a plain file name, and no copy kept on the way."""
    plain = "".join(char if char.isascii() and (char.isalnum() or char == "-") else "-" for char in pack.entity.slug)
    name = f"{plain[:80] or 'pack'}-{pack.as_of:%Y%m%d-%H%M}.{ending}"
    kind = "attachment" if ending == "csv" else "inline"
    return {"Content-Disposition": f'{kind}; filename="{name}"', "Cache-Control": "no-store"}
