"""Checkpoints: all that resuming needs, committed whole or not at all.

A commit writes into a temporary folder, syncs the tensors, writes and syncs the manifest last, and
renames the folder into place. The manifest carries the size and the sha256 of the tensor file, since
safetensors by itself does not notice changed bytes. The previous checkpoint is removed only after the
new one stands, so that a kill at any moment leaves one that opens.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from matrep_core.errors import RunBroken
from matrep_core.runs.files import parse_json, read_json, sync_folder

TENSORS, MANIFEST = "state.safetensors", "manifest.json"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """``tensors`` by name, and ``facts``: plain JSON such as generator state and cursor."""

    step: int
    tensors: dict[str, np.ndarray]
    facts: dict[str, Any]


def commit_checkpoint(run: Path, step: int, tensors: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> None:
    """Write the checkpoint of ``step`` into the run folder, then drop the older ones.

    Raises RunBroken where the disk refuses; the last checkpoint then still stands.
    """
    final = run / f"step-{step:09d}"
    temporary = run / f".step-{step:09d}.{os.getpid()}"
    try:
        write_sealed(temporary, tensors, {"step": step, **facts})
        if final.exists():  # a resumed training that ends at the step that it began with
            os.rename(final, run / f".step-{step:09d}.{os.getpid()}.before")  # whole until the new one has its place
        os.rename(temporary, final)
        sync_folder(run)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise RunBroken(
            f"The checkpoint of step {step} could not be written to {run.name}: {error.strerror}. "
            "The one before it is kept; free some space and resume the run."
        ) from None
    for older in run.glob("step-*"):
        if older != final:
            shutil.rmtree(older, ignore_errors=True)
    for left_over in run.glob(".step-*"):
        shutil.rmtree(left_over, ignore_errors=True)


def latest_checkpoint(run: Path) -> Checkpoint | None:
    """The newest checkpoint that passes its own check, None where there is none; raises RunBroken where all fail.

    Those that a kill left under a name of the commit count where no other is whole: each carries its own check.
    """
    problem: RunBroken | None = None
    named = sorted(run.glob("step-*"), reverse=True)
    for folder in [*named, *sorted(run.glob(".step-*"), reverse=True)]:
        try:
            tensors, facts = read_sealed(folder)
            return Checkpoint(int(facts.pop("step")), tensors, facts)
        except RunBroken as error:
            problem = problem or (error if folder in named else None)
    if problem:
        raise problem
    return None


def write_sealed(folder: Path, tensors: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> None:
    """Write tensors and facts into a new folder, each synced, the manifest last."""
    from safetensors.numpy import save

    content = save({name: np.ascontiguousarray(array) for name, array in tensors.items()})
    seal = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    body = json.dumps({"facts": dict(facts), **seal}, allow_nan=False, sort_keys=True)
    manifest = json.dumps({"body": body, "sha256": hashlib.sha256(body.encode()).hexdigest()})
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, data in ((TENSORS, content), (MANIFEST, manifest.encode())):
        with (folder / name).open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    sync_folder(folder)


def read_sealed(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The tensors and facts of ``write_sealed``; raises RunBroken at the first byte that is not as written."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    sealed = _read_manifest(folder)
    try:
        path = folder / TENSORS
        if path.stat().st_size != sealed["bytes"]:
            raise _broken(folder, f"{TENSORS} has {path.stat().st_size} bytes instead of {sealed['bytes']}")
        content = path.read_bytes()
    except OSError as error:
        raise _broken(folder, error.strerror or "unreadable") from None
    if hashlib.sha256(content).hexdigest() != sealed["sha256"]:
        raise _broken(folder, f"{TENSORS} does not match its sha256")
    try:
        return load(content), dict(sealed["facts"])
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise _broken(folder, f"{TENSORS} is not a safetensors file: {error}") from None


def committed_frames(run: Path) -> int:
    """How many frames the newest checkpoint counts; 0 where there is none, or where it is just being replaced."""
    newest = max(run.glob("step-*"), default=max(run.glob(".step-*"), default=None))
    try:
        count = _read_manifest(newest)["facts"].get("frames") if newest else 0
    except RunBroken:
        return 0  # whoever reads the checkpoint itself is told
    return count if type(count) is int else 0


def _broken(folder: Path, why: str) -> RunBroken:
    return RunBroken(f"{folder.parent.name}/{folder.name} is damaged ({why}). Delete the run, or load it again.")


def _read_manifest(folder: Path) -> dict[str, Any]:
    """The size and the sha256 of the tensors, and the facts."""
    outer = read_json(folder / MANIFEST)
    body = outer.get("body")
    if outer.keys() != {"body", "sha256"} or not isinstance(body, str):
        raise _broken(folder, "its manifest is not MatRep's")
    if hashlib.sha256(body.encode()).hexdigest() != outer["sha256"]:
        raise _broken(folder, "its manifest was changed")
    try:
        sealed = parse_json(body)
    except ValueError as error:
        raise _broken(folder, f"its manifest cannot be read: {error}") from None
    if not isinstance(sealed, dict) or sealed.keys() != {"facts", "bytes", "sha256"} or not isinstance(sealed["facts"], dict):
        raise _broken(folder, "its manifest is not MatRep's")
    return sealed
