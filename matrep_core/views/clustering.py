"""Groups of materials whose vectors lie together: KMeans, HDBSCAN, agglomerative; the same answer every time."""

from __future__ import annotations

import numpy as np

from matrep_core.errors import SettingRefused
from matrep_core.limits import Bound
from matrep_core.sampling import at_most
from matrep_core.threads import one_thread

NO_CLUSTER = -1
CLUSTERS = Bound(2, 50)
MEMBERS = Bound(2, 1_000)
MOST_MERGED = 10_000  # materials; merging holds the distances of all pairs, 400 MB here
_SUGGESTED = range(2, 13)
_SAMPLE = 1_500  # materials; a silhouette measures every pair of them


def kmeans(vectors: np.ndarray, trained: np.ndarray, clusters: int, seed: int = 0) -> np.ndarray:
    """(M,) int64 labels 0 … clusters − 1 of the ``trained`` (M,) bool materials, NO_CLUSTER for the others.

    ``vectors`` is (M, N). Labels are numbered by size, the largest is 0, so that colours stay with their
    clusters. Raises SettingRefused for a number of clusters out of bounds or above the distinct vectors.
    """
    CLUSTERS.check("clusters", clusters)
    points = np.asarray(vectors, dtype=np.float64)[trained]
    distinct = len(np.unique(points, axis=0))
    if clusters > distinct:
        raise SettingRefused("clusters", clusters, f"only {distinct} trained materials have vectors of their own.")
    return _numbered(_kmeans_labels(points, clusters, seed), trained)


def _kmeans_labels(points: np.ndarray, clusters: int, seed: int) -> np.ndarray:
    from sklearn.cluster import KMeans

    with one_thread():  # several threads add centres up in any order
        return KMeans(clusters, n_init=4, random_state=seed).fit_predict(points)


def kmeans_from(vectors: np.ndarray, trained: np.ndarray, before: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The KMeans clusters of (M, N) ``vectors`` that grow out of those of other vectors of the same materials.

    ``before`` (M, N) with ``labels`` (M,) gives the first centres; a cluster keeps its number, and loses its
    last material where there are fewer places than clusters.
    """
    import warnings

    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    members = np.flatnonzero(trained)
    groups = [labels == number for number in range(labels.max() + 1)]
    centres = np.array([before[group if group.any() else trained].mean(axis=0) for group in groups])
    found = np.full(len(trained), NO_CLUSTER, dtype=np.int64)
    with one_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer places than clusters, as where all start at one
        found[members] = KMeans(len(centres), init=centres, n_init=1).fit_predict(vectors[members])
    return found


def hdbscan(vectors: np.ndarray, trained: np.ndarray, members: int) -> np.ndarray:
    """(M,) int64 labels as ``kmeans`` gives; materials in no dense group are NO_CLUSTER too.

    ``members`` is the least size of a group; raises SettingRefused where it is out of bounds.
    """
    from sklearn.cluster import HDBSCAN

    MEMBERS.check("members", members)
    points = np.asarray(vectors, dtype=np.float64)[trained]
    if len(points) < max(members, 2):
        return _numbered(np.full(len(points), NO_CLUSTER), trained)
    return _numbered(HDBSCAN(members, copy=True, n_jobs=1).fit_predict(points), trained)


def agglomerative(vectors: np.ndarray, trained: np.ndarray, clusters: int) -> np.ndarray:
    """(M,) int64 labels as ``kmeans`` gives, from merging the two nearest groups again and again (Ward 1963).

    Raises SettingRefused for a number of clusters out of bounds or above the distinct vectors, and for more
    materials than the distances of all pairs have room for.
    """
    from sklearn.cluster import AgglomerativeClustering

    CLUSTERS.check("clusters", clusters)
    points = np.asarray(vectors, dtype=np.float64)[trained]
    if len(points) > MOST_MERGED:
        raise SettingRefused("clusters", clusters, f"merging takes at most {MOST_MERGED:,} materials; choose KMeans.")
    distinct = len(np.unique(points, axis=0))
    if clusters > distinct:
        raise SettingRefused("clusters", clusters, f"only {distinct} trained materials have vectors of their own.")
    return _numbered(AgglomerativeClustering(clusters).fit_predict(points), trained)


def _numbered(labels: np.ndarray, trained: np.ndarray) -> np.ndarray:
    """Number clusters by size, then by their first member; write them where the trained materials stand."""
    found, first, sizes = np.unique(labels, return_index=True, return_counts=True)
    order = np.lexsort((first, -sizes))
    renamed = {int(found[i]): n for n, i in enumerate(i for i in order if found[i] != NO_CLUSTER)}
    everywhere = np.full(len(trained), NO_CLUSTER, dtype=np.int64)
    everywhere[trained] = [renamed.get(int(label), NO_CLUSTER) for label in labels]
    return everywhere


def suggest_clusters(vectors: np.ndarray, trained: np.ndarray, seed: int = 0) -> int | None:
    """The number of KMeans clusters, 2 to 12, with the highest mean silhouette; None below 3 distinct vectors.

    Measured on at most 1,500 trained materials, drawn with ``seed``.
    """
    members = at_most(np.flatnonzero(trained), _SAMPLE, np.random.default_rng(seed))
    points = np.asarray(vectors, dtype=np.float64)[members]
    most = min(_SUGGESTED.stop, len(np.unique(points, axis=0)))
    scores = {n: _mean_silhouette(points, _kmeans_labels(points, n, seed)) for n in range(_SUGGESTED.start, most)}
    return max(scores, key=lambda n: scores[n], default=None)


def silhouette(vectors: np.ndarray, labels: np.ndarray, seed: int = 0) -> float:
    """How far apart the clusters are, from −1 to 1: about 0 where they touch, NaN for fewer than two clusters.

    The mean over at most 1,500 clustered materials, drawn with ``seed``.
    Source: Rousseeuw 1987, Silhouettes, J. Comput. Appl. Math. 20.
    """
    members = at_most(np.flatnonzero(labels != NO_CLUSTER), _SAMPLE, np.random.default_rng(seed))
    return _mean_silhouette(np.asarray(vectors, dtype=np.float64)[members], labels[members])


def _mean_silhouette(points: np.ndarray, labels: np.ndarray) -> float:
    from sklearn.metrics import silhouette_score

    if not 2 <= len(np.unique(labels)) < len(points):
        return float("nan")
    return float(silhouette_score(points, labels))
