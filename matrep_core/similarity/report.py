"""The neighbours of one material as plain rows and as text, for the command line."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from matrep_core.limits import MAX_NEIGHBOURS, Bound
from matrep_core.runs.store import Run
from matrep_core.similarity.evidence import evidence, held_since, similarity_of
from matrep_core.views.facts import find_material, material_facts


def neighbours_report(run: Run, material: str, k: int, by: str | None, metric: str | None) -> tuple[list[dict[str, Any]], str]:
    """One row a neighbour: material, distance, support and then the columns of EVIDENCE; and the same as text.

    A metric alone means by = code. Raises NotThere for an unknown material, SettingRefused for a setting that does
    not exist.
    """
    by, metric = by or ("code" if metric else "fused"), metric or "cosine"
    Bound(1, MAX_NEIGHBOURS).check("k", k)
    query = find_material(run.data, material)
    similarity, facts = similarity_of(run), material_facts(run.data, run.parts)
    found = similarity.neighbours(query, k, by, metric, among=run.support > 0)
    table = evidence(similarity, found, facts, run.unit, lambda q, others: held_since(run, q, others))
    rows = [{"material": row["material"], "distance": row["distance"], "support": row["support"], **row} for row in table.to_dict("records")]
    rows = [{name: _plain(value) for name, value in row.items()} for row in rows]
    kind = f"code, {metric} distance" if by == "code" else by
    models = f"{len(similarity.ensemble.members)} model{'s' if len(similarity.ensemble.members) > 1 else ''}"
    lines = [f"{material} (support {run.support[query]}), by {kind}, {models} of step {run.kept_step:,}:"]
    width = max((len(row["material"]) for row in rows), default=8)
    lines += [f"  {row['material']:{width}}  {_in_words(row)}" for row in rows]
    if not run.support[query]:
        lines.append(f"{material} never trained: its vector is still its random start. Only its use in formulas speaks for these.")
    return rows, "\n".join(lines)


def _plain(value: Any) -> Any:
    """A value as JSON knows it: NaN becomes null."""
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and math.isnan(value) else value


def _in_words(row: dict[str, Any]) -> str:
    distance = "no distance: a vector of length 0" if row["distance"] is None else f"{row['distance']:.4f}"
    parts = [f"{distance}  support {row['support']}", f"{row['members_naming']} of {row['members_asked']} models"]
    if row["change_mean"] is not None:
        unit = row["change_unit"] if row["change_unit"] == "%" else f" {row['change_unit']}".rstrip()
        spread = f" ± {row['change_spread']:.2g}" if row["change_spread"] is not None else ""
        parts.append(f"swap {row['change_mean']:+.2g}{spread}{unit}")
    if row["same_function"]:
        parts.append({"yes": "same function", "no": "other function", "partly": "function partly"}[row["same_function"]])
    if row["swaps"]:
        parts.append(f"swapped: {row['swap_from']} -> {row['swap_to']}")
    return ", ".join([*parts, *filter(None, [row["caution"]])])
