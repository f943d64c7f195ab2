"""New materials placed one after the other: stand-ins, region, predictions, and the formula that would teach most."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from matrep_core.formulas.schema import FormulaSet
from matrep_core.predictor import predictor_of
from matrep_core.runs.store import Run
from matrep_core.similarity.functions import function_names
from matrep_core.whatif.bench import Asked
from matrep_core.whatif.newcomers import NewFormulas, joined, new_formulas, order_of, texts_of
from matrep_core.whatif.placing import Placer
from matrep_core.whatif.region import Region, posterior, prior_region
from matrep_core.whatif.report import plain_rows
from matrep_core.wording import measured


@dataclass(frozen=True, eq=False)
class Placement:
    """One new material. stand_ins: material, function, probability, misfit; predictions: one row a formula of it;

    teaches: its formulas not yet measured, the one that would teach most first; unsure: the typical 80 % interval is
    wider than the standard deviation of the training values each way
    """

    code: str
    measured: int
    stand_ins: pd.DataFrame
    region: Region
    predictions: pd.DataFrame
    teaches: pd.DataFrame
    unsure: bool
    note: str


def place(run: Run, new: FormulaSet) -> list[Placement]:
    """Place every material of ``new`` that ``run`` never trained; the run is not changed.

    The formulas with one unknown material come first; a material that is placed is then represented by its likeliest
    stand-in in formulas with two. Raises NotThere, SettingRefused as ``new_formulas`` and ``order_of`` do.
    """
    asked = Asked(run, predictor_of(run))
    found = new_formulas(asked, new)
    order = order_of(found)
    placer = Placer(asked)
    known = found.known.toarray()
    done: list[Placement] = []
    for number, rows in order:
        amounts = np.column_stack([known[rows], found.unknown[rows, number]])
        done.append(_placed(placer, found, number, rows, amounts))
        stand_in = run.data.material_index[done[-1].stand_ins["material"].iloc[0]]
        known[:, stand_in] += found.unknown[:, number]
    return done


def _placed(placer: Placer, found: NewFormulas, number: int, rows: np.ndarray, amounts: np.ndarray) -> Placement:
    asked, data, code = placer.asked, placer.asked.run.data, found.codes[number]
    info = texts_of(found, number, list(data.material_info.columns))
    joint = joined(data, csr_array(amounts), code, info)
    evidence = placer.evidence(amounts, found.conditions[rows], joint, len(data.materials))
    measured = np.flatnonzero(~np.isnan(found.measured[rows]))
    targets = asked.targets(found.measured[rows][measured])
    settled = evidence.settled(measured, targets)
    value = placer.predicted(evidence, settled, measured, targets)
    first, second = placer.quantiles(evidence, measured, targets)
    spread = np.sqrt(settled.variance)
    scale = asked.predictor.scale
    bounds = {
        f"{side}{level}": asked.predictor.open_value(value + sign * many * spread)
        for level, many in ((80, first), (95, second)) for side, sign in (("low", -1), ("high", 1))
    }  # fmt: skip
    predictions = pd.DataFrame(
        {"formula_id": [found.ids[row] for row in rows], "amount": amounts[:, -1], "measured": found.measured[rows],
         "predicted": scale.to_value(value), **bounds, "unit": asked.unit}
    )  # fmt: skip
    open_ = np.isnan(found.measured[rows])
    learned = np.square(settled.shared).sum(axis=0) / (np.diag(settled.shared) + evidence.noise)
    teaches = predictions[open_].assign(teaches=np.sqrt(learned[open_] / len(rows)))
    order = np.argsort(-settled.weights, kind="stable")
    misfit = np.sqrt(np.square(targets - evidence.each[:, measured]).mean(axis=1)) if len(measured) else np.full(len(order), np.nan)
    picked = evidence.stand_ins[order]
    column = next((name for name in ("function", "functions") if name in data.material_info.columns), "")
    stand_ins = pd.DataFrame(
        {"material": [data.materials[m] for m in picked], "function": data.material_info[column].iloc[picked].tolist() if column else "",
         "probability": settled.weights[order], "misfit": misfit[order], "support": placer.support[picked]}
    )  # fmt: skip
    vectors = asked.predictor.vectors[0].astype(np.float64)
    prior = _prior(placer, info.get(column, ""), vectors, evidence.stand_ins, evidence.weights(np.empty(0, int), np.empty(0)))
    region = posterior(asked, prior, amounts[measured], found.conditions[rows][measured], targets, evidence.noise[measured])
    note = "" if len(measured) else "Nothing of it was measured: only its use and its functions speak."
    return Placement(
        code, len(measured), stand_ins, region, predictions, teaches.sort_values("teaches", ascending=False, kind="stable"),
        bool(np.median(first * spread) > 1), note,
    )  # fmt: skip


def _prior(placer: Placer, function: str, vectors: np.ndarray, stand_ins: np.ndarray, weights: np.ndarray) -> Region:
    """The trained materials of the same function, where at least three are known; else the stand-ins by their weight."""
    data = placer.asked.run.data
    column = next((name for name in ("function", "functions") if name in data.material_info.columns), "")
    wanted = set(function_names(function))
    if wanted and column:
        same = np.array([set(function_names(str(text))) == wanted for text in data.material_info[column]]) & (placer.support > 0)
        if same.sum() >= 3:
            return prior_region(vectors[same], np.full(same.sum(), 1 / same.sum()))
    return prior_region(vectors[stand_ins], weights)


def place_report(run: Run, new: FormulaSet) -> tuple[list[dict[str, Any]], str]:
    """The placements as plain rows and as text, for the command line; the uncertain ones say so first."""
    placements = place(run, new)
    lines = []
    for each in placements:
        lines += ["Unsure: the intervals are wider than the spread of all training values."] if each.unsure else []
        counted = "1 measured formula" if each.measured == 1 else f"{each.measured} measured formulas"
        lines.append(f"{each.code}: {counted}. {each.note}".strip())
        for row in each.stand_ins.head(5).itertuples():
            lines.append(f"  like {row.material}: probability {row.probability:.0%}" + (f", {row.function}" if row.function else ""))
        for row in each.predictions.head(20).itertuples():
            was = f", measured {measured(row.measured)}" if math.isfinite(row.measured) else ""
            lines.append(f"  {row.formula_id}: {measured(row.predicted, row.unit)}, 80 % interval {measured(row.low80)} to {measured(row.high80)}{was}")
        if len(each.teaches):
            lines.append(f"  measure {each.teaches['formula_id'].iloc[0]} next: it would teach most")
    rows = [
        {"material": each.code, "measured": each.measured, "unsure": each.unsure, "note": each.note,
         "stand_ins": plain_rows(each.stand_ins), "predictions": plain_rows(each.predictions), "teaches": plain_rows(each.teaches[["formula_id", "teaches"]]),
         "vector": [float(v) for v in each.region.mean], "vector_sd": [float(v) for v in np.sqrt(np.diag(each.region.covariance))]}
        for each in placements
    ]  # fmt: skip
    return rows, "\n".join(lines)
