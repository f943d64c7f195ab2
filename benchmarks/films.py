"""``python -m benchmarks films``: one picture over all frames, a network that learned the last layout beside a chain of layouts.

For each way the seconds, the step-to-step jump (median over materials and its largest over frames, as a share of the
last picture's radius) and how many of the 10 nearest in the original space the picture keeps at the last frame. PCA
on one basis stands beside them.
"""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from matrep_core.formulas.cosmetics import generate_cosmetics
from matrep_core.settings import from_recipe
from matrep_core.training import fit, prepare
from matrep_core.views.distilled import umap_over_frames
from matrep_core.views.film import Film, pca_film
from matrep_core.views.neighbours import all_neighbours
from matrep_core.views.projection import UMAP_NEIGHBOURS, faithfulness, pca_basis, umap
from matrep_core.views.trajectory import Trajectory, trajectory

EVERY = 4  # frames of the chain; a layout of each of them would take four times as long
EPOCHS = 30  # of each link; more of them let it drift further


def chain(way: Trajectory, frames: list[int]) -> list[np.ndarray]:
    """UMAP of the last of ``frames``, then of each earlier one from where the later one ended; (trained, 2) each."""
    from umap import UMAP

    vectors = way.vectors(frames[-1])[way.trained]
    places = [umap(vectors).coordinates]
    for frame in frames[-2::-1]:
        vectors = way.vectors(frame)[way.trained]
        indices, distances = all_neighbours(vectors, UMAP_NEIGHBOURS - 1)
        own = np.arange(len(vectors))[:, None]
        known = (np.hstack([own, indices]), np.hstack([np.zeros((len(vectors), 1)), distances]).astype(np.float32))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # one thread and no search index, as meant
            link = UMAP(n_neighbors=UMAP_NEIGHBOURS, init=places[-1], random_state=0, n_jobs=1, precomputed_knn=known, n_epochs=EPOCHS)
            places.append(link.fit_transform(vectors.astype(np.float32)))
    return places[::-1]


def row(name: str, way: Trajectory, frames: list[int], make: Callable[[], list[np.ndarray]]) -> str:
    start = time.perf_counter()
    places = make()
    seconds = time.perf_counter() - start
    last = places[-1] - places[-1].mean(axis=0)
    radius = np.sqrt((last**2).sum(axis=1).mean())
    jumps = [np.median(np.linalg.norm(b - a, axis=1)) / radius for a, b in zip(places, places[1:])]
    kept = faithfulness(way.vectors(frames[-1])[way.trained], places[-1])
    return f"{name:<10}{seconds:8.1f} s   jump {np.median(jumps):.3f} (largest {max(jumps):.3f})   keeps {kept.kept:.1f} of {kept.of}"


def measure(*, quick: bool) -> None:
    made = generate_cosmetics(formulas=150, materials=600) if quick else generate_cosmetics()
    for entries in (4,) if quick else (10, 100):
        settings = from_recipe("default", property="viscosity", n_entries=entries, members=0, **({"steps": 60, "frames": 6} if quick else {}))
        with tempfile.TemporaryDirectory() as folder:
            run = prepare(Path(folder) / "run", made.data, settings)
            fit(run)
            way = trajectory(run)
        frames = sorted({*range(0, len(way), EVERY), len(way) - 1})
        umap(way.vectors(-1)[way.trained][:50])  # compiles
        basis = pca_basis(way.vectors(-1), 2, way.trained)
        print(f"N_entries {entries}, {int(way.trained.sum()):,} trained materials, {len(frames)} of {len(way)} frames")
        placed = partial(_placed, way, frames)
        print("  " + row("distilled", way, frames, lambda: placed(umap_over_frames(way))), flush=True)
        print("  " + row("chain", way, frames, lambda: chain(way, frames)), flush=True)
        print("  " + row("PCA", way, frames, lambda: placed(pca_film(way, basis))), flush=True)


def _placed(way: Trajectory, frames: list[int], film: Film) -> list[np.ndarray]:
    return [film.coordinates(frame)[way.trained] for frame in frames]
