"""Which properties help each other: vectors learned for one property alone against vectors that share a second one.

Each cell is the eval MAE of the row's property with the column's property beside it over that without, geometric mean
over the same random splits, with its standard error; below 1 the second property helps. "all" has every other property
beside it. The models of the vectors alone are compared, without trees and kernel.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from matrep_core.formulas.cosmetics import generate_cosmetics
from matrep_core.formulas.reading import read_data
from matrep_core.formulas.schema import FormulaSet
from matrep_core.settings import from_recipe
from matrep_core.training import fit, prepare

FIRST_SEED = 501  # no setting was chosen on these splits


def error(data: FormulaSet, name: str, also: tuple[str, ...], seed: int, quick: bool) -> float:
    """Eval MAE of the vectors alone, in the property's unit."""
    with tempfile.TemporaryDirectory() as folder:
        settings = from_recipe("default", property=name, also=also, seed=seed, frames=2, blend="no", steps=20 if quick else 0)
        run = prepare(Path(folder) / "run", data, settings)
        fit(run)
        return float(run.scores("vectors")["eval"]["mae"])


def table(data: FormulaSet, seeds: int, quick: bool) -> None:
    names = [p.name for p in data.properties]
    print(f"{data.name}: eval MAE with a second property beside it / without, {seeds} random splits from seed {FIRST_SEED} on")
    print(f"  {'':20}" + "".join(f" {name[:16]:>18}" for name in [*names, "all"]))
    for name in names:
        others = [n for n in names if n != name]
        alone = np.array([error(data, name, (), FIRST_SEED + s, quick) for s in range(seeds)])
        cells = []
        for also in [*((n,) for n in names), tuple(others)]:
            if also == (name,):
                cells.append(f" {'':>18}")
                continue
            ratio = np.log([error(data, name, also, FIRST_SEED + s, quick) / alone[s] for s in range(seeds)])
            noise = ratio.std(ddof=1) / np.sqrt(seeds) if seeds > 1 else np.nan
            cells.append(f" {f'{np.exp(ratio.mean()):.3f} ± {noise:.3f}':>18}")
        print(f"  {name:20}" + "".join(cells), flush=True)


def measure(folder: Path | None, seeds: int, *, quick: bool = False) -> None:
    """Print the table of the generated set, or of every set below ``folder`` that has several properties."""
    if folder is None:
        sizes = {"formulas": 150, "materials": 600} if quick else {}
        table(generate_cosmetics(seed=FIRST_SEED, **sizes).data, 1 if quick else seeds, quick)
        return
    for each in sorted(path for path in folder.iterdir() if path.is_dir()):
        data = read_data([each]).data
        if len(data.properties) > 1:
            table(data, seeds, quick)
