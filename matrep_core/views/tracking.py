"""Groups over all frames of a run, numbered alike from frame to frame so that colours stay with their groups."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from matrep_core.errors import SettingRefused
from matrep_core.views import clustering
from matrep_core.views.clustering import NO_CLUSTER
from matrep_core.views.trajectory import Trajectory


@dataclass(frozen=True, eq=False)
class Groups:
    """Clusters frame by frame.

    labels:      (T, M) int64, each frame's own groups; a group has the number of the one in the next frame with
                 which it shares the most materials; NO_CLUSTER for materials in none
    pinned:      (M,) int64, the groups of the last frame
    silhouettes: (T,) of the PINNED groups on each frame, NaN for fewer than two groups
    """

    labels: np.ndarray
    pinned: np.ndarray
    silhouettes: np.ndarray


def grouped(
    way: Trajectory, method: str, number: int | None, progress: Callable[[float], None] = lambda _: None
) -> Groups:
    """Group the trained materials of every frame by "KMeans" (``number`` groups) or "HDBSCAN" (least group).

    Without a number it is the number of KMeans groups with the best silhouette in the last frame.

    KMeans finds the last frame afresh; each earlier frame starts from the centres of the frame after it, so
    that its groups are the same ones as long as they can be told. Raises SettingRefused where the last frame
    cannot be grouped so.
    """
    if number is None:
        number = clustering.suggest_clusters(way.vectors(-1), way.trained)
    if number is None:
        raise SettingRefused("clusters", 0, "too few materials that trained have vectors of their own to group.")
    find = clustering.kmeans if method == "KMeans" else clustering.hdbscan
    pinned = find(way.vectors(-1), way.trained, number)
    labels = np.empty((len(way), len(pinned)), np.int64)
    silhouettes = np.empty(len(way))
    labels[-1] = pinned
    for frame in range(len(way) - 1, -1, -1):
        vectors = way.vectors(frame)
        if frame < len(way) - 1:
            after = labels[frame + 1]
            if method == "KMeans":
                labels[frame] = clustering.kmeans_from(vectors, way.trained, way.vectors(frame + 1), after)
            else:
                labels[frame] = matched(find(vectors, way.trained, number), after)
        silhouettes[frame] = clustering.silhouette(vectors, pinned)
        progress(1 - frame / len(way))
    return Groups(labels, pinned, silhouettes)


def matched(labels: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """``labels`` (M,) renumbered so that as many materials as possible keep the number that ``reference`` (M,) gives.

    Each number is given once; groups without a partner get numbers of their own, from 0 on those that are free.
    """
    from scipy.optimize import linear_sum_assignment

    both = (labels != NO_CLUSTER) & (reference != NO_CLUSTER)
    groups, others = labels.max(initial=-1) + 1, reference.max(initial=-1) + 1
    shared = np.zeros((groups, others), np.int64)
    np.add.at(shared, (labels[both], reference[both]), 1)
    rows, columns = linear_sum_assignment(shared, maximize=True)
    partner = {int(r): int(c) for r, c in zip(rows, columns) if shared[r, c]}
    free = iter(number for number in range(groups + others) if number not in partner.values())
    names = np.array([partner[g] if g in partner else next(free) for g in range(groups)] + [NO_CLUSTER])
    return names[labels]
