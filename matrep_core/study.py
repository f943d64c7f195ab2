"""Studies at work: many runs and baselines at once, here, on other machines or in a process of its own.

A study (``evaluation/results.py`` draws its folder) trains one run for every code activation, N_entries and split
seed and, where it is asked to, tunes every baseline on every split. What is done is never repeated, so a study that
was stopped goes on, and one that is asked for more extends. A worker inherits the lock of its study from the process
that starts it, as that of a training does (``jobs.py``); one study is at work at a time.

Work goes through joblib: threads of this process, or the workers of a Dask scheduler (``cluster.py``). Threads, not
processes: the compiled steps, torch and the linear algebra hold no interpreter lock, so that processes train no faster,
and each would load torch and compile anew (``docs/SCALING.md``).
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Event, Lock, Thread

import numpy as np

from matrep_core import cluster
from matrep_core.errors import MatRepError, NotThere, RunBroken, SettingRefused
from matrep_core.evaluation.baselines import baseline_predictions, keep_predictions, names
from matrep_core.evaluation.results import Job, Plan, Study, list_studies, open_study, studies_folder
from matrep_core.formulas.schema import FormulaSet, observations
from matrep_core.formulas.storage import content_hash, write_formula_set
from matrep_core.limits import Bound
from matrep_core.model.engine import check_device, named_engine
from matrep_core.publishing import publish_quietly
from matrep_core.runs.files import held_lock, read_json, take_lock, turn, write_json
from matrep_core.runs.store import Run, Status
from matrep_core.settings import TrainingSettings
from matrep_core.threads import ONE_THREAD, one_thread
from matrep_core.training import fit, prepare

ENTRIES = (2, 4, 6, 10, 20, 50, 100)  # the research's own
WORKERS = max(1, min(2, os.cpu_count() or 1))  # of a study that a page starts
_POLL_SECONDS = 0.3
_PROJECT = Path(__file__).resolve().parents[1]


def plan_of(
    data: FormulaSet, settings: TrainingSettings, entries: Sequence[int], activations: Sequence[str], splits: int,
    baselines: Sequence[str] = (),
) -> Plan:  # fmt: skip
    """A checked plan; raises SettingRefused for anything out of its bound, for empty lists and unknown baselines."""
    for name, given in (("entries", entries), ("activation", activations)):
        if not given:
            raise SettingRefused(name, list(given), "choose at least one.")
    Bound(1, 1_000).check("splits", splits)
    for name in baselines:
        if name not in names():
            raise SettingRefused("baselines", name, f"choose among {', '.join(names())}.")
    for activation in activations:
        for n in entries:
            replace(settings, code_activation=activation, n_entries=n).checked()
    entries, activations = tuple(sorted(set(entries))), tuple(dict.fromkeys(activations))
    base = replace(settings, code_activation=activations[0], n_entries=entries[0], seed=0)
    return Plan(base, entries, activations, splits, tuple(dict.fromkeys(baselines)), data.name, content_hash(data))


def make_study(path: Path, data: FormulaSet, plan: Plan) -> Study:
    """A new study at ``path``, or the one that is there extended by ``plan``; nothing is written where it is refused.

    Raises SettingRefused where the study there was made from other data or settings, and what ``prepare`` raises
    for settings that do not fit the data.
    """
    path = Path(path).absolute()
    if (path / "study.json").is_file():
        there = Study(path)
        _same(there.plan, plan, str(path))
        write_json(path / "study.json", there.plan.joined(plan).to_json(), durable=True)
        return Study(path)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise SettingRefused("out", str(path), "it exists already and is no study; choose a new folder.")
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir()
        write_formula_set(data, temporary / "data")
        write_json(temporary / "study.json", plan.to_json(), durable=True)
        (temporary / "lock").touch()
        first = Study(temporary).jobs[-1]
        prepare(first.path, data, first.settings)
        os.rename(temporary, path)
    except OSError as error:
        raise RunBroken(f"The study could not be written to {path.parent.name}: {error.strerror}.") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return Study(path)


def _same(there: Plan, wanted: Plan, place: str) -> None:
    if there.data_hash != wanted.data_hash:
        raise SettingRefused("out", place, "this study was made from other data; choose another folder.")
    varied = {"n_entries", "code_activation", "seed"}
    before, now = there.settings.to_json(), wanted.settings.to_json()
    for name, value in now.items():
        if name not in varied and before[name] != value:
            raise SettingRefused(name, value, f"this study was made with {before[name]!r}; use that, or choose another folder.")


def fit_many(
    runs: Sequence[Run], workers: int = 2, *, engine: str = "auto", device: str = "auto", stop: Event | None = None
) -> list[Status]:
    """Train prepared runs, ``workers`` at once; how each ended, in their order.

    A run is the same whatever ``workers`` is: it shares nothing with the others, and its linear algebra has one
    thread. Threads suffice, as the compiled steps hold no interpreter lock. A run that fails does not stop the
    others; its status says why. ``stop``, once set, stops those that train at a checkpoint and starts no other.
    """
    stop = stop or Event()

    def one(run: Run) -> None:
        with suppress(MatRepError):
            _fit(run, engine, device, stop)

    _many([partial(one, run) for run in runs], workers, stop)
    return [run.status() for run in runs]


def _fit(run: Run, engine: str, device: str, stop: Event) -> str:
    """Train one run; its state at the end, "stopped" where ``stop`` was set meanwhile."""

    @contextmanager
    def turn() -> Iterator[bool]:
        yield not stop.is_set()

    def report(_: Status) -> None:
        if stop.is_set():
            (run.path / "stop").touch()

    return fit(run, engine=engine, device=device, turn=turn, report=report).state


def _many(tasks: Sequence[Callable[[], None]], workers: int, stop: Event) -> None:
    """Do all tasks on ``workers`` threads; a fault in one sets ``stop`` and is raised once the others ended."""
    from joblib import Parallel, delayed

    workers = Bound(1, 64).check("workers", workers)
    faults: list[Exception] = []

    def safely(task: Callable[[], None]) -> None:
        try:
            if not faults:
                task()
        except Exception as fault:
            faults.append(fault)
            stop.set()

    with one_thread():
        try:
            Parallel(workers, backend="threading", batch_size=1, pre_dispatch="all")(delayed(safely)(task) for task in tasks)
        except BaseException:  # an interrupt
            stop.set()
            raise
    if faults:
        raise faults[0]


def run_study(
    study: Study, workers: int = 2, *, engine: str = "auto", device: str = "auto", scheduler: str = "", stop: Event | None = None,
    ended: Callable[[str, str], None] | None = None,
) -> dict[str, str]:  # fmt: skip
    """Bring every run and baseline to its end that is not there yet; what is not done, and why (empty: all is done).

    ``scheduler``: the address of a Dask scheduler whose workers do it, "" for ``workers`` threads here; the results are
    the same. ``ended`` hears the name and the end of each. Raises RunBusy where another process works at the study,
    NotReached where the scheduler or its workers are lost; what was done until then is kept.
    """
    with held_lock(study.path / "lock", f"{study.id} is at work in another process. Wait for it, or stop it first."):
        how = How(workers, cluster.checked_scheduler(scheduler), engine, device)
        return _work(study, how, stop or Event(), ended or (lambda name, words: None))


@dataclass(frozen=True)
class How:
    """Where and with what a study is worked at; none of it changes what comes out."""

    workers: int
    scheduler: str = ""
    engine: str = "auto"
    device: str = "auto"


def _work(study: Study, how: How, stop: Event, ended: Callable[[str, str], None]) -> dict[str, str]:
    engine = named_engine(how.engine, how.device)  # every worker takes the same one
    done = {job for job, _ in study.done()}
    rest = [job for job in study.jobs if job not in done]
    fitted, open_, one_at_a_time = study.fitted(), {}, Lock()
    observed = observations(study.data, study.plan.settings.property, study.plan.settings.conditions)
    fits = [(name, seed) for name, seed in study.fits() if f"{name}-s{seed}" not in fitted]
    first_of = {job.settings.seed: job for job in study.jobs}  # the cheapest of every split: the last in their order

    def opened(job: Job) -> Run:
        with one_at_a_time:
            return Run(job.path) if (job.path / "config.json").is_file() else prepare(job.path, study.data, job.settings)

    def trains_of(seed: int) -> np.ndarray:
        return np.isin(opened(first_of[seed]).parts[observed.formulas], ["train", "validation"])

    def note(name: str, seed: int, seconds: float, error: float) -> None:
        with one_at_a_time:
            fitted[f"{name}-s{seed}"] = {"seconds": round(seconds, 2), "inner_error": error}
            write_json(study.path / "baselines.json", fitted)

    def tune(name: str, seed: int) -> str:
        if stop.is_set():
            return "stopped"
        begun = time.monotonic()
        _, error = baseline_predictions(study.path, study.data, observed, trains_of(seed), name)
        note(name, seed, time.monotonic() - begun, error)
        return "done"

    def train(job: Job) -> str:
        return "stopped" if stop.is_set() else _fit(opened(job), how.engine, how.device, stop)

    def one(name: str, work: Callable[[], str]) -> None:
        try:
            words = work()
        except MatRepError as error:
            words = f"failed: {error}"
        if words != "done":
            open_[name] = words
        ended(name, words)

    if not how.scheduler:
        check_device(how.device)
        tasks = [(f"{name}-s{seed}", partial(tune, name, seed)) for name, seed in fits]
        tasks += [(job.path.name, partial(train, job)) for job in rest]
        _many([partial(one, *task) for task in tasks], how.workers, stop)
        return open_

    def kept(came: cluster.Came) -> str:
        """Put what came back where a training here would have left it."""
        if came.files is not None:
            cluster.commit_run(paths[came.name], came.files)
        if came.predicted is not None:
            name, seed = known[came.name]
            keep_predictions(study.path, study.data, observed, trains_of(seed), name, came.predicted, came.inner_error)
            note(name, seed, came.seconds, came.inner_error)
        return came.words

    paths = {job.path.name: job.path for job in rest}
    known = {f"{name}-s{seed}": (name, seed) for name, seed in fits}
    settings = study.plan.settings
    sent: list[cluster.Training | cluster.Tuning] = [
        cluster.Tuning(key, name, settings.property, settings.conditions, trains_of(seed)) for key, (name, seed) in known.items()
    ]
    for job in rest:
        try:
            sent.append(cluster.Training(job.path.name, cluster.files_of(opened(job).path), engine, how.device))
        except MatRepError as error:
            open_[job.path.name] = f"failed: {error}"
            ended(job.path.name, open_[job.path.name])
    waiting = {task.name for task in sent}
    for came in cluster.done_elsewhere(how.scheduler, cluster.packed(study.path / "data"), sent, stop) if sent else ():
        waiting.discard(came.name)
        one(came.name, partial(kept, came))
    return open_ | dict.fromkeys(waiting, "stopped")


# --- a study in a process of its own ------------------------------------------------------------------------


def start(root: Path, data: FormulaSet, plan: Plan, scheduler: str = "") -> str:
    """Make a study below the artifacts folder ``root`` and queue it; returns its id. Raises what ``make_study`` raises."""
    scheduler = cluster.checked_scheduler(scheduler)
    study_id = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    study = make_study(studies_folder(root) / study_id, data, plan)
    _launch(study, root, scheduler)
    return study.id


def extend(root: Path, study_id: str, plan: Plan | None = None, scheduler: str | None = None) -> None:
    """Go on with a study, extended by ``plan`` if there is one, with the scheduler that it had or another.

    Raises RunBusy while it is at work.
    """
    study = open_study(root, study_id)
    scheduler = scheduler_of(study) if scheduler is None else cluster.checked_scheduler(scheduler)
    lock = take_lock(study.path / "lock", f"{study.id} is at work. Stop it first, then extend it.")
    os.close(lock)
    if plan:
        study = make_study(study.path, study.data, plan)
    _launch(study, root, scheduler)


def stop(root: Path, study_id: str) -> None:
    """Ask a study to stop: what trains stops at a checkpoint, what waits is not started."""
    study = open_study(root, study_id)
    if not study.busy:
        raise NotThere(f"{study_id} is not at work, so there is nothing to stop.")
    (study.path / "stop").touch()


def delete(root: Path, study_id: str) -> None:
    """Remove a study with all its runs for good; raises RunBusy while it is at work."""
    study = open_study(root, study_id)
    os.close(take_lock(study.path / "lock", f"{study.id} is at work. Stop it before you delete it."))
    doomed = study.path.with_name(f".deleted-{study_id}-{secrets.token_hex(4)}")
    os.rename(study.path, doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def scheduler_of(study: Study) -> str:
    """The address of the scheduler that does a study's work, "" where this machine does."""
    stored = read_json(study.path / "status.json") if (study.path / "status.json").is_file() else {}
    return str(stored.get("scheduler", ""))


