"""Similar materials: profiles, effects, rankings and evidence, on sets small enough to know the answer."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

from benchmarks.similarity import plant_twins
from matrep_core.errors import NotThere, SettingRefused
from matrep_core.formulas.schema import FormulaSet, Property
from matrep_core.model.layout import AMOUNT_UNIT, Layout
from matrep_core.model.predicting import regress
from matrep_core.model.problem import TargetScale
from matrep_core.runs.store import Run
from matrep_core.settings import TrainingSettings, from_recipe
from matrep_core.similarity.effects import (
    Models,
    effect_per_percent,
    fingerprints,
    gradient,
    probe_formulas,
    swap_effects,
)
from matrep_core.similarity.evidence import EVIDENCE, agreement, evidence, held_since, similarity_of, together
from matrep_core.similarity.functions import acts_differently, function_distances, function_names, multi_hot
from matrep_core.similarity.groups import group_neighbours, hubs, path_between, singular, web_of
from matrep_core.similarity.profiles import Swaps, amount_profiles, co_use
from matrep_core.similarity.ranking import BY, Similarity, Weights
from matrep_core.similarity.reliability import USUAL, reliability
from matrep_core.training import fit, prepare
from matrep_core.views.facts import material_facts
from matrep_core.views.neighbours import Points, formulas_with, neighbours


def made_of(formulas: list[dict[str, float]], functions: dict[str, str] | None = None) -> FormulaSet:
    materials = tuple(sorted({m for f in formulas for m in f}))
    dense = np.array([[f.get(m, 0.0) for m in materials] for f in formulas])
    info = pd.DataFrame({"inci": [m.title() for m in materials]})
    if functions is not None:
        info["function"] = [functions.get(m, "") for m in materials]
    measured = pd.DataFrame(
        {"formula": range(len(formulas)), "property": "pH", "value": np.arange(len(formulas)) + 1.0, "unit": ""}
    )
    ids = tuple(f"F{i}" for i in range(len(formulas)))
    return FormulaSet("by hand", ids, materials, csr_array(dense), measured, info, (Property("pH", "", "linear"),))


@dataclass(frozen=True, eq=False)
class Model:
    vectors: np.ndarray
    regressor: np.ndarray
    support: np.ndarray


def ensemble(data: FormulaSet, members: int = 3, kind: str = "linear", activation: str = "tanh") -> Models:
    settings = replace(TrainingSettings(), property="pH", n_entries=4, hidden_width=8, hidden_activation=activation, start=0.5)
    layout = Layout.of(settings, len(data.materials))
    models = []
    for seed in range(members):
        free, regressor = layout.start(settings, np.random.default_rng(seed))
        models.append(Model(np.tanh(free), regressor, data.support))
    return Models(models, settings, TargetScale(kind, 2.0, 0.5, -9.0, 9.0))


@pytest.fixture(scope="module")
def run(small_cosmetics, tmp_path_factory) -> Run:
    settings = from_recipe("default", property="viscosity", n_entries=5, steps=300, frames=12)
    run = prepare(tmp_path_factory.mktemp("similar") / "run", small_cosmetics, settings)
    assert fit(run).state == "done"
    return run


# Use in formulas ----------------------------------------------------------------------------------


def test_materials_used_in_like_amounts_are_near_and_one_use_says_little():
    often = [{"a": 1.0, "b": 1.1, "c": 40.0, "d": 58.0 - 0.1 * i, "e": 0.1 * i + 0.001} for i in range(20)]
    data = made_of([*often, {"a": 2.0, "rare": 98.0}])
    profiles = amount_profiles(data)
    at = data.material_index
    np.testing.assert_allclose((profiles**2).sum(axis=1), 1)

    def apart(x: str, y: str) -> float:
        return float(np.linalg.norm(profiles[at[x]] - profiles[at[y]]))

    assert apart("a", "b") < 0.3 < apart("a", "c")
    assert apart("rare", "d") > 1.5 * apart("c", "d")  # 98 % once is not yet a habit: c is nearer to d than rare is


def test_partners_tell_materials_apart_that_never_meet():
    left = [{"x1": 10.0, "p": 40.0, "q": 50.0}, {"x2": 10.0, "p": 50.0, "q": 40.0}] * 5
    right = [{"y1": 10.0, "r": 40.0, "s": 50.0}, {"y2": 10.0, "r": 50.0, "s": 40.0}] * 5
    data = made_of(left + right)
    at, vectors = data.material_index, co_use(data, 2)
    assert vectors[at["x1"]] @ vectors[at["x2"]] > 0.99
    assert abs(vectors[at["x1"]] @ vectors[at["y1"]]) < 0.1
    np.testing.assert_array_equal(vectors, co_use(data, 2))
    alone = made_of([{"x": 100.0}, {"y": 100.0}])
    assert not co_use(alone).any()


def test_a_swap_is_seen_in_two_formulas_that_differ_in_one_material():
    rest = dict.fromkeys("abcdefghi", 10.0)
    elsewhere = [{"u": 40.0, "v": 50.0 - i, "other": 10.0 + i} for i in range(6)]
    data = made_of([{**rest, "old": 10.0}, {**rest, "new": 10.0}, {**rest, "z": 5.0, "w": 5.0}, *elsewhere])
    at = data.material_index
    strength, pair, likeness = Swaps(data).around(at["old"])
    assert strength.argmax() == at["new"]
    assert pair[at["new"]].tolist() == [0, 1] and 0.5 < likeness[at["new"]] < 1
    assert strength[at["other"]] == 0 and pair[at["other"]].tolist() == [-1, -1]
    assert strength[at["a"]] == 0  # in both formulas, so it took nothing's place


# What the models say ------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu"])
def test_the_gradient_is_the_slope_of_the_prediction(activation: str) -> None:
    settings = replace(TrainingSettings(), property="pH", n_entries=3, conditions=("t",), hidden_activation=activation)
    layout = Layout.of(settings, 7)
    _, regressor = layout.start(settings, np.random.default_rng(5))
    at = np.random.default_rng(6).normal(size=(9, 4))
    slopes = gradient(at, regressor, layout, activation)
    for entry in range(3):
        step = np.zeros(4)
        step[entry] = 0.001
        numeric = (regress(at + step, regressor, layout, activation) - regress(at - step, regressor, layout, activation)) / 0.002
        np.testing.assert_allclose(slopes[:, entry], numeric, atol=1e-3)


def test_fingerprints_do_not_depend_on_how_a_model_turned_its_vectors() -> None:
    """A rotation of the vectors that the first layer undoes changes nothing that a mixture predicts."""
    data = made_of([{"a": 50.0, "b": 50.0}, {"a": 20.0, "c": 80.0}])
    plain = ensemble(data, 1)
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(4, 4)))
    first = plain.members[0]
    regressor = first.regressor.copy()
    rows, columns = plain.layout.shapes[0]
    regressor[: rows * columns] = (turn.T @ regressor[: rows * columns].reshape(rows, columns)).ravel()
    turned = replace(plain, members=[Model((first.vectors @ turn).astype(np.float32), regressor, first.support)])
    np.testing.assert_allclose(fingerprints(turned, data.amounts), fingerprints(plain, data.amounts), atol=1e-5)


@pytest.mark.parametrize("kind", ["linear", "log"])
def test_the_effect_of_a_swap_is_the_difference_of_two_predictions(kind: str) -> None:
    data = made_of([{"a": 50.0, "b": 50.0}, {"a": 20.0, "c": 80.0}, {"b": 30.0, "c": 70.0}])
    models = ensemble(data, 2, kind)
    found = swap_effects(models, data.amounts[[0, 1]], 0, np.array([1, 2, 0]))
    by_hand = np.empty((2, 2))
    for k, member in enumerate(models.members):
        for row, formula in enumerate(data.amounts[[0, 1]].toarray()):
            swapped = formula.copy()
            swapped[2] += swapped[0]
            swapped[0] = 0
            before, after = (
                models.scale.to_value(
                    regress(AMOUNT_UNIT * (f @ member.vectors)[None], member.regressor, models.layout, "tanh")
                )[0]
                for f in (formula, swapped)
            )
            by_hand[k, row] = np.log(after / before) if kind == "log" else after - before
    shown = np.expm1 if kind == "log" else np.asarray
    assert found.relative == (kind == "log") and found.formulas == 2
    assert found.mean[1] == pytest.approx(shown(by_hand.mean()), abs=1e-5)
    mean = by_hand.mean(axis=0)
    assert found.worst[1] == pytest.approx(shown(mean[np.abs(mean).argmax()]), abs=1e-5)
    assert found.spread[1] == pytest.approx(shown(by_hand.mean(axis=1)).std(ddof=1), abs=1e-5)
    assert found.mean[2] == found.worst[2] == found.spread[2] == 0  # in its own place
    lone = swap_effects(ensemble(data, 1), data.amounts[[0]], 0, np.array([1]))
    assert np.isnan(lone.spread[0])


def test_the_effect_of_one_percent_more_has_the_propertys_unit() -> None:
    slope = np.full((2, 3, 4), 0.1, np.float32)
    targets = np.full(4, 1.0)
    linear = effect_per_percent(slope, TargetScale("linear", 2.0, 0.5, 0, 9), targets)
    root = effect_per_percent(slope, TargetScale("sqrt", 2.0, 0.5, 0, 9), targets)
    log = effect_per_percent(slope, TargetScale("log", 2.0, 0.5, 0, 9), targets)
    np.testing.assert_allclose(linear, 0.05)
    np.testing.assert_allclose(root, 0.05 * 2 * 2.5)
    np.testing.assert_allclose(log, 10**0.05 - 1)


def test_probes_are_training_formulas_and_the_same_every_time() -> None:
    parts = np.array(["train", "eval", "validation", ""] * 200, dtype=object)
    probes = probe_formulas(parts)
    assert len(probes) == 128 and set(parts[probes]) == {"train", "validation"}
    np.testing.assert_array_equal(probes, probe_formulas(parts))
    assert probe_formulas(parts[:8]).tolist() == [0, 2, 4, 6]


# Functions ----------------------------------------------------------------------------------------


def test_a_material_may_have_several_functions():
    assert function_names(" Emulsifier; co-emulsifier / THICKENER, emulsifier") == ["emulsifier", "co-emulsifier", "thickener"]
    kinds = {"a": "Oil", "b": "oil; wax", "c": "wax", "d": ""}
    matrix, names = multi_hot(made_of([{m: 25.0 for m in "abcd"}], kinds))
    assert names == ["oil", "wax"]
    assert matrix.toarray().tolist() == [[1, 0], [1, 1], [0, 1], [0, 0]]
    distances = function_distances(matrix, 0)
    np.testing.assert_array_equal(distances, [0, 0.5, 1, np.nan])
    assert acts_differently(np.array([0.0, 0.0, 1.0, np.nan]), np.array([0.1, -0.9, 5.0, 5.0]), [0, 1, 2, 3], 2) == [1, 0]


def test_a_set_without_functions_is_ranked_all_the_same():
    data = made_of([{"a": 50.0, "b": 50.0}, {"a": 20.0, "c": 80.0}, {"b": 30.0, "c": 70.0}])
    similarity = Similarity(data, np.array(["train"] * 3, dtype=object), ensemble(data))
    assert similarity.functions[1] == []
    assert len(similarity.neighbours(0, 5).indices) == 2


# What each kind of use weighs ---------------------------------------------------------------------


def mixtures(families: int, noise: float, seed: int = 3) -> FormulaSet:
    """600 formulas of five out of 40 materials: those of one family of partners, or, with ``noise``, any; amounts by lot."""
    random = np.random.default_rng(seed)
    family = np.arange(40) % families
    formulas = []
    for _ in range(600):
        own = np.flatnonzero(family == random.integers(families)) if random.random() > noise else np.arange(40)
        chosen = random.choice(own, 5, replace=False)
        formulas.append(dict(zip([f"m{i:02}" for i in chosen], random.dirichlet(np.ones(5)) * 100, strict=True)))
    return made_of(formulas)


def test_partners_weigh_as_much_as_they_come_back_in_the_other_half():
    habit, chance = reliability(mixtures(4, 0.0)), reliability(mixtures(4, 1.0))
    assert habit.partners > 0.9 > 0.5 > chance.partners
    assert habit.entries >= 3 and habit.entries > chance.entries
    assert habit.ratio > 5 * chance.ratio
    assert reliability(mixtures(4, 0.0)) == habit


def test_too_few_formulas_to_be_halved_weigh_as_usual():
    assert reliability(made_of([{"a": 50.0, "b": 50.0}, {"a": 20.0, "c": 80.0}])) is USUAL


# Rankings -----------------------------------------------------------------------------------------


def test_planted_twins_find_each_other_first(small_cosmetics):
    """The swaps that formulas show name the twin where the learned vectors of a short training cannot."""
    planted, twins = plant_twins(small_cosmetics, seed=1)
    assert len(twins) > 10 and tuple(sorted(planted.materials)) == planted.materials
    assert not (planted.amounts[:, twins[:, 0]].toarray() * planted.amounts[:, twins[:, 1]].toarray()).any()
    np.testing.assert_array_equal(
        planted.amounts[:, twins[0]].sum(axis=1),
        small_cosmetics.amounts[:, [small_cosmetics.material_index[planted.materials[twins[0, 0]]]]].toarray()[:, 0],
    )
    parts = np.array(["train"] * len(planted.formula_ids), dtype=object)
    similarity = Similarity(planted, parts, ensemble(planted))
    first = [similarity.neighbours(int(a), 3, functions=False).indices for a, _ in twins]
    assert np.mean([b in found for (_, b), found in zip(twins, first, strict=True)]) > 0.7


def test_the_fused_ranking_finds_functions_that_single_vectors_do_not(run):
    data, similarity = run.data, similarity_of(run)
    functions = data.material_info["function"].to_numpy()
    among = data.support >= 5
    queries = np.flatnonzero(among)[::4]

    def precision(named) -> float:
        return float(np.mean([(functions[named(int(q))] == functions[q]).mean() for q in queries]))

    fused = precision(lambda q: similarity.neighbours(q, 10, among=among, functions=False).indices)
    vectors = precision(lambda q: neighbours(run.vectors(), q, 10, "cosine", among).indices)
    told = precision(lambda q: similarity.neighbours(q, 10, among=among).indices)
    assert fused > vectors + 0.1
    assert told > fused


def test_the_distance_over_members_is_the_mean_of_theirs(run):
    similarity = similarity_of(run)
    members = similarity.ensemble.members
    query = int(run.support.argmax())
    found = similarity.neighbours(query, 5, by="code", metric="cosine")
    for other, distance in zip(found.indices, found.distances, strict=True):
        single = [neighbours(m.vectors, query, 599, "cosine") for m in members]
        mean = np.mean([n.distances[n.indices == other][0] for n in single])
        assert distance == pytest.approx(mean, abs=1e-5)


def test_rare_materials_are_not_near_by_accident(run):
    """Two materials of one use each may agree in all that is known; a well-known one is still nearer."""
    data, similarity = run.data, similarity_of(run)
    careless = Similarity(data, run.parts, similarity.ensemble, Weights(rarity=0))
    queries = np.argsort(-data.support)[5:150:10]

    def rare(ranking: Similarity) -> int:
        named = [ranking.neighbours(int(query), 20, functions=False).indices for query in queries]
        return int((data.support[np.concatenate(named)] <= 2).sum())

    assert rare(similarity) < 0.3 * rare(careless)


def test_a_material_that_never_trained_has_no_effect(run):
    similarity = similarity_of(run)
    never = similarity.ensemble.members[0].support == 0
    assert never.any() and not next(similarity.each_fingerprint())[never].any()


@pytest.mark.parametrize(("setting", "value"), [("by", "magic"), ("metric", "manhattan")])
def test_an_unknown_ranking_is_refused(run, setting: str, value: str) -> None:
    words = {"by": "code", "metric": "cosine", setting: value}
    with pytest.raises(SettingRefused, match=value):
        similarity_of(run).neighbours(0, 5, **words)


@pytest.mark.parametrize("by", BY)
def test_only_materials_that_may_be_named_and_never_the_query(run, by: str) -> None:
    among = run.support >= 3
    found = similarity_of(run).neighbours(int(np.flatnonzero(among)[0]), 1_000, by=by, among=among)
    assert sorted([*found.indices, np.flatnonzero(among)[0]]) == np.flatnonzero(among).tolist()
    assert (np.diff(found.distances) >= 0).all()
    with pytest.raises(SettingRefused, match="from 1 to 1000"):
        similarity_of(run).neighbours(0, 0, by=by)


# Evidence -----------------------------------------------------------------------------------------


def test_every_neighbour_comes_with_its_evidence(run):
    data, similarity = run.data, similarity_of(run)
    facts = material_facts(data, run.parts)
    query = int(np.argsort(-run.support)[3])
    found = similarity.neighbours(query, 12)
    table = evidence(similarity, found, facts, lambda q, others: held_since(run, q, others))
    assert tuple(table.columns) == EVIDENCE and len(table) == 12
    assert table["support"].tolist() == run.support[found.indices].tolist()
    assert set(table["change_unit"]) == {"%"}  # viscosity is on a log scale
    assert (table["members_asked"] == len(similarity.ensemble.members)).all()
    assert set(table["same_function"]) <= {"yes", "no", "partly", ""}
    for row, other in zip(table.itertuples(), found.indices, strict=True):
        shared = len(np.intersect1d(formulas_with(data, query), formulas_with(data, int(other))))
        assert row.shared_formulas == shared and (row.together == "never") == (shared == 0)
        if row.swaps:
            before, after = (data.formula_ids.index(text) for text in (row.swap_from, row.swap_to))
            assert data.amounts[[before], [query]][0] > 0 and data.amounts[[after], [other]][0] > 0


def test_agreement_counts_the_models_that_name_it(run):
    similarity = similarity_of(run)
    query = int(run.support.argmax())
    names = [neighbours(m.vectors, query, 10, "cosine", m.support > 0).indices for m in similarity.ensemble.members]
    others = np.unique(np.concatenate(names))
    votes, asked = agreement(similarity, query, others)
    assert asked == len(names)
    assert votes.tolist() == [sum(other in each for each in names) for other in others]
    assert agreement(similarity, int(np.flatnonzero(run.support == 0)[0]), others)[0].sum() == 0


def test_a_neighbour_holds_since_the_first_of_an_unbroken_row_of_frames(run):
    query = int(run.support.argmax())
    steps = run.frame_steps()
    steps = steps[steps <= run.kept_step]
    named = [
        set(Points(run.frame(n), "cosine").nearest(query, 10, run.support > 0).indices.tolist()) for n in range(len(steps))
    ]
    others = np.array(sorted(named[-1] | named[0]))
    for other, since in zip(others, held_since(run, query, others), strict=True):
        rows = [other in each for each in named]
        expected = np.nan
        for step, inside in zip(steps[::-1], rows[::-1], strict=True):
            if not inside:
                break
            expected = step
        np.testing.assert_equal(since, expected)


@pytest.mark.parametrize(("shared", "word"), [(0, "never"), (2, "seldom"), (5, "often")])
def test_together_in_words(shared: int, word: str) -> None:
    assert together(shared, 10, 300) == word


# Groups, ways, singular ones ----------------------------------------------------------------------


def test_a_groups_neighbours_are_near_to_all_of_it(run):
    similarity = similarity_of(run)
    group = [int(i) for i in np.argsort(-run.support)[:3]]
    found = group_neighbours(similarity, group, 5)
    mean = np.mean([similarity.distances(each) for each in group], axis=0)
    mean[group] = np.inf
    assert found.indices.tolist() == np.argsort(mean, kind="stable")[:5].tolist()
    with pytest.raises(NotThere, match="at least one"):
        group_neighbours(similarity, [], 5)


def test_a_way_leads_through_near_materials_and_singular_ones_stand_apart():
    line = np.column_stack([np.arange(30.0), np.zeros(30)])
    points = np.vstack([line, [[500.0, 0.0]]])
    web = web_of(points, np.ones(31, bool))
    way, steps = path_between(web, 2, 7)
    assert way == [2, 3, 4, 5, 6, 7] and steps == pytest.approx([1] * 5)
    assert singular(web, 1)[0].tolist() == [30]
    named, count = hubs(web, 31)
    assert named[-1] == 30 and count[-1] == 0 and count.sum() == 31 * 10
    with pytest.raises(NotThere, match="only between materials of the choice"):
        path_between(web_of(points, np.arange(31) != 7), 2, 7)
    apart = np.vstack([line, line + [0, 1e6]])
    with pytest.raises(NotThere, match="separate groups"):
        path_between(web_of(apart, np.ones(60, bool)), 0, 45)
