"""What a cluster of materials is: a name from what stands out in it, its centre, its formulas, its effect."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from matrep_core.formulas.schema import FormulaSet
from matrep_core.similarity.functions import multi_hot
from matrep_core.views.clustering import NO_CLUSTER
from matrep_core.views.facts import info_texts

_WORD = re.compile(r"[^\W\d_]{3,}")
_TYPE = re.compile(r"[^\W\d_]+")
FEWEST = 3  # a name part or formula type that fewer materials of a cluster share names nothing
# Functions say more than name parts, and these more than the formulas that a material stands in.
KINDS = ("function", "name part", "formula type")
MOST_FUNCTIONS = 3  # on a card
STANDS_OUT = 3.0  # standard deviations above what the cluster's size alone lets expect


@dataclass(frozen=True)
class Trait:
    """What more materials of a cluster share than its size lets expect; ``here`` and ``among_all`` are shares, 0 to 1."""

    kind: str
    text: str
    here: float
    among_all: float

    def __str__(self) -> str:
        return f"{self.kind} {self.text}: {self.here:.0%} here, {self.among_all:.0%} among all"


@dataclass(frozen=True)
class Card:
    """One cluster in words and figures.

    name:     what stands out, or "" where nothing does; why: how that was found
    functions: those that stand out, the most first, at most MOST_FUNCTIONS
    size:     materials; centre: the material nearest to the mean of the cluster
    formulas: ids of the formulas that hold the most of it, with that amount in weight-%
    effect:   mean of the members' effect on the property for one weight-% more, as given; NaN if not given
    stability: 0 to 1, how well the cluster comes back in the run's other models; NaN for a lone model
    """

    cluster: int
    name: str
    why: str
    functions: tuple[Trait, ...]
    size: int
    centre: str
    formulas: tuple[tuple[str, float], ...]
    effect: float
    stability: float


def formula_types(data: FormulaSet) -> list[str]:
    """F texts: the letters that a formula id begins with ("CRM-0012" is a CRM), "" where it begins with none."""
    found = [_TYPE.match(formula_id) for formula_id in data.formula_ids]
    return [match.group() if match else "" for match in found]


_known_traits: WeakKeyDictionary[FormulaSet, tuple[csr_array, list[tuple[str, str]]]] = WeakKeyDictionary()


def traits(data: FormulaSet) -> tuple[csr_array, list[tuple[str, str]]]:
    """(M, traits) zeros and ones, and for each trait its kind ("function", "name part", "formula type") and text.

    A name part is a word of the INCI name. A material has the formula type in which most of its formulas are. They are
    found once for as long as the formula set lives: every step of a run asks for the same.
    """
    if data not in _known_traits:
        _known_traits[data] = _traits(data)
    return _known_traits[data]


def _traits(data: FormulaSet) -> tuple[csr_array, list[tuple[str, str]]]:
    functions, names = multi_hot(data)
    kinds = [("function", name) for name in names]
    words = [sorted(set(_WORD.findall(text.casefold()))) for text in info_texts(data, "inci")]
    blocks = [functions[:, : len(names)]] if names else []
    blocks.append(_marks(words, kinds, "name part"))
    blocks.append(_marks(_types(data), kinds, "formula type"))
    from scipy.sparse import hstack

    return csr_array(hstack(blocks)), kinds


def _types(data: FormulaSet) -> list[list[str]]:
    """For each material the formula type of most of its formulas; none where the set has but one type or too many."""
    types = formula_types(data)
    distinct = sorted(set(types) - {""})
    if not 2 <= len(distinct) <= 50:
        return [[] for _ in data.materials]
    place = {name: i for i, name in enumerate(distinct)}
    rows = [i for i, name in enumerate(types) if name]
    of_formula = csr_array((np.ones(len(rows)), (rows, [place[types[i]] for i in rows])), shape=(len(types), len(distinct)))
    amounts = data.amounts
    present = csr_array((np.ones(amounts.nnz), amounts.indices, amounts.indptr), shape=amounts.shape)
    counts = (present.T @ of_formula).toarray()
    return [[distinct[int(row.argmax())]] if 2 * row.max() > row.sum() else [] for row in counts]


def _marks(words: Sequence[Sequence[str]], kinds: list[tuple[str, str]], kind: str) -> csr_array:
    distinct = sorted({word for each in words for word in each})
    place = {word: i for i, word in enumerate(distinct)}
    kinds += [(kind, word) for word in distinct]
    columns = [place[word] for each in words for word in each]
    starts = np.cumsum([0, *(len(each) for each in words)])
    return csr_array((np.ones(len(columns)), columns, starts), shape=(len(words), len(distinct)))


def cluster_cards(
    data: FormulaSet,
    points: np.ndarray,
    labels: np.ndarray,
    effect: np.ndarray | None = None,
    stability: np.ndarray | None = None,
    formulas: int = 3,
) -> list[Card]:
    """A card for each cluster of ``labels`` (M,), in their order; ``points`` is (M, D), the space they were found in.

    ``effect`` is (M,) per weight-%, ``stability`` one figure a cluster.
    """
    table, kinds = traits(data)
    inside = labels != NO_CLUSTER
    counts = np.asarray(table[inside].sum(axis=0)).ravel()
    found = []
    for cluster in range(labels.max(initial=NO_CLUSTER) + 1):
        members = np.flatnonzero(labels == cluster)
        own = np.asarray(table[members].sum(axis=0)).ravel()
        traits_here = _standing_out(own, counts, len(members), int(inside.sum()), kinds)
        firsts = {trait.kind: trait for trait in reversed(traits_here)}
        named = [firsts[kind] for kind in KINDS if kind in firsts][:2]
        middle = points[members].mean(axis=0)
        centre = members[np.linalg.norm(points[members] - middle, axis=1).argmin()]
        held = np.asarray(data.amounts[:, members].sum(axis=1)).ravel()
        most = np.argsort(-held, kind="stable")[:formulas]
        found.append(
            Card(
                cluster, ", ".join(trait.text for trait in named), "; ".join(map(str, named)),
                tuple(trait for trait in traits_here if trait.kind == "function")[:MOST_FUNCTIONS], len(members), data.materials[centre],
                tuple((data.formula_ids[f], float(held[f])) for f in most if held[f] > 0),
                float(effect[members].mean()) if effect is not None else np.nan,
                float(stability[cluster]) if stability is not None else np.nan,
            )
        )  # fmt: skip
    return found


def _standing_out(own: np.ndarray, all_of: np.ndarray, size: int, total: int, kinds: list[tuple[str, str]]) -> list[Trait]:
    """The traits that stand out, the most first: by how many standard deviations (Pearson residuals)."""
    expected = all_of * size / max(1, total)
    excess = np.where(own >= FEWEST, (own - expected) / np.sqrt(np.maximum(expected, 1e-9)), -np.inf)
    order = np.argsort(-excess, kind="stable")
    return [Trait(*kinds[i], float(own[i] / size), float(all_of[i] / max(1, total))) for i in order[: (excess >= STANDS_OUT).sum()]]


def cards_table(cards: Sequence[Card], effect_name: str) -> pd.DataFrame:
    """One row a cluster, columns named in words; ``effect_name`` names the effect with its unit."""
    return pd.DataFrame(
        {
            "cluster": [card.cluster + 1 for card in cards],
            "name": [card.name for card in cards],
            "materials": [card.size for card in cards],
            "centre": [card.centre for card in cards],
            "stability": [card.stability for card in cards],
            effect_name: [card.effect for card in cards],
            "typical formulas": [", ".join(formula for formula, _ in card.formulas) for card in cards],
            "what stands out": [card.why for card in cards],
        }
    )


def cluster_stability(labels: np.ndarray, others: Sequence[np.ndarray]) -> np.ndarray:
    """(clusters,) mean over ``others`` of the best Jaccard overlap that a cluster finds there; 1 = comes back whole.

    Compared on the materials that both clusterings place. Source: Hennig 2007, Comput. Stat. Data Anal. 52.
    """
    count = labels.max(initial=NO_CLUSTER) + 1
    found = np.full((len(others), count), np.nan)
    for row, other in enumerate(others):
        both = (labels != NO_CLUSTER) & (other != NO_CLUSTER)
        if not both.any():
            continue
        width = other.max() + 1
        shared = np.bincount(labels[both] * width + other[both], minlength=count * width).reshape(count, width)
        either = shared.sum(axis=1, keepdims=True) + shared.sum(axis=0) - shared
        found[row] = (shared / np.maximum(either, 1)).max(axis=1)
    return found.mean(axis=0) if len(others) else np.full(count, np.nan)
