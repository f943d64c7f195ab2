"""All runs of a study as one evidence: what is averaged, what is counted, what is kept."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from matrep_core.errors import NotThere
from matrep_core.evaluation.results import Study, studies_folder
from matrep_core.settings import from_recipe
from matrep_core.similarity import of_study
from matrep_core.similarity.effects import swap_effects
from matrep_core.similarity.evidence import agreement, evidence, models_of, property_effects, similarity_of
from matrep_core.similarity.of_study import ask_study, runs_of, similarity_of_study
from matrep_core.similarity.ranking import Similarity
from matrep_core.similarity.report import neighbours_report
from matrep_core.study import make_study, plan_of, run_study
from matrep_core.views.background import Progress
from matrep_core.views.facts import material_facts
from matrep_core.views.neighbours import Points, formulas_with


@pytest.fixture(scope="module")
def study(small_cosmetics, tmp_path_factory) -> Study:
    settings = from_recipe("default", property="viscosity", steps=120, frames=4, members=2, blend="no")
    plan = plan_of(small_cosmetics, settings, [3, 6], ["tanh"], 2)
    made = make_study(studies_folder(tmp_path_factory.mktemp("artifacts")) / "study", small_cosmetics, plan)
    assert run_study(made, 1) == {}
    return made


@pytest.fixture(scope="module")
def similarity(study: Study) -> Similarity:
    return similarity_of_study(study)


def test_every_run_is_a_voice_and_every_formula_that_trained_counts(study: Study, similarity: Similarity) -> None:
    runs = runs_of(study)
    assert len(runs) == len(similarity.voices) == 4 and similarity.noun == "runs"
    assert {voice.settings.n_entries for voice in similarity.voices} == {3, 6}
    trained = np.any([np.isin(run.parts, ["train", "validation"]) for run in runs], axis=0)
    assert np.array_equal(similarity.support, np.bincount(study.data.amounts[trained].indices, minlength=600))
    assert (similarity.support >= np.max([run.support for run in runs], axis=0)).all()
    assert similarity.target == "viscosity" and similarity.unit == study.unit


def test_distances_and_fingerprints_are_means_over_all_models_of_all_runs(study: Study, similarity: Similarity) -> None:
    models = [model for run in runs_of(study) for model in models_of(run).members]
    query, other = (int(i) for i in np.argsort(-similarity.support)[[1, 7]])
    cosines = []
    for model in models:
        one, two = (model.vectors[i].astype(float) for i in (query, other))
        cosines.append(1 - one @ two / np.linalg.norm(one) / np.linalg.norm(two))
    found = similarity.neighbours(query, 599, by="code", metric="cosine")
    assert found.distances[found.indices == other][0] == pytest.approx(np.mean(cosines), abs=1e-5)
    np.testing.assert_allclose(similarity.fingerprint, np.mean(list(similarity.each_fingerprint()), axis=0), atol=1e-7)


def test_the_badge_counts_runs(study: Study, similarity: Similarity) -> None:
    query = int(similarity.support.argmax())
    names = []
    for run in runs_of(study):
        points = Points(similarity_of(run).code_points("cosine"), "cosine")
        names.append(points.nearest(query, 10, run.support > 0).indices)
    others = np.unique(np.concatenate(names))
    votes, asked = agreement(similarity, query, others)
    assert asked == 4 and votes.tolist() == [sum(other in each for each in names) for other in others]
    table = evidence(similarity, similarity.neighbours(query, 8), material_facts(study.data, similarity.parts))
    assert (table["members_asked"] == 4).all() and table["since_step"].isna().all()


def test_a_predicted_swap_is_the_mean_of_the_runs_and_its_spread_theirs(study: Study, similarity: Similarity) -> None:
    query, other = (int(i) for i in np.argsort(-similarity.support)[[2, 5]])
    rows = study.data.amounts[formulas_with(study.data, query)]
    each = [np.log1p(swap_effects(models_of(run), rows, query, np.array([other])).mean[0]) for run in runs_of(study)]
    found = swap_effects(similarity.voices, rows, query, np.array([other]))
    assert np.log1p(found.mean[0]) == pytest.approx(np.mean(each), rel=1e-6)
    assert found.spread[0] == pytest.approx(np.expm1(each).std(ddof=1), rel=1e-6)
    effects, unit = property_effects(similarity)
    assert unit == "%" and effects.shape == (600,)
    lone = [property_effects(similarity_of(run))[0] for run in runs_of(study)]
    assert np.corrcoef(effects, np.mean(lone, axis=0))[0, 1] > 0.98


def test_a_large_study_is_read_by_a_process_of_its_own_and_kept(study: Study, similarity: Similarity, monkeypatch) -> None:
    monkeypatch.setattr(of_study, "AT_ONCE", 0)
    root = study.path.parent.parent
    found = ask_study(root, study)
    assert isinstance(found, Progress)
    end = time.monotonic() + 120
    while isinstance(found := ask_study(root, study), Progress) and time.monotonic() < end:
        time.sleep(0.2)
    assert isinstance(found, Similarity) and len(list((root / "cache").glob("*.safetensors"))) == 1
    query = int(similarity.support.argmax())
    expected = similarity.neighbours(query, 20)
    again = found.neighbours(query, 20)
    assert again.indices.tolist() == expected.indices.tolist()
    np.testing.assert_allclose(again.distances, expected.distances, rtol=1e-5)
    assert not isinstance(ask_study(root, study), Progress)  # nothing is computed twice


def test_where_all_models_are_too_many_each_run_speaks_with_fewer(study: Study, monkeypatch) -> None:
    runs = runs_of(study)
    assert of_study.models_each(runs) == 3
    monkeypatch.setattr(of_study, "MOST_NUMBERS", 600 * (3 + 6) * 2 * 2)
    assert of_study.models_each(runs) == 2
    monkeypatch.setattr(of_study, "MOST_NUMBERS", 1)
    assert [len(voice.members) for voice in similarity_of_study(study).voices] == [1] * 4


def test_the_report_names_the_study_and_refuses_one_that_has_not_begun(study: Study, small_cosmetics, tmp_path: Path) -> None:
    code = study.data.materials[int(study.data.support.argmax())]
    rows, text = neighbours_report(study, code, 5, None, None)
    assert len(rows) == 5 and "4 runs of study" in text and "of 4 runs" in text
    plan = plan_of(small_cosmetics, study.plan.settings, [3], ["tanh"], 1)
    with pytest.raises(NotThere, match="Only 0 of the runs"):
        neighbours_report(make_study(tmp_path / "new", small_cosmetics, plan), code, 5, None, None)
