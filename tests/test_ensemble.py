"""The default predictor: folds are clean, what is stored predicts the same, intervals cover, old runs still open."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

from matrep_core.errors import NotThere, RunBroken, SettingRefused
from matrep_core.formulas.schema import observations
from matrep_core.model import ensemble as parts
from matrep_core.model import partners
from matrep_core.model.problem import build_problem
from matrep_core.predictor import predictor_of
from matrep_core.runs.archive import import_run, write_archive
from matrep_core.runs.checkpoint import read_sealed, write_sealed
from matrep_core.runs.store import Run
from matrep_core.settings import from_recipe
from matrep_core.similarity.effects import scaled_predictions
from matrep_core.similarity.evidence import similarity_of
from matrep_core.training import fit, prepare

SAMPLES = Path(__file__).parent / "samples"


@pytest.fixture(scope="module")
def trained(small_cosmetics, tmp_path_factory):
    chosen = from_recipe("default", property="viscosity", steps=300, members=3, frames=4, hidden_width=32)
    run = prepare(tmp_path_factory.mktemp("ensemble") / "run", small_cosmetics, chosen)
    fit(run)
    return Run(run.path)


def test_every_training_formula_is_in_one_fold_and_no_other_is(trained):
    train = trained.parts == "train"
    assert ((trained.folds >= 0) == train).all()
    assert np.ptp(np.bincount(trained.folds[train])) <= 1


def test_members_trained_without_their_fold(trained):
    main, *members = trained.members()
    assert len(members) == 3 and (main.support == trained.support).all()
    for number, member in enumerate(members):
        lost = trained.data.amounts[trained.folds == number]
        assert (main.support - member.support == np.bincount(lost.indices, minlength=len(main.support))).all()
        only_there = (member.support == 0) & (main.support > 0)
        np.testing.assert_allclose(member.vectors[only_there], 0, atol=0.1)  # where the random start put them


def test_what_is_stored_predicts_what_training_predicted(trained):
    table = trained.predictions()
    rows = [trained.data.formula_ids.index(i) for i in table.formula_id]
    found = predictor_of(trained).predict(trained.data.amounts[rows], np.empty((len(rows), 0)))
    np.testing.assert_allclose(found.value, table.predicted, rtol=1e-6)
    np.testing.assert_allclose(found.low80, table.low80, rtol=1e-6)
    assert (table.low95 <= table.low80).all() and (table.low80 < table.high80).all() and (table.high80 <= table.high95).all()
    assert sum(trained.blend().values()) == pytest.approx(1) and set(trained.blend()) == {
        parts.VECTORS, parts.TREES, parts.MIXTURE_TREES, parts.KERNEL,
    }  # fmt: skip


def test_a_formula_with_an_unseen_material_is_flagged_and_wider(trained):
    amounts = trained.data.amounts[:1].toarray()
    never = int(np.flatnonzero(trained.support == 0)[0])
    other = amounts.copy()
    other[0, np.argmin(np.where(amounts[0] > 0, amounts[0], np.inf))] = 0
    other[0, never] = 100 - other.sum()
    predictor = predictor_of(trained)
    with_rarity = replace(predictor, interval=replace(predictor.interval, rarity=max(predictor.interval.rarity, 0.5)))
    known, unknown = (with_rarity.predict(csr_array(each), np.empty((1, 0))) for each in (amounts, other))
    assert known.unseen[0] + 1 == unknown.unseen[0]
    assert np.log(unknown.high80 / unknown.low80) > np.log(known.high80 / known.low80)


def test_stored_trees_and_kernel_equal_scikit_learn():
    from sklearn.ensemble import ExtraTreesRegressor
    from sklearn.svm import SVR

    random = np.random.default_rng(0)
    inputs = random.uniform(0, 10, (120, 7)).astype(np.float32)
    targets = np.sin(inputs[:, 0]) + 0.1 * inputs[:, 1]
    forest = partners.joined([partners.fit_trees(inputs[:80], targets[:80], seed) for seed in (0, 1)]).checked(7)
    for seed in (0, 1):
        theirs = ExtraTreesRegressor(partners.TREES, max_features=partners.FEATURE_SHARE, random_state=seed).fit(inputs[:80], targets[:80])
        np.testing.assert_allclose(forest.predict(seed, inputs), theirs.predict(inputs), rtol=1e-5)
    sparse = partners.kernel_inputs(csr_array(inputs), np.empty((120, 0)), True, 0.0)
    ours = partners.fit_kernel(sparse[:80], targets[:80])
    machine = partners.Kernel(
        ours.rows, np.empty((len(ours.rows), 0)), ours.dual, np.array([0, len(ours.rows)]), np.array([ours.gamma]),
        np.array([ours.intercept]), True, 0.0,
    )  # fmt: skip
    theirs = SVR(C=partners.KERNEL_COST, epsilon=partners.KERNEL_MARGIN).fit(np.sqrt(inputs[:80]), targets[:80])
    np.testing.assert_allclose(machine.predict(0, sparse, sparse[ours.rows]), theirs.predict(np.sqrt(inputs)), atol=2e-3)


def test_the_weights_see_no_evaluated_value(trained):
    """Other values of the evaluated formulas leave every weight and every interval as it was."""
    observed = observations(trained.data, "viscosity")
    problem = build_problem(trained.data, observed, trained.parts, trained.settings)
    members = trained.members()
    fold = trained.folds[problem.formulas]
    models = np.stack([m.vectors for m in members]), np.stack([m.regressor for m in members])
    changed = problem.targets.copy()
    changed[problem.part == "eval"] = 7.0
    a, b = (
        parts.fit_ensemble(each, trained.settings, fold, *models) for each in (problem, replace(problem, targets=changed))
    )
    assert a.weights == b.weights == trained.blend() and a.interval == b.interval


@pytest.mark.parametrize(
    "hostile", ["backwards", "outside", "column", "formula", "shape"]
)  # a run from elsewhere, its seals renewed
def test_trees_that_are_no_trees_are_refused(trained, tmp_path, hostile):
    write_archive(trained, tmp_path / "run.zip")
    run = import_run(tmp_path / "run.zip", tmp_path / "store")
    tensors, facts = read_sealed(run.path / "model")
    name = f"{parts.TREES}/"
    change = {
        "backwards": (name + "left", lambda a: np.zeros_like(a)), "outside": (name + "right", lambda a: a + len(a)),
        "column": (name + "feature", lambda a: a + 10_000), "formula": ("kernel/formulas", lambda a: a + 10**6),
        "shape": ("folds/vectors", lambda a: a[:, :5]),
    }  # fmt: skip
    key, mend = change[hostile]
    tensors = {**tensors, key: mend(tensors[key]).astype(tensors[key].dtype)}
    write_sealed(run.path / "model", tensors, facts)
    with pytest.raises(RunBroken):
        predictor_of(Run(run.path))


def test_a_run_of_format_1_still_opens(tmp_path):
    run = import_run(SAMPLES / "run-format-1.zip", tmp_path)
    assert run.settings.members == 0 and run.kept_step == 60
    assert len(run.members()) == 1 and run.blend() == {"vectors": 1.0}
    assert run.scores()["eval"]["mae"] == pytest.approx(12850.007, rel=1e-6)
    table = run.predictions()
    rows = [run.data.formula_ids.index(i) for i in table.formula_id]
    found = predictor_of(run).predict(run.data.amounts[rows], np.empty((len(rows), 0)))
    np.testing.assert_allclose(found.value, table.predicted, rtol=1e-4)
    assert np.isnan(found.low80).all() and table.low80.isna().all()


def test_the_same_predictor_whatever_the_number_of_workers(small_cosmetics, tmp_path):
    chosen = from_recipe("default", property="viscosity", steps=60, members=3, frames=2, hidden_width=16)
    ends = []
    for workers in (1, 3):
        run = prepare(tmp_path / f"{workers}", small_cosmetics, chosen)
        fit(run, workers=workers)
        ends.append(run.kept_model()[0])
    assert ends[0].keys() == ends[1].keys()
    assert all(np.array_equal(ends[0][name], ends[1][name], equal_nan=True) for name in ends[0])


def test_several_properties_share_the_vectors(small_cosmetics, tmp_path):
    """Measurements of further properties train, unless their formula evaluates; what is judged stays the first property."""
    chosen = from_recipe("default", property="viscosity", also=("pH",), steps=60, members=2, frames=2, hidden_width=16)
    run = prepare(tmp_path / "run", small_cosmetics, chosen)
    problem = build_problem(run.data, observations(run.data, "viscosity"), run.parts, run.settings)
    companions = problem.part == "companion"
    assert companions.sum() > 20 and not (run.parts[problem.formulas[companions]] == "eval").any()
    assert abs(problem.targets[companions].mean()) < 1e-4 and problem.targets[companions].std() == pytest.approx(1, abs=1e-3)
    fit(run)
    table = run.predictions()
    assert len(table) == problem.own and set(table.part) == {"train", "eval"}
    rows = [run.data.formula_ids.index(i) for i in table.formula_id]
    found = predictor_of(run).predict(run.data.amounts[rows], np.empty((len(rows), 0)))
    np.testing.assert_allclose(found.value, table.predicted, rtol=1e-6)
    models = similarity_of(run).ensemble  # what similarity asks of the models is the same property
    for number, member in enumerate(run.members()):
        asked = models.scale.to_value(scaled_predictions(models, member, run.data.amounts[rows]))
        np.testing.assert_allclose(asked, found.models[number], rtol=1e-3)


@pytest.mark.parametrize(
    ("also", "sentence"),
    [(("viscosity",), "not the first one again"), (("pH", "pH"), "once"), ((1,), "names of properties"), (("smell",), "no property 'smell'")],
)
def test_further_properties_that_do_not_fit_are_refused(small_cosmetics, tmp_path, also, sentence):
    with pytest.raises((SettingRefused, NotThere), match=sentence):
        prepare(tmp_path / "run", small_cosmetics, from_recipe("default", property="viscosity", also=also))
    assert list(tmp_path.iterdir()) == []


def test_the_predictor_refuses_other_shapes(trained):
    with pytest.raises(SettingRefused, match="600 materials and 0 conditions"):
        predictor_of(trained).predict(trained.data.amounts[:2], np.zeros((2, 1)))


def test_a_run_of_format_2_still_opens(tmp_path):
    run = import_run(SAMPLES / "run-format-2.zip", tmp_path)
    assert run.settings.members == 2 and len(run.members()) == 3 and len(run.blend()) == 4
    table = run.predictions()
    rows = [run.data.formula_ids.index(i) for i in table.formula_id]
    found = predictor_of(run).predict(run.data.amounts[rows], np.empty((len(rows), 0)))
    np.testing.assert_allclose(found.value, table.predicted, rtol=1e-4)
    np.testing.assert_allclose(found.high95, table.high95, rtol=1e-4)
