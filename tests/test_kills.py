"""SIGKILL at random moments of starting, training and saving; full disks; two writers: nothing is lost, one wins."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from matrep_core.errors import MatRepError, RunBusy, TrainingStopped
from matrep_core.formulas.cosmetics import generate_cosmetics
from matrep_core.runs.checkpoint import latest_checkpoint
from matrep_core.runs.files import take_lock
from matrep_core.runs.store import Run, list_runs
from matrep_core.settings import from_recipe
from matrep_core.training import fit, prepare
from tests.conftest import PROJECT

KILLS = 120
# A process that has everything loaded forks children that work, and kills each at a random moment.
KILLER = """
import os, random, shutil, signal, sys, time
from pathlib import Path
import scipy.linalg.cython_blas
from threadpoolctl import threadpool_limits
import matrep_core.training as training, matrep_core.model.fast
from matrep_core.formulas.cosmetics import generate_cosmetics
from matrep_core.runs.store import Run, list_runs
from matrep_core.runs.checkpoint import latest_checkpoint
from tests.test_kills import chosen, same, small
threadpool_limits(1)
training.SECONDS_BETWEEN_CHECKPOINTS = 0.01
root, kills = Path(sys.argv[1]), int(sys.argv[2])
whole = Run(root / "whole")
data, random = small(), random.Random(0)
begun = time.perf_counter()
warm = training.prepare(root / "warm", data, chosen(steps=20))
starting = time.perf_counter() - begun
training.fit(warm)  # everything is compiled from here on

def killed(work, longest):
    child = os.fork()
    if not child:
        work()
        os._exit(0)
    time.sleep(random.uniform(0, longest))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)

def readable(path):
    run = Run(path)
    run.data, run.parts, run.metrics(), latest_checkpoint(path)
    frames = run.frames()
    for number in range(len(frames)):
        frames.packed(number)
    return run

started = trained = unreadable = other_ends = 0
while started < kills // 3:  # starting; later and later kills, since a fork may start more slowly
    path = root / "runs" / f"start-{started}"
    killed(lambda: training.prepare(path, data, chosen()), (1.5 + started / 4) * starting)
    started += 1
    if path.exists():
        try:
            readable(path)
        except Exception as error:
            unreadable += 1
            print(error, file=sys.stderr)
print(len(list_runs(root)[0]), "runs were begun", file=sys.stderr)
unreadable += len(list_runs(root)[1])
shutil.rmtree(root / "runs")
ends = 0
while trained < kills - started or not ends:  # training and saving
    path = root / f"killed-{ends}"
    training.prepare(path, data, chosen())
    state = "queued"
    while state != "done":
        killed(lambda: training.fit(Run(path)), 0.15)
        trained += 1
        try:
            state = readable(path).status().state
        except Exception as error:
            unreadable += 1
            print(error, file=sys.stderr)
        if trained >= kills - started and state != "done":
            training.fit(Run(path))
            state = "done"
    ends += 1
    other_ends += not same(whole, Run(path))
print(started + trained, unreadable, ends, other_ends)
"""


def chosen(**changes):
    small = {"hidden_width": 16, "n_entries": 4, "frames": 12, "steps": 1_500, "members": 2, "blend": "no"}
    return from_recipe("default", **{"property": "viscosity", **small, **changes})


def small():
    return generate_cosmetics(seed=3, formulas=100, materials=500).data


def same(a: Run, b: Run) -> bool:
    """Whether two runs end equal, bit by bit: checkpoint, model, frames and curves, clock aside."""
    def tensors(run: Run) -> dict[str, np.ndarray]:
        state = latest_checkpoint(run.path)
        frames = run.frames()
        return {
            **state.tensors, **{f"model {name}": tensor for name, tensor in run.kept_model()[0].items()},
            **{f"frame {step}": frames.vectors(i) for i, step in enumerate(frames.steps)},
            "curves": run.metrics().drop(columns="seconds").to_numpy(float),
        }  # fmt: skip

    one, other = tensors(a), tensors(b)
    return one.keys() == other.keys() and all(np.array_equal(one[n], other[n], equal_nan=True) for n in one)


def alone(code: str, *words: str, timeout: float = 400) -> subprocess.CompletedProcess[str]:
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    return subprocess.run(
        [sys.executable, "-c", code, *words], cwd=PROJECT, capture_output=True, text=True, timeout=timeout,
        env={**os.environ, **one_thread},
    )  # fmt: skip


def test_a_hundred_kills_leave_every_run_readable_and_its_end_the_same(tmp_path: Path, figures) -> None:
    fit(prepare(tmp_path / "whole", small(), chosen()))
    done = alone(KILLER, str(tmp_path), str(KILLS))
    assert done.returncode == 0, done.stderr
    kills, unreadable, ends, other_ends = map(int, done.stdout.split())
    figures.add(kills=kills, unreadable_runs=unreadable, trainings_to_their_end=ends, other_ends=other_ends)
    assert kills >= 100 and ends >= 1 and not unreadable and not other_ends, done.stderr
    assert not re.search(r"^0 runs were begun", done.stderr, re.MULTILINE)


AGAIN = """
import os, random, signal, sys, time
from pathlib import Path
import numpy as np
from matrep_core.runs.checkpoint import commit_checkpoint, latest_checkpoint
run, random, lost = Path(sys.argv[1]), random.Random(0), 0
tensors = {f"tensor {number}": np.full(20_000, number) for number in range(4)}
commit_checkpoint(run, 7, tensors, {})
for _ in range(100):
    child = os.fork()
    if not child:
        while True:
            commit_checkpoint(run, 7, tensors, {})
    time.sleep(random.uniform(0.002, 0.03))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    try:
        lost += latest_checkpoint(run).step != 7
    except Exception as error:
        lost += 1
        print(error, file=sys.stderr)
