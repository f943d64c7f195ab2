"""One material replaced in every formula that holds it, and pairs that are near and yet change the property."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.sparse import csr_array, lil_array

from matrep_core.errors import NotThere, SettingRefused
from matrep_core.similarity.effects import swap_effects
from matrep_core.similarity.groups import LINKS, web_of
from matrep_core.views.facts import RARE, find_material
from matrep_core.views.neighbours import formulas_with
from matrep_core.whatif.bench import Bench

SUSPECTS = 60  # pairs of the steepest first estimate, whose swaps are then predicted in their formulas


def replaced(bench: Bench, old: str, new: str, bounds: dict[str, tuple[float, float]] | None = None) -> pd.DataFrame:
    """Every formula with ``old``, with ``new`` in its place at the same weight-%; those that break first, first.

    formula_id, amount, then for each property p: ``p measured``, ``p before``, ``p after``, ``p low80``, ``p high80``,
    ``p change`` (in ``p unit``), and ``breaks`` (text, "" = holds), ``by`` (how far, 1 = just at the border) and
    warnings. A formula breaks where a property leaves its ``bounds`` (property -> low, high; NaN open); without bounds
    where it changes by more than half the width of the interval of what it was before.

    Raises NotThere for materials that are not there, SettingRefused where both are the same.
    """
    place, other = find_material(bench.data, old), find_material(bench.data, new)
    if place == other:
        raise SettingRefused("new", new, "it is the old material; choose another one.")
    rows = formulas_with(bench.data, place)
    if not len(rows):
        raise NotThere(f"No formula holds {old}.")
    before = bench.data.amounts[rows]
    after = lil_array(before)
    moved = before[:, [place]].toarray()[:, 0]
    there = before[:, [other]].toarray()[:, 0]
    after[:, [other]] = (moved + there)[:, None]
    after[:, [place]] = 0
    after = csr_array(after)
    after.eliminate_zeros()
    table = pd.DataFrame({"formula_id": [bench.data.formula_ids[row] for row in rows], "amount": moved})
    worst, words = np.zeros(len(rows)), [""] * len(rows)
    for asked in bench.asked:
        conditions = np.concatenate([asked.conditions(int(row), 1) for row in rows])
        first, last = (asked.predictor.predict(each, conditions) for each in (before, after))
        table[f"{asked.name} measured"] = [asked.measured(int(row)) for row in rows]
        table[f"{asked.name} before"], table[f"{asked.name} after"] = first.value, last.value
        table[f"{asked.name} low80"], table[f"{asked.name} high80"] = last.low80, last.high80
        table[f"{asked.name} change"], table[f"{asked.name} unit"] = asked.change(first.value, last.value), asked.change_unit
        low, high = (bounds or {}).get(asked.name, (np.nan, np.nan))
        by = _outside(asked.targets(last.value), *(asked.targets(np.array([each]))[0] for each in (low, high)))
        if np.isnan(low) and np.isnan(high):
            half = (asked.targets(first.high80) - asked.targets(first.low80)) / 2
            by = np.abs(asked.targets(last.value) - asked.targets(first.value)) / np.where(half > 0, half, np.inf)
        for number in np.flatnonzero(by > np.maximum(worst, 1)):
            words[number] = asked.name
        worst = np.maximum(worst, np.nan_to_num(by))
    table["breaks"], table["by"] = words, worst
    dense = [(each.toarray()[0], last.toarray()[0]) for each, last in zip(_rows(before), _rows(after), strict=True)]
    table["warnings"] = [" ".join(bench.warnings(*pair)) for pair in dense]
    return table.sort_values(["by", "formula_id"], ascending=[False, True], kind="stable").reset_index(drop=True)


def _rows(amounts: csr_array) -> list[csr_array]:
    return [amounts[[row]] for row in range(amounts.shape[0])]


def _outside(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """(R,) 1 at a bound, more outside, by standard deviations of the training values; less than 1 inside."""
    beyond = np.fmax(np.nan_to_num(low - values, nan=-np.inf), np.nan_to_num(values - high, nan=-np.inf))
    return np.maximum(1 + beyond, 0)


def cliffs(bench: Bench, most: int = 30) -> pd.DataFrame:
    """Pairs of materials that are near by use and learned evidence and yet change the property strongly, steepest first.

    material, other, distance (of ``fused_points``), change and spread (in ``unit``; mean over the formulas of ``material`` and standard
    deviation over the models), formulas, steepness: change in standard deviations over distance (structure-activity
    landscape index: Guha and Van Drie 2008, J. Chem. Inf. Model. 48). Only materials of more than RARE formulas.
    """
    similarity = bench.similarity
    asked = bench.asked[0]
    among = similarity.support > RARE
    if among.sum() < 2:
        raise NotThere(f"Fewer than two materials occur in more than {RARE} training formulas; there is no pair to compare.")
    web = web_of(similarity.fused_points, among)
    effect = similarity.fingerprint  # (M, P), scaled prediction a weight-%
    facts = bench.facts
    usual = np.sqrt(facts["low"] * facts["high"]).fillna(0).to_numpy()
    pairs = [
        (int(web.members[row]), int(web.members[near])) for row in range(len(web.members)) for near in web.near[row, :LINKS] if near >= 0
    ]
    first, second = np.array(pairs).T
    rough = np.abs((effect[second] - effect[first]).mean(axis=1)) * usual[first]
    apart = np.linalg.norm(similarity.fused_points[first] - similarity.fused_points[second], axis=1)
    found = []
    for number in np.argsort(-rough / np.maximum(apart, 1e-6), kind="stable")[:SUSPECTS]:
        one, other = int(first[number]), int(second[number])
        rows = formulas_with(bench.data, one)
        told = swap_effects(similarity.ensemble, bench.data.amounts[rows], one, np.array([other]))
        factor = 100.0 if told.relative else 1.0
        size = abs(np.log10(1 + told.mean[0]) if told.relative else told.mean[0]) / asked.predictor.scale.spread
        found.append(
            {"material": bench.data.materials[one], "other": bench.data.materials[other], "distance": float(apart[number]),
             "change": told.mean[0] * factor, "spread": told.spread[0] * factor, "unit": asked.change_unit, "formulas": told.formulas,
             "steepness": size / max(float(apart[number]), 1e-6)}
        )  # fmt: skip
    return pd.DataFrame(found).sort_values("steepness", ascending=False, kind="stable").head(most).reset_index(drop=True)
