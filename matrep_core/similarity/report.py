"""The neighbours of one material as plain rows and as text, for the command line."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from matrep_core.evaluation.results import Study
from matrep_core.limits import MAX_NEIGHBOURS, Bound
from matrep_core.runs.store import Run
from matrep_core.similarity.evidence import evidence, held_since, similarity_of
from matrep_core.similarity.of_study import similarity_of_study
from matrep_core.views.facts import find_material, material_facts
from matrep_core.wording import give_or_take, signed


def neighbours_report(
    source: Run | Study, material: str, k: int, by: str | None, metric: str | None
) -> tuple[list[dict[str, Any]], str]:
    """One row a neighbour: material, distance, support and then the columns of EVIDENCE; and the same as text.

    A metric alone means by = code. Of a study all finished runs speak, and since_step, which belongs to one training,
    stays empty. Raises NotThere for an unknown material or a study with too few runs, SettingRefused for a setting that
    does not exist.
    """
    by, metric = by or ("code" if metric else "fused"), metric or "cosine"
    Bound(1, MAX_NEIGHBOURS).check("k", k)
    query = find_material(source.data, material)
    if isinstance(source, Run):
        similarity, since = similarity_of(source), lambda asked, others: held_since(source, asked, others)
    else:
        similarity, since = similarity_of_study(source), None
    facts = material_facts(similarity.data, similarity.parts)
    found = similarity.neighbours(query, k, by, metric, among=similarity.support > 0)
    table = evidence(similarity, found, facts, since)
    rows = [{"material": row["material"], "distance": row["distance"], "support": row["support"], **row} for row in table.to_dict("records")]
    rows = [{name: _plain(value) for name, value in row.items()} for row in rows]
    kind = f"code, {metric} distance" if by == "code" else by
    count, noun = len(similarity.voices), similarity.noun
    who = f"{count} {noun if count > 1 else noun[:-1]} of {f'step {source.kept_step:,}' if isinstance(source, Run) else source.id}"
    lines = [f"{material} (support {similarity.support[query]}), by {kind}, {who}:"]
    width = max((len(row["material"]) for row in rows), default=8)
    lines += [f"  {row['material']:{width}}  {_in_words(row, noun)}" for row in rows]
    if not similarity.support[query]:
        lines.append(f"{material} never trained: its vector is still its random start. Only its use in formulas speaks for these.")
    return rows, "\n".join(lines)


def _plain(value: Any) -> Any:
    """A value as JSON knows it: NaN becomes null."""
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and math.isnan(value) else value


def _in_words(row: dict[str, Any], noun: str) -> str:
    distance = "no distance: a vector of length 0" if row["distance"] is None else f"{row['distance']:.4f}"
    parts = [f"{distance}  support {row['support']}", f"{row['members_naming']} of {row['members_asked']} {noun}"]
    if row["change_mean"] is not None:
        spread = f" {give_or_take(row['change_spread'])}" if row["change_spread"] is not None else ""
        parts.append(f"swap {signed(row['change_mean'], row['change_unit'])}{spread}")
    if row["same_function"]:
        parts.append({"yes": "same function", "no": "other function", "partly": "function partly"}[row["same_function"]])
    if row["swaps"]:
        parts.append(f"swapped: {row['swap_from']} -> {row['swap_to']}")
    return ", ".join([*parts, *filter(None, [row["caution"]])])
