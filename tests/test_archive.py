"""Runs that leave and come back as zips; what is done to the zip meanwhile is the matter of tests/attacks."""

from __future__ import annotations

import numpy as np
import pytest

from matrep_core.runs.archive import import_run, write_archive
from matrep_core.runs.store import Run
from matrep_core.settings import from_recipe
from matrep_core.training import fit, prepare


@pytest.fixture(scope="module")
def archive(small_cosmetics, tmp_path_factory):
    folder = tmp_path_factory.mktemp("archive")
    run = prepare(folder / "run-1", small_cosmetics, from_recipe("default", property="viscosity", steps=30, frames=5))
    fit(run)
    write_archive(run, folder / "run.zip")
    return folder / "run.zip"


def test_it_comes_back_as_it_left_and_keeps_its_neighbours_apart(archive, tmp_path):
    first, second = import_run(archive, tmp_path), import_run(archive, tmp_path)
    assert first.id == "run-1" and second.id.startswith("run-1-")
    original = Run(archive.parent / "run-1")
    for run in (first, second):
        np.testing.assert_array_equal(run.vectors(), original.vectors())
        assert run.data.materials == original.data.materials
        assert run.frame_steps().tolist() == original.frame_steps().tolist()
