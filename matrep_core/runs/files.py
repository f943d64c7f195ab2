"""The few ways in which MatRep touches run files: strict JSON, atomic replacement, locks that die with their holder."""

from __future__ import annotations

import fcntl
import json
import math
import os
import time
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from matrep_core.errors import RunBroken, RunBusy

MAX_JSON_BYTES = 64 * 2**20


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        raise ValueError("a key stands twice")
    return record


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is not finite")
    return number


def parse_json(text: str | bytes) -> Any:
    """Strict JSON: no duplicate keys, no NaN, no infinity, no half characters. Raises ValueError."""
    try:
        record = json.loads(
            text, object_pairs_hook=_refuse_duplicates, parse_constant=_refuse_constant, parse_float=_finite
        )
        if ("\\u" if isinstance(text, str) else b"\\u") in text:  # the one way to write half of a surrogate pair
            json.dumps(record, ensure_ascii=False).encode()
        return record
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read_json(path: Path) -> dict[str, Any]:
    """One JSON object from a run; raises RunBroken naming the file where it is missing or malformed."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_JSON_BYTES + 1)
        if len(text) > MAX_JSON_BYTES:
            raise ValueError("larger than any file that MatRep writes")
        record = parse_json(text)
        if not isinstance(record, dict):
            raise ValueError("not a JSON object")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error  # the whole text of an OSError names the folder
        raise RunBroken(f"{path.parent.name}/{path.name} cannot be read: {why}. Delete the run or load it again.") from None
    return record


def write_json(path: Path, record: dict[str, Any], *, durable: bool = False) -> None:
    """Replace ``path`` in one step, so that a reader sees the old or the new record and never half of one."""
    replace_file(path, json.dumps(record, indent=1, allow_nan=False).encode(), durable=durable)


def replace_file(path: Path, content: bytes, *, durable: bool = False) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")  # threads share a pid
    try:
        with temporary.open("wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def overwrite_json(path: Path, record: dict[str, Any]) -> None:
    """Write over a record in its place: the last resort where there is no room for a new file beside it."""
    content = json.dumps(record, allow_nan=False).encode()
    with path.open("r+b", buffering=0) as file:
        file.write(content)
        file.truncate(len(content))


def sync_folder(folder: Path) -> None:
    """Make a rename inside ``folder`` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def open_lines(path: Path, kept: int) -> BinaryIO:
    """Open a file of lines for appending after its first ``kept`` ones; the others are cut off in one step.

    Nothing that is kept is written again: a kill at this moment must not lose what a checkpoint counts.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    file = os.fdopen(handle, "r+b")
    lines = file.read().splitlines(keepends=True)
    end = sum(map(len, lines[:kept]))
    file.truncate(end)
    file.seek(end)
    return file


def take_lock(path: Path, busy: str) -> int:
    """Lock ``path`` and return the open file descriptor that holds it; closing it, or the holder's death, frees it.

    The lock is the kernel's. Passed on to a child process it stays held without a gap.
    Raises RunBusy with the sentence ``busy`` where another process holds it, RunBroken where nothing can be written.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise RunBroken(f"{path.parent.name} cannot be written: {error.strerror}. Check the rights of its folder.") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise RunBusy(busy) from None
    return handle


@contextmanager
def held_lock(path: Path, busy: str, handle: int | None = None) -> Iterator[None]:
    """Hold ``path`` locked inside the block; ``handle`` is a lock that was taken for this process before."""
    held = take_lock(path, busy) if handle is None else handle
    try:
        yield
    finally:
        os.close(held)


@contextmanager
def turn(queue: Path, stopped: Callable[[], bool], first: Callable[[], bool], poll: float = 0.3) -> Iterator[bool]:
    """Wait until ``first`` says so and nobody holds the lock ``queue``, and hold it inside the block; False where ``stopped``."""
    handle = None
    while handle is None and not stopped():
        if first():
            with suppress(RunBusy):
                handle = take_lock(queue, "another one is at work")
        if handle is None:
            time.sleep(poll)
    try:
        yield handle is not None
    finally:
        if handle is not None:
            os.close(handle)


def is_locked(path: Path) -> bool:
    """Whether some process holds the lock at ``path``; takes nothing and creates nothing."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