def _launch(study: Study, root: Path, scheduler: str) -> None:
    lock = take_lock(study.path / "lock", f"{study.id} is at work already.")
    try:
        (study.path / "stop").unlink(missing_ok=True)
        _tell(study, How(WORKERS, scheduler), "queued")
        with (study.path / "log.txt").open("ab") as log:
            subprocess.Popen(
                [sys.executable, "-m", "matrep_core.study", str(root), study.id, str(lock)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, pass_fds=(lock,),
                cwd=_PROJECT, env={**os.environ, **ONE_THREAD},
            )  # fmt: skip
    finally:
        os.close(lock)


def _tell(study: Study, how: How, state: str, message: str = "") -> None:
    record = {"state": state, "message": message, "workers": how.workers, "scheduler": how.scheduler}
    write_json(study.path / "status.json", record)


def _turn(root: Path, study: Study) -> AbstractContextManager[bool]:
    """Wait until this study is the oldest that waits and no other is at work; False where it was asked to stop."""

    def oldest() -> bool:
        waiting = [each.id for each in list_studies(root)[0] if each.busy and each.state()[0] == "queued"]
        return study.id <= min(waiting, default=study.id)

    return turn(studies_folder(root) / ".queue", (study.path / "stop").exists, oldest)


def main(root: Path, study_id: str, lock: int) -> int:
    """The worker: bring the study to its end, whose lock it inherited as the file descriptor ``lock``."""
    study, asked = open_study(root, study_id), Event()
    how = How(WORKERS, scheduler_of(study))

    def listen() -> None:
        while not asked.wait(_POLL_SECONDS):
            if (study.path / "stop").exists():
                asked.set()

    with held_lock(study.path / "lock", "", lock):
        Thread(target=listen, daemon=True).start()
        try:
            with _turn(root, study) as mine:
                if mine:
                    if how.scheduler:
                        how = replace(how, workers=max(1, cluster.cores(how.scheduler)))
                    _tell(study, how, "running")
                    left = _work(study, how, asked, lambda name, words: print(name, words, flush=True))
                failures = [f"{name} {words}" for name, words in left.items() if words != "stopped"] if mine else []
            if failures:
                _tell(study, how, "failed", f"{len(failures)} did not come to their end; the first: {failures[0]}")
            else:
                _tell(study, how, "stopped" if asked.is_set() or not mine else "done")
        except MatRepError as error:
            _tell(study, how, "failed", str(error))
        except Exception:
            _tell(study, how, "failed", "The study ended by a fault of MatRep; its log says more.")
            raise
    if study.state()[0] == "done":
        publish_quietly(study.path, lambda words: print(words, flush=True))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
