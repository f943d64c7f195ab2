"""How good the default predictor is beside every baseline on real sets, and the research's two tables on the generated one.

``quality``: shampoo viscosity, tablet disintegration and octane number, 5 random splits, N_entries 10: the best of all
baselines, the single model and the default predictor, paired over the splits, with the coverage of its intervals.
``tables``: the generated set under the recipes report and default over all N_entries: Full, Eval and Train error with
spread, best and last step, and what the boxes of the page Evaluate show. Both are studies: stopped and started again,
they go on; the page Evaluate shows those of ``tables``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from matrep_core.errors import DataRefused, MatRepError
from matrep_core.evaluation.baselines import names
from matrep_core.evaluation.diagnosis import coverage
from matrep_core.evaluation.report import document_of, in_words
from matrep_core.evaluation.results import ALONE, PREDICTOR, VECTORS, Study, best_baseline, paired, studies_folder, table
from matrep_core.formulas.cosmetics import generate_cosmetics
from matrep_core.formulas.reading import ReadingOptions, read_data
from matrep_core.formulas.schema import FormulaSet
from matrep_core.runs.store import artifacts_root
from matrep_core.settings import from_recipe
from matrep_core.study import ENTRIES, make_study, plan_of, run_study

SETS = {"shampoo": "viscosity_100s", "tablets": "disintegration_time", "octane": "MON"}
ENTRY = 10
GENERATED_SEED = 0
MARK = "<!-- quality table -->"


def real_sets(folder: Path | None) -> Iterator[tuple[FormulaSet, str]]:
    """(data, property) of every set that is there; says on stderr which ones are not."""
    for name, target in SETS.items():
        path = folder / name if folder else None
        try:
            if path and path.is_dir():
                try:
                    data = read_data([path]).data
                except DataRefused:  # sums that are not 100: rescaled, as its authors' own loader does
                    data = read_data([path], ReadingOptions(rescale=True)).data
            elif name == "octane":
                from matrep_core.formulas.octane import read_octane

                data = read_octane()
            else:
                print(f"{name} is left out: name the folder that holds it with --sets.", file=sys.stderr)
                continue
        except MatRepError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
            continue
        yield data, target


def quality(folder: Path | None, out: Path | None, splits: int, workers: int, document: Path | None, *, quick: bool = False) -> None:
    """Print the quality goal's table as Markdown; with ``document``, also put it between the marks in that file."""
    place = Path(out or artifacts_root() / "quality")
    first = "| set | property, error | best baseline | single model | default predictor | vectors alone | against the best baseline | against the single model |"
    lines, covered = [first, "|" + " --- |" * 8], ["| set | nominal | measured | evaluated measurements |", "|" + " --- |" * 4]
    for data, target in real_sets(folder):
        changes = {"steps": 30, "hidden_width": 16, "members": 2, "blend": "no"} if quick else {}
        plan = plan_of(data, from_recipe("default", property=target, **changes), [ENTRY], ["tanh"], splits, names()[:3] if quick else names())
        study = make_study(place / data.name, data, plan)
        left = run_study(study, workers, ended=lambda name, words: print(f"{study.id} {name} {words}", file=sys.stderr, flush=True))
        for name, words in left.items():
            print(f"{data.name}: {name} {words}", file=sys.stderr)
        errors = study.errors()
        lines += [_row(data.name, study, errors, metric) for metric in (("log10_rmse" if study.scale == "log" else "rmse"), "mae")]
        found = coverage(study.predictions("tanh", ENTRY)).query("formulas == 'all'")
        covered += [f"| {data.name} | {r.nominal} % | {r.measured:.1f} % | {r.measurements:,} |" for r in found.itertuples()]
    text = "\n".join([*lines, "", *covered])
    print(text)
    if document:
        before, _, after = document.read_text(encoding="utf-8").split(MARK)
        document.write_text(f"{before}{MARK}\n{text}\n{MARK}{after}", encoding="utf-8")


def _row(name: str, study: Study, errors: pd.DataFrame, metric: str) -> str:
    rows = table(errors, metric)
    mine = {model: rows[rows["model"] == model].iloc[0].to_dict() for model in (ALONE, PREDICTOR, VECTORS)}
    best = best_baseline(errors, metric)
    assert best
    words = {"mae": f"MAE{f' ({study.unit})' if study.unit else ''}", "rmse": "RMSE", "log10_rmse": "log10 RMSE"}[metric]
    cells = [f"{best['model']} {_shown(best)}", *(_shown(mine[model]) for model in (ALONE, PREDICTOR, VECTORS))]
    for other in (best, mine[ALONE]):
        found = paired(errors, mine[PREDICTOR], other, study.plan.settings.train_share, metric)
        assert found
        interval = f" ({found.low:+.3g} to {found.high:+.3g})" if found.low is not None else ""
        cells.append(f"{found.difference / found.their_error:+.1%}{interval}, {found.verdict}")
    return f"| {name} | {study.plan.settings.property}, {words} | " + " | ".join(cells) + " |"


def _shown(row: dict[str, float]) -> str:
    return f"{row['eval']:.4g}" + (f" ± {row['eval_sd']:.2g}" if np.isfinite(row["eval_sd"]) else "")


def tables(splits: int, workers: int, steps: int, *, quick: bool = False) -> None:
    """Build the two studies of the generated set below the artifacts folder, and print their tables and boxes."""
    data = generate_cosmetics(seed=GENERATED_SEED, **({"formulas": 150, "materials": 600} if quick else {})).data
    root = artifacts_root()
    for recipe in ("default", "report"):
        changes = {"steps": 60, "hidden_width": 16} if quick else {"steps": steps} if steps and recipe == "report" else {}
        if quick and recipe == "default":
            changes |= {"members": 2, "blend": "no"}
        settings = from_recipe(recipe, property="viscosity", **changes)
        entries = ENTRIES[:2] if quick else ENTRIES
        baselines = () if recipe == "report" else names()[:3] if quick else names()
        study = make_study(studies_folder(root) / f"generated-{recipe}", data, plan_of(data, settings, entries, ["tanh"], splits, baselines))
        left = run_study(study, workers, ended=lambda name, words: print(f"{study.id} {name} {words}", file=sys.stderr, flush=True))
        print(f"Recipe {recipe}. {in_words(document_of(study, left))}\n{boxes(study.errors(), study.unit)}\n", flush=True)
    print("The page Evaluate shows both studies with their charts.")


def boxes(errors: pd.DataFrame, unit: str) -> str:
    """The boxes of the eval error over the splits, in numbers: least, quartiles and most."""
    lines = [f"Eval MAE over the splits{f' in {unit}' if unit else ''}: least, lower quartile, median, upper quartile, most"]
    evals = errors[errors["part"] == "eval"]
    for (model, n), group in evals.groupby(["model", "n_entries"], sort=False):
        five = np.quantile(group["mae"].astype(float), [0, 0.25, 0.5, 0.75, 1])
        lines.append(f"  {model:25} {n or '':>4} " + " ".join(f"{value:>10.4g}" for value in five))
    return "\n".join(lines)
