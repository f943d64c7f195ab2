"""A run to take away as one zip, and a run brought back.

A zip that comes in is a stranger's: only the names that a run has are taken out of it, sizes are counted
while they are unpacked, and everything is opened and checked before the run appears in the list.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
import zipfile
from pathlib import Path

from matrep_core import limits
from matrep_core.errors import DataRefused, MatRepError, RunBroken, RunBusy
from matrep_core.runs.files import sync_folder
from matrep_core.runs.inspection import inspect
from matrep_core.runs.store import Run, Status, runs_folder, write_status

MEMBER = re.compile(
    r"(config|status|split|scores)\.json|metrics\.jsonl|frames/(vectors\.bin|index\.jsonl)"
    r"|(model|step-\d{9,10})/(state\.safetensors|manifest\.json)"
    r"|data/(formulas|materials|amounts|measurements|properties)\.parquet"
)
_BLOCK = 2**20
_RATIO = 200  # a run's numbers hardly compress; more than this is a bomb
_RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,69}")


def write_archive(run: Run, path: Path) -> None:
    """The whole run as one zip that ``import_run`` takes; it holds what a run is made of and nothing else."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for file in sorted(run.path.rglob("*")):
                name = file.relative_to(run.path).as_posix()
                if file.is_file() and MEMBER.fullmatch(name):
                    archive.write(file, f"{run.id}/{name}")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def import_run(archive: Path, root: Path) -> Run:
    """Load an exported run into the store below ``root`` under its own id, or a new one where that is taken.

    Raises DataRefused where the zip is not an exported run or is larger than the limit, RunBroken where one
    of its files fails its check. Nothing is left behind then.
    """
    folder = runs_folder(root)
    temporary = folder / f".import-{secrets.token_hex(6)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        name = _unpack(archive, temporary)
        check_stranger(temporary, name)
        while (folder / name).exists():
            name = f"{name[:64]}-{secrets.token_hex(2)}"
        os.rename(temporary, folder / name)
        sync_folder(folder)
    except OSError as error:
        raise RunBroken(f"The run could not be stored: {error.strerror or error}.") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return Run(folder / name)


def _refused(why: str) -> DataRefused:
    from matrep_core.errors import Fault

    return DataRefused([Fault("the uploaded run", None, "", "", why, "Choose a zip that MatRep exported.")])


def _unpack(path: Path, folder: Path) -> str:
    """Unpack the members that a run has into ``folder``; returns the run's id, which is the zip's one folder."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            names = {m.filename.split("/", 1)[0] for m in members}
            if len(names) != 1 or not _RUN_NAME.fullmatch(name := names.pop()):
                raise _refused("it does not hold exactly one run")
            if len(members) > limits.MAX_RUN_ARCHIVE_MEMBERS:
                raise _refused(f"it holds more than {limits.MAX_RUN_ARCHIVE_MEMBERS:,} files")
            if len({m.filename for m in members}) < len(members):
                raise _refused("one file stands in it twice")
            if sum(m.file_size for m in members) > limits.MAX_RUN_ARCHIVE_BYTES:
                raise _refused(f"it unpacks to more than {limits.MAX_RUN_ARCHIVE_BYTES // 2**20} MiB")
            folder.mkdir()
            room = limits.MAX_RUN_ARCHIVE_BYTES
            for member in members:
                inner = member.filename.split("/", 1)[1] if "/" in member.filename else ""
                kind = stat.S_IFMT(member.external_attr >> 16)
                if kind not in (0, stat.S_IFREG) or not MEMBER.fullmatch(inner):
                    raise _refused(f"it holds {member.filename[:80]!r}, which is no part of a run")
                if member.file_size > most_bytes(inner):
                    raise _refused(f"{inner} is larger than that of any run")
                if member.file_size > _RATIO * max(member.compress_size, 1) + _BLOCK:
                    raise _refused(f"{inner} is packed more densely than a run's numbers can be")
                room -= _unpack_member(archive, member, folder / inner, min(room, member.file_size))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, zipfile.zlib.error) as error:
        raise _refused(f"it cannot be unpacked ({error})") from None
    return name


def most_bytes(inner: str) -> int:
    """Texts are parsed as a whole, so that a short one must not become a large thing in memory."""
    if inner.endswith(".jsonl"):
        return limits.MAX_RUN_LINES_BYTES
    return limits.MAX_RUN_TEXT_BYTES if inner.endswith(".json") else limits.MAX_RUN_ARCHIVE_BYTES


def _unpack_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path, room: int) -> int:
    """Copy one member, counting the bytes that really come out; returns how many."""
    path.parent.mkdir(exist_ok=True)
    written = 0
    with archive.open(member) as source, path.open("xb") as target:
        while block := source.read(_BLOCK):
            written += len(block)
            if written > room:
                raise _refused(f"{path.name} is larger than its zip says")
            target.write(block)
    return written


def check_stranger(folder: Path, name: str) -> None:
    """A run that came from elsewhere: raises RunBroken at the first thing that does not fit, under the name that it will have."""
    try:
        run = Run(folder)
        inspect(run)
        status = run.status()
    except RunBusy:
        raise
    except MatRepError as error:
        raise RunBroken(str(error).replace(folder.name, name)) from None
    (folder / "lock").touch()
    if status.state not in ("done", "stopped", "failed"):
        message = "It was exported before its training ended. Resume it to go on."
        write_status(folder, Status("stopped", status.step, status.steps, status.best_step, status.seconds, message))
