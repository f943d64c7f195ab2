"""Another material in the place of one: candidates ranked by what they change, and one swap looked at closely.

Every figure comes from the run's whole predictor. What drives a change is shared out by Shapley's rule (Shapley 1953;
Štrumbelj and Kononenko 2014, "Explaining prediction models"): the mean effect of each step over all orders of the steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import permutations

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from matrep_core.errors import NotThere, SettingRefused
from matrep_core.limits import AMOUNT_SUM
from matrep_core.similarity.functions import function_distances, same_function
from matrep_core.views.facts import RARE, find_material
from matrep_core.whatif.bench import Asked, Bench

AMOUNTS = {
    "kept": "the new material takes the old one's weight-%",
    "rescaled": "the new material gets its own usual weight-%, all others are rescaled to make room",
    "optimised": "the weight-% within the bounds that keeps the property nearest to what it was; all others are rescaled",
}
TRIED = 25  # amounts tried between the bounds, then as many again between the best one's neighbours
UNSURE = 1.0  # an interval wider than the standard deviation of all training values says little


@dataclass(frozen=True)
class Wish:
    """What may take the place, and how. ``low`` and ``high`` bound the new amount in weight-% where it is optimised."""

    amount: str = "kept"
    low: float | None = None
    high: float | None = None
    same_function: bool = False
    in_stock: bool = False
    never: tuple[str, ...] = ()
    least_support: int = RARE + 1
    goals: dict[str, float] = field(default_factory=dict)  # property -> value that an optimised amount aims at

    def checked(self, bench: Bench) -> Wish:
        """Self; raises SettingRefused or NotThere where a part of it cannot be."""
        if self.amount not in AMOUNTS:
            raise SettingRefused("amount", self.amount, f"choose one of {', '.join(AMOUNTS)}.")
        for name, value in (("low", self.low), ("high", self.high)):
            if value is not None and not 0 < value < AMOUNT_SUM:
                raise SettingRefused(name, value, "an amount is more than 0 and less than 100 weight-%.")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise SettingRefused("low", self.low, f"it is more than high = {self.high:g}; swap the two.")
        for code in self.never:
            find_material(bench.data, code)
        if self.same_function and not bench.similarity.functions[1]:
            raise SettingRefused("same_function", True, "the materials table names no function.")
        if self.in_stock and bench.stock is None:
            raise SettingRefused("in_stock", True, "the materials table has no column stock or availability.")
        return self


def candidates(bench: Bench, before: np.ndarray, old: str, wish: Wish, formula: int | None = None) -> pd.DataFrame:
    """One row a material that may take the place of ``old`` in the formula ``before`` (M,), the surest least change first.

    material, inci, function, same_function, distance (all evidence), support, low, high, price, in_stock, amount
    (weight-%), cost_change, unsure, then for each property p: ``p before``, ``p after``, ``p low80``, ``p high80``,
    ``p change`` and ``p spread`` (standard deviation of the change between models; both in ``p unit``), ``p sd`` and
    ``p sd spread`` (both in standard deviations of the training values), and warnings. Rows are ordered by the size of
    change to be expected over all properties, the root of change² + spread² in these standard deviations: by the change
    alone, materials would come first about which the models contradict each other. Raises NotThere where the formula does
    not hold ``old`` or nobody may take its place.
    """
    wish = wish.checked(bench)
    place = _held(bench, before, old)
    others = np.flatnonzero(_allowed(bench, before, place, wish))
    if not len(others):
        raise NotThere(f"No material may take the place of {old} under these filters. Allow rarer materials or more functions.")
    after = _swapped(bench, before, place, others, wish, formula)
    table = _known(bench, place, others).assign(amount=after[np.arange(len(others)), others])
    table["cost_change"] = bench.cost(after) - bench.cost(before[None])[0]
    table["unsure"] = False
    distance = np.zeros(len(others))
    for asked in bench.asked:
        told = outcome(asked, np.vstack([before, after]), formula)
        for name in ("after", "low80", "high80", "change", "spread", "sd", "sd spread"):
            table[f"{asked.name} {name}"] = told[name].to_numpy()[1:]
        table[f"{asked.name} before"] = told["after"].iloc[0]
        table[f"{asked.name} unit"] = asked.change_unit
        table["unsure"] |= told["unsure"].to_numpy()[1:]
        distance += np.square(table[f"{asked.name} sd"]) + np.square(table[f"{asked.name} sd spread"])
    table["warnings"] = [" ".join(bench.warnings(before, row)) for row in after]
    order = np.lexsort((table["distance"], np.sqrt(distance / len(bench.asked))))
    return table.iloc[order].reset_index(drop=True)


def outcome(asked: Asked, amounts: np.ndarray, formula: int | None) -> pd.DataFrame:
    """One row for each of (R, M) ``amounts``, compared with the first: after, low80, high80, change, spread, sd, sd spread, unsure.

    sd and sd spread are the change and its spread in standard deviations of the training values; a lone model has no spread, 0.
    """
    found = asked.predict(csr_array(amounts), formula)
    changes = np.stack([asked.targets(each) - asked.targets(each[:1]) for each in found.models])
    apart = changes.std(axis=0, ddof=1) if len(changes) > 1 else np.full(len(amounts), np.nan)
    with np.errstate(invalid="ignore"):
        width = asked.targets(found.high80) - asked.targets(np.maximum(found.low80, 1e-300))
    return pd.DataFrame(
        {
            "after": found.value, "low80": found.low80, "high80": found.high80,
            "change": asked.change(found.value[0], found.value),
            "spread": asked.spread(found.value, apart),
            "sd": asked.targets(found.value) - asked.targets(found.value[:1]),
            "sd spread": np.nan_to_num(apart),
            "unsure": ~(width < 2 * UNSURE),
        }
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Swap:
    """One formula with OLD and with NEW. before, after: (M,) weight-%; told: one row a property, as ``compare`` writes."""

    before: np.ndarray
    after: np.ndarray
    told: pd.DataFrame
    drivers: pd.DataFrame
    warnings: list[str]

    @property
    def unsure(self) -> bool:
        return bool(self.told["unsure"].any())


def swap(bench: Bench, before: np.ndarray, old: str, new: str, wish: Wish, formula: int | None = None) -> Swap:
    """``new`` in the place of ``old``; filters of ``wish`` do not apply. Raises NotThere for materials that do not fit."""
    wish = wish.checked(bench)
    place, other = _held(bench, before, old), find_material(bench.data, new)
    if place == other:
        raise SettingRefused("new", new, "it is the old material; choose another one.")
    after = _swapped(bench, before, place, np.array([other]), wish, formula)[0]
    return compare(bench, before, after, formula, _steps(before, after, place, other))


def compare(
    bench: Bench, before: np.ndarray, after: np.ndarray, formula: int | None, steps: Sequence[tuple[str, np.ndarray]] | None = None
) -> Swap:
    """Two formulas side by side. ``steps`` (name, (M,) bool) share the materials that change; each changed one without it."""
    if steps is None:
        changed = np.flatnonzero(np.abs(after - before) > 1e-9)
        largest = changed[np.argsort(-np.abs((after - before)[changed]))]
        steps = [(bench.data.materials[m], np.arange(len(before)) == m) for m in largest[:5]]
        if len(largest) > 5:
            steps.append((f"{len(largest) - 5} more", np.isin(np.arange(len(before)), largest[5:])))
    told, drivers = [], []
    for asked in bench.asked:
        rows = outcome(asked, np.vstack([before, after]), formula)
        last = rows.iloc[1].to_dict()
        first = rows.iloc[0]
        told.append(
            {"property": asked.name, "unit": asked.unit, "measured": asked.measured(formula), "before": first["after"],
             "before low80": first["low80"], "before high80": first["high80"], **last, "change unit": asked.change_unit}
        )  # fmt: skip
        drivers += [{"property": asked.name, "step": name, "sd": share} for name, share in _shares(asked, before, after, formula, steps)]
    return Swap(before, after, pd.DataFrame(told), pd.DataFrame(drivers), bench.warnings(before, after))


def side_by_side(bench: Bench, before: np.ndarray, after: np.ndarray) -> pd.DataFrame:
    """One row a material of either formula: material, inci, function, before, after, change (weight-%); changed ones first."""
    rows = np.flatnonzero((before > 0) | (after > 0))
    change = after[rows] - before[rows]
    order = np.lexsort((-np.maximum(before, after)[rows], np.abs(change) < 1e-9))
    facts = bench.facts.iloc[rows[order]][["material", "inci", "function"]].reset_index(drop=True)
    return facts.assign(before=before[rows[order]], after=after[rows[order]], change=change[order])


def _steps(before: np.ndarray, after: np.ndarray, place: int, other: int) -> list[tuple[str, np.ndarray]]:
    number = np.arange(len(before))
    steps = [("old material out", number == place), ("new material in", number == other)]
    rest = (number != place) & (number != other) & (np.abs(after - before) > 1e-9)
    return [*steps, ("all others rescaled", rest)] if rest.any() else steps


def _shares(
    asked: Asked, before: np.ndarray, after: np.ndarray, formula: int | None, steps: Sequence[tuple[str, np.ndarray]]
) -> list[tuple[str, float]]:
    """(step, its share of the change in standard deviations); the shares sum to the whole change."""
    count = len(steps)
    worlds = np.tile(before, (2**count, 1))
    for world in range(2**count):
        for number, (_, which) in enumerate(steps):
            if world >> number & 1:
                worlds[world, which] = after[which]
    value = asked.targets(asked.predict(csr_array(worlds), formula).value)
    shares, orders = np.zeros(count), list(permutations(range(count)))
    for order in orders:
        world = 0
        for number in order:
            shares[number] += value[world | 1 << number] - value[world]
            world |= 1 << number
    return [(name, float(share) / len(orders)) for (name, _), share in zip(steps, shares, strict=True)]


def _held(bench: Bench, before: np.ndarray, old: str) -> int:
    place = find_material(bench.data, old)
    if not before[place] > 0:
        raise NotThere(f"The formula does not hold {old}. Choose a material that it holds.")
    if before[place] >= AMOUNT_SUM - 1e-9:
        raise SettingRefused("old", old, "the formula is nothing but this material; choose a formula of several.")
    return place


def _allowed(bench: Bench, before: np.ndarray, place: int, wish: Wish) -> np.ndarray:
    """(M,) bool: who may take the place; none that the formula holds already."""
    allowed = (before == 0) & (bench.run.support >= wish.least_support)
    allowed[[bench.data.material_index[code] for code in wish.never]] = False
    if wish.same_function:
        allowed &= function_distances(bench.similarity.functions[0], place) == 0
    if wish.in_stock and bench.stock is not None:
        allowed &= bench.stock == "yes"
    return allowed


def _known(bench: Bench, place: int, others: np.ndarray) -> pd.DataFrame:
    table = bench.facts.iloc[others][["material", "inci", "function", "support", "low", "high"]].reset_index(drop=True)
    apart = function_distances(bench.similarity.functions[0], place)[others]
    table.insert(3, "same_function", [same_function(each) for each in apart])
    table.insert(4, "distance", bench.similarity.distances(place)[others])
    if bench.prices is not None:
        table["price"] = bench.prices[others]
    if bench.stock is not None:
        table["in_stock"] = [text or "unknown" for text in bench.stock[others]]
    return table


def usual_amounts(bench: Bench, materials: np.ndarray) -> np.ndarray:
    """(B,) the median amount of each material over the formulas that hold it, in weight-%."""
    columns = bench.data.amounts.tocsc()
    return np.array([np.median(columns.data[columns.indptr[m] : columns.indptr[m + 1]]) for m in materials])


def _swapped(
    bench: Bench, before: np.ndarray, place: int, others: np.ndarray, wish: Wish, formula: int | None
) -> np.ndarray:
    """(B, M) the formula with each of ``others`` (B,) in the place of ``place``."""
    if wish.amount == "kept":
        return _with_amounts(before, place, others, np.full(len(others), before[place]))
    if wish.amount == "rescaled":
        return _with_amounts(before, place, others, np.minimum(usual_amounts(bench, others), AMOUNT_SUM))
    facts = bench.facts.iloc[others]
    low = np.full(len(others), wish.low) if wish.low is not None else facts["low"].fillna(before[place]).to_numpy(float)
    high = np.full(len(others), wish.high) if wish.high is not None else facts["high"].fillna(before[place]).to_numpy(float)
    high = np.minimum(np.maximum(low, high), AMOUNT_SUM)
    best = _nearest(bench, before, place, others, low, high, wish, formula)
    step = (high - low) / (TRIED - 1)
    best = _nearest(bench, before, place, others, np.maximum(low, best - step), np.minimum(high, best + step), wish, formula)
    return _with_amounts(before, place, others, best)


def _with_amounts(before: np.ndarray, place: int, others: np.ndarray, amounts: np.ndarray) -> np.ndarray:
    """(B, M): ``others`` at their amounts, ``place`` gone, all further materials rescaled to the same sum as before."""
    after = np.tile(before, (len(others), 1))
    after[:, place] = 0.0
    rest = before.sum() - before[place]
    after *= ((before.sum() - amounts) / rest)[:, None]
    after[np.arange(len(others)), others] = amounts
    return after


def _nearest(
    bench: Bench, before: np.ndarray, place: int, others: np.ndarray, low: np.ndarray, high: np.ndarray, wish: Wish, formula: int | None
) -> np.ndarray:
    """(B,) of TRIED amounts between ``low`` and ``high`` the one whose predicted properties are nearest to the goals.

    The trees of a blend make the prediction a staircase of the amount, on which a search by slope would stop at any
    tread: so the amounts are tried, all at once.
    """
    tried = low + (high - low) * np.linspace(0, 1, TRIED)[:, None]  # (T, B)
    rows = csr_array(np.vstack([_with_amounts(before, place, others, each) for each in tried]))
    away = np.zeros(tried.shape)
    for asked in bench.asked:
        goal = wish.goals.get(asked.name)
        goal = asked.predict(csr_array(before[None]), formula).value if goal is None else np.array([goal])
        values = asked.targets(asked.predict(rows, formula).value).reshape(tried.shape)
        away += np.square(values - asked.targets(goal))
    best = np.lexsort((np.abs(tried - before[place]), away.round(12)), axis=0)[0]
    return tried[best, np.arange(len(others))]
