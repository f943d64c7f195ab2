"""Trainings in processes of their own: started from a page, they outlive the page, its tab and its server.

A worker inherits the lock of its run from the process that starts it, so the run is never without a
holder, and a worker that is killed frees it. One training runs at a time: a worker first takes the
queue's lock, the oldest run first.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

from matrep_core.errors import MatRepError, NotThere, RunBroken, RunBusy
from matrep_core.formulas.schema import FormulaSet
from matrep_core.publishing import publish_quietly
from matrep_core.runs.files import take_lock, turn
from matrep_core.runs.store import Run, Status, list_runs, new_run_id, open_run, runs_folder, write_status
from matrep_core.settings import TrainingSettings
from matrep_core.threads import ONE_THREAD
from matrep_core.training import busy_sentence, fit, prepare

_PROJECT = Path(__file__).resolve().parents[1]


def start(root: Path, data: FormulaSet, settings: TrainingSettings) -> str:
    """Make a run of its own below ``root`` and queue its training; returns the run's id.

    Raises what ``training.prepare`` raises; nothing is written then.
    """
    settings = settings.checked()
    run = prepare(runs_folder(root) / new_run_id(settings.property, settings.n_entries), data, settings)
    _launch(run)
    return run.id


def resume(root: Path, run_id: str) -> None:
    """Queue a stopped, failed or lost run again; raises RunBusy where it is queued or training, NotThere if unknown."""
    run = open_run(root, run_id)
    state = run.status().state
    if state == "done":
        raise RunBusy(f"{run_id} is done; there is nothing to resume.")
    _launch(run)


def stop(root: Path, run_id: str) -> None:
    """Ask a queued or training run to stop at a checkpoint; raises NotThere where it is neither."""
    run = open_run(root, run_id)
    if run.status().state not in ("queued", "training"):
        raise NotThere(f"{run_id} is not training, so there is nothing to stop.")
    try:
        (run.path / "stop").touch()
    except OSError as error:
        raise RunBroken(f"{run_id} cannot be asked to stop: {error.strerror}.") from None


def _launch(run: Run) -> None:
    lock = take_lock(run.path / "lock", busy_sentence(run.id))
    try:
        before = run.status()
        write_status(run.path, Status("queued", before.step, before.steps, before.best_step, before.seconds, ""))
        (run.path / "stop").unlink(missing_ok=True)
        with (run.path / "log.txt").open("ab") as log:
            subprocess.Popen(
                [sys.executable, "-m", "matrep_core.jobs", str(run.path), str(lock)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, pass_fds=(lock,),
                cwd=_PROJECT, env={**os.environ, **ONE_THREAD},
            )  # fmt: skip
    except OSError as error:
        raise RunBroken(f"{run.id} cannot be started: {error.strerror}. Check the rights and the space of its folder.") from None
    finally:
        os.close(lock)


def turn_of(run: Run) -> AbstractContextManager[bool]:
    """Wait until this run is the oldest that waits and no other trains; gives False where it was asked to stop."""
    return turn(run.path.parent / ".queue", (run.path / "stop").exists, lambda: _is_oldest(run))


def _is_oldest(run: Run) -> bool:
    """Whether no other waiting run was made before this one."""
    summaries, _ = list_runs(run.path.parents[1])
    waiting = [(s.created, s.id) for s in summaries if s.status.state == "queued"]
    return not waiting or min(waiting) >= (run.created, run.id)


def main(path: Path, lock: int) -> int:
    """The worker: train the run at ``path``, whose lock it inherited as the file descriptor ``lock``."""
    run = Run(path)
    try:
        fit(run, lock=lock, turn=lambda: turn_of(run))
    except MatRepError as error:
        print(error, file=sys.stderr, flush=True)
        return 1
    if run.status().state == "done":
        publish_quietly(run.path, lambda words: print(words, flush=True))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
