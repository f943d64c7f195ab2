"""Wanted values of properties, and the changes of a formula that come nearest: few materials changed first.

scipy's differential evolution (Storn and Price 1997, Journal of Global Optimization 11) finds the amounts: the trees of a
blend make the prediction a staircase, on which a search by slope would stop. Which materials change is chosen
step by step from those that help most by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.optimize import OptimizeResult, differential_evolution
from scipy.sparse import csr_array

from matrep_core.errors import NotThere, SettingRefused
from matrep_core.limits import AMOUNT_SUM, Bound
from matrep_core.views.facts import RARE, find_material
from matrep_core.whatif.bench import Bench
from matrep_core.whatif.substitute import Swap, compare

TRIED = 9  # amounts of each material that are tried by themselves
KEPT = 4  # sets of materials that are followed further
POOL = 24  # materials beside the formula's own that may come in, the most helpful ones
ROUNDS, CROWD = 12, 6  # of differential evolution
PENALTY = 10.0  # for a weight-% or a price beyond what is allowed, in standard deviations of a property


@dataclass(frozen=True)
class Goal:
    """What is wanted. values: property -> (least, most), NaN open; amounts: material -> (least, most) weight-%.

    most_cost: NaN open; never: materials that may not come in; balance: the material that takes up the rest, "" the
    largest of the formula; changes: materials changed at most, the balance not counted
    """

    values: dict[str, tuple[float, float]]
    amounts: dict[str, tuple[float, float]] = field(default_factory=dict)
    most_cost: float = float("nan")
    never: tuple[str, ...] = ()
    balance: str = ""
    changes: int = 3

    def checked(self, bench: Bench, before: np.ndarray) -> Goal:
        """Self; raises SettingRefused or NotThere where it cannot be."""
        names = [asked.name for asked in bench.asked]
        for name, (low, high) in self.values.items():
            if name not in names:
                raise NotThere(f"There is no run of {name!r} among those chosen; its properties: {', '.join(names)}.")
            if low > high:
                raise SettingRefused(name, low, f"the least is more than the most, {high:g}; swap the two.")
        if not any(np.isfinite(bound).any() for bound in self.values.values()):
            raise SettingRefused("values", "none", "give a least or a most for at least one property.")
        for code, (low, high) in self.amounts.items():
            find_material(bench.data, code)
            if not 0 <= low <= high <= AMOUNT_SUM:
                raise SettingRefused(code, f"{low:g} to {high:g}", "bounds are weight-%: 0 to 100, the least first.")
        if sum(low for low, _ in self.amounts.values()) > AMOUNT_SUM:
            raise SettingRefused("amounts", "the least amounts", "they sum to more than 100 weight-%; lower some.")
        for code in (*self.never, *([self.balance] if self.balance else [])):
            find_material(bench.data, code)
        if np.isfinite(self.most_cost) and bench.prices is None:
            raise SettingRefused("most_cost", self.most_cost, "the materials table has no column price or cost.")
        Bound(1, 5).check("changes", self.changes)
        return self


@dataclass(frozen=True, eq=False)
class Suggestion:
    """One changed formula: how many materials change, how far it stays from the goal (standard deviations), and the swap."""

    changes: tuple[str, ...]
    away: float
    cost: float
    swap: Swap


def suggest(bench: Bench, before: np.ndarray, goal: Goal, formula: int | None = None) -> list[Suggestion]:
    """The best change of one material, of two, up to ``goal.changes``: one suggestion each, fewest changes first.

    ``before`` is (M,) weight-%. A further change is only suggested where it comes nearer to the goal. Raises what
    ``Goal.checked`` raises, NotThere where no material may change.
    """
    goal = goal.checked(bench, before)
    search = _Search(bench, before, goal, formula)
    found: list[Suggestion] = []
    sets: list[tuple[int, ...]] = [()]
    reached = float(search.away(before[None])[0])
    for count in range(1, goal.changes + 1):
        tried = {tuple(sorted((*one, new))) for one in sets for new in search.pool if new not in one}
        scored = sorted((search.rough(one), one) for one in tried)
        if not scored:
            break
        sets = [one for _, one in scored[:KEPT]]
        away, best, chosen = min(((*search.best(one), one) for one in sets[:2]), key=lambda each: each[0])
        if away < reached - 1e-3:
            reached = away
            codes = tuple(bench.data.materials[m] for m in chosen)
            found.append(Suggestion(codes, away, float(bench.cost(best[None])[0]), compare(bench, before, best, formula)))
        if reached < 1e-3:
            break
    return found


class _Search:
    """The amounts that may change, and how far a formula is from the goal."""

    def __init__(self, bench: Bench, before: np.ndarray, goal: Goal, formula: int | None):
        self.bench, self.before, self.goal, self.formula = bench, before, goal, formula
        index = bench.data.material_index
        self.balance = index[goal.balance] if goal.balance else int(before.argmax())
        if not before[self.balance] > 0:
            raise NotThere(f"The formula does not hold {goal.balance}; choose one of its materials to take up the rest.")
        facts = bench.facts
        self.low, self.high = np.zeros(len(before)), np.nan_to_num(facts["high"].to_numpy(float))
        for code, (low, high) in goal.amounts.items():
            self.low[index[code]], self.high[index[code]] = low, high
        may = (bench.run.support > RARE) | (before > 0)
        may[[index[code] for code in goal.never]] = False
        may[self.balance] = False
        may &= self.high > self.low
        alone = np.flatnonzero(may)
        if not len(alone):
            raise NotThere("No material may change under these bounds. Allow more materials or wider amounts.")
        self.pool = list(alone)
        score = self._alone(alone)
        own = [int(m) for m in alone if before[m] > 0]
        new = [int(m) for m in alone[np.argsort(score, kind="stable")] if before[m] == 0]
        self._score = dict(zip(alone.tolist(), score.tolist(), strict=True))
        self.pool = own + new[:POOL]

    def _alone(self, materials: np.ndarray) -> np.ndarray:
        """(B,) how far the best of TRIED amounts of each material by itself stays from the goal."""
        tried = self.low[materials] + (self.high - self.low)[materials] * np.linspace(0, 1, TRIED)[:, None]  # (T, B)
        rows = self.formulas(np.tile(materials, TRIED)[:, None], tried.reshape(-1, 1))
        return self.away(rows).reshape(TRIED, -1).min(axis=0)

    def formulas(self, materials: np.ndarray, amounts: np.ndarray) -> np.ndarray:
        """(B, M) the formula with ``materials`` (B, J) at ``amounts`` (B, J); the balance takes up the rest."""
        rows = np.tile(self.before, (len(amounts), 1))
        np.put_along_axis(rows, materials, amounts, axis=1)
        rows[:, self.balance] += self.before.sum() - rows.sum(axis=1)
        return rows

    def away(self, rows: np.ndarray) -> np.ndarray:
        """(B,) distance of (B, M) formulas from the goal, in standard deviations; what may not be costs PENALTY a unit."""
        least = np.maximum(rows, 0)
        total = np.zeros(len(rows))
        for asked in self.bench.asked:
            low, high = self.goal.values.get(asked.name, (np.nan, np.nan))
            value = asked.targets(asked.predict(csr_array(least), self.formula).value)
            for bound, sign in ((low, 1), (high, -1)):
                if np.isfinite(bound):
                    total += np.square(np.maximum(sign * (asked.targets(np.array([bound]))[0] - value), 0))
        total = np.sqrt(total)
        spare = rows[:, self.balance]
        total += PENALTY * (np.maximum(self.low[self.balance] - spare, 0) + np.maximum(-spare, 0))
        if np.isfinite(self.goal.most_cost):
            total += PENALTY * np.maximum(np.nan_to_num(self.bench.cost(least) - self.goal.most_cost, nan=1.0), 0)
        return total

    def rough(self, materials: tuple[int, ...]) -> float:
        """How promising a set is: what its members reach by themselves."""
        return float(sum(self._score[m] for m in materials))

    def best(self, materials: tuple[int, ...]) -> tuple[float, np.ndarray]:
        """How near the set comes at its best amounts, and that formula (M,)."""
        place = np.array(materials)

        def cost(amounts: np.ndarray) -> np.ndarray:
            amounts = np.atleast_2d(amounts.T)
            moved = np.abs(amounts - self.before[place]).sum(axis=1)
            rows = self.formulas(np.tile(place, (len(amounts), 1)), amounts)
            return self.away(rows) + 1e-5 * moved  # of equals, the one that changes least

        bounds = list(zip(self.low[place], self.high[place], strict=True))
        start = np.clip(self.before[place], self.low[place], self.high[place])
        found: OptimizeResult = differential_evolution(
            cost, bounds, maxiter=ROUNDS, popsize=CROWD, x0=start, rng=np.random.default_rng(0), polish=False, vectorized=True,
            updating="deferred", tol=0,
        )  # fmt: skip
        best = self.formulas(place[None], found.x[None])[0]
        return float(self.away(best[None])[0]), np.maximum(best, 0)


def suggestions_table(bench: Bench, found: list[Suggestion]) -> pd.DataFrame:
    """One row a suggestion: changes, what changes, ``p after``, ``p low80``, ``p high80`` for each property p, cost, away, unsure."""
    rows = []
    for each in found:
        row = {"materials changed": len(each.changes), "which": ", ".join(each.changes)}
        for told in each.swap.told.to_dict("records"):
            row |= {f"{told['property']} {name}": told[name] for name in ("before", "after", "low80", "high80")}
        rows.append({**row, "cost": each.cost, "away": each.away, "unsure": each.swap.unsure, "mind": " ".join(each.swap.warnings)})
    table = pd.DataFrame(rows)
    return table.drop(columns="cost") if len(table) and bench.prices is None else table
