"""The three ways to get the environment name the same packages."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def name_of(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found
    return found[0].lower().replace("_", "-").replace(".", "-")


def locked(path: str) -> dict[str, set[str]]:
    versions: dict[str, set[str]] = {}
    for name, version in re.findall(
        r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^ ;\\]+)", (ROOT / path).read_text(), re.MULTILINE
    ):
        versions.setdefault(name_of(name), set()).add(version)
    return versions


def test_conda_lists_what_pyproject_lists() -> None:
    conda = yaml.safe_load((ROOT / "environment.yml").read_text())
    pip = next(entry["pip"] for entry in conda["dependencies"] if isinstance(entry, dict))
    wanted = [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["build"], "--editable ."]
    assert sorted(pip) == sorted(wanted)
    assert "python>=3.12,<3.14" in conda["dependencies"]


def test_locks_hold_every_dependency() -> None:
    for path, extras in (
        ("requirements.lock", []),
        ("requirements-test.lock", ["test"]),
        ("requirements-flair.lock", ["flair", "test"]),
    ):
        wanted = list(PROJECT["project"]["dependencies"])
        for extra in extras:
            wanted += PROJECT["project"]["optional-dependencies"][extra]
        assert {name_of(requirement) for requirement in wanted} <= set(locked(path)), path


def test_tests_run_on_what_is_shipped() -> None:
    product, test = locked("requirements.lock"), locked("requirements-test.lock")
    assert {name: test[name] for name in product} == product


def test_locks_have_hashes_and_no_addresses() -> None:
    for path in ("requirements.lock", "requirements-test.lock", "requirements-flair.lock", ".ci/uv.lock"):
        text = (ROOT / path).read_text()
        assert "://" not in text, path
        assert text.count("--hash=sha256:") >= len(locked(path)), path
