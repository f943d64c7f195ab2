"""Runs and baselines on other machines: joblib's Dask backend, and tasks that are pure functions of bytes.

A worker shares no disk with us. It is sent the formulas as one packed folder and the files of a prepared (or stopped)
run, works in a folder of its own, and sends the files of the run back; ``commit_run`` puts these in the place of the
prepared ones in one step. What a killed worker was at is given to another one by Dask. Dask pickles our own functions
and their arguments between the machines: a scheduler is trusted as this machine is (SECURITY.md).
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import secrets
import shutil
import tempfile
import time
import zipfile
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np

from matrep_core.errors import MatRepError, NotReached, RunBroken, SettingRefused
from matrep_core.evaluation.baselines import baseline_predictions
from matrep_core.formulas.schema import observations
from matrep_core.formulas.storage import read_formula_set
from matrep_core.runs.files import held_lock, sync_folder
from matrep_core.runs.store import Run, replace_folder
from matrep_core.threads import keep_to_one_thread
from matrep_core.training import busy_sentence, fit

_ADDRESS = re.compile(r"(tcp|tls)://[A-Za-z0-9.:\[\]_-]+:\d{1,5}")
_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_OURS = {"lock", "stop", "log.txt"}  # of a run's folder, and of no other machine
_CONNECT_SECONDS = 6
_ATTEMPTS = 3
_POLL_SECONDS = 0.3


def checked_scheduler(text: str) -> str:
    """An address such as tcp://10.0.0.5:8786, or "" for this machine; raises SettingRefused for any other text."""
    text = text.strip()
    if text and not _ADDRESS.fullmatch(text):
        raise SettingRefused("scheduler", text, "give the address of a Dask scheduler, such as tcp://10.0.0.5:8786, or nothing.")
    if text and not (find_spec("distributed") and find_spec("dask")):
        raise SettingRefused("scheduler", text, "Dask is not installed here; install requirements-cluster.txt.")
    return text


# --- here ---------------------------------------------------------------------------------------------------


@contextmanager
def _client(scheduler: str) -> Iterator[Any]:
    from distributed import Client

    try:
        client = Client(checked_scheduler(scheduler), timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError):
        raise NotReached(f"No scheduler answers at {scheduler}. Start it, give another address, or go on without one.") from None
    try:
        yield client
    finally:
        client.close(timeout=_CONNECT_SECONDS)


def cores(scheduler: str) -> int:
    """How many tasks the scheduler's workers do at once now; raises NotReached where nobody answers."""
    with _client(scheduler) as client:
        return sum(client.ncores().values())


def packed(folder: Path) -> np.ndarray:
    """(bytes,) uint8: the files of a folder without folders as one zip; an array, as joblib sends those once a worker."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, file.name)
    return np.frombuffer(buffer.getvalue(), np.uint8)


def files_of(run: Path) -> dict[str, bytes]:
    """All files of a run without its formulas, lock and log, by their names in its folder."""
    found = {file.relative_to(run).as_posix(): file for file in sorted(run.rglob("*")) if file.is_file()}
    kept = {name: file for name, file in found.items() if name not in _OURS and not name.startswith("data/")}
    return {name: file.read_bytes() for name, file in kept.items() if all(map(_PART.fullmatch, name.split("/")))}


def commit_run(path: Path, files: dict[str, bytes]) -> None:
    """Put the files of a run that came back in the place of the prepared one at ``path``, all of them in one step.

    Raises RunBusy where somebody trains that run here, RunBroken for a name that no run has or where the disk refuses.
    """

    def fill(new: Path) -> None:
        shutil.rmtree(new, ignore_errors=True)
        shutil.copytree(path / "data", new / "data")
        write_files(new, files)
        (new / "lock").touch()

    try:
        with held_lock(path / "lock", busy_sentence(path.name)):
            replace_folder(path, fill)
    except OSError as error:
        raise RunBroken(f"{path.name} came back and could not be stored: {error.strerror}.") from None


def write_files(folder: Path, files: dict[str, bytes]) -> None:
    """Write files into a folder, each synced; raises RunBroken for a name that could lead out of it."""
    for name, content in files.items():
        if not all(map(_PART.fullmatch, name.split("/"))):
            raise RunBroken(f"A worker sent a file {name[:80]!r}, which is no part of a run.")
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    for each in {folder, *((folder / name).parent for name in files)}:
        sync_folder(each)


@dataclass(frozen=True, eq=False)
class Training:
    """One run to train: the files of its folder, and the engine."""

    name: str
    files: dict[str, bytes]
    engine: str
    device: str


@dataclass(frozen=True, eq=False)
class Tuning:
    """One baseline to fit: ``trains`` (R,) bool are the measurements it may learn from."""

    name: str
    baseline: str
    property: str
    conditions: tuple[str, ...]
    trains: np.ndarray


@dataclass(frozen=True, eq=False)
class Came:
    """What came back: "done", "stopped" or "failed: …"; the files of a run, or a baseline's predictions and inner error."""

    name: str
    words: str
    files: dict[str, bytes] | None = None
    predicted: np.ndarray | None = None
    inner_error: float = float("nan")
    seconds: float = 0.0


