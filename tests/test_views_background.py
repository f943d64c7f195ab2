"""Answers in processes of their own: real workers, shared, found again, and what happens where one fails."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from matrep_core.errors import MatRepError
from matrep_core.formulas.schema import FormulaSet
from matrep_core.runs.files import take_lock
from matrep_core.runs.store import Run
from matrep_core.settings import from_recipe
from matrep_core.training import fit, prepare
from matrep_core.views.background import Progress, ask, wait
from matrep_core.views.distilled import umap_over_frames
from matrep_core.views.tracking import grouped
from matrep_core.views.trajectory import trajectory
from matrep_core.views.trust import trust


@pytest.fixture(scope="module")
def run(small_cosmetics: FormulaSet, tmp_path_factory: pytest.TempPathFactory) -> Run:
    settings = from_recipe("default", property="viscosity", n_entries=4, steps=150, frames=6)
    made = prepare(tmp_path_factory.mktemp("runs") / "run", small_cosmetics, settings)
    fit(made)
    return made


def left(root: Path) -> set[str]:
    return {file.suffix for file in (root / "cache").iterdir()} - {""}


def test_a_worker_answers_as_the_function_itself_would(run: Run, tmp_path: Path) -> None:
    way = trajectory(run)
    settings = {"run": str(run.path), "method": "KMeans", "number": 3}
    assert isinstance(ask(tmp_path, "groups", "groups", settings), Progress)
    assert isinstance(ask(tmp_path, "groups", "groups", settings), Progress)  # the same worker's, not a second one
    groups = wait(tmp_path, "groups", "groups", settings)
    np.testing.assert_array_equal(groups["labels"], grouped(way, "KMeans", 3).labels)

    codes = np.ascontiguousarray(way.codes[:, :, :3])
    asked = {"run": str(run.path), "axes": [[0, 1], [0, 1, 2]]}
    found = wait(tmp_path, "trust", "trust", asked, {"codes": codes})
    expected = trust(way, [codes[:, :, :2], codes])
    for number, each in enumerate(expected):
        np.testing.assert_array_equal(found[f"total{number}"], [each.kept, each.trustworthiness, each.continuity])
        np.testing.assert_array_equal(found[f"each{number}"], [each.each_kept, each.each_trustworthiness, each.each_continuity])
    assert left(tmp_path) == {".safetensors"}


def test_the_umap_of_all_frames_repeats_in_another_process_and_moves_without_jumps(run: Run, tmp_path: Path) -> None:
    way = trajectory(run)
    found = wait(tmp_path, "umap", "umap over frames", {"run": str(run.path), "dimensions": 2})
    here = umap_over_frames(way, 2)
    np.testing.assert_array_equal(found["codes"], here.codes)
    assert found["codes"].shape == (len(way), len(way.trained), 2)
    assert here.missed < 0.3  # of the layout's radius
    last = here.coordinates(-1)[way.trained]
    radius = np.sqrt(((last - last.mean(0)) ** 2).sum(1).mean())
    start = here.coordinates(0)[way.trained]
    assert np.sqrt(((start - start.mean(0)) ** 2).sum(1).mean()) < 0.5 * radius  # nothing has left the origin yet


def test_a_failing_worker_says_why_once_and_may_be_asked_again(run: Run, tmp_path: Path) -> None:
    wrong = {"run": str(run.path), "method": "KMeans", "number": 51}
    for _ in range(2):
        with pytest.raises(MatRepError, match="from 2 to 50"):
            wait(tmp_path, "wrong", "groups", wrong)
    assert left(tmp_path) == set()
    with pytest.raises(MatRepError, match="server's log"):
        wait(tmp_path, "unknown", "no such task", {})


def test_a_killed_worker_is_started_again(run: Run, tmp_path: Path) -> None:
    settings = {"run": str(run.path), "method": "KMeans", "number": 2}
    turn = take_lock_at(tmp_path)
    try:
        ask(tmp_path, "k", "groups", settings)
        killed = kill_workers(tmp_path)
        assert killed == 1
    finally:
        os.close(turn)
    assert wait(tmp_path, "k", "groups", settings)["labels"].shape[0] == len(trajectory(run))


def take_lock_at(root: Path) -> int:
    (root / "cache").mkdir()
    return take_lock(root / "cache" / ".turn", "held by the test")


def kill_workers(root: Path) -> int:
    """Kill this test's own workers: children of this process that name ``root``."""
    killed = 0
    deadline = time.monotonic() + 60
    while not killed and time.monotonic() < deadline:
        for process in Path("/proc").glob("[0-9]*"):
            try:
                command = (process / "cmdline").read_bytes().split(b"\0")
                parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
            except OSError:
                continue
            if b"matrep_core.views.background" in command and str(root / "cache" / "k.safetensors").encode() in command and parent == str(os.getpid()):
                os.kill(int(process.name), signal.SIGKILL)
                os.waitpid(int(process.name), 0)
                killed += 1
    return killed


def test_a_cache_that_cannot_be_written_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("not a folder")
    with pytest.raises(MatRepError, match="artifacts folder"):
        ask(tmp_path, "k", "groups", {"run": str(run.path), "method": "KMeans", "number": 2})
