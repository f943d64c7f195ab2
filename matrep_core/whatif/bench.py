"""The bench: one data set, one predictor a property, and all that a what-if question asks of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from matrep_core.errors import NotThere, SettingRefused
from matrep_core.formulas.schema import FormulaSet, observations
from matrep_core.limits import AMOUNT_SUM
from matrep_core.model.ensemble import Ensemble, Prediction
from matrep_core.predictor import predictor_of
from matrep_core.runs.store import Run
from matrep_core.similarity.evidence import similarity_of
from matrep_core.similarity.ranking import Similarity
from matrep_core.views.facts import RARE, TRAINING_PARTS, find_material, material_facts

MOST_NAMED = 3  # partners that one warning names
PRICES, STOCKS = ("price", "cost"), ("stock", "in stock", "in_stock", "available", "availability")
_YES, _NO = {"yes", "y", "true", "x", "in stock", "available"}, {"no", "n", "false", "out of stock", "not available", "none"}


@dataclass(frozen=True, eq=False)
class Asked:
    """One property that is asked for: its run and the predictor of that run."""

    run: Run
    predictor: Ensemble

    @property
    def name(self) -> str:
        return self.run.settings.property

    @property
    def unit(self) -> str:
        return self.run.unit

    @property
    def relative(self) -> bool:
        """Whether changes are told as shares of the value: on a log scale."""
        return self.predictor.scale.kind == "log"

    def conditions(self, formula: int | None, rows: int) -> np.ndarray:
        """(rows, C): the conditions that the formula was measured at (their mean), or the usual ones of the training."""
        usual = self.predictor.condition_mean[: self.predictor.declared]
        if formula is not None and len(usual):
            kept = observations(self.run.data, self.name, self.run.settings.conditions)
            mine = kept.formulas == formula
            usual = kept.conditions[mine].mean(axis=0) if mine.any() else usual
        return np.tile(usual, (rows, 1))

    def predict(self, amounts: csr_array, formula: int | None = None) -> Prediction:
        """Predict (R, M) amounts in weight-%, at the conditions of ``formula``."""
        return self.predictor.predict(amounts, self.conditions(formula, amounts.shape[0]))

    def targets(self, values: np.ndarray) -> np.ndarray:
        """(…,) values -> float64 in standard deviations of the training values, on the property's scale."""
        return self.predictor.scale.to_target(np.asarray(values, np.float64)).astype(np.float64)

    def change(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """What ``after`` is more than ``before``: in % of it on a log scale, else in the property's unit."""
        return 100 * (after / before - 1) if self.relative else after - before

    def spread(self, values: np.ndarray, apart: np.ndarray) -> np.ndarray:
        """(R,) a spread ``apart`` on the target scale around ``values``, in ``change_unit``; as a factor it stays finite."""
        shaped = self.targets(values)
        above, below = (self.predictor.scale.to_value(shaped + side * apart, held=False) for side in (1, -1))
        return 100 * (above / values - 1) if self.relative else (above - below) / 2

    @property
    def change_unit(self) -> str:
        return "%" if self.relative else self.unit

    def measured(self, formula: int | None) -> float:
        """The mean of the values measured of a formula, NaN where there is none."""
        if formula is None:
            return float("nan")
        rows = self.run.data.measurements
        mine = rows[(rows["property"] == self.name) & (rows["formula"] == formula)]["value"]
        return float(mine.mean()) if len(mine) else float("nan")


class Bench:
    """Done runs over the same formulas, one a property; the first one's materials rank by its models."""

    def __init__(self, runs: Sequence[Run], similarity: Similarity | None = None):
        """Raises SettingRefused for runs of other data or the same property twice, NotThere where one has no model."""
        names = [run.settings.property for run in runs]
        for run, name in zip(runs, names, strict=True):
            if run.data_hash != runs[0].data_hash:
                raise SettingRefused("runs", run.id, f"it was trained on other formulas than {runs[0].id}; choose runs of one data set.")
            if names.count(name) > 1:
                raise SettingRefused("runs", run.id, f"choose one run a property; {name} was chosen twice.")
        self.asked = tuple(Asked(run, predictor_of(run)) for run in runs)
        self._similarity = similarity

    @property
    def run(self) -> Run:
        return self.asked[0].run

    @property
    def data(self) -> FormulaSet:
        return self.run.data

    @cached_property
    def similarity(self) -> Similarity:
        return self._similarity or similarity_of(self.run)

    @cached_property
    def facts(self) -> pd.DataFrame:
        """As ``material_facts`` gives: support and amounts of the training formulas of the first run."""
        return material_facts(self.data, self.run.parts)

    @cached_property
    def prices(self) -> np.ndarray | None:
        """(M,) float64 price of a material, NaN where materials.csv gives no number; None without such a column."""
        texts = self._column(PRICES)
        if texts is None:
            return None
        return np.array([_number(text) for text in texts])

    @property
    def price_name(self) -> str:
        """What the column of prices is called in materials.csv; its unit stands there, if anywhere."""
        return next((name for name in self.data.material_info.columns if _is_one(name, PRICES)), "")

    @cached_property
    def stock(self) -> np.ndarray | None:
        """(M,) texts "yes", "no" or "" (not known) from the column of availability; None without such a column."""
        texts = self._column(STOCKS)
        return None if texts is None else np.array([_in_stock(text) for text in texts], dtype=object)

    def _column(self, names: Sequence[str]) -> Sequence[str] | None:
        found = next((name for name in self.data.material_info.columns if _is_one(name, names)), None)
        return None if found is None else self.data.material_info[found].fillna("").astype(str).tolist()

    @cached_property
    def together(self) -> csr_array:
        """(M, M) in how many training formulas two materials stand together."""
        amounts = self.data.amounts[np.isin(self.run.parts, TRAINING_PARTS)]
        present = csr_array((np.ones(amounts.nnz), amounts.indices, amounts.indptr), amounts.shape)
        return csr_array(present.T @ present)

    def formula(self, formula_id: str) -> int:
        """The row of the formula with that id; raises NotThere for any other text."""
        if formula_id not in self._rows:
            shown = formula_id if len(formula_id) <= 80 else formula_id[:80] + "…"
            raise NotThere(f"There is no formula {shown!r} in {self.data.name}. Choose one from the list, or paste it.")
        return self._rows[formula_id]

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {formula_id: row for row, formula_id in enumerate(self.data.formula_ids)}

    def dense(self, formula: int) -> np.ndarray:
        """(M,) amounts of one formula in weight-%."""
        return self.data.amounts[[formula]].toarray()[0]

    def held(self, before: np.ndarray) -> list[str]:
        """The materials of a formula (M,) in weight-%, largest amount first."""
        return [self.data.materials[m] for m in np.argsort(-before, kind="stable") if before[m] > 0]

    def most_seen(self, code: str) -> float:
        """The largest weight-% of a material in a training formula; 100 where none holds it."""
        high = float(self.facts["high"].iloc[find_material(self.data, code)])
        return min(high, AMOUNT_SUM) if np.isfinite(high) else AMOUNT_SUM

    def cost(self, amounts: np.ndarray) -> np.ndarray:
        """(R,) price of (R, M) amounts: the mean of the materials' prices by weight; NaN where one is not known."""
        if self.prices is None:
            return np.full(len(amounts), np.nan)
        unknown = np.isnan(self.prices)
        total = amounts @ np.where(unknown, 0.0, self.prices) / 100.0
        return np.where((amounts[:, unknown] > 0).any(axis=1), np.nan, total)

    def warnings(self, before: np.ndarray, after: np.ndarray) -> list[str]:
        """What ``after`` (M,) asks that no training formula showed: rare materials, amounts, combinations. One sentence each.

        Only what changed from ``before`` counts.
        """
        facts, told = self.facts, []
        changed = np.flatnonzero((np.abs(after - before) > 1e-9) & (after > 0))
        present = np.flatnonzero(after > 0)
        for material in changed:
            code, support = self.data.materials[material], int(facts["support"].iloc[material])
            if support == 0:
                told.append(f"{code} never trained: nothing is known of what it does.")
                continue
            if support <= RARE:
                told.append(f"{code} is rare: {support} training formula{'s' if support > 1 else ''} hold it.")
            low, high = facts["low"].iloc[material], facts["high"].iloc[material]
            if not low * (1 - 1e-6) <= after[material] <= high * (1 + 1e-6):
                told.append(f"{after[material]:.3g} weight-% of {code} is outside what was seen: {low:.3g} to {high:.3g}.")
            if before[material] == 0:
                counts = self.together[[material]].toarray()[0]
                never = [m for m in present[np.argsort(-after[present])] if m != material and counts[m] == 0]
                if never:
                    named = ", ".join(self.data.materials[m] for m in never[:MOST_NAMED])
                    more = f" and {len(never) - MOST_NAMED} more" if len(never) > MOST_NAMED else ""
                    told.append(f"No training formula holds {code} together with {named}{more}.")
        return told


def _is_one(name: str, words: Sequence[str]) -> bool:
    """Whether a column is called like one of ``words``, perhaps with a unit behind: price (EUR/kg), cost_per_kg."""
    plain = name.strip().casefold()
    return any(plain == word or plain.startswith((f"{word} ", f"{word}_", f"{word}(")) for word in words)


def _number(text: str) -> float:
    try:
        value = float(text.strip().replace(",", ".") if text.count(",") == 1 and "." not in text else text.strip())
    except ValueError:
        return float("nan")
    return value if np.isfinite(value) else float("nan")


def _in_stock(text: str) -> str:
    plain = text.strip().casefold()
    if plain in _YES or plain in _NO:
        return "yes" if plain in _YES else "no"
    value = _number(plain)
    return "" if np.isnan(value) else "yes" if value > 0 else "no"