print(lost)
"""


def test_a_kill_while_the_same_step_is_committed_again_leaves_a_checkpoint(tmp_path: Path) -> None:
    done = alone(AGAIN, str(tmp_path))
    assert done.stdout.strip() == "0", done.stderr


# --- two writers --------------------------------------------------------------------------------------------

RACER = """
import os, sys, time
from pathlib import Path
import matrep_core.training as training
from matrep_core.errors import RunBusy
from matrep_core.runs.store import Run
run, go = Run(Path(sys.argv[1])), Path(sys.argv[2])
children = []
for number in range(8):
    child = os.fork()
    if not child:
        while not go.exists():
            pass
        try:
            training.fit(run)
        except RunBusy:
            os._exit(7)
        os._exit(0)
    children.append(child)
go.touch()
print(*(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
"""


def test_of_many_writers_exactly_one_wins(tmp_path: Path, figures) -> None:
    whole, raced = (prepare(tmp_path / name, small(), chosen(steps=4_000)) for name in ("whole", "raced"))
    done = alone(RACER, str(raced.path), str(tmp_path / "go"))
    assert done.returncode == 0, done.stderr
    ends = done.stdout.split()
    figures.add(writers_at_once=len(ends), winners=ends.count("0"), turned_away=ends.count("7"))
    assert sorted(ends) == ["0"] + ["7"] * 7
    fit(whole)
    assert same(whole, raced)


HOLDER = """
import sys, time
from pathlib import Path
from matrep_core.runs.files import take_lock
handle = take_lock(Path(sys.argv[1]), "busy")
print("held", flush=True)
time.sleep(600)
"""


def test_the_lock_of_a_killed_holder_is_free(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    for _ in range(3):
        holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(lock)], cwd=PROJECT, stdout=subprocess.PIPE, text=True)
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(RunBusy, match="busy"):
            take_lock(lock, "busy")
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        os.close(take_lock(lock, "busy"))


# --- a full disk, numbers that are none ---------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path):
    """A disk of 2 MB in memory; skips where this process may not mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("mounting a small disk needs rights that this process has not")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(disk: Path, leave: int) -> None:
    free = shutil.disk_usage(disk).free
    (disk / "filler").write_bytes(bytes(max(0, free - leave)))


@pytest.mark.parametrize("leave", [0, 30_000])
def test_a_full_disk_leaves_the_last_checkpoint_and_says_so(leave, small_disk: Path, tmp_path: Path, monkeypatch) -> None:
    import matrep_core.training as training

    whole, run = (prepare(folder / "run", small(), chosen(steps=300)) for folder in (tmp_path, small_disk))
    fit(whole)
    monkeypatch.setattr(training, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)

    def fill_up(status) -> None:
        if status.step > 50 and not (small_disk / "filler").exists():
            fill(small_disk, leave)

    monkeypatch.setattr(training, "SECONDS_BETWEEN_REPORTS", 0.0)
    with pytest.raises(MatRepError, match="(?i)space|disk"):
        fit(run, report=fill_up)
    kept = latest_checkpoint(run.path)
    assert kept is not None and kept.step > 0
    assert Run(run.path).status().state in ("failed", "lost")
    with pytest.raises(MatRepError, match="No space left"):
        prepare(small_disk / "another", small(), chosen())
    assert sorted(path.name for path in small_disk.iterdir()) == ["filler", "run"]
    assert not list_runs(small_disk)[1]
    (small_disk / "filler").unlink()
    monkeypatch.undo()
    assert fit(Run(run.path)).state == "done"
    assert same(whole, Run(run.path))


@pytest.mark.parametrize("value", [1e300, -1e300])
def test_what_is_no_number_stops_before_the_commit(value: float, tmp_path: Path) -> None:
    run = prepare(tmp_path / "run", small(), chosen(scale="raw", loss="squared", steps=60))
    train = int(np.flatnonzero(run.parts == "train")[0])
    measurements = run.data.measurements.copy()
    hit = (measurements.property == "viscosity") & (measurements.formula == train)
    measurements.loc[hit, "value"] = value  # finite, but not in float32
    run.__dict__["data"] = replace(run.data, measurements=measurements)
    with pytest.raises(TrainingStopped, match=r"step \d+.*formulas") as caught:
        fit(run)
    assert run.data.formula_ids[train] in str(caught.value)
    assert latest_checkpoint(run.path) is None and run.status().state == "failed"
