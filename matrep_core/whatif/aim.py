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
REACHED = 1e-3  # standard deviations from the goal that count as none, and a gain that counts as none
PENALTY = 10.0  # for a weight-% or a price beyond what is allowed, in standard deviations of a property


@dataclass(frozen=True)
class Goal:
    """What is wanted. values: property -> (least, most), NaN open; amounts: material -> (least, most) weight-%.

    A material whose most is 0 is left out, one whose least is more than 0 must be in. most_cost: NaN open; never:
    materials whose amount stays; balance: the material that takes up the rest, "" the largest of the formula; changes:
    materials changed at most, not counting the balance and those that the bounds change anyway
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
        for code in self.never:
            low, high = self.amounts.get(code, (0.0, AMOUNT_SUM))
            amount = before[bench.data.material_index[code]]
            if not low <= amount <= high:
                raise SettingRefused(code, f"{low:g} to {high:g}", f"its amount is to stay as it is, {amount:.4g} weight-%; widen the bounds, or let it change.")
        if np.isfinite(self.most_cost):
            self._check_prices(bench, before)
        Bound(1, 5).check("changes", self.changes)
        return self

    def _check_prices(self, bench: Bench, before: np.ndarray) -> None:
        if bench.prices is None:
            raise SettingRefused("most_cost", self.most_cost, "the materials table has no column price or cost.")
        held = {*bench.held(before), *(code for code, (low, _) in self.amounts.items() if low > 0)}
        unknown = sorted(code for code in held if np.isnan(bench.prices[bench.data.material_index[code]]))
        if unknown:
            raise SettingRefused("most_cost", self.most_cost, f"the price of {unknown[0]} is not known; give it in the materials table, or leave the cost open.")


@dataclass(frozen=True, eq=False)
class Suggestion:
    """One changed formula: how many materials change, how far it stays from the goal (standard deviations), and the swap."""

    changes: tuple[str, ...]
    away: float
    cost: float
    swap: Swap


def suggest(bench: Bench, before: np.ndarray, goal: Goal, formula: int | None = None) -> list[Suggestion]:
    """The best change of one material, of two, up to ``goal.changes``: one suggestion each, fewest changes first.

    ``before`` is (M,) weight-%; where it breaks the bounds of amounts, every suggestion first mends that. A further
    change is only suggested where it comes nearer to the goal. Raises what ``Goal.checked`` raises, SettingRefused for
    bounds that leave the balance too much or too little, NotThere where no material may change or no change found keeps
    the bounds.
    """
    goal = goal.checked(bench, before)
    search = _Search(bench, before, goal, formula)
    found: list[Suggestion] = []
    sets: list[tuple[int, ...]] = [()]
    forced = not np.array_equal(search.start, before)
    reached, best, broken = float(search.away(search.start[None])[0]), search.start, search.breaks(search.start)

    def add(chosen: tuple[int, ...]) -> None:
        codes = tuple(bench.data.materials[m] for m in sorted({*search.forced, *chosen}))
        found.append(Suggestion(codes, reached, float(bench.cost(best[None])[0]), compare(bench, before, best, formula)))

    if forced and not broken:
        add(())
    for count in range(1, goal.changes + 1):
        if reached < REACHED:
            break
        tried = {tuple(sorted((*one, new))) for one in sets for new in search.pool if new not in one}
        scored = sorted((search.rough(one), one) for one in tried)
        if not scored:
            break
        sets = [one for _, one in scored[:KEPT]]
        away, nearest, chosen = min(((*search.best(one), one) for one in sets[:2]), key=lambda each: each[0])
        if away < reached - REACHED:
            reached, best, broken = away, nearest, search.breaks(nearest)
            if not broken:
                add(chosen)
    if broken and not found:
        raise NotThere(f"No change of at most {goal.changes} material{'s' if goal.changes > 1 else ''} keeps the bounds: {broken}. Widen them, or allow more changes.")
    return found


class _Search:
    """The amounts that may change, and how far a formula is from the goal."""

    def __init__(self, bench: Bench, before: np.ndarray, goal: Goal, formula: int | None):
        self.bench, self.goal, self.formula = bench, goal, formula
        index = bench.data.material_index
        self.balance = index[goal.balance] if goal.balance else int(before.argmax())
        if not before[self.balance] > 0:
            raise NotThere(f"The formula does not hold {goal.balance}; choose one of its materials to take up the rest.")
        facts = bench.facts
        self.low, self.high = np.zeros(len(before)), np.nan_to_num(facts["high"].to_numpy(float))
        for code, (low, high) in goal.amounts.items():
            self.low[index[code]], self.high[index[code]] = low, high
        self.least, self.most = goal.amounts.get(bench.data.materials[self.balance], (0.0, AMOUNT_SUM))  # of the balance
        self.start = self._mended(before)
        self.forced = [m for m in np.flatnonzero(self.start != before).tolist() if m != self.balance]
        before = self.start
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

    def _mended(self, before: np.ndarray) -> np.ndarray:
        """(M,) the formula with every bounded material within its bounds; raises SettingRefused where the balance cannot take the rest."""
        start = before.copy()
        for code in self.goal.amounts:
            material = self.bench.data.material_index[code]
            if material != self.balance:
                start[material] = np.clip(before[material], self.low[material], self.high[material])
        start[self.balance] += before.sum() - start.sum()
        if start[self.balance] < -1e-9:
            code = self.bench.data.materials[self.balance]
            raise SettingRefused(
                "amounts", f"{code} {start[self.balance]:.4g}",
                f"the least amounts leave nothing for {code}, which takes up the rest; lower some, or let a larger material take up the rest.",
            )  # fmt: skip
        start[self.balance] = max(start[self.balance], 0.0)
        return start

    def breaks(self, row: np.ndarray) -> str:
        """Which bound the formula (M,) breaks that the search only strives for; "" for none."""
        spare, code = float(row[self.balance]), self.bench.data.materials[self.balance]
        if not self.least - 1e-3 <= spare <= self.most + 1e-3:
            return f"{code}, which takes up the rest, would be {spare:.3g} weight-%, outside {self.least:g} to {self.most:g}"
        cost = float(self.bench.cost(row[None])[0])
        if np.isfinite(self.goal.most_cost) and not cost <= self.goal.most_cost * (1 + 1e-6):
            return f"the cost is {cost:.4g}, more than {self.goal.most_cost:.4g}"
        return ""

    def _alone(self, materials: np.ndarray) -> np.ndarray:
        """(B,) how far the best of TRIED amounts of each material by itself stays from the goal."""
        tried = self.low[materials] + (self.high - self.low)[materials] * np.linspace(0, 1, TRIED)[:, None]  # (T, B)
        rows = self.formulas(np.tile(materials, TRIED)[:, None], tried.reshape(-1, 1))
        return self.away(rows).reshape(TRIED, -1).min(axis=0)

    def formulas(self, materials: np.ndarray, amounts: np.ndarray) -> np.ndarray:
        """(B, M) the formula with ``materials`` (B, J) at ``amounts`` (B, J); the balance takes up the rest."""
        rows = np.tile(self.start, (len(amounts), 1))
        np.put_along_axis(rows, materials, amounts, axis=1)
        rows[:, self.balance] += self.start.sum() - rows.sum(axis=1)
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
        total += PENALTY * (np.maximum(self.least - spare, 0) + np.maximum(spare - self.most, 0) + np.maximum(-spare, 0))
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
            moved = np.abs(amounts - self.start[place]).sum(axis=1)
            rows = self.formulas(np.tile(place, (len(amounts), 1)), amounts)
            return self.away(rows) + 1e-5 * moved  # of equals, the one that changes least

        bounds = list(zip(self.low[place], self.high[place], strict=True))
        start = np.clip(self.start[place], self.low[place], self.high[place])
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
