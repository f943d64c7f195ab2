"""Detached trainings: queued one after the other, stopped, killed and resumed as real processes."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from matrep_core import jobs
from matrep_core.errors import NotThere, RunBusy, SettingRefused
from matrep_core.runs.store import Run, delete_run, list_runs, open_run, runs_folder
from matrep_core.settings import from_recipe


def settings(**changes):
    return from_recipe("default", **{"property": "viscosity", "hidden_width": 32, "frames": 8, "members": 0, "validation_share": 0.0, **changes})


def wait_for(run: Run, *states: str, seconds: float = 90) -> str:
    deadline = time.monotonic() + seconds
    while (state := run.status().state) not in states and time.monotonic() < deadline:
        assert state != "lost" or "lost" in states, (run.path / "log.txt").read_text()
        time.sleep(0.05)
    return state


def worker_of(run: Run) -> int:
    """The process that was started for this run, found by its command line."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if str(run.path).encode() in words:
            return int(process.name)
    raise AssertionError("no worker")


def test_a_job_trains_to_its_end_and_is_never_without_a_holder(small_cosmetics, tmp_path):
    run = open_run(tmp_path, jobs.start(tmp_path, small_cosmetics, settings(steps=200)))
    assert wait_for(run, "done") == "done"
    assert run.scores()["eval"]["mae"] > 0
    (found,), broken = list_runs(tmp_path)
    assert found.id == run.id and found.eval_mae == run.scores()["eval"]["mae"] and not broken


def test_the_queue_trains_one_at_a_time_and_stops_on_request(small_cosmetics, tmp_path):
    long, second = (open_run(tmp_path, jobs.start(tmp_path, small_cosmetics, settings(steps=s))) for s in (5_000_000, 100))
    assert wait_for(long, "training") == "training"
    time.sleep(1.0)
    assert second.status().state == "queued"
    with pytest.raises(RunBusy, match="training"):
        delete_run(tmp_path, long.id)
    with pytest.raises(RunBusy):
        jobs.resume(tmp_path, long.id)
    jobs.stop(tmp_path, long.id)
    assert wait_for(long, "stopped") == "stopped"
    assert long.vectors().shape == (600, 10)
    assert wait_for(second, "done") == "done"
    delete_run(tmp_path, long.id)
    with pytest.raises(NotThere):
        open_run(tmp_path, long.id)


def test_a_killed_worker_is_lost_and_resumes(small_cosmetics, tmp_path):
    run = open_run(tmp_path, jobs.start(tmp_path, small_cosmetics, settings(steps=6_000)))
    wait_for(run, "training")
    os.kill(worker_of(run), signal.SIGKILL)
    assert wait_for(run, "lost") == "lost"
    jobs.resume(tmp_path, run.id)
    assert wait_for(run, "done") == "done"
    with pytest.raises(RunBusy, match="done"):
        jobs.resume(tmp_path, run.id)


def test_a_waiting_run_can_be_stopped(small_cosmetics, tmp_path):
    first, waiting = (open_run(tmp_path, jobs.start(tmp_path, small_cosmetics, settings(steps=5_000_000))) for _ in range(2))
    wait_for(first, "training")
    assert waiting.status().state == "queued"
    jobs.stop(tmp_path, waiting.id)
    assert wait_for(waiting, "stopped") == "stopped"
    jobs.stop(tmp_path, first.id)
    wait_for(first, "stopped")


def test_refused_settings_leave_no_run(small_cosmetics, tmp_path):
    with pytest.raises(SettingRefused):
        jobs.start(tmp_path, small_cosmetics, settings(scale="log", property="pH", train_share=0.05, validation_share=0.01))
    assert not runs_folder(tmp_path).exists() or not list(runs_folder(tmp_path).iterdir())
