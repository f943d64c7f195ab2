"""The generated cosmetics keep what they promise: sizes, sums, ranges, twins, and a truth that can be learned."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from matrep_core.errors import SettingRefused
from matrep_core.formulas.cosmetics import ARCHETYPES, PROPERTIES, Cosmetics, generate_cosmetics
from matrep_core.formulas.cosmetics_names import WELL_KNOWN, names
from matrep_core.formulas.cosmetics_truth import EFFECTS, KINDS, noise_free
from matrep_core.formulas.schema import MEASUREMENT_COLUMNS, observations
from matrep_core.formulas.splits import split_formulas


@pytest.fixture(scope="module")
def made() -> Cosmetics:
    return generate_cosmetics(seed=0)


def content_text(made: Cosmetics) -> str:
    data = made.data
    lines = [f"{f} {m} {a:.4f}" for i, f in enumerate(data.formula_ids) for m, a in data.formula(i)]
    lines += [" ".join(map(str, row)) for row in data.measurements.itertuples(index=False)]
    lines += ["|".join(row) for row in data.material_info.itertuples(index=False)]
    lines += [f"{a} {b}" for a, b in made.truth.twins]
    return "\n".join(lines)


def viscosity(made: Cosmetics) -> np.ndarray:
    """(F,) measured mPa·s in the order of the formulas."""
    observed = observations(made.data, "viscosity")
    assert np.array_equal(observed.formulas, np.arange(len(made.data.formula_ids)))
    return observed.values


# Size and shape -----------------------------------------------------------------------------------


def test_the_size_is_the_researchs(made):
    data = made.data
    assert data.amounts.shape == (1_745, 5_485)
    assert len(set(data.formula_ids)) == 1_745
    assert len(set(data.materials)) == 5_485
    assert data.support.min() >= 1, "every material occurs"
    sizes = np.diff(data.amounts.indptr)
    assert sizes.min() == 15 and sizes.max() == 61
    assert 25 <= np.median(sizes) <= 35


def test_the_shape_is_that_of_the_schema(made):
    data = made.data
    assert list(data.materials) == sorted(data.materials)
    assert data.amounts.has_sorted_indices and np.all(data.amounts.data > 0)
    assert tuple(data.measurements.columns) == MEASUREMENT_COLUMNS
    assert set(data.properties) == set(PROPERTIES)
    assert [p.name for p in data.properties] == list(data.measurements["property"].unique()), "as they first appear"
    assert list(data.material_info.columns) == ["inci", "function", "supplier", "price_per_kg"]
    assert all(isinstance(cell, str) and cell for cell in data.material_info.to_numpy().ravel())
    assert len(data.material_info) == 5_485


@pytest.mark.parametrize("seed", range(4))
def test_amounts_are_whole_steps_that_sum_to_100(seed):
    amounts = generate_cosmetics(seed).data.amounts
    assert np.abs(amounts.sum(axis=1) - 100).max() < 1e-9
    assert amounts.data.min() >= 0.0001
    assert np.abs(amounts.data * 10_000 - np.rint(amounts.data * 10_000)).max() < 1e-6


def test_use_is_long_tailed(made):
    support = np.sort(made.data.support)[::-1]
    assert 2 <= np.median(support) <= 5
    assert support[0] > 0.9 * 1_745, "water"
    assert np.sum(support > 0.25 * 1_745) >= 10, "everyday materials"
    assert support[:55].sum() > 0.35 * support.sum(), "one in a hundred materials fills a third of all places"
    aqua = list(made.data.material_info["inci"]).index("Aqua")
    wet = ~np.isin(made.truth.archetypes, "balm")
    assert np.array_equal(made.data.amounts[:, [aqua]].toarray().ravel() > 0, wet)


def test_one_formula_in_five_is_a_variant_of_its_parents_materials_in_other_amounts(made):
    amounts, parents = made.data.amounts, made.truth.parents
    variants = np.flatnonzero(parents != np.arange(len(parents)))
    assert len(variants) == 349
    for row in variants:
        assert np.array_equal(amounts[[row]].indices, amounts[[parents[row]]].indices)
        assert not np.array_equal(amounts[[row]].data, amounts[[parents[row]]].data)
        assert made.data.formula_ids[row].startswith(made.data.formula_ids[parents[row]])


# Names --------------------------------------------------------------------------------------------


def test_codes_look_like_a_laboratorys_and_a_few_like_numbers(made):
    codes = made.data.materials
    heads = {kind.code for kind in KINDS.values()}
    ordinary = [c for c in codes if c[:3] in heads and c[3:].isdigit()]
    zeros = [c for c in codes if c.isdigit() and c.startswith("0")]
    powers = [c for c in codes if len(c) == 4 and c[1] == "E" and (c[0] + c[2:]).isdigit()]
    assert len(zeros) >= 5 and len(powers) >= 5
    assert len(zeros) + len(powers) < 0.01 * len(codes)
    assert len(ordinary) + len(zeros) + len(powers) == len(codes)


def test_inci_names_are_unique_but_for_twins(made):
    inci = made.data.material_info["inci"].to_numpy()
    twins = made.truth.twins
    assert np.array_equal(inci[twins[:, 0]], inci[twins[:, 1]])
    assert len(set(inci)) == len(inci) - len(twins)
    for kind, known in WELL_KNOWN.items():
        assert known[0] in inci, kind


def test_names_stay_unique_far_beyond_the_word_lists():
    made = names("electrolyte", 3_000, np.random.default_rng(0))
    assert len(set(made)) == 3_000 and "Sodium Chloride" in made
    with pytest.raises(ValueError, match="fewer than 9000 names"):
        names("electrolyte", 9_000, np.random.default_rng(0))


# Truth --------------------------------------------------------------------------------------------


def test_functions_are_those_of_the_kinds(made):
    truth = made.truth
    assert len(set(truth.functions)) >= 14
    assert truth.functions == tuple(made.data.material_info["function"])
    assert all(KINDS[kind].function == function for kind, function in zip(truth.kinds, truth.functions))


def test_effects_lie_around_their_kinds_centre_and_many_materials_do_nothing(made):
    effects, kinds = made.truth.effects, np.array(made.truth.kinds)
    assert effects.shape == (5_485, len(EFFECTS))
    for kind, known in KINDS.items():
        for column, name in enumerate(EFFECTS[:-1]):
            values = effects[kinds == kind, column]
            if name in known.effects:
                centre, spread = known.effects[name]
                assert abs(np.log(np.median(values / centre))) < 0.35
                assert 0.5 * spread < np.std(np.log(values / centre)) < 1.5 * spread
            else:
                assert np.all(values == 0)
    assert np.mean(np.all(effects[:, :-1] == 0, axis=1)) > 0.25


def test_twins_are_the_same_material_from_two_suppliers_and_common_enough_to_be_found(made):
    truth, info = made.truth, made.data.material_info
    assert truth.twins.shape == (40, 2) and len(np.unique(truth.twins)) == 80
    one, other = truth.effects[truth.twins[:, 0]], truth.effects[truth.twins[:, 1]]
    assert np.allclose(one, other, rtol=0.06) and not np.array_equal(one, other)
    for a, b in truth.twins:
        assert truth.kinds[a] == truth.kinds[b]
        assert info["supplier"][a] != info["supplier"][b]
    assert np.median(made.data.support[truth.twins]) >= 15
    assert made.data.support[truth.twins].min() >= 5


def test_the_documented_formula_gives_the_noise_free_viscosity(made):
    """One formula by hand, as the docstring of cosmetics_truth writes it."""
    row = made.truth.archetypes.index("gel")
    x = dict.fromkeys(EFFECTS, 0.0)
    for material, amount in made.data.formula(row):
        for name, effect in zip(EFFECTS, made.truth.effects[made.data.material_index[material]]):
            x[name] += amount * effect
    ph = 6 + 3 * np.tanh(x["alkalinity"] / 3)
    g = x["thickening"] / (1 + np.exp(-1.5 * (ph - 4.8))) / (1 + 0.6 * x["electrolyte"])
    gel = 5.5 * g / (0.7 + g)
    fat = 5.5 * x["structuring"] / (1.2 + x["structuring"])
    s = x["micelles"]
    mic = 4.8 * s**2 / (1 + s**2) * np.exp(-(((x["electrolyte"] - 0.9) / 0.8) ** 2))
    decades = 0.3 + 5.3 * (1 - np.exp(-(gel + fat + mic) / 3.1)) - x["thinning"]
    truth = {name: values[row] for name, values in made.truth.properties.items()}
    assert truth["viscosity"] == pytest.approx(10**decades)
    assert truth["pH"] == pytest.approx(ph)
    assert truth["hardness"] == pytest.approx(8 * (x["structuring"] + 0.2 * gel) ** 1.7)
    assert truth["density"] == pytest.approx(100 / x["volume"])


def test_viscosity_is_not_linear_in_the_mixture():
    """Salt thickens a surfactant solution up to a point and thins it beyond; polymers need their base."""
    from scipy.sparse import csr_array

    def viscosity_of(**effects: float) -> float:
        row = np.array([[effects.get(name, 1.0 if name == "volume" else 0.0) for name in EFFECTS]])
        return float(noise_free(csr_array([[100.0]]), row / 100)["viscosity"][0])

    salted = [viscosity_of(micelles=1.2, electrolyte=e, volume=100) for e in (0.0, 0.9, 2.5)]
    assert salted[1] > 3 * salted[0] and salted[1] > 3 * salted[2]
    sour, neutral = (viscosity_of(thickening=1.0, alkalinity=a, volume=100) for a in (-3.0, 0.5))
    assert neutral > 3 * sour


# Measurements -------------------------------------------------------------------------------------


def test_viscosity_covers_the_instruments_range(made):
    values = viscosity(made)
    assert values.min() > 0 and values.max() <= 100_000
    assert values.min() < 5 and values.max() > 50_000
    assert 1_000 < np.median(values) < 10_000
    assert np.mean(values >= 100_000) < 0.02
    by_archetype = {name: np.median(values[np.array(made.truth.archetypes) == name]) for name in ARCHETYPES}
    assert by_archetype["serum"] < by_archetype["lotion"] < by_archetype["cream"]


def test_the_other_properties_are_measured_for_a_part_and_lie_in_their_ranges(made):
    table, archetypes = made.data.measurements, np.array(made.truth.archetypes)
    assert not table[["formula", "property"]].duplicated().any()
    ranges = {"pH": (3, 9, ""), "hardness": (1, 1_000, "g"), "density": (0.8, 1.3, "g/cm3")}
    for name, (low, high, unit) in ranges.items():
        rows = table[table["property"] == name]
        assert 0.1 * 1_745 < len(rows) < 0.8 * 1_745
        assert rows["value"].between(low, high).all() and set(rows["unit"]) == {unit}
    assert set(archetypes[table["formula"][table["property"] == "hardness"]]) == {"balm", "cream"}
    assert "balm" not in archetypes[table["formula"][table["property"] == "pH"]]


def test_measurements_scatter_about_the_truth_by_the_stated_noise(made):
    error = np.log(viscosity(made) / made.truth.properties["viscosity"])
    assert 0.045 < np.std(error) < 0.055 and abs(np.mean(error)) < 0.005


# Determinism and size -----------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_set_and_another_seed_another(made):
    text = content_text(made)
    state = np.random.get_state()[1].copy()
    assert content_text(generate_cosmetics(seed=0)) == text
    assert np.array_equal(state, np.random.get_state()[1]), "the global generator is left alone"
    assert content_text(generate_cosmetics(seed=1)) != text


def test_the_content_is_what_it_was_when_figures_were_published(made):
    digest = hashlib.sha256(content_text(made).encode()).hexdigest()
    assert digest == "fad88ee32efcba9f06bf03ef17fdc9ff025f683890d10bc5f5ac87b1a8e2eda6"


@pytest.mark.parametrize("formulas, materials", [(100, 500), (300, 900), (1_745, 500)])
def test_small_sets_keep_the_promises(formulas, materials):
    for seed in range(3):
        data = generate_cosmetics(seed, formulas, materials).data
        assert data.amounts.shape == (formulas, materials)
        assert data.support.min() >= 1
        assert 15 <= np.diff(data.amounts.indptr).min() and np.diff(data.amounts.indptr).max() <= 61
        assert np.abs(data.amounts.sum(axis=1) - 100).max() < 1e-9


def test_a_large_set_is_made_without_a_dense_matrix():
    # 50,000 × 150,000 as float64 would take 60 GB; 174,500 × 548,500 was tried by hand (0.8 GB, 5 s).
    data = generate_cosmetics(0, 50_000, 150_000).data
    assert data.amounts.shape == (50_000, 150_000)
    assert data.support.min() >= 1
    assert len(set(data.materials)) == 150_000


@pytest.mark.parametrize(
    "arguments, field",
    [
        ({"formulas": 99}, "formulas"), ({"formulas": 200_001}, "formulas"), ({"formulas": 1e3}, "formulas"),
        ({"materials": 499}, "materials"), ({"materials": 600_001}, "materials"), ({"materials": True}, "materials"),
        ({"seed": -1}, "seed"), ({"seed": None}, "seed"),
    ],
)  # fmt: skip
def test_sizes_outside_their_bounds_are_refused(arguments, field):
    with pytest.raises(SettingRefused, match=f"^{field} = "):
        generate_cosmetics(**arguments)


def test_more_materials_than_can_occur_are_refused_with_the_number_that_can():
    with pytest.raises(SettingRefused, match=r"materials = 50000 .* choose at most \d+, or more formulas"):
        generate_cosmetics(0, 1_745, 50_000)


# Learnability -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def halves(made):
    """Log amounts of materials used at least 5 times, log10 viscosity, and a random split."""
    amounts = made.data.amounts.copy()
    amounts.data = np.log1p(amounts.data / 0.01)
    values = viscosity(made)
    split = split_formulas(made.data, np.arange(len(values)), "random", 0.7, 0)
    return amounts[:, made.data.support >= 5].toarray(), np.log10(values), split


def r2(measured: np.ndarray, predicted: np.ndarray) -> float:
    return float(1 - np.mean((measured - predicted) ** 2) / np.var(measured))


def test_ridge_on_log_amounts_learns_a_part(halves):
    from sklearn.linear_model import Ridge

    features, target, split = halves
    predicted = Ridge(alpha=100).fit(features[split.train], target[split.train]).predict(features[split.eval])
    assert 0.45 < r2(target[split.eval], predicted) < 0.8


def test_a_random_forest_learns_most_and_beats_the_mean_widely_in_mpas(halves):
    from sklearn.ensemble import RandomForestRegressor

    features, target, split = halves
    forest = RandomForestRegressor(40, min_samples_leaf=2, max_features=0.2, random_state=0)
    predicted = forest.fit(features[split.train], target[split.train]).predict(features[split.eval])
    assert 0.55 < r2(target[split.eval], predicted) < 0.85
    measured = 10 ** target[split.eval]
    mean_predictor = np.abs(measured - np.mean(10 ** target[split.train])).mean()
    assert np.abs(measured - 10**predicted).mean() <= 0.7 * mean_predictor


def test_the_hidden_truth_is_what_there_is_to_learn(made, halves):
    from sklearn.ensemble import RandomForestRegressor

    _, target, split = halves
    mixture = made.data.amounts @ made.truth.effects  # (F, K)
    forest = RandomForestRegressor(100, random_state=0).fit(mixture[split.train], target[split.train])
    assert r2(target[split.eval], forest.predict(mixture[split.eval])) > 0.95
