"""The start script's own decisions: which Python, and one clear line where it cannot go on."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What the script needs of a checkout, without an environment."""
    for name in ("panel_serve.sh", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / ".ci", tmp_path / ".ci")
    return tmp_path


def bash(checkout: Path, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", script],
        cwd=checkout,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **variables},
    )


def fake_python(folder: Path, version: int) -> Path:
    """Something that says it is Python ``version`` (3012 for 3.12), and can do nothing else."""
    python = folder / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\ncase "$2" in *version_info*) echo {version} ;; *) exit 1 ;; esac\n')
    python.chmod(0o755)
    return python


def test_the_newest_fitting_python_is_taken(checkout: Path, tmp_path: Path) -> None:
    versions = tmp_path / "pyenv" / "versions"
    for name, number in (("3.9.1", 3009), ("3.12.4", 3012), ("3.13.2", 3013), ("3.15.0", 3015), ("3.14.0", 0)):
        fake_python(versions / name, number)
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("bash", "grep", "sort"):
        (tools / tool).symlink_to(str(shutil.which(tool)))
    done = bash(checkout, ". .ci/environment.sh; find_python", PYENV_ROOT=str(tmp_path / "pyenv"), PATH=str(tools))
    assert done.stdout == str(versions / "3.13.2" / "bin" / "python")


def test_a_wrong_python_is_one_line(checkout: Path) -> None:
    done = bash(checkout, "./panel_serve.sh", ET_PYTHON="/bin/false")
    assert done.returncode != 0
    assert done.stderr.count("\n") == 1
    assert "ET_PYTHON=/bin/false" in done.stderr
    assert "3.12" in done.stderr
    assert not (checkout / ".venv").exists()


def test_no_way_to_get_the_installer_is_one_line(checkout: Path, tmp_path: Path) -> None:
    fake_python(tmp_path / "pyenv" / "versions" / "3.13.0", 3013)
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("bash", "grep", "sort", "cat", "cksum", "mkdir", "rm", "dirname"):
        (tools / tool).symlink_to(str(shutil.which(tool)))
    done = bash(checkout, "bash panel_serve.sh", PYENV_ROOT=str(tmp_path / "pyenv"), PATH=str(tools))
    assert done.returncode != 0
    assert "cannot install uv" in done.stderr.splitlines()[-1]
    assert not (checkout / ".venv").exists()
