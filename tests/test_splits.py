"""Splits: no formula on both sides, no evaluated formula without a material that training never saw."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array, random_array
from scipy.sparse.csgraph import connected_components

from matrep_core.errors import SettingRefused
from matrep_core.formulas.schema import FormulaSet
from matrep_core.formulas.splits import KINDS, NEAR, NEAR_DUPLICATES, groups_of, split_formulas


def formula_set(dense: np.ndarray | csr_array) -> FormulaSet:
    """A data set of the given amounts (F × M), without measurements."""
    amounts = csr_array(dense, dtype=np.float64)
    amounts.sort_indices()
    count, width = amounts.shape
    materials = tuple(f"M{i:06d}" for i in range(width))
    return FormulaSet(
        name="made here",
        formula_ids=tuple(str(i) for i in range(count)),
        materials=materials,
        amounts=amounts,
        measurements=pd.DataFrame({"formula": [], "property": [], "value": [], "unit": []}),
        material_info=pd.DataFrame(index=range(width)),
        properties=(),
    )


def long_tailed(count: int, width: int, seed: int = 0) -> FormulaSet:
    """Material 0 in every formula, the others ever rarer."""
    rng = np.random.default_rng(seed)
    uses = np.maximum(1, (0.5 * count / np.arange(1, width + 1) ** 0.9).astype(int))
    uses[0] = count
    columns = np.repeat(np.arange(width), uses)
    rows = np.concatenate([rng.choice(count, use, replace=False) for use in uses])
    return formula_set(csr_array((np.ones(len(rows)), (rows, columns)), shape=(count, width)))


@pytest.mark.parametrize("kind", KINDS)
def test_every_formula_is_on_exactly_one_side_and_the_sides_have_the_wanted_size(kind):
    data = long_tailed(200, 300)
    formulas = np.arange(10, 190)
    split = split_formulas(data, formulas, kind, 0.7, seed=3)
    assert split.train.dtype == split.eval.dtype == np.int64
    assert np.array_equal(np.sort(np.concatenate([split.train, split.eval])), formulas)
    assert np.all(np.diff(split.train) > 0) and np.all(np.diff(split.eval) > 0)
    assert abs(len(split.eval) - 0.3 * len(formulas)) <= 0.1 * 0.3 * len(formulas)


@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_alone_decides_and_the_global_generator_is_left_alone(kind):
    data, formulas = long_tailed(120, 200), np.arange(120)
    before = np.random.get_state()[1].copy()
    first, again, other = (split_formulas(data, formulas, kind, 0.7, seed) for seed in (1, 1, 2))
    assert np.array_equal(first.train, again.train) and np.array_equal(first.eval, again.eval)
    assert not np.array_equal(first.eval, other.eval)
    assert np.array_equal(before, np.random.get_state()[1])


def test_repeated_measurements_never_put_a_formula_on_both_sides():
    data = long_tailed(40, 60)
    split = split_formulas(data, np.repeat(np.arange(40), 3)[::-1], "random", 0.5, seed=0)
    assert len(split.train) == len(split.eval) == 20
    assert not np.intersect1d(split.train, split.eval).size


def test_random_keeps_one_formula_on_each_side_at_the_extreme_shares():
    data = long_tailed(10, 20)
    assert len(split_formulas(data, np.arange(10), "random", 0.95, seed=0).eval) == 1
    assert len(split_formulas(data, np.arange(10), "random", 0.01, seed=0).train) == 1


@pytest.mark.parametrize("seed", range(5))
def test_unseen_every_evaluated_formula_holds_a_material_that_no_training_formula_holds(seed):
    data, formulas = long_tailed(300, 400, seed), np.arange(0, 300, 2)
    split = split_formulas(data, formulas, "unseen", 0.7, seed)
    trained = np.unique(data.amounts[split.train].indices)
    for row in split.eval:
        assert np.setdiff1d(data.amounts[[row]].indices, trained).size
    assert 0.9 * 45 <= len(split.eval) <= 45


def test_unseen_goes_on_when_the_first_order_leaves_no_room():
    # 29 materials of one formula each and one of 30 formulas: only the large one alone fills the share.
    dense = np.zeros((100, 3))
    dense[:, 0] = 1
    dense[:30, 1] = 1
    dense[30, 2] = 1
    for seed in range(4):
        split = split_formulas(formula_set(dense), np.arange(100), "unseen", 0.7, seed)
        assert list(split.eval) == list(range(30))


def test_unseen_without_a_material_to_hold_out_names_the_numbers():
    dense = np.ones((20, 3))
    dense[:4, 1] = 0
    with pytest.raises(SettingRefused, match="occurs in 16 of 20 formulas, and 6 may evaluate"):
        split_formulas(formula_set(dense), np.arange(20), "unseen", 0.7, 0)


def test_grouped_keeps_formulas_of_the_same_materials_together_whatever_their_amounts():
    rng = np.random.default_rng(0)
    patterns = np.unique(rng.random((30, 8)) < 0.5, axis=0)
    of_pattern = rng.integers(0, len(patterns), 200)
    data = formula_set(np.where(patterns[of_pattern], rng.uniform(0.1, 9, (200, 8)), 0))
    split = split_formulas(data, np.arange(200), "grouped", 0.7, 5)
    assert not set(of_pattern[split.train]) & set(of_pattern[split.eval])
    assert 40 <= len(split.eval) <= 80


def test_grouped_with_one_group_is_refused():
    with pytest.raises(SettingRefused, match="at least 2 groups .* there is 1: all 12 belong together"):
        split_formulas(formula_set(np.ones((12, 4))), np.arange(12), "grouped", 0.7, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_too_few_formulas_are_refused_with_their_number(kind):
    with pytest.raises(SettingRefused, match="at least 10 formulas .* there are 9"):
        split_formulas(long_tailed(50, 60), np.arange(9), kind, 0.7, 0)


def test_an_unknown_kind_is_refused():
    with pytest.raises(SettingRefused, match="choose one of random, unseen, graded, grouped"):
        split_formulas(long_tailed(50, 60), np.arange(50), "by date", 0.7, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_large_set_never_becomes_dense(kind):
    # 174,500 × 548,500 as float64 would take 766 GB.
    amounts = random_array((174_500, 548_500), density=4e-5, format="csr", rng=np.random.default_rng(0))
    split = split_formulas(formula_set(amounts), np.arange(174_500), kind, 0.7, 0)
    assert len(split.train) + len(split.eval) == 174_500
    assert abs(len(split.eval) - 52_350) <= 5_235


# Three grades ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_graded_holds_the_three_grades_side_by_side(seed):
    data = long_tailed(400, 500, seed)
    split = split_formulas(data, np.arange(400), "graded", 0.7, seed)
    trained = np.unique(data.amounts[split.train].indices)
    unseen = np.array([np.setdiff1d(data.amounts[[row]].indices, trained).size for row in split.eval])
    grades = np.bincount(np.minimum(unseen, 2), minlength=3)
    assert 100 <= len(split.eval) <= 120
    assert grades.min() >= 0.15 * 120, grades


def test_graded_without_materials_to_hold_out_names_the_numbers():
    with pytest.raises(SettingRefused, match="of 3 materials, 0 occur in few enough formulas \\(at most 4 of 20\\)"):
        split_formulas(formula_set(np.ones((20, 3))), np.arange(20), "graded", 0.7, 0)


# What belongs together --------------------------------------------------------------------------------------


def test_near_duplicates_are_found_as_every_pair_compared_by_hand_finds_them():
    rng = np.random.default_rng(0)
    centres = rng.dirichlet(np.ones(6) * 0.7, 12) * 100
    dense = np.vstack([centre + 0 for centre in centres for _ in range(5)])
    moved = rng.uniform(0, 9, len(dense))
    for row, amount in zip(dense, moved):
        out, into = np.argmax(row), rng.integers(6)
        row[out] -= amount
        row[into] += amount
    exchanged = np.abs(dense[:, None] - dense[None]).sum(axis=2) / 2
    expected = connected_components(csr_array(exchanged <= NEAR), directed=False)[1]
    found = groups_of(formula_set(dense), np.arange(len(dense)), NEAR_DUPLICATES)
    assert len(set(zip(expected, found))) == len(set(expected)) == len(set(found)) > 5
    split = split_formulas(formula_set(dense), np.arange(len(dense)), "grouped", 0.7, 1, group_by=NEAR_DUPLICATES)
    assert not set(found[split.train]) & set(found[split.eval])


def test_grouped_by_a_column_keeps_equal_values_together():
    data = formula_set(np.diag(np.ones(40)) * 100)
    batch = np.arange(40) // 4
    frame = pd.DataFrame({"formula": np.arange(40), "property": "viscosity", "value": 1.0, "unit": "", "batch": batch.astype(float)})
    data = replace(data, measurements=frame)
    split = split_formulas(data, np.arange(40), "grouped", 0.7, 0, group_by="batch")
    assert len(split.train) == 28 and not set(batch[split.train]) & set(batch[split.eval])
    # A formula measured in two batches links them.
    linked = replace(data, measurements=pd.concat([frame, frame.iloc[[0]].assign(batch=9.0)], ignore_index=True))
    groups = groups_of(linked, np.arange(40), "batch")
    assert groups[0] == groups[39] and len(set(groups)) == 9
    with pytest.raises(SettingRefused, match="no such column; choose one of near-duplicates, batch"):
        groups_of(data, np.arange(40), "colour")
    gaps = replace(data, measurements=frame.assign(batch=frame["batch"].where(frame["formula"] > 2)))
    with pytest.raises(SettingRefused, match="3 of 40 formulas have no value of it, for example 0"):
        groups_of(gaps, np.arange(40), "batch")


def test_near_duplicates_of_too_many_formulas_are_refused():
    many = formula_set(csr_array((np.full(30_001, 100.0), (np.arange(30_001), np.zeros(30_001, int))), shape=(30_001, 1)))
    with pytest.raises(SettingRefused, match="at most 30,000 formulas, and there are 30,001"):
        groups_of(many, np.arange(30_001), NEAR_DUPLICATES)
