"""The desk's own settings file: between the shipped files and the environment, written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines import settings as files
from pipelines.errors import InputError, SettingsError
from pipelines.settings import load_settings
from pipelines.settings_local import change_local, read_local, shipped


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "local.toml"
    monkeypatch.setattr(files, "LOCAL_FILE", path)
    return path


def test_it_wins_over_the_shipped_files_and_the_environment_over_it(
    local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_local(local, {"gates.min_velocity": 3.1, "gates.min_spread": 3})
    assert (load_settings().gates.min_velocity, load_settings().gates.min_spread) == (3.1, 3)
    assert load_settings().gates.consecutive == 2
    monkeypatch.setenv("HEATMAP_GATES__MIN_SPREAD", "1")
    assert (load_settings().gates.min_velocity, load_settings().gates.min_spread) == (3.1, 1)


def test_a_wrong_value_in_it_names_the_file(local: Path) -> None:
    change_local(local, {"gates.min_spread": 9})
    with pytest.raises(SettingsError, match=r"gates\.min_spread: .* \(read from config/local\.toml\)"):
        load_settings()


def test_other_keys_stay_and_the_last_takes_the_file_away(local: Path) -> None:
    local.write_text('# mine\n[slack]\nchannel = "#desk \\"a\\""\n[trades]\nfeeds = ["https://example.org/a"]\n')
    before = read_local(local)
    change_local(local, {"gates.min_velocity": 2.0})
    assert read_local(local) == {**before, "gates": {"min_velocity": 2.0}}
    change_local(local, {"gates.min_velocity": None, "slack.channel": None, "trades.feeds": None})
    assert not local.exists()
    assert list(local.parent.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"local\.toml cannot be written .* nothing was changed"):
        change_local(tmp_path / "away" / "local.toml", {"gates.min_spread": 3})


def test_a_broken_file_is_one_line(local: Path) -> None:
    local.write_text("[gates\n")
    with pytest.raises(InputError, match=r"local\.toml: cannot be read"):
        change_local(local, {"gates.min_spread": 3})
    assert local.read_text() == "[gates\n"


def test_the_shipped_values(local: Path) -> None:
    change_local(local, {"gates.min_velocity": 3.9})
    assert shipped(["gates.min_velocity", "episode.boost"]) == {"gates.min_velocity": 2.5, "episode.boost": 1.3}


def test_baselines_longer_than_what_is_read_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"window_hours x \(baseline_windows \+ 1\) is 372; at most 168"):
        load_settings(velocity={"baseline_windows": 30})
    assert load_settings(velocity={"window_hours": 6, "baseline_windows": 27}).velocity.baseline_windows == 27
