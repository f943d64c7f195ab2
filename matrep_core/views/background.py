"""Dear answers in processes of their own: a page asks, goes on, and finds the answer in the cache later.

Importing umap or sklearn takes seconds and measuring all frames takes minutes; a page must open without
either. ``ask`` returns the answer where it is kept, or else says how far it is; the worker is
``python -m matrep_core.views.background RESULT LOCK``, or another module whose ``main`` knows further tasks. One worker computes at a time, the others wait; a
worker outlives the page that asked, and two that ask the same share one.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from matrep_core.errors import MatRepError, RunBroken, RunBusy
from matrep_core.runs.files import held_lock, is_locked, read_json, take_lock, write_json
from matrep_core.threads import ONE_THREAD
from matrep_core.views.cache import cache_path, prune, read_cached, write_cached

Arrays = dict[str, np.ndarray]
Task = Callable[[dict[str, Any], Arrays, Callable[[float], None]], Arrays]
_TURN = ".turn"
_POLL = 0.2  # seconds
_TOLD_EVERY = 0.5  # seconds
_ALSO = (".question", ".in", ".progress", ".lock")  # beside a result while it is computed


@dataclass(frozen=True)
class Progress:
    """An answer on its way: the share that is done, or None while it waits for another answer."""

    share: float | None


def answer(root: Path, key: str) -> Arrays | Progress | None:
    """What ``ask`` gives, but nothing is started: None where nobody asked yet. Raises MatRepError where the worker failed."""
    result = cache_path(root, key)
    if (known := _known(result)) is not None:
        return known
    return _progress(result) if is_locked(result.with_suffix(".lock")) else None


def ask(
    root: Path, key: str, task: str, settings: dict[str, Any], inputs: Arrays | None = None, worker: str = "matrep_core.views.background"
) -> Arrays | Progress:
    """The answer of that key below ``root``, or how far it is; the first to ask starts the worker.

    ``task`` is a name among the tasks of the module ``worker``, here ``tasks.TASKS``; it is given ``settings`` (JSON) and
    ``inputs``; ``key`` must name all of that by content. Raises MatRepError where the worker failed, or the cache cannot be
    written; asking again after that starts it again.
    """
    result = cache_path(root, key)
    if (known := _known(result)) is not None:
        return known
    try:
        result.parent.mkdir(parents=True, exist_ok=True)
        lock = take_lock(result.with_suffix(".lock"), "Another process computes this.")
    except RunBusy:
        return _progress(result)
    except OSError as error:
        raise MatRepError(f"The answer could not be kept in the artifacts folder: {error.strerror}.") from None
    try:
        if (found := read_cached(result)) is not None:  # it was done while the lock was taken
            result.with_suffix(".lock").unlink(missing_ok=True)
            return found
        _launch(result, lock, worker, task, settings, inputs)
    except OSError as error:
        raise MatRepError(f"The answer could not be kept in the artifacts folder: {error.strerror}.") from None
    finally:
        os.close(lock)
    return Progress(None)


def wait(
    root: Path, key: str, task: str, settings: dict[str, Any], inputs: Arrays | None = None,
    waiting: Callable[[float], None] = lambda _: None,
) -> Arrays:  # fmt: skip
    """``ask`` until it is answered; ``waiting`` is told the seconds so far, and what it raises ends the waiting alone."""
    started = time.monotonic()
    while isinstance(found := ask(root, key, task, settings, inputs), Progress):
        waiting(time.monotonic() - started)
        time.sleep(_POLL)
    return found


def _known(result: Path) -> Arrays | None:
    found = read_cached(result)
    failed = result.with_suffix(".failed")
    if found is None and failed.is_file():
        why = str(read_json(failed)["why"])
        failed.unlink(missing_ok=True)
        raise MatRepError(why)
    return found


def _progress(result: Path) -> Progress:
    try:
        return Progress(float(read_json(result.with_suffix(".progress"))["share"]))
    except (RunBroken, KeyError, TypeError, ValueError):
        return Progress(None)


def _launch(result: Path, lock: int, worker: str, task: str, settings: dict[str, Any], inputs: Arrays | None) -> None:
    """Start the worker, which inherits the lock, so that the question is never without a holder."""
    result.with_suffix(".progress").unlink(missing_ok=True)
    write_json(result.with_suffix(".question"), {"task": task, "settings": settings})
    write_cached(result.with_suffix(".in"), inputs or {"none": np.zeros(0)})
    subprocess.Popen(
        [sys.executable, "-m", worker, str(result), str(lock)],
        cwd=Path(__file__).resolve().parents[2], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        env={**os.environ, **ONE_THREAD, "NUMBA_NUM_THREADS": "1"}, start_new_session=True, pass_fds=(lock,),
    )  # fmt: skip


class _Teller:
    """Writes the share that is done, at most twice a second."""

    def __init__(self, result: Path):
        self._path, self._last = result.with_suffix(".progress"), 0.0

    def __call__(self, share: float) -> None:
        if time.monotonic() - self._last > _TOLD_EVERY:
            self._last = time.monotonic()
            write_json(self._path, {"share": share})


def main(result: Path, lock: int, tasks: Mapping[str, Task] | None = None) -> int:
    """The worker: answer the question beside ``result``, whose lock it inherited as the file descriptor ``lock``."""
    if tasks is None:
        from matrep_core.views.tasks import TASKS as tasks

    with held_lock(result.with_suffix(".lock"), "", lock), _turn(result.parent):
        try:
            question, inputs = read_json(result.with_suffix(".question")), read_cached(result.with_suffix(".in"))
            if inputs is None:
                raise RunBroken("What was asked could not be read again. Reload the page to ask anew.")
            if read_cached(result) is None:
                write_cached(result, tasks[question["task"]](question["settings"], inputs, _Teller(result)))
        except Exception as error:
            own = isinstance(error, MatRepError)
            if not own:
                logging.getLogger("matrep").exception("An answer could not be computed.")
            sentence = "MatRep did not expect why this could not be computed; the server's log has the details."
            write_json(result.with_suffix(".failed"), {"why": str(error) if own else sentence})
            return 1
        finally:
            for suffix in _ALSO:
                result.with_suffix(suffix).unlink(missing_ok=True)
        prune(result.parent)
    return 0


def _turn(folder: Path) -> Any:
    """Wait until no other worker computes below ``folder``; the lock as a context."""
    while True:
        with suppress(RunBusy):
            return held_lock(folder / _TURN, "", take_lock(folder / _TURN, "another answer is computed"))
        time.sleep(_POLL)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
