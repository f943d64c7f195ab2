"""What the default recipe achieves: real formulas over many splits, and the generated set at every size of vector."""

from __future__ import annotations

import numpy as np
import pytest

from matrep_core.formulas.cosmetics import generate_cosmetics
from matrep_core.formulas.reading import read_data
from matrep_core.settings import from_recipe
from matrep_core.training import fit, prepare


def test_shampoo_viscosity_over_twenty_splits(shared_data, tmp_path):
    data = read_data([shared_data / "shampoo"]).data
    errors = []
    for seed in range(20):
        run = prepare(tmp_path / f"{seed}", data, from_recipe("default", property="viscosity_100s", seed=seed, frames=2))
        fit(run)
        errors.append(run.scores()["eval"]["log10_rmse"])
    print(f"\nshampoo, log10 RMSE: {np.mean(errors):.3f} ± {np.std(errors):.3f} over seeds 0 to 19, {np.mean(errors[:5]):.3f} over 0 to 4")
    assert np.mean(errors) <= 0.60


@pytest.mark.parametrize("entries", [2, 10, 100])
def test_the_generated_set_beats_the_mean_by_a_wide_margin(tmp_path, entries):
    run = prepare(tmp_path / "run", generate_cosmetics().data, from_recipe("default", property="viscosity", n_entries=entries))
    fit(run)
    mae, mean = run.scores()["eval"]["mae"], run.mean_predictor()["mae"]
    print(f"\ngenerated set, N_entries {entries}: eval MAE {mae:,.0f} mPa·s, mean predictor {mean:,.0f} mPa·s")
    assert mae < 0.6 * mean
