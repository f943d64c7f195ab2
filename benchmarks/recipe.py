"""What each choice of the default recipe does to the eval error, over seeds on which no choice was made.

Every variant differs from the default in one thing and sees the same splits, so that errors are compared pair by
pair: the ratio is the geometric mean over the seeds of variant / default, with its standard error; below 1 the
variant is better.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.engine import Fast, prepared
from matrep_core.formulas.cosmetics import generate_cosmetics
from matrep_core.formulas.reading import read_data
from matrep_core.formulas.rows import ReadingOptions
from matrep_core.formulas.schema import FormulaSet
from matrep_core.model.engine import Order, build_engine
from matrep_core.model.layout import AMOUNT_UNIT
from matrep_core.model.problem import Problem
from matrep_core.model.search import Search, best_step, watched_training
from matrep_core.sampling import generator
from matrep_core.settings import TrainingSettings, from_recipe
from matrep_core.training import FEWEST_STEPS, MOST_STEPS, PASSES

FIRST_SEED = 201  # 0 to 4 are those of the app and of studies


@dataclass(frozen=True)
class Variant:
    """One recipe: the default with one thing changed."""

    name: str
    unit: float = AMOUNT_UNIT
    passes: int = PASSES
    loss: str = "absolute"
    batch: int = TrainingSettings.batch_size
    rate: float = TrainingSettings.learning_rate
    fewest: int = FEWEST_STEPS
    keep: str = "one standard error"


VARIANTS = (
    Variant("default"),
    *(Variant(f"amount unit {unit}", unit=unit) for unit in (0.03, 0.1, 1.0)),
    *(Variant(f"{passes} passes", passes=passes, fewest=10 * passes) for passes in (25, 100)),
    Variant("huber loss", loss="huber"),
    Variant("batch 32, rate 0.001, 150 passes", batch=32, rate=0.001, passes=150),
    Variant("batch 64, rate 0.008", batch=64, rate=0.008),
    Variant("rate 0.004", rate=0.004),
    Variant("rate 0.024", rate=0.024),
    Variant("keep the lowest validation error", keep="lowest"),
    Variant("keep the last step", keep="last"),
)
QUICK = (Variant("default", passes=2, fewest=2), Variant("huber loss", passes=2, fewest=2, loss="huber"))


def errors(data: FormulaSet, settings: TrainingSettings, variants: tuple[Variant, ...], folder: str) -> list[float]:
    """Eval MAE of every variant on the split of ``settings.seed``, in the property's unit."""
    searched: dict[Variant, tuple[Search | None, Problem, TrainingSettings]] = {}
    found = []
    for variant in variants:
        recipe = replace(variant, name="", keep="")  # variants that only keep another step share their search
        if recipe not in searched:
            searched[recipe] = _search(data, settings, variant, folder)
        search, problem, own = searched[recipe]
        fast = Fast(problem, own)
        fast.train(_kept(search, variant.keep, own.steps))
        fast.engine.vectors(fast.step)
        rows = problem.rows("eval")
        found.append(float(np.abs(problem.scale.to_value(fast.engine.predict(rows)) - problem.values[rows]).mean()))
    return found


def _search(
    data: FormulaSet, settings: TrainingSettings, variant: Variant, folder: str
) -> tuple[Search | None, Problem, TrainingSettings]:
    _, problem = prepared(data, replace(settings, steps=1), folder)
    batches = -(-len(problem.rows("train", "validation")) // variant.batch)
    steps = int(np.clip(variant.passes * batches, variant.fewest, MOST_STEPS))
    own = replace(settings, loss=variant.loss, batch_size=variant.batch, learning_rate=variant.rate, steps=steps).checked()
    problem = replace(problem, amounts=problem.amounts * np.float32(variant.unit / AMOUNT_UNIT))
    order = Order(problem.rows("train"), generator(own.seed, "search"))
    curve = watched_training(problem, own, build_engine("fast", problem, own), order, problem.rows("validation"), patience=own.patience)
    return best_step([curve]) if curve else None, problem, own


def _kept(search: Search | None, rule: str, steps: int) -> int:
    if search is None or rule == "last":
        return steps
    return int(search.steps[np.argmin(search.mae)]) if rule == "lowest" else search.best_step


def sets(folder: Path | None, quick: bool) -> Iterator[FormulaSet]:
    """The generated set, then every folder of data below ``folder``."""
    yield generate_cosmetics(seed=FIRST_SEED, **({"formulas": 150, "materials": 600} if quick else {})).data
    if folder:
        for each in sorted(path for path in folder.iterdir() if path.is_dir()):
            yield read_data([each], ReadingOptions(rescale=True)).data


def measure(folder: Path | None, seeds: int, *, quick: bool = False) -> None:
    """Print the table: for each set the eval MAE of every variant, and its ratio to the default's."""
    variants = QUICK if quick else VARIANTS
    for data in sets(folder, quick):
        target = data.properties[0]
        unit = f" in {target.unit}" if target.unit else ""
        print(f"{data.name}: eval MAE of {target.name}{unit}, {seeds} random splits from seed {FIRST_SEED} on, N_entries 10")
        settings = from_recipe("default", property=target.name, members=0)
        with tempfile.TemporaryDirectory() as temporary:
            table = np.array([errors(data, replace(settings, seed=FIRST_SEED + i), variants, temporary) for i in range(seeds)])
        ratios = np.log(table / table[:, :1])  # (seeds, variants)
        for variant, mae, ratio in zip(variants, table.T, ratios.T, strict=True):
            noise = ratio.std(ddof=1) / np.sqrt(seeds) if seeds > 1 else np.nan
            print(f"  {variant.name:36} {mae.mean():>10.5g}   × {np.exp(ratio.mean()):.3f} ± {noise:.3f}", flush=True)
