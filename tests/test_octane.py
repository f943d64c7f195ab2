"""The octane set out of the installed package: the same numbers as the published file."""

from __future__ import annotations

import numpy as np
import pytest

from matrep_core.errors import NotThere
from matrep_core.formulas import octane
from matrep_core.formulas.octane import molecule_class, octane_path, read_octane
from matrep_core.formulas.reading import ReadingOptions, read_data

needs_bofire = pytest.mark.skipif(octane_path() is None, reason="the optional package with the octane set is not installed")


@needs_bofire
def test_every_mixture_is_there_and_sums_to_100():
    data = read_octane()
    assert (len(data.formula_ids), len(data.materials), len(data.measurements)) == (722, 423, 722)
    np.testing.assert_allclose(data.amounts.sum(axis=1), 100)
    assert [(p.name, p.scale) for p in data.properties] == [("MON", "linear")]


@needs_bofire
def test_it_is_the_published_table(shared_data):
    mine = read_octane()
    other = read_data([shared_data / "octane"], ReadingOptions(rescale=True)).data
    assert mine.materials == other.materials
    np.testing.assert_array_equal(mine.measurements["value"], other.measurements["value"])
    assert abs(mine.amounts - other.amounts).max() < 1e-9


def test_without_the_package_it_says_how_to_install(monkeypatch):
    monkeypatch.setattr(octane, "find_spec", lambda name: None)
    with pytest.raises(NotThere, match="pip install -r requirements-octane.txt"):
        read_octane()


@pytest.mark.parametrize(
    ("smiles", "expected"),
    [
        ("CCCCCCC", "paraffin"), ("CC(C)CC(C)(C)C", "isoparaffin"), ("C1CCCCC1", "naphthene"), ("C=CC", "olefin"),
        ("C1C=CCC1", "olefin"), ("C=CC=C", "alkyne or diene"), ("c1ccccc1", "aromatic"), ("CCO", "oxygenate"),
    ],
)  # fmt: skip
def test_classes_follow_the_smiles(smiles, expected):
    assert molecule_class(smiles) == expected
