"""UMAP layouts outside the page's process: start one, wait for it, find it again by content.

Importing umap takes seconds and hundreds of megabytes, and a page must open without it, so a short-lived
process computes the layout and leaves it in the cache: ``python -m matrep_core.views.layouts IN OUT``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from matrep_core.errors import MatRepError, RunBusy, SettingRefused
from matrep_core.runs.files import held_lock, is_locked
from matrep_core.views.cache import cache_path, content_key, read_cached, write_cached
from matrep_core.views.projection import UMAP_LEAST, Picture, umap

_VERSION = 1  # of what ``umap`` computes; a new one leaves the old layouts behind
_POLL = 0.2  # seconds


def umap_layout(
    root: Path, vectors: np.ndarray, dimensions: int = 2, seed: int = 0, waiting: Callable[[float], None] = lambda _: None
) -> Picture:
    """The UMAP layout of (M, N) ``vectors``, from the cache below ``root`` or from a process of its own.

    ``waiting`` is called a few times a second with the seconds since the start; what it raises ends the
    waiting, not the computation. Raises SettingRefused for too few materials, MatRepError where the
    process fails or the cache cannot be written.
    """
    if len(vectors) < UMAP_LEAST:
        raise SettingRefused(
            "projection", "UMAP", f"it needs at least {UMAP_LEAST} materials; this run has {len(vectors)}."
        )
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    key = content_key({"vectors": vectors}, layout="umap", version=_VERSION, dimensions=dimensions, seed=seed)
    result = cache_path(root, key)
    axes = tuple(f"UMAP {i + 1}" for i in range(dimensions))
    found = read_cached(result)
    if found is None:
        _compute(result, vectors, dimensions, seed, waiting)
        found = read_cached(result)
    if found is None or found["coordinates"].shape != (len(vectors), dimensions):
        raise MatRepError("The UMAP layout could not be computed. Choose PCA; the server's log has the details.")
    return Picture(found["coordinates"], axes)


def _compute(result: Path, vectors: np.ndarray, dimensions: int, seed: int, waiting: Callable[[float], None]) -> None:
    """Start the process for ``result`` and wait; where another session's computes it already, wait for that one."""
    question, lock = result.with_suffix(".in"), result.with_suffix(".lock")
    started = time.monotonic()
    try:
        write_cached(question, {"vectors": vectors, "numbers": np.array([dimensions, seed])})
        process = subprocess.Popen(
            [sys.executable, "-m", "matrep_core.views.layouts", str(question), str(result)],
            cwd=Path(__file__).resolve().parents[2], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}, start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise MatRepError(f"The layout could not be kept in the artifacts folder: {error.strerror}.") from None
    while process.poll() is None or is_locked(lock):
        waiting(time.monotonic() - started)
        time.sleep(_POLL)


def main(question: Path, result: Path) -> None:
    """Answer one question; raises RunBusy where another process is at the same one."""
    with held_lock(result.with_suffix(".lock"), "Another process computes this layout."):
        asked = read_cached(question)
        if asked is not None and read_cached(result) is None:
            dimensions, seed = (int(n) for n in asked["numbers"])
            write_cached(result, {"coordinates": umap(asked["vectors"], dimensions, seed).coordinates})
        question.unlink(missing_ok=True)
        result.with_suffix(".lock").unlink(missing_ok=True)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]))
    except RunBusy:
        sys.exit(0)