def done_elsewhere(scheduler: str, data: np.ndarray, tasks: Iterable[Training | Tuning], stop: Event) -> Iterator[Came]:
    """Give all tasks to the scheduler's workers and yield what comes back as it comes.

    ``data`` are the packed formulas, sent to every worker once. ``stop``, once set, stops what trains at a checkpoint,
    which comes back too. A worker that dies in the middle of an answer can break off all of them: what did not come back
    is asked for again while the scheduler has workers. Raises NotReached where no scheduler or worker answers, or where
    they are lost on the way; what was yielded before stands.
    """
    from distributed.comm import CommClosedError

    waiting = {task.name: task for task in tasks}
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            for came in _asked_for(scheduler, data, list(waiting.values()), stop):
                del waiting[came.name]
                yield came
            return
        except (CancelledError, CommClosedError, TimeoutError, OSError):
            if attempt == _ATTEMPTS or not _has_workers(scheduler):
                kept = "What came back before is kept; go on here or with another scheduler."
                raise NotReached(f"The scheduler at {scheduler} or its workers are gone. {kept}") from None


def _has_workers(scheduler: str) -> bool:
    try:
        return cores(scheduler) > 0
    except NotReached:
        return False


def _asked_for(scheduler: str, data: np.ndarray, tasks: list[Training | Tuning], stop: Event) -> Iterator[Came]:
    """The tasks once; raises what Dask raises where the connection is lost, and NotReached as ``done_elsewhere`` says."""
    from distributed import Event as SharedEvent
    from distributed import KilledWorker
    from joblib import Parallel, delayed

    with _client(scheduler) as client:
        name, over = f"matrep-stop-{secrets.token_hex(8)}", Event()
        asked = SharedEvent(name, client=client)

        def listen() -> None:
            while not over.wait(_POLL_SECONDS):
                if stop.is_set():
                    asked.set()
                    return

        listener = Thread(target=listen, daemon=True)
        try:
            if not client.ncores():
                client.wait_for_workers(1, timeout=_CONNECT_SECONDS)
            backend = _backend()(client=client, scatter=[data])
            parallel = Parallel(backend=backend, return_as="generator_unordered", batch_size=1, pre_dispatch="all")
            listener.start()
            yield from parallel(delayed(_do)(task, data, name, _made_of()) for task in tasks)
        except KilledWorker:
            why = "died again and again at the same task, perhaps for want of memory. What came back before is kept."
            raise NotReached(f"Workers of {scheduler} {why}") from None
        except ModuleNotFoundError as error:
            raise NotReached(f"A worker of {scheduler} has no module {error.name}. Install the same MatRep there.") from None
        finally:
            over.set()


@cache
def _backend() -> type:
    from joblib._dask import DaskDistributedBackend

    class Backend(DaskDistributedBackend):  # type: ignore[misc]
        """joblib's own; but joblib does the work itself where a cluster has one core, without asking Dask."""

        def effective_n_jobs(self, n_jobs: int) -> int:
            return max(2, super().effective_n_jobs(n_jobs))

    return Backend


@cache
def _made_of() -> str:
    """Names the code that computes: equal on two machines where their results are."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(file.read_bytes())
    for package in ("numpy", "scipy", "numba", "scikit-learn", "torch"):
        digest.update(f"{package} {version(package) if find_spec(package.replace('scikit-learn', 'sklearn')) else ''}".encode())
    return digest.hexdigest()


# --- on a worker --------------------------------------------------------------------------------------------


def _do(task: Training | Tuning, data: np.ndarray, asked: str, made_of: str) -> Came:
    """The work of one task in a folder of the worker's own; a refusal comes back as words."""
    from distributed import Event as SharedEvent
    from distributed import get_client, get_worker
    from joblib import parallel_config

    keep_to_one_thread()  # more would change the bits
    if made_of != _made_of():
        return Came(task.name, "failed: a worker has another version of MatRep or its packages; install the same ones there.")
    shared = SharedEvent(asked, client=get_client())
    if shared.is_set():
        return Came(task.name, "stopped")
    with tempfile.TemporaryDirectory(prefix="matrep-", dir=get_worker().local_directory) as folder, parallel_config("sequential"):
        path = Path(folder) / task.name
        with zipfile.ZipFile(io.BytesIO(data.tobytes())) as archive:
            archive.extractall(path / "data")
        return _train(task, path, shared) if isinstance(task, Training) else _tune(task, path)


def _train(task: Training, path: Path, asked: Any) -> Came:
    def report(_: object) -> None:
        if asked.is_set():
            (path / "stop").touch()

    write_files(path, task.files)
    try:
        words = fit(Run(path), engine=task.engine, device=task.device, workers=1, report=report).state
    except MatRepError as error:
        words = f"failed: {error}"
    return Came(task.name, words, files_of(path))


def _tune(task: Tuning, path: Path) -> Came:
    begun, data = time.monotonic(), read_formula_set(path / "data")
    try:
        observed = observations(data, task.property, task.conditions)
        predicted, error = baseline_predictions(None, data, observed, task.trains, task.baseline)
    except MatRepError as error:
        return Came(task.name, f"failed: {error}")
    return Came(task.name, "done", None, predicted, error, time.monotonic() - begun)
