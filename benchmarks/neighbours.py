"""Exact neighbours beside scikit-learn's brute force, in one process and on one core, taking turns."""

from __future__ import annotations

import numpy as np

from benchmarks.engine import line, medians, timed
from matrep_core.views.neighbours import Points

SIZES = ((5_485, 10), (5_485, 100), (100_000, 100))
NEAREST = 10


def measure(*, quick: bool = False) -> None:
    """Print a row a size: one material asked, and all of them asked (of the largest size a part)."""
    from sklearn.neighbors import NearestNeighbors

    for materials, entries in ((300, 5),) if quick else SIZES:
        vectors = np.tanh(np.random.default_rng(0).standard_normal((materials, entries))).astype(np.float32)
        points = Points(vectors, "euclidean")
        brute = NearestNeighbors(n_neighbors=NEAREST + 1, algorithm="brute").fit(vectors)
        few = np.arange(20)
        theirs, mine = medians(
            5, lambda: timed(lambda: [brute.kneighbors(vectors[[q]]) for q in few]) / len(few),
            lambda: timed(lambda: [points.nearest(int(q), NEAREST) for q in few]) / len(few),
        )  # fmt: skip
        _row(f"one of {materials:,} × {entries}", theirs, mine)
        some = np.arange(min(materials, 2_000))
        theirs, mine = medians(
            3, lambda: timed(lambda: brute.kneighbors(vectors[some])), lambda: timed(lambda: points.nearest_of_all(NEAREST, some))
        )
        _row(f"{len(some):,} of {materials:,} × {entries}", theirs, mine)
        same = brute.kneighbors(vectors[some], return_distance=False)[:, 1:] == points.nearest_of_all(NEAREST, some)[0]
        line("", "  the same neighbours in the same order", f"{same.mean():.2%}")


def _row(what: str, theirs: float, mine: float) -> None:
    line("", f"{what}: brute force / exact here", f"{1e3 * theirs:.2f} ms / {1e3 * mine:.2f} ms = {theirs / mine:.1f}×")
