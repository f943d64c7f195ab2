"""Codes that act alike and could become one: the groups to merge, with what speaks against each, nearest first.

Two codes are a pair where each is among the NEAR nearest of the other by use and learned evidence. What speaks
against a pair: another function, formulas that hold both (two names of one material hardly ever meet in a formula),
and models that predict another value where one takes the other's place. A group is sure where nothing speaks against
any two of its codes (complete linkage). The settings were chosen on materials other than those that docs/WHATIF.md reports.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import csr_array, lil_array

from matrep_core.errors import NotThere
from matrep_core.limits import Bound
from matrep_core.sampling import at_most
from matrep_core.similarity.effects import scaled_predictions
from matrep_core.similarity.functions import function_distances, same_function
from matrep_core.similarity.ranking import Similarity
from matrep_core.views.facts import RARE, info_texts
from matrep_core.views.neighbours import Points, formulas_with, shared_counts

NEAR = 3
OFTEN = 0.2  # of the rarer one's formulas hold the other, too
ALIKE = 0.25  # standard deviations of the training values by which a swap may change the property on average
AGREE = 0.5  # of the models say so
FAR = 0.25  # fused distance; two halves of the uses of one material are nearer, if it is not rare
COMPARED = 3_000  # materials
PAIRS = 400  # that the models are asked about, the nearest
ASKED = 48  # formulas of each material in which the swap is predicted
MOST = Bound(1, 100)


@dataclass(frozen=True)
class Pair:
    """Two materials a < b. distance: fused; change: what b for a (or, with the other sign, a for b) changes on average, in
    standard deviations of the training values; agree of ``models`` predict less than ALIKE; shared: formulas that hold both.
    """

    a: int
    b: int
    distance: float
    change: float
    agree: int
    models: int
    shared: int
    fewer: int  # formulas of the rarer one
    function: str  # as ``same_function`` says

    def against(self, name: str, together: bool) -> list[str]:
        """What speaks against merging the two, of the property ``name``; ``together`` as in ``propose``."""
        often = self.shared >= max(1, OFTEN * self.fewer)
        told = [f"used together in {self.shared} of {self.fewer} formulas"] if often and not together else []
        if self.function == "no":
            told.append("another function")
        if abs(self.change) > ALIKE or self.agree < AGREE * self.models:
            told.append(
                f"the swap changes {name} by {self.change:+.2f} standard deviations; "
                f"{self.agree} of {self.models} models predict less than {ALIKE:g}"
            )
        return told + ([f"far apart, distance {self.distance:.2g}"] if self.distance > FAR else [])


@dataclass(frozen=True)
class Group:
    """Codes that could become one, the most used first, whose code the others take; ``against``: "" where nothing speaks so."""

    codes: tuple[str, ...]
    distance: float  # the largest between two of them
    change: float  # the largest, standard deviations
    agree: int  # the least
    models: int
    function: str
    against: str


@dataclass(frozen=True, eq=False)
class Proposal:
    """groups: the sure ones first, then those with something against them, each nearest first.

    unprovable: material, inci, function, support and the nearest provable material (nearest) of every code in RARE
    training formulas at most: nothing can show whether it acts like another
    """

    groups: list[Group]
    unprovable: pd.DataFrame
    materials: int


def propose(similarity: Similarity, name: str, most: int = 20, *, together: bool = False) -> Proposal:
    """The groups of materials that act alike for the property ``name``, ``most`` at most.

    ``together``: codes that are often used in one formula may be merged, too. Raises SettingRefused for ``most`` out of
    bounds, NotThere where fewer than two materials are in more than RARE training formulas.
    """
    MOST.check("most", most)
    among = similarity.support > RARE
    if among.sum() < 2:
        raise NotThere(f"Fewer than two materials occur in more than {RARE} training formulas; there is no pair to merge.")
    pairs = [_pair(similarity, a, b, distance) for a, b, distance in _near(similarity, among)]
    against = {(p.a, p.b): p.against(name, together) for p in pairs}
    groups = _linked(pairs, {key for key, told in against.items() if not told})
    taken = {m for group in groups for m in group}
    of = {(p.a, p.b): p for p in pairs}
    doubtful = []
    for pair in pairs:
        if against[pair.a, pair.b] and not {pair.a, pair.b} & taken:
            doubtful.append([pair.a, pair.b])
            taken |= {pair.a, pair.b}
    found = [_group(similarity, of, group, against) for group in [*groups, *doubtful]]
    return Proposal(found[:most], _unprovable(similarity, among), len(similarity.data.materials))


def _near(similarity: Similarity, among: np.ndarray) -> list[tuple[int, int, float]]:
    """(a, b, fused distance) of the PAIRS nearest that are each among the NEAR nearest of the other; of more than COMPARED
    materials only the most used are compared.
    """
    members = np.flatnonzero(among)
    members = np.sort(members[np.argsort(-similarity.support[members], kind="stable")][:COMPARED])
    distance = np.stack([similarity.distances(int(m))[members] for m in members])
    np.fill_diagonal(distance, np.inf)
    near = np.argsort(distance, axis=1, kind="stable")[:, :NEAR]
    chosen = np.zeros(distance.shape, bool)
    np.put_along_axis(chosen, near, True, axis=1)
    one, other = np.nonzero(np.triu(chosen & chosen.T))
    far = np.maximum(distance[one, other], distance[other, one])
    return [(int(members[one[n]]), int(members[other[n]]), float(far[n])) for n in np.argsort(far, kind="stable")[:PAIRS]]


def _pair(similarity: Similarity, a: int, b: int, distance: float) -> Pair:
    data = similarity.data
    changes = np.concatenate([_changes(similarity, a, b), -_changes(similarity, b, a)], axis=1).mean(axis=1)
    function = same_function(float(function_distances(similarity.functions[0], a)[b])) if similarity.functions[1] else ""
    fewer = int(min(data.support[a], data.support[b]))
    return Pair(
        a, b, distance, float(changes.mean()), int((np.abs(changes) <= ALIKE).sum()), len(changes),
        int(shared_counts(data, a)[b]), fewer, function,
    )  # fmt: skip


def _changes(similarity: Similarity, old: int, new: int) -> np.ndarray:
    """(K, R) what ``new`` for ``old`` changes in the formulas of ``old``, by each member that trained both; scaled."""
    data, models = similarity.data, similarity.ensemble
    rows = at_most(formulas_with(data, old), ASKED, np.random.default_rng(0))
    before = data.amounts[rows]
    after = lil_array(before)
    after[:, [new]] = before[:, [new]] + before[:, [old]]
    after[:, [old]] = 0
    swapped = csr_array(after)
    asked = [each for each in models.members if each.support[old] and each.support[new]]
    return np.array([scaled_predictions(models, each, swapped) - scaled_predictions(models, each, before) for each in asked])


def _linked(pairs: list[Pair], sure: set[tuple[int, int]]) -> list[list[int]]:
    """Groups in which any two are a sure pair, joined in the order of ``pairs``, nearest first."""
    group_of: dict[int, list[int]] = {}
    for pair in pairs:
        one, other = group_of.get(pair.a, [pair.a]), group_of.get(pair.b, [pair.b])
        if one is not other and all((min(a, b), max(a, b)) in sure for a in one for b in other):
            joined = [*one, *other]
            group_of |= dict.fromkeys(joined, joined)
    return list({id(group): group for group in group_of.values()}.values())


def _group(similarity: Similarity, of: dict[tuple[int, int], Pair], group: list[int], against: dict[tuple[int, int], list[str]]) -> Group:
    ordered = sorted(group, key=lambda m: (-similarity.support[m], m))
    keys = [(min(a, b), max(a, b)) for n, a in enumerate(group) for b in group[n + 1 :]]
    inside = [of[key] for key in keys]
    words = {pair.function for pair in inside}
    return Group(
        tuple(similarity.data.materials[m] for m in ordered), max(p.distance for p in inside),
        max((p.change for p in inside), key=abs), min(p.agree for p in inside), inside[0].models,
        next((word for word in ("no", "partly", "", "yes") if word in words), ""),
        "; ".join(dict.fromkeys(text for key in keys for text in against[key])),
    )  # fmt: skip


def _unprovable(similarity: Similarity, among: np.ndarray) -> pd.DataFrame:
    data, points = similarity.data, Points(similarity.profile_points, "euclidean")
    rare = np.flatnonzero(~among)
    nearest = [points.nearest(int(m), 1, among).indices for m in rare]
    return pd.DataFrame(
        {"material": [data.materials[m] for m in rare], "inci": info_texts(data, "inci")[rare], "function": info_texts(data, "function")[rare],
         "support": similarity.support[rare], "nearest": [data.materials[n[0]] if len(n) else "" for n in nearest]}
    )  # fmt: skip
