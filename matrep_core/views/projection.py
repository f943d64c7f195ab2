"""Pictures of material vectors: raw axes, PCA and UMAP in 1, 2 or 3 coordinates, and how far to trust them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from matrep_core.errors import SettingRefused
from matrep_core.sampling import at_most
from matrep_core.threads import one_thread
from matrep_core.views.neighbours import all_neighbours

UMAP_NEIGHBOURS = 15
UMAP_LEAST = 20  # materials; below that a layout from 15 neighbours says nothing


@dataclass(frozen=True, eq=False)
class Picture:
    """Where to draw each material.

    coordinates: (M, D) float32
    axes:        D labels
    explained:   (D,) share of the variance that each coordinate holds (PCA), or None
    """

    coordinates: np.ndarray
    axes: tuple[str, ...]
    explained: np.ndarray | None = None


def raw_axes(vectors: np.ndarray, axes: Sequence[int] | None = None) -> Picture:
    """The chosen 1 to 3 entries of (M, N) ``vectors`` as they are, or all of them for a viewer that lets choose.

    Raises SettingRefused for other choices.
    """
    if axes is None:
        axes = range(vectors.shape[1])
    elif not 1 <= len(axes) <= 3 or len(set(axes)) < len(axes) or not all(0 <= a < vectors.shape[1] for a in axes):
        shown = ", ".join(str(a + 1) for a in axes)
        raise SettingRefused("axes", shown, f"choose 1 to 3 different entries from 1 to {vectors.shape[1]}.")
    labels = tuple(f"entry {a + 1}" for a in axes)
    return Picture(np.asarray(vectors, dtype=np.float32)[:, list(axes)], labels)


@dataclass(frozen=True, eq=False)
class PcaBasis:
    """Directions of the largest spread of one frame, to be applied to all frames alike.

    mean: (N,); directions: (N, D) orthonormal columns; explained: (D,) shares of the variance.
    """

    mean: np.ndarray
    directions: np.ndarray
    explained: np.ndarray

    def apply(self, vectors: np.ndarray) -> Picture:
        """The picture of any (M, N) vectors of the same run on this basis."""
        shares = [f"PC {i + 1} ({share:.0%} of the spread)" for i, share in enumerate(self.explained)]
        coordinates = (np.asarray(vectors, dtype=np.float64) - self.mean) @ self.directions
        return Picture(coordinates.astype(np.float32), tuple(shares), self.explained)


def pca_basis(vectors: np.ndarray, dimensions: int, trained: np.ndarray | None = None) -> PcaBasis:
    """The PCA of (M, N) ``vectors``; only the ``trained`` (M,) bool materials shape it (default all).

    Materials that never trained still stand where the random start put them; they are drawn on the basis
    but say nothing about it. The sign of a direction makes its largest entry positive, so that a picture
    never flips between two computations. Raises SettingRefused for more dimensions than entries.
    """
    if not 1 <= dimensions <= vectors.shape[1]:
        raise SettingRefused("dimensions", dimensions, f"choose 1 to {vectors.shape[1]}.")
    points = np.asarray(vectors, dtype=np.float64)
    if trained is not None and trained.any():
        points = points[trained]
    mean = points.mean(axis=0)
    centred = points - mean
    with one_thread():  # a product this small is slower on two threads, and far slower on a busy machine
        values, directions = np.linalg.eigh(centred.T @ centred)  # N × N: cheap however many materials
    values, directions = np.clip(values[::-1], 0, None), directions[:, ::-1][:, :dimensions]
    largest = directions[np.abs(directions).argmax(axis=0), np.arange(dimensions)]
    total = values.sum()
    return PcaBasis(mean, directions * np.sign(largest), values[:dimensions] / (total if total > 0 else 1.0))


def umap(vectors: np.ndarray, dimensions: int = 2, seed: int = 0) -> Picture:
    """A UMAP layout of (M, N) ``vectors``, the same for the same vectors and seed on one machine.

    Neighbours are exact (Euclidean, 15) and the start is the PCA, which is faster than UMAP's own search
    and keeps the large shape. Takes seconds and imports umap: pages call ``views.layouts`` instead.
    Raises SettingRefused below 20 materials. Source: McInnes, Healy, Melville 2018, arXiv:1802.03426.
    """
    import warnings

    from umap import UMAP

    count = len(vectors)
    if count < UMAP_LEAST:
        raise SettingRefused("projection", "UMAP", f"it needs at least {UMAP_LEAST} materials; this run has {count}.")
    indices, distances = all_neighbours(vectors, UMAP_NEIGHBOURS - 1)
    own = np.arange(count)[:, None]  # UMAP counts each point as its own first neighbour
    known = (np.hstack([own, indices]), np.hstack([np.zeros((count, 1)), distances]).astype(np.float32))
    basis = pca_basis(vectors, min(dimensions, vectors.shape[1]))
    start = np.zeros((count, dimensions))
    start[:, : basis.directions.shape[1]] = basis.apply(vectors).coordinates
    spread = start.std(axis=0)
    start /= spread.max() or 1.0
    start += np.random.default_rng(seed).normal(0, 1e-3, start.shape)  # materials at one place must part somehow
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it says that one thread and no search index are used, as meant
        model = UMAP(
            n_components=dimensions, n_neighbors=UMAP_NEIGHBOURS, init=start, random_state=seed, n_jobs=1,
            precomputed_knn=known,
        )  # fmt: skip
        layout = model.fit_transform(np.asarray(vectors, dtype=np.float32))
    if not np.isfinite(layout).all():
        raise SettingRefused("projection", "UMAP", "these vectors have no layout; choose PCA.")
    return Picture(layout.astype(np.float32), tuple(f"UMAP {i + 1}" for i in range(dimensions)))


@dataclass(frozen=True)
class Faithfulness:
    """How well a picture keeps neighbours: of a material's ``of`` nearest in the original space, the mean
    number that are also among its ``of`` nearest in the picture, and that number for a random picture."""

    kept: float
    of: int
    by_chance: float
    sampled: int


def faithfulness(
    vectors: np.ndarray, picture: np.ndarray, *, of: int = 10, sample: int = 500, seed: int = 0
) -> Faithfulness:
    """Compare (M, N) ``vectors`` with their (M, D) ``picture`` at up to ``sample`` materials, Euclidean in both.

    Needs at least 3 materials (raises SettingRefused); ``of`` shrinks to half of the others where there are few.
    """
    count = len(vectors)
    if count < 3:
        raise SettingRefused("materials", count, "a picture of fewer than 3 has no neighbours to keep.")
    of = max(1, min(of, (count - 1) // 2))
    chosen = at_most(np.arange(count), sample, np.random.default_rng(seed))
    true, _ = all_neighbours(vectors, of, queries=chosen)
    drawn, _ = all_neighbours(picture, of, queries=chosen)
    kept = sum(len(np.intersect1d(a, b)) for a, b in zip(true, drawn))
    return Faithfulness(kept / len(chosen), of, of * of / (count - 1), len(chosen))
