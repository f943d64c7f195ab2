"""UMAP layouts of one step outside the page's process: start one, wait for it, find it again by content."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from matrep_core.errors import MatRepError, SettingRefused
from matrep_core.views.background import wait
from matrep_core.views.cache import content_key
from matrep_core.views.projection import UMAP_LEAST, Picture

_VERSION = 1  # of what ``umap`` computes; a new one leaves the old layouts behind


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
    settings = {"dimensions": dimensions, "seed": seed}
    found = wait(root, key, "umap", settings, {"vectors": vectors}, waiting)
    if found["coordinates"].shape != (len(vectors), dimensions):
        raise MatRepError("The UMAP layout could not be computed. Choose PCA; the server's log has the details.")
    return Picture(found["coordinates"], tuple(f"UMAP {i + 1}" for i in range(dimensions)))
