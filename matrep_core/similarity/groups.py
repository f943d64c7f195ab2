"""Beyond one material: what is near a whole group, what lies between two, what is near nothing or near everything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array, csr_array

from matrep_core.errors import NotThere
from matrep_core.limits import MAX_NEIGHBOURS, Bound
from matrep_core.similarity.ranking import Similarity
from matrep_core.views.neighbours import Neighbours, Points

LINKS = 10  # nearest of each material that a path may step to, and that count for singular and hub
NTH = 5  # a material is singular where already its fifth nearest is far


def group_neighbours(
    similarity: Similarity, group: Sequence[int], k: int, among: np.ndarray | None = None
) -> Neighbours:
    """The ``k`` materials with the least mean fused distance to all of ``group``, none of the group itself.

    Raises NotThere for an empty group, SettingRefused for ``k`` out of bounds. ``query`` is the group's first.
    """
    Bound(1, MAX_NEIGHBOURS).check("k", k)
    if not len(group):
        raise NotThere("The group is empty. Name at least one material.")
    distances = np.mean([similarity.distances(int(each)) for each in group], axis=0)
    allowed = np.ones(len(distances), bool) if among is None else among.copy()
    allowed[list(group)] = False
    indices = np.flatnonzero(allowed)
    order = np.argsort(distances[indices], kind="stable")[:k]
    return Neighbours(int(group[0]), "fused", indices[order], distances[indices[order]])


@dataclass(frozen=True, eq=False)
class Web:
    """The LINKS nearest of each material in ``members`` (W,) int, by straight distance of the fused points.

    near: (W, LINKS) positions in ``members``, −1 where there are fewer; distance: (W, LINKS), NaN there
    """

    members: np.ndarray
    near: np.ndarray
    distance: np.ndarray


def web_of(
    points: np.ndarray, among: np.ndarray, progress: Callable[[int, int], None] = lambda done, of: None
) -> Web:
    """The web of the materials in ``among`` (M,) bool; exact, in blocks that ``progress(done, of)`` tells of."""
    members = np.flatnonzero(among)
    near, distance = Points(points[members], "euclidean").nearest_of_all(LINKS, progress=progress)
    return Web(members, near, distance)


def singular(web: Web, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The ``k`` materials whose NTH nearest is farthest, most singular first, and that distance."""
    far = web.distance[:, min(NTH, web.distance.shape[1]) - 1]
    order = np.argsort(-np.nan_to_num(far, nan=np.inf), kind="stable")[:k]
    return web.members[order], far[order]


def hubs(web: Web, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The ``k`` materials that most others count among their LINKS nearest, and how many do.

    Source: Radovanović, Nanopoulos, Ivanović 2010, Hubs in Space, JMLR 11.
    """
    named = np.bincount(web.near[web.near >= 0], minlength=len(web.members))
    order = np.argsort(-named, kind="stable")[:k]
    return web.members[order], named[order]


def path_between(web: Web, start: int, end: int) -> tuple[list[int], list[float]]:
    """The materials on the way from ``start`` to ``end`` in steps between near ones, and the length of each step.

    The way with the least sum of squared steps: many small steps rather than a large one. Raises NotThere where
    either material is not in the web or no way leads there.
    """
    from scipy.sparse.csgraph import dijkstra

    place = {int(material): i for i, material in enumerate(web.members)}
    for each in (start, end):
        if each not in place:
            raise NotThere("A way leads only between materials of the choice. Allow materials in fewer formulas.")
    known = web.near >= 0
    rows = np.repeat(np.arange(len(web.members)), known.sum(axis=1))
    steps = np.maximum(web.distance[known], 1e-9) ** 2
    links = csr_array(coo_array((steps, (rows, web.near[known])), shape=(len(web.members),) * 2))
    costs, before = dijkstra(links, directed=False, indices=place[start], return_predecessors=True)
    if not np.isfinite(costs[place[end]]):
        raise NotThere("No chain of near materials joins the two: they lie in separate groups.")
    way = [place[end]]
    while way[-1] != place[start]:
        way.append(int(before[way[-1]]))
    way.reverse()
    lengths = [float(np.sqrt(costs[b] - costs[a])) for a, b in zip(way[:-1], way[1:], strict=True)]
    return [int(web.members[i]) for i in way], lengths
