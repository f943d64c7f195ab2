"""What the default recipe achieves: real formulas over many splits, and the generated set at every size of vector."""

from __future__ import annotations

import numpy as np
import pytest

from matrep_core.formulas.cosmetics import generate_cosmetics
from matrep_core.formulas.reading import ReadingOptions, read_data
from matrep_core.runs.store import Run
from matrep_core.settings import from_recipe
from matrep_core.training import fit, prepare


def covered(run: Run) -> list[float]:
    """Shares of the evaluated measurements inside their 80 % and 95 % intervals."""
    table = run.predictions()
    table = table[table.part == "eval"]
    return [((table.measured >= table[f"low{n}"]) & (table.measured <= table[f"high{n}"])).mean() for n in (80, 95)]


def test_shampoo_viscosity_over_many_splits(shared_data, tmp_path):
    data = read_data([shared_data / "shampoo"]).data
    errors, shares = [], []
    for seed in range(15):  # 88 evaluated formulas each; five splits alone leave ± 5 points to chance
        run = prepare(tmp_path / f"{seed}", data, from_recipe("default", property="viscosity_100s", seed=seed, frames=2))
        fit(run)
        errors.append([run.scores(of)["eval"]["log10_rmse"] for of in ("", "vectors", "alone")])
        shares.append(covered(run))
    mean, share = np.mean(errors[:5], axis=0), np.mean(shares, axis=0)
    print(f"\nshampoo, seeds 0 to 4, log10 RMSE: {mean[0]:.3f}; the vectors alone {mean[1]:.3f}, one model alone {mean[2]:.3f}")
    print(f"shampoo, seeds 0 to 14, inside the 80 % interval {share[0]:.1%}, inside the 95 % interval {share[1]:.1%}")
    assert mean[0] <= 0.60 and mean[0] < mean[1] < mean[2]
    assert abs(share[0] - 0.80) <= 0.03 and abs(share[1] - 0.95) <= 0.03


def test_octane_intervals_cover_as_promised(shared_data, tmp_path):
    data = read_data([shared_data / "octane"], ReadingOptions(rescale=True)).data
    shares = []
    for seed in range(3):
        run = prepare(tmp_path / f"{seed}", data, from_recipe("default", property="MON", seed=seed, frames=2))
        fit(run)
        shares.append(covered(run))
    share = np.mean(shares, axis=0)
    print(f"\noctane, inside the 80 % interval {share[0]:.1%}, inside the 95 % interval {share[1]:.1%}")
    assert abs(share[0] - 0.80) <= 0.03 and abs(share[1] - 0.95) <= 0.03


@pytest.mark.parametrize("entries", [2, 10, 100])
def test_the_generated_set_beats_the_mean_by_a_wide_margin(tmp_path, entries):
    run = prepare(tmp_path / "run", generate_cosmetics().data, from_recipe("default", property="viscosity", n_entries=entries))
    fit(run)
    mae, mean = run.scores()["eval"]["mae"], run.mean_predictor()["mae"]
    share = covered(run)
    print(f"\ngenerated set, N_entries {entries}: inside the 80 % interval {share[0]:.1%}, inside the 95 % interval {share[1]:.1%}")
    assert abs(share[0] - 0.80) <= 0.05 and abs(share[1] - 0.95) <= 0.04  # one split
    print(f"generated set, N_entries {entries}: eval MAE {mae:,.0f} mPa·s, mean predictor {mean:,.0f} mPa·s")
    assert mae < 0.6 * mean
