"""Studies on a real Dask scheduler with workers in folders of their own: the same bits, kills, losses, stops."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest

from matrep_core import cluster
from matrep_core import study as studies
from matrep_core.errors import NotReached, RunBroken, SettingRefused
from matrep_core.evaluation.results import open_study
from matrep_core.runs.files import read_json
from matrep_core.runs.store import Run
from matrep_core.study import plan_of, run_study
from tests.conftest import PROJECT
from tests.test_study import command, data_folder, made, settings, wait_for  # noqa: F401  (a fixture)

pytest.importorskip("distributed", reason="Dask is not installed (requirements-cluster.txt)")
FEW = ("mean", "ridge")


@dataclass
class Cluster:
    """A scheduler on loopback and its workers, each a process in a folder of its own."""

    folder: Path
    port: int
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    def join(self, name: str, source: Path = PROJECT) -> subprocess.Popen[bytes]:
        """Start one more worker; ``source`` is where it takes MatRep from."""
        home = self.folder / name
        home.mkdir()
        options = ["--host", "127.0.0.1", "--nthreads", "1", "--no-dashboard", "--no-nanny", "--local-directory", str(home), "--name", name]
        worker = _started("worker", [self.address, *options], home, source)
        self.workers.append(worker)
        return worker


def _started(kind: str, words: list[str], folder: Path, source: Path = PROJECT) -> subprocess.Popen[bytes]:
    environment = {"PYTHONPATH": str(source), "OMP_NUM_THREADS": "1", "HOME": str(folder), "TMPDIR": str(folder), "PATH": os.environ["PATH"]}
    environment |= {name: value for name, value in os.environ.items() if name.startswith("OPENBLAS_")}  # another kernel has other last bits
    with (folder / f"{kind}.log").open("wb") as log:
        return subprocess.Popen([sys.executable, "-m", f"distributed.cli.dask_{kind}", *words], cwd=folder, stdout=log, stderr=log, env=environment)


@contextmanager
def a_cluster(folder: Path, workers: int) -> Iterator[Cluster]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder.mkdir(exist_ok=True)
    made = Cluster(folder, port, _started("scheduler", ["--host", "127.0.0.1", "--port", str(port), "--no-dashboard"], folder))
    try:
        for number in range(workers):
            made.join(f"worker{number}")
        wait_for(lambda: answers(made) and cluster.cores(made.address) == workers)
        yield made
    finally:
        for each in [*made.workers, made.scheduler]:
            each.kill()
            each.wait(20)


def answers(made: Cluster) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", made.port)) == 0


@pytest.fixture(scope="module")
def three(tmp_path_factory) -> Iterator[Cluster]:
    with a_cluster(tmp_path_factory.mktemp("cluster"), 3) as made:
        yield made


def bits(study) -> dict[str, object]:
    """What must be the same wherever it was computed: vectors, regressors, frames, predictions, scores, splits."""
    found: dict[str, object] = {}
    for job, run in study.done():
        tensors, facts = run.kept_model()
        arrays = {name: tensor.tobytes() for name, tensor in tensors.items()}
        found[job.path.name] = (arrays, facts["scores"], run.frames_packed()[0].tobytes(), run.parts.tolist())
    for name, seed, predicted, _, _ in study._baselines():
        found[f"{name}-s{seed}"] = predicted.tobytes()
    return found


def test_a_study_on_other_machines_has_the_bits_of_the_one_here(small_cosmetics, three, tmp_path):
    whole = {"entries": (3,), "splits": 2, "baselines": FEW, "members": 2, "blend": "yes", "steps": 60}
    here, there = (made(tmp_path / name, small_cosmetics, **whole) for name in ("here", "there"))
    heard: list[tuple[str, str]] = []
    assert run_study(here) == {}
    assert run_study(there, scheduler=three.address, ended=lambda *words: heard.append(words)) == {}
    assert len(heard) == 2 + 4 and {words for _, words in heard} == {"done"}
    ours, theirs = bits(here), bits(there)
    assert len(ours) == 6 and ours == theirs
    assert there.fitted().keys() == here.fitted().keys()
    # Nothing of it stays on a worker, and none of them wrote where we are.
    assert not list(three.folder.glob("worker*/**/matrep-*")) and not [file for file in (there.path / "runs").iterdir() if file.name[0] == "."]
    again: list[str] = []
    assert run_study(there, scheduler=three.address, ended=lambda name, _: again.append(name)) == {} and not again


def test_what_a_killed_worker_was_at_is_done_again(small_cosmetics, tmp_path, figures):
    with a_cluster(tmp_path / "cluster", 3) as machines:
        here, there = (made(tmp_path / name, small_cosmetics, entries=(4,), splits=6, steps=2_000) for name in ("here", "there"))
        killed: list[str] = []

        def kill() -> None:
            """The worker that trains at this moment."""
            folder = wait_for(lambda: next(iter(machines.folder.glob("worker*/**/matrep-*/*/frames/index.jsonl")), None))
            name = folder.relative_to(machines.folder).parts[0]
            machines.workers[int(name.removeprefix("worker"))].send_signal(signal.SIGKILL)
            killed.append(name)

        killer = Thread(target=kill, daemon=True)
        killer.start()
        assert run_study(there, scheduler=machines.address) == {}
        killer.join(30)
        assert killed and cluster.cores(machines.address) == 2
        assert run_study(here) == {}
        assert len(bits(here)) == 6 and bits(here) == bits(there)
        figures.add(workers_killed=1, runs_lost=0)


def test_a_lost_scheduler_is_told_and_the_study_goes_on_elsewhere(small_cosmetics, three, tmp_path):
    study = made(tmp_path / "study", small_cosmetics, entries=(4,), splits=6, steps=4_000)
    first: list[str] = []
    with a_cluster(tmp_path / "cluster", 1) as machines:

        def ended(name: str, words: str) -> None:
            first.append(name)
            if len(first) == 2:
                machines.scheduler.kill()

        with pytest.raises(NotReached, match="go on here or with another scheduler"):
            run_study(study, scheduler=machines.address, ended=ended)
    kept = {job.path.name: (job.path / "model" / "manifest.json").stat().st_mtime_ns for job, _ in study.done()}
    assert sorted(kept) == sorted(first) and 2 <= len(kept) < 6
    second: list[str] = []
    assert run_study(study, scheduler=three.address, ended=lambda name, _: second.append(name)) == {}
    assert sorted([*first, *second]) == sorted(job.path.name for job in study.jobs)
    for job, _ in study.done():
        if job.path.name in kept:
            assert (job.path / "model" / "manifest.json").stat().st_mtime_ns == kept[job.path.name]


def test_a_stop_reaches_the_workers_and_the_run_goes_on_here(small_cosmetics, three, tmp_path):
    study, stop = made(tmp_path / "study", small_cosmetics, entries=(3,), splits=4, steps=5_000_000, validation_share=0.0), Event()

    def ask() -> None:
        wait_for(lambda: list(three.folder.glob("worker*/**/matrep-*/*/frames/index.jsonl")))
        time.sleep(1)
        stop.set()

    Thread(target=ask, daemon=True).start()
    left = run_study(study, scheduler=three.address, stop=stop)
    assert sorted(left.values()) == ["stopped"] * 4
    steps = {job.path.name: Run(job.path).status() for job in study.jobs}
    reached = max(status.step for status in steps.values())
    assert reached > 0 and {status.state for status in steps.values()} <= {"stopped", "lost"}
    again = Event()
    furthest = lambda: max(Run(job.path).status().step for job in study.jobs)  # noqa: E731
    Thread(target=lambda: (wait_for(lambda: furthest() > reached), again.set()), daemon=True).start()
    run_study(study, 1, stop=again)
    assert again.is_set() and furthest() > reached


def test_a_refusal_on_a_worker_comes_back_as_words(small_cosmetics, three, tmp_path):
    study = made(tmp_path / "study", small_cosmetics, entries=(3,), splits=1, steps=20)
    first = Run(study.jobs[0].path)  # prepared with the study
    (first.path / "split.json").write_text('{"parts": ["train"]}')
    heard = {}
    left = run_study(study, scheduler=three.address, ended=lambda name, words: heard.update({name: words}))
    assert left == heard and "does not fit the run's formulas" in heard["tanh-n3-s0"]
    assert Run(first.path).status().state == "failed"


def test_an_address_that_is_none_is_refused_before_anything_is_asked(small_cosmetics, tmp_path):
    study = made(tmp_path / "study", small_cosmetics, entries=(3,), splits=1, steps=20)
    for wrong in ("http://10.0.0.5:8786", "tcp://anna:secret@10.0.0.5:8786", "10.0.0.5:8786", "tcp://10.0.0.5", "inproc://x", "tcp://h:1 --x"):
        with pytest.raises(SettingRefused, match="scheduler"):
            run_study(study, scheduler=wrong)


def test_a_worker_with_another_matrep_is_refused(small_cosmetics, tmp_path):
    import shutil

    other = tmp_path / "other"
    shutil.copytree(PROJECT / "matrep_core", other / "matrep_core", ignore=shutil.ignore_patterns("__pycache__"))
    with (other / "matrep_core" / "limits.py").open("a") as file:
        file.write("\nNEWER = True\n")
    study = made(tmp_path / "study", small_cosmetics, entries=(3,), splits=1, steps=20)
    with a_cluster(tmp_path / "cluster", 0) as machines:
        machines.join("worker0", other)
        left = run_study(study, scheduler=machines.address)
    assert [("another version" in words) for words in left.values()] == [True] and not study.done()


def test_a_file_that_could_leave_its_folder_is_refused(small_cosmetics, tmp_path):
    for name in ("../escape", "/etc/passwd", "model/../../escape", "a//b", ".hidden", ""):
        with pytest.raises(RunBroken, match="no part of a run"):
            cluster.write_files(tmp_path / "run", {name: b"x"})
    assert not list(tmp_path.rglob("escape"))


def test_a_study_of_the_app_remembers_its_scheduler_and_survives_its_loss(small_cosmetics, three, tmp_path):
    plan = plan_of(small_cosmetics, settings(steps=40), [2], ["tanh"], 2, ["mean"])
    study_id = studies.start(tmp_path, small_cosmetics, plan, three.address)
    study = open_study(tmp_path, study_id)
    wait_for(lambda: not study.busy)
    assert study.state() == ("done", "") and studies.scheduler_of(study) == three.address
    assert read_json(study.path / "status.json")["workers"] == 3
    more = plan_of(small_cosmetics, settings(steps=40), [2], ["tanh"], 3)
    studies.extend(tmp_path, study_id, more, "tcp://127.0.0.1:9")
    wait_for(lambda: not study.busy)
    state, message = study.state()
    assert state == "failed" and "No scheduler answers" in message and len(study.done()) == 2
    studies.extend(tmp_path, study_id, scheduler="")
    wait_for(lambda: not study.busy)
    assert study.state()[0] == "done" and len(open_study(tmp_path, study_id).done()) == 3


def test_the_command_takes_a_scheduler(data_folder, three, tmp_path):  # noqa: F811
    words = command(data_folder, tmp_path / "study", "--entries", "2", "--splits", "1", "--steps", "50")
    done = subprocess.run([*words, "--scheduler", three.address], cwd=PROJECT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "tanh-n2-s0 done" in done.stderr, done.stderr
    refused = subprocess.run([*words, "--scheduler", "nowhere"], cwd=PROJECT, capture_output=True, text=True, timeout=120)
    assert refused.returncode == 1 and "Dask scheduler" in refused.stderr and "Traceback" not in refused.stderr
    assert np.isfinite(Run(tmp_path / "study" / "runs" / "tanh-n2-s0").vectors()).all()
