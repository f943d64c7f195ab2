"""Neighbours against brute force by hand, and what the table says of each."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

from matrep_core.errors import NotThere, SettingRefused
from matrep_core.formulas.schema import FormulaSet
from matrep_core.views.facts import find_material, material_facts
from matrep_core.views.neighbours import (
    METRICS,
    all_neighbours,
    compared_formulas,
    formulas_with,
    neighbours,
    relative_length,
    shared_formulas,
)


def by_hand(vectors: np.ndarray, query: int, metric: str) -> list[tuple[float, int]]:
    """(distance, index) of all others, sorted, one pair of vectors at a time and by the textbook's formula."""
    pairs = []
    for other, vector in enumerate(vectors.astype(float)):
        if other != query:
            own = vectors[query].astype(float)
            if metric == "euclidean":
                distance = sum((a - b) ** 2 for a, b in zip(own, vector)) ** 0.5
            else:
                distance = 1 - sum(a * b for a, b in zip(own, vector)) / (np.linalg.norm(own) * np.linalg.norm(vector))
            pairs.append((distance, other))
    return sorted(pairs)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("entries", [1, 2, 40])
def test_equal_to_brute_force(metric: str, entries: int) -> None:
    vectors = np.tanh(np.random.default_rng(1).normal(size=(120, entries))).astype(np.float32)
    if metric == "cosine" and entries == 1:
        vectors = np.abs(vectors)  # all directions are then equal: order by code
    together, distances = all_neighbours(vectors, 9, metric)
    for query in range(0, 120, 7):
        found = neighbours(vectors, query, 9, metric)
        expected = by_hand(vectors, query, metric)
        np.testing.assert_allclose(found.distances, [d for d, _ in expected[:9]], atol=1e-7)
        if entries > 1:
            assert found.indices.tolist() == [i for _, i in expected[:9]]
        assert together[query].tolist() == found.indices.tolist()
        np.testing.assert_array_equal(distances[query], found.distances)


def test_ties_stand_in_the_order_of_the_codes_however_many_there_are() -> None:
    vectors = np.zeros((400, 3), dtype=np.float32)
    vectors[[5, 250]] = [[3, 0, 0], [0, 0.1, 0]]
    expected = [i for i in range(400) if i not in (5, 250)][:12]
    assert neighbours(vectors, 250, 12, "euclidean").indices.tolist() == expected
    together, distances = all_neighbours(vectors, 12)
    assert together[250].tolist() == expected
    assert together[0].tolist() == [i for i in range(1, 14) if i != 5]
    assert distances[0].tolist() == [0.0] * 12


def test_blocks_and_a_choice_of_queries_give_the_same_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = np.random.default_rng(2).normal(size=(300, 5))
    whole, _ = all_neighbours(vectors, 4)
    monkeypatch.setattr("matrep_core.views.neighbours._BLOCK", 1_000)  # three rows at a time
    np.testing.assert_array_equal(all_neighbours(vectors, 4)[0], whole)
    np.testing.assert_array_equal(all_neighbours(vectors, 4, queries=np.array([7, 291]))[0], whole[[7, 291]])


def test_near_duplicates_far_from_the_origin_keep_their_order() -> None:
    """The matrix product alone loses these distances to rounding."""
    vectors = np.full((50, 4), 1e4)
    vectors[:, 0] += np.arange(50) * 1e-5
    assert all_neighbours(vectors, 3)[0][10].tolist() == [9, 11, 8]
    assert neighbours(vectors, 10, 3, "euclidean").indices.tolist() == [9, 11, 8]


def test_a_vector_without_length_has_no_cosine_distance() -> None:
    vectors = np.array([[1, 0], [0, 0], [0, 1], [1e-9, 1e-9], [1, 0.1]], dtype=np.float32)
    found = neighbours(vectors, 0, 5, "cosine")
    assert found.indices.tolist() == [4, 2, 1, 3]
    assert np.isnan(found.distances).tolist() == [False, False, True, True]
    assert "2 materials have vectors without length" in found.reason
    assert neighbours(vectors, 0, 2, "cosine").reason == ""
    with pytest.raises(SettingRefused, match="euclidean"):
        neighbours(vectors, 1, 3, "cosine")
    indices, distances = all_neighbours(vectors, 3, "cosine")
    assert indices.tolist() == [[4, 2, -1], [-1, -1, -1], [4, 0, -1], [-1, -1, -1], [0, 2, -1]]
    assert (np.isnan(distances) == (indices == -1)).all()


