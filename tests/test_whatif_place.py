"""A material that never trained, placed by its formulas: on real shampoos, with refusals and the command."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array

from benchmarks.placing import subset
from matrep_core.cli import main
from matrep_core.errors import NotThere, SettingRefused
from matrep_core.formulas.reading import read_data
from matrep_core.formulas.schema import FormulaSet
from matrep_core.formulas.storage import write_csv_folder
from matrep_core.runs.store import Run
from matrep_core.settings import from_recipe
from matrep_core.training import fit, prepare
from matrep_core.whatif.newcomers import new_formulas, order_of
from matrep_core.whatif.place import place

TARGET, NEW, SECOND = "viscosity_100s", "Dehyton AB 30", "Plantacare 818"


@pytest.fixture(scope="module")
def shampoo(shared_data) -> FormulaSet:
    data = read_data([shared_data / "shampoo"]).data
    rows = np.unique(data.measurements.loc[data.measurements["property"] == TARGET, "formula"])
    return subset(data, rows)


@pytest.fixture(scope="module")
def holding(shampoo) -> np.ndarray:
    """(F, 2) bool: which formulas hold NEW, and which SECOND."""
    return shampoo.amounts[:, [shampoo.material_index[code] for code in (NEW, SECOND)]].toarray() > 0


@pytest.fixture(scope="module")
def run(shampoo, holding, tmp_path_factory) -> Run:
    """Trained on the shampoos without NEW and SECOND."""
    settings = from_recipe("default", property=TARGET, n_entries=5, steps=300, members=3, frames=2)
    made = prepare(tmp_path_factory.mktemp("runs") / "shampoo", subset(shampoo, np.flatnonzero(~holding.any(axis=1))), settings)
    assert fit(made).state == "done"
    return made


def measured_in(data: FormulaSet, rows: list[int]) -> FormulaSet:
    """``data`` with only the measurements of its formulas ``rows``."""
    table = data.measurements
    kept = table[(table["property"] == TARGET) & table["formula"].isin(rows)].reset_index(drop=True)
    return replace(data, measurements=kept, properties=tuple(p for p in data.properties if p.name == TARGET))


def test_measured_formulas_sharpen_what_is_predicted(run, shampoo, holding):
    new = subset(shampoo, np.flatnonzero(holding[:, 0] & ~holding[:, 1]))
    (few,), (many,) = place(run, measured_in(new, [0])), place(run, measured_in(new, list(range(12))))
    assert (few.code, few.measured, many.measured) == (NEW, 1, 12)
    for each in (few, many):
        assert each.stand_ins["probability"].sum() == pytest.approx(1) and each.stand_ins["probability"].is_monotonic_decreasing
        assert NEW not in set(each.stand_ins["material"]) and not {NEW, SECOND} & set(run.data.materials)
        assert (each.predictions["low80"] < each.predictions["predicted"]).all() and (each.predictions["low80"] > 0).all()
        assert set(each.teaches["formula_id"]) == set(each.predictions["formula_id"][each.predictions["measured"].isna()])
        assert each.teaches["teaches"].is_monotonic_decreasing
    assert np.trace(many.region.covariance) < np.trace(few.region.covariance)
    assert np.linalg.eigvalsh(many.region.covariance).min() > 0 and many.region.drawn(50).shape == (50, run.settings.n_entries)
    truth = np.log10(new.measurements[new.measurements["property"] == TARGET].set_index("formula")["value"].loc[12:].to_numpy())
    error = [np.abs(np.log10(each.predictions["predicted"].to_numpy()[12:]) - truth).mean() for each in (few, many)]
    assert error[1] < error[0]


def test_without_a_measurement_use_and_function_speak(run, shampoo, holding):
    new = measured_in(subset(shampoo, np.flatnonzero(holding[:, 0] & ~holding[:, 1])), [])
    (found,) = place(run, new)
    assert found.measured == 0 and found.note.startswith("Nothing of it was measured") and found.stand_ins["misfit"].isna().all()
    assert np.isfinite(found.predictions["predicted"]).all()


def test_a_material_that_surprises_gets_wider_intervals(run, shampoo, holding):
    new = measured_in(subset(shampoo, np.flatnonzero(holding[:, 0] & ~holding[:, 1])), list(range(8)))
    factors = np.where(np.arange(len(new.measurements)) % 2, 30.0, 1 / 30.0)
    odd = replace(new, measurements=new.measurements.assign(value=new.measurements["value"] * factors))
    widths = []
    for data in (new, odd):
        (found,) = place(run, data)
        unknown = found.predictions[found.predictions["measured"].isna()]
        widths.append(np.log(unknown["high80"] / unknown["low80"]).median())
    assert widths[1] > 1.5 * widths[0]


def test_surprises_leave_each_formula_out(run, shampoo, holding):
    from matrep_core.predictor import predictor_of
    from matrep_core.whatif.bench import Asked
    from matrep_core.whatif.placing import Placer

    evidence, targets = Placer(Asked(run, predictor_of(run))).rehearsals[0]
    rows = np.arange(4)
    found = evidence.surprises(rows, targets[rows])
    without = evidence.settled(rows[[0, 1, 3]], targets[[0, 1, 3]])
    assert found[2] == pytest.approx((targets[2] - without.mean[2]) / np.sqrt(without.variance[2]))
    assert evidence.surprises(rows[:0], targets[:0]).shape == (0,)


def test_two_new_materials_are_placed_one_after_the_other_or_refused(run, shampoo, holding):
    both, first = holding.all(axis=1), holding[:, 0] & ~holding[:, 1]
    assert both.any()
    together = subset(shampoo, np.flatnonzero(both | first))
    order = [found.code for found in place(run, measured_in(together, list(range(10))))]
    assert order == [NEW, SECOND]
    with pytest.raises(SettingRefused, match="two or more unknown materials .* where one is allowed"):
        place(run, subset(shampoo, np.flatnonzero(both)))


def test_what_cannot_be_placed_is_a_sentence_and_the_run_stays(run, shampoo, holding):
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    with pytest.raises(NotThere, match="there is none to place"):
        place(run, run.data)
    new = subset(shampoo, np.flatnonzero(holding[:, 0] & ~holding[:, 1]))
    wrong = tuple(replace(p, unit="Pa.s") if p.name == TARGET else p for p in new.properties)
    with pytest.raises(SettingRefused, match="trained in mPa.s"):
        place(run, replace(new, properties=wrong))
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before


def test_the_order_of_placing_starts_where_one_is_unknown(run, shampoo, holding):
    from matrep_core.predictor import predictor_of
    from matrep_core.whatif.bench import Asked

    found = new_formulas(Asked(run, predictor_of(run)), subset(shampoo, np.flatnonzero(holding.any(axis=1))))
    (first, rows), (second, rest) = order_of(found)
    assert {first, second} == {0, 1} and (found.unknown[rows, second] == 0).all() and (found.unknown[rest, second] > 0).all()
    assert csr_array(found.known).shape == (len(found.ids), len(run.data.materials))


def test_the_command_places(run, shampoo, holding, tmp_path, capsys):
    write_csv_folder(measured_in(subset(shampoo, np.flatnonzero(holding[:, 0] & ~holding[:, 1])), [0, 1, 2]), tmp_path / "new")
    assert main(["place", str(run.path), str(tmp_path / "new"), "--json"]) == 0
    (document,) = json.loads(capsys.readouterr().out)
    assert document["material"] == NEW and document["measured"] == 3 and len(document["vector"]) == 5
    assert main(["place", str(run.path), str(tmp_path / "new")]) == 0
    shown = capsys.readouterr().out
    assert "3 measured formulas" in shown and "next: it would teach most" in shown
