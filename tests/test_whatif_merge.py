"""Codes that act alike: proposed, merged, tried on the same splits, told apart from noise."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

from benchmarks.placing import subset
from benchmarks.twins import split_in_two
from matrep_core.cli import main
from matrep_core.errors import DataRefused, NotThere, SettingRefused
from matrep_core.formulas.reading import read_data
from matrep_core.formulas.schema import FormulaSet
from matrep_core.runs.store import Run
from matrep_core.settings import from_recipe
from matrep_core.similarity.evidence import similarity_of
from matrep_core.training import fit, prepare
from matrep_core.views.export import spreadsheet_csv
from matrep_core.whatif.lookalikes import RARE, Pair, propose
from matrep_core.whatif.merge import checked, mapping, merged, read_mapping
from matrep_core.whatif.trial import split_result, trial, verdict

TARGET, PLANTED, TWIN = "viscosity_100s", "Arlypon TT", "Arlypon TT second code"


@pytest.fixture(scope="module")
def planted(small_cosmetics) -> str:
    """A material of many formulas of the small generated set."""
    return small_cosmetics.materials[int(np.argsort(-small_cosmetics.support, kind="stable")[5])]


@pytest.fixture(scope="module")
def generated_twins(small_cosmetics, planted) -> FormulaSet:
    """The small generated set, in which half of the formulas of that material name it TWIN."""
    return split_in_two(small_cosmetics, planted, "TWIN", np.random.default_rng(1))


def trained(data: FormulaSet, target: str, path, **changes) -> Run:
    settings = from_recipe("default", property=target, **{"n_entries": 4, "steps": 200, "members": 3, "frames": 2, **changes})
    run = prepare(path, data, settings)
    assert fit(run).state == "done"
    return run


@pytest.fixture(scope="module")
def shampoo(shared_data, tmp_path_factory) -> Run:
    """Shampoos in which Arlypon TT stands under two codes."""
    data = read_data([shared_data / "shampoo"]).data
    data = subset(data, np.unique(data.measurements.loc[data.measurements["property"] == TARGET, "formula"]))
    twins = split_in_two(data, PLANTED, TWIN, np.random.default_rng(2))
    return trained(twins, TARGET, tmp_path_factory.mktemp("runs") / "shampoo", n_entries=5, steps=300)


@pytest.fixture(scope="module")
def small(generated_twins, tmp_path_factory) -> Run:
    return trained(generated_twins, "viscosity", tmp_path_factory.mktemp("runs") / "small")


def test_planted_twins_are_found_in_the_generated_set(small, planted):
    found = propose(similarity_of(small), "viscosity")
    (group,) = [group for group in found.groups if "TWIN" in group.codes]
    assert set(group.codes) == {"TWIN", planted} and not group.against and group.function == "yes"
    assert small.support[small.data.material_index[group.codes[0]]] == max(small.support[small.data.material_index[c]] for c in group.codes)
    rare = set(found.unprovable["material"])
    assert rare == {code for code, support in zip(small.data.materials, small.support, strict=True) if support <= RARE}
    assert not rare & {code for each in found.groups for code in each.codes} and not rare & set(found.unprovable["nearest"])


def test_planted_twins_are_found_among_real_shampoos(shampoo):
    sure = [set(group.codes) for group in propose(similarity_of(shampoo), TARGET).groups if not group.against]
    assert {PLANTED, TWIN} in sure


def test_codes_often_used_together_are_proposed_only_on_request(shampoo):
    similarity, counts = similarity_of(shampoo), shampoo.data.amounts
    present = csr_array((np.ones(counts.nnz), counts.indices, counts.indptr), counts.shape)
    together = (present.T @ present).toarray()
    index = shampoo.data.material_index

    def often(codes) -> bool:
        pairs = [(index[a], index[b]) for n, a in enumerate(codes) for b in codes[n + 1 :]]
        return any(together[a, b] >= 0.2 * min(together[a, a], together[b, b]) for a, b in pairs)

    strict, loose = (propose(similarity, TARGET, together=wanted) for wanted in (False, True))
    assert strict.groups and not any(often(group.codes) for group in strict.groups if not group.against)
    assert not any("used together" in group.against for group in loose.groups)
    pair = Pair(0, 1, 0.1, 0.0, 6, 6, shared=4, fewer=20, function="yes")
    assert pair.against(TARGET, together=False) == ["used together in 4 of 20 formulas"] and pair.against(TARGET, together=True) == []
    np.fill_diagonal(together, 0)
    codes = tuple(shampoo.data.materials[m] for m in np.unravel_index(together.argmax(), together.shape))
    with pytest.raises(SettingRefused, match="formulas hold both"):
        checked(shampoo.data, {codes[0]: codes})
    assert checked(shampoo.data, {codes[0]: codes}, together=True) == {codes[0]: codes}


@pytest.mark.parametrize(
    ("changed", "words"),
    [({"function": "no"}, "another function"), ({"change": -0.3}, "by -0.30 standard"), ({"agree": 2}, "2 of 6 models"), ({"distance": 0.4}, "far apart")],
)
def test_what_speaks_against_a_pair_is_told(changed, words):
    pair = replace(Pair(0, 1, 0.1, 0.0, 6, 6, shared=0, fewer=20, function="yes"), **changed)
    (told,) = pair.against("viscosity", together=False)
    assert words in told


def test_merging_planted_twins_gives_back_the_set_that_was_split(small_cosmetics, generated_twins, planted):
    back = merged(generated_twins, {planted: (planted, "TWIN")})
    assert back.materials == small_cosmetics.materials and back.formula_ids == small_cosmetics.formula_ids
    assert abs(back.amounts - small_cosmetics.amounts).max() < 1e-12 and back.amounts.nnz == small_cosmetics.amounts.nnz
    pd.testing.assert_frame_equal(back.material_info, small_cosmetics.material_info)
    pd.testing.assert_frame_equal(back.measurements, small_cosmetics.measurements)


def test_amounts_of_merged_codes_are_summed_and_missing_facts_filled(small_cosmetics):
    one, other, third = (small_cosmetics.materials[m] for m in np.argsort(-small_cosmetics.support)[:3])
    info = small_cosmetics.material_info.copy()
    index = small_cosmetics.material_index
    info.loc[index[one], "inci"] = ""
    joint = merged(replace(small_cosmetics, material_info=info), {"NEW": (other, one), third: (third,)})
    new = joint.amounts[:, [joint.material_index["NEW"]]].toarray()[:, 0]
    expected = small_cosmetics.amounts[:, [index[one], index[other]]].toarray().sum(axis=1)
    np.testing.assert_allclose(new, expected)
    assert (small_cosmetics.amounts[:, [index[one], index[other]]].toarray() > 0).all(axis=1).any()  # some held both
    facts = joint.material_info.iloc[joint.material_index["NEW"]]
    assert facts["inci"] == info["inci"][index[other]] and facts["function"] == info["function"][index[one]]
    assert joint.material_info.columns.tolist() == info.columns.tolist() and len(joint.materials) == len(info) - 1
    bare = merged(replace(small_cosmetics, material_info=pd.DataFrame(index=range(len(info)))), {one: (one, other)})
    assert len(bare.material_info) == len(bare.materials)


def test_both_sides_of_a_trial_are_the_runs_of_the_same_split(shampoo, tmp_path):
    groups = {PLANTED: (PLANTED, TWIN)}
    quick = replace(shampoo.settings, seed=3, steps=100, members=2)
    found = split_result(shampoo.data, groups, quick, tmp_path)
    assert not list(tmp_path.iterdir())
    before = trained(shampoo.data, TARGET, tmp_path / "before", n_entries=5, steps=100, members=2, seed=3)
    table = before.predictions()
    evaluates = (table["part"] == "eval").to_numpy()
    np.testing.assert_allclose(found["before"], table["predicted"][evaluates])
    np.testing.assert_array_equal(found["measured"], table["measured"][evaluates])
    after = merged(shampoo.data, groups)
    alone = prepare(tmp_path / "after", after, before.settings)
    assert (alone.parts == before.parts).all() and (alone.folds == before.folds).all()
    fit(alone)
    np.testing.assert_allclose(found["after"], alone.predictions()["predicted"][evaluates])
    assert not np.allclose(found["before"], found["after"])


def told(run: Run, shift: float, splits: int = 5, spread: float = 0.01):
    """The verdict on made-up predictions whose error after is ``shift`` times larger than before."""
    random = np.random.default_rng(0)
    rows = np.tile(np.arange(20), splits)
    measured = np.full(len(rows), 100.0)
    number = np.repeat(np.arange(splits), 20)
    factor = 1 + shift + spread * random.standard_normal(splits)[number]
    found = {"formula": rows, "measured": measured, "before": measured + 10, "after": measured + 10 * factor, "split": number}
    return verdict(run, {PLANTED: (PLANTED, TWIN)}, found)


def test_the_verdict_tells_a_cost_from_noise(shampoo):
    worse, noise, better, one = told(shampoo, 0.5), told(shampoo, 0.0), told(shampoo, -0.5), told(shampoo, 0.5, splits=1)
    assert worse.sentence.startswith("The merge costs accuracy, more than noise: 2 codes became 1") and "+50" in worse.sentence
    assert noise.sentence.startswith("No cost can be told from noise") and "is unlikely" in noise.sentence
    assert better.sentence.startswith("The merge costs no accuracy, it gains some")
    assert one.sentence.startswith("Not known") and "Add splits" in one.sentence and one.measures["low95"].isna().all()
    assert worse.measures["verdict"].tolist() == ["costs accuracy"] * 2 and len(worse.splits) == 5
    low, high, difference = worse.measures.iloc[0][["low95", "high95", "difference"]]
    assert 0 < low < difference < high and difference == pytest.approx(5, rel=0.05)
    held = np.diff(shampoo.data.amounts[:20][:, [shampoo.data.material_index[c] for c in (PLANTED, TWIN)]].indptr) > 0
    assert worse.groups["measurements"].tolist() == [5 * int(held.sum())]


def test_a_trial_goes_on_where_it_was(shampoo, tmp_path):
    run = Run(shampoo.path)
    run.settings = replace(shampoo.settings, steps=50, members=2)
    groups, folder, heard = {PLANTED: (PLANTED, TWIN)}, tmp_path / "splits", []
    first = trial(run, groups, 1, folder, heard.append)
    kept = {path.name for path in folder.iterdir()}
    both = trial(run, groups, 2, folder, heard.append)
    assert heard == [0.0, 0.0, 0.5] and kept < {path.name for path in folder.iterdir()}
    np.testing.assert_array_equal(both["after"][both["split"] == 0], first["after"])
    assert len(list(folder.iterdir())) == 2 and set(both["split"]) == {0, 1}
    assert not (tmp_path / "training").exists()


def test_the_mapping_comes_back_as_it_left(shampoo):
    groups = {PLANTED: (PLANTED, TWIN)}
    table = mapping(shampoo.data, groups)
    assert table.columns.tolist() == ["old_code", "new_code", "old_inci", "new_inci", "old_support", "new_support"]
    assert table["new_support"].tolist() == [table["old_support"].sum()] * 2  # twins never meet
    assert read_mapping(spreadsheet_csv(table), shampoo.data) == groups


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("old_code,new_code\nNobody,X", "row 2, column old_code: this material is not known"),
        ("old_code,new_code\nArlypon TT,X\nArlypon TT,X", "row 3, column old_code: this code comes twice"),
        ("code,other\nArlypon TT,X", "row 2, column old_code: there is no such cell"),
        ("old_code,new_code\nArlypon TT,", "row 2, column new_code: there is no such cell"),
        ('old_code,new_code\n"Arlypon TT,X', "it is no CSV file"),
        ("old_code,new_code\nÄ,X".encode("utf-16"), "it is no UTF-8 text"),
    ],
)
def test_a_mapping_at_fault_is_refused_with_its_row(shampoo, text, problem):
    with pytest.raises(DataRefused, match=problem):
        read_mapping(text if isinstance(text, bytes) else text.encode(), shampoo.data)


def test_groups_that_cannot_be_are_a_sentence(shampoo):
    a, b, c = shampoo.data.materials[:3]
    for error, groups, words in (
        (NotThere, {a: (a, "nobody")}, "There is no material 'nobody'"),
        (SettingRefused, {a: (a, b), c: (c, b)}, "it is in two groups"),
        (SettingRefused, {c: (a, b)}, "the new code is another material"),
        (SettingRefused, {a: (a,)}, "nothing is merged"),
        (SettingRefused, {" ": (a, b)}, "has no new code"),
    ):
        with pytest.raises(error, match=words):
            checked(shampoo.data, groups, together=True)
    with pytest.raises(NotThere, match="names no codes"):
        read_mapping(b"old_code,new_code\n", shampoo.data)


def test_the_command_proposes_tries_and_writes(small, planted, tmp_path, capsys):
    assert main(["merge", str(small.path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert any("TWIN" in group["codes"] and not group["against"] for group in document["groups"]) and document["trial"] is None
    assert document["unprovable"] and all(row["new_support"] >= row["old_support"] for row in document["mapping"])
    (tmp_path / "mine.csv").write_text(f"old_code,new_code\nTWIN,JOINT\n{planted},JOINT\n")
    words = ["merge", str(small.path), "--groups", str(tmp_path / "mine.csv"), "--out", str(tmp_path / "out"), "--splits", "2"]
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert "-> JOINT" in shown and "2 codes became 1" in shown and "paired splits" in shown
    again = read_data([tmp_path / "out" / "data"]).data
    assert "JOINT" in again.materials and "TWIN" not in again.materials and len(again.materials) == len(small.data.materials) - 1
    assert read_mapping((tmp_path / "out" / "mapping.csv").read_bytes(), small.data)["JOINT"] == ("TWIN", planted)
    assert main(words) == 1 and "it exists already" in capsys.readouterr().err
    assert main(["merge", str(small.path), "--groups", str(tmp_path / "none.csv")]) == 1 and "cannot be read" in capsys.readouterr().err