def test_a_short_vector_is_known_by_its_length() -> None:
    vectors = np.array([[3.0, 4.0], [0.0, 0.5], [0.0, 5.0], [100.0, 0.0]])
    among = np.array([True, True, True, False])
    assert relative_length(vectors, 1, among) == pytest.approx(0.1)
    assert relative_length(vectors, 3, among) == pytest.approx(20)
    assert np.isnan(relative_length(vectors, 0, np.zeros(4, bool)))


def test_only_materials_that_may_be_named() -> None:
    vectors = np.arange(6, dtype=float)[:, None]
    among = np.array([True, False, True, True, False, True])
    assert neighbours(vectors, 1, 10, "euclidean", among).indices.tolist() == [0, 2, 3, 5]
    assert among.tolist() == [True, False, True, True, False, True]


@pytest.mark.parametrize("k", [0, 1_001, 2.5, True, "3"])
def test_refuses_a_count_out_of_bounds(k: object) -> None:
    with pytest.raises(SettingRefused, match="from 1 to 1000"):
        neighbours(np.eye(3), 0, k, "cosine")  # type: ignore[arg-type]


def test_refuses_what_is_not_there() -> None:
    with pytest.raises(SettingRefused, match="cosine, euclidean"):
        neighbours(np.eye(3), 0, 1, "manhattan")
    for query in (-1, 3):
        with pytest.raises(NotThere):
            neighbours(np.eye(3), query, 1, "cosine")


AMOUNTS = {
    "F1": {"00123": 60.0, "NA": 40.0},
    "F2": {"00123": 99.0, "1E5": 1.0},
    "F3": {"NA": 10.0, "1E5": 20.0, "water": 70.0},
    "F4": {"00123": 50.0, "NA": 25.0, "water": 25.0},
}
PARTS = np.array(["train", "validation", "eval", "train"], dtype=object)


@pytest.fixture
def data() -> FormulaSet:
    materials = ("00123", "1E5", "NA", "water")
    dense = np.array([[row.get(m, 0.0) for m in materials] for row in AMOUNTS.values()])
    info = pd.DataFrame({"inci": ["Glycerin", "", "Betaine", "Aqua"]})
    info["function"] = ["humectant", "", "surfactant", "Humectant"]
    columns = ["formula", "property", "value", "unit"]
    return FormulaSet(
        "four formulas", tuple(AMOUNTS), materials, csr_array(dense), pd.DataFrame([], columns=columns), info, ()
    )


def test_facts_count_training_formulas_alone(data: FormulaSet) -> None:
    facts = material_facts(data, PARTS)
    assert facts["support"].tolist() == [3, 1, 2, 1]
    assert facts["low"].tolist() == [50.0, 1.0, 25.0, 25.0]
    assert facts["high"].tolist() == [99.0, 1.0, 40.0, 25.0]
    unused = material_facts(data, np.array(["train", "eval", "eval", "eval"], dtype=object))
    assert unused["support"].tolist() == [1, 0, 1, 0]
    assert unused["low"].isna().tolist() == [False, True, False, True]
    assert unused["low"].dropna().tolist() == [60.0, 40.0]


def test_shared_formulas_carry_both_amounts(data: FormulaSet) -> None:
    a, b = find_material(data, "NA"), find_material(data, "00123")
    assert formulas_with(data, a).tolist() == [0, 2, 3]
    assert shared_formulas(data, a, b).to_dict("list") == {
        "formula_id": ["F1", "F4"], "amount_a": [40.0, 25.0], "amount_b": [60.0, 50.0]
    }  # fmt: skip
    assert compared_formulas(data, a, b).to_dict("list") == {
        "formula_id": ["F1", "F4", "F2", "F3"], "amount_a": [40.0, 25.0, 0.0, 10.0], "amount_b": [60.0, 50.0, 99.0, 0.0]
    }  # fmt: skip


def test_an_unknown_material_is_named_but_not_at_any_length(data: FormulaSet) -> None:
    with pytest.raises(NotThere, match="'123'"):
        find_material(data, "123")
    with pytest.raises(NotThere) as refused:
        find_material(data, "x" * 10_000)
    assert len(str(refused.value)) < 200
