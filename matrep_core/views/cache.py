"""Results that are dear to compute, kept by the content of what they were computed from."""

from __future__ import annotations

import hashlib
import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from matrep_core.limits import MAX_CACHE_BYTES
from matrep_core.runs.files import is_locked, replace_file

_SEAL = "content key"  # safetensors by itself does not notice changed bytes
_LEFT_OVER = 24 * 3600.0  # seconds after which what a killed worker left beside a result goes


def content_key(arrays: dict[str, np.ndarray], **settings: Any) -> str:
    """A text that names ``arrays`` and ``settings`` by content: equal content, equal text, on every machine."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.data)
    return digest.hexdigest()[:40]


def cache_path(root: Path, key: str) -> Path:
    """Where the result of that key lies below the artifacts folder ``root``."""
    return Path(root) / "cache" / f"{key}.safetensors"


def read_cached(path: Path) -> dict[str, np.ndarray] | None:
    """The arrays of a result, or None where it is missing, unreadable or damaged: it is then computed again."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays = load(path.read_bytes())
        seal = arrays.pop(_SEAL).tobytes().decode()
        os.utime(path)  # used now: ``prune`` takes the longest unused first
    except (OSError, SafetensorError, ValueError, KeyError):
        return None
    return arrays if seal == content_key(arrays) else None


def write_cached(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Keep a result, whole or not at all. Raises OSError where the disk refuses."""
    from safetensors.numpy import save

    path.parent.mkdir(parents=True, exist_ok=True)
    kept = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    seal = np.frombuffer(content_key(kept).encode(), dtype=np.uint8)
    replace_file(path, save({**kept, _SEAL: seal}))


def prune(folder: Path, most: int = MAX_CACHE_BYTES) -> None:
    """Keep the results in ``folder`` below ``most`` bytes: the longest unused go first, and what a killed worker left."""
    kept, room = [], most
    for path in folder.iterdir() if folder.is_dir() else ():
        with suppress(FileNotFoundError):  # another process prunes too
            stat = path.stat()
            if path.suffix == ".safetensors":
                kept.append((stat.st_mtime, stat.st_size, path))
            elif path.is_file() and time.time() - stat.st_mtime > _LEFT_OVER and not is_locked(path.with_suffix(".lock")):
                path.unlink()
    for _, size, path in sorted(kept, reverse=True):
        room -= size
        if room < 0:
            path.unlink(missing_ok=True)
