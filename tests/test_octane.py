"""The octane set is read from the installed package, exactly, and without importing the package."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from matrep_core.errors import DataRefused, NotThere
from matrep_core.formulas import octane
from matrep_core.formulas.octane import hydrocarbon_class, octane_path, read_octane

SHARED = Path(__file__).parents[2] / "shared" / "data" / "octane"
installed = pytest.mark.skipif(octane_path() is None, reason="the optional package bofire is not installed")


@installed
def test_every_mixture_and_molecule_is_there():
    data = read_octane()
    assert data.amounts.shape == (722, 423)
    assert data.support.min() >= 1
    assert list(data.materials) == sorted(set(data.materials))
    assert len(set(data.formula_ids)) == 722
    assert np.abs(data.amounts.sum(axis=1) - 100).max() < 1e-9
    assert list(data.material_info["smiles"]) == list(data.materials)


@installed
def test_known_fuels_have_their_known_octane_number():
    data = read_octane()
    value = dict(zip(data.formula_ids, data.measurements["value"]))
    assert value["N-HEPTANE"] == 0 and value["BENZENE"] == 115 and value["ETHANOL"] == 90
    assert value["2,2,4-TRIMETHYLPENTANE"] == 100, "the two ends of the scale are n-heptane and isooctane"
    assert "TOLUENE (2)" in value
    assert data.formula(data.formula_ids.index("N-HEPTANE")) == [("CCCCCCC", 100.0)]


@installed
@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared copy of the octane set is not beside the project")
def test_it_agrees_with_the_shared_copy_but_for_the_rescaled_rows():
    data = read_octane()
    with (SHARED / "formulas.csv").open(encoding="utf-8", newline="") as file:
        _, *rows = csv.reader(file)
    expected = np.zeros((722, 423))
    for formula, smiles, amount in rows:
        expected[int(formula), data.material_index[smiles]] = float(amount)
    sums = expected.sum(axis=1, keepdims=True)
    assert np.allclose(data.amounts.toarray(), expected / sums * 100, rtol=1e-12)
    assert np.sum(np.abs(sums - 100) > 0.01) == 16
    with (SHARED / "properties.csv").open(encoding="utf-8", newline="") as file:
        _, *rows = csv.reader(file)
    assert [float(row[2]) for row in rows] == list(data.measurements["value"])


@pytest.mark.parametrize(
    "smiles, expected",
    [
        ("CCCCCCC", "straight alkane"), ("CC(C)CC(C)(C)C", "branched alkane"), ("C1CCCCC1", "naphthene"),
        ("C/C=C/C(C)C", "alkene"), ("C1CC=CC1", "alkene"), ("CC#CC", "alkyne"), ("Cc1ccccc1", "aromatic"),
        ("C=Cc1ccccc1", "aromatic"), ("CCO", "oxygenate"), ("o1cccc1", "oxygenate"), ("CC(C)COC(C)=O", "oxygenate"),
    ],
)  # fmt: skip
def test_the_class_follows_from_the_smiles(smiles, expected):
    assert hydrocarbon_class(smiles) == expected


@installed
def test_reading_does_not_import_the_package():
    code = "import sys, matrep_core.formulas.octane as octane; octane.read_octane(); print('bofire' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_missing_package_is_named_with_its_command():
    code = (
        "import importlib.util as u; find = u.find_spec\n"
        "u.find_spec = lambda name, package=None: None if name == 'bofire' else find(name, package)\n"
        "from matrep_core.formulas.octane import octane_path, read_octane\n"
        "assert octane_path() is None\n"
        "read_octane()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert NotThere.__name__ in done.stderr
    assert "pip install -r requirements-octane.txt" in done.stderr


@pytest.mark.parametrize(
    "table, message",
    [
        ("Label,MON,C,C\nA,1,50,50\n", "row 1: the columns are not Label, MON and different molecules"),
        ("Label,RON,C,CC\nA,1,50,50\n", "row 1: the columns are not Label, MON and different molecules"),
        ("Label,MON,C,CC\nA,1,50\n", "row 2: the row has 3 cells instead of 4"),
        ("Label,MON,C,CC\nA,1,50,50\nB,2,x,50\n", "row 3, column C: the value is not an amount or a number ('x')"),
        ("Label,MON,C,CC\nA,1,-5,105\n", "row 2, column C: the value is not an amount or a number ('-5')"),
        ("Label,MON,C,CC\nA,nan,50,50\n", "row 2, column MON: the value is not an amount or a number ('nan')"),
        ("Label,MON,C,CC\nA,1,0,0\n", "row 2: the row has no amounts"),
    ],
)
def test_another_table_than_the_known_one_is_refused_with_its_row(table, message, tmp_path, monkeypatch):
    path = tmp_path / "octane.csv"
    path.write_text(table, encoding="utf-8")
    monkeypatch.setattr(octane, "octane_path", lambda: path)
    with pytest.raises(DataRefused) as refused:
        read_octane()
    assert message in str(refused.value)
