"""A job never overlaps itself, outlives its errors, and stops with the server."""

import asyncio

from heatmap_app.jobs import Job, Schedule


async def test_a_slow_run_is_not_overlapped() -> None:
    running = most = 0

    async def work() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.05)
        running -= 1

    job = Job("slow", work, every=lambda: 0.01)
    schedule = Schedule([job])
    schedule.start()
    await asyncio.sleep(0.02)
    await asyncio.gather(job.run_once(), job.run_once())
    await asyncio.sleep(0.15)
    await schedule.stop()
    assert most == 1
    assert job.ok >= 2


async def test_an_error_is_kept_and_the_job_goes_on() -> None:
    calls = 0

    async def work() -> str:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise ValueError("the feed is gone")
        return "fine"

    job = Job("shaky", work, every=lambda: 0.01)
    await job.run_once()
    assert (job.failed, job.last_error) == (1, "ValueError: the feed is gone")
    await job.run_once()
    assert (job.ok, job.last_error, job.last_detail) == (1, "", "fine")


async def test_a_hanging_run_is_given_up() -> None:
    async def work() -> None:
        await asyncio.sleep(60)

    job = Job("hangs", work, every=lambda: 60, timeout=0.02)
    await job.run_once()
    assert job.last_error == "no result after 0 s"
    assert not job.running


async def test_wake_runs_before_the_interval_is_over() -> None:
    done = asyncio.Event()

    async def work() -> None:
        done.set()

    job = Job("waits", work, every=lambda: 60, first_after=60)
    schedule = Schedule([job])
    schedule.start()
    await asyncio.sleep(0.01)
    assert not done.is_set()
    assert job.next_run is not None
    job.wake.set()
    await asyncio.wait_for(done.wait(), 1)
    await schedule.stop()


async def test_stop_waits_for_what_is_running() -> None:
    finished = False

    async def work() -> None:
        nonlocal finished
        await asyncio.sleep(0.1)
        finished = True

    schedule = Schedule([Job("busy", work, every=lambda: 60)])
    schedule.start()
    await asyncio.sleep(0.02)
    await schedule.stop(drain_s=2)
    assert finished
