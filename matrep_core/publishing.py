"""Runs and studies taken to an object store and brought back; whatever comes from there is a stranger's until it is checked.

``$MATREP_STORE`` names the store of an app: its pages list and open what is there, and what is finished goes there.
Keys and passwords come from the environment alone, as the store's own library reads them.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from matrep_core import limits
from matrep_core.errors import MatRepError, NotThere, RunBroken, RunBusy, SettingRefused
from matrep_core.evaluation.results import Study
from matrep_core.runs.archive import MEMBER, check_stranger, most_bytes
from matrep_core.runs.files import is_locked, sync_folder
from matrep_core.runs.remote import NAME, Manifest, ObjectStore
from matrep_core.runs.store import IN_STUDY, Run, open_run, runs_folder, summary

RUNS, STUDIES = "runs", "studies"
_OF_STUDY = re.compile(r"study\.json|baselines\.json|cache/[0-9a-f]{40}\.safetensors")
_RUN_IN_STUDY = re.compile(r"runs/([A-Za-z0-9][A-Za-z0-9._-]{0,79})/(.+)")


@dataclass(frozen=True)
class Published:
    """A run in a store, as a list shows it."""

    name: str
    facts: dict[str, str]  # property, unit, data_name, N_entries, created, evaluation MAE, state


def store_of_app() -> str:
    """The address of the app's store, "" where it has none."""
    return os.environ.get("MATREP_STORE", "").strip()


# --- there --------------------------------------------------------------------------------------------------


def push(path: Path, url: str, name: str = "") -> Manifest:
    """Store the run or study at ``path`` as a whole; returns what was committed.

    Raises NotThere where it is neither, RunBusy while it is worked at or where the name is taken, NotReached and
    SettingRefused where the store does not answer or cannot be.
    """
    path = Path(path)
    name, store = name or path.name, ObjectStore(url)
    if not NAME.fullmatch(name):
        raise SettingRefused("name", name, "letters, digits, points, dashes and underscores, at most 80.")
    if is_locked(path / "lock"):
        raise RunBusy(f"{path.name} is at work. Wait until it is done, or stop it first.")
    found = {file.relative_to(path).as_posix(): file for file in sorted(path.rglob("*")) if file.is_file()}
    if (path / "study.json").is_file():
        study = Study(path)
        files = {each: file for each, file in found.items() if _may_be_in_study(each)}
        identity = hashlib.sha256((study.plan.data_hash + repr(sorted(_fixed(study).items()))).encode()).hexdigest()
        at = study.progress()
        facts = {"property": study.plan.settings.property, "data_name": study.plan.data_name, "done": f"{at.done} of {at.total}"}
        return store.commit(STUDIES, name, files, identity, facts)
    run = Run(path)
    if not (path / "model").is_dir():
        raise NotThere(f"{run.id} has no finished model yet. Wait until its training is done or stopped.")
    files = {each: file for each, file in found.items() if MEMBER.fullmatch(each)}
    identity = hashlib.sha256((path / "config.json").read_bytes()).hexdigest()
    return store.commit(RUNS, name, files, identity, _facts(run))


def _fixed(study: Study) -> dict[str, object]:
    """The settings of a study that extending it does not change."""
    varied = {"n_entries", "code_activation", "seed"}
    return {name: value for name, value in study.plan.settings.to_json().items() if name not in varied}


def _facts(run: Run) -> dict[str, str]:
    each = summary(run)
    error = "" if each.eval_mae is None else f"{each.eval_mae:.6g}"
    return {
        "property": each.settings.property, "unit": each.unit, "data_name": each.data_name, "N_entries": str(each.settings.n_entries),
        "created": each.created, "evaluation MAE": error, "state": each.status.state,
    }  # fmt: skip


def _may_be_in_study(name: str) -> bool:
    if inner := _RUN_IN_STUDY.fullmatch(name):
        return bool(MEMBER.fullmatch(inner[2]))
    return bool(_OF_STUDY.fullmatch(name)) or (name.startswith("data/") and bool(MEMBER.fullmatch(name)))


# --- and back -----------------------------------------------------------------------------------------------


