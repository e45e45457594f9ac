"""A recorder killed at any moment loses nothing it acknowledged and doubles nothing."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from pipelines.record import Recorder
from pipelines.recording import START, Archive
from pipelines.recording_check import check_recording
from tests.unit.recordings import START as FIRST
from tests.unit.recordings import minutes, poll

ROOT = Path(__file__).resolve().parent.parent.parent
LIVES = 6
POLLS_A_LIFE = 400

WRITER = """
import sys
from datetime import timedelta
from pathlib import Path
from pipelines.record import Recorder
from tests.unit.recordings import minutes, poll

directory, first, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
recorder = Recorder(directory, 90)
print("ready", flush=True)
for number in range(first, first + count):
    at = minutes(number * 7)
    written = recorder.append([poll("reddit", at, [f"r{number}", f"s{number}"]), poll("trends", at)])
    assert written.error is None, written.error
    print(number, flush=True)
    if number % 5 == 4:
        assert recorder.maintain(at + timedelta(days=1)).error is None
"""


def start_writer(directory: Path, first: int, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(directory), str(first), str(count)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def live_and_die(directory: Path, first: int, after_s: float) -> list[int]:
    """Run a writer, kill it ``after_s`` seconds after its first words; what it had acknowledged by then."""
    with start_writer(directory, first, POLLS_A_LIFE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        time.sleep(after_s)
        writer.send_signal(signal.SIGKILL)
        lines = writer.stdout.read().splitlines(keepends=True)
    return [int(line) for line in lines if line.endswith("\n")]


@pytest.mark.slow
def test_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    chance = random.Random(20260302)
    acknowledged: set[int] = set()
    for life in range(LIVES):
        acknowledged |= set(live_and_die(tmp_path, life * POLLS_A_LIFE, chance.uniform(0.05, 1.5)))
        if not acknowledged and not any(tmp_path.rglob("part-*.parquet")):
            continue  # killed before its first file was whole
        archive = Archive(tmp_path)
        counts = Counter(archive.read()["item_id"])
        assert archive.skipped == (), "a kill never leaves half a file under its final name"
        assert {counts[f"{letter}{number}"] for number in acknowledged for letter in "rs"} <= {1}
        assert set(counts.values()) == {1}
        assert all(counts[f"s{item[1:]}"] == 1 for item in counts if item.startswith("r")), "a poll is whole or absent"
        polls = set(archive.polls.select("source", "poll_at").rows())
        assert all(("trends", minutes(number * 7)) in polls for number in acknowledged), "empty polls are kept as well"
    assert len(acknowledged) > LIVES, "the writers lived long enough to be worth killing"


def test_two_recorders_share_a_folder_and_one_is_killed(tmp_path: Path) -> None:
    """Both write the same polls and tidy the same days at the same time: each poll is there once, none is lost."""
    with start_writer(tmp_path, 0, 60) as steady:
        dead = live_and_die(tmp_path, 0, 0.4)
        assert steady.stdout is not None
        done = [int(line) for line in steady.stdout.read().splitlines()[1:]]
        assert steady.wait() == 0
    assert done == list(range(60))
    archive = Archive(tmp_path)
    counts = Counter(archive.read()["item_id"])
    assert set(counts.values()) == {1}
    assert {f"r{number}" for number in (*done, *dead)} <= set(counts)
    assert archive.polls["poll_at"].is_sorted()
    assert len({mark.writer for mark in archive.marks if mark.kind == START}) == 2
    assert archive.skipped == ()


def test_a_write_cut_short_is_named_and_costs_only_itself(tmp_path: Path) -> None:
    """A kill in the middle of a write leaves a temporary file: the polls before stay, the tail is named, then swept."""
    Recorder(tmp_path, 90).append([poll("reddit", minutes(n), [f"r{n}"]) for n in range(3)])
    code = """
import os, signal, sys
from pathlib import Path
from pipelines.record import replacing
with replacing(Path(sys.argv[1])) as file:
    file.write(b"PAR1" + b"x" * 500)
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""
    target = tmp_path / "2026-03-02" / "part-late.parquet"
    subprocess.run([sys.executable, "-c", code, str(target)], cwd=ROOT, check=False)
    found = check_recording(tmp_path, minutes(60))
    assert [one.polls for one in found.sources] == [3]
    (tail,) = found.left_over
    assert "part-late.parquet: an unfinished write of 504 bytes; its poll is not recorded" in tail
    assert Recorder(tmp_path, 90).maintain(minutes(60 * 30)).error is None
    assert check_recording(tmp_path, minutes(60)).left_over == ()
    assert Archive(tmp_path).polls.height == 3


def test_upkeep_after_a_kill_tidies_up(tmp_path: Path) -> None:
    known = live_and_die(tmp_path, 0, 0.5)
    before = Archive(tmp_path).read()
    report = Recorder(tmp_path, 90).maintain(minutes(7 * 10 * POLLS_A_LIFE))
    assert report.error is None
    assert not [entry for entry in tmp_path.iterdir() if entry.is_dir() or entry.name.startswith(".tmp-")]
    after = Archive(tmp_path).read()
    assert after.equals(before)
    assert after.height >= 2 * len(known)
    assert after["poll_at"].min() == FIRST
