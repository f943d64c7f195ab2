"""Answers as plain rows and as text, for the command line and for a plan that leaves as a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from matrep_core.runs.store import Run
from matrep_core.whatif.bench import Bench
from matrep_core.whatif.substitute import Swap, Wish, candidates, side_by_side, swap
from matrep_core.wording import give_or_take, measured, signed

UNSURE = "Unsure: the interval is wider than the spread of all training values. Measure before you rely on it."


def substitute_report(
    runs: Sequence[Run], formula_id: str, old: str, new: str | None, wish: Wish, most: int
) -> tuple[dict[str, Any], str]:
    """The candidates for ``old``, or ``new`` in its place looked at closely; as a document and as text.

    Raises NotThere for an unknown formula or material, SettingRefused for a wish that cannot be.
    """
    bench = Bench(runs)
    formula = bench.formula(formula_id)
    before = bench.dense(formula)
    if new is None:
        table = candidates(bench, before, old, wish, formula)
        shown = table.head(most)
        rows = plain_rows(shown)
        lines = [f"{old} in {formula_id}, {before[bench.data.material_index[old]]:.4g} weight-%: the first {len(shown)} of {len(table)}."]
        width = max(len(row["material"]) for row in rows)
        for row in shown.to_dict("records"):
            lines.append(f"  {'unsure ' if row['unsure'] else ''}{row['material']:{width}}  {_in_words(bench, row)}")
        return {"formula": formula_id, "old": old, "amount": wish.amount, "candidates": rows}, "\n".join(lines)
    found = swap(bench, before, old, new, wish, formula)
    document = {
        "formula": formula_id, "old": old, "new": new, "amount": wish.amount, "unsure": found.unsure, "warnings": found.warnings,
        "properties": plain_rows(found.told),
        "drivers": plain_rows(found.drivers),
        "amounts": plain_rows(side_by_side(bench, found.before, found.after)),
    }  # fmt: skip
    return document, "\n".join(_told(found, bench, formula_id, old, new))


def plan_of(bench: Bench, found: Swap, formula_id: str, title: str) -> pd.DataFrame:
    """What a laboratory takes along: one row a material to weigh, then one a property to expect, in one table.

    plan, formula, kind ("weigh" or "expect"), what, before, after, low80, high80, unit, note
    """
    rows = []
    for row in side_by_side(bench, found.before, found.after).itertuples():
        if row.after > 0 or row.before > 0:
            rows.append({"kind": "weigh", "what": row.material, "before": row.before, "after": row.after, "unit": "weight-%"})
    for row in found.told.to_dict("records"):
        rows.append({"kind": "expect", "what": row["property"], "before": row["before"], "after": row["after"], "low80": row["low80"],
                     "high80": row["high80"], "unit": row["unit"], "note": "unsure" if row["unsure"] else ""})  # fmt: skip
    rows += [{"kind": "mind", "what": "", "note": text} for text in found.warnings]
    table = pd.DataFrame(rows, columns=["kind", "what", "before", "after", "low80", "high80", "unit", "note"])
    table.insert(0, "formula", formula_id)
    table.insert(0, "plan", title)
    return table.assign(note=table["note"].fillna(""), unit=table["unit"].fillna(""))


def _told(found: Swap, bench: Bench, formula_id: str, old: str, new: str) -> list[str]:
    lines = [UNSURE] if found.unsure else []
    lines.append(f"{new} for {old} in {formula_id}:")
    for row in found.told.to_dict("records"):
        was = f", measured {measured(row['measured'])}" if math.isfinite(row["measured"]) else ""
        lines.append(f"  {row['property']}: {measured(row['before'])} -> {measured(row['after'], row['unit'])} ({_change(row)}){was}; {_interval(row)}")
        for each in found.drivers[found.drivers["property"] == row["property"]].itertuples():
            lines.append(f"    {each.step}: {each.sd:+.2f} standard deviations")
    for row in side_by_side(bench, found.before, found.after).itertuples():
        if abs(row.change) > 1e-9:
            lines.append(f"  {row.material}: {row.before:.4g} -> {row.after:.4g} weight-%")
    return [*lines, *(f"  Mind: {text}" for text in found.warnings)]


def _in_words(bench: Bench, row: dict[str, Any]) -> str:
    parts = []
    for asked in bench.asked:
        one = {name: row[f"{asked.name} {name}"] for name in ("before", "after", "low80", "high80", "change", "spread")}
        parts.append(f"{asked.name} {measured(one['after'], asked.unit)} ({_change({**one, 'change unit': asked.change_unit})}), {_interval(one)}")
    parts.append(f"support {row['support']}")
    if row["function"]:
        parts.append(row["function"])
    if row["warnings"]:
        parts.append("mind: " + row["warnings"])
    return "; ".join(parts)


def _change(row: dict[str, Any]) -> str:
    spread = f" {give_or_take(row['spread'])} between models" if math.isfinite(row["spread"]) else ""
    return signed(row["change"], row["change unit"]) + spread


def _interval(row: dict[str, Any]) -> str:
    return f"80 % interval {measured(row['low80'])} to {measured(row['high80'])}" if math.isfinite(row["low80"]) else "no interval: one model alone"


def plain_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as JSON knows them: what is no finite number becomes null."""

    def plain(value: Any) -> Any:
        value = value.item() if isinstance(value, np.generic) else value
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return [{name: plain(value) for name, value in row.items()} for row in table.to_dict("records")]
