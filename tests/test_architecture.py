"""The house: which part may import which. The rule and its reason stand together here."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCREEN = {"panel", "bokeh", "holoviews", "fastapi", "starlette", "uvicorn", "slack_bolt"}
STAGES = ("ingest", "normalize", "discover", "score", "affect", "alert", "store")
FOUNDATION = {
    "model",
    "errors",
    "clock",
    "settings",
    "view",
    "outgoing",
    "retry_after",
    "section",
    "settings_auth",
    "settings_kpis",
    "settings_methods",
    "settings_sections",
}
JOINERS = {"refresh", "refresh_alerts", "refresh_kpis", "drive", "read", "backtest", "evaluate", "tune", "calibrate"}


def modules(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part(path: Path) -> str:
    """The stage or module of ``pipelines`` a file belongs to: score_hours.py belongs to score."""
    name = path.relative_to(ROOT / "pipelines").parts[0].removesuffix(".py")
    return stage_of(name) or name


def stage_of(name: str) -> str | None:
    return next((stage for stage in STAGES if name == stage or name.startswith(f"{stage}_")), None)


@pytest.mark.parametrize("path", modules("pipelines"), ids=lambda path: str(path.relative_to(ROOT)))
def test_pipelines_has_no_screen(path: Path) -> None:
    """A batch job, a test or a backtest must run where nothing can be drawn or served."""
    roots = {name.split(".")[0] for name in imports(path)}
    assert not roots & (SCREEN | {"heatmap_app"})


@pytest.mark.parametrize("path", modules("pipelines"), ids=lambda path: str(path.relative_to(ROOT)))
def test_stages_do_not_import_each_other(path: Path) -> None:
    """Stages hand over frames; only the joiners know more than one, so each can be changed alone."""
    own = part(path)
    if own in JOINERS:
        return
    used = {stage_of(name.split(".")[1]) for name in imports(path) if name.startswith("pipelines.") and name.count(".")}
    allowed = {own, None} | (
        {"score"} if own in {"discover", "simulate"} else set()
    )  # discovery is scoring of unowned names
    assert used <= allowed, f"{path.name} imports {used - allowed}"


@pytest.mark.parametrize("name", sorted(FOUNDATION))
def test_the_foundation_imports_only_itself(name: str) -> None:
    used = {
        found.split(".")[1] for found in imports(ROOT / "pipelines" / f"{name}.py") if found.startswith("pipelines.")
    }
    assert used <= FOUNDATION


@pytest.mark.parametrize(
    "path", [*modules("pipelines"), *modules("heatmap_app")], ids=lambda path: str(path.relative_to(ROOT))
)
def test_files_and_functions_stay_small(path: Path) -> None:
    """A file at 400 lines wants splitting; no function is longer than 60."""
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 60, node.name


def test_only_one_module_speaks_http() -> None:
    """One boundary holds timeouts, size caps and redirect checks."""
    using = {path.name for path in modules("pipelines") if any(name.split(".")[0] == "httpx" for name in imports(path))}
    assert using <= {"http.py", "guard.py", "http_guard.py"}
