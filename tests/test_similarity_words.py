"""Finding by name, clusters in words, rows for the command line, tables that leave."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from openpyxl import load_workbook

from matrep_core.errors import SettingRefused
from matrep_core.similarity.finding import Finder, folded
from matrep_core.similarity.naming import cards_table, cluster_cards, cluster_stability, formula_types
from matrep_core.views.clustering import NO_CLUSTER, agglomerative
from matrep_core.views.export import parquet_bytes, spreadsheet_xlsx
from tests.test_similarity import made_of


@pytest.fixture(scope="module")
def named():
    data = made_of([dict.fromkeys(["00123", "GLY01", "GLY02", "WAX1", "CRB"], 20.0)])
    info = pd.DataFrame(
        {
            "inci": ["Carbomer", "Acrylates Copolymer", "Glycerin", "Diglycerin", "Cera Alba"],
            "korean": ["카보머", "아크릴레이트코폴리머", "글리세린", "다이글리세린", "밀랍"],
            "cas": ["9007-20-9", "", "56-81-5", "59113-36-9", "8012-89-3"],
            "synonym": ["", "", "glycerol; glycerine", "", "Beeswax"],
            "function": ["thickener", "thickener", "humectant", "humectant", "wax"],
        }
    )
    assert data.materials == ("00123", "CRB", "GLY01", "GLY02", "WAX1")
    return replace(data, material_info=info)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("GLY01", "GLY01"), ("gly01", "GLY01"), ("Glycerin", "GLY01"), ("glycerine", "GLY01"), ("Glyzerin", "GLY01"),
        ("beeswax", "WAX1"), ("beswax", "WAX1"), ("56-81-5", "GLY01"), ("8012-89-3", "WAX1"), ("글리세린", "GLY01"),
        ("글리새린", "GLY01"), ("밀랍", "WAX1"), ("카보", "00123"), ("carbomr", "00123"), ("ＧＬＹ０１", "GLY01"),
        ("copolymer acrylates", "CRB"), ("00123", "00123"),
    ],
)  # fmt: skip
def test_a_material_is_found_by_what_a_chemist_remembers(named, text: str, code: str) -> None:
    found = Finder(named).search(text)
    assert found and named.materials[found[0].index] == code


def test_a_function_finds_all_that_have_it_and_nonsense_nothing(named):
    finder = Finder(named)
    assert {named.materials[hit.index] for hit in finder.search("humectant")} == {"GLY01", "GLY02"}
    assert finder.search("humectant")[0].field == "function"
    assert finder.search("qqqqqq") == [] and finder.search("  ") == []
    assert len(finder.search("e" * 100_000)) == 0
    assert folded("Ｃafé 글") == folded("cafe 글") and folded("가") != folded("각")


def test_every_name_of_a_large_set_finds_its_material(small_cosmetics):
    finder = Finder(small_cosmetics)
    names = small_cosmetics.material_info["inci"]
    for index in range(0, 600, 23):
        found = finder.search(names[index])
        assert found[0].score == 1 and names[found[0].index] == names[index]
        assert small_cosmetics.materials[finder.search(small_cosmetics.materials[index])[0].index] == small_cosmetics.materials[index]


def test_a_list_from_a_sheet_is_taken_exactly_and_never_guessed(named):
    found, unknown = Finder(named).paste("GLY01\nBeeswax\t00123\r\n\n123;GLY01\nhumectant\nGlyzerin")
    assert [named.materials[i] for i in found] == ["GLY01", "WAX1", "00123"]
    assert unknown == ["123", "humectant", "Glyzerin"]  # a number is no code, two are humectants, typing errors are told


# Clusters in words --------------------------------------------------------------------------------


def test_a_cluster_is_named_by_what_stands_out_in_it():
    oils, salts = [f"oil{i}" for i in range(6)], [f"salt{i}" for i in range(6)]
    formulas = [dict.fromkeys(oils, 100 / 6)] * 3 + [dict.fromkeys(salts, 100 / 6)] * 3
    data = made_of(formulas, {name: "emollient" if name in oils else "electrolyte" for name in [*oils, *salts]})
    data = replace(data, formula_ids=("CRM-1", "CRM-2", "CRM-3", "GEL-1", "GEL-2", "GEL-3"))
    assert formula_types(data) == ["CRM"] * 3 + ["GEL"] * 3
    labels = np.array([0] * 6 + [1] * 6)
    labels[5] = NO_CLUSTER
    points = np.arange(12.0)[:, None]
    effect = np.array([1.0] * 6 + [-2.0] * 6)
    few = cluster_cards(data, points, labels, effect, np.array([0.9, 0.4]))
    assert [card.size for card in few] == [5, 6] and [card.effect for card in few] == [1.0, -2.0]
    assert [card.centre for card in few] == ["oil2", "salt2"]
    assert [formula for formula, _ in few[0].formulas] == ["CRM-1", "CRM-2", "CRM-3"]
    assert few[0].formulas[0][1] == pytest.approx(500 / 6)
    many = made_of(
        [{f"a{i}": 50.0, f"b{i}": 50.0} for i in range(40)],
        {**{f"a{i}": "emollient" for i in range(40)}, **{f"b{i}": "wax" for i in range(10)}},
    )
    labels = np.array([0 if code.startswith("a") else 1 for code in many.materials])
    labels[[i for i, code in enumerate(many.materials) if code in {f"b{i}" for i in range(10)}]] = 2
    cards = cluster_cards(many, np.zeros((80, 1)), labels)
    assert cards[2].name == "wax" and "100% here, 12% among all" in cards[2].why
    wax = cards[2].functions
    assert [(trait.text, trait.here, trait.among_all) for trait in wax] == [("wax", 1.0, 10 / 80)] and cards[1].functions == ()
    assert cards[0].name == "emollient" and cards[1].name == ""  # nothing stands out where nothing is known
    table = cards_table(cards, "effect (%)")
    assert table["cluster"].tolist() == [1, 2, 3] and table["effect (%)"].isna().all()


def test_a_cluster_is_stable_where_it_comes_back():
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1, NO_CLUSTER])
    renamed = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0])
    mixed = np.array([0, 0, 1, 1, 0, 0, 1, 1, NO_CLUSTER])
    np.testing.assert_allclose(cluster_stability(labels, [renamed]), [1, 1])
    np.testing.assert_allclose(cluster_stability(labels, [renamed, mixed]), [(1 + 1 / 3) / 2] * 2)
    assert np.isnan(cluster_stability(labels, [])).all()


def test_agglomerative_clusters_merge_what_is_near():
    points = np.array([[0.0], [0.1], [5.0], [5.1], [5.2], [99.0]])
    trained = np.array([True] * 5 + [False])
    assert agglomerative(points, trained, 2).tolist() == [1, 1, 0, 0, 0, NO_CLUSTER]
    with pytest.raises(SettingRefused, match="only 5 trained"):
        agglomerative(points, trained, 6)
    with pytest.raises(SettingRefused, match="choose KMeans"):
        agglomerative(np.zeros((10_001, 1)), np.ones(10_001, bool), 2)


# Tables that leave --------------------------------------------------------------------------------


def test_no_cell_of_a_workbook_is_a_formula_and_numbers_stay_numbers():
    table = pd.DataFrame({"=code": ["=1+1", "@x", "a\x00b", "글리세린"], "n": [1.5, np.nan, 3.0, 4.0], "k": [1, 2, 3, 4]})
    sheet = load_workbook(io.BytesIO(spreadsheet_xlsx(table))).active
    rows = list(sheet.iter_rows())
    assert {cell.data_type for row in rows for cell in row[:1]} == {"s"}
    assert [row[0].value for row in rows] == ["=code", "=1+1", "@x", "ab", "글리세린"]
    assert [row[1].value for row in rows[1:]] == [1.5, None, 3, 4] and rows[1][2].value == 1
    pd.testing.assert_frame_equal(pd.read_parquet(io.BytesIO(parquet_bytes(table))), table)