def published_runs(url: str) -> tuple[list[Published], list[str]]:
    """The runs in a store, newest first, and one sentence for each whose manifest is damaged."""
    store, found, broken = ObjectStore(url), [], []
    for name, versions in store.versions(RUNS).items():
        try:
            found.append(Published(name, dict(store.newest(RUNS, name).facts) if versions else {}))
        except NotThere:
            continue
        except MatRepError as error:
            broken.append(str(error))
    return sorted(found, key=lambda each: (each.facts.get("created", ""), each.name), reverse=True), broken


def pull(url: str, name: str, out: Path) -> Path:
    """Bring the run or study ``name`` of a store into the new folder ``out``, checked as a whole before it is there."""
    store = ObjectStore(url)
    is_run = name in store.versions(RUNS)
    if not is_run and name not in store.versions(STUDIES):
        raise NotThere(f"There is no {name[:80]!r} in the store {url}.")
    out = Path(out).absolute()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise SettingRefused("out", str(out), "it exists already; choose a new folder.")
    return _brought(store, RUNS if is_run else STUDIES, name, out)


def open_published(url: str, name: str, root: Path) -> Run:
    """The run ``name`` of a store below the artifacts folder ``root``; brought there once, opened from there ever after."""
    path = runs_folder(root) / name
    if not NAME.fullmatch(name) or IN_STUDY in name:
        raise NotThere(f"There is no run {name[:80]!r} in the store.")
    if not path.is_dir():
        _brought(ObjectStore(url), RUNS, name, path)
    return open_run(root, name)


def _brought(store: ObjectStore, kind: str, name: str, out: Path) -> Path:
    manifest = store.newest(kind, name)
    while True:
        try:
            return _brought_version(store, manifest, out)
        except RunBroken:
            newer = store.newest(kind, name)  # replaced while it was read: its old objects are gone
            if newer.version == manifest.version:
                raise
            manifest = newer


def _brought_version(store: ObjectStore, manifest: Manifest, out: Path) -> Path:
    is_run = manifest.kind == RUNS
    for name, entry in manifest.files.items():
        if not (MEMBER.fullmatch(name) if is_run else _may_be_in_study(name)):
            raise RunBroken(f"{manifest.name} in the store holds {name[:80]!r}, which is no part of a {'run' if is_run else 'study'}.")
        if entry.bytes > most_bytes(name):
            raise RunBroken(f"{manifest.name}/{name} in the store is larger than that of any run.")
    most_files, most = (
        (limits.MAX_RUN_ARCHIVE_MEMBERS, limits.MAX_RUN_ARCHIVE_BYTES) if is_run else (limits.MAX_STUDY_FILES, limits.MAX_STUDY_BYTES)
    )
    if len(manifest.files) > most_files:
        raise RunBroken(f"{manifest.name} in the store names more than {most_files:,} files.")
    temporary = out.with_name(f".pull-{secrets.token_hex(6)}")
    try:
        temporary.mkdir(parents=True)
        store.fetch(manifest, temporary, most)
        if is_run:
            check_stranger(temporary, manifest.name)
        else:
            _check_study(temporary, manifest.name)
        if out.is_dir():
            out.rmdir()  # it is empty
        os.rename(temporary, out)
        sync_folder(out.parent)
    except OSError as error:
        raise RunBroken(f"{manifest.name} could not be stored here: {error.strerror or error}.") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return out


def _check_study(folder: Path, name: str) -> None:
    try:
        study = Study(folder)
        if study.data.property_named(study.plan.settings.property) and (folder / "runs").is_dir():
            for run in sorted((folder / "runs").iterdir()):
                check_stranger(run, f"{name}/{run.name}")
    except MatRepError as error:
        raise RunBroken(str(error).replace(folder.name, name)) from None
    (folder / "lock").touch()


def publish_quietly(path: Path, tell: Callable[[str], None]) -> None:
    """Send what is finished to the app's store, if it has one; ``tell`` hears how that ended. The work itself is safe here."""
    if not (url := store_of_app()):
        return
    try:
        push(path, url)
        tell(f"{path.name} is in the store {url}.")
    except MatRepError as error:
        tell(f"{path.name} did not reach the store: {error}")
