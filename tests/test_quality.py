"""What the default recipe achieves: real formulas over many splits, and the generated set at every size of vector."""

from __future__ import annotations

import numpy as np
import pytest

from matrep_core.formulas.cosmetics import generate_cosmetics
from matrep_core.formulas.reading import read_data
from matrep_core.settings import from_recipe
from matrep_core.training import fit, prepare


def test_shampoo_viscosity_over_five_splits(shared_data, tmp_path):
    data = read_data([shared_data / "shampoo"]).data
    errors = []
    for seed in range(5):
        run = prepare(tmp_path / f"{seed}", data, from_recipe("default", property="viscosity_100s", seed=seed, frames=2))
        fit(run)
        errors.append([run.scores(of)["eval"]["log10_rmse"] for of in ("", "vectors", "alone")])
    mean = np.mean(errors, axis=0)
    print(f"\nshampoo, seeds 0 to 4, log10 RMSE: {mean[0]:.3f}; the vectors alone {mean[1]:.3f}, one model alone {mean[2]:.3f}")
    assert mean[0] <= 0.60


@pytest.mark.parametrize("entries", [2, 10, 100])
def test_the_generated_set_beats_the_mean_by_a_wide_margin(tmp_path, entries):
    run = prepare(tmp_path / "run", generate_cosmetics().data, from_recipe("default", property="viscosity", n_entries=entries))
    fit(run)
    mae, mean = run.scores()["eval"]["mae"], run.mean_predictor()["mae"]
    print(f"\ngenerated set, N_entries {entries}: eval MAE {mae:,.0f} mPa·s, mean predictor {mean:,.0f} mPa·s")
    assert mae < 0.6 * mean
