"""``heatmap entities ...``: the catalogue. Every change leaves an audit row; nothing is ever lost by one."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from heatmap_app.cli_common import JsonOption, bar, opened_store, print_json, say, table
from pipelines.errors import InputError
from pipelines.normalize.catalogue import for_store, read_catalogue, write_catalogue
from pipelines.normalize.names import canonical, slugify
from pipelines.store.store import Store

IMPORT_CHUNK = 10_000

entities = typer.Typer(
    help="The catalogue of names: list, show, import, export, merge, split, mute, alias.", no_args_is_help=True
)
Slug = Annotated[str, typer.Argument(help="The entity's slug; `heatmap entities list` shows them.")]


def actor() -> str:
    """Who the audit row names."""
    return f"cli:{getpass.getuser()}"


def entity_id(store: Store, slug: str) -> int:
    """The entity of that slug. Raises :class:`InputError` with what to do."""
    found = store.find(slug)
    if found is None:
        raise InputError(f"no entity has the slug {slug!r}; `heatmap entities list --search NAME` finds it")
    return found


@entities.command("list")
def list_entities(
    search: Annotated[str, typer.Option(help="Only names with this text.")] = "",
    kind: Annotated[str | None, typer.Option(help="Only this kind.")] = None,
    domain: Annotated[str | None, typer.Option(help="Only this domain.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """Names in the catalogue."""
    with opened_store() as store:
        frame = store.entities()
    if search:
        frame = frame.filter(pl.col("name").str.to_lowercase().str.contains(search.lower(), literal=True))
    for column, value in (("kind", kind), ("domain", domain)):
        frame = frame if value is None else frame.filter(pl.col(column) == value)
    shown = frame.sort("name").head(limit)
    if as_json:
        print_json(shown.to_dicts())
        return
    table([(row["slug"], row["name"], row["kind"], row["domain"], row["origin"]) for row in shown.to_dicts()],
          ("slug", "name", "kind", "domain", "origin"))  # fmt: skip
    if frame.height > limit:
        say(f"{limit} of {frame.height}; --limit shows more")


@entities.command("show")
def show(slug: Slug, as_json: JsonOption = False) -> None:
    """One entity with its names."""
    with opened_store() as store:
        number = entity_id(store, slug)
        family = store.family(number)
        row = store.entities().filter(pl.col("id") == number).to_dicts()[0]
        names = store.aliases().filter(pl.col("entity_id").is_in(family)).sort("display").to_dicts()
    if as_json:
        print_json({**row, "aliases": names})
        return
    for key, value in row.items():
        typer.echo(f"{key:8} {value}")
    for name in names:
        typer.echo(f"name     {name['display']}{'  (counts with a second sign)' if name['needs_second_sign'] else ''}")


@entities.command("import")
def import_entities(
    file: Annotated[Path, typer.Argument(help="CSV: our own form, or Wikidata's query export.")],
) -> None:
    """Add names from a CSV file; a bad row is named by its line and left out."""
    with opened_store() as store:
        with bar(file.stat().st_size if file.is_file() else None, "B", "reading") as shown:
            found = read_catalogue(file, _moving(shown.update))
        ready = for_store(found.entities, "import")
        with bar(ready.height, "names", "storing") as shown:
            for start in range(0, ready.height, IMPORT_CHUNK):
                part = ready.slice(start, IMPORT_CHUNK)
                store.add_entities(part)
                shown.update(part.height)
    for problem in found.problems:
        say(problem)
    say(f"{ready.height} entities read, {found.rejected} rows set aside, {found.unnamed} without a name")


def _moving(update: Callable[[int], object]) -> Callable[[int, int], None]:
    """A progress callback (done, total) for a bar that wants steps."""
    last = 0

    def moved(done: int, _total: int) -> None:
        nonlocal last
        update(done - last)
        last = done

    return moved


@entities.command("export")
def export(file: Annotated[Path, typer.Argument(help="The CSV file to write.")]) -> None:
    """Write the catalogue in the form `import` reads."""
    with opened_store() as store:
        names = store.aliases().group_by("entity_id").agg("display", pl.col("needs_second_sign").any())
        frame = store.entities().join(names, left_on="id", right_on="entity_id", how="left")
    frame = frame.with_columns(
        pl.col("display").fill_null([]).list.set_difference(pl.concat_list("name")).alias("aliases"),
        pl.col("needs_second_sign").fill_null(value=False),
    )
    say(f"{write_catalogue(frame.sort('name'), file)} entities -> {file}")


@entities.command("merge")
def merge(
    keep: Annotated[str, typer.Argument(help="The slug that stays.")],
    gone: Annotated[str, typer.Argument(help="The slug that becomes part of it.")],
) -> None:
    """Make two names one; every mention is kept, and `split` undoes it."""
    with opened_store() as store:
        number = entity_id(store, gone)
        name = store.entities().filter(pl.col("id") == number)["name"].item()
        store.merge(entity_id(store, keep), number, actor())
    say(f"{gone} is now part of {keep}; `heatmap entities split {keep} {name!r}` undoes it")


@entities.command("split")
def split(
    slug: Slug,
    name: Annotated[str, typer.Argument(help="The name that is to stand alone.")],
) -> None:
    """Take a name out of an entity, with its mentions; a name that came with a merge takes its whole entity along."""
    with opened_store() as store:
        store.split(entity_id(store, slug), canonical(name), actor(), slug=slugify(name))
    say(f"{name} stands alone")


@entities.command("mute")
def mute(slug: Slug, undo: Annotated[bool, typer.Option(help="Show it again.")] = False) -> None:
    """Keep an entity off every board; it goes on being counted."""
    with opened_store() as store:
        store.mute(entity_id(store, slug), actor(), muted=not undo)
    say(f"{slug}: {'shown again' if undo else 'muted'}")


@entities.command("alias")
def alias(
    slug: Slug,
    name: Annotated[str, typer.Argument(help="Another name it answers to.")],
    needs_second_sign: Annotated[bool, typer.Option(help="A common word: counts only with a second sign.")] = False,
) -> None:
    """Give an entity another name."""
    if not canonical(name):
        raise InputError(f"name: {name!r} has no letter or digit")
    with opened_store() as store:
        store.add_alias(entity_id(store, slug), canonical(name), name, actor(), needs_second_sign=needs_second_sign)
    say(f"{slug} also answers to {name}")
