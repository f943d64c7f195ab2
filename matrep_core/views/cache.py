"""Results that are dear to compute, kept by the content of what they were computed from."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from matrep_core.runs.files import replace_file

_SEAL = "content key"  # safetensors by itself does not notice changed bytes


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
